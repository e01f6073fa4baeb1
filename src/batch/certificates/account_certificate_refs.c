/* account_certificate_refs.c - references of pools, read, kept and written. */
#include "batch/certificates/account_certificate_refs.h"
#include <stdarg.h>
#include <stdio.h>
#include "batch/certificates/account_certificate.h"
#include "batch/certificates/account_certificate_feature.h"

enum { STORE_NAME_MAX = 256, LIST_MAX = 256 * 1024 };

static const char *const store_locations[] = { "CurrentUser", "LocalMachine", NULL };
static const struct { const char *arm, *data; unsigned bit; } visibilities[] = {
    { "StartTask",  "starttask",  VISIBLE_START_TASK },
    { "Task",       "task",       VISIBLE_TASK },
    { "RemoteUser", "remoteuser", VISIBLE_REMOTE_USER },
};

static const ShapeField ref_fields[] = {
    { "id",            NULL,                  SHAPE_BY_HAND, SHAPE_NEEDED },
    { NULL,            "thumbprint",          SHAPE_BY_HAND, SHAPE_NEEDED },
    { NULL,            "thumbprintAlgorithm", SHAPE_BY_HAND, SHAPE_NEEDED },
    { "storeLocation", "storeLocation",       SHAPE_BY_HAND },
    { "storeName",     "storeName",           SHAPE_BY_HAND },
    { "visibility",    "visibility",          SHAPE_BY_HAND },
    { NULL }
};

static bool refuse(Err *err, ErrCode code, const char *name, const char *where, const char *field, const char *fmt, ...) FORMAT(6, 7);

static bool refuse(Err *err, ErrCode code, const char *name, const char *where, const char *field, const char *fmt, ...)
{
    char reason[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    const char *dot = field[0] ? "." : "";
    err_named(err, code, name, NULL, "%s%s%s: %s", where, dot, field, reason);
    (void)snprintf(err->target, sizeof err->target, "%s%s%s", where, dot, field);
    return false;
}

#define INVALID ERR_BAD_INPUT, "InvalidPropertyValue"

/* -- in -- */

/* ".../batchAccounts/<account>/certificates/SHA1-<thumbprint>" */
static bool read_id(Arena *arena, const JsonVal *item, const char *where, Str *thumbprint, Str *account_arm_id, Err *err)
{
    static const char middle[] = "/certificates/sha1-";
    Str id = json_str(json_get(item, "id")), lower = str_lower(arena, id);
    size_t at;
    if (!lower.ptr || !str_find(lower, str_from(middle), &at) || at == 0 || !certificate_thumbprint(arena, str_slice(id, at + sizeof middle - 1, id.len), thumbprint))
        return refuse(err, INVALID, where, "id", "must be the id of a certificate of the pool's account, which ends in /certificates/SHA1-<thumbprint>");
    Str account = str_slice(id, 0, at);
    if (account_arm_id->ptr && !str_eq_nocase(*account_arm_id, account))
        return refuse(err, INVALID, where, "id", "names another account than the references before it; all must be of the pool's own account");
    *account_arm_id = account;
    return true;
}

static bool read_thumbprint(Arena *arena, const JsonVal *item, const char *where, Str *thumbprint, Err *err)
{
    Str given = json_str(json_get(item, "thumbprint"));
    if (!str_eq_nocase(json_str(json_get(item, "thumbprintAlgorithm")), STR("sha1")))
        return refuse(err, INVALID, where, "thumbprintAlgorithm", "must be sha1, the only one there is");
    return certificate_thumbprint(arena, given, thumbprint) ||
           refuse(err, INVALID, where, "thumbprint", "'" STR_FMT "' is no SHA-1 thumbprint, which has 40 hex digits", STR_ARG(str_slice(given, 0, 80)));
}

static const JsonVal *given(const JsonVal *object, const char *name)
{
    const JsonVal *v = json_get(object, name);
    return json_kind(v) == JSON_NULL ? NULL : v;
}

static bool put_store(const JsonVal *item, const char *where, JsonWriter *w, Err *err)
{
    const JsonVal *location = given(item, "storeLocation"), *name = given(item, "storeName");
    size_t row = 0;
    while (location && store_locations[row] && !str_eq_nocase(json_str(location), str_from(store_locations[row])))
        row++;
    if (!store_locations[row])
        return refuse(err, INVALID, where, "storeLocation", "must be currentuser or localmachine");
    if (name && (json_kind(name) != JSON_STR || json_str(name).len == 0 || json_str(name).len > STORE_NAME_MAX))
        return refuse(err, INVALID, where, "storeName", "must be a string of 1 to %d characters, such as My or Root", STORE_NAME_MAX);
    json_put_str(w, "storeLocation", str_from(store_locations[row]));
    json_put_str(w, "storeName", name ? json_str(name) : STR("My"));
    return true;
}

static unsigned visibility_bit(Str word)
{
    for (size_t i = 0; i < COUNT_OF(visibilities); i++)
        if (str_eq_nocase(word, str_from(visibilities[i].data)))
            return visibilities[i].bit;
    return 0;
}

static bool put_visibility(const JsonVal *item, const char *where, JsonWriter *w, Err *err)
{
    const JsonVal *list = given(item, "visibility");
    unsigned set = 0;
    if (list && json_kind(list) != JSON_ARRAY)
        return refuse(err, INVALID, where, "visibility", "must be an array of starttask, task, remoteuser");
    for (size_t i = 0; i < json_count(list); i++) {
        unsigned bit = visibility_bit(json_str(json_at(list, i)));
        if (!bit)
            return refuse(err, INVALID, where, "visibility", "each must be one of starttask, task, remoteuser");
        if (set & bit)
            return refuse(err, INVALID, where, "visibility", "names '" STR_FMT "' twice", STR_ARG(json_str(json_at(list, i))));
        set |= bit;
    }
    set = set ? set : VISIBLE_ALL;                      /* "The default is all Accounts." */
    json_open_array(w, "visibility");
    for (size_t i = 0; i < COUNT_OF(visibilities); i++)
        if (set & visibilities[i].bit)
            json_put_str(w, NULL, str_from(visibilities[i].arm));
    json_close_array(w);
    return true;
}

static bool read_one(Arena *arena, const JsonVal *item, Spelling from, const char *where, JsonWriter *w, Str *account_arm_id, Err *err)
{
    AUTO(buf_done_auto) Buf nothing = { 0 };
    JsonWriter nowhere;
    Str thumbprint;
    buf_init(&nothing, 4096);
    json_begin(&nowhere, &nothing);
    json_open(&nowhere, NULL);
    if (!shape_read(arena, ref_fields, from, item, NULL, where, &nowhere, err) ||
        !(from == SPELL_ARM ? read_id(arena, item, where, &thumbprint, account_arm_id, err) : read_thumbprint(arena, item, where, &thumbprint, err)))
        return false;
    json_open(w, NULL);
    json_put_str(w, "thumbprint", thumbprint);
    if (!put_store(item, where, w, err) || !put_visibility(item, where, w, err))
        return false;
    json_close(w);
    return true;
}

static bool same_store(const JsonVal *a, const JsonVal *b)
{
    return str_eq(json_str(json_get(a, "thumbprint")), json_str(json_get(b, "thumbprint"))) &&
           str_eq(json_str(json_get(a, "storeLocation")), json_str(json_get(b, "storeLocation"))) &&
           str_eq_nocase(json_str(json_get(a, "storeName")), json_str(json_get(b, "storeName")));
}

static bool check_twice(const JsonVal *list, const char *where, Err *err)
{
    for (size_t i = 0; i < json_count(list); i++)
        for (size_t j = 0; j < i; j++)
            if (same_store(json_at(list, i), json_at(list, j)))
                return refuse(err, INVALID, where, "", "names the certificate 'sha1-" STR_FMT "' twice for the same store",
                              STR_ARG(json_str(json_get(json_at(list, i), "thumbprint"))));
    return true;
}

bool certificate_refs_read(Arena *arena, const JsonVal *list, Spelling from, JsonWriter *w, Str *account_arm_id, Err *err)
{
    const char *name = from == SPELL_ARM ? "properties.certificates" : "certificateReferences";
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter items;
    const JsonVal *read;
    buf_init(&buf, LIST_MAX);
    *account_arm_id = STR_NONE;
    if (json_kind(list) != JSON_ARRAY)
        return refuse(err, INVALID, name, "", "must be an array, not %s", json_kind_name(json_kind(list)));
    if (json_count(list) > CERTIFICATE_REFS_MAX)
        return refuse(err, INVALID, name, "", "must not have more than %d items", CERTIFICATE_REFS_MAX);
    if (json_count(list) == 0)
        return true;
    json_begin(&items, &buf);
    json_open_array(&items, NULL);
    for (size_t i = 0; i < json_count(list); i++) {
        char where[64];
        (void)snprintf(where, sizeof where, "%s[%zu]", name, i);
        if (!read_one(arena, json_at(list, i), from, where, &items, account_arm_id, err))
            return false;
    }
    json_close_array(&items);
    if (!json_end(&items, err) || !json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, &read, err) || !check_twice(read, name, err))
        return false;
    json_put_value(w, "certificates", read);
    return true;
}

/* -- out -- */

static const JsonVal *list_of(Arena *arena, Str body)
{
    const JsonVal *document;
    Err ignored = { 0 };        /* our own text: only a full arena fails here, which the writer notices as well */
    return body.ptr && json_parse(arena, body, JSON_STRICT, &document, &ignored) ? json_get(document, "certificates") : NULL;
}

void certificate_visibility_write(unsigned visibility, JsonWriter *w)
{
    json_open_array(w, "visibility");
    for (size_t i = 0; i < COUNT_OF(visibilities); i++)
        if (visibility & visibilities[i].bit)
            json_put_str(w, NULL, str_from(visibilities[i].data));
    json_close_array(w);
}

void certificate_refs_write(Arena *arena, Spelling to, Str account_arm_id, Str body, JsonWriter *w)
{
    const JsonVal *list = list_of(arena, body);
    if (json_count(list) == 0)
        return;
    json_open_array(w, to == SPELL_ARM ? "certificates" : "certificateReferences");
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *ref = json_at(list, i), *visibility = json_get(ref, "visibility");
        Str thumbprint = json_str(json_get(ref, "thumbprint")), location = json_str(json_get(ref, "storeLocation"));
        json_open(w, NULL);
        if (to == SPELL_ARM) {
            json_put_str(w, "id", str_printf(arena, STR_FMT "/certificates/sha1-" STR_FMT, STR_ARG(account_arm_id), STR_ARG(thumbprint)));
        } else {
            json_put_str(w, "thumbprint", thumbprint);
            json_put_str(w, "thumbprintAlgorithm", STR("sha1"));
        }
        json_put_str(w, "storeLocation", to == SPELL_ARM ? location : str_lower(arena, location));
        json_put_value(w, "storeName", json_get(ref, "storeName"));
        json_open_array(w, "visibility");
        for (size_t k = 0; k < json_count(visibility); k++)
            json_put_str(w, NULL, to == SPELL_ARM ? json_str(json_at(visibility, k)) : str_lower(arena, json_str(json_at(visibility, k))));
        json_close_array(w);
        json_close(w);
    }
    json_close_array(w);
}

bool certificate_refs_any(Arena *arena, Str body) { return json_count(list_of(arena, body)) > 0; }

bool certificate_refs_of(Arena *arena, Str body, CertificateRef **out, size_t *count, Err *err)
{
    const JsonVal *document, *list;
    size_t n = 0;
    if (!json_parse(arena, body, JSON_STRICT, &document, err))
        return false;
    list = json_get(document, "certificates");
    CertificateRef *refs = ARENA_ARRAY(arena, CertificateRef, json_count(list) + 1);
    if (!refs)
        return err_too_big(err);
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *visibility = json_get(json_at(list, i), "visibility");
        Str thumbprint = json_str(json_get(json_at(list, i), "thumbprint"));
        size_t at = 0;
        while (at < n && !str_eq(refs[at].thumbprint, thumbprint))
            at++;
        refs[at].thumbprint = thumbprint;
        n = at == n ? n + 1 : n;
        for (size_t k = 0; k < json_count(visibility); k++)
            refs[at].visibility |= visibility_bit(json_str(json_at(visibility, k)));
    }
    *out = refs;
    *count = n;
    return true;
}

/* -- kept -- */

static bool check_account(Txn *txn, Arena *arena, const CertificateRefsChange *change, Err *err)
{
    Account account;
    bool found;
    if (!change->asked_account.ptr)
        return true;
    if (!account_by_id(txn, arena, change->account_id, &account, &found, err))
        return false;
    return (found && str_eq_nocase(account.arm_id, change->asked_account)) ||
           refuse(err, INVALID, "properties.certificates", "", "must be certificates of the pool's own account, not of '" STR_FMT "'", STR_ARG(str_slice(change->asked_account, 0, 250)));
}

static bool is_among(const JsonVal *list, Str thumbprint)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(json_str(json_get(json_at(list, i), "thumbprint")), thumbprint))
            return true;
    return false;
}

/* The status is that of InvalidApplicationPackageReferences, its published sibling; its own is not published. */
static bool check_exists(Txn *txn, Arena *arena, const CertificateRefsChange *change, Str thumbprint, Err *err)
{
    AccountCertificate certificate;
    const char *where = change->asked_account.ptr ? "properties.certificates" : "certificateReferences";
    bool found;
    if (!account_certificate_find(txn, arena, change->account_id, thumbprint, &certificate, &found, err))
        return false;
    if (!found)
        return refuse(err, ERR_CONFLICT, "InvalidCertificateReferences", where, "", "there is no certificate 'sha1-" STR_FMT "' in the account; add it first", STR_ARG(thumbprint));
    return certificate.state == CERTIFICATE_ACTIVE ||
           refuse(err, ERR_CONFLICT, "InvalidCertificateReferences", where, "", "the certificate 'sha1-" STR_FMT "' is %s; only active ones can be referred to", STR_ARG(thumbprint),
                  certificate_state_name(certificate.state));
}

static bool keep_rows(Txn *txn, const CertificateRefsChange *change, const CertificateRef *refs, size_t count, Err *err)
{
    if (!txn_exec(txn, NULL, err, "DELETE FROM batch_pool_certificate WHERE account_id = ?1 AND pool_key = ?2", db_text(change->account_id), db_text(change->pool_key)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!txn_exec(txn, NULL, err, "INSERT INTO batch_pool_certificate (account_id, thumbprint, pool_key) VALUES (?1, ?2, ?3)",
                      db_text(change->account_id), db_text(refs[i].thumbprint), db_text(change->pool_key)))
            return false;
    return true;
}

bool certificate_refs_apply(Txn *txn, Arena *arena, const CertificateRefsChange *change, Err *err)
{
    const JsonVal *before = list_of(arena, change->before), *after = list_of(arena, change->after);
    CertificateRef *refs;
    size_t count;
    if (!check_account(txn, arena, change, err))
        return false;
    if (json_same(before, after) || (json_count(before) == 0 && json_count(after) == 0))
        return arena_ok(arena) || err_too_big(err);
    if (!certificate_feature_require(txn, change->now_ms, change->before.ptr ? "the certificate references of a pool cannot be changed" :
                                     "a pool cannot be created with certificate references", err) ||
        !certificate_refs_of(arena, change->after, &refs, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_among(before, refs[i].thumbprint) && !check_exists(txn, arena, change, refs[i].thumbprint, err))
            return false;
    return keep_rows(txn, change, refs, count, err);
}
