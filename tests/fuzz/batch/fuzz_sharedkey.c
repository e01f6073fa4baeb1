/* First line: the Authorization header; second: the query; the rest: the path and header values. */
#include <stdlib.h>
#include "batch/accounts/sharedkey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(4 << 20);
    Str rest = { (const char *)data, size }, account, text;
    Str authorization = str_cut(&rest, '\n'), query = rest.ptr ? str_cut(&rest, '\n') : STR("");
    SignedHeader headers[2] = { { STR("ocp-date"), rest.ptr ? rest : STR("") }, { rest.ptr ? rest : STR(""), STR("x") } };
    SignedRequest request = { .method = STR("GET"), .path = rest.ptr ? rest : STR("/"), .query = query, .account = STR("a"), .headers = headers, .header_count = 2 };
    Bytes signature;
    Err err = { 0 };
    if (sharedkey_parse(arena, authorization, &account, &signature, &err) && signature.len != 32)
        abort();
    if (sharedkey_text(arena, &request, &text, &err) && !str_starts(text, STR("GET\n")))
        abort();
    arena_free(arena);
    return 0;
}
