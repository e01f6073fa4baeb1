/* cmd_batch.c - pools, nodes and what runs on them, through the account's own address; accounts are in cmd_batch_account.c. */
#include <stdlib.h>
#include <unistd.h>
#include "base/encode.h"
#include "cli/batch/batch.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define DATA_VERSION    "2022-10-01.16.0"

enum { EXEC_TIMEOUT_USUAL_MS = 60 * 1000, EXEC_TIMEOUT_MAX_S = 3600, EXEC_EXTRA_MS = 30 * 1000 };

/* ---- the account that pool and node commands work in ---- */

static Str account_name_arg(Cli *cli)
{
    Str name = arg(cli, "--account-name");
    return name.ptr ? name : str_from(getenv("AZURE_BATCH_ACCOUNT"));
}

/* Tokens for Batch go to this site's accounts only. */
static bool endpoint_check(Cli *cli, Str endpoint, Str *base, Err *err)
{
    Str host = endpoint, suffix = cli->profile.batch_suffix;

    if (str_starts_nocase(host, STR("https://")))
        host = str_slice(host, strlen("https://"), host.len);
    while (host.len > 0 && host.ptr[host.len - 1] == '/')
        host.len--;
    if (!host_is_below(host, suffix))
        return cli_usage(cli, err, "--account-endpoint: '" STR_FMT "' is no Batch account of this site (names end in ." STR_FMT ")", STR_ARG(endpoint), STR_ARG(suffix));
    *base = str_printf(cli->arena, "https://" STR_FMT, STR_ARG(host));
    return true;
}

static bool account_base(Cli *cli, Str *base, Err *err)
{
    Str endpoint = arg(cli, "--account-endpoint"), name = account_name_arg(cli), id;
    Answer answer;

    if (!endpoint.ptr && !arg(cli, "--account-name").ptr)
        endpoint = str_from(getenv("AZURE_BATCH_ENDPOINT"));
    if (str_empty(endpoint) && str_empty(name))
        return cli_usage(cli, err, "which Batch account? Give --account-name (or --account-endpoint), or set AZURE_BATCH_ACCOUNT");
    if (!cli_profile(cli, err))
        return false;
    if (!str_empty(endpoint))
        return endpoint_check(cli, endpoint, base, err);
    if (!find_resource(cli, "Microsoft.Batch/batchAccounts", name, &id, err) ||
        !call_service(cli, "GET", to_arm(cli), arm_url(cli, id, BATCH_ARM_VERSION), STR_NONE, &answer, err))
        return false;
    return endpoint_check(cli, json_str(json_path(answer.json, "properties.accountEndpoint")), base, err);
}

bool batch_url(Cli *cli, Str path, Str *url, Err *err)
{
    Str base;
    size_t at;

    if (!account_base(cli, &base, err))
        return false;
    bool has_query = str_find(path, STR("?"), &at);
    *url = str_printf(cli->arena, STR_FMT STR_FMT "%capi-version=" DATA_VERSION, STR_ARG(base), STR_ARG(path), has_query ? '&' : '?');
    return true;
}

bool batch_call(Cli *cli, const char *method, Str path, Str body, Answer *out, Err *err)
{
    Str url;
    return batch_url(cli, path, &url, err) && call_service(cli, method, to_batch(cli), url, body, out, err);
}

bool batch_show(Cli *cli, Str path, Err *err)
{
    Answer answer;

    if (!batch_call(cli, "GET", path, STR_NONE, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}

bool batch_list(Cli *cli, Str path, Err *err)
{
    Str url;
    return batch_url(cli, path, &url, err) && call_list(cli, to_batch(cli), url, NULL, err);
}

/* ---- pools ---- */

static Str pool_path(Cli *cli, const char *option, const char *rest)
{
    return str_printf(cli->arena, "/pools/" STR_FMT "%s", STR_ARG(percent_encode(cli->arena, arg(cli, option))), rest);
}

/* A document with "properties" is Resource Manager's: its text goes there as it stands, byte for byte. */
static bool pool_put(Cli *cli, Str document, Str name, Err *err)
{
    Str account = account_name_arg(cli), id, version = arg(cli, "--api-version");
    Answer answer;
    char *api_version;

    if (str_empty(account))
        return cli_usage(cli, err, "this document goes through Resource Manager; give --account-name");
    if (str_empty(name))
        return cli_usage(cli, err, "the document has no \"name\"; give --id POOL");
    if (!(api_version = str_to_cstr(cli->arena, version.ptr ? version : STR(BATCH_ARM_VERSION), err)))
        return false;
    if (!find_resource(cli, "Microsoft.Batch/batchAccounts", account, &id, err) ||
        !call_and_wait(cli, "PUT", to_arm(cli),
                       arm_url(cli, str_printf(cli->arena, STR_FMT "/pools/" STR_FMT, STR_ARG(id), STR_ARG(percent_encode(cli->arena, name))), api_version), document, &answer, err))
        return false;
    shape_resource(cli, &cli->w, answer.json);
    return true;
}

static bool pool_post(Cli *cli, Str document, Str id, Err *err)
{
    Answer answer;

    if (str_empty(id))
        return cli_usage(cli, err, "the document has neither \"properties\" (a pool as Resource Manager has it) nor \"id\" (one as the Batch service has it)");
    return batch_call(cli, "POST", STR("/pools"), document, &answer, err) &&
           batch_show(cli, str_printf(cli->arena, "/pools/" STR_FMT, STR_ARG(percent_encode(cli->arena, id))), err);
}

bool batch_document(Cli *cli, Str *text, const JsonVal **document, Err *err)
{
    Str file = arg(cli, "--json-file");
    Err inner = { 0 };
    char *path;

    if (str_starts(file, STR("@")))
        file = str_slice(file, 1, file.len);
    if (!(path = str_to_cstr(cli->arena, file, err)))
        return false;
    if (!read_input(cli, path, text, err))
        return err->code == ERR_NOT_FOUND ? cli_usage(cli, err, "--json-file: there is no file %s", path) : false;
    if (!json_parse(cli->arena, *text, JSON_TRAILING_COMMAS, document, &inner) || (json_kind(*document) != JSON_OBJECT && json_kind(*document) != JSON_ARRAY))
        return cli_usage(cli, err, "--json-file: %s is no JSON object%s%s", path, inner.text[0] ? ": " : "", inner.text);
    return true;
}

static bool read_document(Cli *cli, Str *text, const JsonVal **document, Err *err)
{
    return batch_document(cli, text, document, err) && (json_kind(*document) == JSON_OBJECT || cli_usage(cli, err, "--json-file: a pool is a JSON object, not an array"));
}

bool run_pool_create(Cli *cli, Err *err)
{
    Str id = arg(cli, "--id"), text, named;
    const JsonVal *document;

    if (!read_document(cli, &text, &document, err))
        return false;
    bool is_arm = json_get(document, "properties") != NULL;
    named = json_str(json_get(document, is_arm ? "name" : "id"));
    if (id.ptr && !is_arm && !str_eq(id, named))
        return cli_usage(cli, err, "--id is '" STR_FMT "', but the document's id is '" STR_FMT "'", STR_ARG(id), STR_ARG(named));
    return is_arm ? pool_put(cli, text, id.ptr ? id : named, err) : pool_post(cli, text, named, err);
}

/* "certificateReferences" of these thumbprints, with the service's own choice of store and visibility. */
static bool put_references(Cli *cli, Body *body, Str *text, Err *err)
{
    const char *const *thumbprints;
    size_t count = arg_list(cli, "--certificate-references", &thumbprints);

    body_begin(body);
    json_open(&body->w, NULL);
    json_open_array(&body->w, "certificateReferences");
    for (size_t i = 0; i < count; i++) {
        if (!thumbprints[i][0])
            continue;                                      /* "" alone takes all away */
        json_open(&body->w, NULL);
        json_put_str(&body->w, "thumbprintAlgorithm", STR("sha1"));
        json_put_str(&body->w, "thumbprint", str_from(thumbprints[i]));
        json_close(&body->w);
    }
    json_close_array(&body->w);
    json_close(&body->w);
    return body_end(body, text, err);
}

/* The service's PATCH: what is not named stays as it is. */
bool run_pool_set(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *document;
    Answer answer;
    Str text;
    bool has_file = arg(cli, "--json-file").ptr, has_references = arg_given(cli, "--certificate-references");

    if (has_file == has_references)
        return cli_usage(cli, err, "what to change? Give either --json-file or --certificate-references");
    return (has_file ? read_document(cli, &text, &document, err) : put_references(cli, &body, &text, err)) &&
           batch_call(cli, "PATCH", pool_path(cli, "--pool-id", ""), text, &answer, err) && batch_show(cli, pool_path(cli, "--pool-id", ""), err);
}

/* Update-properties: what is not named is taken away. */
bool run_pool_reset(Cli *cli, Err *err)
{
    const JsonVal *document;
    Answer answer;
    Str text;

    return read_document(cli, &text, &document, err) && batch_call(cli, "POST", pool_path(cli, "--pool-id", "/updateproperties"), text, &answer, err) &&
           batch_show(cli, pool_path(cli, "--pool-id", ""), err);
}

bool run_pool_show(Cli *cli, Err *err) { return batch_show(cli, pool_path(cli, "--pool-id", ""), err); }
bool run_pool_list(Cli *cli, Err *err) { return batch_list(cli, STR("/pools"), err); }

bool run_pool_delete(Cli *cli, Err *err)
{
    Answer answer;

    return cli_confirm(cli, "delete this pool and its nodes", err) && batch_call(cli, "DELETE", pool_path(cli, "--pool-id", ""), STR_NONE, &answer, err);
}

/* ---- nodes ---- */

static Str node_path(Cli *cli, const char *rest)
{
    return str_printf(cli->arena, STR_FMT "/nodes/" STR_FMT "%s", STR_ARG(pool_path(cli, "--pool-id", "")), STR_ARG(percent_encode(cli->arena, arg(cli, "--node-id"))), rest);
}

bool run_node_reboot(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str text;
    Answer answer;

    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "nodeRebootOption", arg(cli, "--node-reboot-option"));
    json_close(&body.w);
    return body_end(&body, &text, err) && batch_call(cli, "POST", node_path(cli, "/reboot"), text, &answer, err);
}

bool run_node_list(Cli *cli, Err *err) { return batch_list(cli, pool_path(cli, "--pool-id", "/nodes"), err); }
bool run_node_show(Cli *cli, Err *err) { return batch_show(cli, node_path(cli, ""), err); }
bool run_extension_list(Cli *cli, Err *err) { return batch_list(cli, node_path(cli, "/extensions"), err); }

bool run_extension_show(Cli *cli, Err *err)
{
    Str name = percent_encode(cli->arena, arg(cli, "--extension-name"));
    return batch_show(cli, str_printf(cli->arena, STR_FMT "/" STR_FMT, STR_ARG(node_path(cli, "/extensions")), STR_ARG(name)), err);
}

static bool put_stream(Cli *cli, int fd, const JsonVal *base64, Err *err)
{
    Bytes bytes;

    if (!json_str(base64).ptr)
        return true;
    if (!base64_decode(cli->arena, json_str(base64), &bytes, err))
        return false;
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote < 0)
            return err_errno(err, "could not write the command's output");
        bytes = (Bytes){ bytes.ptr + wrote, bytes.len - (size_t)wrote };
    }
    return true;
}

static bool put_command(Cli *cli, Body *body, int64_t timeout_ms)
{
    body_begin(body);
    json_open(&body->w, NULL);
    json_open_array(&body->w, "argv");
    for (size_t i = 0; i < cli->args.rest_count; i++)
        json_put_str(&body->w, NULL, str_from(cli->args.rest[i]));
    json_close_array(&body->w);
    json_put_int(&body->w, "timeoutMs", timeout_ms);
    json_close(&body->w);
    return true;
}

/* A command that takes longer than one request may wait is answered 202; its result is asked for under its id. */
static bool wait_exec(Cli *cli, Answer *answer, Err *err)
{
    Str url;

    while (answer->status == 202) {
        Str path = str_printf(cli->arena, STR_FMT "/" STR_FMT, STR_ARG(node_path(cli, "/exec")), STR_ARG(percent_encode(cli->arena, json_str(json_get(answer->json, "id")))));
        if (!batch_url(cli, path, &url, err) || !call_service(cli, "GET", to_batch(cli), url, STR_NONE, answer, err))
            return false;
    }
    return true;
}

/* The command's own streams and exit code; 128 + n when signal n ended it, as a shell says it. */
bool run_node_exec(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url, text, timeout = arg(cli, "--timeout");
    int64_t seconds = EXEC_TIMEOUT_USUAL_MS / 1000;
    Answer answer;

    if (cli->args.rest_count == 0)
        return cli_usage(cli, err, "which command? Write it behind '--': vy batch node exec --pool-id P --node-id N -- sh -c 'ls /'");
    if (timeout.ptr && !str_to_int64(timeout, 1, EXEC_TIMEOUT_MAX_S, &seconds, &(Err){ 0 }))
        return cli_usage(cli, err, "--timeout: '" STR_FMT "' is no number of seconds from 1 to %d", STR_ARG(timeout), EXEC_TIMEOUT_MAX_S);
    cli->call_timeout_ms = (int)(seconds * 1000) + EXEC_EXTRA_MS;
    if (!put_command(cli, &body, seconds * 1000) || !batch_url(cli, node_path(cli, "/exec"), &url, err) || !body_end(&body, &text, err) ||
        !call_service(cli, "POST", to_batch(cli), url, text, &answer, err) || !wait_exec(cli, &answer, err) ||
        !put_stream(cli, STDOUT_FILENO, json_get(answer.json, "stdout"), err) || !put_stream(cli, STDERR_FILENO, json_get(answer.json, "stderr"), err))
        return false;
    int64_t code = json_int(json_get(answer.json, "exitCode"), 1), signal = json_int(json_get(answer.json, "signal"), 0);
    if (json_bool(json_get(answer.json, "truncated"), false))
        cli_note("warning: the output is not complete: of each stream a node keeps the first MiB; write to a file and read that for more");
    if (!str_empty(json_str(json_get(answer.json, "error"))))
        return err_set(err, ERR_INTERNAL, "the node could not run it: " STR_FMT, STR_ARG(json_str(json_get(answer.json, "error"))));
    cli->exit_code = signal > 0 ? 128 + (int)(signal & 0x7f) : (int)(code & 0xff);
    return true;
}
