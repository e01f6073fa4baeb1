/* server.h - the HTTPS server: libmicrohttpd behind our own routes, TLS names, hygiene and parking.
 *
 * One pool of epoll threads serves all listeners (both loopbacks on one port, a Unix socket for nodes). Inline routes run on
 * those threads; worker and parked ones on a worker pool with the connection suspended. Requests that libmicrohttpd lets through and
 * should not (Transfer-Encoding beside Content-Length, two Host headers or none, folded lines, bare control characters in the
 * target, HTTP/0.9 and unknown versions) are refused here with 400. */
#pragma once
#include "base/clock.h"
#include "http/route.h"

typedef struct TlsLeaf { Str cert_chain_pem; Str key_pem; int64_t renew_at_ms; } TlsLeaf;   /* key_pem is borrowed for the call only */

/* Another name for what stands at `labels` below the base domain, and for all below it: with { "vault", "vault.azure.net" } the host
 * kv1.vault.azure.net is kv1.vault.<base domain>. Both answer. */
typedef struct HttpAlias { Str labels, name; } HttpAlias;

typedef struct HttpConfig {
    Str base_domain;                        /* "vaultyard.localhost"; "": every host belongs to the plane with pattern "" */
    const HttpAlias *aliases; size_t alias_count;       /* borrowed for the server's life, lower case */
    const Clock *clock;                     /* of Req.now_ms; NULL: real time */
    int io_threads, worker_threads;         /* 0: one a core; workers 0: 4 at a time, beside up to 16 times as many that wait */
    size_t arena_limit_bytes;               /* per request; 0: 8 MiB */
    size_t header_limit_bytes;              /* 0: 24 KiB */
    int idle_timeout_s;                     /* 0: 75 */
    int handshake_timeout_ms;               /* 0: 10,000 */
    int connections_max;                    /* 0: what the limit on open files leaves, at most 20,000; more wait in the listen queue */
    bool plain;                             /* no TLS: the node's metadata address */
    /* Make a leaf for a name that exists (http/ asks the planes first) or for "" (addresses, localhost, no SNI). Called under a lock;
     * cached (512), made again at renew_at_ms (real time). An unknown name gets the TLS alert unrecognized_name. */
    bool (*tls_leaf)(void *ctx, Arena *arena, Str name, TlsLeaf *out, Err *err);
    void *tls_ctx;
} HttpConfig;

bool http_new(const HttpConfig *config, HttpServer **out, Err *err) MUST_CHECK;
void http_use_clock(HttpServer *server, const Clock *clock);      /* where the clock comes after the server; before http_start */
/* Rows and planes are borrowed for the server's life; ctx becomes req->ctx. Before http_start. ERR_INTERNAL if a row is
 * undeclared, unordered or shadowed by an earlier one. */
bool http_mount(HttpServer *server, const Plane *plane, const Route *routes, size_t count, void *ctx, Err *err) MUST_CHECK;
/* port 0 picks one, returned in *bound_port. Several listeners may be added. */
bool http_listen_tcp(HttpServer *server, const char *address, int port, int *bound_port, Err *err) MUST_CHECK;
/* 127.0.0.1 and, where the machine has it, ::1 on the same port. */
bool http_listen_loopback(HttpServer *server, int port, int *bound_port, Err *err) MUST_CHECK;
bool http_listen_unix(HttpServer *server, const char *path, unsigned mode, Err *err) MUST_CHECK;
bool http_start(HttpServer *server, Err *err) MUST_CHECK;
/* Refuses new connections, ends parks, lets requests under way finish for drain_ms, answers those still queued 503, frees. A handler
 * that runs is waited for. NULL is fine. Afterwards the server is gone: nobody may call http_wake any more. */
void http_stop(HttpServer *server, int drain_ms);

void http_wake(HttpServer *server, Str key);                                  /* every request parked under key; safe from any thread, also before http_start and during http_stop */
void http_drop_leaf(HttpServer *server, Str name);                            /* a host name went away */

/* Walk of the table, for the API listing, COMPATIBILITY.md and the refusal tests. */
typedef bool RouteVisit(void *ctx, const Plane *plane, const Route *route);
void http_each_route(const HttpServer *server, RouteVisit *visit, void *ctx);

typedef struct HttpStats { int64_t requests, refused_401, refused_403, failed_5xx, parked, connections; } HttpStats;
HttpStats http_stats(const HttpServer *server);
