/* queue.c - the scheduler: gives the waiting tasks of a pool's jobs to its nodes that have slots free. Background work, one run at a time
 * for each pool, woken by whatever may let a task begin: a task was added, a run ended, a node became usable, a job was enabled.
 *
 * Jobs of higher priority come first; those of the same priority take turns; within a job the oldest task comes first. A task whose slots
 * fit nowhere just now lets the next one pass. Nothing that runs is displaced. */
#include "batch/nodes/node_settle.h"
#include "batch/encryption/encryption.h"
#include "batch/parts.h"

enum { PLACES_MAX = 3 * 1000, JOBS_A_PASS = ACCOUNT_JOB_QUOTA, TASKS_A_LOOK = 200, ASSIGNED_A_PASS = 200, SCRATCH_BYTES = 256 << 20 };

typedef struct Place { Node node; int64_t free, used; bool is_touched; } Place;

typedef struct Line {                       /* a job and its tasks that wait */
    Job job;
    int64_t room;                           /* maxParallelTasks less those that run */
    Task *tasks;
    size_t count, next;
    bool is_done, reruns_preparation;
    Run *preparations;
    size_t preparation_count;
} Line;

typedef struct Queue {
    Batch *batch;
    Arena *arena;
    Str account_id, pool_key;
    int64_t now_ms;
    Place *places;
    size_t place_count, assigned;
    int64_t free;
    bool packs;
} Queue;

/* -- looking -- */

static bool look_pool(Queue *q, Txn *txn, bool *serves, Err *err)
{
    KeyHindrance hindrance;
    const JsonVal *document;
    Pool pool;
    Str body;
    if (!encryption_hindrance(q->batch, txn, q->arena, q->account_id, &hindrance, err) || !pool_find(txn, q->arena, q->account_id, q->pool_key, &pool, serves, err))
        return false;
    *serves = *serves && hindrance == KEY_HINDERS_NOTHING && pool.state == POOL_ACTIVE;
    if (!*serves)
        return true;
    if (!pool_body_open(q->batch->site, txn, q->arena, &pool, &body, err) || !json_parse(q->arena, body, JSON_STRICT, &document, err))
        return false;
    q->packs = str_eq(json_str(json_path(document, "taskSchedulingPolicy.nodeFillType")), STR("Pack"));
    AUTO(rows_free_auto) Rows *rows = NULL;
    q->places = ARENA_ARRAY(q->arena, Place, PLACES_MAX);
    if (!q->places)
        return err_too_big(err);
    if (!txn_query(txn, &rows, err,
                   "SELECT n.id, n.boot_ms, (SELECT COALESCE(SUM(r.slots), 0) FROM batch_run r WHERE r.node_id = n.id AND r.kind = ?5) FROM batch_node n"
                   " WHERE n.account_id = ?1 AND n.pool_key = ?2 AND (n.state = ?3 OR n.state = ?4) ORDER BY n.number LIMIT ?6",
                   db_text(q->account_id), db_text(q->pool_key), db_int(NODE_IDLE), db_int(NODE_RUNNING), db_int(RUN_TASK), db_int(PLACES_MAX)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        Place *place = &q->places[q->place_count++];
        place->node = (Node){ .id = str_dup(q->arena, row_text(rows, 0)), .account_id = q->account_id, .pool_key = q->pool_key, .boot_ms = row_int(rows, 1) };
        place->used = row_int(rows, 2);
        place->free = pool.slots > place->used ? pool.slots - place->used : 0;
        q->free += place->free;
    }
    return err->code == ERR_NONE && (arena_ok(q->arena) || err_too_big(err));
}

static bool look_preparations(Queue *q, Txn *txn, Line *line, Err *err)
{
    JobSpec spec;
    Str body;
    if (!line->job.prepares)
        return true;
    if (!job_body_open(q->batch->site, txn, q->arena, &line->job, &body, err) || !job_spec_of(q->arena, line->job.id, body, &spec, err))
        return false;
    line->reruns_preparation = spec.reruns_preparation;
    return run_list_job(txn, q->arena, q->account_id, line->job.key, RUN_PREPARATION, &line->preparations, &line->preparation_count, err);
}

static bool look_line(Queue *q, Txn *txn, const Job *job, Line *line, Err *err)
{
    *line = (Line){ .job = *job, .room = INT64_MAX };
    if (job->max_parallel >= 0) {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, "SELECT COUNT(*) FROM batch_task WHERE account_id = ?1 AND job_key = ?2 AND (state = ?3 OR state = ?4)",
                       db_text(q->account_id), db_text(job->key), db_int(TASK_PREPARING), db_int(TASK_RUNNING)))
            return false;
        *err = (Err){ 0 };
        line->room = rows_next(rows, err) ? job->max_parallel - row_int(rows, 0) : 0;
        if (err->code != ERR_NONE)
            return false;
    }
    if (!task_list_state(txn, q->arena, q->account_id, job->key, TASK_ACTIVE, true, TASKS_A_LOOK, &line->tasks, &line->count, err))
        return false;
    line->is_done = line->count == 0 || line->room <= 0;
    return line->is_done || look_preparations(q, txn, line, err);
}

/* -- choosing -- */

static Run *preparation_on(Line *line, const Place *place)
{
    for (size_t i = 0; i < line->preparation_count; i++)
        if (str_eq(line->preparations[i].node_id, place->node.id))
            return &line->preparations[i];
    return NULL;
}

/* A node whose preparation failed for good, or is just being taken back, is not for this job. */
static bool is_fit(Line *line, const Task *task, const Place *place)
{
    const Run *preparation = preparation_on(line, place);
    if (place->free < task->slots)
        return false;
    return !preparation || (preparation->state != RUN_REVOKED &&
                            !(preparation->state == RUN_ENDED && line->job.prepares_first && preparation->result != RESULT_SUCCESS));
}

static bool is_better(const Queue *q, const Place *a, const Place *b)
{
    return q->packs ? a->free < b->free : a->used < b->used;
}

static Place *choose(Queue *q, Line *line, const Task *task)
{
    Place *best = NULL;
    for (size_t i = 0; i < q->place_count; i++) {
        Place *place = &q->places[i];
        if (!is_fit(line, task, place))
            continue;
        if (!str_empty(task->affinity) && str_eq(task->affinity, place->node.id))
            return place;                               /* "a soft affinity": where it can be had */
        if (!best || is_better(q, place, best))
            best = place;
    }
    return best;
}

/* -- doing -- */

/* *waits: the task has its place and begins when the preparation task has succeeded there. */
static bool prepare(Queue *q, Txn *txn, Line *line, Place *place, bool *waits, Err *err)
{
    Run *before = preparation_on(line, place), like = { .kind = RUN_PREPARATION, .job_key = line->job.key, .task_key = STR("") }, run;
    *waits = false;
    if (!line->job.prepares)
        return true;
    bool again = before && before->state == RUN_ENDED && before->boot_ms != place->node.boot_ms && line->reruns_preparation;
    *waits = line->job.prepares_first && (!before || before->state != RUN_ENDED || again);
    if (before && !again)
        return true;
    if ((before && !run_remove(txn, before, err)) || !run_begin(q->batch, txn, q->arena, &place->node, &like, RUN_ASSIGNED, q->now_ms, &run, err) ||
        (before && !run_drop(q->batch, txn, q->arena, place->node.id, before->id, err)))
        return false;
    if (before) {
        *before = run;
        return true;
    }
    Run *more = ARENA_ARRAY(q->arena, Run, line->preparation_count + 1);
    if (!more)
        return err_too_big(err);
    if (line->preparation_count)
        memcpy(more, line->preparations, line->preparation_count * sizeof *more);
    more[line->preparation_count++] = run;
    line->preparations = more;
    return true;
}

static bool assign(Queue *q, Txn *txn, Line *line, Task *task, Place *place, Err *err)
{
    Run like = { .kind = RUN_TASK, .job_key = task->job_key, .task_key = task->key, .slots = task->slots }, run;
    Str before = task->last_run, before_node = task->node_id;
    bool waits;
    if (!prepare(q, txn, line, place, &waits, err) ||
        !run_begin(q->batch, txn, q->arena, &place->node, &like, waits ? RUN_WAITING : RUN_ASSIGNED, q->now_ms, &run, err) ||
        !task_assign(txn, task, waits ? TASK_PREPARES : TASK_RUNS, &place->node, run.id, q->now_ms, err) ||
        !run_drop(q->batch, txn, q->arena, before_node, before, err))       /* after the new one was begun: on the same node the directory stays */
        return false;
    place->free -= task->slots;
    place->used += task->slots;
    place->is_touched = true;
    q->free -= task->slots;
    q->assigned++;
    line->room--;
    return true;
}

/* The next task of the line that fits somewhere; none: the line is done. */
static bool take_turn(Queue *q, Txn *txn, Line *line, Err *err)
{
    while (line->next < line->count && line->room > 0) {
        Task *task = &line->tasks[line->next++];
        Place *place = choose(q, line, task);
        if (place)
            return assign(q, txn, line, task, place, err);
    }
    line->is_done = true;
    return true;
}

static bool take_turns(Queue *q, Txn *txn, Line *lines, size_t count, Err *err)
{
    for (bool busy = true; busy;) {
        busy = false;
        for (size_t i = 0; i < count; i++) {
            if (lines[i].is_done || q->free == 0 || q->assigned >= ASSIGNED_A_PASS)
                continue;
            if (!take_turn(q, txn, &lines[i], err))
                return false;
            busy = true;
        }
    }
    return true;
}

static bool fill_txn(Txn *txn, void *ctx, Err *err)
{
    Queue *q = ctx;
    Job *jobs;
    size_t count;
    bool serves;
    q->place_count = q->assigned = 0;
    q->free = 0;
    if (!look_pool(q, txn, &serves, err) || !serves || q->free == 0)
        return err->code == ERR_NONE;
    if (!job_list_active(txn, q->arena, q->account_id, q->pool_key, JOBS_A_PASS, &jobs, &count, err))
        return false;
    Line *lines = ARENA_ARRAY(q->arena, Line, count + 1);
    if (!lines)
        return err_too_big(err);
    for (size_t from = 0, to; from < count && q->free > 0 && q->assigned < ASSIGNED_A_PASS; from = to) {
        for (to = from; to < count && jobs[to].priority == jobs[from].priority; to++)
            if (!look_line(q, txn, &jobs[to], &lines[to], err))
                return false;
        if (!take_turns(q, txn, &lines[from], to - from, err))
            return false;
    }
    for (size_t i = 0; i < q->place_count; i++)
        if (q->places[i].is_touched && !node_settle(q->batch, txn, q->arena, q->places[i].node.id, q->now_ms, err))
            return false;
    return true;
}

bool batch_queue_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Queue q = { .batch = ctx, .assigned = ASSIGNED_A_PASS };
    Str rest = str_dup(arena, job->key);
    (void)now_ms;
    *again_ms = 0;
    q.account_id = str_cut(&rest, '/');
    q.pool_key = rest;
    while (q.assigned >= ASSIGNED_A_PASS) {
        AUTO(arena_free_auto) Arena *scratch = arena_new(SCRATCH_BYTES);       /* a queue may be long */
        if (!(q.arena = scratch))
            return err_set(err, ERR_INTERNAL, "out of memory");
        q.now_ms = clock_now_ms(q.batch->site->clock);
        if (!store_write(q.batch->site->store, fill_txn, &q, err))
            return false;
    }
    return true;
}
