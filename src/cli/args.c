/* args.c - from argv to a command and its options.
 *
 * Words come first, then options in any order. A long name may be written with one dash ("-name"), as documents do, and is never read
 * as -n with a value; '_' in an option's name counts as '-'. */
#include <stdio.h>
#include "cli/command.h"

/* ---- names ---- */

static bool names_next(Str *rest, Str *name)
{
    *name = STR_NONE;
    while (rest->ptr && str_empty(*name))
        *name = str_cut(rest, ' ');
    return !str_empty(*name);
}

static bool option_char_eq(char given, char known)
{
    return given == known || (given == '_' && known == '-');
}

static bool option_name_is(Str given, Str known)
{
    if (given.len == known.len) {
        for (size_t i = 0; i < given.len; i++) {
            if (!option_char_eq(given.ptr[i], known.ptr[i]))
                return false;
        }
        return true;
    }
    /* "-name" for "--name" */
    return known.len > 3 && given.len + 1 == known.len && option_name_is(given, str_slice(known, 1, known.len));
}

static const Option *option_in(const Option *options, Str given)
{
    for (; options && options->names; options++) {
        Str rest = str_from(options->names), name;
        while (names_next(&rest, &name)) {
            if (option_name_is(given, name))
                return options;
        }
    }
    return NULL;
}

static const Option *option_of(const Command *command, Str given)
{
    const Option *own = option_in(command->options, given);
    return own ? own : option_in(cli_global_options, given);
}

/* ---- near misses ---- */

enum { WORD_MAX = 48 };

/* Optimal string alignment: insertions, deletions, exchanges and swaps of neighbours. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1], la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[la % 3][lb];
}

static const char *nearest(const char *word, const char *const *known, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) <= 3 ? 2 : strlen(word) / 3 + 2;     /* fewer than this many changes */

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, known[i]);
        if (d < best_distance) {
            best_distance = d;
            best = known[i];
        }
    }
    return best;
}

/* The text that `words` has behind `prefix` up to its next space: the word that may follow. Absent if none. */
static Str word_after(const char *words, Str prefix)
{
    Str rest = str_from(words);

    if (prefix.len > 0) {
        if (!str_starts(rest, prefix) || rest.len <= prefix.len || rest.ptr[prefix.len] != ' ')
            return STR_NONE;
        rest = str_slice(rest, prefix.len + 1, rest.len);
    }
    return str_cut(&rest, ' ');
}

static bool unknown_word(Arena *arena, Str prefix, const char *word, Err *err)
{
    enum { KNOWN_MAX = 64 };
    const char *known[KNOWN_MAX], *near;
    size_t count = 0;

    for (size_t i = 0; i < cli_command_count && count < KNOWN_MAX; i++) {
        Str next = word_after(cli_commands[i].words, prefix);
        if (next.ptr)
            known[count++] = str_to_cstr(arena, next, err);
    }
    if (!arena_ok(arena))
        return err_too_big(err);
    near = nearest(word, known, count);
    (void)err_set(err, ERR_BAD_INPUT, "'%s' is no command of vy" "%s" STR_FMT ".%s%s%s", word, prefix.len ? " " : "", STR_ARG(prefix),
                  near ? " Did you mean '" : "", near ? near : "", near ? "'?" : "");
    (void)snprintf(err->target, sizeof err->target, STR_FMT, STR_ARG(prefix));
    return false;
}

/* ---- words ---- */

static const Command *command_of(Str words)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        if (str_eq(words, str_from(cli_commands[i].words)))
            return &cli_commands[i];
    }
    return NULL;
}

static bool is_group(Str words)
{
    if (words.len == 0)
        return true;
    for (size_t i = 0; i < cli_command_count; i++) {
        if (word_after(cli_commands[i].words, words).ptr)
            return true;
    }
    return false;
}

/* Takes words as long as they lead on in the table. */
static bool parse_words(Arena *arena, int argc, char *const *argv, int *at, Args *out, Err *err)
{
    Str words = STR("");

    for (; *at < argc && argv[*at][0] != '-'; (*at)++) {
        Str longer = words.len ? str_printf(arena, STR_FMT " %s", STR_ARG(words), argv[*at]) : str_from(argv[*at]);
        if (!command_of(longer) && !is_group(longer)) {
            if (command_of(words))
                break;                                     /* its positional argument */
            return unknown_word(arena, words, argv[*at], err);
        }
        words = longer;
    }
    out->command = command_of(words);
    out->help_words = str_to_cstr(arena, words, err);
    return out->help_words != NULL;
}

/* ---- options ---- */

static Str first_name(const Option *option)
{
    Str rest = str_from(option->names);
    return str_cut(&rest, ' ');
}

static bool unknown_option(const Command *command, const char *given, Err *err)
{
    enum { KNOWN_MAX = 64, NAME_MAX_LEN = 40 };
    char names[KNOWN_MAX][NAME_MAX_LEN];
    const char *known[KNOWN_MAX], *near;
    const Option *tables[] = { command->options, cli_global_options };
    size_t count = 0;

    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        for (const Option *o = tables[t]; o && o->names && count < KNOWN_MAX; o++) {
            Str name = first_name(o);
            (void)snprintf(names[count], NAME_MAX_LEN, STR_FMT, STR_ARG(name));
            known[count] = names[count];
            count++;
        }
    }
    near = nearest(given, known, count);
    (void)snprintf(err->target, sizeof err->target, "%s", command->words);
    err->code = ERR_BAD_INPUT;
    (void)snprintf(err->text, sizeof err->text, "unrecognized argument: %.100s.%s%s%s", given, near ? " Did you mean " : "", near ? near : "", near ? "?" : "");
    return false;
}

static Given *given_for(Args *args, const Option *option)
{
    for (size_t i = 0; i < args->given_count && !(option->flags & OPT_REPEATS); i++) {
        if (args->given[i].option == option)
            return &args->given[i];
    }
    if (args->given_count == GIVEN_MAX)
        return NULL;
    args->given[args->given_count].option = option;
    args->given[args->given_count].count = 0;
    return &args->given[args->given_count++];
}

/* A value may begin with '-' only as a lone "-" (standard input) or a negative number. */
static bool is_value(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || (text[1] >= '0' && text[1] <= '9');
}

static bool check_not_empty(const Args *args, const Given *g, Err *err)
{
    if (g->option->flags & (OPT_MAY_BE_EMPTY | OPT_VALUE_OPTIONAL))
        return true;
    for (size_t i = 0; i < g->count; i++) {
        if (g->values[i][0] == '\0') {
            Str rest = str_from(g->typed), typed = str_cut(&rest, '=');       /* by the name the person used */
            (void)err_set(err, ERR_BAD_INPUT, STR_FMT " is empty", STR_ARG(typed));
            (void)snprintf(err->target, sizeof err->target, "%s", args->command->words);
            return false;
        }
    }
    return true;
}

static bool parse_option(Arena *arena, int argc, char *const *argv, int *at, Args *args, Err *err)
{
    const char *given = argv[(*at)++], *equals = given[1] == '-' ? strchr(given, '=') : NULL;
    Str name = equals ? (Str){ given, (size_t)(equals - given) } : str_from(given);
    const Option *option = option_of(args->command, name);
    Given *g;

    (void)arena;
    if (!option)
        return unknown_option(args->command, given, err);
    if (!(g = given_for(args, option)))
        return err_set(err, ERR_BAD_INPUT, "more than %d options", GIVEN_MAX);
    g->typed = given;
    g->count = 0;                                          /* the last one counts */
    if (!option->metavar) {
        if (equals)
            return err_set(err, ERR_BAD_INPUT, STR_FMT " takes no value", STR_ARG(first_name(option)));
        return true;
    }
    if (equals)
        g->values[g->count++] = equals + 1;
    while (!equals && *at < argc && is_value(argv[*at]) && (g->count == 0 || option->flags & OPT_LIST)) {
        if (g->count == VALUES_MAX)
            return err_set(err, ERR_BAD_INPUT, STR_FMT " takes at most %d values", STR_ARG(first_name(option)), VALUES_MAX);
        g->values[g->count++] = argv[(*at)++];
    }
    if (!check_not_empty(args, g, err))
        return false;
    if (g->count == 0 && !(option->flags & OPT_VALUE_OPTIONAL)) {
        (void)snprintf(err->target, sizeof err->target, "%s", args->command->words);
        err->code = ERR_BAD_INPUT;
        (void)snprintf(err->text, sizeof err->text, "argument %s: expected %s", option->names, option->flags & OPT_LIST ? "at least one value" : "one value");
        return false;
    }
    return true;
}

static bool check_required(const Args *args, Err *err)
{
    char missing[256] = "";
    size_t used = 0;

    for (const Option *o = args->command->options; o && o->names; o++) {
        bool found = false;
        for (size_t i = 0; i < args->given_count; i++)
            found = found || args->given[i].option == o;
        if (!found && o->flags & OPT_REQUIRED && used < sizeof missing)
            used += (size_t)snprintf(missing + used, sizeof missing - used, "%s" STR_FMT, used ? ", " : "", STR_ARG(first_name(o)));
    }
    if (args->command->positional && !args->positional && used < sizeof missing)
        used += (size_t)snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "", args->command->positional);
    if (used == 0)
        return true;
    (void)err_set(err, ERR_BAD_INPUT, "the following arguments are required: %s", missing);
    (void)snprintf(err->target, sizeof err->target, "%s", args->command->words);
    return false;
}

static bool is_help(const char *text)
{
    return strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0;
}

bool args_parse(Arena *arena, int argc, char *const *argv, Args *out, Err *err)
{
    int at = 1;

    *out = (Args){ 0 };
    if (!parse_words(arena, argc, argv, &at, out, err))
        return false;
    for (int i = at; i < argc && strcmp(argv[i], "--") != 0; i++)
        out->wants_help = out->wants_help || is_help(argv[i]);
    if (out->wants_help)
        return true;
    if (!out->command && at < argc && (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-v") == 0)) {
        out->command = command_of(STR("version"));
        return true;
    }
    if (!out->command) {
        (void)snprintf(err->target, sizeof err->target, "%s", out->help_words);
        err->code = ERR_BAD_INPUT;
        (void)snprintf(err->text, sizeof err->text, "vy%s%.60s needs %s", out->help_words[0] ? " " : "", out->help_words, out->help_words[0] ? "a further word" : "a command");
        return false;
    }
    while (at < argc) {
        if (strcmp(argv[at], "--") == 0 && out->command->takes_rest) {
            out->rest = argv + at + 1;
            out->rest_count = (size_t)(argc - at - 1);
            break;
        }
        if (argv[at][0] == '-' && argv[at][1] != '\0') {
            if (!parse_option(arena, argc, argv, &at, out, err))
                return false;
        } else if (out->command->positional && !out->positional) {
            out->positional = argv[at++];
        } else {
            return unknown_option(out->command, argv[at], err);
        }
    }
    return check_required(out, err);
}
