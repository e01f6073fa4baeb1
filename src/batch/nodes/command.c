/* command.c - rows of batch_command. */
#include "batch/nodes/command.h"
#include "base/id.h"

enum { PENDING_MAX = 16 };

#define COMMAND_COLUMNS "node_id, number, id, kind, until_ms, body, result, run_id"

Str command_node_key(Arena *arena, Str node_id) { return str_printf(arena, "batch.node:" STR_FMT, STR_ARG(node_id)); }
Str command_exec_key(Arena *arena, Str command_id) { return str_printf(arena, "batch.exec:" STR_FMT, STR_ARG(command_id)); }

static SealPlace place(Arena *arena, Str account_id, Str command_id, const char *column)
{
    return (SealPlace){ .scope = account_scope(arena, account_id), .table = "batch_command", .row = command_id, .column = column };
}

static bool next_number(Txn *txn, Str node_id, int64_t *number, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "UPDATE batch_node SET next_command = next_command + 1 WHERE id = ?1 RETURNING next_command - 1", db_text(node_id)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE ? err_set(err, ERR_INTERNAL, "node " STR_FMT " is gone", STR_ARG(node_id)) : false;
    *number = row_int(rows, 0);
    return true;
}

static bool insert(Txn *txn, Str node_id, Str id, const char *kind, Str run_id, int64_t until_ms, Bytes body, Err *err)
{
    int64_t number = 0;
    return next_number(txn, node_id, &number, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO batch_command (node_id, number, id, kind, until_ms, body, result, run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)",
                    db_text(node_id), db_int(number), db_text(id), db_text(str_from(kind)), db_int(until_ms), db_blob(body), db_text(run_id));
}

static bool count_execs(Txn *txn, Str node_id, int64_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT COUNT(*) FROM batch_command WHERE node_id = ?1 AND kind = 'exec'", db_text(node_id)))
        return false;
    *err = (Err){ 0 };
    *count = rows_next(rows, err) ? row_int(rows, 0) : 0;
    return err->code == ERR_NONE;
}

bool command_add_exec(const Site *site, Txn *txn, Arena *arena, const Node *node, Str command_json, int64_t timeout_ms, Str *command_id, Err *err)
{
    Str id = hex_id_new(arena, 32);
    Bytes body;
    int64_t count;
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!count_execs(txn, node->id, &count, err))
        return false;
    if (count >= EXECS_A_NODE_MAX)
        return err_named(err, ERR_THROTTLED, "ServerBusy", NULL, "The node has %d commands waiting already; try again when some have ended.", EXECS_A_NODE_MAX);
    if (!seal_put(site->seal, txn, place(arena, node->account_id, id, "body"), bytes_of(command_json), arena, &body, err) ||
        !insert(txn, node->id, id, "exec", STR(""), real_now_ms() + timeout_ms + EXEC_GRACE_MS, body, err))
        return false;
    *command_id = id;
    return true;
}

/* -- refresh -- */

static bool refresh_one(Txn *txn, Arena *arena, Str node_id, Err *err)
{
    /* One that was not taken yet says it all. */
    return txn_exec(txn, NULL, err, "DELETE FROM batch_command WHERE node_id = ?1 AND kind = 'refresh'", db_text(node_id)) &&
           insert(txn, node_id, hex_id_new(arena, 32), "refresh", STR(""), INT64_MAX, (Bytes){ NULL, 0 }, err);
}

bool command_refresh_all(Txn *txn, Arena *arena, Str **node_ids, size_t *node_count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    size_t count = 0, room = 0;
    Str *ids = NULL;
    if (!txn_query(txn, &rows, err, "SELECT id FROM batch_node WHERE credential_hash IS NOT NULL"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (count == room) {
            Str *more = ARENA_ARRAY(arena, Str, room = room ? room * 2 : 64);
            if (!more)
                return err_too_big(err);
            if (count)
                memcpy(more, ids, count * sizeof *ids);
            ids = more;
        }
        ids[count++] = str_dup(arena, row_text(rows, 0));
    }
    if (err->code != ERR_NONE || !arena_ok(arena))
        return err->code != ERR_NONE ? false : err_too_big(err);
    for (size_t i = 0; i < count; i++)
        if (!refresh_one(txn, arena, ids[i], err))
            return false;
    *node_ids = ids;
    *node_count = count;
    return true;
}

/* -- runs -- */

typedef struct Wake { HttpServer *http; Str key; } Wake;

static void wake_node(void *ctx, int64_t number)
{
    const Wake *wake = ctx;
    (void)number;
    http_wake(wake->http, wake->key);
}

bool command_add_run(const Site *site, Txn *txn, Arena *arena, const char *kind, Str node_id, Str run_id, Err *err)
{
    Wake *wake = ARENA_NEW(arena, Wake);
    if (!wake)
        return err_too_big(err);
    *wake = (Wake){ site->http, command_node_key(arena, node_id) };
    txn_after_commit(txn, wake_node, wake, 0);
    return insert(txn, node_id, hex_id_new(arena, 32), kind, run_id, INT64_MAX, (Bytes){ NULL, 0 }, err);
}

bool command_drop_run(Txn *txn, const char *kind, Str run_id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_command WHERE run_id = ?1 AND run_id <> '' AND kind = ?2", db_text(run_id), db_text(str_from(kind)));
}

/* -- reading -- */

static Bytes blob_of(Arena *arena, Rows *rows, int column)
{
    return row_is_null(rows, column) ? (Bytes){ NULL, 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, column))));
}

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    Command *out = into;
    *out = (Command){
        .node_id = str_dup(arena, row_text(rows, 0)), .number = row_int(rows, 1), .id = str_dup(arena, row_text(rows, 2)),
        .kind = str_dup(arena, row_text(rows, 3)), .until_ms = row_int(rows, 4), .body = blob_of(arena, rows, 5), .result = blob_of(arena, rows, 6),
        .run_id = str_dup(arena, row_text(rows, 7)),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool command_pending(Txn *txn, Arena *arena, Str node_id, int64_t after, Command **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " COMMAND_COLUMNS " FROM batch_command WHERE node_id = ?1 AND number > ?2 AND result IS NULL ORDER BY number LIMIT ?3",
                   db_text(node_id), db_int(after), db_int(PENDING_MAX)) &&
           rows_all(rows, arena, from_row, PENDING_MAX, out, count, err);
}

bool command_passed(Txn *txn, Str node_id, int64_t cursor, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_command WHERE node_id = ?1 AND number <= ?2 AND kind IN ('refresh', 'stop', 'drop-run')", db_text(node_id), db_int(cursor));
}

bool command_find(Txn *txn, Arena *arena, Str command_id, Command *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " COMMAND_COLUMNS " FROM batch_command WHERE id = ?1", db_text(command_id)) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool command_body_open(const Site *site, Txn *txn, Arena *arena, Str account_id, const Command *command, Str *body, Err *err)
{
    return seal_get_text(site->seal, txn, place(arena, account_id, command->id, "body"), command->body, arena, body, err);
}

bool command_result_open(const Site *site, Txn *txn, Arena *arena, Str account_id, const Command *command, Str *result, Err *err)
{
    return seal_get_text(site->seal, txn, place(arena, account_id, command->id, "result"), command->result, arena, result, err);
}

/* -- results -- */

bool command_result_put(const Site *site, Txn *txn, Arena *arena, const Node *node, Str command_id, Str result_json, bool *kept, Err *err)
{
    Command command;
    Bytes sealed;
    int64_t changed;
    if (!command_find(txn, arena, command_id, &command, kept, err))
        return false;
    *kept = *kept && str_eq(command.node_id, node->id) && str_eq(command.kind, STR("exec")) && !command.result.ptr;
    if (!*kept)
        return true;
    return seal_put(site->seal, txn, place(arena, node->account_id, command_id, "result"), bytes_of(result_json), arena, &sealed, err) &&
           txn_exec(txn, &changed, err, "UPDATE batch_command SET result = ?2, until_ms = ?3 WHERE id = ?1",
                    db_text(command_id), db_blob(sealed), db_int(real_now_ms() + EXEC_KEPT_MS));
}

bool command_drop(Txn *txn, Str command_id, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_command WHERE id = ?1", db_text(command_id));
}

bool command_drop_old(Txn *txn, int64_t real_ms, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_command WHERE until_ms < ?1", db_int(real_ms));
}
