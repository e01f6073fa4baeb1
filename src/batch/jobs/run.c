/* run.c - rows of batch_run, and the commands that tell nodes of them. */
#include "batch/jobs/run.h"
#include "base/id.h"
#include "batch/nodes/command.h"
#include "batch/parts.h"

enum { NODE_RUNS_MAX = 4096, JOB_RUNS_MAX = 4096 };

#define RUN_COLUMNS \
    "id, node_id, account_id, pool_key, kind, job_key, task_key, state, seen_lease, slots, retries, retry_ms, boot_ms, start_ms, end_ms, exit_code, result, failure, created_ms"

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    Run *out = into;
    *out = (Run){
        .id = str_dup(arena, row_text(rows, 0)), .node_id = str_dup(arena, row_text(rows, 1)), .account_id = str_dup(arena, row_text(rows, 2)),
        .pool_key = str_dup(arena, row_text(rows, 3)), .kind = (RunKind)row_int(rows, 4), .job_key = str_dup(arena, row_text(rows, 5)),
        .task_key = str_dup(arena, row_text(rows, 6)), .state = (RunState)row_int(rows, 7), .seen_lease = row_int(rows, 8), .slots = row_int(rows, 9),
        .retries = row_int(rows, 10), .retry_ms = row_int(rows, 11), .boot_ms = row_int(rows, 12), .start_ms = row_int(rows, 13), .end_ms = row_int(rows, 14),
        .has_exit_code = !row_is_null(rows, 15), .exit_code = row_int(rows, 15), .result = (RunResult)row_int(rows, 16),
        .failure = row_is_null(rows, 17) ? (Bytes){ NULL, 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, 17)))), .created_ms = row_int(rows, 18),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool run_find(Txn *txn, Arena *arena, Str run_id, Run *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " RUN_COLUMNS " FROM batch_run WHERE id = ?1", db_text(run_id)) && rows_one(rows, arena, from_row, out, found, err);
}

bool run_of_node(Txn *txn, Arena *arena, RunKind kind, Str node_id, Str job_key, Run *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " RUN_COLUMNS " FROM batch_run WHERE node_id = ?1 AND kind = ?2 AND job_key = ?3", db_text(node_id), db_int(kind), db_text(job_key)) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool run_open_of_task(Txn *txn, Arena *arena, Str account_id, Str job_key, Str task_key, Str *run_id, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *run_id = STR("");
    if (!txn_query(txn, &rows, err, "SELECT id FROM batch_run WHERE account_id = ?1 AND job_key = ?2 AND kind = ?3 AND task_key = ?4",
                   db_text(account_id), db_text(job_key), db_int(RUN_TASK), db_text(task_key)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err))
        *run_id = str_dup(arena, row_text(rows, 0));
    return err->code == ERR_NONE && (arena_ok(arena) || err_too_big(err));
}

bool run_list_job(Txn *txn, Arena *arena, Str account_id, Str job_key, RunKind kind, Run **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " RUN_COLUMNS " FROM batch_run WHERE account_id = ?1 AND job_key = ?2 AND kind = ?3 ORDER BY node_id",
                     db_text(account_id), db_text(job_key), db_int(kind)) && rows_all(rows, arena, from_row, JOB_RUNS_MAX, out, count, err);
}

bool run_list_node(Txn *txn, Arena *arena, Str node_id, Run **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " RUN_COLUMNS " FROM batch_run WHERE node_id = ?1 AND state <> ?2 ORDER BY created_ms, id", db_text(node_id), db_int(RUN_ENDED)) &&
           rows_all(rows, arena, from_row, NODE_RUNS_MAX, out, count, err);
}

bool run_count_tasks(Txn *txn, Str node_id, int64_t *count, int64_t *slots, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *count = *slots = 0;
    if (!txn_query(txn, &rows, err, "SELECT COUNT(*), COALESCE(SUM(slots), 0) FROM batch_run WHERE node_id = ?1 AND kind = ?2", db_text(node_id), db_int(RUN_TASK)))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err)) {
        *count = row_int(rows, 0);
        *slots = row_int(rows, 1);
    }
    return err->code == ERR_NONE;
}

static SealPlace failure_place(Arena *arena, const Run *run)
{
    return (SealPlace){ .scope = account_scope(arena, run->account_id), .table = "batch_run", .row = run->id, .column = "failure" };
}

bool run_failure_open(const Site *site, Txn *txn, Arena *arena, const Run *run, Str *failure, Err *err)
{
    *failure = STR_NONE;
    return !run->failure.ptr || seal_get_text(site->seal, txn, failure_place(arena, run), run->failure, arena, failure, err);
}

/* -- steps -- */

bool run_begin(Batch *batch, Txn *txn, Arena *arena, const Node *node, const Run *like, RunState state, int64_t now_ms, Run *out, Err *err)
{
    *out = (Run){ .id = hex_id_new(arena, 32), .node_id = node->id, .account_id = node->account_id, .pool_key = node->pool_key, .kind = like->kind, .job_key = like->job_key,
                  .task_key = like->task_key, .state = state, .slots = like->slots, .retries = like->retries, .retry_ms = like->retry_ms,
                  .boot_ms = node->boot_ms, .created_ms = now_ms };
    if (!arena_ok(arena))
        return err_too_big(err);
    return txn_exec(txn, NULL, err,
                    "INSERT INTO batch_run (id, node_id, account_id, pool_key, kind, job_key, task_key, state, seen_lease, slots, retries, retry_ms, boot_ms, start_ms, end_ms,"
                    " exit_code, result, failure, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12, 0, 0, NULL, 0, NULL, ?13)",
                    db_text(out->id), db_text(out->node_id), db_text(out->account_id), db_text(out->pool_key), db_int(out->kind), db_text(out->job_key), db_text(out->task_key),
                    db_int(state), db_int(out->slots), db_int(out->retries), db_int(out->retry_ms), db_int(out->boot_ms), db_int(now_ms)) &&
           (state == RUN_WAITING || command_add_run(batch->site, txn, arena, COMMAND_RUN, out->node_id, out->id, err));
}

static bool set_state(Txn *txn, Run *run, RunState state, Err *err)
{
    run->state = state;
    return txn_exec(txn, NULL, err, "UPDATE batch_run SET state = ?2 WHERE id = ?1", db_text(run->id), db_int(state));
}

bool run_release_waiting(Batch *batch, Txn *txn, Arena *arena, Run *run, Err *err)
{
    return set_state(txn, run, RUN_ASSIGNED, err) && command_add_run(batch->site, txn, arena, COMMAND_RUN, run->node_id, run->id, err);
}

bool run_note_seen(Txn *txn, Run *run, Err *err)
{
    return run->seen_lease > 0 || txn_exec(txn, NULL, err, "UPDATE batch_run SET seen_lease = (SELECT leases FROM batch_node n WHERE n.id = node_id) WHERE id = ?1", db_text(run->id));
}

bool run_note_running(Txn *txn, Run *run, int64_t start_ms, Err *err)
{
    run->start_ms = start_ms;
    return set_state(txn, run, RUN_RUNNING, err) && txn_exec(txn, NULL, err, "UPDATE batch_run SET start_ms = ?2 WHERE id = ?1", db_text(run->id), db_int(start_ms)) &&
           run_note_seen(txn, run, err) &&
           command_drop_run(txn, COMMAND_RUN, run->id, err);
}

/* One that its node was not told of yet is not begun just to be ended: a node that does not know it says so. */
bool run_stop(Batch *batch, Txn *txn, Arena *arena, const Run *run, Err *err)
{
    return command_drop_run(txn, COMMAND_RUN, run->id, err) && command_drop_run(txn, COMMAND_STOP_RUN, run->id, err) &&
           command_add_run(batch->site, txn, arena, COMMAND_STOP_RUN, run->node_id, run->id, err);
}

bool run_revoke(Txn *txn, Run *run, Err *err)
{
    return set_state(txn, run, RUN_REVOKED, err) && command_drop_run(txn, COMMAND_RUN, run->id, err);
}

bool run_note_end(Batch *batch, Txn *txn, Arena *arena, Run *run, const RunOutcome *outcome, RunResult result, Err *err)
{
    Bytes sealed = { 0 };
    if (outcome->failure_json.ptr && !seal_put(batch->site->seal, txn, failure_place(arena, run), bytes_of(outcome->failure_json), arena, &sealed, err))
        return false;
    run->state = RUN_ENDED;
    run->start_ms = outcome->start_ms;
    run->end_ms = outcome->end_ms;
    run->result = result;
    run->failure = sealed;
    return txn_exec(txn, NULL, err, "UPDATE batch_run SET state = ?2, start_ms = ?3, end_ms = ?4, exit_code = ?5, result = ?6, failure = ?7 WHERE id = ?1",
                    db_text(run->id), db_int(RUN_ENDED), db_int(outcome->start_ms), db_int(outcome->end_ms),
                    outcome->has_exit_code ? db_int(outcome->exit_code) : db_null(), db_int(result), db_blob(sealed)) &&
           command_drop_run(txn, COMMAND_RUN, run->id, err) && command_drop_run(txn, COMMAND_STOP_RUN, run->id, err);
}

bool run_remove(Txn *txn, const Run *run, Err *err)
{
    return command_drop_run(txn, COMMAND_RUN, run->id, err) && command_drop_run(txn, COMMAND_STOP_RUN, run->id, err) &&
           txn_exec(txn, NULL, err, "DELETE FROM batch_run WHERE id = ?1", db_text(run->id));
}

bool run_drop(Batch *batch, Txn *txn, Arena *arena, Str node_id, Str run_id, Err *err)
{
    Node node;
    bool found;
    if (str_empty(run_id) || str_empty(node_id))
        return true;
    return node_find(txn, arena, node_id, &node, &found, err) && (!found || command_add_run(batch->site, txn, arena, COMMAND_DROP_RUN, node.id, run_id, err));
}
