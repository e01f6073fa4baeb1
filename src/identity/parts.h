/* parts.h - what the files of identity/ share. Nobody else includes it. */
#pragma once
#include <pthread.h>
#include "crypto/hash.h"
#include "crypto/jwt.h"
#include "identity/identity.h"
#include "identity/issuer.h"
#include "site/cache.h"

enum {
    TOKEN_LEEWAY_MS = 5 * 60 * 1000,
    TOKEN_APP_LIFE_S = 3600,
    TOKEN_IDENTITY_LIFE_S = 24 * 3600,
    CREDENTIALS_MAX = 100,                  /* of one application */
    DISPLAY_NAME_MAX = 256,
};

typedef struct Ring Ring;                   /* signing.c */

struct Identity {
    Site *site;
    Arena *arena;                           /* texts that live as long as it does */
    Str admin_id;
    pthread_mutex_t ring_lock;
    Ring *ring;
    Cache *tokens;                          /* verified ones, by SHA-256 */
    Cache *clients;                         /* client_facts.c */
    Issuers *issuers;
    IdentityMayWrite *may_write;
    IdentityDropped *dropped;
    void *rule_ctx;
    Plane login, graph;
};

Str identity_tenant_scope(Arena *arena, Str tenant_id);                       /* of the seal: "tenant:<id>" */
void identity_forget_tokens(Identity *identity, Txn *txn);                    /* with the commit; identity NULL during bootstrap: nothing to forget */

/* ---- audience.c ---- */
bool audience_same(Str a, Str b);                                             /* without case and without final slashes */
/* There is a service of that name: one of ours, or an application of the tenant (by its app id, identifier URI or "api://<app id>").
 * ERR_BAD_INPUT "invalid_resource". */
bool audience_require(Identity *identity, Arena *arena, Str audience, Err *err) MUST_CHECK;

/* ---- signing.c ---- */
typedef struct SigningKey { Str kid; KeyRef *key; Bytes certificate; int64_t sign_from_ms; } SigningKey;
enum { RING_MAX = 8 };
struct Ring { int references; size_t count; SigningKey keys[RING_MAX]; Arena *arena; };      /* by sign_from_ms, oldest first; read-only once published */

bool  signing_key_create(Seal *seal, Txn *txn, Arena *arena, Str tenant_id, const KeyRef *key, int64_t now_ms, int64_t sign_from_ms, Str *kid, Err *err) MUST_CHECK;
bool  signing_load(Identity *identity, Err *err) MUST_CHECK;                  /* reads the keys and publishes a new ring */
Ring *signing_ring(Identity *identity);                                       /* a reference, to be released */
void  signing_release(Identity *identity, Ring *ring);
const SigningKey *signing_current(const Ring *ring, int64_t now_ms);          /* NULL: there is no key at all */
RunnerFn signing_rotate;
#define IDENTITY_WORK_ROTATE "identity.rotate_signing_key"

/* What is due, from the times from which keys sign (oldest first). */
typedef struct SigningPlan { bool make; int64_t make_sign_from_ms; size_t drop; int64_t again_ms; } SigningPlan;     /* drop: how many of the oldest */
SigningPlan signing_plan(const int64_t *sign_from_ms, size_t count, int64_t now_ms);

/* ---- token.c ---- */
typedef enum ClientProof { PROOF_SECRET = 1, PROOF_CERTIFICATE = 2 } ClientProof;             /* claim appidacr */
typedef struct Issue { const Principal *principal; Str audience; ClientProof proof; int64_t now_ms; int life_s; } Issue;
bool token_make(Identity *identity, Arena *arena, const Issue *issue, Str *token, Err *err) MUST_CHECK;
/* The checks of token_verify after the header was taken apart. */
bool token_check(Identity *identity, Arena *arena, Str token, const Str *audiences, size_t count, int64_t now_ms, const Caller **out, Err *err) MUST_CHECK;

/* ---- application.c, principal.c ---- */
typedef struct Application { Str object_id, app_id, display_name, owner_id, extras; int64_t created_ms; } Application;   /* extras: JSON object or absent */
bool application_insert(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, const Application *application, Err *err) MUST_CHECK;
bool application_update(Identity *identity, Txn *txn, Arena *arena, const Application *application, Err *err) MUST_CHECK;   /* display name and extras */
bool application_delete(Identity *identity, Txn *txn, const Application *application, Err *err) MUST_CHECK;   /* with its URIs, credentials and service principal */
bool application_by_object_id(Identity *identity, Txn *txn, Arena *arena, Str object_id, Application *out, bool *found, Err *err) MUST_CHECK;
bool application_by_app_id(Identity *identity, Txn *txn, Arena *arena, Str app_id, Application *out, bool *found, Err *err) MUST_CHECK;
bool application_uris(Txn *txn, Arena *arena, Str app_id, const Str **uris, size_t *count, Err *err) MUST_CHECK;
bool application_set_uris(Txn *txn, Arena *arena, Str app_id, const Str *uris, size_t count, Err *err) MUST_CHECK;   /* ERR_CONFLICT: another application has one */

typedef struct PrincipalRow { Principal p; Str owner_id; int64_t created_ms; } PrincipalRow;
bool principal_insert(Txn *txn, Arena *arena, const PrincipalRow *row, Err *err) MUST_CHECK;
bool principal_row(Txn *txn, Arena *arena, Str object_id, PrincipalRow *out, bool *found, Err *err) MUST_CHECK;
bool principal_set_enabled(Identity *identity, Txn *txn, Str object_id, bool enabled, Err *err) MUST_CHECK;

/* ---- credential.c ---- */
typedef enum CredentialKind { CREDENTIAL_SECRET = 1, CREDENTIAL_CERTIFICATE } CredentialKind;
typedef struct Credential {
    Str key_id, app_id, holder_id, label, hint;
    CredentialKind kind;
    int64_t start_ms, end_ms;
    Bytes certificate, sha1, sha256;
} Credential;

/* A new secret of 40 random characters, in the arena. credential gives app_id, holder_id, label and times; key_id and hint are set. */
bool credential_add_secret(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, Credential *credential, Str *secret, Err *err) MUST_CHECK;
bool credential_add_certificate(Seal *seal, Str tenant_id, Txn *txn, Arena *arena, Credential *credential, Err *err) MUST_CHECK;   /* certificate given; key_id made if absent */
bool credential_remove(Txn *txn, Str holder_id, Str key_id, CredentialKind kind, bool *removed, Err *err) MUST_CHECK;
bool credential_remove_all(Txn *txn, Str holder_id, Err *err) MUST_CHECK;
bool credential_list(Identity *identity, Txn *txn, Arena *arena, Str holder_id, const Credential **out, size_t *count, Err *err) MUST_CHECK;

typedef enum SecretFound { SECRET_WRONG = 0, SECRET_EXPIRED, SECRET_NOT_YET, SECRET_GOOD } SecretFound;
enum { SALT_SIZE = 32 };
typedef struct ClientSecret { uint8_t salt[SALT_SIZE], hash[SHA256_SIZE]; int64_t start_ms, end_ms; } ClientSecret;
bool credential_secrets(Txn *txn, Arena *arena, Str app_id, const ClientSecret **out, size_t *count, Err *err) MUST_CHECK;
/* Compares with every secret of the application, and with a made-up one when it has none, so that time tells nothing. */
SecretFound credential_check_secret(const ClientSecret *secrets, size_t count, Str secret, int64_t now_ms);
/* The certificate with this thumbprint; kind of thumbprint by its length (20 or 32 bytes). */
bool credential_find_certificate(Txn *txn, Arena *arena, Str app_id, Bytes thumbprint, Credential *out, bool *found, Err *err) MUST_CHECK;

/* ---- client_facts.c ---- */
/* What a sign-in asks about its client (app_id in lower case), remembered for as long as nothing is committed: whatever changes an application, its
 * service principal or its secrets is a commit. */
typedef struct ClientFacts {
    bool has_application, has_principal;
    Principal principal;
    const ClientSecret *secrets;
    size_t secret_count;
} ClientFacts;
bool client_facts_find(Identity *identity, Arena *arena, Str app_id, const ClientFacts **out, Err *err) MUST_CHECK;

/* ---- assertion.c ---- */
/* A client assertion (RFC 7523). Signed by the client itself it is checked in full, *client_id is who signed it, and *external has no claims.
 * One of another issuer is only read: *client_id is as claimed, and external_check has to come. ERR_UNAUTHENTICATED or ERR_BAD_INPUT in Entra's words. */
bool assertion_check(Identity *identity, const Req *req, Str assertion, Str claimed_client_id, Str *client_id, Jwt *external, Err *err) MUST_CHECK;
/* nbf or iat, and exp, with leeway; life_max_ms 0: however long it lasts. */
bool assertion_is_timely(const Req *req, const Jwt *jwt, int64_t life_max_ms, int64_t *ends_ms, Err *err) MUST_CHECK;

/* ---- external.c ---- */
/* The principal has a federated credential for this token, its issuer signed it, and it is in its time. Asks the issuer: worker threads only. */
bool external_check(Identity *identity, const Req *req, const Jwt *jwt, const Principal *principal, Err *err) MUST_CHECK;

/* ---- federated.c, beside federated.h ---- */
struct Federated;
bool federated_of_app(Identity *identity, Txn *txn, Arena *arena, Str app_id, const struct Federated **out, size_t *count, Err *err) MUST_CHECK;
bool federated_remove_all(Txn *txn, Str holder_id, Err *err) MUST_CHECK;

/* ---- login.c, sign_in.c ---- */
bool login_mount(Identity *identity, HttpServer *server, Err *err) MUST_CHECK;
bool login_tenant_check(const Site *site, Str tenant, Err *err) MUST_CHECK;                  /* AADSTS90002 and kin */
bool sts_refuse(Err *err, ErrCode code, const char *error, const char *number, const char *fmt, ...) FORMAT(5, 6);   /* always false */
Handler sign_in;

/* ---- graph.c ---- */
bool graph_mount(Identity *identity, HttpServer *server, Err *err) MUST_CHECK;
