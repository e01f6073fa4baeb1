/* application.c - the rows of applications and of the URIs that name them. */
#include "identity/parts.h"

static const char table[] = "identity_application";

static SealPlace extras_place(Arena *arena, Str tenant_id, Str object_id)
{
    return (SealPlace){ .scope = identity_tenant_scope(arena, tenant_id), .table = table, .row = object_id, .column = "extras" };
}

static bool seal_extras(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, const Application *a, Bytes *sealed, Err *err)
{
    *sealed = (Bytes){ 0 };
    return !a->extras.ptr || seal_put(seal, txn, extras_place(arena, tenant_id, a->object_id), bytes_of(a->extras), arena, sealed, err);
}

bool application_insert(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, const Application *a, Err *err)
{
    Bytes extras;
    Str key = str_lower(arena, a->display_name);
    if (!key.ptr)
        return err_too_big(err);
    return seal_extras(seal, tenant_id, txn, arena, a, &extras, err) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO identity_application (object_id, app_id, display_name, display_key, owner_id, created_ms, extras) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    db_text(a->object_id), db_text(a->app_id), db_text(a->display_name), db_text(key),
                    db_text(a->owner_id.ptr ? a->owner_id : STR("")),
                    db_int(a->created_ms), db_blob(extras));
}

/* The service principal of an application goes by its name. */
bool application_update(Identity *identity, Txn *txn, Arena *arena, const Application *a, Err *err)
{
    Bytes extras;
    Str key = str_lower(arena, a->display_name);
    if (!key.ptr)
        return err_too_big(err);
    if (!seal_extras(identity->site->seal, identity->site->tenant_id, txn, arena, a, &extras, err) ||
        !txn_exec(txn, NULL, err, "UPDATE identity_application SET display_name = ?2, display_key = ?3, extras = ?4 WHERE object_id = ?1",
                  db_text(a->object_id), db_text(a->display_name), db_text(key), db_blob(extras)) ||
        !txn_exec(txn, NULL, err, "UPDATE identity_principal SET display_name = ?2, display_key = ?3 WHERE app_id = ?1", db_text(a->app_id),
                  db_text(a->display_name), db_text(key)))
        return false;
    identity_forget_tokens(identity, txn);
    return true;
}

bool application_delete(Identity *identity, Txn *txn, const Application *a, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    Principal principal;
    bool found;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "no memory to delete an application");
    if (!principal_by_app_id(identity, txn, arena, a->app_id, &principal, &found, err) ||
        (found && !principal_delete(identity, txn, principal.object_id, err)))
        return false;
    return credential_remove_all(txn, a->object_id, err) && federated_remove_all(txn, a->object_id, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM identity_application_uri WHERE app_id = ?1", db_text(a->app_id)) &&
           txn_exec(txn, NULL, err, "DELETE FROM identity_application WHERE object_id = ?1", db_text(a->object_id));
}

static bool first_row(Identity *identity, Txn *txn, Rows *rows, Arena *arena, Application *out, bool *found, Err *err)
{
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    *out = (Application){
        .object_id = str_dup(arena, row_text(rows, 0)), .app_id = str_dup(arena, row_text(rows, 1)),
        .display_name = str_dup(arena, row_text(rows, 2)),
        .owner_id = str_dup(arena, row_text(rows, 3)), .created_ms = row_int(rows, 4),
    };
    if (!arena_ok(arena))
        return err_too_big(err);
    return row_is_null(rows, 5) || seal_get_text(identity->site->seal, txn, extras_place(arena, identity->site->tenant_id, out->object_id),
                                                 row_blob(rows, 5),
                                                 arena, &out->extras, err);
}

#define COLUMNS "object_id, app_id, display_name, owner_id, created_ms, extras"

bool application_by_object_id(Identity *identity, Txn *txn, Arena *arena, Str object_id, Application *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str key = str_lower(arena, object_id);
    *err = (Err){ 0 };
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_application WHERE object_id = ?1", db_text(key)) &&
           first_row(identity, txn, rows, arena, out, found, err);
}

bool application_by_app_id(Identity *identity, Txn *txn, Arena *arena, Str app_id, Application *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str key = str_lower(arena, app_id);
    *err = (Err){ 0 };
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_application WHERE app_id = ?1", db_text(key)) &&
           first_row(identity, txn, rows, arena, out, found, err);
}

enum { URIS_MAX = 50 };

bool application_uris(Txn *txn, Arena *arena, Str app_id, const Str **uris, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str *found = ARENA_ARRAY(arena, Str, URIS_MAX);
    size_t n = 0;
    if (!found)
        return err_too_big(err);
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT uri FROM identity_application_uri WHERE app_id = ?1 ORDER BY uri_key", db_text(app_id)))
        return false;
    while (n < URIS_MAX && rows_next(rows, err))
        found[n++] = str_dup(arena, row_text(rows, 0));
    if (err->code != ERR_NONE)
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    *uris = found;
    *count = n;
    return true;
}

bool application_set_uris(Txn *txn, Arena *arena, Str app_id, const Str *uris, size_t count, Err *err)
{
    if (count > URIS_MAX)
        return err_field(err, "identifierUris", "identifierUris has %zu entries; an application takes at most %d", count, URIS_MAX);
    if (!txn_exec(txn, NULL, err, "DELETE FROM identity_application_uri WHERE app_id = ?1", db_text(app_id)))
        return false;
    for (size_t i = 0; i < count; i++) {
        Str key = str_lower(arena, uris[i]);
        if (!key.ptr)
            return err_too_big(err);
        if (txn_exec(txn, NULL, err, "INSERT INTO identity_application_uri (uri_key, uri, app_id) VALUES (?1, ?2, ?3)", db_text(key),
                     db_text(uris[i]), db_text(app_id)))
            continue;
        if (err->code != ERR_CONFLICT)
            return false;
        return err_named(err, ERR_BAD_INPUT, "Request_BadRequest", NULL,
                         "Another object with the same value for property identifierUris already exists: '" STR_FMT "'.",
                         STR_ARG(uris[i]));
    }
    return true;
}
