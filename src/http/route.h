/* route.h - requests, replies and the one route table.
 *
 * Every request takes the same named steps: match host and path, find api-version, authenticate, authorise, read the body up to
 * the row's limit, handle, audit, reply. Handlers are plain functions over a per-request arena: they parse no HTTP and check no
 * permission. http/ knows no subject: what a plane is, how it checks a token, decides, words its errors and audits are the
 * Plane's functions, given at wiring. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "json/read.h"
#include "json/write.h"

typedef enum HttpMethod { METHOD_UNDECLARED = 0, METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_OPTIONS } HttpMethod;

typedef struct Route Route;
typedef struct Plane Plane;
typedef struct HttpServer HttpServer;

/* Who asks, as the token or key says after it was verified. Absent members are absent Strs. */
typedef struct Caller {
    Str  object_id, app_id, tenant_id;
    Str  id_type;                       /* "app", "user", "node", "sharedkey" */
    Str  name;                          /* for messages */
    Str  issuer;
    Str  mirid;                         /* ARM id, for managed identities */
    int64_t expires_ms;                 /* real time */
    const void *plane_data;             /* the plane's own, e.g. the vault or account that authenticate looked up */
} Caller;

enum { ROUTE_PARAMS_MAX = 8, HOST_LABELS_MAX = 3 };

typedef struct ReqField { Str name, value; } ReqField;          /* one header, as sent */

typedef struct Req {
    Arena *arena;
    HttpServer *server;
    const Plane *plane;
    const Route *route;
    void *ctx;                          /* the subject's context, given to http_mount */
    HttpMethod method;
    Str host;                           /* lower case, with port as sent */
    Str host_labels[HOST_LABELS_MAX];   /* what the plane's host pattern captured, lower case: vault; or account, region */
    Str path;                           /* as sent, without the query */
    Str params[ROUTE_PARAMS_MAX];       /* in the order of {names} in the template, percent-decoded; may be empty only for a trailing optional one */
    size_t param_count;
    Str query;                          /* as sent */
    const ReqField *fields; size_t field_count;             /* for req_header */
    Str api_version;                    /* "" if none */
    const Caller *caller;               /* NULL on public routes */
    Str body;                           /* whole; NUL-terminated beyond len */
    const JsonVal *json;                /* parsed body when the route says BODY_JSON; NULL when the body was empty */
    Str client_ip;
    Str user_agent;
    Str request_id;                     /* ours, a GUID */
    Str client_request_id;              /* theirs, or absent */
    int64_t now_ms;                     /* object time at arrival; when a parked handler runs again, then */
    int64_t real_ms;                    /* real time, likewise */
    int64_t started_mono_ms;
    bool park_ended;                    /* the handler of a parked route runs for the last time: the park's time is up or the server stops */
    bool was_parked;                    /* the handler runs again after a wake */
    void *park_state;                   /* the handler's own, kept from run to run in the arena */
    void *later_state;                  /* likewise, for what runs after reply_later */
    bool audited;                       /* the handler wrote its audit record inside its transaction */
    void *connection;                   /* http/ internal; NULL in tests of handlers */
} Req;

Str  req_param(const Req *req, const char *name);       /* path parameter by its {name}; absent if the template has none */
Str  req_query(const Req *req, const char *name);       /* decoded value; names compare without case, percent-encoded names too; absent if not given */
/* true or false in any letter case; *out is false where it is not given, or empty. ERR_BAD_INPUT about `name` for anything else. */
bool req_query_bool(const Req *req, const char *name, bool *out, Err *err) MUST_CHECK;
Str  req_header(const Req *req, const char *name);      /* absent if not given */
/* The one body as an object; ERR_BAD_INPUT if it is missing or no object. */
bool req_object(const Req *req, const JsonVal **out, Err *err) MUST_CHECK;

/* A body whose bytes come bit by bit from elsewhere. read puts at most `max` of them into `out` and answers how many; 0: none are there
 * yet, the connection sleeps until http_wake(key) or wait_ms are over; -1: no more will come, the connection is broken off. It
 * runs on the event loop, so it must not wait; 0 once more after wait_ms counts as -1. ctx lives in the request's arena, which goes
 * when the last byte was sent or the client is gone. */
typedef struct ReplyStream { uint64_t size_bytes; Str key; int64_t wait_ms; int64_t (*read)(void *ctx, char *out, size_t max); void *ctx; } ReplyStream;

typedef struct Reply Reply;
struct Reply {
    int   status;                       /* set by the handler; 0 counts as 200 */
    Buf   body;
    JsonWriter json;                    /* writes into body; begun by the server */
    Str   content_type;                 /* absent: the plane's default when there is a body */
    struct { Str name, value; } headers[16];
    size_t header_count;
    struct { bool wanted; Str key; int64_t until_mono_ms; } park;    /* set by reply_park */
    bool (*later)(Req *req, Reply *reply, Err *err);          /* set by reply_later */
    bool  on_worker;                    /* set by reply_on_worker */
    int   file_fd;                      /* >= 0: the body is this file from file_offset, file_size bytes; closed by the server */
    uint64_t file_offset, file_size;
    ReplyStream stream;                 /* read not NULL: the body is this stream; of routes that are not WHERE_INLINE */
};

void reply_header(Reply *reply, Str name, Str value);   /* value must live in the request's arena or be static */
/* From a handler of a WHERE_PARKED route: run me again when http_wake(key) is called or after at most wait_ms (cut to 55 s), or when
 * the server stops; the token and permission are checked again first. Register before looking: call reply_park first, then look at
 * the state; a wake between the two is not lost. Returning true parks; reply_park_cancel answers after all, and an error always answers.
 * The key is copied. A request parks for 55 s in all, however often it is woken. When req->park_ended, reply_park does nothing. */
void reply_park(Req *req, Reply *reply, Str key, int64_t wait_ms);
void reply_park_cancel(Req *req, Reply *reply);

typedef bool Handler(Req *req, Reply *reply, Err *err);

/* From a handler that began something which ends on another thread and now returns true: the answer comes from `then`, which runs on the
 * event loop (it must not wait) after http_go_on(req) was called, exactly once, from any thread; that may be before the handler
 * has returned, so once it began the handler does not touch the request any more. Meanwhile no thread waits; the server does not stop
 * before http_go_on was called. If it could not be begun, the handler returns false and http_go_on is not called. */
void reply_later(Req *req, Reply *reply, Handler *then);
void http_go_on(Req *req);

/* From a handler of a WHERE_INLINE or WHERE_COMPUTE route that finds that its work takes more than about a millisecond, or waits, before it
 * changed or counted anything. true: it returns true at once and runs again, from its beginning, on a worker. false: that is where it is. */
bool reply_on_worker(const Req *req, Reply *reply);

/* For operations that the service has and we do not yet: known, authorised, and refused with 501 in the plane's words. */
bool route_not_built(Req *req, Reply *reply, Err *err);

/* WHERE_COMMIT: the handler only reads what was sent and leaves the rest to reply_later, so it runs on the event loop unless the body is
 * long enough to keep that from others. WHERE_COMPUTE: it computes for part of a millisecond and never waits; likewise on the event loop, but in
 * turns, between which others are answered. */
typedef enum RouteWhere { WHERE_UNDECLARED = 0, WHERE_INLINE, WHERE_WORKER, WHERE_PARKED, WHERE_COMMIT, WHERE_COMPUTE } RouteWhere;
typedef enum RouteBody { BODY_NONE = 0, BODY_JSON, BODY_JSON_LENIENT, BODY_RAW } RouteBody;   /* LENIENT: trailing commas */

/* One row, one line. A row whose method, where or permission is undeclared is refused by http_mount: a forgotten column closes the door.
 * Of rows that take the same path the first wins, so "/secrets/{name}/versions" stands before "/secrets/{name}/{version?}".
 * path: "/secrets/{name}/{version?}"; literal segments compare without case; a trailing slash is accepted. "{x?}" may be missing or
 * empty at the end, and empty in the middle ("/keys/{name}/{version?}/encrypt" takes "/keys/k1//encrypt"). "{x...}" takes one or more
 * segments, slashes included and without the one in front, and what follows it is found at the end of the path
 * ("/{scope...}/providers/X/{name}"). Captures may stand inside a segment: "certificates(thumbprintAlgorithm={alg},thumbprint={tp})".
 * A HEAD request takes a GET row when there is no HEAD row; its body is not sent. POST with X-HTTP-Method: PATCH or DELETE (also
 * X-HTTP-Method-Override) takes the row of that method. A body sent to a BODY_NONE row is read and ignored.
 * since/until: dates "2021-01-01" compared with the date at the front of api-version; NULL: any. */
#define API_NONE "none"                 /* as `since`: the path belongs to no versioned interface and is found without an api-version (OCSP appends to its URL) */
#define PERM_PUBLIC "public"            /* no token asked */
#define PERM_TOKEN  "token"             /* any valid token of the plane; the handler filters what its caller may see */
struct Route {
    HttpMethod  method;
    const char *path;
    const char *since, *until;          /* an api-version without a date (Key Vault's "7.4") comes before every date */
    const char *permission;             /* "secrets/get", "Microsoft.Batch/batchAccounts/read", PERM_PUBLIC, ... */
    RouteWhere  where;
    RouteBody   body;
    size_t      body_max;               /* bytes */
    Handler    *handler;
    const char *operation;              /* audit operation name and name in docs: "SecretGet" */
};

/* A family of hosts with one kind of token, error body and audit. host_pattern: labels before the base domain, "*" captures one
 * ("management", "*.vault", "*.*.batch"); "" is the base domain itself. */
struct Plane {
    const char *name;                   /* "keyvault" */
    const char *host_pattern;
    const char *default_content_type;   /* "application/json; charset=utf-8" */
    bool  needs_api_version;            /* missing: 400 in the plane's words (`missing_api_version` code) */
    const char *missing_api_version;    /* the service's code for it */
    const char *invalid_api_version;    /* its code for one that is malformed or lacks the operation; NULL: the same */
    void *ctx;
    /* Does this host name exist (TLS names and dispatch)? NULL: always. Labels as captured. Called on any thread; must be quick. */
    bool (*host_exists)(void *ctx, const Str labels[HOST_LABELS_MAX]);
    /* Before routes that are not public, ahead of body and existence checks: sets req->caller, or 401 with its challenge header.
     * Here and in the calls below req->route is NULL when no row took the request. */
    bool (*authenticate)(void *ctx, Req *req, Reply *reply, Err *err);
    bool (*authorize)(void *ctx, Req *req, const Route *route, Err *err);
    /* Writes the plane's error body; err->code is never ERR_NONE. The text of ERR_INTERNAL is already replaced by one for clients;
     * reply->status is set and may be changed. */
    void (*write_error)(void *ctx, const Req *req, Reply *reply, const Err *err);
    /* Before every answer unless req->audited; err is NULL on success. false: the client gets 500 and not the answer. NULL: not audited. */
    bool (*audit)(void *ctx, const Req *req, const Reply *reply, const Err *err, Err *audit_err);
    /* Headers every answer of the plane carries (request ids). May be NULL. */
    void (*finish)(void *ctx, const Req *req, Reply *reply);
};
