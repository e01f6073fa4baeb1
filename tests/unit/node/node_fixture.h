/* node_fixture.h - a node below a temporary directory, and a control plane of its own on a Unix socket.
 *
 * Its identity is client-1; its tokens say for what they are, or are NODE_PROBE_TOKEN of the environment.
 * Tests that change users need root, which scripts/test gives them, and fail otherwise. The test's program is the keeper's as well: its main begins with
 * node_fixture_main. */
#pragma once
#include <pthread.h>
#include "http/server.h"
#include "node/runs/runs.h"

enum { NODE_REPORTS_MAX = 512, NODE_WAIT_MS = 60000 };

typedef struct NodeReport { char run_id[RUN_ID_DIGITS + 1], state[16]; Str body; } NodeReport;

typedef struct NodeFixture {
    Arena *arena;
    char dir[64];
    NodePlaces places;
    NodeCard card;
    HttpServer *server;
    const char *program;
    /* The control plane's; guarded by lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    NodeReport reports[NODE_REPORTS_MAX];
    size_t report_count;
    int unavailable;                    /* so many reports and results are answered 503 first */
    Str commands[16];                   /* given in this order; a cursor counts them */
    size_t command_count;
    struct { Str id, body; } results[64];
    size_t result_count;
    Str unknown_run;                    /* this one is answered 404 RunUnknown */
    int lists;                          /* of the container that were asked for */
    int web_failures;                   /* so many downloads are answered 503 first */
    Str last_authorization;             /* of a download */
    int web_port;
    HttpServer *web;                    /* plain HTTP: /files/<name>, and a container /box?sig=secret */
} NodeFixture;

/* "keep": becomes a keeper and does not return. As root the tests then run as the first process of a process namespace. */
void node_fixture_main(int argc, char **argv);
void node_fixture_start(NodeFixture *fixture);
void node_fixture_stop(NodeFixture *fixture);           /* asserts that no process of a run is left */

Runs *node_fixture_runs(NodeFixture *fixture);          /* started, described, with a lease for a long time */
/* Both for AS_ROOT tests, as cmocka wants it; as another user nothing, since those fail by themselves. */
int  node_fixture_start_as_root(void **state, NodeFixture *fixture, Runs **runs);
int  node_fixture_stop_as_root(void **state, NodeFixture *fixture, Runs *runs);
Str  node_run_id(NodeFixture *fixture);                 /* a new one */
/* A run's JSON: {"runId","kind":"task","jobId":"job1","taskId":<task>,"directory":"workitems/job1/job-1/<task>","commandLine", <more>}. `more` begins with a comma or is "". */
const JsonVal *node_run(NodeFixture *fixture, Str run_id, const char *task, const char *command_line, const char *more);

/* Waits for a report of that state ("" any end) and gives its body; fails the test when none comes. */
const JsonVal *node_wait_report(NodeFixture *fixture, Str run_id, const char *state);
const JsonVal *node_wait_end(NodeFixture *fixture, Str run_id);
size_t node_reports(NodeFixture *fixture, Str run_id, const char *state);       /* how many came so far */
void node_command(NodeFixture *fixture, const char *json);
const JsonVal *node_wait_result(NodeFixture *fixture, const char *command_id);
size_t node_results(NodeFixture *fixture, const char *command_id);
Str  node_file(NodeFixture *fixture, const char *path);                         /* below the tasks directory; fails the test when absent */
const char *node_path(NodeFixture *fixture, const char *path);                  /* likewise, absolute */
bool node_wait_file(NodeFixture *fixture, const char *path);                    /* until it is there, with at least one byte */
