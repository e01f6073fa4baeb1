/* node.c - rows of batch_node and the steps of a node's life. */
#include "batch/nodes/node.h"
#include "base/id.h"
#include "batch/parts.h"

#define NODE_COLUMNS \
    "id, account_id, pool_key, number, host_name, dedicated, state, state_ms, created_ms, started, start_error, boot_id, boot_ms, lease_until_ms, " \
    "agent_version, agent_ms, ip_address, join_hash, credential_hash, credential_new, next_command, report, reboot, start_boot_ms, leaves, tasks_run, tasks_succeeded, leases"

static Bytes blob_of(Arena *arena, Rows *rows, int column)
{
    return row_is_null(rows, column) ? (Bytes){ NULL, 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, column))));
}

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    Node *out = into;
    *out = (Node){
        .id = str_dup(arena, row_text(rows, 0)), .account_id = str_dup(arena, row_text(rows, 1)), .pool_key = str_dup(arena, row_text(rows, 2)),
        .number = row_int(rows, 3), .host_name = str_dup(arena, row_text(rows, 4)), .dedicated = row_int(rows, 5) != 0,
        .state = (NodeState)row_int(rows, 6), .state_ms = row_int(rows, 7), .created_ms = row_int(rows, 8), .started = row_int(rows, 9) != 0,
        .start_error = str_dup(arena, row_text(rows, 10)), .boot_id = str_dup(arena, row_text(rows, 11)), .boot_ms = row_int(rows, 12),
        .lease_until_ms = row_int(rows, 13), .agent_version = str_dup(arena, row_text(rows, 14)), .agent_ms = row_int(rows, 15),
        .ip_address = str_dup(arena, row_text(rows, 16)), .join_hash = blob_of(arena, rows, 17), .credential_hash = blob_of(arena, rows, 18),
        .credential_new = blob_of(arena, rows, 19), .next_command = row_int(rows, 20), .report = blob_of(arena, rows, 21),
        .reboot = str_dup(arena, row_text(rows, 22)), .start_boot_ms = row_int(rows, 23), .leaves = str_dup(arena, row_text(rows, 24)),
        .tasks_run = row_int(rows, 25), .tasks_succeeded = row_int(rows, 26), .leases = row_int(rows, 27),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool node_find(Txn *txn, Arena *arena, Str node_id, Node *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " NODE_COLUMNS " FROM batch_node WHERE id = ?1", db_text(str_lower(arena, node_id))) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool node_require(Txn *txn, Arena *arena, const Pool *pool, Str node_id, Node *out, Err *err)
{
    bool found;
    if (!node_find(txn, arena, node_id, out, &found, err))
        return false;
    return (found && str_eq(out->account_id, pool->account_id) && str_eq(out->pool_key, pool->key)) ||
           err_named(err, ERR_NOT_FOUND, "NodeNotFound", NULL, "The specified node does not exist in the pool '" STR_FMT "': '" STR_FMT "'.",
                     STR_ARG(pool->id), STR_ARG(str_slice(node_id, 0, 80)));
}

bool node_list(Txn *txn, Arena *arena, Str account_id, Str pool_key, int64_t after, int64_t limit, Node **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " NODE_COLUMNS " FROM batch_node WHERE account_id = ?1 AND pool_key = ?2 AND number > ?3 ORDER BY number LIMIT ?4",
                   db_text(account_id), db_text(pool_key), db_int(after), db_int(limit)) &&
           rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

bool node_insert(Batch *batch, Txn *txn, Arena *arena, const Pool *pool, int64_t number, bool dedicated, int64_t now_ms, Str *node_id, Err *err)
{
    Str id = str_printf(arena, "tvmps_" STR_FMT "_%s", STR_ARG(hex_id_new(arena, 32)), dedicated ? "d" : "p");
    Str host = str_printf(arena, STR_FMT "%06lld", STR_ARG(pool->host_prefix), (long long)number);
    if (!arena_ok(arena))
        return err_too_big(err);
    *node_id = id;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO batch_node (id, account_id, pool_key, number, host_name, dedicated, state, state_ms, created_ms, started, start_error, boot_id,"
                    " boot_ms, lease_until_ms, agent_version, agent_ms, ip_address, join_hash, credential_hash, credential_new, next_command, report, reboot,"
                    " start_boot_ms, leaves, tasks_run, tasks_succeeded, leases)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0, '', '', 0, 0, '', 0, '', NULL, NULL, NULL, 1, NULL, '', 0, '', 0, 0, 0)",
                    db_text(id), db_text(pool->account_id), db_text(pool->key), db_int(number), db_text(host), db_int(dedicated), db_int(NODE_CREATING), db_int(now_ms)) &&
           runner_schedule(batch->site->runner, txn, WORK_NODE, id, real_now_ms(), err);
}

bool node_apply(Txn *txn, const Node *node, NodeEvent event, int64_t now_ms, NodeState *now, bool *moved, Err *err)
{
    NodeState to;
    if (!node_move(node->state, event, &to))
        return err_set(err, ERR_INTERNAL, "node " STR_FMT " cannot take event %d in state %s", STR_ARG(node->id), event, node_state_name(node->state));
    *moved = to != node->state;
    *now = to;                                          /* may be node->state itself */
    return !*moved || txn_exec(txn, NULL, err, "UPDATE batch_node SET state = ?2, state_ms = ?3 WHERE id = ?1", db_text(node->id), db_int(to), db_int(now_ms));
}

bool node_delete(Txn *txn, Str node_id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_command WHERE node_id = ?1", db_text(node_id)) &&
           txn_exec(txn, NULL, err, "DELETE FROM batch_node WHERE id = ?1", db_text(node_id));
}

static SealPlace report_place(Arena *arena, const Node *node)
{
    return (SealPlace){ .scope = account_scope(arena, node->account_id), .table = "batch_node", .row = node->id, .column = "report" };
}

bool node_report_seal(const Site *site, Txn *txn, Arena *arena, const Node *node, Str report, Bytes *sealed, Err *err)
{
    return seal_put(site->seal, txn, report_place(arena, node), bytes_of(report), arena, sealed, err);
}

bool node_report_open(const Site *site, Txn *txn, Arena *arena, const Node *node, Str *report, Err *err)
{
    if (!node->report.ptr) {
        *report = STR("{}");
        return true;
    }
    return seal_get_text(site->seal, txn, report_place(arena, node), node->report, arena, report, err);
}
