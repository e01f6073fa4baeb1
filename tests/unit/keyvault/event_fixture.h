/* event_fixture.h - a subscription to the events of vault vlt, and a webhook that remembers what it was sent. */
#pragma once
#include "fixture.h"

/* As the handler leaves one, without asking its endpoint; the only one: others go, with what is on its way to them. Its id. */
Str  event_subscribe(const char *endpoint, int tries_max, int ttl_minutes);
void event_set_secret(const char *name);            /* an event */

enum { HOOK_ANSWERS_MAX = 256, HOOK_CONNECTIONS_MAX = 64 };
typedef struct Hook {
    int             fd, port;
    pthread_t       thread, threads[HOOK_CONNECTIONS_MAX];
    int             connections[HOOK_CONNECTIONS_MAX];
    size_t          connection_count;
    pthread_mutex_t lock;                           /* of what follows */
    pthread_cond_t  changed;
    bool            is_held, hangs_up;
    int             status;
    char            headers[300];                   /* of answers */
    char           *asked[HOOK_ANSWERS_MAX];        /* head and body of each request, in the order in which they came */
    size_t          count, open, most_open;         /* open: not answered yet */
} Hook;

void hook_open(Hook *hook);                         /* on a port of its own: 200 without headers */
void hook_close(Hook *hook);
void hook_answer(Hook *hook, int status, const char *headers);      /* from now on; each header ends in "\r\n" */
void hook_hang_up(Hook *hook);                      /* from now on connections end without an answer */
void hook_hold(Hook *hook, bool is_held);           /* requests wait for their answers */
void hook_wait(Hook *hook, size_t count);           /* until that many requests came; fails after a minute */
Str  hook_asked(Hook *hook, size_t i);              /* stays as long as the hook */
const char *hook_url(const Hook *hook);             /* "http://127.0.0.1:PORT/hook" */
