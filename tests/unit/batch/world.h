/* world.h - a whole server without TLS, with a provider that makes no machines, and callers with tokens.
 *
 * The runner is not started unless `runs` is set before world_open: world_work runs what is due, one thing after the other, so that tests
 * see each step. Vaults are there too; batch reaches them over HTTP (vault_call, on threads of the runner). */
#pragma once
#include "../store/store_fixture.h"
#include "batch/parts.h"
#include "http/client.h"
#include "keyvault/keyvault.h"

enum { MACHINES_MAX = 64 };

typedef struct Machine { char node_id[80]; char host_name[64]; char join_token[80]; NodeRun run; int starts; } Machine;

typedef struct World {
    Place place;
    Arena *arena;                           /* of the test */
    Site site;
    Identity *identity;
    Access *access;
    Arm *arm;
    ManagedIdentities *ids;
    KeyVault *keyvault;
    Batch *batch;
    HttpServer *http;
    HttpClient *client;
    Provider provider, *providers[1];
    Machine machines[MACHINES_MAX];
    size_t machine_count;
    bool starts_fail, lists_fail;
    bool runs;
    _Atomic bool vaults_are_silent;
    _Atomic int vault_calls;
    Str subscription;
    Principal admin, reader, nobody;        /* Owner of the subscription; Reader; no role */
    Str admin_token, reader_token, nobody_token, batch_token, batch_reader_token, batch_nobody_token;
} World;

void world_open(World *world);                          /* keeps `runs`; everything else begins anew */
void world_close(World *world);
void world_restart(World *world);                       /* everything of the server anew over the same store; machines stay */
void world_work(World *world);                          /* background work until nothing changes any more */

typedef struct Answer { int status; Str body, headers; const JsonVal *json; } Answer;
/* url_rest begins with the host's labels: "management/subscriptions?...". token absent: none. body absent: none. */
Answer world_call(World *world, const char *method, Str token, Str url_rest, Str body);
Answer world_call_with(World *world, const char *method, Str token, Str url_rest, Str body, const HttpHeader *more, size_t count);
Str  answer_header(const Answer *answer, const char *name);
Str  answer_text(const Answer *answer, const char *dotted);         /* a string of the body; absent if there is none */
int64_t answer_int(const Answer *answer, const char *dotted);       /* -1 if there is none */

/* Resource Manager by the administrator; path below the subscription. */
Answer arm_call(World *world, const char *method, const char *path, Str body);
/* The data plane of account "acct" in westus2, by the administrator. */
Answer data_call(World *world, const char *method, const char *path, Str body);
Answer node_call(World *world, const char *method, Str credential, const char *path, Str body);

void make_account(World *world, const char *name);      /* in group "rg", made when there is none; location westus2 */
Str  make_identity(World *world, const char *name, Str *client_id);  /* its resource id */
Answer make_pool(World *world, const char *id, int nodes, const char *more_properties, Str identities_json);

Machine *machine_of(World *world, size_t index);        /* in the order they were first started */
Str  join(World *world, const Machine *machine);        /* its credential */
Answer lease(World *world, Str credential, const char *state, const char *extensions_json);
Node node_row(World *world, const char *node_id);

#define expect_status(answer, wanted) do { Answer a_ = (answer); if (a_.status != (wanted)) \
    fail_msg("status %d, wanted %d: " STR_FMT, a_.status, (wanted), STR_ARG(a_.body)); } while (0)
/* An error in Resource Manager's shape (error.code) or Batch's (code). */
#define expect_error(answer, wanted, code_) do { Answer b_ = (answer); expect_status(b_, wanted); \
    Str c_ = answer_text(&b_, "error.code"); if (!c_.ptr) c_ = answer_text(&b_, "code"); \
    if (!str_eq(c_, str_from(code_))) fail_msg("code '" STR_FMT "', wanted '%s': " STR_FMT, STR_ARG(c_), (code_), STR_ARG(b_.body)); } while (0)
