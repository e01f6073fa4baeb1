/* extension_probe.c - a node's extensions without a node: `extension_probe PROGRAM-DIR BELOW` lays them out below BELOW. Each line on standard input
 * is a lease's "extensions" array; the answer is a line with what a lease would tell of them, or "error <why>". The end of the input stops them. */
#include <stdio.h>
#include <string.h>
#include "node/commands/extension.h"

enum { LINE_BYTES = 64 * 1024, ARENA_BYTES = 4 << 20 };

static bool answer(Extensions *extensions, Str line, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ARENA_BYTES);
    AUTO(buf_done_auto) Buf text = { 0 };
    const JsonVal *list;
    JsonWriter w;
    if (!arena || !json_parse(arena, line, JSON_STRICT, &list, err) || !extensions_apply(extensions, list, err))
        return false;
    buf_init(&text, LINE_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    extensions_write(extensions, arena, &w, "extensions");
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    (void)printf(STR_FMT "\n", STR_ARG(buf_str(&text)));
    return true;
}

int main(int argc, char **argv)
{
    static char line[LINE_BYTES];
    Extensions *extensions;
    Err err = { 0 };
    if (argc != 3 || !extensions_new(argv[1], argv[2], &extensions, &err))
        return 2;
    while (fgets(line, sizeof line, stdin)) {
        if (!answer(extensions, str_trim(str_from(line)), &err))
            (void)printf("error %s\n", err.text);
        (void)fflush(stdout);
    }
    extensions_free(extensions);
    return 0;
}
