/* agent.c - rounds over the observed certificates, on the poll timer.
 *
 * Poll times are object time (real time plus the node's development shift), so a shifted clock makes polls due at once.
 * Pauses between tries and token lifetimes are real time. Between rounds the process sleeps in one poll(2). */
#include "certs/agent.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "certs/install.h"
#include "certs/status.h"

enum { SETTINGS_MAX_BYTES = 1024 * 1024, ROUND_ARENA_BYTES = 8 * 1024 * 1024, INITIAL_TRIES = 25, BACKOFF_MAX_MS = 10000, RETRY_MIN_MS = 5000 };

typedef struct Round { size_t current, failed; char reason[800]; } Round;

typedef struct CertAgent {
    const CertAgentConfig *config;
    CertSettings settings;
    Fetcher *fetcher;
    int signals, watch;             /* descriptors; watch -1: no clock file */
    int64_t offset_ms, started_ms;
    bool synced;                    /* every observed certificate was current once */
} CertAgent;

static int64_t object_now(const CertAgent *agent) { return real_now_ms() + agent->offset_ms; }

static void read_clock(CertAgent *agent)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(16 * 1024);
    Str text;
    Err ignored;
    int64_t offset = 0;
    if (arena && agent->config->clock_path && file_read(arena, agent->config->clock_path, 64, &text, &ignored) &&
        str_to_int64(str_trim(text), 0, INT64_MAX / 2, &offset, &ignored))
        agent->offset_ms = offset;
}

static void say_status(const CertAgent *agent, ServiceState state, const char *reason)
{
    Err err = { 0 };
    if (agent->config->status_path && !agent->config->dry_run && !status_write(agent->config->status_path, state, str_from(reason), agent->started_ms, real_now_ms(), &err))
        log_event(LOG_ERROR, "certs.status_not_written", log_cstr("error", err.text));
}

/* --dry-run: the answer on standard output. */
static bool say_plan(Arena *arena, const Observed *observed, const Fetched *fetched)
{
    Str have = installed_version(arena, observed);
    (void)printf(STR_FMT "/" STR_FMT ": ", STR_ARG(observed->store_dir), STR_ARG(observed->link_name));
    if (str_eq(have, fetched->version))
        (void)printf("version " STR_FMT " is there\n", STR_ARG(have));
    else
        (void)printf("version " STR_FMT " would replace " STR_FMT "\n", STR_ARG(fetched->version), STR_ARG(have.len ? have : STR("nothing")));
    return true;
}

static bool sync_one(CertAgent *agent, Arena *arena, const Observed *observed, Err *err)
{
    Fetched fetched = { 0 };
    if (!fetch_current(agent->fetcher, arena, &agent->settings, observed, &fetched, err))
        return false;
    bool changed = false;
    bool done;
    if (fetched.leaf.not_after_ms <= object_now(agent))
        done = err_set(err, ERR_CONFLICT, "the current version of '" STR_FMT "' in vault '" STR_FMT "' has expired; what is on disk stays until a valid one appears",
                       STR_ARG(observed->name), STR_ARG(observed->vault));
    else if (agent->config->dry_run)
        done = say_plan(arena, observed, &fetched);
    else
        done = install_certificate(arena, observed, &fetched, &changed, err);
    if (done && changed)
        log_event(LOG_INFO, "certs.installed", log_str("vault", observed->vault), log_str("name", observed->name), log_str("version", fetched.version));
    fetched_done(&fetched);
    return done;
}

static Round run_round(CertAgent *agent)
{
    Round round = { 0 };
    for (size_t i = 0; i < agent->settings.observed_count; i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(ROUND_ARENA_BYTES);
        Err err = { 0 };
        if (arena && sync_one(agent, arena, &agent->settings.observed[i], &err)) {
            round.current++;
            continue;
        }
        log_event(LOG_WARN, "certs.sync_failed", log_str("url", agent->settings.observed[i].base_url), log_cstr("error", err.text));
        if (round.failed++ == 0)
            (void)snprintf(round.reason, sizeof round.reason, "%s", err.text);
    }
    agent->synced = agent->synced || round.failed == 0;
    return round;
}

static void report(const CertAgent *agent, const Round *round, int tries)
{
    bool waiting = agent->settings.require_initial_sync && !agent->synced;
    ServiceState state = round->failed == 0 ? SERVICE_RUNNING
                         : !waiting ? SERVICE_RUNNING_BEHIND
                         : tries < INITIAL_TRIES ? SERVICE_SYNCING : SERVICE_SYNC_FAILED;
    say_status(agent, state, round->reason);
}

/* 0 up to `most_ms`, so that machines started together do not ask together. */
static int64_t chance_ms(int64_t most_ms)
{
    uint32_t drawn;
    random_fill(&drawn, sizeof drawn);
    return most_ms > 0 ? drawn % (most_ms + 1) : 0;
}

/* Pause before the next round. Each failure of the initial sync waits a quarter longer; after that a failed round is
 * tried again sooner than the next poll, but never in a hot loop. */
static int64_t pause_ms(const CertAgent *agent, const Round *round, int tries)
{
    if (round->failed == 0)
        return agent->settings.poll_s * 1000 - chance_ms(agent->settings.jitter_s * 1000);
    if (!agent->synced && tries < INITIAL_TRIES) {
        double pause = (double)agent->settings.initial_backoff_ms;
        for (int i = 1; i < tries && pause < BACKOFF_MAX_MS; i++)
            pause *= 1.25;
        return pause < BACKOFF_MAX_MS ? (int64_t)pause : BACKOFF_MAX_MS;
    }
    int64_t retry = agent->settings.poll_s * 1000 / 10;
    return retry < RETRY_MIN_MS ? RETRY_MIN_MS : retry > 60000 ? 60000 : retry;
}

/* Sleeps until the pause is over. A successful round's pause runs in object time, so the clock file is watched meanwhile.
 * false: told to stop. */
static bool wait_for_next(CertAgent *agent, int64_t wait_ms, bool in_object_time)
{
    int64_t due_object = object_now(agent) + wait_ms, due_real = real_now_ms() + wait_ms;
    for (;;) {
        int64_t left = in_object_time ? due_object - object_now(agent) : due_real - real_now_ms();
        if (left <= 0)
            return true;
        struct pollfd fds[2] = { { .fd = agent->signals, .events = POLLIN }, { .fd = agent->watch, .events = POLLIN } };
        int ready = poll(fds, 2, left > INT32_MAX ? INT32_MAX : (int)left);
        if (ready < 0 && errno != EINTR)
            return false;
        if (fds[0].revents)
            return false;
        if (fds[1].revents) {
            char events[4096];
            if (read(agent->watch, events, sizeof events) > 0)
                read_clock(agent);
        }
    }
}

static bool watch_clock(CertAgent *agent)
{
    agent->watch = -1;
    if (!agent->config->clock_path)
        return true;
    char dir[4096];
    const char *slash = strrchr(agent->config->clock_path, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - agent->config->clock_path) : 1, slash ? agent->config->clock_path : ".");
    agent->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return agent->watch >= 0 && inotify_add_watch(agent->watch, dir, IN_MOVED_TO | IN_CLOSE_WRITE) >= 0;
}

static bool catch_signals(CertAgent *agent)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    agent->signals = signalfd(-1, &set, SFD_CLOEXEC);
    return agent->signals >= 0;
}

static int run_until_told(CertAgent *agent)
{
    for (int tries = 1;; tries++) {
        Round round = run_round(agent);
        report(agent, &round, tries);
        if (agent->config->once)
            return round.failed != 0;
        if (round.failed == 0)
            tries = 0;
        if (!wait_for_next(agent, pause_ms(agent, &round, tries), round.failed == 0))
            return 0;
    }
}

int cert_agent_run(const CertAgentConfig *config)
{
    CertAgent agent = { .config = config, .started_ms = real_now_ms(), .signals = -1, .watch = -1 };
    AUTO(arena_free_auto) Arena *arena = arena_new(4 * SETTINGS_MAX_BYTES);
    Str text;
    Err err = { 0 };
    if (!arena)
        return 1;
    if (!file_read(arena, config->settings_path, SETTINGS_MAX_BYTES, &text, &err) || !settings_read(arena, text, &agent.settings, &err)) {
        log_event(LOG_ERROR, "certs.settings_unusable", log_cstr("error", err.text));
        say_status(&agent, SERVICE_BAD_SETTINGS, err.text);
        return 2;
    }
    /* What the command line says goes first: it is what somebody typed just now. */
    const char *ca_file = config->ca_file ? config->ca_file : agent.settings.ca_file.ptr ? str_to_cstr(arena, agent.settings.ca_file, &err) : NULL;
    const char *proxy = agent.settings.proxy.ptr ? str_to_cstr(arena, agent.settings.proxy, &err) : NULL;
    if (!catch_signals(&agent) || !watch_clock(&agent) || !fetcher_new(ca_file, proxy, &agent.fetcher, &err)) {
        log_event(LOG_ERROR, "certs.not_started", log_cstr("error", err.text));
        return 1;
    }
    read_clock(&agent);
    if (!agent.settings.require_initial_sync)
        say_status(&agent, SERVICE_RUNNING, "");             /* polling has begun, whether or not certificates are there yet */
    log_event(LOG_INFO, "certs.started", log_int("observed", (int64_t)agent.settings.observed_count), log_int("poll_s", agent.settings.poll_s));

    int code = run_until_told(&agent);
    fetcher_free(agent.fetcher);
    fd_close(&agent.signals);
    fd_close(&agent.watch);
    return code;
}
