/* fuzz_cmdline.c - a command line that splits, written again with every word in quotes, splits into the same words. */
#include <stdlib.h>
#include "base/buf.h"
#include "node/runs/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_quoted(Buf *line, const char *word)
{
    buf_put_char(line, '\'');
    for (; *word; word++)
        buf_put_str(line, *word == '\'' ? STR("'\"'\"'") : (Str){ word, 1 });
    buf_put_str(line, STR("' "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
    AUTO(buf_done_auto) Buf line = { 0 };
    char **words, **again;
    size_t count = 0;
    Err err = { 0 };
    buf_init(&line, 32 << 20);
    if (!cmdline_split(arena, (Str){ (const char *)data, size }, &words, &err))
        return err.code != ERR_BAD_INPUT ? abort(), 0 : 0;
    for (; words[count]; count++)
        put_quoted(&line, words[count]);
    if (!count || !cmdline_split(arena, buf_str(&line), &again, &err))
        abort();
    for (size_t i = 0; i <= count; i++)
        if (i == count ? again[i] != NULL : strcmp(words[i], again[i]) != 0)
            abort();
    return 0;
}
