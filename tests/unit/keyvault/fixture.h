/* fixture.h - vaults on a real store, a real identity and a real server without TLS, in a directory and on a port of their own.
 *
 * The background runner is not started: tests run its jobs themselves, at the object time they choose. */
#pragma once
#include <pthread.h>
#include "../cm.h"
#include "http/client.h"
#include "keyvault/keyvault.h"

#define GROUP      "rg1"
#define VAULTS     "/resourceGroups/" GROUP "/providers/Microsoft.KeyVault/vaults/"
#define API        "?api-version=7.4"
#define ARM_API    "?api-version=2022-07-01"

/* The body that creates a certificate of the vault's own, with a P-256 key, whose secret has this form. */
#define SELF_SIGNED(content_type) "{\"policy\":{\"key_props\":{\"kty\":\"EC\"},\"issuer\":{\"name\":\"Self\"},\"secret_props\":{\"contentType\":\"" content_type "\"}," \
                                  "\"x509_props\":{\"subject\":\"CN=c\"}},\"tags\":{\"a\":\"b\"}}"

typedef struct Person { Principal principal; Str arm_token, vault_token; } Person;

typedef struct Fixture {
    char        dir[64];
    Site        site;
    Identity   *identity;
    Access     *access;
    Arm        *arm;
    KeyVault   *kv;
    HttpClient *client;
    Arena      *arena;
    Str         subscription;
    Person      owner, nobody;          /* owner of the subscription; no role and no policy */
} Fixture;

extern Fixture fix;
extern P11Token *fixture_hsm;               /* the site's token: set before fixture_set_up; NULL: it has none */

/* What must be so for the test to go on; fails with the error's own words. */
extern Err fix_err;
#define must(call) do { fix_err = (Err){ 0 }; if (!(call)) fail_msg("%s: %s", #call, fix_err.text); } while (0)
char *text(const char *fmt, ...) FORMAT(1, 2);      /* in the fixture's arena */

int  fixture_set_up(void **state);      /* group set-up: everything open, group rg1 there, vault "vlt" with all permissions for owner */
int  fixture_tear_down(void **state);
void fixture_reopen(void);              /* as after a kill: everything closed and opened again over the same files */

typedef struct Answer { int status; Str body, raw_headers; const JsonVal *json; } Answer;

Answer call(const char *method, const char *host_labels, const char *path, Str token, const char *body);   /* body NULL: none */
Answer vault_call(const char *method, const char *path, const char *body);         /* vault vlt, as owner; adds api-version */
Answer arm_call(const char *method, const char *path, const char *body);           /* path after /subscriptions/S, as owner; adds api-version */
Answer make_vault(const char *name, const char *more_properties);                  /* PUT in rg1 with all permissions for owner */
Str    header(const Answer *answer, const char *name);
Str    text_at(const Answer *answer, const char *dotted);
int64_t int_at(const Answer *answer, const char *dotted);

/* The answer has this status, error code and innererror code (NULL: none), and its message holds `word`. */
void   expect_error(const Answer *answer, int status, const char *code, const char *inner, const char *word);
void   expect_status(const Answer *answer, int status);

/* A GET on a thread and a connection of its own. parked_begin: of a vault's /changes; it returns when it is parked. */
typedef struct Parked { pthread_t thread; Str url, token; Arena *arena; HttpAnswer answer; bool answered; Err err; int64_t took_ms; } Parked;
void   get_begin(Parked *parked, const char *vault, const char *path_and_query, Str token);
void   parked_begin(Parked *parked, const char *vault, const char *query, Str token);
const JsonVal *parked_end(Parked *parked, int status);                             /* of both; fails unless that is the answer's; then the caller frees parked->arena */

int64_t object_now(void);
void    set_object_time(int64_t ms);
int     object_time_back(void **state);                                            /* to now, between two tests */
size_t  version_count(const char *collection, const char *name);                   /* of what the vault lists; "keys" */
int64_t count_of(const char *sql);                                                 /* a literal; first column of its first row */
Str     vault_id_of(const char *name);
/* Runs what is due of one kind, as the runner would; answers how many jobs ran. */
size_t  run_due(const char *kind);
void    run_job(const char *kind, Str key, int64_t now_ms);                        /* one run, and what it asks for is scheduled */
