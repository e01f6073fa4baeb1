/* state.h - the insides of a server and of one request, shared by the files of http/ only. */
#pragma once
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include "http/hygiene.h"
#include "http/match.h"
#include "http/tls.h"

typedef struct Request Request;
typedef struct IoLoop IoLoop;
typedef struct WorkPool WorkPool;       /* work.h */
typedef struct ParkTable ParkTable;     /* park.h */
typedef struct Acceptor Acceptor;       /* listen.h */
typedef struct Handshakes Handshakes;   /* handshake.h */

/* Where a request is. Only the thread that holds it moves it on: its event loop, or a worker while the connection is suspended. */
typedef enum RequestStage {
    STAGE_NEW,                          /* the request line was read */
    STAGE_BODY,                         /* the head was accepted; its body is being collected */
    STAGE_DRAIN,                        /* the answer is ready; the rest of the body is dropped first */
    STAGE_AWAY,                         /* suspended: queued, with a worker, or parked */
    STAGE_TURN,                         /* suspended until its turn to compute, or resumed for it (turn.h) */
    STAGE_LATER,                        /* suspended until http_go_on, or resumed by it */
    STAGE_ANSWERED,                     /* the answer is ready to be sent */
    STAGE_STREAMS                       /* its head is sent, and its body as it comes (stream.h) */
} RequestStage;

typedef enum LaterPhase { LATER_NONE, LATER_ASKED, LATER_AWAY, LATER_OVER } LaterPhase;   /* AWAY: suspended, so http_go_on resumes it */
typedef enum ParkPhase { PARK_NONE, PARK_REGISTERED, PARK_WAITING } ParkPhase;

struct Request {
    Req   req;
    Reply reply;
    Err   err;                          /* the answer, when is_failed */
    bool  is_failed;
    int   bare_status;                  /* with is_failed and no plane: the status when ERR codes have none for it (421) */
    bool  must_close;
    bool  is_received;                  /* all of it is here: it counts as handled, no longer as arriving */
    bool  is_on_worker;
    HttpServer *server;
    IoLoop *loop;
    struct MHD_Connection *connection;
    RequestStage stage;

    Str  target;                        /* as sent */
    HeadFacts facts;
    MatchOutcome outcome;
    Match match;
    Buf  body;
    uint64_t dropped_bytes;

    _Atomic LaterPhase later_phase;

    STAILQ_ENTRY(Request) work_link;    /* in the queue of the worker pool, or of its loop's turns */

    LIST_ENTRY(Request) park_key_link, park_wait_link;      /* all below: under the park table's lock */
    ParkPhase park_phase;
    Str     park_key;
    int64_t park_until_ms, park_limit_ms;                   /* monotonic */
    bool    is_woken;
};

/* Who computes on an event loop, and who does next. */
typedef struct Turns {
    STAILQ_HEAD(, Request) waiting;     /* what is not atomic is the loop's own thread's alone */
    Request *called;                    /* resumed: its turn is in the next round */
    int64_t began_ns, burst_ns;         /* how long the loop computed of late */
    _Atomic int64_t over_ns;            /* when it last had, monotonic */
    _Atomic int waiting_count;
} Turns;

/* One event loop: a libmicrohttpd daemon with one thread and no listen socket. */
struct IoLoop {
    HttpServer *server;
    struct MHD_Daemon *daemon;
    _Atomic int connections;
    Turns turns;
};

struct HttpServer {
    HttpConfig config;                  /* base_domain points into the table */
    RouteTable *table;
    TlsNames  *tls;                     /* NULL: plain */
    Handshakes *handshakes;             /* NULL: plain */
    IoLoop    *loops;
    int        loop_count;
    WorkPool  *work;
    ParkTable *parks;
    Acceptor  *acceptor;
    _Atomic bool is_stopping;

    pthread_mutex_t active_lock;        /* over both counts; http_stop waits for them to fall */
    pthread_cond_t  active_changed;
    int             arriving, handled;  /* requests being received; received and not yet answered */
    int             later;              /* of the latter: those whose http_go_on was not yet called, and those that wait for their turn */
    _Atomic bool    is_refusing;        /* set under the lock: nobody begins to wait for a turn any more */

    _Atomic int64_t requests, refused_401, refused_403, failed_5xx;
};

static inline int64_t http_now_ms(const HttpServer *server)
{
    return server->config.clock ? clock_now_ms(server->config.clock) : real_now_ms();
}
