/* key_policy.c - what a rotation policy may say, and its row. */
#include "keyvault/keys/key_policy.h"
#include "keyvault/certificates/cert_policy.h"

enum { DOC_MAX_BYTES = 16 << 10, PERIOD_MOST = 9999, ACTIONS_MAX = 2, EXPIRY_LEAST_DAYS = 28, MARGIN_DAYS = 7 };
static const int64_t DAY = 86400 * 1000LL;

/* ---- periods ---- */

static bool period_parse(Str text, Period *out)
{
    static const char units[] = "YMWD";
    Period period = { .is_set = true, .text = text };
    size_t at = 1, unit = 0;
    if (text.len < 3 || text.ptr[0] != 'P')
        return false;
    while (at < text.len) {
        int64_t number = 0;
        size_t digits = at;
        for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && number <= PERIOD_MOST; at++)
            number = number * 10 + (text.ptr[at] - '0');
        if (at == digits || at == text.len || number > PERIOD_MOST)
            return false;
        while (unit < 4 && units[unit] != text.ptr[at])
            unit++;
        if (unit == 4)
            return false;                   /* another letter, or one that came before */
        if (unit < 2)
            period.months += number * (unit == 0 ? 12 : 1);
        else
            period.days += number * (unit == 2 ? 7 : 1);
        unit++;
        at++;
    }
    *out = period;
    return period.months > 0 || period.days > 0;
}

int64_t period_after(int64_t ms, Period period) { return months_later(ms, period.months) + period.days * DAY; }
int64_t period_before(int64_t ms, Period period) { return months_later(ms - period.days * DAY, -period.months); }

/* ---- reading ---- */

static bool read_period(const JsonVal *value, const char *field, Period *out, Err *err)
{
    if (!value || json_kind(value) == JSON_NULL)
        return true;
    return (json_kind(value) == JSON_STR && period_parse(json_str(value), out)) ||
           err_field(err, field, "%s must be a period of years, months and days such as P90D, P18M or P2Y", field);
}

static bool read_action(const JsonVal *item, RotationPolicy *out, Err *err)
{
    Str type = json_str(json_path(item, "action.type"));
    Period after = { 0 }, before = { 0 };
    if (!read_period(json_path(item, "trigger.timeAfterCreate"), "lifetimeActions.trigger.timeAfterCreate", &after, err) ||
        !read_period(json_path(item, "trigger.timeBeforeExpiry"), "lifetimeActions.trigger.timeBeforeExpiry", &before, err))
        return false;
    if (after.is_set == before.is_set)
        return err_field(err, "lifetimeActions.trigger", "lifetimeActions.trigger needs either timeAfterCreate or timeBeforeExpiry");
    if (str_eq_nocase(type, STR("Rotate"))) {
        if (out->after_create.is_set || out->before_expiry.is_set)
            return err_field(err, "lifetimeActions", "lifetimeActions may hold the action Rotate once");
        out->after_create = after;
        out->before_expiry = before;
        return true;
    }
    if (!str_eq_nocase(type, STR("Notify")))
        return err_field(err, "lifetimeActions.action.type", "lifetimeActions.action.type must be Rotate or Notify");
    if (after.is_set || out->notify_before.is_set)
        return err_field(err, "lifetimeActions", "lifetimeActions may hold the action Notify once, with the trigger timeBeforeExpiry");
    out->notify_before = before;
    return true;
}

static bool check(const RotationPolicy *policy, int64_t now_ms, Err *err)
{
    static const char rotate[] = "lifetimeActions.trigger";
    int64_t expires_ms = policy->expiry.is_set ? period_after(now_ms, policy->expiry) : 0;
    if (policy->expiry.is_set && expires_ms < now_ms + EXPIRY_LEAST_DAYS * DAY)
        return err_field(err, "attributes.expiryTime", "attributes.expiryTime must be at least %d days", EXPIRY_LEAST_DAYS);
    if (policy->before_expiry.is_set && !policy->expiry.is_set)
        return err_field(err, rotate, "%s: timeBeforeExpiry of the action Rotate needs attributes.expiryTime", rotate);
    if (!policy->after_create.is_set && !policy->before_expiry.is_set)
        return true;
    int64_t due_ms = policy->after_create.is_set ? period_after(now_ms, policy->after_create) : period_before(expires_ms, policy->before_expiry);
    if (due_ms < now_ms + MARGIN_DAYS * DAY)
        return err_field(err, rotate, "%s: a key is rotated %d days after its creation at the earliest", rotate, MARGIN_DAYS);
    if (policy->expiry.is_set && due_ms > expires_ms - MARGIN_DAYS * DAY)
        return err_field(err, rotate, "%s: a key is rotated %d days before its expiry at the latest", rotate, MARGIN_DAYS);
    return true;
}

bool rotation_policy_read(const JsonVal *body, int64_t now_ms, RotationPolicy *out, Err *err)
{
    const JsonVal *actions = json_get(body, "lifetimeActions");
    RotationPolicy policy = { 0 };
    if (actions && json_kind(actions) != JSON_NULL && json_kind(actions) != JSON_ARRAY)
        return err_field(err, "lifetimeActions", "lifetimeActions must be a list");
    if (json_count(actions) > ACTIONS_MAX)
        return err_field(err, "lifetimeActions", "lifetimeActions may hold %d actions, Rotate and Notify", ACTIONS_MAX);
    for (size_t i = 0; i < json_count(actions); i++)
        if (!read_action(json_at(actions, i), &policy, err))
            return false;
    if (!read_period(json_path(body, "attributes.expiryTime"), "attributes.expiryTime", &policy.expiry, err) || (now_ms && !check(&policy, now_ms, err)))
        return false;
    *out = policy;
    return true;
}

/* ---- writing ---- */

static void write_action(JsonWriter *w, const char *trigger, Period period, const char *type)
{
    if (!period.is_set)
        return;
    json_open(w, NULL);
    json_open(w, "trigger");
    json_put_str(w, trigger, period.text);
    json_close(w);
    json_open(w, "action");
    json_put_str(w, "type", str_from(type));
    json_close(w);
    json_close(w);
}

static void write_policy(JsonWriter *w, const char *name, Str id, const RotationPolicy *policy, const char *rotate, const char *notify)
{
    json_open(w, name);
    json_put_str(w, "id", id);
    json_open_array(w, "lifetimeActions");
    write_action(w, "timeAfterCreate", policy->after_create, rotate);
    write_action(w, "timeBeforeExpiry", policy->before_expiry, rotate);
    write_action(w, "timeBeforeExpiry", policy->notify_before, notify);
    json_close_array(w);
    json_open(w, "attributes");
    json_put_str(w, "expiryTime", policy->expiry.text);
    if (policy->created_ms) {
        json_put_int(w, "created", policy->created_ms / 1000);
        json_put_int(w, "updated", policy->updated_ms / 1000);
    }
    json_close(w);
    json_close(w);
}

void rotation_policy_write(JsonWriter *w, const char *name, Str id, const RotationPolicy *policy) { write_policy(w, name, id, policy, "Rotate", "Notify"); }
void rotation_policy_write_arm(JsonWriter *w, const char *name, const RotationPolicy *policy) { write_policy(w, name, STR_NONE, policy, "rotate", "notify"); }

bool rotation_due(const RotationPolicy *policy, int64_t created_ms, int64_t exp_ms, int64_t *due_ms)
{
    if (policy->after_create.is_set)
        *due_ms = period_after(created_ms, policy->after_create);
    else if (policy->before_expiry.is_set && exp_ms)
        *due_ms = period_before(exp_ms, policy->before_expiry);
    else
        return false;
    return true;
}

/* ---- its row ---- */

static SealPlace place(Arena *arena, const Vault *vault, Str name_key)
{
    return (SealPlace){ vault->scope, "kv_rotation", str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(vault->id), STR_ARG(name_key)), "sealed" };
}

bool rotation_policy_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, RotationPolicy *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str name_key = str_lower(arena, name), text;
    const JsonVal *doc;
    *out = (RotationPolicy){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT created_ms, updated_ms, sealed FROM kv_rotation WHERE vault = ?1 AND name_key = ?2", db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    if (!seal_get_text(kv->site->seal, txn, place(arena, vault, name_key), row_blob(rows, 2), arena, &text, err) || !json_parse(arena, text, JSON_STRICT, &doc, err) ||
        !rotation_policy_read(doc, 0, out, err))
        return false;
    out->created_ms = row_int(rows, 0);
    out->updated_ms = row_int(rows, 1);
    return true;
}

bool rotation_policy_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name, const RotationPolicy *policy, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    Str name_key = str_lower(arena, name);
    JsonWriter w;
    Bytes sealed;
    buf_init(&text, DOC_MAX_BYTES);
    json_begin(&w, &text);
    rotation_policy_write(&w, NULL, STR_NONE, policy);
    return json_end(&w, err) && seal_put(kv->site->seal, txn, place(arena, vault, name_key), buf_bytes(&text), arena, &sealed, err) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO kv_rotation (vault, name_key, created_ms, updated_ms, sealed) VALUES (?1, ?2, ?3, ?4, ?5)"
                    " ON CONFLICT (vault, name_key) DO UPDATE SET updated_ms = excluded.updated_ms, sealed = excluded.sealed",
                    db_text(vault->id), db_text(name_key), db_int(policy->created_ms), db_int(policy->updated_ms), db_blob(sealed));
}
