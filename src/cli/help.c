/* help.c - help of vy, of a group of commands, of one command: printed from the tables. */
#include <stdio.h>
#include "cli/command.h"

static void option_rows(Buf *out, const Option *options)
{
    for (const Option *o = options; o && o->names; o++) {
        char left[80];
        Str rest = str_from(o->names), name;
        size_t used = 0;

        left[0] = '\0';
        while (rest.ptr && used < sizeof left) {
            name = str_cut(&rest, ' ');
            used += (size_t)snprintf(left + used, sizeof left - used, "%s" STR_FMT, used ? " " : "", STR_ARG(name));
        }
        if (o->metavar && used < sizeof left)
            (void)snprintf(left + used, sizeof left - used, " %s%s", o->metavar, o->flags & OPT_LIST ? " ..." : "");
        buf_printf(out, "    %-40s %s%s\n", left, o->help, o->flags & OPT_REQUIRED ? " [required]" : "");
    }
}

static void command_help(Buf *out, const Command *c)
{
    buf_printf(out, "Command\n    vy %s: %s\n\nUsage\n    vy %s", c->words, c->help, c->words);
    if (c->positional)
        buf_printf(out, " %s", c->positional);
    for (const Option *o = c->options; o && o->names; o++) {
        Str rest = str_from(o->names), name = str_cut(&rest, ' ');
        if (o->flags & OPT_REQUIRED)
            buf_printf(out, " " STR_FMT " %s", STR_ARG(name), o->metavar ? o->metavar : "");
    }
    buf_printf(out, " [options]%s\n", c->takes_rest ? " -- COMMAND [ARGUMENT ...]" : "");
    if (c->options && c->options->names) {
        buf_put_str(out, STR("\nArguments\n"));
        option_rows(out, c->options);
    }
    buf_put_str(out, STR("\nGlobal arguments\n"));
    option_rows(out, cli_global_options);
}

/* The word of `words` behind `prefix`; is_last: nothing follows it. */
static bool child_of(const char *words, Str prefix, Str *word, bool *is_last)
{
    Str rest = str_from(words);

    if (prefix.len > 0) {
        if (!str_starts(rest, prefix) || rest.len <= prefix.len || rest.ptr[prefix.len] != ' ')
            return false;
        rest = str_slice(rest, prefix.len + 1, rest.len);
    }
    *word = str_cut(&rest, ' ');
    *is_last = !rest.ptr;
    return true;
}

static void group_help(Buf *out, const char *words)
{
    Str prefix = str_from(words), word;
    bool is_last, any = false;

    for (size_t i = 0; i < cli_group_count; i++) {
        if (str_eq(prefix, str_from(cli_groups[i].words)))
            buf_printf(out, "Group\n    vy %s: %s\n", words, cli_groups[i].help);
    }
    if (prefix.len == 0)
        buf_put_str(out, STR("vy: the client of Vaultyard, with the commands of az\n"));
    for (size_t i = 0; i < cli_group_count; i++) {
        if (child_of(cli_groups[i].words, prefix, &word, &is_last) && is_last) {
            buf_printf(out, "%s    %-22.*s %s\n", any ? "" : "\nGroups\n", (int)word.len, word.ptr, cli_groups[i].help);
            any = true;
        }
    }
    any = false;
    for (size_t i = 0; i < cli_command_count; i++) {
        if (child_of(cli_commands[i].words, prefix, &word, &is_last) && is_last) {
            buf_printf(out, "%s    %-22.*s %s\n", any ? "" : "\nCommands\n", (int)word.len, word.ptr, cli_commands[i].help);
            any = true;
        }
    }
    if (prefix.len == 0)
        buf_put_str(out, STR("\nThe server is found by VY_ADMIN=DIR/admin.json, which `vaultyard init` writes, or by what `vy login` stored.\n"
                             "Results are a table on a terminal and JSON elsewhere; -o chooses. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found.\n"
                             "Help of a group or command: vy WORDS --help\n"));
}

void help_print(Buf *out, const char *words)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].words, words) == 0) {
            command_help(out, &cli_commands[i]);
            return;
        }
    }
    group_help(out, words);
}
