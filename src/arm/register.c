/* register.c - which resources exist, of whatever type: kept by the subjects' transactions, listed and filtered here. */
#include "arm/parts.h"

enum { RESOURCE_PAGE_MAX = 1000, RESOURCE_BATCH = 250 };

/* ---- rows ---- */

#define RESOURCE_COLUMNS "id, type, name, subscription, group_key, location, tags, id_key"

static bool read_resource_row(Arm *arm, Txn *txn, Rows *rows, Arena *arena, ArmResource *out, Err *err)
{
    *out = (ArmResource){
        .id = str_dup(arena, row_text(rows, 0)),
        .type = str_dup(arena, row_text(rows, 1)),
        .name = str_dup(arena, row_text(rows, 2)),
        .subscription = str_dup(arena, row_text(rows, 3)),
        .group = str_dup(arena, row_text(rows, 4)),
        .location = str_dup(arena, row_text(rows, 5)),
    };
    if (!arm_tags_open(arm, txn, arena, "arm_resource", row_text(rows, 7), row_blob(rows, 6), &out->tags_json, err))
        return false;
    return arena_ok(arena) ? true : err_too_big(err);
}

bool arm_register(Arm *arm, Txn *txn, const ArmResource *r, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(256 * 1024);
    int64_t now = clock_now_ms(arm->site->clock);
    Group group;
    bool found;
    Bytes tags;

    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!arm_group_find(arm, txn, arena, r->subscription, r->group, &group, &found, err))
        return false;
    if (!found)
        return arm_group_not_found(r->group, err);
    if (group.state == GROUP_DELETING)
        return err_named(err, ERR_CONFLICT, "ResourceGroupBeingDeleted", NULL,
                         "The resource group '" STR_FMT "' is in deprovisioning state and cannot perform this operation.", STR_ARG(group.name));
    Str key = str_lower(arena, r->id);
    if (!arm_tags_seal(arm, txn, arena, "arm_resource", key, r->tags_json, &tags, err))
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    return txn_exec(txn, NULL, err,
                    "INSERT INTO arm_resource (id_key, id, type, type_key, name, subscription, group_key, location, tags, created_ms, changed_ms) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10) "
                    "ON CONFLICT (id_key) DO UPDATE SET location = ?8, tags = ?9, changed_ms = ?10",
                    db_text(key), db_text(r->id), db_text(r->type), db_text(str_lower(arena, r->type)), db_text(r->name), db_text(group.subscription),
                    db_text(str_lower(arena, group.name)), db_text(r->location), db_blob(tags), db_int(now));
}

bool arm_unregister(Arm *arm, Txn *txn, Str id, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 * 1024);

    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    Str key = str_lower(arena, id);
    if (!arena_ok(arena))
        return err_too_big(err);
    return access_drop_scope(arm->access, txn, id, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM arm_resource WHERE id_key = ?1", db_text(key));
}

bool arm_resource_find(Arm *arm, Txn *txn, Arena *arena, Str id, ArmResource *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;

    *found = false;
    if (!txn_query(txn, &rows, err, "SELECT " RESOURCE_COLUMNS " FROM arm_resource WHERE id_key = ?1", db_text(str_lower(arena, id))))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    if (!read_resource_row(arm, txn, rows, arena, out, err))
        return false;
    *found = true;
    return true;
}

bool arm_group_resources(Txn *txn, Arena *arena, Str subscription, Str group, ArmResource **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    size_t used = 0, room = 0;
    ArmResource *list = NULL;

    if (!txn_query(txn, &rows, err, "SELECT id, type FROM arm_resource WHERE subscription = ?1 AND group_key = ?2 ORDER BY id_key",
                   db_text(str_lower(arena, subscription)), db_text(str_lower(arena, group))))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (used == room) {
            ArmResource *more = ARENA_ARRAY(arena, ArmResource, room = room ? room * 2 : 16);
            if (!more)
                return err_too_big(err);
            if (used)
                memcpy(more, list, used * sizeof *list);
            list = more;
        }
        list[used++] = (ArmResource){ .id = str_dup(arena, row_text(rows, 0)), .type = str_dup(arena, row_text(rows, 1)) };
    }
    if (err->code != ERR_NONE)
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = list;
    *count = used;
    return true;
}

bool arm_resources_of_type(Arm *arm, Txn *txn, Arena *arena, Str type, Str subscription, Str group, Str after, int64_t limit,
                           ArmResource **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    ArmResource *list = ARENA_ARRAY(arena, ArmResource, (size_t)limit);
    DbVal type_key = db_text(str_lower(arena, type)), in = db_text(str_lower(arena, subscription)), from = db_text(after.ptr ? after : STR(""));
    bool ok;

    *count = 0;
    if (!list)
        return err_too_big(err);
    if (group.ptr)
        ok = txn_query(txn, &rows, err,
                       "SELECT " RESOURCE_COLUMNS " FROM arm_resource WHERE subscription = ?1 AND group_key = ?2 AND type_key = ?3 AND id_key > ?4 ORDER BY id_key LIMIT ?5",
                       in, db_text(str_lower(arena, group)), type_key, from, db_int(limit));
    else
        ok = txn_query(txn, &rows, err,
                       "SELECT " RESOURCE_COLUMNS " FROM arm_resource WHERE subscription = ?1 AND type_key = ?2 AND id_key > ?3 ORDER BY id_key LIMIT ?4",
                       in, type_key, from, db_int(limit));
    if (!ok)
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (!read_resource_row(arm, txn, rows, arena, &list[(*count)++], err))
            return false;
    }
    *out = list;
    return err->code == ERR_NONE;
}

/* ---- lists ---- */

typedef struct ResourceList {
    Arm *arm;
    Req *req;
    Str subscription, group;                /* group absent: all of the subscription */
    const OData *filter;
    Str after;                              /* id_key of the last one read */
    ArmResource rows[RESOURCE_BATCH];
    size_t count;
} ResourceList;

/* One batch; the answer's rows are decided on outside the snapshot, which the access check opens for itself. */
static bool resource_list_txn(Txn *txn, void *ctx, Err *err)
{
    ResourceList *l = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    DbVal after = db_text(l->after.ptr ? l->after : STR("")), subscription = db_text(l->subscription), limit = db_int(RESOURCE_BATCH);
    bool ok;

    if (l->group.ptr) {
        Group group;
        bool found;
        if (!arm_group_find(l->arm, txn, l->req->arena, l->subscription, l->group, &group, &found, err))
            return false;
        if (!found)
            return arm_group_not_found(l->group, err);
        ok = txn_query(txn, &rows, err,
                       "SELECT " RESOURCE_COLUMNS " FROM arm_resource WHERE subscription = ?1 AND group_key = ?2 AND id_key > ?3 ORDER BY id_key LIMIT ?4",
                       subscription, db_text(str_lower(l->req->arena, l->group)), after, limit);
    } else {
        ok = txn_query(txn, &rows, err, "SELECT " RESOURCE_COLUMNS " FROM arm_resource WHERE subscription = ?1 AND id_key > ?2 ORDER BY id_key LIMIT ?3",
                       subscription, after, limit);
    }
    if (!ok)
        return false;
    l->count = 0;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (!read_resource_row(l->arm, txn, rows, l->req->arena, &l->rows[l->count++], err))
            return false;
    }
    return err->code == ERR_NONE;
}

static void write_resource(JsonWriter *w, const ArmResource *r)
{
    json_open(w, NULL);
    json_put_str(w, "id", r->id);
    json_put_str(w, "name", r->name);
    json_put_str(w, "type", r->type);
    json_put_str(w, "location", r->location);
    arm_tags_write(w, r->tags_json);
    json_close(w);
}

static bool row_passes(const ResourceList *l, const ArmResource *r, bool *passes, Err *err)
{
    FilterRow row = { .type = r->type, .name = r->name, .location = r->location, .group = r->group };

    if (filter_reads_tags(l->filter) && !json_parse(l->req->arena, r->tags_json, JSON_STRICT, &row.tags, err))
        return false;
    *passes = filter_passes(l->filter, &row);
    return true;
}

static bool resource_list(Req *req, Reply *reply, Err *err)
{
    ResourceList *l = ARENA_NEW(req->arena, ResourceList);
    JsonWriter *w = &reply->json;
    ArmPage page;
    int64_t shown = 0;
    bool may_all, may_some, more = false;
    Str scope, last = STR_NONE, action = STR("Microsoft.Resources/subscriptions/resources/read");

    if (!l)
        return err_too_big(err);
    l->arm = req->ctx;
    l->req = req;
    l->subscription = str_lower(req->arena, req_param(req, "subscriptionId"));
    l->group = req_param(req, "resourceGroupName");
    scope = l->group.ptr ? arm_group_id(req->arena, l->subscription, l->group) : str_printf(req->arena, "/subscriptions/" STR_FMT, STR_ARG(l->subscription));
    if (!arm_subscription_of_request(l->arm, req, err) || !arm_page_read(req, RESOURCE_PAGE_MAX, &page, err) ||
        !filter_parse(req->arena, req_query(req, "$filter"), &l->filter, err) ||
        !arm_may(l->arm, req, action, scope, &may_all, err))
        return false;
    if (!may_all) {
        if (!access_has_below(l->arm->access, req->arena, req->caller->object_id, scope, &may_some, err))
            return false;
        if (!may_some)
            return access_require(l->arm->access, req->arena, req->caller, action, scope, err);
    }
    l->after = page.after;
    json_open(w, NULL);
    json_open_array(w, "value");
    do {
        if (!store_read(l->arm->site->store, resource_list_txn, l, err))
            return false;
        for (size_t i = 0; i < l->count && !more; i++) {
            bool passes, may = may_all;

            if (!row_passes(l, &l->rows[i], &passes, err))
                return false;
            if (passes && !may && !arm_may(l->arm, req, str_printf(req->arena, STR_FMT "/read", STR_ARG(l->rows[i].type)), l->rows[i].id, &may, err))
                return false;
            if (passes && may && shown == page.limit) {
                more = true;                             /* one more than the page holds: the next page begins after `last` */
            } else {
                l->after = last = str_lower(req->arena, l->rows[i].id);
                if (passes && may) {
                    write_resource(w, &l->rows[i]);
                    shown++;
                }
            }
        }
    } while (l->count == RESOURCE_BATCH && !more);
    json_close_array(w);
    if (more)
        arm_page_next(l->arm, req, w, last);
    json_close(w);
    return json_end(w, err);
}

const Route arm_register_routes[] = {
    { METHOD_GET, "/subscriptions/{subscriptionId}/resources", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, resource_list, "ResourcesList" },
    { METHOD_GET, "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/resources", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, resource_list, "ResourcesListByResourceGroup" },
};
const size_t arm_register_route_count = COUNT_OF(arm_register_routes);
