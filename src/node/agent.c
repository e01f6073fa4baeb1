/* agent.c - the agent's one loop: the lease, and whatever should make it be renewed before its time. */
#include "node/agent.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/secret.h"
#include "node/boot.h"
#include "node/commands/commands.h"
#include "node/commands/exec_command.h"
#include "node/commands/extension.h"
#include "node/commands/files.h"
#include "node/lease_mark.h"
#include "node/network/metadata.h"
#include "node/network/relay.h"
#include "node/network/resolver.h"
#include "node/runs/certdir.h"
#include "node/runs/runs.h"

enum { LEASE_DEFAULT_MS = 30000, RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000, PORTS_MAX = 32, FILE_THREADS = 4, DNS_PORT = 53 };

typedef struct Agent {
    Arena *arena;                       /* for the agent's life */
    NodePlaces places;
    const char *program;                /* of keepers */
    NodeCard card;
    Str boot_id;
    Control *control;
    Relay *relay, *way_out;
    Resolver *resolver;                 /* NULL: the node is not a local one, or the port is taken */
    Metadata *metadata;
    Commands *commands;                 /* from the first lease on: runs need to know what it says */
    Extensions *extensions;
    Runs *runs;
    bool asks_certificates;             /* none were given since the machine started */
    char *homes_users;                  /* the lease's users whose homes have their certificates, as text; NULL: none yet */
    int signals, wake;
    _Atomic bool leaving;
    int ports[PORTS_MAX];
    size_t port_count;
    int64_t lease_ms, next_lease_ms, retry_ms;      /* monotonic */
    int64_t lease_number;               /* of the last answer: what we say next was written after it */
} Agent;

/* -- commands: one row, one kind -- */

static void wake(Agent *agent)
{
    uint64_t one = 1;
    if (write(agent->wake, &one, sizeof one) < 0)
        log_event(LOG_WARN, "node.wake_failed");
}

static void take_refresh(void *ctx, const JsonVal *command)
{
    (void)command;
    wake(ctx);
}

static void take_stop(void *ctx, const JsonVal *command)
{
    Agent *agent = ctx;
    (void)command;
    atomic_store(&agent->leaving, true);
    wake(agent);
}

static void take_run(void *ctx, const JsonVal *command) { runs_begin(((Agent *)ctx)->runs, json_get(command, "run")); }

static void take_stop_run(void *ctx, const JsonVal *command)
{
    Str code = json_str(json_get(command, "code")), message = json_str(json_get(command, "message"));
    runs_end(((Agent *)ctx)->runs, json_str(json_get(command, "runId")), code.len ? code : STR("TaskEnded"), message.ptr ? message : STR("The task was ended by user request"));
}

static void take_drop_run(void *ctx, const JsonVal *command) { runs_drop(((Agent *)ctx)->runs, json_str(json_get(command, "runId"))); }

static void work_file(void *ctx, Arena *arena, const JsonVal *command, JsonWriter *result)
{
    const Agent *agent = ctx;
    FileAsk ask;
    FileAnswer answer;
    Err err = { 0 };
    if (files_ask_read(command, &ask, &err))
        files_do(arena, agent->places.tasks_dir, &ask, &answer);
    else
        answer = (FileAnswer){ .error = "InvalidPath", .message = str_from(err.text) };
    files_answer_write(arena, &answer, result);
}

static const CommandKind kinds[] = {
    { .kind = "exec",     .work = exec_command_work, .threads_max = EXECS_MAX, .refuse = exec_command_refuse },
    { .kind = "file",     .work = work_file,         .threads_max = FILE_THREADS },
    { .kind = "refresh",  .take = take_refresh },
    { .kind = "stop",     .take = take_stop },
    { .kind = "run",      .take = take_run },
    { .kind = "stop-run", .take = take_stop_run },
    { .kind = "drop-run", .take = take_drop_run },
};

/* -- the lease -- */

static void open_port(Agent *agent, int64_t port)
{
    Err err = { 0 };
    for (size_t i = 0; i < agent->port_count; i++)
        if (agent->ports[i] == port)
            return;
    if (port < 1 || port > 65535 || agent->port_count == PORTS_MAX)
        return;
    if (!relay_add_port(agent->relay, (int)port, &err)) {
        log_event(LOG_ERROR, "node.relay_failed", log_int("port", port), log_cstr("error", err.text));
        return;
    }
    agent->ports[agent->port_count++] = (int)port;
}

static void write_clock(int64_t offset_ms)
{
    static int64_t written = -1;
    char text[32];
    Err err = { 0 };
    if (offset_ms == written)
        return;
    (void)snprintf(text, sizeof text, "%lld\n", (long long)offset_ms);
    if (file_replace(NODE_CLOCK_FILE, bytes_of(str_from(text)), 0644, (uid_t)-1, (gid_t)-1, &err))
        written = offset_ms;
    else
        log_event(LOG_ERROR, "node.clock_not_written", log_cstr("error", err.text));
}

/* Left out: give us those of this boot. What cannot be read is asked for again. */
static void put_certificates(Agent *agent, JsonWriter *w)
{
    Err err = { 0 };
    if (certdir_write_held(&agent->places, w, &agent->asks_certificates, &err))
        return;
    log_event(LOG_ERROR, "node.certificates_not_read", log_cstr("error", err.text));
    agent->asks_certificates = true;
}

static void lease_body(Agent *agent, Arena *arena, Buf *body, JsonWriter *w)
{
    Str reason = STR_NONE;
    ExtensionsState state = extensions_state(agent->extensions, arena, &reason);
    buf_init(body, 1024 * 1024);
    json_begin(w, body);
    json_open(w, NULL);
    put_certificates(agent, w);
    bool waits = state == EXTENSIONS_WAITING || (state == EXTENSIONS_READY && agent->asks_certificates);
    json_put_str(w, "state", waits ? STR("starting") : state == EXTENSIONS_READY ? STR("idle") : STR("unusable"));
    if (state == EXTENSIONS_FAILED) {
        json_open(w, "reason");
        json_put_str(w, "code", STR("ExtensionFailed"));
        json_put_str(w, "message", reason);
        json_close(w);
    }
    json_put_str(w, "agentVersion", STR(VAULTYARD_VERSION));
    json_put_str(w, "bootId", agent->boot_id);
    extensions_write(agent->extensions, arena, w, "extensions");
    json_open_array(w, "relayPorts");
    for (size_t i = 0; i < agent->port_count; i++)
        json_put_int(w, NULL, agent->ports[i]);
    json_close_array(w);
    if (agent->lease_number)
        json_put_int(w, "lease", agent->lease_number);
    runs_write(agent->runs, w, "runs");
    json_close(w);
}

/* asked_ms: boot time before the request went out, so that our end of the lease is never behind the server's. */
static void lease_take_runs(Agent *agent, const JsonVal *root, int64_t asked_ms)
{
    Str account = json_str(json_get(root, "account")), url = json_str(json_get(root, "accountUrl")), pool = json_str(json_get(root, "pool"));
    RunNode node = { agent->card.node_id, account.ptr ? account : STR(""), url.ptr ? url : STR(""), pool.ptr ? pool : STR(""), json_bool(json_get(root, "dedicated"), true) };
    Err err = { 0 };
    if (!users_apply(&agent->places, json_get(root, "users"), &err))
        log_event(LOG_ERROR, "node.user_not_made", log_cstr("error", err.text));      /* tasks of that user say so */
    runs_describe(agent->runs, &node);
    runs_lease(agent->runs, asked_ms + agent->lease_ms);
    runs_answer(agent->runs, json_get(root, "runs"));
}

/* Before the lease is known to the runs, which look for them. They are left out while the server cannot read them. */
static bool lease_take_certificates(Agent *agent, const JsonVal *root, Err *err)
{
    const JsonVal *list = json_get(root, "certificates");
    if (!agent->asks_certificates || !list)
        return true;
    if (!certdir_keep(&agent->places, list, err))
        return false;
    agent->asks_certificates = false;
    return true;
}

/* The pool's named accounts may come later than its certificates. */
static void lease_take_homes(Agent *agent, const JsonVal *users)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1024 * 1024);
    const char *text = arena && users ? json_text(arena, users).ptr : NULL;
    Err err = { 0 };
    if (!text || agent->asks_certificates || (agent->homes_users && strcmp(text, agent->homes_users) == 0))
        return;
    if (!certdir_make_homes(&agent->places, users, &err)) {
        log_event(LOG_ERROR, "node.certificates_not_in_homes", log_cstr("error", err.text));
        return;                         /* the next lease tries again */
    }
    free(agent->homes_users);
    agent->homes_users = strdup(text);
}

static bool lease_take(Agent *agent, const JsonVal *root, int64_t asked_ms, Err *err)
{
    int64_t lease_ms = json_int(json_get(root, "leaseMs"), LEASE_DEFAULT_MS);
    agent->lease_number = json_int(json_get(root, "lease"), 0);
    agent->lease_ms = lease_ms < 1000 ? 1000 : lease_ms > 600000 ? 600000 : lease_ms;
    if (!lease_take_certificates(agent, root, err))
        return false;
    lease_take_runs(agent, root, asked_ms);
    lease_take_homes(agent, json_get(root, "users"));
    write_clock(json_int(json_get(root, "clockOffsetMs"), 0));
    const JsonVal *ports = json_get(root, "ports");
    for (size_t i = 0; i < json_count(ports); i++)
        open_port(agent, json_int(json_at(ports, i), 0));
    if (agent->resolver)
        resolver_set_domains(agent->resolver, json_get(root, "domains"));
    /* The server cannot read what the pool is set up with just now: everything stays as it is. */
    return json_bool(json_get(root, "suspended"), false) || extensions_apply(agent->extensions, json_get(root, "extensions"), err);
}

/* The first lease tells the extensions; its answer may change what we have to say, so the state after it is told at once. */
static bool lease_once(Agent *agent, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 * 1024 * 1024);
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    HttpAnswer answer;
    const JsonVal *root;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int64_t asked_ms = boot_now_ms();
    lease_body(agent, arena, &body, &w);
    if (!json_end(&w, err) || !control_call(agent->control, arena, STR("/v1/lease"), buf_str(&body), 10000, &answer, err))
        return false;
    bool taken = json_parse(arena, answer.body, JSON_STRICT, &root, err) && lease_take(agent, root, asked_ms, err);
    secret_wipe((void *)(uintptr_t)answer.body.ptr, answer.body.len);      /* certificates with their keys may be in it */
    return taken;
}

/* The node was removed, or somebody else has its credential: nothing here is ours any more. */
static void lease_revoked(Agent *agent)
{
    Err err = { 0 };
    runs_lease(agent->runs, 0);
    if (!extensions_apply(agent->extensions, NULL, &err))
        log_event(LOG_WARN, "node.extensions_not_stopped", log_cstr("error", err.text));
}

static void lease_renew(Agent *agent)
{
    Err err = { 0 };
    bool asked = agent->asks_certificates;
    if (lease_once(agent, &err)) {
        agent->retry_ms = 0;
        agent->next_lease_ms = asked && !agent->asks_certificates ? 0 : mono_now_ms() + agent->lease_ms / 3;
        /* A run that comes before its certificates would not find them. */
        if (!agent->commands && !agent->asks_certificates && !commands_start(&agent->card, kinds, COUNT_OF(kinds), agent, &agent->commands, &err))
            log_event(LOG_ERROR, "node.no_commands", log_cstr("error", err.text));
        return;
    }
    if (err.code == ERR_UNAUTHENTICATED)
        lease_revoked(agent);
    log_event(LOG_WARN, "node.lease_failed", log_cstr("error", err.text));
    uint32_t random;
    random_fill(&random, sizeof random);
    agent->retry_ms = agent->retry_ms == 0 ? RETRY_FIRST_MS : agent->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : agent->retry_ms * 2;
    agent->next_lease_ms = mono_now_ms() + agent->retry_ms / 2 + random % (uint32_t)(agent->retry_ms / 2 + 1);
}

/* true: a signal to end came. */
static bool drain_signals(Agent *agent)
{
    struct signalfd_siginfo info;
    while (read(agent->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            return true;
    return false;
}

/* Waits for signals, status changes and wishes at most until the next lease; true: end. */
static bool wait_for_event(Agent *agent)
{
    int64_t left = agent->next_lease_ms - mono_now_ms(), restart = extensions_tend(agent->extensions);
    if (restart >= 0 && restart < left)
        left = restart;
    struct pollfd fds[3] = { { .fd = agent->signals, .events = POLLIN }, { .fd = agent->wake, .events = POLLIN },
                             { .fd = extensions_watch_fd(agent->extensions), .events = POLLIN } };
    if (poll(fds, COUNT_OF(fds), left < 0 ? 0 : (int)left) < 0 && errno != EINTR)
        return true;
    if (fds[0].revents && drain_signals(agent))
        return true;
    if (fds[1].revents) {
        uint64_t count;
        if (read(agent->wake, &count, sizeof count) == sizeof count && agent->retry_ms == 0)
            agent->next_lease_ms = 0;
    }
    if (extensions_watched(agent->extensions) && agent->retry_ms == 0)
        agent->next_lease_ms = 0;
    return atomic_load(&agent->leaving);
}

static bool catch_signals(Agent *agent, Err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    agent->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    agent->wake = eventfd(0, EFD_CLOEXEC);
    return (agent->signals >= 0 && agent->wake >= 0) || err_errno(err, "cannot wait for signals");
}

/* Until the control plane answers; false: told to end. */
static bool join_until_done(Agent *agent)
{
    for (;;) {
        Err err = { 0 };
        if (control_join(agent->control, &agent->card, &err))
            return true;
        log_event(LOG_WARN, "node.join_failed", log_cstr("error", err.text));
        agent->retry_ms = agent->retry_ms == 0 ? RETRY_FIRST_MS : agent->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : agent->retry_ms * 2;
        struct pollfd fd = { .fd = agent->signals, .events = POLLIN };
        if (poll(&fd, 1, (int)agent->retry_ms) > 0 && drain_signals(agent))
            return false;
    }
}

static bool start_runs(Agent *agent, const char *program_dir, Err *err)
{
    agent->program = str_printf(agent->arena, "%s/vaultyard-node", program_dir).ptr;
    RunsConfig config = { .places = &agent->places, .card = &agent->card, .program = agent->program };
    return agent->program ? runs_start(&config, &agent->runs, err) : err_too_big(err);
}

/* For programs that know no proxy on a Unix socket. A node without the port is as good a node otherwise. */
static bool start_way_out(Agent *agent, Err *err)
{
    Err taken = { 0 };
    if (!relay_start(agent->places.egress_socket, &agent->way_out, err))
        return false;
    if (!relay_add_port(agent->way_out, NODE_EGRESS_PORT, &taken))
        log_event(LOG_ERROR, "node.relay_failed", log_int("port", NODE_EGRESS_PORT), log_cstr("error", taken.text));
    return true;
}

static bool start_parts(Agent *agent, const char *program_dir, Err *err)
{
    if (!node_places(agent->arena, "", &agent->places, err) || !node_card_read(agent->arena, &agent->places, &agent->card, err) ||
        !boot_id_get(agent->arena, NODE_BOOT_FILE, &agent->boot_id, err) || !catch_signals(agent, err) ||
        !metadata_start(&agent->card, &agent->metadata, err) || !extensions_new(program_dir, agent->places.below, &agent->extensions, err) ||
        !control_new(&agent->card, &agent->control, err) || !start_runs(agent, program_dir, err))
        return false;
    if (agent->card.socket) {
        if (!relay_start(agent->card.socket, &agent->relay, err) || !start_way_out(agent, err))
            return false;
        open_port(agent, agent->card.port);
        Err why = { 0 };
        if (!resolver_start(DNS_PORT, &agent->resolver, &why))                /* names below localhost work without it */
            log_event(LOG_WARN, "node.no_resolver", log_cstr("error", why.text));
    }
    return true;
}

int node_agent_run(const char *program_dir)
{
    Agent agent = { .arena = arena_new(1024 * 1024), .signals = -1, .wake = -1, .lease_ms = LEASE_DEFAULT_MS, .asks_certificates = true };
    Err err = { 0 };
    int code = 1;
    if (!agent.arena || !start_parts(&agent, program_dir, &err)) {
        log_event(LOG_ERROR, "node.not_started", log_cstr("error", err.text));
    } else if (join_until_done(&agent)) {
        log_event(LOG_INFO, "node.joined", log_str("node", agent.card.node_id));
        agent.retry_ms = 0;
        do {
            if (mono_now_ms() >= agent.next_lease_ms)
                lease_renew(&agent);
        } while (!wait_for_event(&agent));
        code = 0;
    }
    commands_stop(agent.commands);
    runs_stop(agent.runs);
    extensions_free(agent.extensions);
    metadata_stop(agent.metadata);
    relay_stop(agent.relay);
    relay_stop(agent.way_out);
    resolver_stop(agent.resolver);
    control_free(agent.control);
    fd_close(&agent.signals);
    fd_close(&agent.wake);
    free(agent.homes_users);
    arena_free(agent.arena);
    return code;
}
