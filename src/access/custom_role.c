/* custom_role.c - the rows of custom roles. Every change makes the cached grants of all principals void. */
#include "access/parts.h"

enum { DOC_MAX = 1024 * 1024, ROW_ARENA_BYTES = 4 * 1024 * 1024 };

static const char table[] = "access_role";

static SealPlace doc_place(Access *access, Arena *arena, Str guid)
{
    Str scope = str_printf(arena, "tenant:" STR_FMT, STR_ARG(access->site->tenant_id));
    return (SealPlace){ .scope = scope, .table = table, .row = guid, .column = "doc" };
}

/* ---- out ---- */

void role_put_names(JsonWriter *w, const char *name, const char *const *list)
{
    json_open_array(w, name);
    for (; list && *list; list++)
        json_put_str(w, NULL, str_from(*list));
    json_close_array(w);
}

void role_put_permissions(JsonWriter *w, const Role *role)
{
    for (size_t i = 0; i < role->permission_count; i++) {
        json_open(w, NULL);
        role_put_names(w, "actions", role->permissions[i].actions);
        role_put_names(w, "notActions", role->permissions[i].not_actions);
        role_put_names(w, "dataActions", role->permissions[i].data_actions);
        role_put_names(w, "notDataActions", role->permissions[i].not_data_actions);
        json_close(w);
    }
}

static bool seal_doc(Access *access, Txn *txn, Arena *arena, const CustomRole *custom, Bytes *sealed, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, DOC_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "name", str_from(custom->role.name));
    json_put_str(&w, "description", str_from(custom->role.description));
    json_open_array(&w, "permissions");
    role_put_permissions(&w, &custom->role);
    json_close_array(&w);
    role_put_names(&w, "scopes", custom->scopes);
    json_close(&w);
    return json_end(&w, err) &&
           seal_put(access->site->seal, txn, doc_place(access, arena, str_from(custom->role.guid)), buf_bytes(&buf), arena, sealed, err);
}

static bool put_scopes(Txn *txn, Arena *arena, Str guid, const CustomRole *custom, Err *err)
{
    if (!txn_exec(txn, NULL, err, "DELETE FROM access_role_scope WHERE role_id = ?1", db_text(guid)))
        return false;
    for (size_t i = 0; custom->scopes[i]; i++) {
        Str scope = scope_normal(arena, str_from(custom->scopes[i]));
        if (!scope.ptr)
            return err_too_big(err);
        if (!txn_exec(txn, NULL, err, "INSERT INTO access_role_scope (role_id, scope) VALUES (?1, ?2) ON CONFLICT (role_id, scope) DO NOTHING", db_text(guid), db_text(scope)))
            return false;
    }
    return true;
}

bool custom_role_put(Access *access, Txn *txn, Arena *arena, const CustomRole *custom, Err *err)
{
    Bytes doc;
    Str guid = str_from(custom->role.guid), key = str_lower(arena, str_from(custom->role.name));
    if (!seal_doc(access, txn, arena, custom, &doc, err))
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!txn_exec(txn, NULL, err,
                  "INSERT INTO access_role (id, name_key, doc, created_ms, updated_ms, created_by, updated_by, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                  " ON CONFLICT (id) DO UPDATE SET name_key = ?2, doc = ?3, updated_ms = ?5, updated_by = ?7, revision = ?8",
                  db_text(guid), db_text(key), db_blob(doc), db_int(custom->created_ms), db_int(custom->updated_ms), db_text(custom->created_by),
                  db_text(custom->updated_by), db_int(custom->revision))) {
        if (err->code == ERR_CONFLICT)
            return role_name_taken(str_from(custom->role.name), err);
        return false;
    }
    if (!put_scopes(txn, arena, guid, custom, err))
        return false;
    txn_after_commit(txn, access_forget_grants, access, 0);
    return true;
}

/* Nobody is assigned to it, so no grant changes. */
bool custom_role_delete(Txn *txn, Str guid, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM access_role_scope WHERE role_id = ?1", db_text(guid)) &&
           txn_exec(txn, NULL, err, "DELETE FROM access_role WHERE id = ?1", db_text(guid));
}

/* ---- in ---- */

bool role_read_names(Arena *arena, const JsonVal *list, const char *const **out, Err *err)
{
    const char **names = ARENA_ARRAY(arena, const char *, json_count(list) + 1);
    if (!names)
        return err_too_big(err);
    for (size_t i = 0; i < json_count(list); i++)
        if (!(names[i] = str_to_cstr(arena, json_str(json_at(list, i)), err)))
            return false;
    *out = names;
    return true;
}

bool role_read_permissions(Arena *arena, const JsonVal *list, Role *out, Err *err)
{
    RolePermission *permissions = ARENA_ARRAY(arena, RolePermission, json_count(list) + 1);
    if (!permissions)
        return err_too_big(err);
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *entry = json_at(list, i);
        RolePermission *p = &permissions[i];
        if (!role_read_names(arena, json_get_nocase(entry, "actions"), &p->actions, err) ||
            !role_read_names(arena, json_get_nocase(entry, "notActions"), &p->not_actions, err) ||
            !role_read_names(arena, json_get_nocase(entry, "dataActions"), &p->data_actions, err) ||
            !role_read_names(arena, json_get_nocase(entry, "notDataActions"), &p->not_data_actions, err))
            return false;
    }
    out->permissions = permissions;
    out->permission_count = json_count(list);
    return true;
}

static bool custom_of_row(Access *access, Txn *txn, Arena *arena, Rows *rows, CustomRole *out, Err *err)
{
    Str guid = str_dup(arena, row_text(rows, 0)), text;
    const JsonVal *doc;
    *out = (CustomRole){ .created_ms = row_int(rows, 2), .updated_ms = row_int(rows, 3), .created_by = str_dup(arena, row_text(rows, 4)),
                         .updated_by = str_dup(arena, row_text(rows, 5)), .revision = row_int(rows, 6) };
    return seal_get_text(access->site->seal, txn, doc_place(access, arena, guid), row_blob(rows, 1), arena, &text, err) &&
           json_parse(arena, text, JSON_STRICT, &doc, err) && (out->role.guid = str_to_cstr(arena, guid, err)) &&
           (out->role.name = str_to_cstr(arena, json_str(json_get(doc, "name")), err)) &&
           (out->role.description = str_to_cstr(arena, json_str(json_get(doc, "description")), err)) &&
           role_read_permissions(arena, json_get(doc, "permissions"), &out->role, err) &&
           role_read_names(arena, json_get(doc, "scopes"), &out->scopes, err);
}

#define COLUMNS "r.id, r.doc, r.created_ms, r.updated_ms, r.created_by, r.updated_by, r.revision"

bool custom_role_find(Access *access, Txn *txn, Arena *arena, Str guid, CustomRole *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str lower = str_lower(arena, guid);
    *err = (Err){ 0 };
    if (!lower.ptr)
        return err_too_big(err);
    if (!txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM access_role r WHERE r.id = ?1", db_text(lower)))
        return false;
    *found = rows_next(rows, err);
    return *found ? custom_of_row(access, txn, arena, rows, out, err) : err->code == ERR_NONE;
}

bool custom_role_each(Access *access, Txn *txn, Str scope, bool is_below, Str after, CustomRoleVisit *visit, void *ctx, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err,
                   "SELECT " COLUMNS " FROM access_role r WHERE (?3 IS NULL OR r.name_key > ?3) AND EXISTS (SELECT 1 FROM access_role_scope s WHERE s.role_id = r.id AND (s.scope = ?1"
                   " OR substr(?1, 1, length(s.scope) + 1) = s.scope || '/' OR (?2 = 1 AND (?1 = '/' OR substr(s.scope, 1, length(?1) + 1) = ?1 || '/'))))"
                   " ORDER BY r.name_key", db_text(scope), db_int(is_below), db_text(after)))
        return false;
    for (bool done = false; !done && rows_next(rows, err);) {
        AUTO(arena_free_auto) Arena *arena = arena_new(ROW_ARENA_BYTES);
        CustomRole custom;
        if (!arena)
            return err_set(err, ERR_INTERNAL, "no memory to read a role");
        if (!custom_of_row(access, txn, arena, rows, &custom, err) || !visit(ctx, &custom, &done, err))
            return false;
    }
    return err->code == ERR_NONE;
}

static bool read_count(Arena *arena, Rows *rows, void *into, Err *err)
{
    (void)arena;
    (void)err;
    *(int64_t *)into = row_int(rows, 0);
    return true;
}

bool custom_role_count(Txn *txn, Arena *arena, int64_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    bool found;
    return txn_query(txn, &rows, err, "SELECT count(*) FROM access_role") && rows_one(rows, arena, read_count, count, &found, err);
}

bool custom_role_is_assignable(Arena *arena, const CustomRole *custom, Str scope)
{
    for (size_t i = 0; custom->scopes[i]; i++) {
        Str outer = scope_normal(arena, str_from(custom->scopes[i]));
        if (outer.ptr && scope_covers(outer, scope))
            return true;
    }
    return false;
}

bool custom_role_is_seen_at(Arena *arena, const CustomRole *custom, Str scope)
{
    for (size_t i = 0; custom->scopes[i]; i++) {
        Str assignable = scope_normal(arena, str_from(custom->scopes[i]));
        if (assignable.ptr && (scope_covers(assignable, scope) || scope_covers(scope, assignable)))
            return true;
    }
    return false;
}
