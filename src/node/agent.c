/* agent.c - the agent's one loop: the lease, and whatever should make it be renewed before its time. */
#include "node/agent.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "node/boot.h"
#include "node/commands.h"
#include "node/extension.h"
#include "node/metadata.h"
#include "node/relay.h"

enum { LEASE_DEFAULT_MS = 30000, RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000, PORTS_MAX = 32 };

typedef struct Agent {
    Arena *arena;                       /* for the agent's life */
    NodeCard card;
    Str boot_id;
    Control *control;
    Relay *relay;
    Metadata *metadata;
    Commands *commands;
    Extensions *extensions;
    int signals, wake;
    _Atomic bool leaving;
    int ports[PORTS_MAX];
    size_t port_count;
    int64_t lease_ms, next_lease_ms, retry_ms;      /* monotonic */
} Agent;

static void on_command(void *ctx, Str kind)
{
    Agent *agent = ctx;
    uint64_t one = 1;
    if (str_eq(kind, STR("stop")))
        atomic_store(&agent->leaving, true);
    if (write(agent->wake, &one, sizeof one) < 0)
        log_event(LOG_WARN, "node.wake_failed");
}

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

static void lease_body(Agent *agent, Arena *arena, Buf *body, JsonWriter *w)
{
    Str reason = STR_NONE;
    ExtensionsState state = extensions_state(agent->extensions, arena, &reason);
    buf_init(body, 1024 * 1024);
    json_begin(w, body);
    json_open(w, NULL);
    json_put_str(w, "state", state == EXTENSIONS_READY ? STR("idle") : state == EXTENSIONS_WAITING ? STR("starting") : STR("unusable"));
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
    json_close(w);
}

static bool lease_take(Agent *agent, const JsonVal *root, Err *err)
{
    int64_t lease_ms = json_int(json_get(root, "leaseMs"), LEASE_DEFAULT_MS);
    agent->lease_ms = lease_ms < 1000 ? 1000 : lease_ms > 600000 ? 600000 : lease_ms;
    write_clock(json_int(json_get(root, "clockOffsetMs"), 0));
    const JsonVal *ports = json_get(root, "ports");
    for (size_t i = 0; i < json_count(ports); i++)
        open_port(agent, json_int(json_at(ports, i), 0));
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
    lease_body(agent, arena, &body, &w);
    return json_end(&w, err) && control_call(agent->control, arena, STR("/v1/lease"), buf_str(&body), 10000, &answer, err) &&
           json_parse(arena, answer.body, JSON_STRICT, &root, err) && lease_take(agent, root, err);
}

static void lease_renew(Agent *agent)
{
    Err err = { 0 };
    if (lease_once(agent, &err)) {
        agent->retry_ms = 0;
        agent->next_lease_ms = mono_now_ms() + agent->lease_ms / 3;
        return;
    }
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
    if (fds[2].revents) {
        extensions_watched(agent->extensions);
        if (agent->retry_ms == 0)
            agent->next_lease_ms = 0;
    }
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

static bool start_parts(Agent *agent, const char *program_dir, Err *err)
{
    if (!node_card_read(agent->arena, NODE_JOIN_FILE, &agent->card, err) || !boot_id_get(agent->arena, NODE_BOOT_FILE, &agent->boot_id, err) || !catch_signals(agent, err) ||
        !metadata_start(&agent->card, &agent->metadata, err) || !extensions_new(program_dir, &agent->extensions, err) ||
        !control_new(&agent->card, &agent->control, err))
        return false;
    if (agent->card.socket) {
        if (!relay_start(agent->card.socket, &agent->relay, err))
            return false;
        open_port(agent, agent->card.port);
    }
    return true;
}

int node_agent_run(const char *program_dir)
{
    Agent agent = { .arena = arena_new(1024 * 1024), .signals = -1, .wake = -1, .lease_ms = LEASE_DEFAULT_MS };
    Err err = { 0 };
    int code = 1;
    if (!agent.arena || !start_parts(&agent, program_dir, &err)) {
        log_event(LOG_ERROR, "node.not_started", log_cstr("error", err.text));
    } else if (join_until_done(&agent)) {
        log_event(LOG_INFO, "node.joined", log_str("node", agent.card.node_id));
        agent.retry_ms = 0;
        if (!commands_start(&agent.card, on_command, &agent, &agent.commands, &err))
            log_event(LOG_ERROR, "node.no_commands", log_cstr("error", err.text));
        do {
            if (mono_now_ms() >= agent.next_lease_ms)
                lease_renew(&agent);
        } while (!wait_for_event(&agent));
        code = 0;
    }
    commands_stop(agent.commands);
    extensions_free(agent.extensions);
    metadata_stop(agent.metadata);
    relay_stop(agent.relay);
    control_free(agent.control);
    fd_close(&agent.signals);
    fd_close(&agent.wake);
    arena_free(agent.arena);
    return code;
}
