/* identity.h - the tenant's principals, their credentials, and the tokens they get.
 *
 * Tokens are RS256 JWTs with the claims of real ones, signed by rotating keys; every plane verifies them here (signature, issuer,
 * audience by the plane's table, tenant, nbf and exp with 5 min leeway). Verified tokens are cached by SHA-256 until they end or the
 * key set or the principal changes. Identity also owns the login plane (OpenID configuration, keys, token endpoint on the three
 * authority shapes) and the Graph plane (applications, service principals).
 *
 * Who may write on Graph: the bootstrap administrator everything; others may create applications when the directory rule
 * (identity_set_directory_rule) says so, and change or delete those that they created. Everyone with a token may read, as directory
 * objects of a tenant can in Entra. Without these bounds an Owner of one subscription could give itself a credential of any other. */
#pragma once
#include "site/site.h"

typedef struct Identity Identity;

/* `vaultyard init`, within its transaction: the tenant, its sealing scope, its first signing key, and an administrator application
 * with service principal and a secret valid for two years. Texts lie in the arena; the caller writes admin_secret down and wipes it. */
typedef struct Bootstrap { Str tenant_id, admin_app_id, admin_object_id, admin_secret; } Bootstrap;
bool identity_bootstrap(Seal *seal, Txn *txn, Arena *arena, Str tenant_name, Bootstrap *out, Err *err) MUST_CHECK;
bool identity_tenant(Store *store, Arena *arena, Str *tenant_id, Err *err) MUST_CHECK;   /* of this store, for Site; ERR_NOT_FOUND: never bootstrapped */

bool identity_open(Site *site, Identity **out, Err *err) MUST_CHECK;          /* before runner_start: registers the rotation of signing keys */
void identity_close(Identity *identity);                                      /* after runner_stop and http_stop; NULL is fine */
bool identity_mount(Identity *identity, HttpServer *server, Err *err) MUST_CHECK;

/* Services that Entra puts into every tenant themselves: there from the start, without application and credential. */
#define BATCH_SERVICE_APP_ID STR("ddbf3205-c6bd-46ae-8127-60eb93363864")        /* "Microsoft Azure Batch" (Batch documentation, "Configure user subscription mode") */

typedef enum PrincipalKind { PRINCIPAL_APP = 1, PRINCIPAL_MANAGED_IDENTITY } PrincipalKind;
typedef struct Principal {
    Str object_id, app_id, display_name;      /* app_id is the client id; ids are lower case */
    PrincipalKind kind;
    Str mirid;                                /* ARM id of the managed identity's resource, or of the resource it is system-assigned to */
    bool enabled;
} Principal;

/* Within a transaction, so that a resource and its principal appear together. PRINCIPAL_APP makes an application beside its service principal. */
bool principal_create(Identity *identity, Txn *txn, Arena *arena, PrincipalKind kind, Str display_name, Str mirid, Principal *out, Err *err) MUST_CHECK;
/* The service principal with its credentials and role assignments; the application of a PRINCIPAL_APP stays. Unknown: nothing to do.
 * Its tokens stop working with the commit. */
bool principal_delete(Identity *identity, Txn *txn, Str object_id, Err *err) MUST_CHECK;
bool principal_by_object_id(Identity *identity, Txn *txn, Arena *arena, Str object_id, Principal *out, bool *found, Err *err) MUST_CHECK;
bool principal_by_app_id(Identity *identity, Txn *txn, Arena *arena, Str app_id, Principal *out, bool *found, Err *err) MUST_CHECK;
/* The managed identity whose mirid this is (ARM ids compare without case). */
bool principal_by_mirid(Identity *identity, Txn *txn, Arena *arena, Str mirid, Principal *out, bool *found, Err *err) MUST_CHECK;
/* A new client secret (40 random characters, stored as a salted hash), valid for valid_ms of real time. *secret lies in the arena: shown once, then wiped by the caller. */
bool principal_add_secret(Identity *identity, Txn *txn, Arena *arena, Str app_id, Str name, int64_t valid_ms, Str *secret, Err *err) MUST_CHECK;
/* A certificate (DER) to sign assertions with, valid from start_ms to end_ms of real time: this window decides, not the certificate's own. */
bool principal_add_certificate(Identity *identity, Txn *txn, Arena *arena, Str app_id, Str name, Bytes der, int64_t start_ms, int64_t end_ms, Err *err) MUST_CHECK;

/* Set by access/, above which identity knows nothing: may this principal create applications, and what else goes with a principal. */
typedef bool IdentityMayWrite(void *ctx, Arena *arena, Str object_id, bool *allowed, Err *err);
typedef bool IdentityDropped(void *ctx, Txn *txn, Str object_id, Err *err);
/* Certificates that other issuers of tokens (federated credentials) are checked by; NULL: the system's. Before http_start; the string outlives it. */
void identity_set_issuer_ca(Identity *identity, const char *ca_file);
void identity_set_directory_rule(Identity *identity, IdentityMayWrite *may_write, IdentityDropped *dropped, void *ctx);

/* A token for a principal that has already been authenticated. audience as asked; lifetime 24 h for managed identities, 1 h else.
 * ERR_BAD_INPUT "invalid_resource" if nobody in this tenant is called like the audience. */
bool token_issue(Identity *identity, Arena *arena, const Principal *principal, Str audience, Str *token, int64_t *expires_ms, Err *err) MUST_CHECK;

/* A JWS (RFC 7515) around a statement of this site, by the key that signs tokens now and with its certificate in x5c. The statement must have no member
 * "aud": nobody shall take it for a token. */
bool statement_sign(Identity *identity, Arena *arena, Str statement_json, Str *jws, Err *err) MUST_CHECK;

/* "Authorization: Bearer ..." of the request against the audiences of its plane (compared without case and without a final slash).
 * ERR_UNAUTHENTICATED: missing, malformed, bad signature, foreign, expired, wrong audience (err->text says which, naming what was
 * expected and found; err->name is "missing", "expired", "audience" or "invalid" so that planes can word it). */
bool token_verify(Identity *identity, const Req *req, const Str *audiences, size_t count, const Caller **out, Err *err) MUST_CHECK;

/* Which audiences each plane takes: one table (identity/audience.c). plane: "management", "graph", "keyvault", "batch", "nodes". */
size_t audiences_of(const Site *site, Arena *arena, const char *plane, const Str **out);
