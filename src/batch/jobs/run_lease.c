/* run_lease.c - runs in a node's lease: which it has, which are its own, and what they need of it. */
#include "batch/jobs/run_wire.h"
#include "batch/parts.h"

enum { NAMED_MAX = 8192 };

bool runs_lease_read(Arena *arena, const JsonVal *body, RunsLease *out, Err *err)
{
    const JsonVal *list = json_get(body, "runs");
    size_t count = json_count(list);
    *out = (RunsLease){ .tells = json_kind(list) == JSON_ARRAY, .after = json_int(json_get(body, "lease"), 0) };
    if (list && (!out->tells || count > NAMED_MAX))
        return err_field(err, "runs", "runs: must be an array of at most %d runs", NAMED_MAX);
    out->named = ARENA_ARRAY(arena, Str, count + 1);
    if (!out->named)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++)
        if (!(out->named[out->named_count++] = json_str(json_get(json_at(list, i), "runId"))).ptr)
            return err_field(err, "runs", "runs[%zu].runId: is required", i);
    return true;
}

static bool is_named(const RunsLease *lease, const Run *run)
{
    for (size_t i = 0; i < lease->named_count; i++)
        if (str_eq(lease->named[i], run->id))
            return true;
    return false;
}

/* Its node knew of it before it got the answer that this request was written after: so it is not there any more. One that the node has
 * never told of may still be on its way to it. */
static bool is_missing(const RunsLease *lease, const Run *run)
{
    return lease->tells && (run->state == RUN_RUNNING || run->state == RUN_REVOKED) && run->seen_lease > 0 && run->seen_lease < lease->after && !is_named(lease, run);
}

bool runs_lease_take(Batch *batch, Txn *txn, Arena *arena, const Node *node, const Pool *pool, Str pool_body, int64_t now_ms, RunsLease *lease, Err *err)
{
    const JsonVal *document = NULL;
    Run *runs;
    size_t count;
    if (!run_list_node(txn, arena, node->id, &runs, &count, err) || (pool_body.ptr && !json_parse(arena, pool_body, JSON_STRICT, &document, err)))
        return false;
    lease->ours = ARENA_ARRAY(arena, Str, count + 1);
    lease->our_count = 0;
    if (!lease->ours)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++) {
        if (runs[i].seen_lease == 0 && is_named(lease, &runs[i]) && !run_note_seen(txn, &runs[i], err))
            return false;
        if (is_missing(lease, &runs[i])) {
            if (!run_ended(batch, txn, arena, &runs[i], &(RunOutcome){ .is_lost = true, .start_ms = runs[i].start_ms, .end_ms = now_ms }, now_ms, err))
                return false;
        } else if (pool_body.ptr && (runs[i].state == RUN_ASSIGNED || runs[i].state == RUN_RUNNING)) {
            lease->ours[lease->our_count++] = runs[i].id;
        }
    }
    lease->users = json_get(document, "userAccounts");
    lease->number = node->leases + 1;
    lease->slots = pool->slots;
    lease->dedicated = node->dedicated;
    return true;
}

void runs_lease_write(const RunsLease *lease, JsonWriter *w)
{
    json_open_array(w, "runs");
    for (size_t i = 0; i < lease->our_count; i++)
        json_put_str(w, NULL, lease->ours[i]);
    json_close_array(w);
    json_open_array(w, "users");
    for (size_t i = 0; i < json_count(lease->users); i++) {
        const JsonVal *account = json_at(lease->users, i), *system = json_get(account, "linuxUserConfiguration");
        json_open(w, NULL);
        json_put_value(w, "name", json_get(account, "name"));
        json_put_bool(w, "admin", str_eq(json_str(json_get(account, "elevationLevel")), STR("Admin")));
        if (json_get(system, "uid")) {
            json_put_value(w, "uid", json_get(system, "uid"));
            json_put_value(w, "gid", json_get(system, "gid"));
        }
        json_close(w);
    }
    json_close_array(w);
    json_put_int(w, "lease", lease->number);
    json_put_int(w, "taskSlots", lease->slots);
    json_put_bool(w, "dedicated", lease->dedicated);
}
