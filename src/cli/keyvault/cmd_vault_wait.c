/* cmd_vault_wait.c - vy keyvault wait: until a vault is there, is made, is gone, or is as an expression says. */
#include "base/clock.h"
#include "cli/keyvault/vault.h"
#include "cli/progress.h"
#include "cli/query/jmespath.h"
#include "cli/run.h"

enum { INTERVAL_S = 30, TIMEOUT_S = 3600, SECONDS_MAX = 7 * 86400 };     /* the defaults are az's */

typedef struct Wait { bool created, updated, deleted, exists; const Jmespath *custom; int64_t interval_s, timeout_s; } Wait;

static bool seconds_arg(Cli *cli, const char *option, int64_t *out, Err *err)
{
    Str text = arg(cli, option);
    return !text.ptr || str_to_int64(text, 1, SECONDS_MAX, out, &(Err){ 0 }) ||
           cli_usage(cli, err, "%s: '" STR_FMT "' is no number of seconds from 1 to %d", option, STR_ARG(text), SECONDS_MAX);
}

static bool wait_read(Cli *cli, Wait *out, Err *err)
{
    Str custom = arg(cli, "--custom");
    Err inner = { 0 };
    *out = (Wait){ .created = arg_flag(cli, "--created"), .updated = arg_flag(cli, "--updated"), .deleted = arg_flag(cli, "--deleted"), .exists = arg_flag(cli, "--exists"),
                   .interval_s = INTERVAL_S, .timeout_s = TIMEOUT_S };
    if (!seconds_arg(cli, "--interval", &out->interval_s, err) || !seconds_arg(cli, "--timeout", &out->timeout_s, err))
        return false;
    if (custom.ptr && !jmespath_compile(cli->arena, custom, &out->custom, &inner))
        return cli_usage(cli, err, "--custom: %s", inner.text);
    return out->created || out->updated || out->deleted || out->exists || out->custom ||
           cli_usage(cli, err, "give what to wait for: --created, --updated, --deleted, --exists or --custom");
}

/* As bool() of Python says, which az asks. */
static bool holds(Cli *cli, const Jmespath *query, const JsonVal *vault, bool *out, Err *err)
{
    const JsonVal *found;
    if (!jmespath_search(cli->arena, query, vault, &found, err))
        return false;
    JsonKind kind = json_kind(found);
    *out = kind == JSON_BOOL ? json_bool(found, false) : kind == JSON_STR ? json_str(found).len > 0 : kind == JSON_ARRAY || kind == JSON_OBJECT ? json_count(found) > 0 : kind != JSON_NULL && json_number(found, 1) != 0;
    return true;
}

static bool is_over(Cli *cli, const Wait *wait, bool *over, Err *err)
{
    Answer now;
    Err why = { 0 };
    Str url;
    *over = false;
    if (!vault_get(cli, &url, &now, &why)) {
        *over = why.code == ERR_NOT_FOUND && wait->deleted;
        if (why.code == ERR_NOT_FOUND && (wait->deleted || wait->created || wait->exists || wait->custom))
            return true;
        *err = why;
        return false;
    }
    Str state = json_str(json_path(now.json, "properties.provisioningState"));
    if (str_eq_nocase(state, STR("failed")))
        return err_set(err, ERR_INTERNAL, "the operation failed");
    *over = wait->exists || ((wait->created || wait->updated) && str_eq_nocase(state, STR("succeeded")));
    return *over || !wait->custom || holds(cli, wait->custom, now.json, over, err);
}

bool run_vault_wait(Cli *cli, Err *err)
{
    AUTO(progress_end_auto) Progress progress = progress_begin(cli);
    Wait wait;
    bool over;
    if (!wait_read(cli, &wait, err))
        return false;
    int64_t until_ms = mono_now_ms() + wait.timeout_s * 1000;
    while (is_over(cli, &wait, &over, err)) {
        if (over)
            return true;
        if (mono_now_ms() + wait.interval_s * 1000 > until_ms)
            return err_set(err, ERR_INTERNAL, "the wait timed out after %lld seconds", (long long)wait.timeout_s);
        progress_wait(&progress, STR("Waiting"), wait.interval_s * 1000);
    }
    return false;
}
