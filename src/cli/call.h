/* call.h - authenticated calls to the planes, their errors, long-running answers and pages. */
#pragma once
#include "cli/command.h"

typedef struct Answer { int status; const JsonVal *json; Str text, location, raw_headers; } Answer;     /* json NULL: no body */
Str answer_header(const Answer *answer, const char *name);                       /* absent if not there */

bool cli_http(Cli *cli, Err *err) MUST_CHECK;                                    /* makes the client once */

#define SUBSCRIPTIONS_VERSION "2022-12-01"

/* Audiences. */
Str to_arm(const Cli *cli);
Str to_graph(const Cli *cli);
Str to_vault(Cli *cli);
Str to_batch(Cli *cli);

/* A body that is absent sends none. Any status of 400 and above is an error with the service's code and words; ERR_NOT_FOUND for 404. */
bool call_service(Cli *cli, const char *method, Str resource, Str url, Str body, Answer *out, Err *err) MUST_CHECK;
/* The same, and the answer into cli->w through `shape`. */
typedef void Shape(Cli *cli, JsonWriter *w, const JsonVal *item);
bool call_shown(Cli *cli, const char *method, Str resource, Str url, Str body, Shape *shape, Err *err) MUST_CHECK;
/* As call_service, then polls Location while the answer is 202. */
bool call_and_wait(Cli *cli, const char *method, Str resource, Str url, Str body, Answer *out, Err *err) MUST_CHECK;
bool call_is_missing(Cli *cli, Str resource, Str url, bool *missing, Err *err) MUST_CHECK;     /* GET: 404 or not */

/* All pages of a list as one array into cli->w, each item through `shape` (NULL: as it is). */
bool call_list(Cli *cli, Str resource, Str url, Shape *shape, Err *err) MUST_CHECK;
/* Visits each item of all pages; visit stops the walk with false and no error by setting *done. */
typedef bool Visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err);
bool call_each(Cli *cli, Str resource, Str url, Visit *visit, void *ctx, Err *err) MUST_CHECK;

/* https://management.../subscriptions/S<path>?api-version=V; path may hold a query of its own. */
Str arm_url(Cli *cli, Str path, const char *api_version);
Str arm_subscription_url(Cli *cli, Str path, const char *api_version);
Str arm_group_url(Cli *cli, Str group, Str path, const char *api_version);
bool find_subscription(Cli *cli, Str wanted, Str *id, Err *err) MUST_CHECK;   /* by id or name, among those that the caller may see; absent: the first; ERR_NOT_FOUND */
bool find_resource(Cli *cli, const char *type, Str name, Str *id, Err *err) MUST_CHECK;       /* by name in the subscription; ERR_NOT_FOUND */
/* "host[:port]" that lies below `suffix` ("batch.x:8443"): names of this site, to which its tokens may go. Nothing that a URL parser could read in two ways. */
bool host_is_below(Str host, Str suffix);
void sleep_ms(int64_t ms);
