/* credential.c - what applications prove themselves with: secrets, of which only a keyed hash is kept, and certificates. */
#include "base/id.h"
#include "crypto/certificates/cert.h"
#include "crypto/hash.h"
#include "identity/parts.h"

enum { SECRET_LEN = 40, HINT_LEN = 3, LABEL_MAX = 256 };

static SealPlace label_place(Arena *arena, Str tenant_id, Str key_id)
{
    return (SealPlace){ .scope = identity_tenant_scope(arena, tenant_id), .table = "identity_credential", .row = key_id, .column = "label" };
}

static bool has_room(Txn *txn, Str app_id, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT count(*) FROM identity_credential WHERE app_id = ?1", db_text(app_id)) || !rows_next(rows, err))
        return false;
    if (row_int(rows, 0) >= CREDENTIALS_MAX)
        return err_named(err, ERR_BAD_INPUT, "Request_BadRequest", NULL,
                         "The application has %d credentials, which is the limit; remove one first.", CREDENTIALS_MAX);
    return true;
}

static bool credential_check(const Credential *c, Err *err)
{
    if (c->label.len > LABEL_MAX)
        return err_field(err, "displayName", "the display name of a credential has at most %d characters", LABEL_MAX);
    if (c->end_ms <= c->start_ms)
        return err_field(err, "endDateTime", "the credential ends before it begins: endDateTime must be after startDateTime");
    return true;
}

static bool insert(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, const Credential *c, Bytes salt, Bytes hash, Err *err)
{
    Bytes label = { 0 };
    if (c->label.ptr && !seal_put(seal, txn, label_place(arena, tenant_id, c->key_id), bytes_of(c->label), arena, &label, err))
        return false;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO identity_credential (key_id, app_id, holder_id, kind, start_ms, end_ms, salt, hash, hint, certificate, sha1, sha256, label)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                    db_text(c->key_id), db_text(c->app_id), db_text(c->holder_id), db_int(c->kind), db_int(c->start_ms), db_int(c->end_ms),
                    db_blob(salt),
                    db_blob(hash), db_text(c->hint), db_blob(c->certificate), db_blob(c->sha1), db_blob(c->sha256), db_blob(label));
}

/* 64 letters make 6 bits each without a bias; the first is no punctuation, so a shell or an option parser takes the secret as it is. */
static char *secret_new_text(Arena *arena)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~_";
    uint8_t random[SECRET_LEN];
    char *text = arena_alloc(arena, SECRET_LEN + 1);
    if (!text)
        return NULL;
    do
        random_fill(random, sizeof random);
    while (random[0] % 64 >= 62);
    for (int i = 0; i < SECRET_LEN; i++)
        text[i] = letters[random[i] % 64];
    secret_wipe(random, sizeof random);
    return text;
}

bool credential_add_secret(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, Credential *c, Str *secret, Err *err)
{
    uint8_t salt[SALT_SIZE], hash[SHA256_SIZE];
    if (!credential_check(c, err) || !has_room(txn, c->app_id, err))
        return false;
    char *text = secret_new_text(arena);
    c->kind = CREDENTIAL_SECRET;
    c->key_id = guid_new(arena);
    c->hint = text ? str_dup(arena, (Str){ text, HINT_LEN }) : STR_NONE;
    if (!arena_ok(arena))
        return err_too_big(err);
    random_fill(salt, sizeof salt);
    hmac_sha256((Bytes){ salt, sizeof salt }, (Bytes){ (const uint8_t *)text, SECRET_LEN }, hash);
    if (!insert(seal, tenant_id, txn, arena, c, (Bytes){ salt, sizeof salt }, (Bytes){ hash, sizeof hash }, err)) {
        secret_wipe(text, SECRET_LEN);
        return false;
    }
    *secret = (Str){ text, SECRET_LEN };
    return true;
}

bool credential_add_certificate(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, Credential *c, Err *err)
{
    CertInfo info;
    AUTO(key_free_auto) KeyRef *key = NULL;
    if (!credential_check(c, err) || !has_room(txn, c->app_id, err) || !cert_read(arena, c->certificate, &info, err) ||
        !cert_public_key(c->certificate, &key, err))
        return false;
    if (key_spec(key).kind != KEY_RSA)
        return err_field(err, "keyCredentials", "the certificate has no RSA key: assertions are signed with RS256 or PS256");
    c->kind = CREDENTIAL_CERTIFICATE;
    c->sha1 = (Bytes){ info.sha1, sizeof info.sha1 };
    c->sha256 = (Bytes){ info.sha256, sizeof info.sha256 };
    if (!c->key_id.ptr)
        c->key_id = guid_new(arena);
    if (!arena_ok(arena))
        return err_too_big(err);
    bool done = insert(seal, tenant_id, txn, arena, c, (Bytes){ 0 }, (Bytes){ 0 }, err);
    c->sha1 = c->sha256 = (Bytes){ 0 };                /* they lie on this stack */
    return done;
}

bool credential_remove(Txn *txn, Str holder_id, Str key_id, CredentialKind kind, bool *removed, Err *err)
{
    int64_t changed = 0;
    if (!txn_exec(txn, &changed, err, "DELETE FROM identity_credential WHERE holder_id = ?1 AND key_id = ?2 AND kind = ?3", db_text(holder_id),
                  db_text(key_id), db_int(kind)))
        return false;
    *removed = changed > 0;
    return true;
}

bool credential_remove_all(Txn *txn, Str holder_id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM identity_credential WHERE holder_id = ?1", db_text(holder_id));
}

#define COLUMNS "key_id, app_id, holder_id, kind, start_ms, end_ms, hint, certificate, sha1, sha256, label"

static Bytes dup_bytes(Arena *arena, Bytes bytes) { return bytes_of(str_dup(arena, str_of(bytes))); }

static bool of_row(Rows *rows, Arena *arena, Credential *out, Err *err)
{
    *out = (Credential){
        .key_id = str_dup(arena, row_text(rows, 0)), .app_id = str_dup(arena, row_text(rows, 1)), .holder_id = str_dup(arena, row_text(rows, 2)),
        .kind = (CredentialKind)row_int(rows, 3), .start_ms = row_int(rows, 4), .end_ms = row_int(rows, 5), .hint = str_dup(arena, row_text(rows, 6)),
        .certificate = dup_bytes(arena, row_blob(rows, 7)), .sha1 = dup_bytes(arena, row_blob(rows, 8)),
        .sha256 = dup_bytes(arena, row_blob(rows, 9)),
    };
    return arena_ok(arena) ? true : err_too_big(err);
}

bool credential_list(Identity *identity, Txn *txn, Arena *arena, Str holder_id, const Credential **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Credential *found = ARENA_ARRAY(arena, Credential, CREDENTIALS_MAX);
    size_t n = 0;
    if (!found)
        return err_too_big(err);
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_credential WHERE holder_id = ?1 ORDER BY start_ms, key_id", db_text(holder_id)))
        return false;
    while (n < CREDENTIALS_MAX && rows_next(rows, err)) {
        Credential *c = &found[n++];
        if (!of_row(rows, arena, c, err))
            return false;
        if (!row_is_null(rows, 10) &&
            !seal_get_text(identity->site->seal, txn, label_place(arena, identity->site->tenant_id, c->key_id), row_blob(rows, 10), arena,
                           &c->label, err))
            return false;
    }
    *out = found;
    *count = n;
    return err->code == ERR_NONE;
}

bool credential_secrets(Txn *txn, Arena *arena, Str app_id, const ClientSecret **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    ClientSecret *found = NULL;
    size_t n = 0, room = 0;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT salt, hash, start_ms, end_ms FROM identity_credential WHERE app_id = ?1 AND kind = ?2",
                   db_text(app_id), db_int(CREDENTIAL_SECRET)))
        return false;
    for (; rows_next(rows, err); n++) {
        Bytes salt = row_blob(rows, 0), hash = row_blob(rows, 1);
        if (n == room) {
            const ClientSecret *fewer = found;
            room = room ? room * 2 : 4;
            found = ARENA_ARRAY(arena, ClientSecret, room);
            if (!found)
                return err_too_big(err);
            if (n)
                memcpy(found, fewer, n * sizeof *found);
        }
        if (salt.len != SALT_SIZE || hash.len != SHA256_SIZE)
            return err_set(err, ERR_INTERNAL, "table identity_credential holds a secret that we never wrote: restore a backup");
        memcpy(found[n].salt, salt.ptr, SALT_SIZE);
        memcpy(found[n].hash, hash.ptr, SHA256_SIZE);
        found[n].start_ms = row_int(rows, 2);
        found[n].end_ms = row_int(rows, 3);
    }
    *out = found;
    *count = n;
    return err->code == ERR_NONE;
}

/* Always with the same work. */
static bool secret_matches(const ClientSecret *kept, Str secret)
{
    uint8_t given[SHA256_SIZE];
    hmac_sha256((Bytes){ kept->salt, SALT_SIZE }, bytes_of(secret), given);
    bool same = secret_equal((Bytes){ kept->hash, SHA256_SIZE }, (Bytes){ given, sizeof given });
    secret_wipe(given, sizeof given);
    return same;
}

SecretFound credential_check_secret(const ClientSecret *secrets, size_t count, Str secret, int64_t now_ms)
{
    static const ClientSecret nobodys;
    SecretFound best = SECRET_WRONG;
    for (size_t i = 0; i < count; i++) {
        bool same = secret_matches(&secrets[i], secret);
        SecretFound this_one = !same                         ? SECRET_WRONG
                             : now_ms >= secrets[i].end_ms  ? SECRET_EXPIRED
                             : now_ms < secrets[i].start_ms ? SECRET_NOT_YET
                                                            : SECRET_GOOD;
        if (this_one > best)
            best = this_one;
    }
    if (count == 0)
        (void)secret_matches(&nobodys, secret);
    return best;
}

bool credential_find_certificate(Txn *txn, Arena *arena, Str app_id, Bytes thumbprint, Credential *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    /* The same certificate may be there twice with different windows: the one that lasts longest counts. */
    bool asked = thumbprint.len == SHA1_SIZE
        ? txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_credential WHERE app_id = ?1 AND sha1 = ?2 ORDER BY end_ms DESC",
                    db_text(app_id), db_blob(thumbprint))
        : txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM identity_credential WHERE app_id = ?1 AND sha256 = ?2 ORDER BY end_ms DESC",
                    db_text(app_id), db_blob(thumbprint));
    if (!asked)
        return false;
    *found = rows_next(rows, err);
    return *found ? of_row(rows, arena, out, err) : err->code == ERR_NONE;
}
