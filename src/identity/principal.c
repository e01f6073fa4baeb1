/* principal.c - the rows of service principals: of applications and of managed identities. */
#include "base/id.h"
#include "identity/parts.h"

static void forget_tokens(void *ctx, int64_t number)
{
    (void)number;
    cache_flush(((Identity *)ctx)->tokens);
}

void identity_forget_tokens(Identity *identity, Txn *txn)
{
    if (identity)
        txn_after_commit(txn, forget_tokens, identity, 0);
}

static bool name_check(Str display_name, Err *err)
{
    if (str_empty(display_name) || display_name.len > DISPLAY_NAME_MAX)
        return err_field(err, "displayName", "displayName must have 1 to %d characters", DISPLAY_NAME_MAX);
    return true;
}

bool principal_insert(Txn *txn, Arena *arena, const PrincipalRow *row, Err *err)
{
    const Principal *p = &row->p;
    Str key = str_lower(arena, p->display_name), mirid_key = str_lower(arena, p->mirid);
    if (!arena_ok(arena))
        return err_too_big(err);
    return txn_exec(txn, NULL, err,
                    "INSERT INTO identity_principal (object_id, app_id, kind, display_name, display_key, mirid, mirid_key, enabled, owner_id, created_ms)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    db_text(p->object_id), db_text(p->app_id), db_int(p->kind), db_text(p->display_name), db_text(key), db_text(p->mirid),
                    db_text(mirid_key),
                    db_int(p->enabled), db_text(row->owner_id.ptr ? row->owner_id : STR("")), db_int(row->created_ms));
}

bool principal_create(Identity *identity, Txn *txn, Arena *arena, PrincipalKind kind, Str display_name, Str mirid, Principal *out, Err *err)
{
    int64_t now = clock_now_ms(identity->site->clock);
    PrincipalRow row = {
        .p = { .object_id = guid_new(arena), .app_id = guid_new(arena), .display_name = str_dup(arena, display_name), .kind = kind,
               .mirid = str_dup(arena, mirid), .enabled = true },
        .created_ms = now,
    };
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!name_check(display_name, err))
        return false;
    if (kind == PRINCIPAL_APP) {
        Application application = { .object_id = guid_new(arena), .app_id = row.p.app_id, .display_name = display_name, .created_ms = now };
        if (!application_insert(identity->site->seal, identity->site->tenant_id, txn, arena, &application, err))
            return false;
    }
    if (!principal_insert(txn, arena, &row, err))
        return false;
    *out = row.p;
    return true;
}

bool principal_delete(Identity *identity, Txn *txn, Str object_id, Err *err)
{
    if (!credential_remove_all(txn, object_id, err) || !federated_remove_all(txn, object_id, err))
        return false;
    if (identity->dropped && !identity->dropped(identity->rule_ctx, txn, object_id, err))
        return false;
    if (!txn_exec(txn, NULL, err, "DELETE FROM identity_principal WHERE object_id = ?1", db_text(object_id)))
        return false;
    identity_forget_tokens(identity, txn);
    return true;
}

bool principal_set_enabled(Identity *identity, Txn *txn, Str object_id, bool enabled, Err *err)
{
    if (!txn_exec(txn, NULL, err, "UPDATE identity_principal SET enabled = ?2 WHERE object_id = ?1", db_text(object_id), db_int(enabled)))
        return false;
    identity_forget_tokens(identity, txn);
    return true;
}

#define COLUMNS "object_id, app_id, kind, display_name, mirid, enabled, owner_id, created_ms"

static bool first_row(Rows *rows, Arena *arena, PrincipalRow *out, bool *found, Err *err)
{
    *found = rows_next(rows, err);
    if (!*found)
        return err->code == ERR_NONE;
    *out = (PrincipalRow){
        .p = { .object_id = str_dup(arena, row_text(rows, 0)), .app_id = str_dup(arena, row_text(rows, 1)), .kind = (PrincipalKind)row_int(rows, 2),
               .display_name = str_dup(arena, row_text(rows, 3)), .mirid = str_dup(arena, row_text(rows, 4)), .enabled = row_int(rows, 5) != 0 },
        .owner_id = str_dup(arena, row_text(rows, 6)), .created_ms = row_int(rows, 7),
    };
    return arena_ok(arena) ? true : err_too_big(err);
}

#define WHERE(column) "SELECT " COLUMNS " FROM identity_principal WHERE " column " = ?1"

static bool row_where(Txn *txn, Arena *arena, const char *sql, Str value, PrincipalRow *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str key = str_lower(arena, value);
    *err = (Err){ 0 };
    return txn_query(txn, &rows, err, sql, db_text(key)) && first_row(rows, arena, out, found, err);
}

static bool principal_where(Txn *txn, Arena *arena, const char *sql, Str value, Principal *out, bool *found, Err *err)
{
    PrincipalRow row;
    if (!row_where(txn, arena, sql, value, &row, found, err))
        return false;
    if (*found)
        *out = row.p;
    return true;
}

bool principal_row(Txn *txn, Arena *arena, Str object_id, PrincipalRow *out, bool *found, Err *err)
{
    return row_where(txn, arena, WHERE("object_id"), object_id, out, found, err);
}

bool principal_by_object_id(Identity *identity, Txn *txn, Arena *arena, Str object_id, Principal *out, bool *found, Err *err)
{
    (void)identity;
    return principal_where(txn, arena, WHERE("object_id"), object_id, out, found, err);
}

bool principal_by_app_id(Identity *identity, Txn *txn, Arena *arena, Str app_id, Principal *out, bool *found, Err *err)
{
    (void)identity;
    return principal_where(txn, arena, WHERE("app_id"), app_id, out, found, err);
}

bool principal_by_mirid(Identity *identity, Txn *txn, Arena *arena, Str mirid, Principal *out, bool *found, Err *err)
{
    (void)identity;
    return principal_where(txn, arena, WHERE("mirid_key"), mirid, out, found, err);
}

/* Whoever lists the credentials of this application: itself, or its service principal when it has none here. */
static bool holder_of(Identity *identity, Txn *txn, Arena *arena, Str app_id, Str *holder_id, Err *err)
{
    Application application;
    Principal principal;
    bool found;
    if (!application_by_app_id(identity, txn, arena, app_id, &application, &found, err))
        return false;
    if (found) {
        *holder_id = application.object_id;
        return true;
    }
    if (!principal_by_app_id(identity, txn, arena, app_id, &principal, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "there is no application '" STR_FMT "' in this tenant", STR_ARG(app_id));
    *holder_id = principal.object_id;
    return true;
}

bool principal_add_secret(Identity *identity, Txn *txn, Arena *arena, Str app_id, Str name, int64_t valid_ms, Str *secret, Err *err)
{
    int64_t now = real_now_ms();
    Credential credential = { .app_id = str_lower(arena, app_id), .label = name, .kind = CREDENTIAL_SECRET, .start_ms = now,
                              .end_ms = now + valid_ms };
    return holder_of(identity, txn, arena, credential.app_id, &credential.holder_id, err) &&
           credential_add_secret(identity->site->seal, identity->site->tenant_id, txn, arena, &credential, secret, err);
}

bool principal_add_certificate(Identity *identity, Txn *txn, Arena *arena, Str app_id, Str name, Bytes der, int64_t start_ms, int64_t end_ms,
                               Err *err)
{
    Credential credential = { .app_id = str_lower(arena, app_id), .label = name, .kind = CREDENTIAL_CERTIFICATE, .certificate = der,
                              .start_ms = start_ms, .end_ms = end_ms };
    return holder_of(identity, txn, arena, credential.app_id, &credential.holder_id, err) &&
           credential_add_certificate(identity->site->seal, identity->site->tenant_id, txn, arena, &credential, err);
}
