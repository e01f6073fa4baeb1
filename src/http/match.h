/* match.h - which plane a host name belongs to, and which row of the route table a path takes.
 *
 * The table is filled before the server starts and read-only afterwards, so that any thread may ask it. */
#pragma once
#include "http/server.h"

typedef struct RouteTable RouteTable;

/* Copies the domain and borrows the aliases; NULL: out of memory. "" takes every host for plane pattern "". */
RouteTable *route_table_new(Str base_domain, const HttpAlias *aliases, size_t alias_count);
void route_table_free(RouteTable *table);
Str route_table_base(const RouteTable *table);          /* the base domain in lower case, as long as the table lives */

/* ERR_INTERNAL, naming the row, if it is undeclared, malformed, never in force, or shadowed by an earlier row of the same plane. */
bool route_table_mount(RouteTable *table, const Plane *plane, const Route *routes, size_t count, void *ctx, Err *err) MUST_CHECK;
void route_table_each(const RouteTable *table, RouteVisit *visit, void *ctx);

typedef enum HostKind { HOST_NAME, HOST_ADDRESS, HOST_LOCALHOST } HostKind;
typedef struct Host {
    HostKind kind;
    Str name;                           /* lower case, without port, brackets and final dot */
    Str authority;                      /* lower case, with the port as sent */
} Host;

/* A Host header or the authority of an absolute target (RFC 9110 section 7.2). ERR_BAD_INPUT if it is neither name nor address. */
bool host_parse(Arena *arena, Str text, Host *out, Err *err) MUST_CHECK;

/* The plane for a lower-case host name, with the labels its pattern captures (pointing into `name`); NULL if none. Patterns with fewer "*" win.
 * Whether such a vault or account exists is not asked here: plane_has_host. */
const Plane *route_table_plane(const RouteTable *table, Str name, Str labels[HOST_LABELS_MAX]);
bool route_table_is_ours(const RouteTable *table, Str name);                    /* the base domain, an alias, or a name below one */
bool plane_has_host(const Plane *plane, const Str labels[HOST_LABELS_MAX]);

typedef enum MatchOutcome { MATCH_FOUND, MATCH_NO_PATH, MATCH_WRONG_METHOD, MATCH_WRONG_VERSION } MatchOutcome;
typedef struct Match {
    const Route *route;                 /* MATCH_FOUND; MATCH_WRONG_VERSION: one that other versions have */
    void  *ctx;
    Str    params[ROUTE_PARAMS_MAX];
    size_t param_count;
    unsigned methods;                   /* 1u << HttpMethod of all rows with this path, in any version */
} Match;

/* Path without query. An absent api_version takes rows of any version. true: *outcome says what was found.
 * ERR_BAD_INPUT: the path is badly encoded or has too many segments. */
bool route_table_match(const RouteTable *table, const Plane *plane, HttpMethod method, Str path, Str api_version,
                       Arena *arena, MatchOutcome *outcome, Match *match, Err *err) MUST_CHECK;

/* "2021-06-01", "2021-06-01-preview", "2022-10-01.16.0" and the older "7.4", "7.4-preview.1". */
bool api_version_is_well_formed(Str version);
bool route_is_unversioned(const Route *route);          /* its `since` is API_NONE; NULL is not */

Str  route_param_name(const char *path, size_t index);  /* the index-th {name} of a template, without ? and ...; absent beyond the last */
HttpMethod http_method_from(Str name);                  /* METHOD_UNDECLARED if it is none of ours; names are case-sensitive (RFC 9110 section 9.1) */
const char *http_method_name(HttpMethod method);
