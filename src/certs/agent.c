/* agent.c - the certificates that are due are looked at: all of them on the poll timer, one that changed when its vault says so, one that failed
 * after a pause of its own.
 *
 * Poll times are object time (real time plus the node's development shift), so a shifted clock makes polls due at once. Pauses between tries,
 * token lifetimes and parked requests are real time. One thread: all that waits, waits in one http_wait. */
#include "certs/agent.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/watch.h"
#include "certs/loaded.h"
#include "certs/retry.h"
#include "certs/scrape.h"
#include "certs/status.h"

enum { REPORT_WITHIN_MS = 500, STATE_ARENA_BYTES = 32 * 1024 * 1024, REMOVE_ARENA_BYTES = 1024 * 1024 };

typedef enum Watched { WATCHED_CLOCK = 1, WATCHED_SETTINGS = 2 } Watched;

typedef struct CertAgent {
    const CertAgentConfig *config;
    Loaded *loaded;                 /* the settings at work; replaced whole by new ones */
    int64_t loaded_ms;              /* real: since when */
    char refused[sizeof ((Err *)0)->text + 64];     /* why what the file says now is not used; "": it is */
    HookRun hook;
    Scrape *scrape;                 /* NULL: the metrics are not served */
    char state_path[4096];          /* "": none */
    bool is_notified;               /* systemd was told that we are ready */
    size_t listening;               /* as the state file says */
    int64_t report_by_ms;           /* mono: state and status are behind, and are written then; INT64_MAX: they are not */
    int64_t poll_at_ms, poll_by_ms; /* object time; mono: at the latest, should the clock have been set back */
    int signals;                    /* descriptor */
    Watch watch;
    int64_t offset_ms, started_ms;
    uint32_t chance;                /* this agent's share of what pauses leave to chance, of UINT32_MAX: those that lost the same vault do not come back together */
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

/* --dry-run: the answer on standard output. fetched NULL: what is here is current. */
static bool say_plan(Arena *arena, const Observed *observed, const Fetched *fetched)
{
    Str have = installed_version(arena, observed);
    (void)printf(STR_FMT "/" STR_FMT ": ", STR_ARG(observed->store_dir), STR_ARG(observed->link_name));
    if (fetched)
        (void)printf("version " STR_FMT " would replace " STR_FMT "\n", STR_ARG(fetched->version), STR_ARG(have.len ? have : STR("nothing")));
    else
        (void)printf("version " STR_FMT " is there\n", STR_ARG(have));
    return true;
}

static StateView view_of(const CertAgent *agent)
{
    return (StateView){ .settings = &agent->loaded->settings, .tracked = agent->loaded->tracked, .hook = &agent->hook, .started_ms = agent->started_ms, .now_ms = real_now_ms(),
                        .next_poll_ms = agent->poll_at_ms - agent->offset_ms, .is_synced = agent->synced, .listening = listeners_active(&agent->loaded->listeners),
                        .scraped_at = agent->scrape ? scrape_where(agent->scrape) : NULL, .settings_ms = agent->loaded_ms, .settings_error = agent->refused,
                        .left = agent->loaded->left, .left_count = agent->loaded->left_count };
}

static void put_metrics(void *ctx, Buf *text)
{
    StateView view = view_of(ctx);
    metrics_put(text, &view);
}

/* An address that cannot be had is no reason to let certificates grow old: it is said, and tried again with the next poll. */
static void serve_metrics(CertAgent *agent)
{
    Err err = { 0 };
    if (agent->config->once || agent->scrape || !agent->loaded->settings.metrics_listen.len)
        return;
    if (scrape_new(agent->loaded->settings.metrics_listen, &agent->scrape, &err))
        log_event(LOG_INFO, "certs.metrics_served", log_cstr("at", scrape_where(agent->scrape)));
    else
        log_event(LOG_ERROR, "certs.metrics_not_served", log_cstr("error", err.text));
}

static void write_state(CertAgent *agent)
{
    Err err = { 0 };
    StateView view = view_of(agent);
    if (agent->config->dry_run)
        return;
    if ((agent->state_path[0] && !state_write(agent->state_path, &view, &err)) || (agent->loaded->metrics_path && !metrics_write(agent->loaded->metrics_path, &view, &err)))
        log_event(LOG_ERROR, "certs.state_not_written", log_cstr("error", err.text));
}

/* The hook is owed from before the link moves, on disk as well: whoever kills us in between, the next process runs it. */
static bool install_and_owe(CertAgent *agent, Arena *arena, const Observed *observed, const Fetched *fetched, bool *changed, Err *err)
{
    HookRun *hook = &agent->hook;
    bool was_pending = hook->is_pending, moves = !str_eq(installed_version(arena, observed), fetched->version);
    if (moves && agent->loaded->settings.hook.word_count && !was_pending) {
        hook->is_pending = true;
        write_state(agent);
    }
    bool done = install_certificate(arena, observed, fetched, changed, err);
    hook->is_pending = was_pending;
    if (*changed && agent->loaded->settings.hook.word_count)
        hook_ask(hook, str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(observed->store_dir), STR_ARG(observed->link_name)));
    return done;
}

static size_t failed_count(const CertAgent *agent)
{
    size_t failed = 0;
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++)
        failed += agent->loaded->tracked[i].is_failed;
    return failed;
}

static bool is_any_due(const CertAgent *agent)
{
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++)
        if (agent->loaded->tracked[i].is_due)
            return true;
    return false;
}

static int64_t pause_after(const CertAgent *agent, Tracked *tracked, ErrCode why)
{
    const CertSettings *settings = &agent->loaded->settings;
    return retry_pause_ms(&(RetryRule){ .poll_ms = settings->poll_s * 1000, .initial_backoff_ms = settings->initial_backoff_ms, .is_synced = agent->synced,
                                        .chance = agent->chance, .object_now_ms = object_now(agent) }, tracked, why);
}

/* What is due of a vault, unless its change feed has not told yet where it begins. */
static bool next_due(void *ctx, Str vault_url, size_t *index)
{
    CertAgent *agent = ctx;
    if (!listeners_is_ready(&agent->loaded->listeners, vault_url))
        return false;
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++)
        if (agent->loaded->tracked[i].is_due && str_eq(agent->loaded->settings.observed[i].vault_url, vault_url)) {
            agent->loaded->tracked[i].is_due = false;
            *index = i;
            return true;
        }
    return false;
}

/* Puts what was fetched on disk. */
static bool use(CertAgent *agent, const Looked *looked, Err *err)
{
    const Observed *observed = &agent->loaded->settings.observed[looked->index];
    bool changed = false;
    if (agent->config->dry_run)
        return say_plan(looked->arena, observed, looked->fetched);
    if (looked->fetched && !install_and_owe(agent, looked->arena, observed, looked->fetched, &changed, err))
        return false;
    if (changed)
        log_event(LOG_INFO, "certs.installed", log_str("url", observed->base_url), log_str("version", looked->fetched->version));
    return true;
}

/* The vault answers again: what failed because it did not is tried, and waits no longer than at first should it fail once more. */
static void try_failed(CertAgent *agent, Str vault_url, bool only_unreached)
{
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++) {
        Tracked *tracked = &agent->loaded->tracked[i];
        if (tracked->is_failed && (tracked->is_unreached || !only_unreached) && str_eq(agent->loaded->settings.observed[i].vault_url, vault_url)) {
            tracked->is_due = true;
            tracked->pauses = 0;
        }
    }
}

static void on_looked(void *ctx, const Looked *looked)
{
    CertAgent *agent = ctx;
    Tracked *tracked = &agent->loaded->tracked[looked->index];
    Observed *observed = &agent->loaded->settings.observed[looked->index];
    Err err = looked->failed ? *looked->failed : (Err){ 0 };
    tracked->is_failed = looked->failed || !use(agent, looked, &err);
    if (looked->arena) {
        Installed have = installed_read(looked->arena, observed);
        (void)snprintf(tracked->version, sizeof tracked->version, STR_FMT, STR_ARG(have.version));
        tracked->not_before_ms = have.not_before_ms;
        tracked->not_after_ms = have.not_after_ms;
    }
    tracked->try_ms = real_now_ms();
    tracked->tries = tracked->is_failed ? tracked->tries + 1 : 0;
    tracked->pauses = tracked->is_failed ? tracked->pauses : 0;
    tracked->is_unreached = looked->failed && err.code == ERR_UNAVAILABLE;
    if (!looked->failed) {
        listeners_heard(&agent->loaded->listeners, observed->vault_url);
        try_failed(agent, observed->vault_url, true);
    }
    tracked->failing_since_ms = !tracked->is_failed ? 0 : tracked->failing_since_ms ? tracked->failing_since_ms : tracked->try_ms;
    if (!tracked->is_failed) {
        tracked->success_ms = tracked->try_ms;
        observed->must_remake = false;
        memcpy(tracked->mark, observed->mark, sizeof observed->mark);
    }
    int64_t pause_ms = tracked->is_failed ? pause_after(agent, tracked, err.code) : 0;
    tracked->retry_ms = tracked->try_ms + pause_ms;
    tracked->retry_by_ms = mono_now_ms() + pause_ms;
    (void)snprintf(tracked->reason, sizeof tracked->reason, "%s", tracked->is_failed ? err.text : "");
    if (tracked->is_failed)
        log_event(LOG_WARN, "certs.sync_failed", log_str("url", observed->base_url), log_cstr("error", err.text));
}

static void say_ready(CertAgent *agent)
{
    if (!agent->is_notified)
        notify_systemd("READY=1\nSTATUS=Certificates are watched.");
    agent->is_notified = true;
}

/* systemd.service(5), ExecReload: between the two it waits. Before we were ready there is nothing to say. */
static void say_reloads(const CertAgent *agent, bool begins)
{
    char text[300];
    if (begins)
        (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)mono_now_ms() * 1000);
    else
        (void)snprintf(text, sizeof text, "READY=1\nSTATUS=%.200s", agent->refused[0] ? "The changed settings cannot be used, the former stay." : "Certificates are watched.");
    if (agent->is_notified)
        notify_systemd(text);
}

/* Once all that is observed is current, so that a service which was told to use another certificate has it before the former goes. */
static void clean_up(CertAgent *agent)
{
    Loaded *loaded = agent->loaded;
    size_t kept = 0;
    for (size_t i = 0; i < loaded->left_count; i++) {
        AUTO(arena_free_auto) Arena *arena = arena_new(REMOVE_ARENA_BYTES);
        Err err = { 0 };
        if (arena && install_remove(arena, &loaded->left[i], loaded->settings.observed, loaded->settings.observed_count, agent->config->dry_run ? stdout : NULL, &err))
            continue;
        log_event(LOG_ERROR, "certs.not_cleaned_up", log_str("directory", loaded->left[i].store_dir), log_str("link", loaded->left[i].link_name), log_cstr("error", err.text));
        loaded->left[kept++] = loaded->left[i];
    }
    loaded->left_count = kept;
}

static void report(CertAgent *agent)
{
    size_t failed = 0, missing = 0;
    int tries = 0;
    const char *reason = agent->refused;
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++) {
        const Tracked *tracked = &agent->loaded->tracked[i];
        failed += tracked->is_failed;
        missing += tracked->success_ms == 0;
        tries = tracked->tries > tries ? tracked->tries : tries;
        if (!*reason)
            reason = tracked->reason;
    }
    agent->synced = agent->synced || (missing == 0 && failed == 0);
    if (missing == 0 && failed == 0)
        clean_up(agent);
    bool waiting = agent->loaded->settings.require_initial_sync && !agent->synced;
    say_status(agent, !waiting ? failed == 0 && !agent->refused[0] ? SERVICE_RUNNING : SERVICE_RUNNING_BEHIND : tries < INITIAL_TRIES ? SERVICE_SYNCING : SERVICE_SYNC_FAILED, reason);
    if (!waiting)
        say_ready(agent);
}

/* ---- settings ---- */

static bool is_all_carried(const Loaded *loaded)
{
    for (size_t i = 0; i < loaded->settings.observed_count; i++)
        if (!loaded->tracked[i].success_ms)
            return false;
    return true;
}

/* What works by the settings begins anew, with what is known of certificates that stay; a hook that runs goes on. */
static void use_settings(CertAgent *agent, Loaded *fresh)
{
    Loaded *former = agent->loaded;
    bool moves = !str_eq(fresh->settings.metrics_listen, former->settings.metrics_listen);
    agent->loaded = fresh;
    agent->loaded_ms = real_now_ms();
    agent->refused[0] = '\0';
    agent->synced = agent->synced && is_all_carried(fresh);
    agent->listening = 0;
    if (moves) {
        scrape_free(agent->scrape);
        agent->scrape = NULL;
    }
    loaded_free(former);
    agent->poll_at_ms = agent->poll_by_ms = 0;           /* at once: owners, files and directories may be others */
    agent->report_by_ms = fresh->settings.observed_count ? INT64_MAX : 0;
    log_event(LOG_INFO, "certs.settings_applied", log_int("observed", (int64_t)fresh->settings.observed_count), log_int("poll_s", fresh->settings.poll_s));
}

static void refuse_settings(CertAgent *agent, const Err *err)
{
    char why[sizeof agent->refused];
    (void)snprintf(why, sizeof why, "the changed settings cannot be used, the former stay: %s", err->text);
    if (strcmp(why, agent->refused) == 0)
        return;
    (void)snprintf(agent->refused, sizeof agent->refused, "%s", why);
    agent->report_by_ms = 0;
    log_event(LOG_ERROR, "certs.settings_refused", log_cstr("error", err->text));
}

/* Told by a signal it is read again even if it is the same: what it names, a CA file for example, may have changed. */
typedef enum LookWhy { WHY_EVENT = 1, WHY_POLL, WHY_SIGNAL } LookWhy;
static void look_at_settings(CertAgent *agent, LookWhy why)
{
    const CertAgentConfig *config = agent->config;
    Loaded *fresh = NULL;
    Err err = { 0 };
    bool is_unusable = false, same = loaded_text_is(agent->loaded, config->settings_path, &err);
    if (same && why != WHY_SIGNAL) {
        agent->report_by_ms = agent->refused[0] ? 0 : agent->report_by_ms;
        agent->refused[0] = '\0';
        return;
    }
    if (err.code) {
        if (err.code != ERR_NOT_FOUND || why != WHY_EVENT)           /* an editor may be between two steps; what is gone for long is found out by the next poll */
            refuse_settings(agent, &err);
        return;
    }
    say_reloads(agent, true);
    if (loaded_new(config, &fresh, &is_unusable, &err) && loaded_carry(fresh, agent->loaded, &err)) {
        use_settings(agent, fresh);
    } else {
        loaded_free(fresh);
        refuse_settings(agent, &err);
    }
    say_reloads(agent, false);
}

/* 0 up to `most_ms`, so that machines started together do not ask together. */
static int64_t chance_ms(int64_t most_ms)
{
    uint32_t drawn;
    random_fill(&drawn, sizeof drawn);
    return most_ms > 0 ? drawn % (most_ms + 1) : 0;
}

static void on_changed(void *ctx, Str vault_url, Str name)
{
    CertAgent *agent = ctx;
    if (name.ptr && !name.len)
        try_failed(agent, vault_url, false);
    for (size_t i = 0; i < agent->loaded->settings.observed_count && (!name.ptr || name.len); i++) {
        const Observed *observed = &agent->loaded->settings.observed[i];
        Tracked *tracked = &agent->loaded->tracked[i];
        if (str_eq(observed->vault_url, vault_url) && (!name.len || str_eq_nocase(observed->name, name))) {
            tracked->is_due = true;
            tracked->pauses = 0;
        }
    }
}

/* What is under way is not asked for again by the clock, only by a change. */
static void set_due_by_time(CertAgent *agent)
{
    int64_t mono_ms = mono_now_ms();
    bool polls = object_now(agent) >= agent->poll_at_ms || mono_ms >= agent->poll_by_ms;
    if (polls && agent->poll_by_ms && !agent->config->once)      /* what inotify did not tell, behind links for example */
        look_at_settings(agent, WHY_POLL);
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++) {
        Tracked *tracked = &agent->loaded->tracked[i];
        bool retries = tracked->is_failed && mono_ms >= tracked->retry_by_ms;
        bool is_over = !tracked->is_failed && tracked->not_after_ms && object_now(agent) >= tracked->not_after_ms;      /* from now on it fails, and is tried as such */
        if ((polls || retries || is_over) && !looks_at(&agent->loaded->looks, i))
            tracked->is_due = true;
    }
    if (polls) {
        int64_t period_ms = agent->loaded->settings.poll_s * 1000 - chance_ms(agent->loaded->settings.jitter_s * 1000);
        agent->poll_at_ms = object_now(agent) + period_ms;
        agent->poll_by_ms = mono_ms + period_ms;
        listeners_prepare(&agent->loaded->listeners);
        serve_metrics(agent);
    }
}

/* Moves everything on that can go on now. Answers when it has to be called again at the latest, in ms from now. */
static int64_t step(CertAgent *agent)
{
    set_due_by_time(agent);
    int64_t listen_at_ms = listeners_step(&agent->loaded->listeners, on_changed, agent);
    LookCaller caller = { .ctx = agent, .now_ms = object_now(agent), .next = next_due, .ended = on_looked };
    bool hook_ran = agent->hook.pid > 0, ended = looks_step(&agent->loaded->looks, &caller) > 0;
    int64_t hook_at_ms = agent->config->once ? INT64_MAX : hook_step(&agent->hook, &agent->loaded->settings.hook);
    int64_t scrape_at_ms = agent->scrape ? scrape_step(agent->scrape, put_metrics, agent) : INT64_MAX;
    size_t listening = listeners_active(&agent->loaded->listeners);
    int64_t mono_ms = mono_now_ms(), poll_ms = agent->poll_by_ms - mono_ms, wait_ms = agent->poll_at_ms - object_now(agent);
    wait_ms = poll_ms < wait_ms ? poll_ms : wait_ms;

    /* Certificates that are looked at together are reported together, but nobody waits for a slow vault to be told of the others. */
    if ((ended || hook_ran != (agent->hook.pid > 0) || listening != agent->listening) && agent->report_by_ms == INT64_MAX)
        agent->report_by_ms = mono_ms + REPORT_WITHIN_MS;
    agent->listening = listening;
    if (agent->report_by_ms != INT64_MAX && (mono_ms >= agent->report_by_ms || looks_is_idle(&agent->loaded->looks))) {
        agent->report_by_ms = INT64_MAX;
        report(agent);
        write_state(agent);
    }
    if (agent->report_by_ms != INT64_MAX && agent->report_by_ms - mono_ms < wait_ms)
        wait_ms = agent->report_by_ms - mono_ms;
    for (size_t i = 0; i < agent->loaded->settings.observed_count; i++) {
        const Tracked *tracked = &agent->loaded->tracked[i];
        int64_t left_ms = tracked->is_failed ? tracked->retry_by_ms - mono_ms : tracked->not_after_ms ? tracked->not_after_ms - object_now(agent) : INT64_MAX;
        if (!tracked->is_due && !looks_at(&agent->loaded->looks, i) && left_ms < wait_ms)
            wait_ms = left_ms;
    }
    int64_t look_at_ms = watch_look_at_ms(&agent->watch);
    if (look_at_ms != INT64_MAX && look_at_ms - mono_ms < wait_ms)
        wait_ms = look_at_ms - mono_ms;
    if (scrape_at_ms != INT64_MAX && scrape_at_ms - mono_ms < wait_ms)
        wait_ms = scrape_at_ms - mono_ms;
    if (hook_at_ms != INT64_MAX && hook_at_ms - mono_ms < wait_ms)
        wait_ms = hook_at_ms - mono_ms;
    if (listen_at_ms != INT64_MAX && listen_at_ms - mono_ms < wait_ms)
        wait_ms = listen_at_ms - mono_ms;
    return wait_ms;
}

static int until_ms(int64_t left_ms) { return left_ms <= 0 ? 0 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms; }

/* Sleeps until there is something to do. The poll's time is object time, so the clock file is watched meanwhile. false: told to stop. */
static bool wait(CertAgent *agent, int64_t wait_ms)
{
    Err err = { 0 };
    struct pollfd fds[3 + HOOK_FDS] = { { .fd = agent->signals, .events = POLLIN } };
    size_t count = 1;
    if (agent->watch.fd >= 0)
        fds[count++] = (struct pollfd){ .fd = agent->watch.fd, .events = POLLIN };
    count += hook_fds(&agent->hook, fds + count);
    if (agent->scrape)
        fds[count++] = (struct pollfd){ .fd = scrape_fd(agent->scrape), .events = POLLIN };
    if (!http_wait(fetcher_client(agent->loaded->fetcher), fds, count, until_ms(wait_ms), &err)) {
        log_event(LOG_ERROR, "certs.cannot_wait", log_cstr("error", err.text));
        return false;
    }
    unsigned watched = watch_take(&agent->watch);
    if (watched & WATCHED_CLOCK)
        read_clock(agent);
    if (watched & WATCHED_SETTINGS)
        look_at_settings(agent, WHY_EVENT);
    if (!fds[0].revents)
        return true;
    struct signalfd_siginfo signal;
    if (read(agent->signals, &signal, sizeof signal) != sizeof signal || signal.ssi_signo != SIGHUP)
        return false;
    look_at_settings(agent, WHY_SIGNAL);
    return true;
}

static bool catch_signals(CertAgent *agent)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    agent->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return agent->signals >= 0;
}

/* For --once: one try. */
static bool run_hook_to_its_end(CertAgent *agent)
{
    HookRun *hook = &agent->hook;
    if (agent->config->dry_run || !hook->is_pending || agent->loaded->settings.hook.word_count == 0)
        return true;
    hook->due_ms = 0;
    for (int64_t at_ms = hook_step(hook, &agent->loaded->settings.hook); hook->pid > 0; at_ms = hook_step(hook, &agent->loaded->settings.hook)) {
        struct pollfd fds[HOOK_FDS];
        size_t count = hook_fds(hook, fds);
        if (poll(fds, count, until_ms(at_ms - mono_now_ms())) < 0 && errno != EINTR)
            return false;
    }
    return hook->was_good;
}

static int run_until_told(CertAgent *agent)
{
    for (;;) {
        int64_t wait_ms = step(agent);
        if (agent->config->once && looks_is_idle(&agent->loaded->looks) && !is_any_due(agent)) {
            bool good = run_hook_to_its_end(agent);
            report(agent);                                   /* with nothing observed, too */
            write_state(agent);
            return failed_count(agent) != 0 || !good;
        }
        if (!wait(agent, wait_ms))
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

static void watch_files(CertAgent *agent)
{
    const CertAgentConfig *config = agent->config;
    Err err = { 0 };
    if (config->once)
        return;
    bool all = watch_add(&agent->watch, config->settings_path, WATCHED_SETTINGS, &err);
    all = (!config->clock_path || watch_add(&agent->watch, config->clock_path, WATCHED_CLOCK, &err)) && all;
    if (!all)
        log_event(LOG_WARN, "certs.files_not_watched", log_cstr("error", err.text), log_int("looked_at_every_s", WATCH_LOOK_MS / 1000));
}

/* What the process before owed and had. */
static bool remember(CertAgent *agent, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(STATE_ARENA_BYTES);
    StateBefore before = { 0 };
    if (!arena || !agent->state_path[0])
        return arena || err_set(err, ERR_INTERNAL, "out of memory");
    state_read(arena, agent->state_path, &before);
    if (before.hook_is_pending && agent->loaded->settings.hook.word_count)
        hook_ask(&agent->hook, STR_NONE);
    return loaded_remember(agent->loaded, &before, err);
}

int cert_agent_run(const CertAgentConfig *config)
{
    CertAgent agent = { .config = config, .started_ms = real_now_ms(), .signals = -1, .watch = WATCH_NONE, .report_by_ms = INT64_MAX };
    Err err = { 0 };
    bool is_unusable = false;
    random_fill(&agent.chance, sizeof agent.chance);
    hook_init(&agent.hook);
    find_state_path(&agent);
    /* Before they are read: settings that are replaced while we start are found out. */
    watch_files(&agent);
    if (!loaded_new(config, &agent.loaded, &is_unusable, &err) && is_unusable) {
        log_event(LOG_ERROR, "certs.settings_unusable", log_cstr("error", err.text));
        say_status(&agent, SERVICE_BAD_SETTINGS, err.text);
        watch_done(&agent.watch);
        return 2;
    }
    agent.loaded_ms = agent.started_ms;
    if (!agent.loaded || !catch_signals(&agent) || !remember(&agent, &err)) {
        log_event(LOG_ERROR, "certs.not_started", log_cstr("error", err.text));
        loaded_free(agent.loaded);
        fd_close(&agent.signals);
        watch_done(&agent.watch);
        return 1;
    }
    const CertSettings *settings = &agent.loaded->settings;
    if (settings->observed_count == 0)
        agent.report_by_ms = 0;                              /* no look will end: what is nothing is in sync */
    read_clock(&agent);
    if (!settings->require_initial_sync)
        say_status(&agent, SERVICE_RUNNING, "");             /* polling has begun, whether or not certificates are there yet */
    log_event(LOG_INFO, "certs.started", log_int("observed", (int64_t)settings->observed_count), log_int("poll_s", settings->poll_s));

    int code = run_until_told(&agent);
    notify_systemd("STOPPING=1");
    if (agent.hook.pid > 0) {
        hook_stop(&agent.hook);
        write_state(&agent);                                 /* the next process runs it again */
    }
    scrape_free(agent.scrape);
    loaded_free(agent.loaded);
    fd_close(&agent.signals);
    watch_done(&agent.watch);
    return code;
}
