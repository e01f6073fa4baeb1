/* federated.c - the rows of federated identity credentials. */
#include "identity/federated.h"
#include "base/id.h"
#include "identity/parts.h"

static SealPlace description_place(Arena *arena, Str tenant_id, Str id)
{
    return (SealPlace){ .scope = identity_tenant_scope(arena, tenant_id), .table = "identity_federated", .row = id, .column = "description" };
}

static bool name_is_sound(Str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], folded = (char)(c | 0x20);
        bool is_alnum = (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9');
        if (!is_alnum && !(i > 0 && (c == '-' || c == '_')))
            return false;
    }
    return name.len >= FEDERATED_NAME_MIN && name.len <= FEDERATED_NAME_MAX;
}

/* A URL that keys can be fetched from: no user, no query, no fragment (OpenID Connect Discovery 1.0 section 2). */
static bool issuer_is_sound(Str issuer)
{
    Str rest = str_starts(issuer, STR("https://")) ? str_slice(issuer, 8, issuer.len) : STR_NONE;
    if (rest.len == 0 || rest.ptr[0] == '/' || issuer.len > FEDERATED_TEXT_MAX)
        return false;
    for (size_t i = 0; i < issuer.len; i++)
        if ((unsigned char)issuer.ptr[i] <= ' ' || (unsigned char)issuer.ptr[i] >= 0x7f || strchr("@?#\\\"<>", issuer.ptr[i]))
            return false;
    return true;
}

bool federated_check(const Federated *c, Err *err)
{
    if (!name_is_sound(c->name))
        return err_field(err, "name", "name must have %d to %d letters, digits, '-' and '_', of which the first is a letter or digit", FEDERATED_NAME_MIN, FEDERATED_NAME_MAX);
    if (!issuer_is_sound(c->issuer))
        return err_field(err, "issuer", "issuer must be the https URL that tokens have in 'iss', of at most %d characters and without query", FEDERATED_TEXT_MAX);
    if (str_empty(c->subject) || c->subject.len > FEDERATED_TEXT_MAX)
        return err_field(err, "subject", "subject must be what tokens have in 'sub', 1 to %d characters", FEDERATED_TEXT_MAX);
    if (str_empty(c->audience) || c->audience.len > FEDERATED_TEXT_MAX)
        return err_field(err, "audiences", "audiences must have one entry of 1 to %d characters; api://AzureADTokenExchange is usual", FEDERATED_TEXT_MAX);
    if (c->description.len > FEDERATED_TEXT_MAX)
        return err_field(err, "description", "description has at most %d characters", FEDERATED_TEXT_MAX);
    return true;
}

bool federated_audience(const JsonVal *audiences, Str *out, Err *err)
{
    *out = json_str(json_at(audiences, 0));
    if (json_kind(audiences) != JSON_ARRAY || json_count(audiences) != 1 || !out->ptr)
        return err_field(err, "audiences", "audiences must be a list of exactly one text; api://AzureADTokenExchange is usual");
    return true;
}

/* ---- rows ---- */

#define COLUMNS "id, name, issuer, subject, audience, description"

static bool of_row(Identity *identity, Txn *txn, Rows *rows, Arena *arena, Federated *out, Err *err)
{
    *out = (Federated){ .id = str_dup(arena, row_text(rows, 0)), .name = str_dup(arena, row_text(rows, 1)), .issuer = str_dup(arena, row_text(rows, 2)),
                        .subject = str_dup(arena, row_text(rows, 3)), .audience = str_dup(arena, row_text(rows, 4)) };
    if (!arena_ok(arena))
        return err_too_big(err);
    return row_is_null(rows, 5) || seal_get_text(identity->site->seal, txn, description_place(arena, identity->site->tenant_id, out->id), row_blob(rows, 5), arena,
                                                 &out->description, err);
}

bool federated_find(Identity *identity, Txn *txn, Arena *arena, Str holder_id, Str name, Federated *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str key = str_lower(arena, name);
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_federated WHERE holder_id = ?1 AND (name_key = ?2 OR id = ?2)", db_text(holder_id), db_text(key)))
        return false;
    *found = rows_next(rows, err);
    return *found ? of_row(identity, txn, rows, arena, out, err) : err->code == ERR_NONE;
}

static bool list(Identity *identity, Txn *txn, Arena *arena, Rows *rows, const Federated **out, size_t *count, Err *err)
{
    Federated *found = ARENA_ARRAY(arena, Federated, FEDERATED_MAX);
    size_t n = 0;
    if (!found)
        return err_too_big(err);
    while (n < FEDERATED_MAX && rows_next(rows, err))
        if (!of_row(identity, txn, rows, arena, &found[n++], err))
            return false;
    *out = found;
    *count = n;
    return err->code == ERR_NONE;
}

bool federated_list(Identity *identity, Txn *txn, Arena *arena, Str holder_id, const Federated **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_federated WHERE holder_id = ?1 ORDER BY name_key", db_text(holder_id)) &&
           list(identity, txn, arena, rows, out, count, err);
}

bool federated_of_app(Identity *identity, Txn *txn, Arena *arena, Str app_id, const Federated **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_federated WHERE app_id = ?1 ORDER BY name_key", db_text(app_id)) &&
           list(identity, txn, arena, rows, out, count, err);
}

static bool has_room(Txn *txn, Str holder_id, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT count(*) FROM identity_federated WHERE holder_id = ?1", db_text(holder_id)) || !rows_next(rows, err))
        return false;
    return row_int(rows, 0) < FEDERATED_MAX || err_set(err, ERR_TOO_LARGE, "there are %d federated identity credentials, which is the limit; remove one first", FEDERATED_MAX);
}

/* Another one of this holder with the same name, or for the same tokens. */
static bool is_free(Txn *txn, Str holder_id, Str name_key, const Federated *c, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT name, name_key = ?3 FROM identity_federated WHERE holder_id = ?1 AND id <> ?2 AND (name_key = ?3 OR (issuer = ?4 AND subject = ?5))",
                   db_text(holder_id), db_text(c->id.ptr ? c->id : STR("")), db_text(name_key), db_text(c->issuer), db_text(c->subject)))
        return false;
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    Str other = row_text(rows, 0);
    return row_int(rows, 1) ? err_set(err, ERR_CONFLICT, "FederatedIdentityCredential with name " STR_FMT " already exists.", STR_ARG(other))
                            : err_set(err, ERR_CONFLICT, "Issuer and subject combination already exists in the federated identity credential '" STR_FMT "'.", STR_ARG(other));
}

bool federated_put(Identity *identity, Txn *txn, Arena *arena, Str holder_id, Str app_id, Federated *c, Err *err)
{
    Str key = str_lower(arena, c->name);
    Bytes description = { 0 };
    bool is_new = !c->id.ptr;
    if (is_new)
        c->id = guid_new(arena);
    if (!arena_ok(arena))
        return err_too_big(err);
    if ((is_new && !has_room(txn, holder_id, err)) || !is_free(txn, holder_id, key, c, err))
        return false;
    if (c->description.ptr && !seal_put(identity->site->seal, txn, description_place(arena, identity->site->tenant_id, c->id), bytes_of(c->description), arena, &description, err))
        return false;
    if (!is_new)
        return txn_exec(txn, NULL, err, "UPDATE identity_federated SET issuer = ?3, subject = ?4, audience = ?5, description = ?6 WHERE holder_id = ?1 AND id = ?2",
                        db_text(holder_id), db_text(c->id), db_text(c->issuer), db_text(c->subject), db_text(c->audience), db_blob(description));
    return txn_exec(txn, NULL, err,
                    "INSERT INTO identity_federated (id, app_id, holder_id, name, name_key, issuer, subject, audience, description, created_ms)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    db_text(c->id), db_text(app_id), db_text(holder_id), db_text(c->name), db_text(key), db_text(c->issuer), db_text(c->subject), db_text(c->audience),
                    db_blob(description), db_int(clock_now_ms(identity->site->clock)));
}

bool federated_remove(Txn *txn, Str holder_id, Str id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM identity_federated WHERE holder_id = ?1 AND id = ?2", db_text(holder_id), db_text(id));
}

bool federated_remove_all(Txn *txn, Str holder_id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM identity_federated WHERE holder_id = ?1", db_text(holder_id));
}
