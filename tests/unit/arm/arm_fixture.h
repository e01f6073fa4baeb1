/* arm_fixture.h - Resource Manager with managed identities on a real server (plain HTTP, port 0) over a store in a temporary directory,
 * with an Owner, the runner at work, and ways to ask. */
#pragma once
#include <pthread.h>
#include "../store/store_fixture.h"
#include "http/client.h"
#include "managedidentity/managedidentity.h"

typedef struct Deleted { pthread_mutex_t lock; char ids[8][256]; size_t count; bool fail_first; int calls; } Deleted;

typedef struct World {
    Place place;
    Site site;
    Identity *identity;
    Access *access;
    Arm *arm;
    ManagedIdentities *ids;
    Bootstrap boot;
    Arena *arena;                       /* lives as long as the test */
    HttpClient *client;
    Str subscription;
    Str token;                          /* of the owner */
    Deleted deleted;                    /* what the deletion function of type Test.Things/things was given */
    _Atomic int clock_moves;
} World;

void world_open(World *w, bool is_dev);
void world_restart(World *w, bool is_dev);
void world_close(World *w);
bool world_reopen_fails(World *w, bool is_dev, Err *err);          /* closes, and tries to open; the World is closed afterwards */

/* "@" in path stands for the subscription's id. Without "api-version=" in it, api-version=2021-04-01 is added. */
HttpAnswer ask(World *w, const char *method, const char *path, const char *body);
HttpAnswer ask_as(World *w, Str token, const char *method, const char *path, const char *body);
HttpAnswer ask_bare(World *w, Str token, const char *method, const char *path, const HttpHeader *more, size_t more_count);   /* path as it is */

const JsonVal *answer_json(World *w, const HttpAnswer *answer);
Str  answer_text(World *w, const HttpAnswer *answer, const char *dotted);
void assert_refused(World *w, HttpAnswer answer, int status, const char *code);

/* A principal with a role at a scope ("@" as above); role absent: none. Its token. */
Str  world_principal(World *w, const char *name, Str role, const char *scope, Principal *out);
Str  world_text(World *w, const char *text);                       /* "@" replaced */

/* A resource of type Test.Things/things in a group, in the register only. */
void world_register(World *w, const char *group, const char *name, const char *tags_json);
/* Polls an operation's Location until it is no 202; the last answer. */
HttpAnswer world_wait(World *w, const HttpAnswer *accepted);
int64_t audit_count(World *w, const char *operation);              /* records of writes that name it */
