/* command.h - the commands of `vaultyard`: one table, read by main, by --help and by the reference page. */
#pragma once
#include <limits.h>
#include "base/err.h"

typedef struct Command {
    const char *name;                       /* "init", "audit verify" */
    const char *usage;                      /* after the name */
    const char *help;                       /* one line */
    int (*run)(int argc, char **argv);      /* arguments after the name; the exit code */
} Command;

enum { EXIT_USAGE = 2 };

int command_init(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_host(int argc, char **argv);
int command_host_guard(int argc, char **argv);
int command_clean(int argc, char **argv);
int command_audit_verify(int argc, char **argv);
int command_routes(int argc, char **argv);

/* One option of a command: --name VALUE, or a bare --name when is_flag. `max` values at most are kept. */
typedef struct Option { const char *name; bool is_flag; const char **values; int *count; int max; } Option;
/* false: the message has been printed; answer EXIT_USAGE. No positional arguments are taken. */
bool options_read(const char *command, int argc, char **argv, const Option *options, int option_count);
#define HOST_COMMAND(program, dir) { program, "host", "--data-dir", dir, "--keep", NULL }      /* how a host is started beside serve */
bool command_program(char path[PATH_MAX], Err *err);               /* of the program that runs: to run it again */
int  command_fail(const char *command, const char *text);           /* prints "vaultyard <command>: <text>", answers 1 */
