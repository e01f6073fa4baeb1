/* migrate_steps.c - from the state of a migration to the steps of it, in the order they are taken: certificates into the vault, identity
 * and its access, and for each pool clone, drain, switch, delete. */
#include <stdarg.h>
#include <stdio.h>
#include "base/encode.h"
#include "base/id.h"
#include "cli/batch/migrate.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/run.h"

#define IDENTITY_VERSION "2023-01-31"
#define ROLES_VERSION    "2022-04-01"
#define SECRETS_USER     "4633458b-17de-408a-b874-0445c86b69e6"

static bool has_room(Migration *m, Err *err)
{
    return m->step_count < MIGRATE_STEPS_MAX ? true : err_set(err, ERR_TOO_LARGE, "more than %d steps; move some of the pools at a time (--pool-id)", MIGRATE_STEPS_MAX);
}

FORMAT(5, 6) static bool add(Migration *m, const char *phase, StepState state, Err *err, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    if (!has_room(m, err))
        return false;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    m->steps[m->step_count++] = (MigrateStep){ .phase = phase, .state = state, .what = str_dup(m->cli->arena, str_from(text)) };
    return true;
}

static bool sends(Migration *m, const char *method, Str audience, Str url, Str body)
{
    MigrateStep *step = &m->steps[m->step_count - 1];

    step->method = method;
    step->audience = audience;
    step->url = url;
    step->body = body;
    return true;
}

/* ---- certificates ---- */

static bool certificate_steps(Migration *m, MigrateCert *cert, Err *err)
{
    Cli *cli = m->cli;
    Str url = versioned(cli, str_printf(cli->arena, STR_FMT "/%s/" STR_FMT, STR_ARG(m->vault_url), cert->is_cer ? "secrets" : "certificates", STR_ARG(cert->name)),
                        cert->is_cer ? "" : "/import");

    if (cert->is_cer) {
        Str body = str_printf(cli->arena, "{\"value\":\"" STR_FMT "\",\"contentType\":\"application/pkix-cert\",\"tags\":{\"batchThumbprint\":\"" STR_FMT "\"}}",
                              STR_ARG(cert->public_data), STR_ARG(cert->thumbprint));
        return add(m, "import", cert->is_moved ? STEP_DONE : STEP_TODO, err, "certificate sha1-" STR_FMT " has no private key: as secret '" STR_FMT "' into the vault",
                   STR_ARG(cert->thumbprint), STR_ARG(cert->name)) && sends(m, "PUT", to_vault(cli), url, body);
    }
    if (!cert->is_moved && !cert->file)
        return add(m, "import", STEP_NEEDS, err, "the .pfx of certificate sha1-" STR_FMT ", which the service never gives back: --pfx FILE", STR_ARG(cert->thumbprint));
    if (!add(m, "import", cert->is_moved ? STEP_DONE : STEP_TODO, err, "certificate sha1-" STR_FMT " as '" STR_FMT "' into the vault%s%s", STR_ARG(cert->thumbprint), STR_ARG(cert->name),
             cert->path ? ", from " : "", cert->path ? cert->path : ""))
        return false;
    m->steps[m->step_count - 1].import = cert->is_moved ? NULL : cert;
    return sends(m, "POST", to_vault(cli), url, STR_NONE);
}

/* ---- identity ---- */

static bool identity_steps(Migration *m, Err *err)
{
    Cli *cli = m->cli;
    Arena *arena = cli->arena;
    Str principal = m->principal_id.ptr ? m->principal_id : str_printf(arena, "<principal id of " STR_FMT ">", STR_ARG(m->identity_id)), url, body;

    if (!add(m, "identity", m->principal_id.ptr ? STEP_DONE : STEP_TODO, err, "managed identity " STR_FMT, STR_ARG(m->identity_id)) ||
        !sends(m, "PUT", to_arm(cli), arm_url(cli, m->identity_id, IDENTITY_VERSION), str_printf(arena, "{\"location\":\"" STR_FMT "\"}", STR_ARG(m->location))))
        return false;
    if (m->vault_has_roles) {
        url = arm_url(cli, str_printf(arena, STR_FMT "/providers/Microsoft.Authorization/roleAssignments/" STR_FMT, STR_ARG(m->vault_id), STR_ARG(guid_new(arena))), ROLES_VERSION);
        body = str_printf(arena, "{\"properties\":{\"roleDefinitionId\":\"/subscriptions/" STR_FMT "/providers/Microsoft.Authorization/roleDefinitions/" SECRETS_USER
                          "\",\"principalId\":\"" STR_FMT "\",\"principalType\":\"ServicePrincipal\"}}", STR_ARG(cli->profile.subscription), STR_ARG(principal));
    } else {
        url = arm_url(cli, str_printf(arena, STR_FMT "/accessPolicies/add", STR_ARG(m->vault_id)), MIGRATE_KV_ARM);
        body = str_printf(arena, "{\"properties\":{\"accessPolicies\":[{\"tenantId\":\"" STR_FMT "\",\"objectId\":\"" STR_FMT "\",\"permissions\":{\"secrets\":[\"get\",\"list\"]}}]}}",
                          STR_ARG(cli->profile.tenant), STR_ARG(principal));
    }
    return add(m, "access", m->has_access ? STEP_DONE : STEP_TODO, err, "%s: the identity may read secrets of " STR_FMT,
               m->vault_has_roles ? "role Key Vault Secrets User" : "access policy get, list", STR_ARG(m->vault_id)) && sends(m, "PUT", to_arm(cli), url, body);
}

/* ---- a pool ---- */

static Str pool_url(Migration *m, Str id)
{
    return arm_url(m->cli, str_printf(m->cli->arena, STR_FMT "/pools/" STR_FMT, STR_ARG(m->account_id), STR_ARG(percent_encode(m->cli->arena, id))), BATCH_ARM_VERSION);
}

static bool is_taken(const Migration *m, Str id)
{
    for (size_t i = 0; i < m->all_count; i++) {
        if (str_eq_nocase(json_str(json_get(m->all_pools[i], "name")), id))
            return true;
    }
    return false;
}

static bool clone_step(Migration *m, const MigratePool *pool, bool *can, Err *err)
{
    Str problem = migrate_pool_problem(m, pool), body;

    *can = false;
    if (!pool->new_pool && problem.ptr)
        return add(m, "clone", STEP_NEEDS, err, "pool " STR_FMT " cannot be moved: " STR_FMT, STR_ARG(pool->id), STR_ARG(problem));
    if (!pool->new_pool && is_taken(m, pool->new_id))
        return add(m, "clone", STEP_NEEDS, err, "another name for the new pool: there is a pool " STR_FMT " that is not made from " STR_FMT " (--suffix)", STR_ARG(pool->new_id),
                   STR_ARG(pool->id));
    *can = true;
    return migrate_pool_body(m, pool, &body, err) &&
           add(m, "clone", pool->new_pool ? STEP_DONE : STEP_TODO, err, "pool " STR_FMT " as " STR_FMT ", with the Key Vault extension in place of its references", STR_ARG(pool->id),
               STR_ARG(pool->new_id)) && sends(m, "PUT", to_arm(m->cli), pool_url(m, pool->new_id), body);
}

typedef struct Nodes { int64_t ready; Str bad, bad_state; } Nodes;

static bool node_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Nodes *nodes = ctx;
    Str state = json_str(json_get(item, "state"));

    (void)cli;
    (void)done;
    (void)err;
    nodes->ready += str_eq(state, STR("idle")) || str_eq(state, STR("running"));
    if (str_eq(state, STR("unusable")) || str_eq(state, STR("starttaskfailed"))) {
        nodes->bad = json_str(json_get(item, "id"));
        nodes->bad_state = state;
    }
    return true;
}

static bool ready_step(Migration *m, const MigratePool *pool, bool *ready, Err *err)
{
    int64_t wanted = json_int(json_path(pool->new_pool, "properties.scaleSettings.fixedScale.targetDedicatedNodes"), 0) +
                     json_int(json_path(pool->new_pool, "properties.scaleSettings.fixedScale.targetLowPriorityNodes"), 0);
    Nodes nodes = { 0 };

    *ready = false;
    if (!pool->new_pool)
        return add(m, "clone", STEP_TODO, err, "wait until the nodes of " STR_FMT " have their certificates and are idle", STR_ARG(pool->new_id));
    Str url = migrate_data_url(m, str_printf(m->cli->arena, "/pools/" STR_FMT "/nodes", STR_ARG(percent_encode(m->cli->arena, pool->new_id))));
    if (!call_each(m->cli, to_batch(m->cli), url, node_visit, &nodes, err))
        return false;
    if (nodes.bad.ptr)
        return add(m, "clone", STEP_NEEDS, err, "node " STR_FMT " of " STR_FMT " is " STR_FMT ": look at `vy batch node extension list` and mend or delete the new pool", STR_ARG(nodes.bad),
                   STR_ARG(pool->new_id), STR_ARG(nodes.bad_state));
    *ready = nodes.ready >= wanted;
    return add(m, "clone", *ready ? STEP_DONE : STEP_WAIT, err, "wait until the nodes of " STR_FMT " have their certificates and are idle (%lld of %lld)", STR_ARG(pool->new_id),
               (long long)nodes.ready, (long long)wanted);
}

/* ---- jobs ---- */

static Str job_url(Migration *m, Str id, const char *rest)
{
    return migrate_data_url(m, str_printf(m->cli->arena, "/jobs/" STR_FMT "%s", STR_ARG(percent_encode(m->cli->arena, id)), rest));
}

/* {"metadata":[...]} with or without the mark. */
static Str job_metadata(Migration *m, const JsonVal *job, Str mark)
{
    AUTO(body_done_auto) Body text = { 0 };
    const JsonVal *metadata = json_get(job, "metadata");
    Err ignored = { 0 };
    Str made = STR_NONE;

    body_begin(&text);
    json_open(&text.w, NULL);
    json_open_array(&text.w, "metadata");
    for (size_t i = 0; i < json_count(metadata); i++) {
        if (!str_eq(json_str(json_get(json_at(metadata, i), "name")), STR(MIGRATE_JOB)))
            json_put_value(&text.w, NULL, json_at(metadata, i));
    }
    if (mark.ptr) {
        json_open(&text.w, NULL);
        json_put_str(&text.w, "name", STR(MIGRATE_JOB));
        json_put_str(&text.w, "value", mark);
        json_close(&text.w);
    }
    json_close_array(&text.w);
    json_close(&text.w);
    return body_end(&text, &made, &ignored) ? str_dup(m->cli->arena, made) : STR_NONE;
}

typedef enum JobStep { JOB_MARK = 0, JOB_DRAIN, JOB_DRAINED, JOB_SWITCH, JOB_ENABLE, JOB_UNMARK, JOB_THROUGH } JobStep;

static bool add_job_step(Migration *m, const MigratePool *pool, const JsonVal *job, JobStep which, bool waits, Err *err)
{
    Str id = json_str(json_get(job, "id")), batch = to_batch(m->cli);
    Arena *arena = m->cli->arena;

    switch (which) {
    case JOB_MARK:
        return add(m, "drain", STEP_TODO, err, "job " STR_FMT ": note in its metadata that it is on the move", STR_ARG(id)) &&
               sends(m, "PATCH", batch, job_url(m, id, ""), job_metadata(m, job, pool->id));
    case JOB_DRAIN:
        return add(m, "drain", STEP_TODO, err, "job " STR_FMT ": disable it; tasks that run %s", STR_ARG(id), m->requeues ? "are stopped and queued again" : "end first") &&
               sends(m, "POST", batch, job_url(m, id, "/disable"), m->requeues ? STR("{\"disableTasks\":\"requeue\"}") : STR("{\"disableTasks\":\"wait\"}"));
    case JOB_DRAINED:
        return add(m, "drain", waits ? STEP_WAIT : STEP_TODO, err, "job " STR_FMT ": wait until none of its tasks runs on " STR_FMT, STR_ARG(id), STR_ARG(pool->id));
    case JOB_SWITCH:
        return add(m, "switch", STEP_TODO, err, "job " STR_FMT ": to pool " STR_FMT, STR_ARG(id), STR_ARG(pool->new_id)) &&
               sends(m, "PATCH", batch, job_url(m, id, ""), str_printf(arena, "{\"poolInfo\":{\"poolId\":\"" STR_FMT "\"}}", STR_ARG(pool->new_id)));
    case JOB_ENABLE:
        return add(m, "switch", waits ? STEP_WAIT : STEP_TODO, err, "job " STR_FMT ": enable it again", STR_ARG(id)) && (waits || sends(m, "POST", batch, job_url(m, id, "/enable"), STR_NONE));
    case JOB_UNMARK:
        return add(m, "switch", STEP_TODO, err, "job " STR_FMT ": take the note out of its metadata", STR_ARG(id)) &&
               sends(m, "PATCH", batch, job_url(m, id, ""), job_metadata(m, job, STR_NONE));
    default:
        return true;
    }
}

/* Where a job stands. Who disabled it before the migration wants it disabled afterwards: it bears no mark, and is not enabled. */
static bool job_stands(const MigratePool *pool, const JsonVal *job, JobStep *at, bool *waits)
{
    Str state = json_str(json_get(job, "state")), on = json_str(json_path(job, "poolInfo.poolId")), mark = migrate_mark_of(json_get(job, "metadata"), MIGRATE_JOB);
    bool marked = str_eq_nocase(mark, pool->id), on_old = str_eq_nocase(on, pool->id), on_new = str_eq_nocase(on, pool->new_id);

    *waits = false;
    if (str_eq(state, STR("completed")) || str_eq(state, STR("terminating")) || str_eq(state, STR("deleting")))
        return false;
    if (on_old) {
        *waits = str_eq(state, STR("disabling"));
        *at = str_eq(state, STR("disabled")) ? JOB_SWITCH : *waits ? JOB_DRAINED : marked ? JOB_DRAIN : JOB_MARK;
        return true;
    }
    if (!on_new || !marked)
        return false;
    *waits = str_eq(state, STR("enabling"));
    *at = str_eq(state, STR("active")) ? JOB_UNMARK : JOB_ENABLE;
    return true;
}

static bool job_steps(Migration *m, const MigratePool *pool, bool *left, Err *err)
{
    JobStep at;
    bool waits;

    for (size_t i = 0; i < m->job_count; i++) {
        const JsonVal *job = m->jobs[i];
        if (json_path(job, "poolInfo.autoPoolSpecification.pool.certificateReferences") && pool == m->pools &&
            !add(m, "switch", STEP_NEEDS, err, "job " STR_FMT " makes pools of its own with certificate references; change its autoPoolSpecification by hand", STR_ARG(json_str(json_get(job, "id")))))
            return false;
        if (!job_stands(pool, job, &at, &waits))
            continue;
        bool was_disabled = at == JOB_SWITCH && !migrate_mark_of(json_get(job, "metadata"), MIGRATE_JOB).ptr;
        *left = true;
        for (JobStep next = at; next < (was_disabled ? JOB_ENABLE : JOB_THROUGH); next++) {
            if (!add_job_step(m, pool, job, next, waits && next == at, err))
                return false;
        }
    }
    return true;
}

/* A schedule's next jobs go to the new pool; those it made already are among the jobs. */
static bool schedule_steps(Migration *m, const MigratePool *pool, bool *left, Err *err)
{
    for (size_t i = 0; i < m->schedule_count; i++) {
        const JsonVal *spec = json_get(m->schedules[i], "jobSpecification"), *value;
        Str id = json_str(json_get(m->schedules[i], "id")), state = json_str(json_get(m->schedules[i], "state")), name, made;
        AUTO(body_done_auto) Body text = { 0 };
        JsonWalk walk = { .object = spec };
        if (!str_eq_nocase(json_str(json_path(spec, "poolInfo.poolId")), pool->id) || str_eq(state, STR("completed")) || str_eq(state, STR("deleting")))
            continue;
        *left = true;
        body_begin(&text);
        json_open(&text.w, NULL);
        json_open(&text.w, "jobSpecification");
        while (json_walk(&walk, &name, &value)) {
            if (!str_eq(name, STR("poolInfo")))
                json_put_value_named(&text.w, name, value);
        }
        json_open(&text.w, "poolInfo");
        json_put_str(&text.w, "poolId", pool->new_id);
        json_close(&text.w);
        json_close(&text.w);
        json_close(&text.w);
        if (!body_end(&text, &made, err) || !add(m, "switch", STEP_TODO, err, "job schedule " STR_FMT ": its jobs to pool " STR_FMT, STR_ARG(id), STR_ARG(pool->new_id)))
            return false;
        (void)sends(m, "PATCH", to_batch(m->cli), migrate_data_url(m, str_printf(m->cli->arena, "/jobschedules/" STR_FMT, STR_ARG(percent_encode(m->cli->arena, id)))),
                    str_dup(m->cli->arena, made));
    }
    return true;
}

static bool delete_step(Migration *m, const MigratePool *pool, Err *err)
{
    bool is_going = str_eq_nocase(json_str(json_path(pool->old, "properties.provisioningState")), STR("Deleting"));

    if (!pool->old || m->keeps_pools)
        return true;
    if (is_going)
        return add(m, "delete", STEP_WAIT, err, "wait until pool " STR_FMT " is gone", STR_ARG(pool->id));
    return add(m, "delete", STEP_TODO, err, "pool " STR_FMT, STR_ARG(pool->id)) && sends(m, "DELETE", to_arm(m->cli), pool_url(m, pool->id), STR_NONE);
}

static bool pool_steps(Migration *m, const MigratePool *pool, Err *err)
{
    bool can = true, ready = true, left = false;

    if (pool->old && !clone_step(m, pool, &can, err))
        return false;
    if (!can)
        return true;
    if (pool->old && !ready_step(m, pool, &ready, err))
        return false;
    if (pool->old) {
        if (!add(m, "note", STEP_NOTE, err, "for a start task of " STR_FMT " that needs the paths of $AZ_BATCH_CERTIFICATES_DIR", STR_ARG(pool->new_id)))
            return false;
        m->steps[m->step_count - 1].script = migrate_start_script(m, pool);
    }
    return schedule_steps(m, pool, &left, err) && job_steps(m, pool, &left, err) && delete_step(m, pool, err);
}

/* ---- the account's certificates, in the end ---- */

static bool drop_steps(Migration *m, Err *err)
{
    for (size_t i = 0; i < m->cert_count; i++) {
        MigrateCert *cert = &m->certs[i];
        Str url = arm_url(m->cli, str_printf(m->cli->arena, STR_FMT "/certificates/sha1-" STR_FMT, STR_ARG(m->account_id), STR_ARG(cert->thumbprint)), BATCH_ARM_VERSION);
        if (!m->drops_certificates || cert->is_held || (!cert->is_used && !cert->is_moved))
            continue;
        if (str_eq_nocase(cert->state, STR("Deleting"))) {
            if (!add(m, "remove", STEP_WAIT, err, "wait until the account has certificate sha1-" STR_FMT " no more", STR_ARG(cert->thumbprint)))
                return false;
            continue;
        }
        if (str_eq_nocase(cert->state, STR("Failed"))) {
            if (!add(m, "remove", STEP_NEEDS, err, "certificate sha1-" STR_FMT " cannot be deleted while something uses it; see its deleteCertificateError", STR_ARG(cert->thumbprint)))
                return false;
            continue;
        }
        if (!add(m, "remove", STEP_TODO, err, "certificate sha1-" STR_FMT " from the account", STR_ARG(cert->thumbprint)) || !sends(m, "DELETE", to_arm(m->cli), url, STR_NONE))
            return false;
    }
    return true;
}

bool migrate_derive(Migration *m, Err *err)
{
    bool any_old = false;

    m->step_count = 0;
    if (!(m->steps = ARENA_ARRAY(m->cli->arena, MigrateStep, MIGRATE_STEPS_MAX)))
        return err_too_big(err);
    for (size_t i = 0; i < m->pool_count; i++)
        any_old = any_old || m->pools[i].old;
    for (size_t i = 0; i < m->cert_count; i++) {
        if (m->certs[i].is_used && !certificate_steps(m, &m->certs[i], err))
            return false;
    }
    if (any_old && !identity_steps(m, err))
        return false;
    for (size_t i = 0; i < m->pool_count; i++) {
        if (!pool_steps(m, &m->pools[i], err))
            return false;
    }
    return drop_steps(m, err) && (arena_ok(m->cli->arena) || err_too_big(err));
}
