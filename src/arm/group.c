/* group.c - resource groups: create, read, tag, list. Their deletion is group_delete.c. */
#include "arm/parts.h"

#define GROUP_TYPE STR("Microsoft.Resources/resourceGroups")

enum { GROUP_PAGE_MAX = 1000 };

/* ---- rows ---- */

#define GROUP_COLUMNS "subscription, name, location, managed_by, tags, state, operation, name_key"

static Str group_row_name(Arena *arena, Str subscription, Str name_key)
{
    return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(subscription), STR_ARG(name_key));
}

static bool read_group_row(Arm *arm, Txn *txn, Rows *rows, Arena *arena, Group *out, Err *err)
{
    *out = (Group){
        .subscription = str_dup(arena, row_text(rows, 0)),
        .name = str_dup(arena, row_text(rows, 1)),
        .location = str_dup(arena, row_text(rows, 2)),
        .managed_by = row_is_null(rows, 3) ? STR_NONE : str_dup(arena, row_text(rows, 3)),
        .state = (GroupState)row_int(rows, 5),
        .operation = row_is_null(rows, 6) ? STR_NONE : str_dup(arena, row_text(rows, 6)),
    };
    if (!arm_tags_open(arm, txn, arena, "arm_group", group_row_name(arena, out->subscription, row_text(rows, 7)), row_blob(rows, 4), &out->tags_json, err))
        return false;
    return arena_ok(arena) ? true : err_too_big(err);
}

bool arm_group_find(Arm *arm, Txn *txn, Arena *arena, Str subscription, Str name, Group *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;

    *found = false;
    if (!txn_query(txn, &rows, err, "SELECT " GROUP_COLUMNS " FROM arm_group WHERE subscription = ?1 AND name_key = ?2",
                   db_text(str_lower(arena, subscription)), db_text(str_lower(arena, name))))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    if (!read_group_row(arm, txn, rows, arena, out, err))
        return false;
    *found = true;
    return true;
}

bool arm_group_not_found(Str name, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "ResourceGroupNotFound", NULL, "Resource group '" STR_FMT "' could not be found.", STR_ARG(str_slice(name, 0, 100)));
}

static bool group_is_going(Str name, Err *err)
{
    return err_named(err, ERR_CONFLICT, "ResourceGroupBeingDeleted", NULL,
                     "The resource group '" STR_FMT "' is in deprovisioning state and cannot perform this operation.", STR_ARG(name));
}

bool arm_require_group(Arm *arm, Txn *txn, Arena *arena, Str subscription, Str group, Str *stored_group, Err *err)
{
    Group row;
    bool found;

    if (!arm_require_subscription(arm, txn, subscription, err) || !arm_group_find(arm, txn, arena, subscription, group, &row, &found, err))
        return false;
    if (!found)
        return arm_group_not_found(group, err);
    *stored_group = row.name;
    return true;
}

/* ---- answers ---- */

static void write_group(JsonWriter *w, Arena *arena, const Group *g)
{
    json_open(w, NULL);
    json_put_str(w, "id", arm_group_id(arena, g->subscription, g->name));
    json_put_str(w, "name", g->name);
    json_put_str(w, "type", GROUP_TYPE);
    json_put_str(w, "location", g->location);
    json_put_str(w, "managedBy", g->managed_by);
    arm_tags_write(w, g->tags_json);
    json_open(w, "properties");
    json_put_str(w, "provisioningState", g->state == GROUP_DELETING ? STR("Deleting") : STR("Succeeded"));
    json_close(w);
    json_close(w);
}

typedef struct GroupRead { Arm *arm; const Req *req; Group group; } GroupRead;

static bool group_read_txn(Txn *txn, void *ctx, Err *err)
{
    GroupRead *r = ctx;
    Str name = req_param(r->req, "resourceGroupName");
    bool found;

    if (!arm_group_find(r->arm, txn, r->req->arena, req_param(r->req, "subscriptionId"), name, &r->group, &found, err))
        return false;
    return found ? true : arm_group_not_found(name, err);
}

static bool group_get(Req *req, Reply *reply, Err *err)
{
    GroupRead r = { .arm = req->ctx, .req = req };

    if (!store_read(r.arm->site->store, group_read_txn, &r, err))
        return false;
    write_group(&reply->json, req->arena, &r.group);
    return json_end(&reply->json, err);
}

static bool group_exists(Req *req, Reply *reply, Err *err)
{
    GroupRead r = { .arm = req->ctx, .req = req };

    if (!store_read(r.arm->site->store, group_read_txn, &r, err))
        return false;
    reply->status = 204;
    return true;
}

/* ---- create, update ---- */

typedef struct GroupIn { Str location, managed_by; const JsonVal *tags, *properties; } GroupIn;
static const JsonField group_fields[] = {
    JSON_FIELD(GroupIn, location,   "location",   JSON_OPTIONAL),
    JSON_FIELD(GroupIn, managed_by, "managedBy",  JSON_OPTIONAL),
    JSON_FIELD(GroupIn, tags,       "tags",       JSON_OPTIONAL),
    JSON_FIELD(GroupIn, properties, "properties", JSON_OPTIONAL),
};

typedef struct GroupWrite {
    Arm *arm;
    Req *req;
    bool is_patch, has_tags;
    Str location, managed_by, tags_json;    /* managed_by absent: as it was */
    Group group;                            /* as written */
    bool created;
} GroupWrite;

static bool group_store(GroupWrite *g, Txn *txn, Err *err)
{
    Arena *arena = g->req->arena;
    Str key = str_lower(arena, g->group.name);
    int64_t now = g->req->now_ms;
    Bytes tags;

    if (!arena_ok(arena))
        return err_too_big(err);
    if (!arm_tags_seal(g->arm, txn, arena, "arm_group", group_row_name(arena, g->group.subscription, key), g->group.tags_json, &tags, err))
        return false;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO arm_group (subscription, name_key, name, location, managed_by, tags, state, operation, created_ms, changed_ms) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8, ?8) "
                    "ON CONFLICT (subscription, name_key) DO UPDATE SET managed_by = ?5, tags = ?6, changed_ms = ?8",
                    db_text(g->group.subscription), db_text(key), db_text(g->group.name), db_text(g->group.location), db_text(g->group.managed_by),
                    db_blob(tags), db_int(GROUP_SUCCEEDED), db_int(now));
}

static bool group_write_txn(Txn *txn, void *ctx, Err *err)
{
    GroupWrite *g = ctx;
    Arena *arena = g->req->arena;
    Str subscription = str_lower(arena, req_param(g->req, "subscriptionId")), name = req_param(g->req, "resourceGroupName");
    bool found;

    if (!arm_require_subscription(g->arm, txn, subscription, err) || !arm_group_find(g->arm, txn, arena, subscription, name, &g->group, &found, err))
        return false;
    g->created = !found;
    if (!found && g->is_patch)
        return arm_group_not_found(name, err);
    if (found && g->group.state == GROUP_DELETING)
        return group_is_going(g->group.name, err);
    if (found && !str_empty(g->location) && !str_eq(g->location, g->group.location))
        return err_named(err, ERR_CONFLICT, "InvalidResourceGroupLocation", NULL,
                         "Invalid resource group location '" STR_FMT "'. The Resource group already exists in location '" STR_FMT "'.",
                         STR_ARG(g->location), STR_ARG(g->group.location));
    if (!found)
        g->group = (Group){ .subscription = subscription, .name = name, .location = g->location, .state = GROUP_SUCCEEDED, .tags_json = STR("{}") };
    if (g->has_tags)
        g->group.tags_json = g->tags_json;
    if (g->managed_by.ptr)
        g->group.managed_by = g->managed_by;
    return group_store(g, txn, err) &&
           arm_audit(g->arm, txn, g->req, arm_group_id(arena, g->group.subscription, g->group.name), g->created ? 201 : 200, err);
}

static bool group_write(Req *req, Reply *reply, bool is_patch, Err *err)
{
    GroupWrite g = { .arm = req->ctx, .req = req, .is_patch = is_patch };
    const JsonVal *body;
    GroupIn in = { 0 };

    if (!req_object(req, &body, err) || !json_read(body, "", group_fields, COUNT_OF(group_fields), &in, err) ||
        !arm_tags_check(req->arena, in.tags, &g.tags_json, err))
        return false;
    if (!is_patch && (!arm_group_name_check(req_param(req, "resourceGroupName"), err) || !arm_location_check(req->arena, in.location, &g.location, err)))
        return false;
    g.has_tags = !is_patch || json_kind(in.tags) == JSON_OBJECT;            /* a PUT without tags takes them away */
    g.managed_by = in.managed_by;
    if (!store_write(g.arm->site->store, group_write_txn, &g, err))
        return false;
    req->audited = true;
    reply->status = g.created ? 201 : 200;
    write_group(&reply->json, req->arena, &g.group);
    return json_end(&reply->json, err);
}

static bool group_put(Req *req, Reply *reply, Err *err)
{
    return group_write(req, reply, false, err);
}

static bool group_patch(Req *req, Reply *reply, Err *err)
{
    return group_write(req, reply, true, err);
}

/* ---- list ---- */

typedef struct GroupList {
    Arm *arm;
    Req *req;
    Str after;                              /* name_key of the last one read */
    int64_t want;
    Group *groups;
    size_t count;
    bool more;
} GroupList;

static bool group_list_txn(Txn *txn, void *ctx, Err *err)
{
    GroupList *l = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;

    l->count = 0;
    l->groups = ARENA_ARRAY(l->req->arena, Group, (size_t)l->want);
    if (!l->groups)
        return err_too_big(err);
    if (!txn_query(txn, &rows, err, "SELECT " GROUP_COLUMNS " FROM arm_group WHERE subscription = ?1 AND name_key > ?2 ORDER BY name_key LIMIT ?3",
                   db_text(str_lower(l->req->arena, req_param(l->req, "subscriptionId"))), db_text(l->after.ptr ? l->after : STR("")), db_int(l->want + 1)))
        return false;
    *err = (Err){ 0 };
    l->more = false;
    while (rows_next(rows, err)) {
        if (l->count == (size_t)l->want) {
            l->more = true;
            return true;
        }
        if (!read_group_row(l->arm, txn, rows, l->req->arena, &l->groups[l->count++], err))
            return false;
    }
    return err->code == ERR_NONE;
}

/* Whoever may read only some groups gets those; whoever may read none, at no level, is told so. */
static bool group_list(Req *req, Reply *reply, Err *err)
{
    Str action = STR("Microsoft.Resources/subscriptions/resourceGroups/read");
    GroupList l = { .arm = req->ctx, .req = req };
    Str scope = str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(req_param(req, "subscriptionId"))), last = STR_NONE;
    JsonWriter *w = &reply->json;
    const OData *filter;
    ArmPage page;
    bool may_all, may_some;
    int64_t shown = 0;

    if (!arm_subscription_of_request(l.arm, req, err) || !arm_page_read(req, GROUP_PAGE_MAX, &page, err) ||
        !filter_parse(req->arena, req_query(req, "$filter"), &filter, err) || !arm_may(l.arm, req, action, scope, &may_all, err))
        return false;
    if (!may_all) {
        if (!access_has_below(l.arm->access, req->arena, req->caller->object_id, scope, &may_some, err))
            return false;
        if (!may_some)
            return access_require(l.arm->access, req->arena, req->caller, action, scope, err);
    }
    l.after = page.after;
    l.want = page.limit;
    json_open(w, NULL);
    json_open_array(w, "value");
    do {
        if (!store_read(l.arm->site->store, group_list_txn, &l, err))
            return false;
        for (size_t i = 0; i < l.count; i++) {
            const Group *g = &l.groups[i];
            FilterRow row = { .type = GROUP_TYPE, .name = g->name, .location = g->location, .group = g->name };
            bool may = may_all;

            if (shown == page.limit) {
                l.more = true;
                break;
            }
            l.after = last = str_lower(req->arena, g->name);
            if (filter_reads_tags(filter) && !json_parse(req->arena, g->tags_json, JSON_STRICT, &row.tags, err))
                return false;
            if (!filter_passes(filter, &row))
                continue;
            if (!may && !arm_may(l.arm, req, action, arm_group_id(req->arena, g->subscription, g->name), &may, err))
                return false;
            if (may) {
                write_group(w, req->arena, g);
                shown++;
            }
        }
    } while (l.more && shown < page.limit);
    json_close_array(w);
    if (l.more)
        arm_page_next(l.arm, req, w, last);
    json_close(w);
    return json_end(w, err);
}

const Route arm_group_routes[] = {
    { METHOD_GET,    "/subscriptions/{subscriptionId}/resourcegroups", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, group_list, "ResourceGroupsList" },
    { METHOD_GET,    "/subscriptions/{subscriptionId}/resourcegroups/{resourceGroupName}", NULL, NULL, "Microsoft.Resources/subscriptions/resourceGroups/read",   WHERE_INLINE, BODY_NONE,         0,         group_get,        "ResourceGroupsGet" },
    { METHOD_HEAD,   "/subscriptions/{subscriptionId}/resourcegroups/{resourceGroupName}", NULL, NULL, "Microsoft.Resources/subscriptions/resourceGroups/read",   WHERE_INLINE, BODY_NONE,         0,         group_exists,     "ResourceGroupsCheckExistence" },
    { METHOD_PUT,    "/subscriptions/{subscriptionId}/resourcegroups/{resourceGroupName}", NULL, NULL, "Microsoft.Resources/subscriptions/resourceGroups/write",  WHERE_WORKER, BODY_JSON_LENIENT, 64 * 1024, group_put,        "ResourceGroupsCreateOrUpdate" },
    { METHOD_PATCH,  "/subscriptions/{subscriptionId}/resourcegroups/{resourceGroupName}", NULL, NULL, "Microsoft.Resources/subscriptions/resourceGroups/write",  WHERE_WORKER, BODY_JSON_LENIENT, 64 * 1024, group_patch,      "ResourceGroupsUpdate" },
    { METHOD_DELETE, "/subscriptions/{subscriptionId}/resourcegroups/{resourceGroupName}", NULL, NULL, "Microsoft.Resources/subscriptions/resourceGroups/delete", WHERE_WORKER, BODY_NONE,         0,         arm_group_delete, "ResourceGroupsDelete" },
};
const size_t arm_group_route_count = COUNT_OF(arm_group_routes);
