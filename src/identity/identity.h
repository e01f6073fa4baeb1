/* identity.h - the tenant's principals, their credentials, and the tokens they get.
 *
 * Tokens are RS256 JWTs with the claims of real ones, signed by rotating keys; every plane verifies them here (signature, issuer,
 * audience by the plane's table, tenant, nbf and exp with 5 min leeway). Verified tokens are cached by SHA-256 until they end or the
 * key set or the principal changes. Identity also owns the login plane (OpenID configuration, keys, token endpoint on the three
 * authority shapes) and the Graph plane (applications, service principals). */
#pragma once
#include "site/site.h"

typedef struct Identity Identity;

bool identity_open(Site *site, Identity **out, Err *err) MUST_CHECK;          /* makes the first signing key when there is none */
void identity_close(Identity *identity);
bool identity_mount(Identity *identity, HttpServer *server, Err *err) MUST_CHECK;

typedef enum PrincipalKind { PRINCIPAL_APP = 1, PRINCIPAL_MANAGED_IDENTITY } PrincipalKind;
typedef struct Principal {
    Str object_id, app_id, display_name;      /* app_id is the client id */
    PrincipalKind kind;
    Str mirid;                                /* ARM id of the managed identity's resource, or of the resource it is system-assigned to */
    bool enabled;
} Principal;

/* Within a transaction, so that a resource and its principal appear together. */
bool principal_create(Identity *identity, Txn *txn, Arena *arena, PrincipalKind kind, Str display_name, Str mirid, Principal *out, Err *err) MUST_CHECK;
bool principal_delete(Identity *identity, Txn *txn, Str object_id, Err *err) MUST_CHECK;
bool principal_by_object_id(Identity *identity, Txn *txn, Arena *arena, Str object_id, Principal *out, bool *found, Err *err) MUST_CHECK;
bool principal_by_app_id(Identity *identity, Txn *txn, Arena *arena, Str app_id, Principal *out, bool *found, Err *err) MUST_CHECK;
/* A new client secret (40 random characters, stored as a salted hash), valid for valid_ms of real time. *secret lies in the arena: shown once, then wiped by the caller. */
bool principal_add_secret(Identity *identity, Txn *txn, Arena *arena, Str app_id, Str name, int64_t valid_ms, Str *secret, Err *err) MUST_CHECK;

/* A token for a principal that has already been authenticated. audience as asked; lifetime 24 h for managed identities, 1 h else. */
bool token_issue(Identity *identity, Arena *arena, const Principal *principal, Str audience, Str *token, int64_t *expires_ms, Err *err) MUST_CHECK;

/* "Authorization: Bearer ..." of the request against the audiences of its plane (compared without case and without a final slash).
 * ERR_UNAUTHENTICATED: missing, malformed, bad signature, foreign, expired, wrong audience (err->text says which, naming what was
 * expected and found; err->name is "missing", "expired", "audience" or "invalid" so that planes can word it). */
bool token_verify(Identity *identity, const Req *req, const Str *audiences, size_t count, const Caller **out, Err *err) MUST_CHECK;

/* Which audiences each plane takes: one table (identity/audience.c). plane: "management", "graph", "keyvault", "batch", "nodes". */
size_t audiences_of(const Site *site, Arena *arena, const char *plane, const Str **out);
