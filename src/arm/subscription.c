/* subscription.c - subscriptions, the tenant and its locations. `vaultyard init` makes the first, alias.c the others; they never go away. */
#include "arm/parts.h"
#include "base/id.h"

/* ---- rows ---- */

static SealPlace name_place(Str scope, Str id)
{
    return (SealPlace){ .scope = scope, .table = "arm_subscription", .row = id, .column = "display_name" };
}

bool arm_subscription_name_check(Str name, const char *field, Err *err)
{
    if (name.len >= 1 && name.len <= SUBSCRIPTION_NAME_MAX && !str_empty(str_trim(name)))
        return true;
    return err_field(err, field, "%s: a subscription's name has 1 to %d bytes", field, SUBSCRIPTION_NAME_MAX);
}

bool arm_bootstrap(Site *site, Txn *txn, Arena *arena, Str display_name, Str *subscription_id, Err *err)
{
    Str id = guid_new(arena), scope = str_printf(arena, "tenant:" STR_FMT, STR_ARG(site->tenant_id));
    Bytes name;

    if (!arena_ok(arena))
        return err_too_big(err);
    if (!seal_put(site->seal, txn, name_place(scope, id), bytes_of(display_name), arena, &name, err) ||
        !txn_exec(txn, NULL, err, "INSERT INTO arm_subscription (id, display_name, created_ms) VALUES (?1, ?2, ?3)",
                  db_text(id), db_blob(name), db_int(clock_now_ms(site->clock))))
        return false;
    *subscription_id = id;
    return true;
}

bool arm_require_subscription(Arm *arm, Txn *txn, Str id, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    char key[ARM_SUBSCRIPTION_MAX];

    (void)arm;
    if (!arm_subscription_check(id, err))
        return false;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = id.ptr[i] >= 'A' && id.ptr[i] <= 'Z' ? (char)(id.ptr[i] - 'A' + 'a') : id.ptr[i];
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM arm_subscription WHERE id = ?1", db_text((Str){ key, sizeof key })))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        return true;
    if (err->code != ERR_NONE)
        return false;
    return err_named(err, ERR_NOT_FOUND, "SubscriptionNotFound", NULL, "The subscription '" STR_FMT "' could not be found.", STR_ARG(id));
}

bool arm_subscriptions(Arm *arm, Txn *txn, Arena *arena, Subscription **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str scope = arm_tenant_scope(arm, arena);
    size_t used = 0, room = 8;
    Subscription *list = ARENA_ARRAY(arena, Subscription, room);

    if (!txn_query(txn, &rows, err, "SELECT id, display_name FROM arm_subscription ORDER BY created_ms, id"))
        return false;
    *err = (Err){ 0 };
    while (list && rows_next(rows, err)) {
        if (used == room) {
            Subscription *more = ARENA_ARRAY(arena, Subscription, room * 2);
            if (!more)
                return err_too_big(err);
            memcpy(more, list, used * sizeof *list);
            list = more;
            room *= 2;
        }
        list[used].id = str_dup(arena, row_text(rows, 0));
        if (!seal_get_text(arm->site->seal, txn, name_place(scope, list[used].id), row_blob(rows, 1), arena, &list[used].display_name, err))
            return false;
        used++;
    }
    if (err->code != ERR_NONE)
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = list;
    *count = used;
    return true;
}

/* ---- rename ---- */

typedef struct Rename { Arm *arm; Req *req; Str id, name; } Rename;

static bool rename_txn(Txn *txn, void *ctx, Err *err)
{
    Rename *r = ctx;
    Bytes sealed;

    return arm_require_subscription(r->arm, txn, r->id, err) &&
           seal_put(r->arm->site->seal, txn, name_place(arm_tenant_scope(r->arm, r->req->arena), r->id), bytes_of(r->name), r->req->arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "UPDATE arm_subscription SET display_name = ?2 WHERE id = ?1", db_text(r->id), db_blob(sealed)) &&
           arm_audit(r->arm, txn, r->req, str_printf(r->req->arena, "/subscriptions/" STR_FMT, STR_ARG(r->id)), 200, err);
}

static bool subscription_rename(Req *req, Reply *reply, Err *err)
{
    typedef struct RenameIn { Str name; } RenameIn;
    static const JsonField fields[] = { JSON_FIELD(RenameIn, name, "subscriptionName", JSON_REQUIRED) };
    Rename r = { .arm = req->ctx, .req = req, .id = str_lower(req->arena, req_param(req, "subscriptionId")) };
    const JsonVal *body;
    RenameIn in = { 0 };

    if (!req_object(req, &body, err) || !json_read(body, "", fields, COUNT_OF(fields), &in, err) || !arm_subscription_name_check(in.name, "subscriptionName", err))
        return false;
    r.name = in.name;
    if (!store_write(r.arm->site->store, rename_txn, &r, err))
        return false;
    req->audited = true;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "subscriptionId", r.id);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

/* ---- answers ---- */

typedef struct Listing { Arm *arm; Arena *arena; Subscription *items; size_t count; } Listing;

static bool list_txn(Txn *txn, void *ctx, Err *err)
{
    Listing *l = ctx;
    return arm_subscriptions(l->arm, txn, l->arena, &l->items, &l->count, err);
}

static void write_subscription(Arm *arm, JsonWriter *w, Arena *arena, const Subscription *s)
{
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(arena, "/subscriptions/" STR_FMT, STR_ARG(s->id)));
    json_put_str(w, "subscriptionId", s->id);
    json_put_str(w, "tenantId", arm->site->tenant_id);
    json_put_str(w, "displayName", s->display_name);
    json_put_str(w, "state", STR("Enabled"));
    json_open(w, "subscriptionPolicies");
    json_put_str(w, "locationPlacementId", STR("Vaultyard"));
    json_put_str(w, "quotaId", STR("Vaultyard"));
    json_put_str(w, "spendingLimit", STR("Off"));
    json_close(w);
    json_put_str(w, "authorizationSource", STR("RoleBased"));
    json_open_array(w, "managedByTenants");
    json_close_array(w);
    json_close(w);
}

bool arm_may_see_subscription(Arm *arm, const Req *req, Str subscription, bool *seen, Err *err)
{
    Str scope = str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(subscription));

    if (!arm_may(arm, req, STR("Microsoft.Resources/subscriptions/read"), scope, seen, err))
        return false;
    return *seen ? true : access_has_below(arm->access, req->arena, req->caller->object_id, scope, seen, err);
}

static bool subscription_list(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Listing l = { .arm = arm, .arena = req->arena };
    JsonWriter *w = &reply->json;
    int64_t shown = 0;

    if (!store_read(arm->site->store, list_txn, &l, err))
        return false;
    json_open(w, NULL);
    json_open_array(w, "value");
    for (size_t i = 0; i < l.count; i++) {
        bool seen;
        if (!arm_may_see_subscription(arm, req, l.items[i].id, &seen, err))
            return false;
        if (seen) {
            write_subscription(arm, w, req->arena, &l.items[i]);
            shown++;
        }
    }
    json_close_array(w);
    json_open(w, "count");
    json_put_str(w, "type", STR("Total"));
    json_put_int(w, "value", shown);
    json_close(w);
    json_close(w);
    return json_end(w, err);
}

static bool subscription_get(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Str id = req_param(req, "subscriptionId");
    Listing l = { .arm = arm, .arena = req->arena };
    bool seen;

    if (!arm_subscription_of_request(arm, req, err) || !store_read(arm->site->store, list_txn, &l, err) || !arm_may_see_subscription(arm, req, id, &seen, err))
        return false;
    if (!seen)                                              /* in the service's words */
        return access_require(arm->access, req->arena, req->caller, STR("Microsoft.Resources/subscriptions/read"),
                              str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(id)), err);
    for (size_t i = 0; i < l.count; i++) {
        if (str_eq_nocase(l.items[i].id, id))
            write_subscription(arm, &reply->json, req->arena, &l.items[i]);
    }
    return json_end(&reply->json, err);
}

static bool tenant_list(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    JsonWriter *w = &reply->json;

    json_open(w, NULL);
    json_open_array(w, "value");
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(req->arena, "/tenants/" STR_FMT, STR_ARG(arm->site->tenant_id)));
    json_put_str(w, "tenantId", arm->site->tenant_id);
    json_put_str(w, "tenantCategory", STR("Home"));
    json_put_str(w, "displayName", STR("Vaultyard"));
    json_put_str(w, "defaultDomain", arm->site->names.domain);
    json_open_array(w, "domains");
    json_put_str(w, NULL, arm->site->names.domain);
    json_close_array(w);
    json_close(w);
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

/* ---- what belongs to the whole site ---- */

bool arm_require_in_some_subscription(Arm *arm, const Req *req, Str action, Err *err)
{
    Listing all = { .arm = arm, .arena = req->arena };
    Str scope = STR("/");
    bool allowed = false;

    if (!store_read(arm->site->store, list_txn, &all, err))
        return false;
    for (size_t i = 0; i < all.count && !allowed; i++) {
        scope = str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(all.items[i].id));
        if (!arm_may(arm, req, action, scope, &allowed, err))
            return false;
    }
    return allowed || access_require(arm->access, req->arena, req->caller, action, scope, err);
}

/* ---- locations: the site's own, then those in use ---- */

typedef struct Locations { Arm *arm; Req *req; JsonWriter *w; Str subscription; } Locations;

static void write_location(const Locations *l, Str name)
{
    json_open(l->w, NULL);
    json_put_str(l->w, "id", str_printf(l->req->arena, "/subscriptions/" STR_FMT "/locations/" STR_FMT, STR_ARG(l->subscription), STR_ARG(name)));
    json_put_str(l->w, "subscriptionId", l->subscription);
    json_put_str(l->w, "name", name);
    json_put_str(l->w, "displayName", name);
    json_put_str(l->w, "regionalDisplayName", name);
    json_open(l->w, "metadata");
    json_put_str(l->w, "regionType", STR("Physical"));
    json_put_str(l->w, "regionCategory", STR("Recommended"));
    json_close(l->w);
    json_close(l->w);
}

static bool locations_txn(Txn *txn, void *ctx, Err *err)
{
    Locations *l = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;

    if (!txn_query(txn, &rows, err,
                   "SELECT location FROM arm_group WHERE subscription = ?1 AND location <> ?2 "
                   "UNION SELECT location FROM arm_resource WHERE subscription = ?1 AND location <> ?2 ORDER BY 1",
                   db_text(l->subscription), db_text(l->arm->site->names.location)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        write_location(l, str_dup(l->req->arena, row_text(rows, 0)));
    return err->code == ERR_NONE;
}

static bool location_list(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Locations l = { .arm = arm, .req = req, .w = &reply->json, .subscription = str_lower(req->arena, req_param(req, "subscriptionId")) };

    json_open(l.w, NULL);
    json_open_array(l.w, "value");
    write_location(&l, arm->site->names.location);
    if (!store_read(arm->site->store, locations_txn, &l, err))
        return false;
    json_close_array(l.w);
    json_close(l.w);
    return json_end(l.w, err);
}

const Route arm_subscription_routes[] = {
    { METHOD_GET, "/subscriptions", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, subscription_list, "SubscriptionsList" },
    { METHOD_GET, "/subscriptions/{subscriptionId}", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, subscription_get, "SubscriptionsGet" },
    { METHOD_GET, "/subscriptions/{subscriptionId}/locations", NULL, NULL, "Microsoft.Resources/subscriptions/locations/read", WHERE_INLINE, BODY_NONE, 0, location_list, "SubscriptionsListLocations" },
    { METHOD_POST, "/subscriptions/{subscriptionId}/providers/Microsoft.Subscription/rename", NULL, NULL, "Microsoft.Subscription/rename/action", WHERE_WORKER, BODY_JSON_LENIENT, 4096, subscription_rename, "SubscriptionRename" },
    { METHOD_POST, "/subscriptions/{subscriptionId}/providers/Microsoft.Subscription/cancel", NULL, NULL, "Microsoft.Subscription/cancel/action", WHERE_INLINE, BODY_NONE, 0, route_not_built, "SubscriptionCancel" },
    { METHOD_POST, "/subscriptions/{subscriptionId}/providers/Microsoft.Subscription/enable", NULL, NULL, "Microsoft.Subscription/enable/action", WHERE_INLINE, BODY_NONE, 0, route_not_built, "SubscriptionEnable" },
    { METHOD_GET, "/tenants", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, tenant_list, "TenantsList" },
};
const size_t arm_subscription_route_count = COUNT_OF(arm_subscription_routes);
