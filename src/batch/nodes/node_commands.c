/* node_commands.c - GET /v1/commands: what an agent waits for. A request is parked until there is something to do. */
#include "batch/encryption/encryption.h"
#include "batch/jobs/run_wire.h"
#include "batch/nodes/command.h"
#include "batch/nodes/node_plane.h"
#include "batch/parts.h"

enum { COMMANDS_WAIT_MS = 50 * 1000, COMMANDS_BYTES_MAX = 1024 * 1024, SCRATCH_BYTES = 64 << 20 };

typedef struct Wait { Batch *batch; Req *req; const NodeCaller *caller; int64_t after; bool forgets; Command *list; size_t count; Str *bodies; } Wait;

static bool is_run(const Command *command) { return str_eq(command->kind, STR(COMMAND_RUN)); }

/* What is sealed, as it is kept or to be composed. */
static bool open_body(Wait *wait, Txn *txn, const Command *command, Str *body, Err *err)
{
    Arena *arena = wait->req->arena;
    Run run;
    bool found;
    if (!is_run(command))
        return !command->body.ptr || command_body_open(wait->batch->site, txn, arena, wait->caller->node.account_id, command, body, err);
    AUTO(arena_free_auto) Arena *scratch = arena_new(SCRATCH_BYTES);       /* of the whole bodies; what is told is less */
    if (!scratch)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!run_find(txn, scratch, command->run_id, &run, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_INTERNAL, "command " STR_FMT " is of no run", STR_ARG(command->id));
    if (!run_compose(wait->batch, txn, scratch, &run, body, err))
        return false;
    *body = str_dup(arena, *body);
    return body->ptr || err_too_big(err);
}

static bool wait_txn(Txn *txn, void *ctx, Err *err)
{
    Wait *wait = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str node_id = wait->caller->node.id;
    KeyHindrance hindrance;
    size_t bytes = 0;
    if (!command_pending(txn, wait->req->arena, node_id, wait->after, &wait->list, &wait->count, err))
        return false;
    wait->bodies = ARENA_ARRAY(wait->req->arena, Str, wait->count + 1);
    if (!wait->bodies)
        return err_too_big(err);
    if (!encryption_hindrance(wait->batch, txn, wait->req->arena, wait->caller->node.account_id, &hindrance, err))
        return false;
    for (size_t i = 0; i < wait->count; i++) {
        if ((wait->list[i].body.ptr || is_run(&wait->list[i])) && hindrance != KEY_HINDERS_NOTHING) {
            wait->count = i;                            /* it and what follows it come when the key is back */
            break;
        }
        if (!open_body(wait, txn, &wait->list[i], &wait->bodies[i], err))
            return false;
        bytes += wait->bodies[i].len;
        if (i > 0 && bytes > COMMANDS_BYTES_MAX) {
            wait->count = i;                            /* the rest comes with the next call */
            break;
        }
    }
    if (!txn_query(txn, &rows, err, "SELECT 1 FROM batch_command WHERE node_id = ?1 AND number <= ?2 AND kind IN ('refresh', 'stop', 'drop-run') LIMIT 1", db_text(node_id), db_int(wait->after)))
        return false;
    *err = (Err){ 0 };
    wait->forgets = rows_next(rows, err);
    return err->code == ERR_NONE;
}

static bool forget_txn(Txn *txn, void *ctx, Err *err)
{
    Wait *wait = ctx;
    return command_passed(txn, wait->caller->node.id, wait->after, err);
}

static bool write_command(Arena *arena, const Command *command, Str body_json, JsonWriter *w, Err *err)
{
    const JsonVal *body = NULL;
    if (is_run(command)) {
        json_put_raw(w, "run", body_json);
        return true;
    }
    if (!str_empty(command->run_id))
        json_put_str(w, "runId", command->run_id);
    if (str_eq(command->kind, STR(COMMAND_STOP_RUN))) {
        json_put_str(w, "code", STR("TaskEnded"));
        json_put_str(w, "message", STR("Task Was Ended by User Request"));
    }
    if (!body_json.ptr)
        return true;
    if (!json_parse(arena, body_json, JSON_STRICT, &body, err))
        return false;
    json_put_value(w, "argv", json_get(body, "argv"));
    json_put_value(w, "timeoutMs", json_get(body, "timeoutMs"));
    return true;
}

static bool write_commands(Wait *wait, JsonWriter *w, Err *err)
{
    Arena *arena = wait->req->arena;
    json_open(w, NULL);
    json_put_str(w, "cursor", str_printf(arena, "%lld", (long long)(wait->count ? wait->list[wait->count - 1].number : wait->after)));
    json_open_array(w, "commands");
    for (size_t i = 0; i < wait->count; i++) {
        json_open(w, NULL);
        json_put_str(w, "id", wait->list[i].id);
        json_put_str(w, "kind", wait->list[i].kind);
        if (!write_command(arena, &wait->list[i], wait->bodies[i], w, err))
            return false;
        json_close(w);
    }
    file_calls_write(wait->batch->files, wait->caller->node.id, w);
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

bool node_commands(Req *req, Reply *reply, Err *err)
{
    Wait wait = { .batch = req->ctx, .req = req, .caller = req->caller->plane_data };
    Str after = req_query(req, "after");
    Store *store = wait.batch->site->store;
    if (!str_empty(after) && !str_to_int64(after, 0, INT64_MAX, &wait.after, err))
        return err_field(err, "after", "must be the cursor of an answer before, or empty");
    if (!node_note_first_use(wait.batch, wait.caller, err))
        return false;
    reply_park(req, reply, command_node_key(req->arena, wait.caller->node.id), COMMANDS_WAIT_MS);
    if (!store_read(store, wait_txn, &wait, err))
        return false;
    if (wait.forgets && !store_write(store, forget_txn, &wait, err))
        return false;
    if (wait.count == 0 && !req->park_ended && !file_calls_are_due(wait.batch->files, wait.caller->node.id))
        return true;
    reply_park_cancel(req, reply);
    return write_commands(&wait, &reply->json, err);
}
