/* alias.c - Microsoft.Subscription/aliases: the name under which a subscription is made, or under which one there already is goes.
 *
 * Nobody bills here, so billingScope is taken and not used. Who rules a whole subscription may make more; the new one is its maker's
 * (or that of the principal named as its owner), and asking again for the same alias answers the same subscription. */
#include "arm/parts.h"

#define ALIAS_TYPE "Microsoft.Subscription/aliases"

enum { ALIAS_BODY_MAX = 16 * 1024, ALIAS_NAME_MAX = 63 };

/* ---- rows ---- */

typedef struct Alias { Str name, subscription, display_name; int64_t created_ms; } Alias;

static bool alias_find(Arm *arm, Txn *txn, Arena *arena, Str name, Alias *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Subscription *all;
    size_t count;

    if (!txn_query(txn, &rows, err, "SELECT name, subscription, created_ms FROM arm_alias WHERE name_key = ?1", db_text(str_lower(arena, name))))
        return false;
    *err = (Err){ 0 };
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    *out = (Alias){ .name = str_dup(arena, row_text(rows, 0)), .subscription = str_dup(arena, row_text(rows, 1)), .created_ms = row_int(rows, 2) };
    if (!arm_subscriptions(arm, txn, arena, &all, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (str_eq(all[i].id, out->subscription))
            out->display_name = all[i].display_name;
    }
    return arena_ok(arena) || err_too_big(err);
}

static bool alias_insert(Txn *txn, Arena *arena, const Alias *alias, Err *err)
{
    return txn_exec(txn, NULL, err, "INSERT INTO arm_alias (name_key, name, subscription, created_ms) VALUES (?1, ?2, ?3, ?4)", db_text(str_lower(arena, alias->name)),
                    db_text(alias->name), db_text(alias->subscription), db_int(alias->created_ms));
}

static bool alias_name_check(Str name, Err *err)
{
    bool good = name.len >= 1 && name.len <= ALIAS_NAME_MAX;

    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || memchr("-._()", c, 5);
    }
    return good ? true : err_named(err, ERR_BAD_INPUT, "InvalidAliasName", NULL, "An alias has 1 to %d letters, digits, '-', '.', '_', '(' or ')'.", ALIAS_NAME_MAX);
}

/* ---- PUT ---- */

typedef struct AliasIn { Str display_name, workload, billing_scope, subscription, reseller; const JsonVal *more; } AliasIn;
static const JsonField alias_fields[] = {
    JSON_FIELD(AliasIn, display_name,  "displayName",          JSON_OPTIONAL),
    JSON_FIELD(AliasIn, workload,      "workload",             JSON_OPTIONAL),
    JSON_FIELD(AliasIn, billing_scope, "billingScope",         JSON_OPTIONAL),
    JSON_FIELD(AliasIn, subscription,  "subscriptionId",       JSON_OPTIONAL),
    JSON_FIELD(AliasIn, reseller,      "resellerId",           JSON_OPTIONAL),
    JSON_FIELD(AliasIn, more,          "additionalProperties", JSON_OPTIONAL),
};
typedef struct MoreIn { Str tenant, owner, management_group; const JsonVal *tags; } MoreIn;
static const JsonField more_fields[] = {
    JSON_FIELD(MoreIn, tenant,           "subscriptionTenantId", JSON_OPTIONAL),
    JSON_FIELD(MoreIn, owner,            "subscriptionOwnerId",  JSON_OPTIONAL),
    JSON_FIELD(MoreIn, management_group, "managementGroupId",    JSON_OPTIONAL),
    JSON_FIELD(MoreIn, tags,             "tags",                 JSON_OPTIONAL),
};

typedef struct Put { Arm *arm; Req *req; AliasIn in; MoreIn more; Alias alias; bool is_new; } Put;

static bool put_read(Put *p, Err *err)
{
    const JsonVal *body;

    if (!alias_name_check(req_param(p->req, "aliasName"), err) || !req_object(p->req, &body, err))
        return false;
    const JsonVal *properties = json_get(body, "properties");
    if (json_kind(properties) != JSON_OBJECT)
        return err_field(err, "properties", "properties: an object with displayName, or with the subscriptionId of a subscription that exists, is needed");
    if (!json_read_exact(properties, "properties", alias_fields, COUNT_OF(alias_fields), &p->in, err) ||
        (json_kind(p->in.more) > JSON_NULL && !json_read_exact(p->in.more, "properties.additionalProperties", more_fields, COUNT_OF(more_fields), &p->more, err)))
        return false;
    if (p->in.workload.ptr && !str_eq_nocase(p->in.workload, STR("Production")) && !str_eq_nocase(p->in.workload, STR("DevTest")))
        return err_field(err, "properties.workload", "properties.workload: must be Production or DevTest");
    if (p->more.tenant.ptr && !str_eq_nocase(p->more.tenant, p->arm->site->tenant_id))
        return err_field(err, "properties.additionalProperties.subscriptionTenantId", "subscriptionTenantId: this server has one tenant, " STR_FMT, STR_ARG(p->arm->site->tenant_id));
    if (p->more.management_group.ptr || json_count(p->more.tags) > 0 || p->in.reseller.ptr)
        return err_set(err, ERR_NOT_BUILT, "management groups, resellers and tags of subscriptions are not available here; leave them out");
    if (p->in.subscription.ptr)
        return p->more.owner.ptr ? err_field(err, "properties.additionalProperties.subscriptionOwnerId", "subscriptionOwnerId: only a new subscription is given an owner")
                                 : arm_subscription_check(p->in.subscription, err);
    return arm_subscription_name_check(p->in.display_name, "properties.displayName", err);
}

static bool make_subscription(Put *p, Txn *txn, Err *err)
{
    Arena *arena = p->req->arena;
    Str owner = p->more.owner.ptr ? p->more.owner : p->req->caller->object_id;
    Principal principal;
    bool found;

    if (!principal_by_object_id(p->arm->identity, txn, arena, owner, &principal, &found, err))
        return false;
    if (!found)
        return err_named(err, ERR_BAD_INPUT, "PrincipalNotFound", NULL, "subscriptionOwnerId: there is no principal '" STR_FMT "' in this tenant; give its object id.", STR_ARG(owner));
    p->alias.display_name = p->in.display_name;
    return arm_bootstrap(p->arm->site, txn, arena, p->in.display_name, &p->alias.subscription, err) &&
           access_assign(p->arm->access, txn, arena, str_printf(arena, "/subscriptions/" STR_FMT, STR_ARG(p->alias.subscription)), principal.object_id, ROLE_OWNER, STR_NONE, err);
}

static bool put_txn(Txn *txn, void *ctx, Err *err)
{
    Put *p = ctx;
    Arena *arena = p->req->arena;
    Str name = req_param(p->req, "aliasName"), wanted = str_lower(arena, p->in.subscription);
    bool found;

    if (!alias_find(p->arm, txn, arena, name, &p->alias, &found, err))
        return false;
    p->is_new = !found;
    if (found && wanted.ptr && !str_eq(wanted, p->alias.subscription))
        return err_named(err, ERR_CONFLICT, "AliasExists", NULL, "The alias '" STR_FMT "' belongs to another subscription.", STR_ARG(p->alias.name));
    if (found)
        return true;
    p->alias = (Alias){ .name = name, .subscription = wanted, .created_ms = p->req->now_ms };
    if (wanted.ptr ? !arm_require_subscription(p->arm, txn, wanted, err) : !make_subscription(p, txn, err))
        return false;
    return alias_insert(txn, arena, &p->alias, err) &&
           arm_audit(p->arm, txn, p->req, str_printf(arena, "/providers/" ALIAS_TYPE "/" STR_FMT, STR_ARG(name)), 201, err);
}

static void write_alias(Arm *arm, JsonWriter *w, Arena *arena, const Alias *alias)
{
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(arena, "/providers/" ALIAS_TYPE "/" STR_FMT, STR_ARG(alias->name)));
    json_put_str(w, "name", alias->name);
    json_put_str(w, "type", STR(ALIAS_TYPE));
    json_open(w, "properties");
    json_put_str(w, "subscriptionId", alias->subscription);
    if (alias->display_name.ptr)
        json_put_str(w, "displayName", alias->display_name);
    json_put_str(w, "provisioningState", STR("Succeeded"));
    json_put_str(w, "acceptOwnershipState", STR("Completed"));
    json_put_time(w, "createdTime", alias->created_ms);
    json_put_str(w, "subscriptionTenantId", arm->site->tenant_id);
    json_close(w);
    json_close(w);
}

static bool not_entitled(const Req *req, Err *err)
{
    return err_named(err, ERR_DENIED, "UserNotAuthorized", NULL,
                     "The client with object id '" STR_FMT "' may not make subscriptions: that takes Owner (or another role that hands out every role) of a whole subscription.",
                     STR_ARG(req->caller->object_id));
}

static bool alias_put(Req *req, Reply *reply, Err *err)
{
    Put p = { .arm = req->ctx, .req = req };
    bool rules, seen;

    if (!access_rules_a_subscription(p.arm->access, req->caller->object_id, &rules, err))
        return false;
    if (!rules)
        return not_entitled(req, err);
    if (!put_read(&p, err))
        return false;
    if (p.in.subscription.ptr && !access_require(p.arm->access, req->arena, req->caller, STR(ALIAS_TYPE "/write"),
                                                 str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(p.in.subscription)), err))
        return false;
    if (!store_write(p.arm->site->store, put_txn, &p, err))
        return false;
    req->audited = p.is_new;
    if (!arm_may_see_subscription(p.arm, req, p.alias.subscription, &seen, err))
        return false;
    if (!p.is_new && !seen)
        return err_named(err, ERR_CONFLICT, "AliasExists", NULL, "The alias '" STR_FMT "' is taken; choose another.", STR_ARG(p.alias.name));
    reply->status = p.is_new ? 201 : 200;
    write_alias(p.arm, &reply->json, req->arena, &p.alias);
    return json_end(&reply->json, err);
}

/* ---- GET, DELETE ---- */

typedef struct Look { Arm *arm; Req *req; Alias *items; size_t count; Str name; bool found; } Look;

static bool look_txn(Txn *txn, void *ctx, Err *err)
{
    Look *l = ctx;
    return alias_find(l->arm, txn, l->req->arena, l->name, l->items, &l->found, err);
}

/* Whoever may not see the subscription is not told that it has this alias. */
static bool alias_of_request(Arm *arm, Req *req, Alias *alias, bool *found, Err *err)
{
    Look l = { .arm = arm, .req = req, .items = alias, .name = req_param(req, "aliasName") };

    if (!store_read(arm->site->store, look_txn, &l, err))
        return false;
    *found = l.found;
    return !l.found || arm_may_see_subscription(arm, req, alias->subscription, found, err);
}

static bool alias_get(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Alias alias;
    bool found;

    if (!alias_of_request(arm, req, &alias, &found, err))
        return false;
    if (!found)
        return err_named(err, ERR_NOT_FOUND, "AliasNotFound", NULL, "There is no alias '" STR_FMT "' that you may see.", STR_ARG(req_param(req, "aliasName")));
    write_alias(arm, &reply->json, req->arena, &alias);
    return json_end(&reply->json, err);
}

static bool names_txn(Txn *txn, void *ctx, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Look *l = ctx;
    Arena *arena = l->req->arena;
    Str *names;
    size_t room, used = 0;
    bool found;

    if (!txn_query(txn, &rows, err, "SELECT COUNT(*) FROM arm_alias"))
        return false;
    *err = (Err){ 0 };
    room = rows_next(rows, err) ? (size_t)row_int(rows, 0) : 0;
    if (err->code != ERR_NONE)
        return false;
    names = ARENA_ARRAY(arena, Str, room + 1);
    l->items = ARENA_ARRAY(arena, Alias, room + 1);
    if (!names || !l->items)
        return err_too_big(err);
    rows_free(TAKE(rows));
    if (!txn_query(txn, &rows, err, "SELECT name FROM arm_alias ORDER BY name_key"))
        return false;
    *err = (Err){ 0 };
    while (used < room && rows_next(rows, err))
        names[used++] = str_dup(arena, row_text(rows, 0));
    if (err->code != ERR_NONE)
        return false;
    for (l->count = 0; l->count < used; l->count++) {
        if (!alias_find(l->arm, txn, arena, names[l->count], &l->items[l->count], &found, err))
            return false;
    }
    return true;
}

static bool alias_list(Req *req, Reply *reply, Err *err)
{
    Look l = { .arm = req->ctx, .req = req };
    bool seen;

    if (!store_read(l.arm->site->store, names_txn, &l, err))
        return false;
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    for (size_t i = 0; i < l.count; i++) {
        if (!arm_may_see_subscription(l.arm, req, l.items[i].subscription, &seen, err))
            return false;
        if (seen)
            write_alias(l.arm, &reply->json, req->arena, &l.items[i]);
    }
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Look *l = ctx;

    return txn_exec(txn, NULL, err, "DELETE FROM arm_alias WHERE name_key = ?1", db_text(str_lower(l->req->arena, l->name))) &&
           arm_audit(l->arm, txn, l->req, str_printf(l->req->arena, "/providers/" ALIAS_TYPE "/" STR_FMT, STR_ARG(l->name)), 200, err);
}

/* The alias goes; the subscription stays. */
static bool alias_delete(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Look l = { .arm = arm, .req = req, .name = req_param(req, "aliasName") };
    Alias alias;
    bool found;

    if (!alias_of_request(arm, req, &alias, &found, err))
        return false;
    if (!found) {
        reply->status = 204;
        return true;
    }
    if (!access_require(arm->access, req->arena, req->caller, STR(ALIAS_TYPE "/delete"), str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(alias.subscription)), err) ||
        !store_write(arm->site->store, delete_txn, &l, err))
        return false;
    req->audited = true;
    return true;
}

#define ALIASES "/providers/" ALIAS_TYPE
const Route arm_alias_routes[] = {
    { METHOD_GET,    ALIASES,                "2020-09-01", NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE,         0,              alias_list,   "AliasList" },
    { METHOD_PUT,    ALIASES "/{aliasName}", "2020-09-01", NULL, PERM_TOKEN, WHERE_WORKER, BODY_JSON_LENIENT, ALIAS_BODY_MAX, alias_put,    "AliasCreate" },
    { METHOD_GET,    ALIASES "/{aliasName}", "2020-09-01", NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE,         0,              alias_get,    "AliasGet" },
    { METHOD_DELETE, ALIASES "/{aliasName}", "2020-09-01", NULL, PERM_TOKEN, WHERE_WORKER, BODY_NONE,         0,              alias_delete, "AliasDelete" },
};
const size_t arm_alias_route_count = COUNT_OF(arm_alias_routes);
