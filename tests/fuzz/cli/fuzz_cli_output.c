/* Whatever a server answers, the formats print it: JSON that reads back the same, tables without control characters. */
#include <stdlib.h>
#include "cli/output.h"
#include "cli/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(Arena *arena, const JsonVal *value)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    const JsonVal *again;
    Err err = { 0 };

    buf_init(&out, 64 << 20);
    output_write(&out, OUTPUT_JSON, value, NULL);
    if (out.failed || !json_parse(arena, buf_str(&out), JSON_STRICT, &again, &err) || !str_eq(json_text(arena, value), json_text(arena, again)))
        abort();
}

static void check_table(const JsonVal *value, const char *columns)
{
    AUTO(buf_done_auto) Buf out = { 0 };

    buf_init(&out, 64 << 20);
    output_write(&out, OUTPUT_TABLE, value, columns);
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = (unsigned char)out.ptr[i];
        if ((c < ' ' && c != '\n') || c == 0x7f)
            abort();
    }
    if (!str_is_utf8(buf_str(&out)))
        abort();
}

/* Every shape of anything is JSON again. */
static void check_shapes(Cli *cli, const JsonVal *value)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    JsonWriter w;
    Err err = { 0 };

    buf_init(&out, 64 << 20);
    json_begin(&w, &out);
    json_open(&w, NULL);
    policy_to_wire(&w, "policy", value);
    policy_from_wire(&w, "back", value);
    json_close(&w);
    if (!json_end(&w, &err))
        abort();
    Shape *const shapes[] = { shape_resource, shape_flat, shape_secret, shape_certificate, shape_operation, shape_key, shape_role_definition };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        buf_reset(&out);
        json_begin(&w, &out);
        shapes[i](cli, &w, value);
        if (!json_end(&w, &err))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Cli *cli = calloc(1, sizeof *cli);
    const JsonVal *value;
    Err err = { 0 };

    if (!cli || !(cli->arena = arena_new(64 << 20)))
        abort();
    if (json_parse(cli->arena, (Str){ (const char *)data, size }, JSON_STRICT, &value, &err)) {
        check_json(cli->arena, value);
        check_table(value, NULL);
        check_table(value, "Name=name Enabled=attributes.enabled");
        check_shapes(cli, value);
    }
    arena_free(cli->arena);
    free(cli);
    return 0;
}
