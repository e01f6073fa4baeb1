/* graph_list.c - lists with $filter and pages, and objects by their ids.
 *
 * What a filter pins (an id, a name, the start of a name) is asked of an index; the filter itself then decides row by row. */
#include "base/encode.h"
#include "identity/graph.h"

enum { TOP_DEFAULT = 100, TOP_MAX = 999, IDS_MAX = 1000, ROW_ARENA_BYTES = 512 * 1024 };

/* ---- which rows to look at ---- */

/* Each with ?1: the last id of the page before, ?2 (and ?3): what is pinned. */
#define SCANS(table) { \
    "SELECT object_id FROM " table " WHERE object_id > ?1 ORDER BY object_id", \
    "SELECT object_id FROM " table " WHERE object_id > ?1 AND object_id = ?2", \
    "SELECT object_id FROM " table " WHERE object_id > ?1 AND app_id = ?2 ORDER BY object_id", \
    "SELECT object_id FROM " table " WHERE object_id > ?1 AND display_key = ?2 ORDER BY object_id", \
    "SELECT object_id FROM " table " WHERE object_id > ?1 AND (app_id = ?2 OR app_id IN (SELECT app_id FROM identity_application_uri WHERE uri_key = ?2)) ORDER BY object_id", \
    "SELECT object_id FROM " table " WHERE object_id > ?1 AND display_key >= ?2 AND display_key < ?3 ORDER BY object_id" }
typedef enum Pin { PIN_NONE, PIN_ID, PIN_APP_ID, PIN_NAME, PIN_ANY_NAME, PIN_START, PIN_COUNT } Pin;

static const char *const application_scans[PIN_COUNT] = SCANS("identity_application");
static const char *const principal_scans[PIN_COUNT] = SCANS("identity_principal");

/* A start of a name that every match has: a startswith among the outermost conditions. */
static Str pinned_start(const OData *filter)
{
    const OData *parts[16];
    size_t count;
    if (!odata_conjuncts(filter, parts, COUNT_OF(parts), &count))
        return STR_NONE;
    for (size_t i = 0; i < count; i++)
        if (parts[i]->kind == ODATA_STARTSWITH && !parts[i]->any && str_eq_nocase(parts[i]->path, STR("displayName")))
            return parts[i]->values[0];
    return STR_NONE;
}

static Pin pin_of(const OData *filter, const char *names, Str *value)
{
    static const struct { const char *path; Pin pin; } exact[] = { { "id", PIN_ID }, { "appId", PIN_APP_ID }, { "displayName", PIN_NAME } };
    *value = STR_NONE;
    if (!filter)
        return PIN_NONE;
    for (size_t i = 0; i < COUNT_OF(exact); i++)
        if ((*value = odata_pinned(filter, exact[i].path)).ptr)
            return exact[i].pin;
    if ((*value = odata_pinned(filter, names)).ptr)
        return PIN_ANY_NAME;
    return (*value = pinned_start(filter)).len ? PIN_START : PIN_NONE;
}

/* ---- rows against the filter ---- */

static size_t one(const Str **values, const Str *value) { return *values = value, value->ptr ? 1 : 0; }

static size_t application_value(void *row, Str path, const Str **values)
{
    const GraphApplication *a = row;
    if (str_eq_nocase(path, STR("id")))
        return one(values, &a->app.object_id);
    if (str_eq_nocase(path, STR("appId")))
        return one(values, &a->app.app_id);
    if (str_eq_nocase(path, STR("displayName")))
        return one(values, &a->app.display_name);
    *values = a->uris;
    return a->uri_count;
}

static size_t principal_value(void *row, Str path, const Str **values)
{
    static const Str yes = { "true", 4 }, no = { "false", 5 }, app = { "Application", 11 }, identity = { "ManagedIdentity", 15 };
    const GraphPrincipal *p = row;
    if (str_eq_nocase(path, STR("id")))
        return one(values, &p->row.p.object_id);
    if (str_eq_nocase(path, STR("appId")))
        return one(values, &p->row.p.app_id);
    if (str_eq_nocase(path, STR("displayName")))
        return one(values, &p->row.p.display_name);
    if (str_eq_nocase(path, STR("accountEnabled")))
        return one(values, p->row.p.enabled ? &yes : &no);
    if (str_eq_nocase(path, STR("servicePrincipalType")))
        return one(values, p->row.p.kind == PRINCIPAL_MANAGED_IDENTITY ? &identity : &app);
    if (str_eq_nocase(path, STR("alternativeNames")))
        return one(values, &p->row.p.mirid);
    *values = p->names;
    return p->name_count;
}

/* ---- the list ---- */

typedef struct List {
    Identity *identity;
    Req *req;
    Reply *reply;
    bool of_principals;
    const OData *filter;
    Pin pin;
    Str pinned, after, last;
    int64_t top, written;
    bool has_more;
} List;

static bool put_if_matching(List *list, Txn *txn, Arena *arena, Str id, Err *err)
{
    JsonWriter *w = &list->reply->json;
    GraphApplication a;
    GraphPrincipal p;
    bool found;
    if (list->of_principals ? !graph_principal_load(list->identity, txn, arena, id, &p, &found, err)
                            : !graph_application_load(list->identity, txn, arena, id, &a, &found, err))
        return false;
    if (!found || (list->filter && !(list->of_principals ? odata_matches(list->filter, principal_value, &p)
                                                         : odata_matches(list->filter, application_value, &a))))
        return true;
    if (list->written == list->top) {
        list->has_more = true;
        return true;
    }
    json_open(w, NULL);
    if (list->of_principals)
        graph_put_principal(w, list->identity, arena, &p);
    else
        graph_put_application(w, list->identity, arena, &a);
    json_close(w);
    list->written++;
    list->last = str_dup(list->req->arena, id);
    return arena_ok(arena) && list->last.ptr ? true : err_too_big(err);
}

static bool list_read(Txn *txn, void *ctx, Err *err)
{
    List *list = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    const char *sql = (list->of_principals ? principal_scans : application_scans)[list->pin];
    Str key = str_lower(list->req->arena, list->pinned);
    Str behind = str_printf(list->req->arena, STR_FMT "\xF4\x8F\xBF\xBF", STR_ARG(key));       /* U+10FFFF sorts after all that starts so */
    const DbVal vals[] = { db_text(list->after), db_text(key), db_text(behind) };
    size_t count = list->pin == PIN_NONE ? 1 : list->pin == PIN_START ? 3 : 2;
    *err = (Err){ 0 };
    if (!txn_query_vals(txn, sql, vals, count, &rows, err))
        return false;
    while (!list->has_more && rows_next(rows, err)) {
        AUTO(arena_free_auto) Arena *arena = arena_new(ROW_ARENA_BYTES);      /* a long scan holds one row at a time */
        if (!arena)
            return err_set(err, ERR_INTERNAL, "no memory for a row");
        if (!put_if_matching(list, txn, arena, str_dup(arena, row_text(rows, 0)), err))
            return false;
    }
    return err->code == ERR_NONE;
}

static bool read_query(List *list, Err *err)
{
    static const char *const application_names[] = { "id", "appId", "displayName", "identifierUris" };
    static const char *const principal_names[] = { "id", "appId", "displayName", "servicePrincipalNames", "servicePrincipalType",
                                                   "accountEnabled", "alternativeNames" };
    Arena *arena = list->req->arena;
    Str filter = req_query(list->req, "$filter"), top = req_query(list->req, "$top"), token = req_query(list->req, "$skiptoken");
    Err reason = { 0 };
    list->top = TOP_DEFAULT;
    if (top.ptr && !str_to_int64(top, 1, TOP_MAX, &list->top, &reason))
        return graph_bad_request(err, "$top", "$top must be a number from 1 to %d.", TOP_MAX);
    if (req_query(list->req, "$search").len)
        return err_named(err, ERR_BAD_INPUT, "Request_UnsupportedQuery", NULL,
                         "$search is not supported; use $filter=startswith(displayName,'text').");
    list->after = token.ptr ? token : STR("");
    if (!str_empty(str_trim(filter))) {
        bool known = odata_parse(arena, filter, &list->filter, &reason) &&
                     (list->of_principals ? odata_check(list->filter, principal_names, COUNT_OF(principal_names), &reason)
                                          : odata_check(list->filter, application_names, COUNT_OF(application_names), &reason));
        if (!known)
            return reason.code == ERR_BAD_INPUT ? err_named(err, ERR_BAD_INPUT, "BadRequest", NULL, "%s", reason.text) : (*err = reason, false);
    }
    list->pin = pin_of(list->filter, list->of_principals ? "servicePrincipalNames" : "identifierUris", &list->pinned);
    return true;
}

static void put_next_link(const List *list, JsonWriter *w, const char *collection)
{
    Arena *arena = list->req->arena;
    Str base = site_url(list->identity->site, arena, STR("graph")), filter = req_query(list->req, "$filter");
    Str suffix = filter.len ? str_printf(arena, "&$filter=" STR_FMT, STR_ARG(percent_encode(arena, filter))) : STR("");
    json_put_str(w, "@odata.nextLink", str_printf(arena, STR_FMT "/v1.0/%s?$top=%lld&$skiptoken=" STR_FMT STR_FMT, STR_ARG(base), collection,
                                                  (long long)list->top,
                                                  STR_ARG(list->last), STR_ARG(suffix)));
}

static bool list_objects(Req *req, Reply *reply, Err *err, bool of_principals)
{
    List list = { .identity = req->ctx, .req = req, .reply = reply, .of_principals = of_principals };
    const char *collection = of_principals ? "servicePrincipals" : "applications";
    if (!read_query(&list, err))
        return false;
    json_open(&reply->json, NULL);
    graph_put_context(list.identity, req, &reply->json, collection);
    json_open_array(&reply->json, "value");
    if (!store_read(list.identity->site->store, list_read, &list, err))
        return false;
    json_close_array(&reply->json);
    if (list.has_more)
        put_next_link(&list, &reply->json, collection);
    json_close(&reply->json);
    return arena_ok(req->arena) ? json_end(&reply->json, err) : err_too_big(err);
}

bool graph_applications_list(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, err, false); }
bool graph_principals_list(Req *req, Reply *reply, Err *err) { return list_objects(req, reply, err, true); }

/* ---- POST /directoryObjects/getByIds ---- */

typedef struct ByIds { Identity *identity; Req *req; Reply *reply; const JsonVal *ids; bool wants_principals, wants_applications; } ByIds;

static bool put_object(ByIds *ask, Txn *txn, Arena *arena, Str id, Err *err)
{
    JsonWriter *w = &ask->reply->json;
    GraphPrincipal p;
    GraphApplication a;
    bool found = false;
    if (ask->wants_principals && !graph_principal_load(ask->identity, txn, arena, id, &p, &found, err))
        return false;
    if (found) {
        json_open(w, NULL);
        json_put_str(w, "@odata.type", STR("#microsoft.graph.servicePrincipal"));
        graph_put_principal(w, ask->identity, arena, &p);
        json_close(w);
        return arena_ok(arena) ? true : err_too_big(err);
    }
    if (ask->wants_applications && !graph_application_load(ask->identity, txn, arena, id, &a, &found, err))
        return false;
    if (!found)
        return true;                                /* unknown ids are left out */
    json_open(w, NULL);
    json_put_str(w, "@odata.type", STR("#microsoft.graph.application"));
    graph_put_application(w, ask->identity, arena, &a);
    json_close(w);
    return arena_ok(arena) ? true : err_too_big(err);
}

static bool by_ids_read(Txn *txn, void *ctx, Err *err)
{
    ByIds *ask = ctx;
    for (size_t i = 0; i < json_count(ask->ids); i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(ROW_ARENA_BYTES);
        if (!arena)
            return err_set(err, ERR_INTERNAL, "no memory for a row");
        if (!put_object(ask, txn, arena, json_str(json_at(ask->ids, i)), err))
            return false;
    }
    return true;
}

static bool wants(const JsonVal *types, const char *name)
{
    if (json_count(types) == 0)
        return true;
    for (size_t i = 0; i < json_count(types); i++)
        if (str_eq_nocase(json_str(json_at(types, i)), str_from(name)) || str_eq_nocase(json_str(json_at(types, i)), STR("directoryObject")))
            return true;
    return false;
}

bool graph_get_by_ids(Req *req, Reply *reply, Err *err)
{
    const JsonVal *body;
    if (!req_object(req, &body, err))
        return false;
    const JsonVal *types = json_get(body, "types");
    ByIds ask = { .identity = req->ctx, .req = req, .reply = reply, .ids = json_get(body, "ids"),
                  .wants_principals = wants(types, "servicePrincipal"),
                  .wants_applications = wants(types, "application") };
    if (json_kind(ask.ids) != JSON_ARRAY || json_count(ask.ids) > IDS_MAX)
        return graph_bad_request(err, "ids", "ids must be an array of at most %d object ids.", IDS_MAX);
    for (size_t i = 0; i < json_count(ask.ids); i++)
        if (json_kind(json_at(ask.ids, i)) != JSON_STR)
            return graph_bad_request(err, "ids", "ids[%zu] must be an object id.", i);
    json_open(&reply->json, NULL);
    graph_put_context(ask.identity, req, &reply->json, "directoryObjects");
    json_open_array(&reply->json, "value");
    if (!store_read(ask.identity->site->store, by_ids_read, &ask, err))
        return false;
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

/* ---- people, of whom there are none yet ---- */

bool graph_me(Req *req, Reply *reply, Err *err)
{
    (void)req, (void)reply;
    return err_named(err, ERR_BAD_INPUT, "BadRequest", NULL, "/me request is only valid with delegated authentication flow.");
}

bool graph_empty_list(Req *req, Reply *reply, Err *err)
{
    json_open(&reply->json, NULL);
    graph_put_context(req->ctx, req, &reply->json, str_ends(req->path, STR("users")) ? "users" : "groups");
    json_open_array(&reply->json, "value");
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}
