/* command.h - what a command of vy is, and what it is given when it runs.
 *
 * One table (commands.c) holds every command: its words, function, help, options and table columns. Parser, help, typo suggestions
 * and tests read it. Words and options are those of az where az has them. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "http/client.h"
#include "json/write.h"

typedef struct Cli Cli;
typedef bool CommandFn(Cli *cli, Err *err);               /* writes its result, one JSON value or nothing, into cli->w */

/* LIST: one or more values; VALUE_OPTIONAL: alone it means "true"; MAY_BE_EMPTY: "" is a value too. Elsewhere "" is refused, since it is
 * most often a script's unset variable, and a path that ends early names the whole collection. REPEATS: each time it is given counts and is a Given
 * of its own; of others the last one counts. */
enum { OPT_REQUIRED = 1, OPT_LIST = 2, OPT_VALUE_OPTIONAL = 4, OPT_MAY_BE_EMPTY = 8, OPT_REPEATS = 16 };
typedef struct Option {
    const char *names;                                    /* "--name -n": the first is the one that messages and code use */
    const char *metavar;                                  /* NULL: a flag */
    unsigned    flags;
    const char *help;
} Option;

typedef struct Command {
    const char   *words;                                  /* "keyvault secret set" */
    CommandFn    *run;
    const char   *help;                                   /* one line */
    const Option *options;                                /* ended by a row without names */
    const char   *columns;                                /* of -o table: "Name=name Enabled=attributes.enabled"; NULL: the scalar members */
    const char   *positional;                             /* metavar of one argument without a name; NULL: none */
    bool          takes_rest;                             /* what follows "--" */
} Command;

typedef struct Group { const char *words, *help; } Group; /* "keyvault secret" */

extern const Command cli_commands[];
extern const size_t  cli_command_count;
extern const Group   cli_groups[];
extern const size_t  cli_group_count;
extern const Option  cli_global_options[];                /* every command takes them; ended likewise */

/* ---- the command line, taken apart ---- */

enum { GIVEN_MAX = 48, VALUES_MAX = 256 };

typedef struct Given { const Option *option; const char *typed; const char *values[VALUES_MAX]; size_t count; } Given;     /* typed: the name as it was given, "=value" included */
typedef struct Args {
    const Command *command;
    Given  given[GIVEN_MAX];
    size_t given_count;
    const char *positional;                               /* NULL: not given */
    char *const *rest;                                    /* behind "--" */
    size_t rest_count;
    bool   wants_help;
    const char *help_words;                               /* what to print help of: "" for vy itself, "keyvault", ...; when wants_help */
} Args;

/* false: the command line is wrong, err->text says how and err->target holds the words whose help to point at. Strings live in the arena or argv. */
bool args_parse(Arena *arena, int argc, char *const *argv, Args *out, Err *err) MUST_CHECK;
void help_print(Buf *out, const char *words);             /* of a command, a group, or "" */

/* By the option's first name, which must be the command's (asserted). Absent Str: not given. */
Str    arg(const Cli *cli, const char *name);
bool   arg_flag(const Cli *cli, const char *name);        /* given, and not as "false" */
bool   arg_given(const Cli *cli, const char *name);       /* with a value or without */
const char *arg_typed(const Cli *cli, const char *name);  /* the name by which it was given; NULL: not given */
size_t arg_list(const Cli *cli, const char *name, const char *const **values);

/* ---- whom we talk to ---- */

typedef struct Profile {
    Str tenant, subscription, client_id, client_secret;
    Str certificate_file, certificate_password;           /* instead of a secret: absolute; the password may be empty */
    Str authority, resource_manager, graph;               /* URLs without a final slash */
    Str vault_suffix, batch_suffix;                       /* "vault.vaultyard.localhost:8443", no dot in front */
    Str location, ca_file;                                /* ca_file absent: the system's */
    Str source;                                           /* the file it was read from */
} Profile;

struct Cli {
    Arena      *arena;
    Args        args;
    Profile     profile;                                  /* loaded by cli_profile */
    bool        has_profile, subscription_known;          /* known: --subscription is in the profile, by its id */
    HttpClient *http;
    Buf         out;
    JsonWriter  w;
    bool        is_usage;                                 /* the error is about the command line: exit code 2 */
    int         call_timeout_ms;                          /* of the next calls; 0: the usual */
    bool        has_warned;                               /* of something that will go (azure-deprecating) */
    bool      (*sink)(void *ctx, Bytes piece);             /* of the next call: takes the body of a 2xx answer piece by piece (http/client.h) */
    void       *sink_ctx;
    int         exit_code;                                /* of the remote command, by `batch node exec` */
    char        service_code[96];                         /* of the last refusal, for the hint */
};

int cli_main(int argc, char **argv);
void cli_note(const char *fmt, ...) FORMAT(1, 2);         /* one line to standard error, beside the result; nothing with --only-show-errors */
/* Asks on the terminal unless --yes was given; without a terminal it refuses. */
bool cli_confirm(Cli *cli, const char *what, Err *err) MUST_CHECK;
bool cli_usage(Cli *cli, Err *err, const char *fmt, ...) FORMAT(3, 4);       /* always false */
