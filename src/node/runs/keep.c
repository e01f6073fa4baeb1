/* keep.c - the keeper of one run: one loop over its signals, its wishes and its deadlines. */
#include "node/runs/keep.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "node/lease_mark.h"
#include "node/runs/certdir.h"
#include "node/runs/launch.h"
#include "node/runs/prepare.h"
#include "node/runs/processes.h"

enum { KEEPER_ARENA = 64 * 1024 * 1024, KILL_AGAIN_MS = 200, WRITE_AGAIN_MS = 500 };

/* How far the ending has come; it only goes up. */
typedef enum Ending { NOT_ENDING = 0, ENDING_GENTLY, ENDING_AT_ONCE } Ending;

/* The thread that prepares the run has all its own. */
typedef struct Preparing {
    const NodePlaces *places;
    const RunEntry *entry;
    Arena *arena;
    Fetcher *fetcher;
    int event;                          /* readable when it has ended */
    bool is_done_well;
    Prepared result;
    RunFailure failure;
} Preparing;

typedef struct Keeper {
    NodePlaces places;
    Arena *arena;
    Str run_id;
    RunEntry entry;
    NodeCard card;
    LeaseMark *lease;
    int signals, timer;
    bool is_preparing;
    Preparing preparing;

    pid_t leader;                       /* 0: not started */
    bool leader_ended;
    Ending ending;
    int64_t kill_at_ms, wall_end_ms;    /* boot time; 0: none */
    RunOutcome outcome;
} Keeper;

static RunFailure failure_of(bool is_service, const char *code, Str message)
{
    return (RunFailure){ .is_service = is_service, .code = str_from(code), .message = message };
}

/* -- the end -- */

static void poke_agent(void)
{
    if (write(KEEP_ALIVE_FD, "e", 1) < 0) {
        /* The FIFO is full or nobody made one: the agent looks anyway when we end. */
    }
}

/* The exit code is worth waiting for: until the disk has room again, or the node goes down. */
static int write_end(Keeper *keeper)
{
    keeper->outcome.start_ms = keeper->entry.accepted_ms;
    if (!keeper->outcome.end_ms)
        keeper->outcome.end_ms = real_now_ms();
    Str text = outcome_text(keeper->arena, &keeper->outcome);
    if (!text.ptr) {                    /* messages too long for the journal */
        keeper->outcome.failure.message = STR("");
        keeper->outcome.failure.detail_count = 0;
        text = outcome_text(keeper->arena, &keeper->outcome);
    }
    for (;;) {
        Err err = { 0 };
        if (journal_put(&keeper->places, keeper->run_id, JOURNAL_END, text, &err)) {
            poke_agent();
            return 0;
        }
        log_event(LOG_ERROR, "keeper.end_not_written", log_str("run", keeper->run_id), log_cstr("error", err.text));
        struct pollfd fd = { .fd = keeper->signals, .events = POLLIN };
        struct signalfd_siginfo info;
        if (poll(&fd, 1, WRITE_AGAIN_MS) > 0 && read(keeper->signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD)
            return 1;
    }
}

static void signal_all(const Keeper *keeper, bool at_once)
{
    RunProcesses which = { .above = getpid() };         /* whatever the run began is below its reaper; the mark is for who comes after a killed one */
    Err err = { 0 };
    int count;
    if (!(at_once ? processes_kill(&which, &count, &err) : processes_signal(&which, SIGTERM, &count, &err)))
        log_event(LOG_ERROR, "keeper.cannot_signal", log_str("run", keeper->run_id), log_cstr("error", err.text));
}

/* Begins to end what runs, or presses on. The first reason is the one that counts. */
static void end_run(Keeper *keeper, int64_t grace_ms)
{
    Ending wanted = grace_ms > 0 ? ENDING_GENTLY : ENDING_AT_ONCE;
    if (keeper->is_preparing && keeper->ending == NOT_ENDING)
        fetcher_cancel(keeper->preparing.fetcher);
    if (wanted <= keeper->ending)
        return;
    keeper->ending = wanted;
    keeper->kill_at_ms = boot_now_ms() + (wanted == ENDING_GENTLY ? grace_ms : KILL_AGAIN_MS);
    if (keeper->leader)
        signal_all(keeper, wanted == ENDING_AT_ONCE);
}

/* The run is no longer this node's, or the node goes down: whatever it would still do does not count. */
static void lose_run(Keeper *keeper, const char *why, int64_t grace_ms)
{
    if (!keeper->leader_ended && !keeper->outcome.is_lost) {
        keeper->outcome.is_lost = true;
        keeper->outcome.failure = failure_of(true, "Unknown", str_from(why));
    }
    end_run(keeper, grace_ms);
}

static void stop_run(Keeper *keeper, RunFailure failure, int64_t grace_ms)
{
    if (!keeper->leader_ended && !keeper->outcome.is_lost && !keeper->outcome.failure.code.ptr)
        keeper->outcome.failure = failure;
    end_run(keeper, grace_ms);
}

/* -- what happens -- */

static void read_stop(Keeper *keeper)
{
    RunStop stop;
    Err err = { 0 };
    if (!journal_get_stop(&keeper->places, keeper->arena, keeper->run_id, &stop, &err)) {
        if (err.code != ERR_NOT_FOUND)
            log_event(LOG_ERROR, "keeper.stop_not_read", log_str("run", keeper->run_id), log_cstr("error", err.text));
        return;
    }
    stop_run(keeper, (RunFailure){ .code = stop.code, .message = stop.message }, stop.at_once ? 0 : STOP_GRACE_MS);
}

static void reap(Keeper *keeper)
{
    int status;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (ended != keeper->leader)
            continue;
        keeper->leader_ended = true;
        keeper->outcome.end_ms = real_now_ms();
        keeper->outcome.has_exit = true;
        keeper->outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        keeper->outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + keeper->outcome.signal;
    }
}

static bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;       /* ECHILD when there is none */
}

static void check_deadlines(Keeper *keeper)
{
    int64_t now = boot_now_ms();
    if (atomic_load(&keeper->lease->until_ms) <= now)
        lose_run(keeper, "the node's lease ended", 0);
    if (keeper->wall_end_ms && keeper->wall_end_ms <= now && keeper->ending == NOT_ENDING)
        stop_run(keeper, failure_of(false, "TaskEnded", STR("The task has been ended because it ran longer than its maxWallClockTime")), STOP_GRACE_MS);
    if (keeper->ending != NOT_ENDING && keeper->kill_at_ms <= now) {
        keeper->ending = ENDING_AT_ONCE;
        keeper->kill_at_ms = now + KILL_AGAIN_MS;
        if (keeper->leader)
            signal_all(keeper, true);
    }
}

/* One timer for the next of the deadlines; boot time, so that a machine that slept is late for none. */
static void arm(const Keeper *keeper)
{
    int64_t next = atomic_load(&keeper->lease->until_ms);
    if (keeper->ending == ENDING_AT_ONCE || next <= 0)
        next = INT64_MAX;
    if (keeper->wall_end_ms && keeper->ending == NOT_ENDING && keeper->wall_end_ms < next)
        next = keeper->wall_end_ms;
    if (keeper->ending != NOT_ENDING && keeper->kill_at_ms < next)
        next = keeper->kill_at_ms;
    struct itimerspec when = { 0 };
    if (next != INT64_MAX)
        when.it_value = (struct timespec){ .tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 + 1 };
    (void)timerfd_settime(keeper->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void take_signals(Keeper *keeper)
{
    struct signalfd_siginfo info;
    while (read(keeper->signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD)
            lose_run(keeper, "the node was stopped", NODE_STOP_GRACE_MS);
    reap(keeper);
}

static void drain(int fd)
{
    char bytes[64];
    while (read(fd, bytes, sizeof bytes) > 0)
        continue;
}

/* Waits for something to happen and takes it in; true when the preparation has ended. */
static bool wait_once(Keeper *keeper)
{
    struct pollfd fds[] = { { .fd = keeper->signals, .events = POLLIN }, { .fd = KEEP_POKE_FD, .events = POLLIN },
                            { .fd = keeper->timer, .events = POLLIN }, { .fd = keeper->preparing.event, .events = POLLIN } };
    arm(keeper);
    if (poll(fds, COUNT_OF(fds), -1) < 0)
        return false;
    if (fds[0].revents)
        take_signals(keeper);
    if (fds[1].revents) {
        drain(KEEP_POKE_FD);
        read_stop(keeper);
    }
    if (fds[2].revents)
        drain(keeper->timer);
    check_deadlines(keeper);
    return fds[3].revents != 0;
}

/* -- preparation -- */

static void *prepare(void *arg)
{
    Preparing *preparing = arg;
    uint64_t one = 1;
    preparing->is_done_well = run_prepare(preparing->places, preparing->arena, preparing->entry, preparing->fetcher, &preparing->result, &preparing->failure);
    if (write(preparing->event, &one, sizeof one) < 0)
        abort();                        /* the keeper would wait for ever */
    return NULL;
}

/* Resource files through the site's way out where the node has no other (docs/node-protocol.md). */
static bool make_fetcher(Keeper *keeper, Err *err)
{
    Err no_card = { 0 };
    const char *egress = keeper->places.egress_socket;
    Str proxy = access(egress, F_OK) == 0 ? str_printf(keeper->arena, "socks5h://localhost%s", egress) : STR_NONE;
    bool has_card = node_card_read(keeper->arena, &keeper->places, &keeper->card, &no_card);
    return fetcher_new(has_card ? &keeper->card : NULL, proxy.ptr, &keeper->preparing.fetcher, err);
}

/* On a thread of its own, so that downloads can be ended; true: the run may be launched. */
static bool prepare_run(Keeper *keeper)
{
    Preparing *preparing = &keeper->preparing;
    pthread_t thread;
    Err err = { 0 };
    *preparing = (Preparing){ .places = &keeper->places, .entry = &keeper->entry, .arena = arena_new(KEEPER_ARENA), .event = eventfd(0, EFD_CLOEXEC) };
    preparing->result.dir = RUN_DIR_CLOSED;
    if (!preparing->arena || preparing->event < 0 || !make_fetcher(keeper, &err) || pthread_create(&thread, NULL, prepare, preparing) != 0) {
        keeper->outcome.failure = failure_of(true, "Unknown", STR("the node is out of memory or descriptors"));
        return false;
    }
    keeper->is_preparing = true;
    while (!wait_once(keeper))
        continue;
    (void)pthread_join(thread, NULL);
    keeper->is_preparing = false;
    fd_close(&preparing->event);
    if (!preparing->is_done_well && keeper->ending == NOT_ENDING)
        keeper->outcome.failure = preparing->failure;
    return preparing->is_done_well && keeper->ending == NOT_ENDING;
}

/* -- the process -- */

static void launch(Keeper *keeper)
{
    const Prepared *prepared = &keeper->preparing.result;
    bool missing;
    Err err = { 0 };
    /* On disk first: whoever comes after us must not start it again. */
    if (!journal_put(&keeper->places, keeper->run_id, JOURNAL_LAUNCHED, STR(""), &err)) {
        keeper->outcome.failure = failure_of(true, "DiskFull", str_dup(keeper->arena, str_from(err.text)));
        return;
    }
    check_deadlines(keeper);            /* writing may have taken long */
    if (keeper->ending != NOT_ENDING)
        return;
    if (!launch_run(prepared->argv, prepared->environment, &prepared->user, &prepared->dir, &keeper->leader, &missing, &err)) {
        keeper->outcome.failure = failure_of(false, missing ? "CommandProgramNotFound" : "CommandLaunchFailed", str_dup(keeper->arena, str_from(err.text)));
        failure_detail(&keeper->outcome.failure, "CommandLine", keeper->entry.spec.command_line);
    }
}

/* Until nothing of the run is left. What outlives its first process is ended with it. */
static void wait_for_all(Keeper *keeper)
{
    while (!keeper->leader_ended || has_children()) {
        (void)wait_once(keeper);
        reap(keeper);
        if (keeper->leader_ended && keeper->ending == NOT_ENDING && has_children())
            end_run(keeper, STOP_GRACE_MS);
    }
}

static bool set_up(Keeper *keeper, Err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);     /* ignored ones would be reaped without a word */
    (void)setsid();                     /* fails when it is a session's first already */
    for (int fd = KEEP_LOCK_FD; fd < KEEP_FD_END; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || (fd != KEEP_LOCK_FD && fcntl(fd, F_SETFL, O_NONBLOCK) < 0))
            return err_errno(err, "a keeper is started by an agent: descriptor %d", fd);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return err_errno(err, "cannot be the reaper of the run");
    keeper->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    keeper->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (keeper->signals < 0 || keeper->timer < 0)
        return err_errno(err, "cannot wait for signals");
    return lease_mark_open(keeper->places.lease_file, false, &keeper->lease, err);
}

int node_keep(const char *run_id, const char *below)
{
    Keeper keeper = { .run_id = str_from(run_id), .arena = arena_new(KEEPER_ARENA), .signals = -1, .timer = -1, .preparing = { .event = -1, .result.dir = RUN_DIR_CLOSED } };
    Err err = { 0 };
    if (!keeper.arena || !run_id_is_good(keeper.run_id) || !node_places(keeper.arena, below, &keeper.places, &err) || !set_up(&keeper, &err)) {
        log_event(LOG_ERROR, "keeper.not_started", log_cstr("run", run_id), log_cstr("error", err.text));
        return 1;
    }
    if (journal_has(&keeper.places, keeper.run_id, JOURNAL_END) || journal_has(&keeper.places, keeper.run_id, JOURNAL_LAUNCHED))
        return 0;
    if (!journal_read(&keeper.places, keeper.arena, keeper.run_id, &keeper.entry, &err)) {
        keeper.outcome.failure = failure_of(true, "Unknown", str_from(err.text));
        return write_end(&keeper);
    }
    if (keeper.entry.spec.max_wall_clock_ms)
        keeper.wall_end_ms = boot_now_ms() + keeper.entry.spec.max_wall_clock_ms;
    read_stop(&keeper);
    check_deadlines(&keeper);
    if (keeper.ending == NOT_ENDING && prepare_run(&keeper))
        launch(&keeper);
    if (keeper.leader)
        wait_for_all(&keeper);
    certdir_remove(&keeper.preparing.result.dir);
    rundir_done(&keeper.preparing.result.dir);
    return write_end(&keeper);          /* the process ends, and all it holds with it */
}
