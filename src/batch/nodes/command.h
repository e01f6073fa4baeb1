/* command.h - what the server asks of a node's agent (docs/node-protocol.md): rows of batch_command.
 *
 * Commands are numbered for each node, and numbers are never used again; the agent's cursor is the number of the last one it was
 * given. An exec is given until its result was posted, refresh, stop and drop-run until the cursor has passed them; run and stop-run
 * until the node has said what they wait for (run.c takes them back). */
#pragma once
#include "batch/nodes/node.h"

/* Requests parked for a node's commands wake by command_node_key, those for a result by command_exec_key. */
enum { EXEC_ARGS_MAX = 256, EXEC_ARGS_BYTES_MAX = 64 * 1024, EXEC_TIMEOUT_MAX_MS = 60 * 60 * 1000, EXEC_TIMEOUT_USUAL_MS = 60 * 1000,
       EXEC_GRACE_MS = 60 * 1000, EXEC_KEPT_MS = 5 * 60 * 1000, EXECS_A_NODE_MAX = 64, STREAM_MAX_BYTES = 1024 * 1024 };

typedef struct Command { Str node_id, id, kind, run_id; int64_t number, until_ms; Bytes body, result; } Command;

#define COMMAND_RUN      "run"
#define COMMAND_STOP_RUN "stop-run"
#define COMMAND_DROP_RUN "drop-run"

Str command_node_key(Arena *arena, Str node_id);
Str command_exec_key(Arena *arena, Str command_id);

/* The body of an exec: {"argv": [...], "timeoutMs": n}, checked and written again. ERR_BAD_INPUT names the field. */
bool command_exec_read(Arena *arena, const JsonVal *body, Str *command_json, int64_t *timeout_ms, Err *err) MUST_CHECK;
bool command_add_exec(const Site *site, Txn *txn, Arena *arena, const Node *node, Str command_json, int64_t timeout_ms, Str *command_id, Err *err) MUST_CHECK;
/* Command `refresh` for every node that has joined; *node_ids are whom to wake. */
bool command_refresh_all(Txn *txn, Arena *arena, Str **node_ids, size_t *count, Err *err) MUST_CHECK;

/* Of a run (run.h); its document is composed when it is given. The node is woken at the commit. */
bool command_add_run(const Site *site, Txn *txn, Arena *arena, const char *kind, Str node_id, Str run_id, Err *err) MUST_CHECK;
bool command_drop_run(Txn *txn, const char *kind, Str run_id, Err *err) MUST_CHECK;         /* fine if there is none */

/* Commands above `after` that are still wanted, oldest first, as many as fit one answer. */
bool command_pending(Txn *txn, Arena *arena, Str node_id, int64_t after, Command **out, size_t *count, Err *err) MUST_CHECK;
/* The agent has them: refresh, stop and drop-run up to `cursor` are done with. */
bool command_passed(Txn *txn, Str node_id, int64_t cursor, Err *err) MUST_CHECK;
bool command_find(Txn *txn, Arena *arena, Str command_id, Command *out, bool *found, Err *err) MUST_CHECK;
bool command_body_open(const Site *site, Txn *txn, Arena *arena, Str account_id, const Command *command, Str *body, Err *err) MUST_CHECK;
bool command_result_open(const Site *site, Txn *txn, Arena *arena, Str account_id, const Command *command, Str *result, Err *err) MUST_CHECK;

/* A posted result: checked and written again. ERR_BAD_INPUT names the field. */
bool command_result_read(Arena *arena, const JsonVal *body, Str *result_json, Err *err) MUST_CHECK;
/* *kept false: nobody waits for it any more, or it was there already. */
bool command_result_put(const Site *site, Txn *txn, Arena *arena, const Node *node, Str command_id, Str result_json, bool *kept, Err *err) MUST_CHECK;
bool command_drop(Txn *txn, Str command_id, Err *err) MUST_CHECK;
bool command_drop_old(Txn *txn, int64_t real_ms, Err *err) MUST_CHECK;      /* execs nobody fetched */
