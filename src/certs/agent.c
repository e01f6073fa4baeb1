/* agent.c - rounds over the observed certificates: all of them on the poll timer, those that changed when a vault says so, those that failed
 * after a pause.
 *
 * Poll times are object time (real time plus the node's development shift), so a shifted clock makes polls due at once. Pauses between tries,
 * token lifetimes and parked requests are real time. One thread: between rounds the process sleeps in one http_wait. */
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
#include "certs/listen.h"
#include "certs/state.h"
#include "certs/status.h"

enum { SETTINGS_MAX_BYTES = 1024 * 1024, ROUND_ARENA_BYTES = 8 * 1024 * 1024, INITIAL_TRIES = 25, BACKOFF_MAX_MS = 10000, RETRY_MIN_MS = 5000, RETRY_MAX_MS = 60000 };

typedef struct CertAgent {
    const CertAgentConfig *config;
    CertSettings settings;
    Fetcher *fetcher;
    Listeners listeners;
    Tracked *tracked;               /* one an observed certificate, in their order */
    HookRun hook;
    char state_path[4096];          /* "": none */
    bool is_notified;               /* systemd was told that we are ready */
    size_t listening;               /* as the state file says */
    int tries;                      /* rounds with failures, one after the other */
    int64_t poll_at_ms, retry_at_ms;    /* object time; real time, INT64_MAX: nothing failed */
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

/* The vault is right about which version is current, with one exception: it no longer knows the one that is here, which is newer and good.
 * Then it was set back (restored from a backup), and what it lost stays until it has something that is not older, or ours has expired. */
static bool is_set_back(CertAgent *agent, Arena *arena, const Observed *observed, const Fetched *fetched, Err *err)
{
    Installed have = installed_read(arena, observed);
    bool is_known = true;
    if (observed->pinned.len || !have.version.len || str_eq(have.version, fetched->version) || have.not_before_ms <= fetched->leaf.not_before_ms ||
        have.not_after_ms <= object_now(agent) || !installed_version(arena, observed).len)
        return false;
    if (!fetch_knows_version(agent->fetcher, arena, &agent->settings, observed, have.version, &is_known, err))
        return true;
    if (is_known)
        return false;
    (void)err_set(err, ERR_CONFLICT, "vault '" STR_FMT "' no longer knows version " STR_FMT " of '" STR_FMT "', which is here, and offers an older one; the newer stays while it is valid",
                  STR_ARG(observed->vault), STR_ARG(have.version), STR_ARG(observed->name));
    return true;
}

static void write_state(CertAgent *agent)
{
    Err err = { 0 };
    StateView view = { .settings = &agent->settings, .tracked = agent->tracked, .hook = &agent->hook, .started_ms = agent->started_ms, .now_ms = real_now_ms(),
                       .next_poll_ms = agent->poll_at_ms - agent->offset_ms, .retry_ms = agent->retry_at_ms, .is_synced = agent->synced,
                       .listening = listeners_active(&agent->listeners) };
    if (agent->config->dry_run)
        return;
    if ((agent->state_path[0] && !state_write(agent->state_path, &view, &err)) ||
        (agent->config->metrics_path && !metrics_write(agent->config->metrics_path, &view, &err)))
        log_event(LOG_ERROR, "certs.state_not_written", log_cstr("error", err.text));
}

/* The hook is owed from before the link moves, on disk as well: whoever kills us in between, the next process runs it. */
static bool install_and_owe(CertAgent *agent, Arena *arena, const Observed *observed, const Fetched *fetched, bool *changed, Err *err)
{
    HookRun *hook = &agent->hook;
    bool was_pending = hook->is_pending, moves = !str_eq(installed_version(arena, observed), fetched->version);
    if (moves && agent->settings.hook.word_count && !was_pending) {
        hook->is_pending = true;
        write_state(agent);
    }
    bool done = install_certificate(arena, observed, fetched, changed, err);
    hook->is_pending = was_pending;
    if (*changed && agent->settings.hook.word_count)
        hook_ask(hook, str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(observed->store_dir), STR_ARG(observed->link_name)));
    return done;
}

static bool sync_one(CertAgent *agent, Arena *arena, const Observed *observed, Tracked *tracked, Err *err)
{
    Fetched fetched = { 0 };
    if (!fetch_current(agent->fetcher, arena, &agent->settings, observed, &fetched, err))
        return false;
    bool changed = false;
    bool done = install_check(arena, observed, &fetched, object_now(agent), err) && !is_set_back(agent, arena, observed, &fetched, err);
    if (done && agent->config->dry_run)
        done = say_plan(arena, observed, &fetched);
    else if (done)
        done = install_and_owe(agent, arena, observed, &fetched, &changed, err);
    Installed have = installed_read(arena, observed);
    (void)snprintf(tracked->version, sizeof tracked->version, STR_FMT, STR_ARG(have.version));
    tracked->not_before_ms = have.not_before_ms;
    tracked->not_after_ms = have.not_after_ms;
    if (done && changed)
        log_event(LOG_INFO, "certs.installed", log_str("vault", observed->vault), log_str("name", observed->name), log_str("version", fetched.version));
    fetched_done(&fetched);
    return done;
}

static size_t failed_count(const CertAgent *agent)
{
    size_t failed = 0;
    for (size_t i = 0; i < agent->settings.observed_count; i++)
        failed += agent->tracked[i].is_failed;
    return failed;
}

static bool is_any_due(const CertAgent *agent)
{
    for (size_t i = 0; i < agent->settings.observed_count; i++)
        if (agent->tracked[i].is_due)
            return true;
    return false;
}

static void run_round(CertAgent *agent)
{
    for (size_t i = 0; i < agent->settings.observed_count; i++) {
        Tracked *tracked = &agent->tracked[i];
        if (!tracked->is_due)
            continue;
        AUTO(arena_free_auto) Arena *arena = arena_new(ROUND_ARENA_BYTES);
        Err err = { 0 };
        tracked->is_due = false;
        tracked->is_failed = !arena || !sync_one(agent, arena, &agent->settings.observed[i], tracked, &err);
        tracked->try_ms = real_now_ms();
        tracked->failing_since_ms = !tracked->is_failed ? 0 : tracked->failing_since_ms ? tracked->failing_since_ms : tracked->try_ms;
        if (!tracked->is_failed)
            tracked->success_ms = tracked->try_ms;
        (void)snprintf(tracked->reason, sizeof tracked->reason, "%s", tracked->is_failed ? err.text : "");
        if (tracked->is_failed)
            log_event(LOG_WARN, "certs.sync_failed", log_str("url", agent->settings.observed[i].base_url), log_cstr("error", err.text));
    }
    bool failed = failed_count(agent) != 0;
    agent->synced = agent->synced || !failed;
    agent->tries = failed ? agent->tries + 1 : 0;
}

static void say_ready(CertAgent *agent)
{
    if (!agent->is_notified)
        notify_systemd("READY=1\nSTATUS=Certificates are watched.");
    agent->is_notified = true;
}

static void report(CertAgent *agent)
{
    bool waiting = agent->settings.require_initial_sync && !agent->synced;
    const char *reason = "";
    for (size_t i = 0; i < agent->settings.observed_count && !*reason; i++)
        reason = agent->tracked[i].reason;
    say_status(agent, failed_count(agent) == 0 ? SERVICE_RUNNING
                      : !waiting ? SERVICE_RUNNING_BEHIND
                      : agent->tries < INITIAL_TRIES ? SERVICE_SYNCING : SERVICE_SYNC_FAILED, reason);
    if (!waiting)
        say_ready(agent);
}

/* 0 up to `most_ms`, so that machines started together do not ask together. */
static int64_t chance_ms(int64_t most_ms)
{
    uint32_t drawn;
    random_fill(&drawn, sizeof drawn);
    return most_ms > 0 ? drawn % (most_ms + 1) : 0;
}

/* Pause before what failed is tried again. Each failure of the initial sync waits a quarter longer; after that it comes
 * sooner than the next poll, but never in a hot loop. */
static int64_t retry_pause_ms(const CertAgent *agent)
{
    if (!agent->synced && agent->tries < INITIAL_TRIES) {
        double pause = (double)agent->settings.initial_backoff_ms;
        for (int i = 1; i < agent->tries && pause < BACKOFF_MAX_MS; i++)
            pause *= 1.25;
        return pause < BACKOFF_MAX_MS ? (int64_t)pause : BACKOFF_MAX_MS;
    }
    int64_t retry = agent->settings.poll_s * 1000 / 10;
    return retry < RETRY_MIN_MS ? RETRY_MIN_MS : retry > RETRY_MAX_MS ? RETRY_MAX_MS : retry;
}

static void set_due(CertAgent *agent, bool only_failed)
{
    for (size_t i = 0; i < agent->settings.observed_count; i++)
        agent->tracked[i].is_due = agent->tracked[i].is_due || !only_failed || agent->tracked[i].is_failed;
}

static void on_changed(void *ctx, Str vault_url, Str name)
{
    CertAgent *agent = ctx;
    for (size_t i = 0; i < agent->settings.observed_count; i++) {
        const Observed *observed = &agent->settings.observed[i];
        if (str_eq(observed->vault_url, vault_url) && (!name.ptr || str_eq_nocase(observed->name, name)))
            agent->tracked[i].is_due = true;
    }
}

static int until_ms(int64_t left_ms) { return left_ms <= 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms; }

/* Sleeps until something is due: a poll, a repetition, a change that a vault tells. The poll's time is object time, so the clock file is
 * watched meanwhile. false: told to stop. */
static bool wait_until_due(CertAgent *agent)
{
    Err err = { 0 };
    for (;;) {
        int64_t listen_at_ms = listeners_step(&agent->listeners, on_changed, agent), hook_at_ms;
        size_t listening = listeners_active(&agent->listeners);
        bool hook_ran = agent->hook.pid > 0;
        hook_at_ms = hook_step(&agent->hook, &agent->settings.hook);
        if (hook_ran != (agent->hook.pid > 0) || listening != agent->listening)
            write_state(agent);
        agent->listening = listening;
        if (object_now(agent) >= agent->poll_at_ms)
            set_due(agent, false);
        if (real_now_ms() >= agent->retry_at_ms)
            set_due(agent, true);
        struct pollfd fds[2 + HOOK_FDS] = { { .fd = agent->signals, .events = POLLIN } };
        size_t count = 1;
        if (agent->watch >= 0)
            fds[count++] = (struct pollfd){ .fd = agent->watch, .events = POLLIN };
        count += hook_fds(&agent->hook, fds + count);
        int wait_ms = is_any_due(agent) ? 0 : until_ms(agent->poll_at_ms - object_now(agent));
        if (agent->retry_at_ms != INT64_MAX && until_ms(agent->retry_at_ms - real_now_ms()) < wait_ms)
            wait_ms = until_ms(agent->retry_at_ms - real_now_ms());
        if (hook_at_ms != INT64_MAX && until_ms(hook_at_ms - mono_now_ms()) < wait_ms)
            wait_ms = until_ms(hook_at_ms - mono_now_ms());
        if (listen_at_ms != INT64_MAX && until_ms(listen_at_ms - mono_now_ms()) < wait_ms)
            wait_ms = until_ms(listen_at_ms - mono_now_ms());
        if (!http_wait(fetcher_client(agent->fetcher), fds, count, wait_ms, &err)) {
            log_event(LOG_ERROR, "certs.cannot_wait", log_cstr("error", err.text));
            return false;
        }
        if (fds[0].revents)
            return false;
        if (agent->watch >= 0 && fds[1].revents) {
            char events[4096];
            if (read(agent->watch, events, sizeof events) > 0)
                read_clock(agent);
        }
        if (is_any_due(agent))
            return true;
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

/* For --once: one try. */
static bool run_hook_to_its_end(CertAgent *agent)
{
    HookRun *hook = &agent->hook;
    if (agent->config->dry_run || !hook->is_pending || agent->settings.hook.word_count == 0)
        return true;
    hook->due_ms = 0;
    for (int64_t at_ms = hook_step(hook, &agent->settings.hook); hook->pid > 0; at_ms = hook_step(hook, &agent->settings.hook)) {
        struct pollfd fds[HOOK_FDS];
        size_t count = hook_fds(hook, fds);
        if (poll(fds, count, until_ms(at_ms - mono_now_ms())) < 0 && errno != EINTR)
            return false;
    }
    return hook->was_good;
}

static int run_until_told(CertAgent *agent)
{
    set_due(agent, false);
    for (;;) {
        if (object_now(agent) >= agent->poll_at_ms) {
            agent->poll_at_ms = object_now(agent) + agent->settings.poll_s * 1000 - chance_ms(agent->settings.jitter_s * 1000);
            listeners_prepare(&agent->listeners);
        }
        run_round(agent);
        agent->retry_at_ms = failed_count(agent) ? real_now_ms() + retry_pause_ms(agent) : INT64_MAX;
        report(agent);
        if (agent->config->once) {
            bool good = run_hook_to_its_end(agent);
            write_state(agent);
            return failed_count(agent) != 0 || !good;
        }
        write_state(agent);
        if (!wait_until_due(agent))
            return 0;
    }
}

static void find_state_path(CertAgent *agent)
{
    const char *status = agent->config->status_path, *slash = status ? strrchr(status, '/') : NULL;
    if (agent->config->state_path)
        (void)snprintf(agent->state_path, sizeof agent->state_path, "%s", agent->config->state_path);
    else if (status)
        (void)snprintf(agent->state_path, sizeof agent->state_path, "%.*sstate.json", slash ? (int)(slash - status) + 1 : 0, status);
}

int cert_agent_run(const CertAgentConfig *config)
{
    CertAgent agent = { .config = config, .started_ms = real_now_ms(), .signals = -1, .watch = -1, .retry_at_ms = INT64_MAX };
    hook_init(&agent.hook);
    AUTO(arena_free_auto) Arena *arena = arena_new(4 * SETTINGS_MAX_BYTES);
    Str text;
    Err err = { 0 };
    if (!arena)
        return 1;
    if (!file_read(arena, config->settings_path, SETTINGS_MAX_BYTES, &text, &err) || !settings_read(arena, text, &agent.settings, &err) ||
        !sign_in_complete(arena, &agent.settings.sign_in, &err)) {
        log_event(LOG_ERROR, "certs.settings_unusable", log_cstr("error", err.text));
        say_status(&agent, SERVICE_BAD_SETTINGS, err.text);
        return 2;
    }
    /* What the command line says goes first: it is what somebody typed just now. */
    const char *ca_file = config->ca_file ? config->ca_file : agent.settings.ca_file.ptr ? str_to_cstr(arena, agent.settings.ca_file, &err) : NULL;
    const char *proxy = agent.settings.proxy.ptr ? str_to_cstr(arena, agent.settings.proxy, &err) : NULL;
    if (!catch_signals(&agent) || !watch_clock(&agent) || !fetcher_new(ca_file, proxy, &agent.fetcher, &err) ||
        (!config->once && !listeners_new(agent.fetcher, &agent.settings, ca_file, proxy, &agent.listeners, &err))) {
        log_event(LOG_ERROR, "certs.not_started", log_cstr("error", err.text));
        return 1;
    }
    agent.tracked = ARENA_ARRAY(arena, Tracked, agent.settings.observed_count + 1);
    if (!agent.tracked)
        return 1;
    find_state_path(&agent);
    if (agent.settings.hook.word_count && agent.state_path[0] && state_hook_is_pending(agent.state_path))
        hook_ask(&agent.hook, STR_NONE);
    read_clock(&agent);
    if (!agent.settings.require_initial_sync)
        say_status(&agent, SERVICE_RUNNING, "");             /* polling has begun, whether or not certificates are there yet */
    log_event(LOG_INFO, "certs.started", log_int("observed", (int64_t)agent.settings.observed_count), log_int("poll_s", agent.settings.poll_s));

    int code = run_until_told(&agent);
    notify_systemd("STOPPING=1");
    if (agent.hook.pid > 0) {
        hook_stop(&agent.hook);
        write_state(&agent);                                 /* the next process runs it again */
    }
    listeners_done(&agent.listeners);
    fetcher_free(agent.fetcher);
    fd_close(&agent.signals);
    fd_close(&agent.watch);
    return code;
}
