/* cmdline.c - splitting a task's command line into words. */
#include "node/runs/cmdline.h"

typedef struct Splitter {
    Str line;
    size_t at;
    char *out;                          /* the words, one after the other, each ending in NUL */
    size_t out_len;
} Splitter;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* At an opening quote; ends behind the closing one. */
static bool take_quoted(Splitter *s, Err *err)
{
    char quote = s->line.ptr[s->at++];
    for (; s->at < s->line.len; s->at++) {
        char c = s->line.ptr[s->at];
        if (c == quote) {
            s->at++;
            return true;
        }
        if (c == '\\' && quote == '"' && s->at + 1 < s->line.len && (s->line.ptr[s->at + 1] == '"' || s->line.ptr[s->at + 1] == '\\'))
            c = s->line.ptr[++s->at];
        s->out[s->out_len++] = c;
    }
    return err_set(err, ERR_BAD_INPUT, "the command line ends inside a quote (%c)", quote);
}

static bool take_word(Splitter *s, Err *err)
{
    while (s->at < s->line.len && !is_space(s->line.ptr[s->at])) {
        char c = s->line.ptr[s->at];
        if (c == '"' || c == '\'') {
            if (!take_quoted(s, err))
                return false;
            continue;
        }
        if (c == '\\' && ++s->at == s->line.len)
            return err_set(err, ERR_BAD_INPUT, "the command line ends with a backslash");
        s->out[s->out_len++] = s->line.ptr[s->at++];
    }
    s->out[s->out_len++] = '\0';
    return true;
}

bool cmdline_split(Arena *arena, Str line, char ***argv, Err *err)
{
    if (line.len && memchr(line.ptr, '\0', line.len))
        return err_set(err, ERR_BAD_INPUT, "the command line holds a NUL");
    /* A word takes no more bytes than it has in the line, and its NUL the place of the space behind it. */
    Splitter s = { .line = line, .out = arena_alloc(arena, line.len + 1) };
    size_t words = 0;
    if (!s.out)
        return err_too_big(err);
    for (;;) {
        while (s.at < line.len && is_space(line.ptr[s.at]))
            s.at++;
        if (s.at == line.len)
            break;
        if (!take_word(&s, err))
            return false;
        if (++words > CMDLINE_WORDS_MAX)
            return err_set(err, ERR_BAD_INPUT, "the command line has more than %d words", CMDLINE_WORDS_MAX);
    }
    if (!words)
        return err_set(err, ERR_BAD_INPUT, "the command line is empty");
    char **list = ARENA_ARRAY(arena, char *, words + 1), *word = s.out;
    if (!list)
        return err_too_big(err);
    for (size_t i = 0; i < words; i++) {
        list[i] = word;
        word += strlen(word) + 1;
    }
    *argv = list;
    return true;
}
