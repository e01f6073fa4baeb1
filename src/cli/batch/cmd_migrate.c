/* cmd_migrate.c - `vy batch account certificates plan` and `... migrate`.
 *
 * Both derive the steps from what the services say. plan prints them and changes nothing; migrate takes the first that is left, looks again,
 * and so on to the end, so it can be broken off anywhere and run again. */
#include "base/clock.h"
#include "cli/batch/migrate.h"
#include "cli/input.h"
#include "cli/run.h"

enum { ROUND_ARENA = 64 * 1024 * 1024, WAIT_MS = 1000, WAIT_USUAL_MIN = 60 };

typedef struct Files { PfxFile items[MIGRATE_FILES_MAX]; size_t count; } Files;

static void files_done(Files *files)
{
    for (size_t i = 0; i < files->count; i++)
        pfxfile_done(&files->items[i]);
}
DEFINE_AUTO_DONE(Files, files_done)

static bool read_files(Cli *cli, Migration *m, Files *files, Err *err)
{
    Str given = STR_NONE;
    size_t count = arg_list(cli, "--pfx", &m->paths);

    if (count > MIGRATE_FILES_MAX)
        return cli_usage(cli, err, "--pfx: at most %d files at a time", MIGRATE_FILES_MAX);
    if (arg(cli, "--password").ptr) {
        if (!text_arg(cli, "--password", &given, err))
            return false;
        given = arg(cli, "--password").ptr == given.ptr ? given : str_trim(given);
    }
    for (; files->count < count; files->count++) {
        if (!pfxfile_read(cli, m->paths[files->count], given, &files->items[files->count], err))
            return false;
    }
    m->files = files->items;
    m->file_count = count;
    return true;
}

static Migration asked(Cli *cli)
{
    Migration m = { .cli = cli, .vault_name = arg(cli, "--vault-name"), .identity_name = arg(cli, "--identity"), .suffix = arg(cli, "--suffix"),
                    .store = arg(cli, "--store-location"), .requeues = arg_flag(cli, "--requeue"), .keeps_pools = arg_flag(cli, "--keep-pools"),
                    .drops_certificates = arg_flag(cli, "--delete-certificates") };

    m.only_count = arg_list(cli, "--pool-id", &m.only);
    if (!m.identity_name.ptr)
        m.identity_name = str_printf(cli->arena, STR_FMT "-certificates", STR_ARG(arg(cli, "--name")));
    if (!m.suffix.ptr)
        m.suffix = STR("kv");
    if (!m.store.ptr)
        m.store = STR("/var/lib/waagent/Microsoft.Azure.KeyVault");
    return m;
}

/* ---- what it prints ---- */

static const char *const state_words[] = { [STEP_DONE] = "done", [STEP_TODO] = "to do", [STEP_WAIT] = "waiting", [STEP_NEEDS] = "needs you", [STEP_NOTE] = "note" };

static void put_request(Migration *m, JsonWriter *w, const MigrateStep *step)
{
    const JsonVal *body;
    Err ignored = { 0 };

    json_open(w, "request");
    json_put_str(w, "method", str_from(step->method));
    json_put_str(w, "url", step->url);
    if (step->import) {                                    /* never what is in the file */
        json_open(w, "body");
        json_put_str(w, "value", str_printf(m->cli->arena, "<content of %s>", step->import->path));
        json_put_str(w, "pwd", STR("<its password>"));
        json_close(w);
    } else if (step->body.ptr && json_parse(m->cli->arena, step->body, JSON_STRICT, &body, &ignored)) {
        json_put_value(w, "body", body);
    }
    json_close(w);
}

static void put_steps(Migration *m, JsonWriter *w)
{
    json_open_array(w, NULL);
    for (size_t i = 0; i < m->step_count; i++) {
        const MigrateStep *step = &m->steps[i];
        json_open(w, NULL);
        json_put_int(w, "step", (int64_t)i + 1);
        json_put_str(w, "phase", str_from(step->phase));
        json_put_str(w, "state", str_from(state_words[step->state]));
        json_put_str(w, "what", step->what);
        if (step->method)
            put_request(m, w, step);
        json_put_str(w, "script", step->script);
        json_close(w);
    }
    json_close_array(w);
}

static void note_unused(const Migration *m)
{
    for (size_t i = 0; i < m->cert_count; i++) {
        if (!m->certs[i].is_used && !m->certs[i].is_moved && m->only_count == 0)
            cli_note("certificate sha1-" STR_FMT " of the account is used by no pool and stays where it is", STR_ARG(m->certs[i].thumbprint));
    }
    if (m->step_count == 0)
        cli_note("nothing to do: no pool of the account refers to a certificate");
}

/* ---- plan ---- */

bool run_certificates_plan(Cli *cli, Err *err)
{
    AUTO(files_done_auto) Files files = { 0 };
    Migration m = asked(cli);

    if (!read_files(cli, &m, &files, err) || !migrate_read(&m, err) || !migrate_derive(&m, err))
        return false;
    put_steps(&m, &cli->w);
    note_unused(&m);
    return true;
}

/* ---- migrate ---- */

static const MigrateStep *first_left(const Migration *m, StepState state)
{
    for (size_t i = 0; i < m->step_count; i++) {
        if (m->steps[i].state == state)
            return &m->steps[i];
    }
    return NULL;
}

static bool take_step(Migration *m, const MigrateStep *step, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Str text = step->body;

    if (!step->method)
        return true;                                       /* a wait that begins when what is before it is done */
    cli_note("%s: " STR_FMT, step->phase, STR_ARG(step->what));
    if (!step->import)
        return call_service(m->cli, step->method, step->audience, step->url, text, &answer, err);
    body_begin(&body);
    json_open(&body.w, NULL);
    pfxfile_put(m->cli, &body.w, step->import->file);
    json_open(&body.w, "tags");
    json_put_str(&body.w, "batchThumbprint", step->import->thumbprint);
    json_close(&body.w);
    json_close(&body.w);
    return body_end(&body, &text, err) && call_service(m->cli, step->method, step->audience, step->url, text, &answer, err);
}

/* The first step that is neither done nor a note decides what is done now. */
static const MigrateStep *next_step(const Migration *m)
{
    for (size_t i = 0; i < m->step_count; i++) {
        if (m->steps[i].state != STEP_DONE && m->steps[i].state != STEP_NOTE)
            return &m->steps[i];
    }
    return NULL;
}

static bool needs_you(const Migration *m, const MigrateStep *step, Err *err)
{
    (void)m;
    return err_set(err, ERR_CONFLICT, STR_FMT " (%s). Then run the same command again", STR_ARG(step->what), step->phase);
}

/* One look at the services, one step. *done: nothing is left, and the steps are printed. */
static bool round_once(Migration *m, bool *done, int64_t *waits_since, int64_t wait_most_ms, Err *err)
{
    if (!migrate_read(m, err) || !migrate_derive(m, err))
        return false;
    const MigrateStep *step = next_step(m);
    if (!step) {
        put_steps(m, &m->cli->w);
        note_unused(m);
        return *done = true;
    }
    if (step->state == STEP_NEEDS)
        return needs_you(m, step, err);
    if (step->state == STEP_TODO && step->method) {
        *waits_since = mono_now_ms();
        return take_step(m, step, err);
    }
    if (mono_now_ms() - *waits_since > wait_most_ms)
        return err_set(err, ERR_UNAVAILABLE, "still not so after %lld minutes: " STR_FMT ". Run the same command again to go on", (long long)(wait_most_ms / 60000), STR_ARG(step->what));
    sleep_ms(WAIT_MS);
    return true;
}

static bool migrate_all(Cli *cli, Migration *m, int64_t wait_most_ms, Err *err)
{
    int64_t waits_since = mono_now_ms();
    bool done = false, good = true;
    Arena *whole = cli->arena;

    while (good && !done) {
        AUTO(arena_free_auto) Arena *round = arena_new(ROUND_ARENA);
        if (!round)
            return err_set(err, ERR_INTERNAL, "out of memory");
        cli->arena = round;                                /* each look is as large as the account, and there may be many */
        good = round_once(m, &done, &waits_since, wait_most_ms, err);
        cli->arena = whole;
    }
    return good;
}

bool run_certificates_migrate(Cli *cli, Err *err)
{
    AUTO(files_done_auto) Files files = { 0 };
    Migration m = asked(cli);
    Str timeout = arg(cli, "--timeout");
    int64_t minutes = WAIT_USUAL_MIN;

    if (timeout.ptr && !str_to_int64(timeout, 1, 24 * 60, &minutes, &(Err){ 0 }))
        return cli_usage(cli, err, "--timeout: '" STR_FMT "' is no number of minutes from 1 to %d", STR_ARG(timeout), 24 * 60);
    if (m.keeps_pools && m.drops_certificates)
        return cli_usage(cli, err, "--delete-certificates: the pools that --keep-pools keeps still use them");
    if (!read_files(cli, &m, &files, err) || !migrate_read(&m, err) || !migrate_derive(&m, err))
        return false;
    const MigrateStep *needs = first_left(&m, STEP_NEEDS);
    if (needs)                                             /* before anything is changed */
        return needs_you(&m, needs, err);
    if (next_step(&m) && !cli_confirm(cli, m.keeps_pools ? "make new pools and move their jobs" : "make new pools, move their jobs and delete the old pools", err))
        return false;
    return migrate_all(cli, &m, minutes * 60 * 1000, err);
}
