/* assignment.c - the rows of role assignments. Every change makes the cached grants of all principals void. */
#include "access/parts.h"
#include "base/id.h"

static const char table[] = "access_assignment";

static SealPlace description_place(Access *access, Arena *arena, Str name)
{
    Str scope = str_printf(arena, "tenant:" STR_FMT, STR_ARG(access->site->tenant_id));
    return (SealPlace){ .scope = scope, .table = table, .row = name, .column = "description" };
}

static bool seal_description(Access *access, Txn *txn, Arena *arena, const Assignment *a, Bytes *sealed, Err *err)
{
    *sealed = (Bytes){ 0 };
    if (!a->description.ptr)
        return true;
    return seal_put(access->site->seal, txn, description_place(access, arena, a->name), bytes_of(a->description), arena, sealed, err);
}

static bool insert_row(Txn *txn, Arena *arena, const Assignment *a, Bytes description, Err *err)
{
    Str name = str_lower(arena, a->name), scope = scope_normal(arena, a->scope);
    Str principal = str_lower(arena, a->principal_id), role = str_lower(arena, a->role_id);
    Str created_by = a->created_by.ptr ? a->created_by : STR(""), updated_by = a->updated_by.ptr ? a->updated_by : STR("");
    if (!arena_ok(arena))
        return err_too_big(err);
    if (txn_exec(txn, NULL, err,
                 "INSERT INTO access_assignment (name, scope, scope_shown, principal_id, role_id, created_ms, updated_ms, created_by, updated_by, description)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                 db_text(name), db_text(scope), db_text(a->scope), db_text(principal), db_text(role), db_int(a->created_ms), db_int(a->updated_ms),
                 db_text(created_by), db_text(updated_by), db_blob(description)))
        return true;
    if (err->code == ERR_CONFLICT)
        return err_named(err, ERR_CONFLICT, "RoleAssignmentExists", NULL, "The role assignment already exists.");
    return false;
}

bool assignment_insert(Access *access, Txn *txn, Arena *arena, const Assignment *a, Err *err)
{
    Bytes description;
    if (!seal_description(access, txn, arena, a, &description, err) || !insert_row(txn, arena, a, description, err))
        return false;
    txn_after_commit(txn, access_forget_grants, access, 0);
    return true;
}

bool assignment_describe(Access *access, Txn *txn, Arena *arena, const Assignment *a, Err *err)
{
    Bytes description;
    return seal_description(access, txn, arena, a, &description, err) &&
           txn_exec(txn, NULL, err, "UPDATE access_assignment SET description = ?2, updated_ms = ?3, updated_by = ?4 WHERE name = ?1",
                    db_text(a->name), db_blob(description), db_int(a->updated_ms), db_text(a->updated_by));
}

static bool assignment_of_row(Access *access, Txn *txn, Arena *arena, Rows *rows, Assignment *out, Err *err)
{
    *out = (Assignment){
        .name = str_dup(arena, row_text(rows, 0)), .scope = str_dup(arena, row_text(rows, 1)),
        .principal_id = str_dup(arena, row_text(rows, 2)), .role_id = str_dup(arena, row_text(rows, 3)),
        .created_ms = row_int(rows, 4), .updated_ms = row_int(rows, 5),
        .created_by = str_dup(arena, row_text(rows, 6)), .updated_by = str_dup(arena, row_text(rows, 7)),
    };
    if (!arena_ok(arena))
        return err_too_big(err);
    if (row_is_null(rows, 8))
        return true;
    return seal_get_text(access->site->seal, txn, description_place(access, arena, out->name), row_blob(rows, 8), arena, &out->description, err);
}

#define COLUMNS "name, scope_shown, principal_id, role_id, created_ms, updated_ms, created_by, updated_by, description"

bool assignment_find(Access *access, Txn *txn, Arena *arena, Str name, Assignment *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str lower = str_lower(arena, name);
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM access_assignment WHERE name = ?1", db_text(lower)))
        return false;
    *found = rows_next(rows, err);
    return *found ? assignment_of_row(access, txn, arena, rows, out, err) : err->code == ERR_NONE;
}

static bool each_row(Access *access, Txn *txn, Arena *arena, Rows *rows, AssignmentVisit *visit, void *ctx, Err *err)
{
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        Assignment assignment;
        if (!assignment_of_row(access, txn, arena, rows, &assignment, err) || !visit(ctx, &assignment, err))
            return false;
    }
    return err->code == ERR_NONE;
}

bool assignment_each(Access *access, Txn *txn, Arena *arena, Str principal_id, AssignmentVisit *visit, void *ctx, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    bool asked = principal_id.ptr
        ? txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM access_assignment WHERE principal_id = ?1 ORDER BY scope, name", db_text(principal_id))
        : txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM access_assignment ORDER BY scope, name");
    return asked && each_row(access, txn, arena, rows, visit, ctx, err);
}

bool assignment_each_of_role(Access *access, Txn *txn, Arena *arena, Str role_id, AssignmentVisit *visit, void *ctx, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM access_assignment WHERE role_id = ?1 ORDER BY scope, name", db_text(role_id)) &&
           each_row(access, txn, arena, rows, visit, ctx, err);
}

bool assignment_delete(Access *access, Txn *txn, Str name, Err *err)
{
    if (!txn_exec(txn, NULL, err, "DELETE FROM access_assignment WHERE name = ?1", db_text(name)))
        return false;
    txn_after_commit(txn, access_forget_grants, access, 0);
    return true;
}

bool access_assign(Access *access, Txn *txn, Arena *arena, Str scope, Str principal_id, Str role_guid, Str name_guid, Err *err)
{
    if (!role_find(role_guid))
        return err_named(err, ERR_NOT_FOUND, "RoleDefinitionDoesNotExist", NULL,
                         "The specified role definition with ID '" STR_FMT "' does not exist.",
                         STR_ARG(role_guid));
    int64_t now = clock_now_ms(access->site->clock);
    Assignment assignment = { .name = name_guid.ptr ? name_guid : guid_new(arena), .scope = scope, .principal_id = principal_id, .role_id = role_guid,
                              .created_ms = now, .updated_ms = now };
    return assignment_insert(access, txn, arena, &assignment, err);
}

bool access_drop_scope(Access *access, Txn *txn, Str scope, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    if (!arena)
        return err_set(err, ERR_INTERNAL, "no memory to drop role assignments");
    Str normal = scope_normal(arena, scope);
    Str below = str_printf(arena, STR_FMT "/", STR_ARG(normal)), behind = str_printf(arena, STR_FMT "0", STR_ARG(normal));     /* '0' follows '/' */
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!txn_exec(txn, NULL, err, "DELETE FROM access_assignment WHERE scope = ?1 OR (scope >= ?2 AND scope < ?3)", db_text(normal),
                  db_text(below), db_text(behind)))
        return false;
    txn_after_commit(txn, access_forget_grants, access, 0);
    return true;
}

bool access_drop_principal(Access *access, Txn *txn, Str principal_id, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4096);
    if (!arena)
        return err_set(err, ERR_INTERNAL, "no memory to drop role assignments");
    Str id = str_lower(arena, principal_id);
    if (!id.ptr)
        return err_too_big(err);
    if (!txn_exec(txn, NULL, err, "DELETE FROM access_assignment WHERE principal_id = ?1", db_text(id)))
        return false;
    txn_after_commit(txn, access_forget_grants, access, 0);
    return true;
}
