/* runenv.c - the environment of a run. */
#include "node/runs/runenv.h"

enum { OWN_MAX = 40 };

typedef struct Env { Arena *arena; char **words; size_t count; } Env;

/* The last one of a name wins, in its place. */
static void put(Env *env, const char *name, Str value)
{
    Str start = str_printf(env->arena, "%s=", name);
    char *word = (char *)str_printf(env->arena, STR_FMT STR_FMT, STR_ARG(start), STR_ARG(value)).ptr;
    for (size_t i = 0; i < env->count; i++) {
        if (str_starts(str_from(env->words[i]), start)) {
            env->words[i] = word;
            return;
        }
    }
    env->words[env->count++] = word;
}

static Str below(const Env *env, const char *dir, const char *name) { return str_printf(env->arena, "%s/%s", dir, name); }

static void put_places(Env *env, const NodePlaces *places, const RunSpec *spec, const RunDir *dir)
{
    put(env, "AZ_BATCH_NODE_ROOT_DIR", str_from(places->tasks_dir));
    put(env, "AZ_BATCH_NODE_SHARED_DIR", below(env, places->tasks_dir, "shared"));
    put(env, "AZ_BATCH_NODE_STARTUP_DIR", below(env, places->tasks_dir, "startup"));
    put(env, "AZ_BATCH_NODE_MOUNTS_DIR", below(env, places->tasks_dir, "fsmounts"));
    put(env, "AZ_BATCH_TASK_DIR", str_from(dir->dir));
    put(env, "AZ_BATCH_TASK_WORKING_DIR", str_from(dir->wd));
    if (dir->certs)
        put(env, "AZ_BATCH_CERTIFICATES_DIR", str_from(dir->certs));
    if (spec->preparation_directory.ptr && (spec->kind == RUN_TASK || spec->kind == RUN_JOB_RELEASE)) {
        Str preparation = str_printf(env->arena, "%s/" STR_FMT, places->tasks_dir, STR_ARG(spec->preparation_directory));
        put(env, "AZ_BATCH_JOB_PREP_DIR", preparation);
        put(env, "AZ_BATCH_JOB_PREP_WORKING_DIR", str_printf(env->arena, STR_FMT "/wd", STR_ARG(preparation)));
    }
}

/* As a real node's own (seen in the documentation's sample outputs): home is wd, and PATH ends with shared, startup/wd and wd. */
static void put_usual(Env *env, const NodePlaces *places, const RunUser *user, const RunDir *dir)
{
    put(env, "PATH", str_printf(env->arena, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:%s/shared:%s/startup/wd:%s", places->tasks_dir, places->tasks_dir, dir->wd));
    put(env, "HOME", str_from(user->home ? user->home : dir->wd));
    put(env, "USER", str_from(user->name));
    put(env, "LOGNAME", str_from(user->name));
    put(env, "LANG", STR("C.UTF-8"));
}

static void put_user(Env *env, const RunSpec *spec, const RunUser *user)
{
    put(env, "AZ_BATCH_TASK_USER", str_from(user->name));
    if (spec->scope != SCOPE_NAMED)
        put(env, "AZ_BATCH_TASK_USER_IDENTITY", str_printf(env->arena, "%s%s", spec->scope == SCOPE_POOL ? "Pool" : "Task", spec->is_admin ? "Admin" : "NonAdmin"));
}

bool runenv_build(const NodePlaces *places, Arena *arena, const RunNode *node, const RunSpec *spec, const RunUser *user, const RunDir *dir,
                  char ***environment, Err *err)
{
    Env env = { .arena = arena, .words = ARENA_ARRAY(arena, char *, spec->environment_count + OWN_MAX) };
    if (!env.words)
        return err_too_big(err);
    put_usual(&env, places, user, dir);
    put(&env, "AZ_BATCH_ACCOUNT_NAME", node->account);
    put(&env, "AZ_BATCH_ACCOUNT_URL", node->account_url);
    put(&env, "AZ_BATCH_POOL_ID", node->pool);
    put(&env, "AZ_BATCH_NODE_ID", node->node_id);
    put(&env, "AZ_BATCH_NODE_IS_DEDICATED", node->is_dedicated ? STR("true") : STR("false"));
    put_places(&env, places, spec, dir);
    put_user(&env, spec, user);
    put(&env, "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES", str_printf(arena, "%d", RESERVED_DISK_BYTES));
    if (spec->kind != RUN_START_TASK) {
        put(&env, "AZ_BATCH_JOB_ID", spec->job_id);
        put(&env, "AZ_BATCH_TASK_ID", spec->task_id);
    }
    for (size_t i = 0; i < spec->environment_count && arena_ok(arena); i++) {
        const char *name = str_to_cstr(arena, spec->environment[i].name, err);
        if (!name || !str_to_cstr(arena, spec->environment[i].value, err))
            return false;
        put(&env, name, spec->environment[i].value);
    }
    env.words[env.count] = NULL;
    *environment = env.words;
    return arena_ok(arena) || err_too_big(err);
}
