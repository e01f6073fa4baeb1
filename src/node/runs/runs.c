/* runs.c - the runs of this node: one table, one thread that watches keepers and reports, one that removes what was dropped. */
#include "node/runs/runs.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "node/lease_mark.h"
#include "node/runs/certdir.h"
#include "node/runs/keeper.h"
#include "node/runs/outcome.h"
#include "node/runs/processes.h"
#include "node/runs/runs_own.h"

enum { STARTS_MAX = 5, START_AGAIN_MS = 500, STRAYS_AGAIN_MS = 50, SCRATCH_BYTES = 16 << 20, EVENTS = 32 };

static void wake(Runs *runs)
{
    uint64_t one = 1;
    if (write(runs->wake, &one, sizeof one) < 0)
        log_event(LOG_WARN, "node.wake_failed");
    pthread_cond_broadcast(&runs->changed);
}

/* -- one run (the lock is held) -- */

/* The report of a run whose keeper cannot write it any more, or that never had one. */
static Str lost_text(Arena *arena, const Run *run, const char *why)
{
    RunOutcome outcome = { .is_lost = true, .start_ms = run->accepted_ms, .end_ms = real_now_ms(),
                           .failure = { .is_service = true, .code = STR("Unknown"), .message = str_from(why) } };
    return outcome_text(arena, &outcome);
}

static void ended(Runs *runs, Run *run)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(SCRATCH_BYTES);
    Str text;
    const JsonVal *root;
    Err err = { 0 };
    fd_close(&run->watch);
    run->phase = RUN_ENDED;
    run->check_at_ms = run->report_at_ms = run->pause_ms = 0;
    if (arena && journal_get(runs->config.places, arena, str_from(run->id), JOURNAL_END, &text, &err) && json_parse(arena, text, JSON_STRICT, &root, &err))
        run->is_lost = str_eq(json_str(json_get(root, "state")), STR("lost"));
    wake(runs);
}

/* Its keeper is dead and left no end behind: nothing of it may go on when that is told. */
static void end_lost(Runs *runs, Run *run, const char *why)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(SCRATCH_BYTES);
    RunProcesses which = { .mark = geteuid() == 0 ? users_mark(run->slot) : 0 };
    int count;
    Err err = { 0 };
    if (run->directory[0] && !run_table_directory_used(&runs->table, run))
        certdir_remove_below(runs->config.places, str_from(run->directory));
    if (processes_kill(&which, &count, &err) && count == 0 && arena &&
        journal_put(runs->config.places, str_from(run->id), JOURNAL_END, lost_text(arena, run, why), &err)) {
        log_event(LOG_WARN, "node.run_lost", log_cstr("run", run->id), log_cstr("why", why));
        ended(runs, run);
        return;
    }
    if (err.code)
        log_event(LOG_ERROR, "node.run_not_ended", log_cstr("run", run->id), log_cstr("error", err.text));
    run->check_at_ms = mono_now_ms() + (err.code ? START_AGAIN_MS : STRAYS_AGAIN_MS);
}

static void watch(Runs *runs, Run *run)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = run->serial };
    fd_close(&run->watch);
    run->watch = keeper_watch(runs->config.places, str_from(run->id));
    if (run->watch < 0 || epoll_ctl(runs->epoll, EPOLL_CTL_ADD, run->watch, &event) < 0) {
        fd_close(&run->watch);
        run->check_at_ms = mono_now_ms() + START_AGAIN_MS;         /* out of descriptors: looked at now and then instead */
    }
}

static void start(Runs *runs, Run *run)
{
    Err err = { 0 };
    run->check_at_ms = 0;
    if (run->starts++ == STARTS_MAX) {
        end_lost(runs, run, "its keeper ended each time it was started");
        return;
    }
    watch(runs, run);
    if (!keeper_start(runs->config.places, runs->config.program, str_from(run->id), &err) && err.code != ERR_CONFLICT) {
        log_event(LOG_ERROR, "node.keeper_not_started", log_cstr("run", run->id), log_cstr("error", err.text));
        run->check_at_ms = mono_now_ms() + START_AGAIN_MS;
    }
}

/* What the journal and the lock say of it now. */
static void look(Runs *runs, Run *run)
{
    const NodePlaces *places = runs->config.places;
    Str id = str_from(run->id);
    run->check_at_ms = 0;
    if (run->watch < 0 && run->phase == RUN_GOING)
        watch(runs, run);
    if (keeper_lives(places, id) && !journal_has(places, id, JOURNAL_END))
        return;
    if (journal_has(places, id, JOURNAL_END))           /* asked again: the keeper may have written it and ended since */
        ended(runs, run);
    else if (journal_has(places, id, JOURNAL_LAUNCHED))
        end_lost(runs, run, "its keeper was killed, or the node restarted");
    else
        start(runs, run);
}

static void hung_up(Runs *runs, Run *run)
{
    fd_close(&run->watch);
    if (keeper_lives(runs->config.places, str_from(run->id)))
        run->check_at_ms = mono_now_ms() + START_AGAIN_MS;         /* somebody holds its lock, and it is not the keeper */
    else
        look(runs, run);
}

static void stop(Runs *runs, const Run *run, Str code, Str message, bool at_once)
{
    Err err = { 0 };
    RunStop why = { .code = code, .message = message, .at_once = at_once };
    if (!journal_put_stop(runs->config.places, str_from(run->id), &why, &err))
        log_event(LOG_ERROR, "node.stop_not_written", log_cstr("run", run->id), log_cstr("error", err.text));
    keeper_poke(runs->config.places, str_from(run->id));
}

void runs_forget(Runs *runs, Run *run)
{
    Err err = { 0 };
    if (run->is_dropped)
        return;
    run->is_dropped = true;
    if (!run->unrecorded && !journal_put(runs->config.places, str_from(run->id), JOURNAL_DROP, STR(""), &err))
        log_event(LOG_ERROR, "node.drop_not_written", log_cstr("run", run->id), log_cstr("error", err.text));
    if (run->phase == RUN_GOING)
        stop(runs, run, STR("TaskEnded"), STR("The task was removed"), true);
    wake(runs);
}

/* A report for a run that the journal does not have. */
static void add_unrecorded(Runs *runs, Str run_id, Str text, bool is_lost)
{
    Run *run = text.ptr ? run_table_add(&runs->table, run_id, STR("")) : NULL;
    if (run && !(run->unrecorded = strndup(text.ptr, text.len))) {
        run_table_remove(&runs->table, run);
        run = NULL;
    }
    if (!run) {
        log_event(LOG_ERROR, "node.report_not_kept", log_str("run", run_id));
        return;
    }
    run->phase = RUN_ENDED;
    run->is_lost = is_lost;
    wake(runs);
}

/* -- taking up what is there -- */

static bool take_up(void *ctx, Str run_id, Err *err)
{
    Runs *runs = ctx;
    const NodePlaces *places = runs->config.places;
    AUTO(arena_free_auto) Arena *arena = arena_new(SCRATCH_BYTES);
    RunEntry entry;
    Err unread = { 0 };
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!journal_read(places, arena, run_id, &entry, &unread))
        log_event(LOG_WARN, "node.run_not_readable", log_str("run", run_id), log_cstr("error", unread.text));     /* its keeper says the same as its failure */
    Run *run = run_table_add(&runs->table, run_id, entry.spec.directory);
    if (!run)
        return err_set(err, ERR_INTERNAL, "out of memory");
    run->slot = entry.slot;
    run->accepted_ms = entry.accepted_ms;
    run->phase = RUN_GOING;
    run->is_dropped = journal_has(places, run_id, JOURNAL_DROP);
    look(runs, run);
    if (run->phase == RUN_ENDED && journal_has(places, run_id, JOURNAL_TOLD))
        run->told = TOLD_END;
    return true;
}

/* -- threads -- */

static void take_events(Runs *runs, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        char bytes[64];
        if (events[i].data.u64 == 0) {
            uint64_t times;
            while (read(runs->wake, &times, sizeof times) == sizeof times)
                continue;
            continue;
        }
        Run *run = run_table_by_serial(&runs->table, events[i].data.u64);
        if (!run || run->watch < 0)
            continue;
        while (read(run->watch, bytes, sizeof bytes) > 0)
            continue;
        if (events[i].events & (EPOLLHUP | EPOLLERR))
            hung_up(runs, run);
        else
            look(runs, run);
    }
}

/* Looks at runs that are due; answers milliseconds until the next one is, -1 if none. */
static int64_t check_due(Runs *runs)
{
    int64_t next = -1, now = mono_now_ms();
    for (size_t i = 0; i < runs->table.count; i++) {
        Run *run = runs->table.items[i];
        if (run->phase == RUN_GOING && run->check_at_ms && run->check_at_ms <= now)
            look(runs, run);
        if (run->phase != RUN_GOING || !run->check_at_ms)
            continue;
        int64_t left = run->check_at_ms > now ? run->check_at_ms - now : 0;
        next = next < 0 || left < next ? left : next;
    }
    return next;
}

static void *watch_main(void *arg)
{
    Runs *runs = arg;
    while (!atomic_load(&runs->stopping)) {
        struct epoll_event events[EVENTS];
        pthread_mutex_lock(&runs->lock);
        int64_t check_in = check_due(runs);
        pthread_mutex_unlock(&runs->lock);
        int64_t report_in = runs_report_due(runs);
        int64_t left = check_in < 0 ? report_in : report_in < 0 || check_in < report_in ? check_in : report_in;
        int count = epoll_wait(runs->epoll, events, EVENTS, left > 60000 ? 60000 : (int)left);
        pthread_mutex_lock(&runs->lock);
        take_events(runs, events, count);
        pthread_mutex_unlock(&runs->lock);
    }
    return NULL;
}

static Run *find_leaver(const Runs *runs)
{
    for (size_t i = 0; i < runs->table.count; i++)
        if (runs->table.items[i]->is_dropped && runs->table.items[i]->phase == RUN_ENDED)
            return runs->table.items[i];
    return NULL;
}

/* Trees may be large, so without the lock; a run that is to begin in such a directory waits (runs_begin). */
static void remove_run(Runs *runs, Run *run)
{
    bool has_directory = run->directory[0] && strcmp(run->directory, "startup") != 0 && !run_table_directory_used(&runs->table, run);
    Err err = { 0 };
    run->phase = RUN_LEAVING;
    pthread_mutex_unlock(&runs->lock);
    if (!run->unrecorded) {
        if (has_directory && !rundir_remove(runs->config.places, str_from(run->directory), &err))
            log_event(LOG_ERROR, "node.directory_not_removed", log_cstr("run", run->id), log_cstr("error", err.text));
        if (!journal_forget(runs->config.places, str_from(run->id), &err))
            log_event(LOG_ERROR, "node.run_not_forgotten", log_cstr("run", run->id), log_cstr("error", err.text));
    }
    pthread_mutex_lock(&runs->lock);
    memcpy(runs->forgotten[runs->forgotten_count++ % FORGOTTEN_MAX], run->id, sizeof run->id);
    run_table_remove(&runs->table, run);
    pthread_cond_broadcast(&runs->changed);
}

static void *remove_main(void *arg)
{
    Runs *runs = arg;
    pthread_mutex_lock(&runs->lock);
    while (!atomic_load(&runs->stopping)) {
        Run *run = find_leaver(runs);
        if (run)
            remove_run(runs, run);
        else
            (void)pthread_cond_wait(&runs->changed, &runs->lock);
    }
    pthread_mutex_unlock(&runs->lock);
    return NULL;
}

/* -- life -- */

static bool open_all(Runs *runs, Err *err)
{
    struct epoll_event event = { .events = EPOLLIN };
    runs->epoll = epoll_create1(EPOLL_CLOEXEC);
    runs->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (runs->epoll < 0 || runs->wake < 0 || epoll_ctl(runs->epoll, EPOLL_CTL_ADD, runs->wake, &event) < 0)
        return err_errno(err, "cannot watch runs");
    return dir_make(runs->config.places->runs_dir, 0700, err) && rundir_lay_out(runs->config.places, err) && users_set_up(runs->config.places, err) &&
           lease_mark_open(runs->config.places->lease_file, true, &runs->lease, err) && control_new(runs->config.card, &runs->control, err) &&
           journal_walk(runs->config.places, take_up, runs, err);
}

bool runs_start(const RunsConfig *config, Runs **out, Err *err)
{
    Runs *runs = calloc(1, sizeof *runs);
    if (!runs)
        return err_set(err, ERR_INTERNAL, "out of memory");
    runs->config = *config;
    runs->epoll = runs->wake = -1;
    (void)pthread_mutex_init(&runs->lock, NULL);
    (void)pthread_cond_init(&runs->changed, NULL);
    if (!open_all(runs, err)) {
        runs_stop(runs);
        return false;
    }
    runs->has_watcher = pthread_create(&runs->watcher, NULL, watch_main, runs) == 0;
    runs->has_remover = runs->has_watcher && pthread_create(&runs->remover, NULL, remove_main, runs) == 0;
    if (!runs->has_remover) {
        runs_stop(runs);
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    *out = runs;
    return true;
}

void runs_stop(Runs *runs)
{
    if (!runs)
        return;
    pthread_mutex_lock(&runs->lock);
    atomic_store(&runs->stopping, true);
    if (runs->has_watcher) {
        control_cancel(runs->control);
        wake(runs);
    }
    pthread_mutex_unlock(&runs->lock);
    if (runs->has_watcher)
        (void)pthread_join(runs->watcher, NULL);
    if (runs->has_remover)
        (void)pthread_join(runs->remover, NULL);
    control_free(runs->control);
    lease_mark_close(runs->lease);
    run_table_done(&runs->table);
    arena_free(runs->node_arena);
    fd_close(&runs->epoll);
    fd_close(&runs->wake);
    (void)pthread_cond_destroy(&runs->changed);
    (void)pthread_mutex_destroy(&runs->lock);
    free(runs);
}

/* -- commands -- */

static bool was_forgotten(const Runs *runs, Str run_id)
{
    for (size_t i = 0; i < FORGOTTEN_MAX && i < runs->forgotten_count; i++)
        if (str_eq(str_from(runs->forgotten[i]), run_id))
            return true;
    return false;
}

static bool is_leaving(const Runs *runs, Str directory)
{
    for (size_t i = 0; i < runs->table.count; i++)
        if (runs->table.items[i]->phase == RUN_LEAVING && str_eq(str_from(runs->table.items[i]->directory), directory))
            return true;
    return false;
}

static void begin_new(Runs *runs, Arena *arena, Str run_id, const JsonVal *run_json)
{
    RunSpec spec = { 0 };
    Err err = { 0 };
    int64_t now = real_now_ms();
    if (!runspec_read(arena, run_json, &spec, &err))
        spec = (RunSpec){ 0 };          /* its keeper says what is wrong */
    while (spec.directory.len && is_leaving(runs, spec.directory) && !atomic_load(&runs->stopping))
        (void)pthread_cond_wait(&runs->changed, &runs->lock);
    int slot = run_table_slot(&runs->table, spec.directory, spec.kind == RUN_START_TASK);
    Run *run = slot < 0 ? NULL : run_table_add(&runs->table, run_id, spec.directory);
    err = (Err){ 0 };
    if (run && journal_add(runs->config.places, run_id, run_json, &runs->node, slot, now, &err)) {
        run->slot = slot;
        run->accepted_ms = now;
        run->phase = RUN_GOING;
        start(runs, run);
        wake(runs);
        return;
    }
    Err ignored = { 0 };
    if (run) {
        run_table_remove(&runs->table, run);
        if (!journal_forget(runs->config.places, run_id, &ignored))
            log_event(LOG_WARN, "node.run_not_forgotten", log_str("run", run_id), log_cstr("error", ignored.text));      /* the next agent does it */
    }
    RunOutcome outcome = { .start_ms = now, .end_ms = now, .failure = { .is_service = true, .code = STR("DiskFull"),
                           .message = err.code ? str_from(err.text) : STR("the node has no room for another run") } };
    add_unrecorded(runs, run_id, outcome_text(arena, &outcome), false);
}

void runs_begin(Runs *runs, const JsonVal *run)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(SCRATCH_BYTES);
    Str run_id = json_str(json_get(run, "runId"));
    if (!arena || !run_id_is_good(run_id)) {
        log_event(LOG_ERROR, "node.run_without_id", log_str("run", str_slice(run_id, 0, 80)));
        return;
    }
    pthread_mutex_lock(&runs->lock);
    if (!run_table_find(&runs->table, run_id) && !was_forgotten(runs, run_id))
        begin_new(runs, arena, run_id, run);
    pthread_mutex_unlock(&runs->lock);
}

void runs_end(Runs *runs, Str run_id, Str code, Str message)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(SCRATCH_BYTES);
    if (!arena || !run_id_is_good(run_id))
        return;
    pthread_mutex_lock(&runs->lock);
    Run *run = run_table_find(&runs->table, run_id);
    if (!run) {
        add_unrecorded(runs, run_id, lost_text(arena, &(Run){ .accepted_ms = real_now_ms() }, "the node does not know the run"), true);
    } else if (run->phase != RUN_GOING) {
        run->told = TOLD_NOTHING;       /* who asks has not heard of its end */
        wake(runs);
    } else if (!journal_has(runs->config.places, run_id, JOURNAL_STOP)) {
        stop(runs, run, code, message, false);
    } else {
        keeper_poke(runs->config.places, run_id);
    }
    pthread_mutex_unlock(&runs->lock);
}

void runs_drop(Runs *runs, Str run_id)
{
    pthread_mutex_lock(&runs->lock);
    Run *run = run_table_find(&runs->table, run_id);
    if (run)
        runs_forget(runs, run);
    pthread_mutex_unlock(&runs->lock);
}

/* -- the lease -- */

void runs_describe(Runs *runs, const RunNode *node)
{
    Arena *arena = arena_new(64 * 1024);
    if (!arena)
        return;
    RunNode copy = { str_dup(arena, node->node_id), str_dup(arena, node->account), str_dup(arena, node->account_url), str_dup(arena, node->pool), node->is_dedicated };
    pthread_mutex_lock(&runs->lock);
    arena_free(runs->node_arena);
    runs->node_arena = arena;
    runs->node = copy;
    pthread_mutex_unlock(&runs->lock);
}

void runs_lease(Runs *runs, int64_t until_boot_ms)
{
    bool is_sooner = atomic_exchange(&runs->lease->until_ms, until_boot_ms) > until_boot_ms;       /* keepers wait for the time they read last */
    pthread_mutex_lock(&runs->lock);
    for (size_t i = 0; is_sooner && i < runs->table.count; i++)
        if (runs->table.items[i]->phase == RUN_GOING)
            keeper_poke(runs->config.places, str_from(runs->table.items[i]->id));
    if (until_boot_ms && runs->pause_ms) {
        runs->pause_until_ms = 0;       /* the control plane answers again */
        wake(runs);
    }
    pthread_mutex_unlock(&runs->lock);
}

void runs_write(Runs *runs, JsonWriter *w, const char *name)
{
    pthread_mutex_lock(&runs->lock);
    json_open_array(w, name);
    for (size_t i = 0; i < runs->table.count; i++) {
        Run *run = runs->table.items[i];
        run->was_named = run->phase == RUN_GOING || run->told != TOLD_END;
        if (!run->was_named)
            continue;
        json_open(w, NULL);
        json_put_str(w, "runId", str_from(run->id));
        json_put_str(w, "state", run->phase == RUN_GOING ? STR("running") : run->is_lost ? STR("lost") : STR("completed"));
        json_close(w);
    }
    json_close_array(w);
    pthread_mutex_unlock(&runs->lock);
}

static bool is_in(const JsonVal *list, const char *id)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq(json_str(json_at(list, i)), str_from(id)))
            return true;
    return false;
}

void runs_answer(Runs *runs, const JsonVal *list)
{
    if (json_kind(list) != JSON_ARRAY)
        return;
    pthread_mutex_lock(&runs->lock);
    for (size_t i = 0; i < runs->table.count; i++) {
        Run *run = runs->table.items[i];
        if (run->phase != RUN_GOING || !run->was_named || run->is_dropped || is_in(list, run->id))
            continue;
        log_event(LOG_WARN, "node.run_not_ours", log_cstr("run", run->id));
        runs_forget(runs, run);
    }
    pthread_mutex_unlock(&runs->lock);
}
