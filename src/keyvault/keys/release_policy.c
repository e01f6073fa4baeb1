/* release_policy.c - the grammar of release policies. */
#include "keyvault/keys/release_policy.h"
#include "base/encode.h"

typedef enum Operator { OP_NONE = 0, OP_EQUALS, OP_NOT_EQUALS, OP_LESS, OP_LESS_OR_EQUALS, OP_GREATER, OP_GREATER_OR_EQUALS, OP_EXISTS } Operator;
static const struct { Operator op; const char *name; } operators[] = {
    { OP_EQUALS, "equals" }, { OP_NOT_EQUALS, "notEquals" }, { OP_LESS, "less" }, { OP_LESS_OR_EQUALS, "lessOrEquals" },
    { OP_GREATER, "greater" }, { OP_GREATER_OR_EQUALS, "greaterOrEquals" }, { OP_EXISTS, "exists" },
};

/* ---- checking ---- */

static bool refuse(Err *err, const char *what) { return err_field(err, "release_policy.data", "release_policy.data %s", what); }

static Operator operator_of(const JsonVal *condition, const JsonVal **value)
{
    Operator found = OP_NONE;
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        const JsonVal *member = json_get_nocase(condition, operators[i].name);
        if (!member)
            continue;
        if (found)
            return OP_NONE;             /* two of them: neither */
        found = operators[i].op;
        *value = member;
    }
    return found;
}

static bool check_condition(const JsonVal *condition, Err *err);

/* Exactly one of anyOf and allOf, with something in it. */
static bool check_list(const JsonVal *holder, Err *err)
{
    const JsonVal *any = json_get_nocase(holder, "anyOf"), *all = json_get_nocase(holder, "allOf"), *list = any ? any : all;
    if (!list || (any && all) || json_kind(list) != JSON_ARRAY || !json_count(list))
        return refuse(err, "needs either anyOf or allOf, a list of conditions, for each authority");
    for (size_t i = 0; i < json_count(list); i++)
        if (!check_condition(json_at(list, i), err))
            return false;
    return true;
}

static bool check_condition(const JsonVal *condition, Err *err)
{
    const JsonVal *claim = json_get_nocase(condition, "claim"), *value = NULL;
    if (json_kind(condition) != JSON_OBJECT)
        return refuse(err, "has a condition that is no object");
    if (!claim)
        return check_list(condition, err);
    if (str_empty(json_str(claim)))
        return refuse(err, "has a condition whose claim is not the name of one");
    Operator op = operator_of(condition, &value);
    JsonKind kind = json_kind(value);
    if (op == OP_NONE || (kind != JSON_STR && kind != JSON_BOOL && kind != JSON_INT && kind != JSON_REAL))
        return refuse(err, "has a condition without exactly one of equals, notEquals, less, lessOrEquals, greater, greaterOrEquals and exists, and a value");
    if (op == OP_EXISTS && kind != JSON_BOOL)
        return refuse(err, "has a condition whose exists is neither true nor false");
    if (op >= OP_LESS && op <= OP_GREATER_OR_EQUALS && kind != JSON_INT && kind != JSON_REAL)
        return refuse(err, "has a condition that compares the size of what is no number");
    return true;
}

static bool check_rules(const JsonVal *rules, Err *err)
{
    const JsonVal *authorities = json_get_nocase(rules, "anyOf");
    if (json_kind(rules) != JSON_OBJECT || !str_eq(json_str(json_get(rules, "version")), STR("1.0.0")))
        return refuse(err, "must be an object with the version 1.0.0");
    if (json_kind(authorities) != JSON_ARRAY || !json_count(authorities) || json_count(authorities) > AUTHORITIES_MAX)
        return refuse(err, "must have anyOf, a list of 1 to 20 authorities");
    for (size_t i = 0; i < json_count(authorities); i++) {
        const JsonVal *entry = json_at(authorities, i);
        Str authority = json_str(json_get(entry, "authority"));
        if (!str_starts_nocase(authority, STR("https://")) || authority.len <= 8)
            return refuse(err, "has an authority that is no URL beginning with https://");
        if (!check_list(entry, err))
            return false;
    }
    return true;
}

typedef struct PolicyIn { Str content_type, data; bool immutable; } PolicyIn;
static const JsonField policy_fields[] = {
    JSON_FIELD(PolicyIn, content_type, "contentType", JSON_OPTIONAL),
    JSON_FIELD(PolicyIn, data,         "data",        JSON_REQUIRED),
    JSON_FIELD(PolicyIn, immutable,    "immutable",   JSON_OPTIONAL),
};

static bool rules_of(Arena *arena, Str data, const JsonVal **rules, Err *err)
{
    Bytes text;
    Err ignored;
    if (!base64url_decode(arena, data, &text, &ignored))
        return arena_ok(arena) ? refuse(err, "must be base64url") : err_too_big(err);
    if (text.len > RELEASE_POLICY_MAX)
        return refuse(err, "is longer than a policy may be, 16 KiB");
    if (!json_parse(arena, str_of(text), JSON_STRICT, rules, &ignored))
        return arena_ok(arena) ? refuse(err, "must be JSON in base64url") : err_too_big(err);
    return true;
}

bool release_policy_read(Arena *arena, const JsonVal *body, Str *policy_json, Err *err)
{
    const JsonVal *member = json_get(body, "release_policy"), *rules;
    PolicyIn in = { .content_type = RELEASE_POLICY_TYPE };
    if (!member || json_kind(member) == JSON_NULL)
        return true;
    if (json_kind(member) != JSON_OBJECT)
        return err_field(err, "release_policy", "release_policy must be an object");
    if (!json_read(member, "release_policy", policy_fields, COUNT_OF(policy_fields), &in, err) || !rules_of(arena, in.data, &rules, err) || !check_rules(rules, err))
        return false;
    if (!str_starts_nocase(in.content_type, STR("application/json")))
        return err_field(err, "release_policy.contentType", "release_policy.contentType must be application/json; charset=utf-8");
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, 4 * RELEASE_POLICY_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "contentType", in.content_type);
    json_put_str(&w, "data", in.data);
    json_put_bool(&w, "immutable", in.immutable);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *policy_json = str_dup(arena, buf_str(&text));
    return policy_json->ptr || err_too_big(err);
}

bool release_policy_may_change(Arena *arena, const JsonVal *stored, Str wanted_json, Err *err)
{
    if (!json_bool(json_get(stored, "immutable"), false) || str_eq(json_text(arena, stored), wanted_json))
        return true;
    return err_named(err, ERR_DENIED, "Forbidden", "ForbiddenByPolicy", "The release policy of this key is immutable and cannot be changed.");
}

bool release_policy_rules(Arena *arena, const JsonVal *stored, const JsonVal **rules, Err *err)
{
    return rules_of(arena, json_str(json_get(stored, "data")), rules, err);
}

/* ---- asking ---- */

static const JsonVal *claim_of(const JsonVal *claims, Str path)
{
    const JsonVal *at = claims;
    while (!str_empty(path)) {
        Str part = str_cut(&path, '.'), name;
        const JsonVal *value, *next = NULL;
        JsonWalk walk = { .object = at };
        while (json_kind(at) == JSON_OBJECT && !next && json_walk(&walk, &name, &value))
            next = str_eq(name, part) ? value : NULL;
        if (!next)
            return NULL;
        at = next;
    }
    return at;
}

static bool is_number(const JsonVal *v) { return json_kind(v) == JSON_INT || json_kind(v) == JSON_REAL; }

/* Authorities write truth values as such or as text. */
static bool same(const JsonVal *a, const JsonVal *b)
{
    if (is_number(a) && is_number(b))
        return json_kind(a) == JSON_INT && json_kind(b) == JSON_INT ? json_int(a, 0) == json_int(b, 0) : json_number(a, 0) == json_number(b, 0);
    if (json_kind(a) == JSON_BOOL && json_kind(b) == JSON_BOOL)
        return json_bool(a, false) == json_bool(b, false);
    if (json_kind(a) == JSON_BOOL && json_kind(b) == JSON_STR)
        return str_eq(json_str(b), json_bool(a, false) ? STR("true") : STR("false"));
    if (json_kind(a) == JSON_STR && json_kind(b) == JSON_BOOL)
        return same(b, a);
    return json_kind(a) == JSON_STR && json_kind(b) == JSON_STR && str_eq(json_str(a), json_str(b));
}

static bool holds(const JsonVal *condition, const JsonVal *claims);

static bool list_holds(const JsonVal *holder, const JsonVal *claims)
{
    const JsonVal *any = json_get_nocase(holder, "anyOf"), *list = any ? any : json_get_nocase(holder, "allOf");
    size_t met = 0, count = json_count(list);
    for (size_t i = 0; i < count; i++)
        met += holds(json_at(list, i), claims);
    return any ? met > 0 : count > 0 && met == count;
}

static bool holds(const JsonVal *condition, const JsonVal *claims)
{
    const JsonVal *name = json_get_nocase(condition, "claim"), *value = NULL;
    if (!name)
        return list_holds(condition, claims);
    const JsonVal *claim = claim_of(claims, json_str(name));
    Operator op = operator_of(condition, &value);
    if (op == OP_EXISTS)
        return (claim != NULL) == json_bool(value, false);
    if (!claim)
        return false;
    double a = json_number(claim, 0), b = json_number(value, 0);
    bool numbers = is_number(claim) && is_number(value);
    switch (op) {
    case OP_EQUALS:            return same(claim, value);
    case OP_NOT_EQUALS:        return !same(claim, value);
    case OP_LESS:              return numbers && a < b;
    case OP_LESS_OR_EQUALS:    return numbers && a <= b;
    case OP_GREATER:           return numbers && a > b;
    case OP_GREATER_OR_EQUALS: return numbers && a >= b;
    case OP_NONE: case OP_EXISTS: break;
    }
    return false;
}

/* Issuers are written with and without the final slash. */
static bool same_authority(Str a, Str b)
{
    while (str_ends(a, STR("/")))
        a.len--;
    while (str_ends(b, STR("/")))
        b.len--;
    return a.len && str_eq_nocase(a, b);
}

static bool ask(const JsonVal *rules, Str authority, const JsonVal *claims, bool (*suffices)(const JsonVal *entry, const JsonVal *claims))
{
    const JsonVal *authorities = json_get_nocase(rules, "anyOf");
    for (size_t i = 0; i < json_count(authorities); i++) {
        const JsonVal *entry = json_at(authorities, i);
        if (same_authority(json_str(json_get(entry, "authority")), authority) && (!suffices || suffices(entry, claims)))
            return true;
    }
    return false;
}

bool release_policy_trusts(const JsonVal *rules, Str authority) { return ask(rules, authority, NULL, NULL); }
bool release_policy_allows(const JsonVal *rules, Str authority, const JsonVal *claims) { return ask(rules, authority, claims, list_holds); }
