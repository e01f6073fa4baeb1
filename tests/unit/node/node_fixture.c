/* node_fixture.c - a node below a temporary directory, and a control plane of its own. */
#include "../cm.h"
#include "node_fixture.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "crypto/bundles/bundle.h"
#include "node/lease_mark.h"
#include "node/runs/keep.h"
#include "node/runs/processes.h"

enum { ARENA = 256 << 20, YEAR_MS = 1000 * 3600 * 24, LONG_LEASE_MS = 600 * 1000, PARK_MS = 500 };
static char credential[] = "node1.0123";

/* -- the control plane -- */

static TlsLeaf leaf;

static bool give_leaf(void *ctx, Arena *arena, Str name, TlsLeaf *out, Err *err)
{
    (void)ctx, (void)name, (void)err;
    *out = (TlsLeaf){ str_dup(arena, leaf.cert_chain_pem), str_dup(arena, leaf.key_pem), leaf.renew_at_ms };
    return true;
}

/* One certificate that is its own authority. */
static void make_leaf(NodeFixture *fixture, const char *ca_file)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *key_pem = NULL;
    Str host = STR("nodes.test.localhost");
    CertSpec spec = { .subject = STR("CN=test"), .dns = { &host, 1 }, .path_length = -1, .not_before_ms = real_now_ms() - YEAR_MS, .not_after_ms = real_now_ms() + YEAR_MS };
    Err err = { 0 };
    Bytes der;
    if (!key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &key, &err) || !cert_self_sign(fixture->arena, key, &spec, &der, &err) ||
        !bundle_write_pem(&(Bundle){ .key = key }, true, &key_pem, &err))
        fail_msg("%s", err.text);
    leaf = (TlsLeaf){ pem_of_cert(fixture->arena, der), str_dup(fixture->arena, str_of(secret_bytes(key_pem))), spec.not_after_ms };
    assert_true(file_replace(ca_file, bytes_of(leaf.cert_chain_pem), 0644, (uid_t)-1, (gid_t)-1, &err));
}

static bool check_credential(void *ctx, Req *req, Reply *reply, Err *err)
{
    static Caller caller = { .expires_ms = INT64_MAX };
    (void)ctx, (void)reply;
    req->caller = &caller;
    return str_eq(req_header(req, "Authorization"), str_printf(req->arena, "Bearer %s", credential)) || err_set(err, ERR_UNAUTHENTICATED, "who are you");
}

static bool permit(void *ctx, Req *req, const Route *route, Err *err) { (void)ctx, (void)req, (void)route, (void)err; return true; }

static void put_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req;
    json_open(&reply->json, NULL);
    json_open(&reply->json, "error");
    json_put_str(&reply->json, "code", str_from(err->name ? err->name : "Other"));
    json_put_str(&reply->json, "message", str_from(err->text));
    json_close(&reply->json);
    json_close(&reply->json);
}

static bool take_report(Req *req, Reply *reply, Err *err)
{
    NodeFixture *fixture = req->ctx;
    Str run_id = req_param(req, "runId");
    bool done = true;
    reply->status = 204;
    pthread_mutex_lock(&fixture->lock);
    if (str_eq(run_id, fixture->unknown_run)) {
        done = err_named(err, ERR_NOT_FOUND, "RunUnknown", NULL, "no such run");
    } else if (fixture->unavailable > 0) {
        fixture->unavailable--;
        done = err_set(err, ERR_UNAVAILABLE, "not now");
    } else if (fixture->report_count < NODE_REPORTS_MAX) {
        NodeReport *report = &fixture->reports[fixture->report_count++];
        (void)snprintf(report->run_id, sizeof report->run_id, STR_FMT, STR_ARG(run_id));
        (void)snprintf(report->state, sizeof report->state, STR_FMT, STR_ARG(json_str(json_get(req->json, "state"))));
        report->body = str_dup(fixture->arena, req->body);
    }
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
    return done;
}

static bool give_token(Req *req, Reply *reply, Err *err)
{
    Str client = json_str(json_get(req->json, "clientId"));
    const char *token = getenv("NODE_PROBE_TOKEN");
    if (!str_eq(client, STR("client-1")))
        return err_set(err, ERR_BAD_INPUT, "Identity not found");
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "access_token", token ? str_from(token) : str_printf(req->arena, "token-for-" STR_FMT, STR_ARG(json_str(json_get(req->json, "resource")))));
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static bool give_commands(Req *req, Reply *reply, Err *err)
{
    NodeFixture *fixture = req->ctx;
    int64_t after = 0, until = real_now_ms() + PARK_MS;
    struct timespec due = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    Str cursor = req_query(req, "after");
    if (cursor.len && !str_to_int64(cursor, 0, 1000, &after, err))
        return false;
    json_open(&reply->json, NULL);
    pthread_mutex_lock(&fixture->lock);
    while (fixture->command_count <= (size_t)after && pthread_cond_timedwait(&fixture->changed, &fixture->lock, &due) == 0)
        continue;
    json_put_str(&reply->json, "cursor", str_printf(req->arena, "%zu", fixture->command_count));
    json_open_array(&reply->json, "commands");
    for (size_t i = (size_t)after; i < fixture->command_count; i++)
        json_put_raw(&reply->json, NULL, fixture->commands[i]);
    json_close_array(&reply->json);
    pthread_mutex_unlock(&fixture->lock);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

static bool take_result(Req *req, Reply *reply, Err *err)
{
    NodeFixture *fixture = req->ctx;
    bool done = true;
    reply->status = 204;
    pthread_mutex_lock(&fixture->lock);
    if (fixture->unavailable > 0) {
        fixture->unavailable--;
        done = err_set(err, ERR_UNAVAILABLE, "not now");
    } else if (fixture->result_count < COUNT_OF(fixture->results)) {
        fixture->results[fixture->result_count].id = str_dup(fixture->arena, req_param(req, "commandId"));
        fixture->results[fixture->result_count++].body = str_dup(fixture->arena, req->body);
    }
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
    return done;
}

static const Route plane_routes[] = {
    { METHOD_GET,  "/v1/commands",       NULL, NULL, PERM_TOKEN, WHERE_WORKER, BODY_NONE, 0,       give_commands, "Commands" },
    { METHOD_POST, "/v1/commands/{commandId}/result", NULL, NULL, PERM_TOKEN, WHERE_WORKER, BODY_JSON, 4 << 20, take_result, "Result" },
    { METHOD_POST, "/v1/runs/{runId}",   NULL, NULL, PERM_TOKEN, WHERE_WORKER, BODY_JSON, 1 << 20, take_report, "Report" },
    { METHOD_POST, "/v1/identity/token", NULL, NULL, PERM_TOKEN, WHERE_WORKER, BODY_JSON, 1 << 16, give_token,  "Token" },
};
static Plane plane = { .name = "nodes", .host_pattern = "nodes", .default_content_type = "application/json", .authenticate = check_credential, .authorize = permit, .write_error = put_error };

/* -- a web of files -- */

static bool web_get(Req *req, Reply *reply, Err *err)
{
    NodeFixture *fixture = req->ctx;
    Str name = req_param(req, "name"), status = STR("200");
    pthread_mutex_lock(&fixture->lock);
    fixture->last_authorization = req_header(req, "Authorization").ptr ? str_dup(fixture->arena, req_header(req, "Authorization")) : STR_NONE;
    bool fails = fixture->web_failures > 0 && fixture->web_failures--;
    pthread_mutex_unlock(&fixture->lock);
    if (fails)
        return err_set(err, ERR_UNAVAILABLE, "not now");
    if (str_eq(name, STR("denied")))
        return err_set(err, ERR_DENIED, "no");
    if (str_eq(name, STR("missing")))
        return err_set(err, ERR_NOT_FOUND, "no");
    if (str_eq(name, STR("moved"))) {
        reply->status = 302;
        reply_header(reply, STR("Location"), STR("/files/hello"));
        return true;
    }
    if (str_eq(name, STR("moved-away"))) {          /* another authority: the token must not go there */
        reply->status = 302;
        reply_header(reply, STR("Location"), str_printf(req->arena, "http://localhost:%d/files/hello", fixture->web_port));
        return true;
    }
    if (str_eq(name, STR("round"))) {
        reply->status = 302;
        reply_header(reply, STR("Location"), STR("/files/round"));
        return true;
    }
    (void)status;
    reply->content_type = STR("application/octet-stream");
    buf_put_str(&reply->body, str_eq(name, STR("script")) ? STR("#!/bin/sh\necho from the script\n") : STR("hello\n"));
    return true;
}

/* A container of the web: its blobs on two pages, or what a bad one answers, by the prefix. */
static bool web_list(Req *req, Reply *reply, Err *err)
{
    static const struct { const char *prefix, *marker, *blobs, *next; } pages[] = {
        { "", "", "<Blob><Name>a b.txt</Name></Blob>", "m2" }, { "", "m2", "<Blob><Name>sub/x</Name></Blob><Blob><Name>sub/</Name></Blob>", "" },
        { "sub/", "", "<Blob><Name>sub/x</Name></Blob>", "" }, { "none", "", "", "" },
        { "up", "", "<Blob><Name>../x</Name></Blob>", "" },    { "round", "", "", "r" }, { "round", "r", "", "r" }, { "lost", "", "<Blob><Name>missing</Name></Blob>", "" },
    };
    NodeFixture *fixture = req->ctx;
    pthread_mutex_lock(&fixture->lock);
    fixture->lists++;
    pthread_mutex_unlock(&fixture->lock);
    if (!str_eq(req_query(req, "restype"), STR("container")) || !str_eq(req_query(req, "comp"), STR("list")) || !str_eq(req_query(req, "sig"), STR("secret")))
        return err_set(err, ERR_DENIED, "no");
    reply->content_type = STR("application/xml");
    for (size_t i = 0; i < COUNT_OF(pages); i++)
        if (str_eq(req_query(req, "prefix"), str_from(pages[i].prefix)) && str_eq(req_query(req, "marker"), str_from(pages[i].marker))) {
            buf_printf(&reply->body, "<EnumerationResults><Blobs>%s</Blobs><NextMarker>%s</NextMarker></EnumerationResults>", pages[i].blobs, pages[i].next);
            return true;
        }
    buf_put_str(&reply->body, STR("<html>not a list</html>"));
    return true;
}

static bool web_blob(Req *req, Reply *reply, Err *err)
{
    if (str_eq(req_param(req, "name"), STR("missing")))
        return err_set(err, ERR_NOT_FOUND, "no");
    if (!str_eq(req_query(req, "sig"), STR("secret")))
        return err_set(err, ERR_DENIED, "no");
    reply->content_type = STR("application/octet-stream");
    buf_printf(&reply->body, "blob " STR_FMT "\n", STR_ARG(req_param(req, "name")));
    return true;
}

static const Route web_routes[] = {
    { METHOD_GET, "/files/{name}",    NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, web_get,  "File" },
    { METHOD_GET, "/box",             NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, web_list, "List" },
    { METHOD_GET, "/box/{name}",      NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, web_blob, "Blob" },
    { METHOD_GET, "/box/sub/{name}",  NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, web_blob, "DeepBlob" },
};
static Plane web_plane = { .name = "web", .host_pattern = "", .default_content_type = "application/octet-stream", .write_error = put_error };

static void start_servers(NodeFixture *fixture)
{
    Err err = { 0 };
    HttpConfig config = { .base_domain = STR("test.localhost"), .io_threads = 1, .worker_threads = 2, .tls_leaf = give_leaf };
    HttpConfig web = { .base_domain = STR(""), .io_threads = 1, .worker_threads = 2, .plain = true };
    if (!http_new(&config, &fixture->server, &err) || !http_mount(fixture->server, &plane, plane_routes, COUNT_OF(plane_routes), fixture, &err) ||
        !http_listen_unix(fixture->server, fixture->card.socket, 0600, &err) || !http_start(fixture->server, &err) ||
        !http_new(&web, &fixture->web, &err) || !http_mount(fixture->web, &web_plane, web_routes, COUNT_OF(web_routes), fixture, &err) ||
        !http_listen_tcp(fixture->web, "127.0.0.1", 0, &fixture->web_port, &err) || !http_start(fixture->web, &err))
        fail_msg("%s", err.text);
}

/* -- the node -- */

/* The marks of runs begin at the same group in every node, so a test of root sees no processes but its own: it is the first of a process
 * namespace, and all in it ends with it. Whose root may not have one shares those of the machine. */
static void live_apart(void)
{
    int status;
    pid_t child;
    if (geteuid() != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
        return;
    (void)fflush(NULL);
    if ((child = fork()) < 0)
        _exit(1);
    if (child == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
            perror("a process namespace of its own");
            _exit(1);
        }
        return;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void node_fixture_main(int argc, char **argv)
{
    log_setup(LOG_ERROR, LOG_KEY_VALUE, "test");
    if (argc == 4 && strcmp(argv[1], "keep") == 0)
        _exit(node_keep(argv[2], argv[3]));
    if (argc == 1)
        live_apart();
}

static void put(NodeFixture *fixture, const char *path, const char *content)
{
    Err err = { 0 };
    const char *whole = str_printf(fixture->arena, "%s%s", fixture->dir, path).ptr;
    if (!file_replace(whole, bytes_of(str_from(content)), 0644, (uid_t)-1, (gid_t)-1, &err))
        fail_msg("%s", err.text);
}

void node_fixture_start(NodeFixture *fixture)
{
    static const char *const dirs[] = { "/run/vaultyard/site", "/etc", "/home", "/mnt/batch", NODE_STATE_DIR };
    static char program[4096];
    Err err = { 0 };
    *fixture = (NodeFixture){ .arena = arena_new(ARENA), .dir = "/tmp/vaultyard-node-XXXXXX", .program = program };
    assert_non_null(fixture->arena);
    (void)umask(022);                                               /* a node has this one from the container runtime, whatever ours is */
    assert_non_null(mkdtemp(fixture->dir));
    assert_int_equal(chmod(fixture->dir, 0755), 0);                 /* tasks of other users live below */
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    for (size_t i = 0; i < COUNT_OF(dirs); i++)
        assert_true(dir_make(str_printf(fixture->arena, "%s%s", fixture->dir, dirs[i]).ptr, 0755, &err));
    put(fixture, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    put(fixture, "/etc/group", "root:x:0:\nusers:x:100:\n");
    put(fixture, "/etc/shadow", "root:*:19000:0:99999:7:::\n");
    put(fixture, NODE_STATE_DIR "/credential", credential);
    put(fixture, NODE_JOIN_FILE,
        str_printf(fixture->arena, "{\"version\":1,\"nodeId\":\"node1\",\"hostName\":\"host1\",\"joinToken\":\"x\",\"domain\":\"test.localhost\",\"port\":8443,"
                   "\"socket\":\"%s/site.sock\",\"caFile\":\"%s/ca.pem\"}", fixture->dir, fixture->dir).ptr);
    (void)pthread_mutex_init(&fixture->lock, NULL);
    (void)pthread_cond_init(&fixture->changed, NULL);
    if (!node_places(fixture->arena, fixture->dir, &fixture->places, &err) || !node_card_read(fixture->arena, &fixture->places, &fixture->card, &err) ||
        !control_load(&fixture->card, &err))
        fail_msg("%s", err.text);
    make_leaf(fixture, fixture->card.ca_file);
    start_servers(fixture);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);         /* keepers come to us, as to a node's first process */
}

/* Keepers may take a moment to go after they wrote the end. */
static void reap_all(void)
{
    int64_t until = mono_now_ms() + NODE_WAIT_MS;
    for (;;) {
        pid_t ended = waitpid(-1, NULL, WNOHANG);
        if (ended < 0 && errno == ECHILD)
            return;
        assert_true(mono_now_ms() < until);
        if (ended == 0)
            usleep(2000);
    }
}

void node_fixture_stop(NodeFixture *fixture)
{
    Err err = { 0 };
    int count = 0;
    reap_all();
    for (int slot = 0; geteuid() == 0 && slot < 8; slot++) {
        assert_true(processes_signal(&(RunProcesses){ .mark = users_mark(slot) }, SIGKILL, &count, &err));
        assert_int_equal(count, 0);
    }
    http_stop(fixture->server, 1000);
    http_stop(fixture->web, 1000);
    if (!dir_remove_tree(fixture->dir, &err))
        fail_msg("%s", err.text);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
    arena_free(fixture->arena);
}

Runs *node_fixture_runs(NodeFixture *fixture)
{
    Runs *runs;
    Err err = { 0 };
    RunsConfig config = { .places = &fixture->places, .card = &fixture->card, .program = fixture->program };
    if (!runs_start(&config, &runs, &err))
        fail_msg("%s", err.text);
    runs_describe(runs, &(RunNode){ STR("node1"), STR("account1"), STR("https://account1.local.batch.test.localhost:8443"), STR("pool1"), true });
    runs_lease(runs, boot_now_ms() + LONG_LEASE_MS);
    return runs;
}

int node_fixture_start_as_root(void **state, NodeFixture *fixture, Runs **runs)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    node_fixture_start(fixture);
    *runs = node_fixture_runs(fixture);
    return 0;
}

int node_fixture_stop_as_root(void **state, NodeFixture *fixture, Runs *runs)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    runs_stop(runs);
    node_fixture_stop(fixture);
    return 0;
}

Str node_run_id(NodeFixture *fixture)
{
    (void)fixture;
    static char ids[64][RUN_ID_DIGITS + 1];
    static int next;
    uint8_t random[RUN_ID_DIGITS / 2];
    char *id = ids[next++ % 64];
    random_fill(random, sizeof random);
    for (int i = 0; i < RUN_ID_DIGITS / 2; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", random[i]);
    return str_from(id);
}

const JsonVal *node_run(NodeFixture *fixture, Str run_id, const char *task, const char *command_line, const char *more)
{
    AUTO(buf_done_auto) Buf line = { 0 };
    JsonWriter w;
    const JsonVal *run;
    Err err = { 0 };
    buf_init(&line, 1 << 20);
    json_begin(&w, &line);
    json_put_str(&w, NULL, str_from(command_line));
    assert_true(json_end(&w, &err));
    pthread_mutex_lock(&fixture->lock);
    Str text = str_printf(fixture->arena, "{\"runId\":\"" STR_FMT "\",\"kind\":\"task\",\"jobId\":\"job1\",\"taskId\":\"%s\",\"directory\":\"workitems/job1/job-1/%s\",\"commandLine\":" STR_FMT "%s}",
                          STR_ARG(run_id), task, task, STR_ARG(buf_str(&line)), more);
    bool is_good = json_parse(fixture->arena, text, JSON_STRICT, &run, &err);
    pthread_mutex_unlock(&fixture->lock);
    if (!is_good)
        fail_msg("%s", err.text);
    return run;
}

static const NodeReport *find_report(const NodeFixture *fixture, Str run_id, const char *state)
{
    for (size_t i = 0; i < fixture->report_count; i++)
        if (str_eq(str_from(fixture->reports[i].run_id), run_id) &&
            (state[0] ? strcmp(fixture->reports[i].state, state) == 0 : strcmp(fixture->reports[i].state, "running") != 0))
            return &fixture->reports[i];
    return NULL;
}

const JsonVal *node_wait_report(NodeFixture *fixture, Str run_id, const char *state)
{
    const JsonVal *body = NULL;
    const NodeReport *report;
    Err err = { 0 };
    int64_t until = real_now_ms() + NODE_WAIT_MS;
    struct timespec due = { .tv_sec = until / 1000 };
    pthread_mutex_lock(&fixture->lock);
    while (!(report = find_report(fixture, run_id, state)) && pthread_cond_timedwait(&fixture->changed, &fixture->lock, &due) == 0)
        continue;
    if (report && !json_parse(fixture->arena, report->body, JSON_STRICT, &body, &err))
        body = NULL;
    pthread_mutex_unlock(&fixture->lock);
    if (!body)
        fail_msg("no report '%s' of run " STR_FMT, state, STR_ARG(run_id));
    return body;
}

const JsonVal *node_wait_end(NodeFixture *fixture, Str run_id) { return node_wait_report(fixture, run_id, ""); }

size_t node_reports(NodeFixture *fixture, Str run_id, const char *state)
{
    size_t count = 0;
    pthread_mutex_lock(&fixture->lock);
    for (size_t i = 0; i < fixture->report_count; i++)
        count += str_eq(str_from(fixture->reports[i].run_id), run_id) && strcmp(fixture->reports[i].state, state) == 0;
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

void node_command(NodeFixture *fixture, const char *json)
{
    pthread_mutex_lock(&fixture->lock);
    assert_true(fixture->command_count < COUNT_OF(fixture->commands));
    fixture->commands[fixture->command_count++] = str_dup(fixture->arena, str_from(json));
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static size_t find_result(const NodeFixture *fixture, const char *command_id)
{
    size_t at = 0;
    while (at < fixture->result_count && !str_eq(fixture->results[at].id, str_from(command_id)))
        at++;
    return at;
}

const JsonVal *node_wait_result(NodeFixture *fixture, const char *command_id)
{
    const JsonVal *body = NULL;
    Err err = { 0 };
    int64_t until = real_now_ms() + NODE_WAIT_MS;
    struct timespec due = { .tv_sec = until / 1000 };
    size_t at;
    pthread_mutex_lock(&fixture->lock);
    while ((at = find_result(fixture, command_id)) == fixture->result_count && pthread_cond_timedwait(&fixture->changed, &fixture->lock, &due) == 0)
        continue;
    if (at < fixture->result_count && !json_parse(fixture->arena, fixture->results[at].body, JSON_STRICT, &body, &err))
        body = NULL;
    pthread_mutex_unlock(&fixture->lock);
    if (!body)
        fail_msg("no result of command %s", command_id);
    return body;
}

size_t node_results(NodeFixture *fixture, const char *command_id)
{
    size_t count = 0;
    pthread_mutex_lock(&fixture->lock);
    for (size_t i = 0; i < fixture->result_count; i++)
        count += str_eq(fixture->results[i].id, str_from(command_id));
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

const char *node_path(NodeFixture *fixture, const char *path)
{
    pthread_mutex_lock(&fixture->lock);
    const char *whole = str_printf(fixture->arena, "%s/%s", fixture->places.tasks_dir, path).ptr;
    pthread_mutex_unlock(&fixture->lock);
    return whole;
}

Str node_file(NodeFixture *fixture, const char *path)
{
    Str text = STR("");
    Err err = { 0 };
    const char *whole = node_path(fixture, path);
    pthread_mutex_lock(&fixture->lock);
    bool is_there = file_read(fixture->arena, whole, 1 << 20, &text, &err);
    pthread_mutex_unlock(&fixture->lock);
    if (!is_there)
        fail_msg("%s", err.text);
    return text;
}

bool node_wait_file(NodeFixture *fixture, const char *path)
{
    struct stat st;
    const char *whole = node_path(fixture, path);
    for (int64_t until = mono_now_ms() + NODE_WAIT_MS; mono_now_ms() < until; usleep(2000))
        if (stat(whole, &st) == 0 && st.st_size > 0)
            return true;
    return false;
}
