/* Bodies of jobs and tasks and of their changes, and what a node's lease says of runs. What is accepted can be written and read again. */
#include <stdlib.h>
#include "batch/jobs/run_wire.h"
#include "batch/jobs/task_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const JsonVal *written(Arena *arena, void (*write)(Arena *, Str, JsonWriter *), Str body)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    const JsonVal *root;
    Err err = { 0 };
    buf_init(&buf, 8 << 20);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    write(arena, body, &w);
    json_close(&w);
    if (!json_end(&w, &err) || !json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, &root, &err))
        abort();
    return root;
}

static void check_job(Arena *arena, const JsonVal *root)
{
    JobSpec spec, again;
    Err err = { 0 };
    if (!job_read(arena, root, JOB_CREATE, STR_NONE, &spec, &err))
        return;
    if (!job_spec_of(arena, spec.id, spec.body, &again, &err) || again.priority != spec.priority || again.max_parallel != spec.max_parallel ||
        again.wall_ms != spec.wall_ms || again.has_preparation != spec.has_preparation || !str_eq(again.pool_id, spec.pool_id))
        abort();
    (void)written(arena, job_write_document, spec.body);
}

static void check_changes(Arena *arena, const JsonVal *root)
{
    static const char job[] = "{\"priority\":1,\"poolInfo\":{\"poolId\":\"p\"},\"constraints\":{\"maxTaskRetryCount\":1},\"jobPreparationTask\":{\"commandLine\":\"true\"}}";
    JobSpec spec;
    TaskSpec task;
    Err err = { 0 };
    for (JobChange change = JOB_PUT; change <= JOB_PATCH; change++)
        if (job_read(arena, root, change, str_from(job), &spec, &err) && (!spec.has_preparation || !json_get(written(arena, job_write_document, spec.body), "poolInfo")))
            abort();
    if (task_read_constraints(arena, root, STR("{\"commandLine\":\"true\",\"constraints\":{\"maxTaskRetryCount\":1}}"), &task, &err) &&
        !json_get(written(arena, task_write_document, task.body), "commandLine"))
        abort();
}

static void check_task(Arena *arena, const JsonVal *root)
{
    TaskSpec spec, again;
    const JsonVal *document;
    Err err = { 0 };
    if (!task_read(arena, root, &spec, &err))
        return;
    if (!json_parse(arena, spec.body, JSON_STRICT, &document, &err) || !task_check_files(document, "", &err))
        abort();
    task_spec_of(document, &again);
    if (again.slots != spec.slots || again.wall_ms != spec.wall_ms || again.retention_ms != spec.retention_ms || again.has_retries != spec.has_retries || spec.retention_ms < 0)
        abort();
    (void)written(arena, task_write_document, spec.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(64 << 20);
    const JsonVal *root;
    RunsLease lease;
    Err err = { 0 };
    if (json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &root, &err)) {
        check_job(arena, root);
        check_changes(arena, root);
        check_task(arena, root);
        err = (Err){ 0 };
        if (!runs_lease_read(arena, root, &lease, &err) && err.code == ERR_NONE)
            abort();
    }
    arena_free(arena);
    return 0;
}
