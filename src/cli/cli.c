/* cli.c - from argv to an exit code: parse, run, print, and say what to do next when it failed. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/secret.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/query/jmespath.h"

enum { ARENA_MAX = 512 * 1024 * 1024, OUT_MAX = 256 * 1024 * 1024 };
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_FOUND = 3 };

/* ---- what commands ask of their arguments ---- */

static const Given *given_of(const Cli *cli, const char *name)
{
    const Option *tables[] = { cli->args.command->options, cli_global_options };
    Str wanted = str_from(name);

    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        for (const Option *o = tables[t]; o && o->names; o++) {
            Str rest = str_from(o->names);
            if (!str_eq(str_cut(&rest, ' '), wanted))
                continue;
            for (size_t i = 0; i < cli->args.given_count; i++) {
                if (cli->args.given[i].option == o)
                    return &cli->args.given[i];
            }
            return NULL;
        }
    }
    assert(!"a command asked for an option that its row does not have");
    return NULL;
}

Str arg(const Cli *cli, const char *name)
{
    const Given *given = given_of(cli, name);
    return given && given->count > 0 ? str_from(given->values[0]) : STR_NONE;
}

bool arg_flag(const Cli *cli, const char *name)
{
    const Given *given = given_of(cli, name);
    return given && !(given->count > 0 && str_eq_nocase(str_from(given->values[0]), STR("false")));
}

bool arg_given(const Cli *cli, const char *name)
{
    return given_of(cli, name) != NULL;
}

const char *arg_typed(const Cli *cli, const char *name)
{
    const Given *given = given_of(cli, name);
    return given ? given->typed : NULL;
}

size_t arg_list(const Cli *cli, const char *name, const char *const **values)
{
    const Given *given = given_of(cli, name);

    *values = given ? given->values : NULL;
    return given ? given->count : 0;
}

bool cli_usage(Cli *cli, Err *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cli->is_usage = true;
    (void)err_set(err, ERR_BAD_INPUT, "%s", text);
    (void)snprintf(err->target, sizeof err->target, "%s", cli->args.command->words);
    return false;
}

static bool is_quiet;                                     /* --only-show-errors */

void cli_note(const char *fmt, ...)
{
    va_list args;

    if (is_quiet)
        return;
    va_start(args, fmt);
    (void)fputs("vy: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

bool cli_confirm(Cli *cli, const char *what, Err *err)
{
    char answer[16] = "";

    if (arg_flag(cli, "--yes"))
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return cli_usage(cli, err, "this would %s; without a terminal to ask on, give --yes", what);
    (void)fprintf(stderr, "Do you want to %s? (y/n): ", what);
    if (!fgets(answer, sizeof answer, stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return err_set(err, ERR_DENIED, "not done");
    return true;
}

/* ---- the end of a command ---- */

/* `query` NULL: all of the result. Nothing is printed of a query that finds null, as with az. */
static bool print_result(Cli *cli, const Jmespath *query, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    OutputFormat format = isatty(STDOUT_FILENO) ? OUTPUT_TABLE : OUTPUT_JSON;
    Str wanted = arg(cli, "--output");
    const JsonVal *value;
    bool written;

    if (wanted.ptr)
        (void)output_format_parse(wanted, &format);        /* checked before the command ran */
    if (cli->out.len == 0 && !cli->out.failed)
        return true;
    if (!json_end(&cli->w, err) || !json_parse(cli->arena, buf_str(&cli->out), JSON_STRICT, &value, err))
        return false;
    if (query && !jmespath_search(cli->arena, query, value, &value, err))
        return false;
    if (query && json_kind(value) == JSON_NULL)
        return true;
    buf_init(&text, OUT_MAX);
    output_write(&text, format, value, query ? "" : cli->args.command->columns);
    written = !text.failed && fwrite(text.ptr ? text.ptr : "", 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    if (text.ptr)
        secret_wipe(text.ptr, text.len);
    return written ? true : err_errno(err, "could not write the result");
}

/* What to do next, by the service's code or by the kind of trouble. */
static const char *hint_for(const Cli *cli, const Err *err)
{
    static const struct { const char *code, *hint; } hints[] = {
        { "AuthorizationFailed",           "An owner of the scope can give you a role: vy role assignment create --assignee YOU --role ROLE --scope SCOPE" },
        { "LinkedAuthorizationFailed",     "An owner of the identity can give you the role 'Managed Identity Operator' on it: vy role assignment create" },
        { "AccessDenied",                  "Whoever may write the vault can give you access: vy keyvault set-policy -n VAULT --spn YOUR-APP-ID --secret-permissions get list" },
        { "ForbiddenByPolicy",             "Whoever may write the vault can give you access: vy keyvault set-policy -n VAULT --spn YOUR-APP-ID --secret-permissions get list" },
        { "ResourceGroupNotFound",         "Make the group first: vy group create -n GROUP" },
        { "SubscriptionNotFound",          "vy account list shows the subscriptions you may see" },
        { "ObjectIsDeletedButRecoverable", "A deleted object keeps its name until it is recovered or purged; choose another name" },
        { "VaultAlreadyExists",            "Vault names are unique in the whole site; choose another one" },
    };

    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        if (strcmp(cli->service_code, hints[i].code) == 0)
            return hints[i].hint;
    }
    if (strstr(err->text, "is not trusted"))
        return "The site's own CA certificate lies in its data directory as ca.pem: name it with --ca-file, or sign in with --admin-file";
    if (err->code == ERR_UNAVAILABLE && !cli->service_code[0])
        return "Is the server running (vaultyard serve), and is this its address? VY_ADMIN or `vy login` says where it is";
    return NULL;
}

static int report(const Cli *cli, const Err *err)
{
    const char *hint = hint_for(cli, err);

    (void)fprintf(stderr, "vy: error: %s\n", err->text);
    if (cli->is_usage) {
        (void)fprintf(stderr, "vy: see: vy%s%s --help\n", err->target[0] ? " " : "", err->target);
        return EXIT_USAGE;
    }
    if (hint)
        (void)fprintf(stderr, "vy: hint: %s\n", hint);
    return err->code == ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

static bool check_output(Cli *cli, Err *err)
{
    Str wanted = arg(cli, "--output");
    OutputFormat format;

    if (!wanted.ptr || output_format_parse(wanted, &format))
        return true;
    return cli_usage(cli, err, "--output: '" STR_FMT "' is none of json, jsonc, table, tsv, none", STR_ARG(wanted));
}

/* Before the command runs, so that one with a bad query does nothing. */
static bool check_query(Cli *cli, const Jmespath **query, Err *err)
{
    Str wanted = arg(cli, "--query");
    Err inner = { 0 };

    *query = NULL;
    return !wanted.ptr || jmespath_compile(cli->arena, wanted, query, &inner) || cli_usage(cli, err, "--query: %s", inner.text);
}

static int print_help(const char *words)
{
    AUTO(buf_done_auto) Buf text = { 0 };

    buf_init(&text, OUT_MAX);
    help_print(&text, words);
    return fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run(Cli *cli, int argc, char **argv)
{
    Err err = { 0 };
    const Jmespath *query;

    if (!args_parse(cli->arena, argc, argv, &cli->args, &err)) {
        cli->is_usage = true;
        return report(cli, &err);
    }
    if (cli->args.wants_help)
        return print_help(cli->args.help_words);
    is_quiet = arg_flag(cli, "--only-show-errors");
    if (!check_output(cli, &err) || !check_query(cli, &query, &err) || !cli->args.command->run(cli, &err))
        return report(cli, &err);
    if (!print_result(cli, query, &err))
        return report(cli, &err);
    return cli->exit_code;
}

int cli_main(int argc, char **argv)
{
    Cli *cli = calloc(1, sizeof *cli);
    int code = EXIT_FAILED;

    if (cli && (cli->arena = arena_new(ARENA_MAX))) {
        buf_init(&cli->out, OUT_MAX);
        json_begin(&cli->w, &cli->out);
        code = run(cli, argc, argv);
        if (cli->out.ptr)
            secret_wipe(cli->out.ptr, cli->out.len);
        buf_done(&cli->out);
    } else {
        (void)fputs("vy: error: out of memory\n", stderr);
    }
    if (cli) {
        http_client_free(cli->http);
        arena_free(cli->arena);
    }
    free(cli);
    return code;
}
