/* fixture.h - a real server on port 0 with two planes, a private CA of its own, and ways to talk to it byte by byte. */
#pragma once
#include <pthread.h>
#include "http/client.h"
#include "http/server.h"

enum { ARENA = 4 * 1024 * 1024 };

typedef struct Fixture {
    HttpServer *server;
    Clock *clock;
    int  port;
    bool is_plain;
    char dir[64];
    char ca_file[96];
    char socket_path[96];
    _Atomic int audited, leaves_made, handler_runs, body_bytes;
    _Atomic bool audit_fails, audit_is_full, token_expired, vault_gone, leaf_fails;
    _Atomic int64_t renew_in_ms;        /* of leaves made from now on */
    int64_t token_expires_ms;
    void *gnutls_ca, *gnutls_ca_key;

    pthread_t stopping;
    int  stop_ms;

    /* A gate that handlers wait at, and that tests open. */
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    int  waiting;
    bool is_open;
    bool event;                         /* what parked handlers look for */
    int  pieces;                        /* what the streamed body has so far; -1: it breaks off */
} Fixture;

/* Tokens "good", "reader" (no permission but items/get). Names: management, *.vault where v1, v2 and x-... exist. */
void fixture_start(Fixture *fixture, const HttpConfig *config, bool is_plain);
void fixture_point_planes_at(Fixture *fixture);         /* there is one set of planes: after a second fixture, back to the first */
void fixture_stop(Fixture *fixture);                    /* also the server, when it still runs */
void fixture_wait_at_gate(Fixture *fixture, int count); /* until that many handlers wait */
void fixture_open_gate(Fixture *fixture);
void fixture_happen(Fixture *fixture);                  /* the event of parked handlers, with its wake */
void fixture_give(Fixture *fixture, int pieces);        /* so many more for /stream; -1: no more will come */
void fixture_stop_begin(Fixture *fixture, int within_ms);   /* http_stop, on a thread of its own */
void fixture_stop_wait(Fixture *fixture);               /* until it is through */
void fixture_wait_deaf(Fixture *fixture);               /* until nobody listens any more */
void fixture_wait_parked(Fixture *fixture, int64_t count);

HttpClient *fixture_client(const Fixture *fixture, bool over_unix);
/* One call with token "good"; asserts that an answer came. host_labels: "v1.vault". */
HttpAnswer fixture_call(const Fixture *fixture, HttpClient *client, Arena *arena, const char *method, const char *host_labels, const char *path, Str body);

void has(Str text, const char *part);                   /* fails the test where it is not */

/* Plain servers, byte by byte. A read that gets nothing for a minute ends, so that a wrong server fails the test and does not hang it. */
int  raw_connect(const Fixture *fixture);
void raw_send(int fd, Str bytes);
Str  raw_read_all(Arena *arena, int fd);                /* until the server closes; asserts that it does; closes fd */
Str  raw_read_answer(Arena *arena, int fd);             /* one answer by its Content-Length */
/* A body of so many bytes to this path and query. */
void raw_post(Arena *arena, int fd, Str target, size_t body);
void raw_answers(Arena *arena, int fd, const char *status, const char *part);       /* one answer that has both; closes fd */
Str  raw_ask(const Fixture *fixture, Arena *arena, Str bytes);      /* one answer on a connection of its own */
