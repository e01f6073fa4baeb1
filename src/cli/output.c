/* output.c - one result, five ways. Terminals get no control characters from the server. */
#include "cli/output.h"
#include <stdio.h>
#include "json/write.h"

enum { COLUMNS_MAX = 16, CELL_MAX = 256 };

bool output_format_parse(Str name, OutputFormat *out)
{
    static const struct { Str name; OutputFormat format; } formats[] = {
        { { "json", 4 }, OUTPUT_JSON }, { { "jsonc", 5 }, OUTPUT_JSONC }, { { "tsv", 3 }, OUTPUT_TSV }, { { "table", 5 }, OUTPUT_TABLE }, { { "none", 4 }, OUTPUT_NONE },
    };

    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (str_eq_nocase(name, formats[i].name)) {
            *out = formats[i].format;
            return true;
        }
    }
    return false;
}

/* ---- JSON, two spaces a level ---- */

typedef struct Pretty { Buf *out; bool colour; } Pretty;

static void coloured(const Pretty *p, const char *code, Str text)
{
    if (p->colour)
        buf_printf(p->out, "\x1b[%sm", code);
    buf_put_str(p->out, text);
    if (p->colour)
        buf_put_str(p->out, STR("\x1b[0m"));
}

static void indent(Buf *out, int depth)
{
    buf_put_char(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_put_str(out, STR("  "));
}

/* As it stands inside a document: the writer escapes. */
static void as_json(Buf *out, const JsonVal *v)
{
    JsonWriter w;

    json_begin(&w, out);
    json_put_value(&w, NULL, v);
}

static void scalar(const Pretty *p, const JsonVal *v)
{
    AUTO(buf_done_auto) Buf text = { 0 };

    buf_init(&text, SIZE_MAX);
    as_json(&text, v);
    coloured(p, json_kind(v) == JSON_STR ? "32" : "33", buf_str(&text));
}

static void quoted(const Pretty *p, Str name)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;

    buf_init(&text, SIZE_MAX);
    json_begin(&w, &text);
    json_put_str(&w, NULL, name);
    coloured(p, "34", buf_str(&text));
}

static void pretty(const Pretty *p, const JsonVal *v, int depth)
{
    JsonKind kind = json_kind(v);
    size_t count = json_count(v);

    if (kind != JSON_OBJECT && kind != JSON_ARRAY) {
        scalar(p, v);
        return;
    }
    buf_put_char(p->out, kind == JSON_OBJECT ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        Str name;
        const JsonVal *item = kind == JSON_OBJECT ? json_member(v, i, &name) : json_at(v, i);
        indent(p->out, depth + 1);
        if (kind == JSON_OBJECT) {
            quoted(p, name);
            buf_put_str(p->out, STR(": "));
        }
        pretty(p, item, depth + 1);
        if (i + 1 < count)
            buf_put_char(p->out, ',');
    }
    if (count > 0)
        indent(p->out, depth);
    buf_put_char(p->out, kind == JSON_OBJECT ? '}' : ']');
}

/* ---- cells ---- */

static bool is_scalar(const JsonVal *v)
{
    JsonKind kind = json_kind(v);
    return kind != JSON_OBJECT && kind != JSON_ARRAY;
}

static void cell_text(Buf *out, const JsonVal *v, Str null_text)
{
    switch (json_kind(v)) {
    case JSON_STR:  buf_put_str(out, json_str(v)); break;
    case JSON_BOOL: buf_put_str(out, json_bool(v, false) ? STR("true") : STR("false")); break;
    case JSON_INT:  buf_printf(out, "%lld", (long long)json_int(v, 0)); break;
    case JSON_REAL: as_json(out, v); break;
    case JSON_NULL: buf_put_str(out, null_text); break;
    default: break;
    }
}

/* ---- tab-separated values: one line an item, its members in order; lists and objects inside stay empty ---- */

static void tsv_line(Buf *out, const JsonVal *v)
{
    size_t count = json_count(v);
    bool is_object = json_kind(v) == JSON_OBJECT;

    if (is_scalar(v))
        cell_text(out, v, STR("None"));
    for (size_t i = 0; !is_scalar(v) && i < count; i++) {
        Str name;
        if (i > 0)
            buf_put_char(out, '\t');
        cell_text(out, is_object ? json_member(v, i, &name) : json_at(v, i), STR("None"));
    }
    buf_put_char(out, '\n');
}

/* ---- tables ---- */

enum { BY_PATH = 1, BY_NAME, BY_POSITION };                /* how a column finds its cell in an item */
typedef struct Column {
    Str    title;
    int    by;
    char   path[96];                                       /* BY_PATH: "a.b"; BY_POSITION: room for the title */
    const char *name;
    size_t position;
    bool   is_nested;                                      /* holds a list or an object somewhere: not shown */
    size_t width;
} Column;

static size_t columns_from_spec(const char *spec, Column *columns)
{
    Str rest = str_from(spec);
    size_t count = 0;

    while (rest.ptr && count < COLUMNS_MAX) {
        Str part = str_cut(&rest, ' '), path = part;
        if (str_empty(part))
            continue;
        columns[count].by = BY_PATH;
        columns[count].title = str_cut(&path, '=');
        (void)snprintf(columns[count++].path, sizeof columns[0].path, STR_FMT, STR_ARG(path));
    }
    return count;
}

static size_t columns_from_item(const JsonVal *item, Column *columns)
{
    JsonWalk walk = { .object = item };
    const JsonVal *v;
    size_t count = 0;
    Str name;

    while (count < 8 && json_walk(&walk, &name, &v)) {
        if (is_scalar(v) && json_kind(v) != JSON_NULL)
            columns[count++] = (Column){ .title = name, .by = BY_NAME, .name = name.ptr };
    }
    return count;
}

static Column *column_named(Column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(columns[i].name, name) == 0)
            return &columns[i];
    }
    return NULL;
}

/* What a query made: members that are nowhere a list or an object, in the order in which they first appear; lists by position. */
static size_t columns_from_items(const JsonVal *const *items, size_t item_count, Column *columns)
{
    Column all[4 * COLUMNS_MAX] = { 0 };
    size_t all_count = 0, longest = 0, count = 0;
    const JsonVal *v;
    Str name;

    for (size_t i = 0; i < item_count; i++) {
        JsonWalk walk = { .object = items[i] };
        if (json_kind(items[i]) == JSON_ARRAY && json_count(items[i]) > longest)
            longest = json_count(items[i]);
        while (json_walk(&walk, &name, &v)) {
            Column *column = column_named(all, all_count, name.ptr);
            if (!column && all_count < COUNT_OF(all)) {
                column = &all[all_count++];
                *column = (Column){ .title = name, .by = BY_NAME, .name = name.ptr };
            }
            if (column && !is_scalar(v))
                column->is_nested = true;
        }
    }
    for (size_t i = 0; i < all_count && count < COLUMNS_MAX; i++) {
        if (!all[i].is_nested)
            columns[count++] = all[i];
    }
    for (size_t i = 0; all_count == 0 && i < longest && count < COLUMNS_MAX; i++) {
        Column *column = &columns[count++];
        *column = (Column){ .by = BY_POSITION, .position = i };
        (void)snprintf(column->path, sizeof column->path, "Column%zu", i + 1);
        column->title = str_from(column->path);
    }
    return count;
}

/* With control characters blanked; the width is in code points. */
static size_t clean_text(Str text, char *out)
{
    size_t width = 0, len = text.len < CELL_MAX - 1 ? text.len : CELL_MAX - 1;

    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;                                             /* never half a character */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        /* C0, DEL, and C1 as UTF-8 writes them (c2 80..9f) */
        bool is_c1 = c == 0xc2 && i + 1 < len && (unsigned char)text.ptr[i + 1] < 0xa0;
        if (is_c1) {
            out[i++] = ' ';
            out[i] = ' ';
            width += 2;
            continue;
        }
        out[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
        width += (c & 0xc0) != 0x80;
    }
    out[len] = '\0';
    return width;
}

static size_t clean_title(const Column *column, char *out)
{
    size_t width = clean_text(column->title, out);

    if (out[0] >= 'a' && out[0] <= 'z')
        out[0] = (char)(out[0] - 'a' + 'A');
    return width;
}

static const JsonVal *cell_of(const JsonVal *item, const Column *column)
{
    if (json_kind(item) == JSON_OBJECT)
        return column->by == BY_PATH ? json_path(item, column->path) : column->by == BY_NAME ? json_get(item, column->name) : NULL;
    if (column->by == BY_POSITION)
        return json_at(item, column->position);
    return column->by == BY_NAME ? NULL : item;
}

static size_t clean_cell(const JsonVal *item, const Column *column, char *out)
{
    AUTO(buf_done_auto) Buf text = { 0 };

    buf_init(&text, 1 << 20);
    cell_text(&text, cell_of(item, column), STR(""));
    return clean_text(buf_str(&text), out);
}

static void pad(Buf *out, char c, size_t count)
{
    while (count-- > 0)
        buf_put_char(out, c);
}

static void table_rows(Buf *out, const JsonVal *const *items, size_t item_count, Column *columns, size_t count)
{
    char cell[CELL_MAX];

    for (size_t c = 0; c < count; c++) {
        columns[c].width = clean_title(&columns[c], cell);
        for (size_t i = 0; i < item_count; i++) {
            size_t width = clean_cell(items[i], &columns[c], cell);
            if (width > columns[c].width)
                columns[c].width = width;
        }
    }
    for (size_t c = 0; c < count; c++) {
        size_t width = clean_title(&columns[c], cell);
        buf_put_str(out, str_from(cell));
        pad(out, ' ', c + 1 < count ? columns[c].width - width + 2 : 0);
    }
    buf_put_char(out, '\n');
    for (size_t c = 0; c < count; c++) {
        pad(out, '-', columns[c].width);
        buf_put_str(out, c + 1 < count ? STR("  ") : STR("\n"));
    }
    for (size_t i = 0; i < item_count; i++) {
        for (size_t c = 0; c < count; c++) {
            size_t width = clean_cell(items[i], &columns[c], cell);
            buf_put_str(out, str_from(cell));
            pad(out, ' ', c + 1 < count ? columns[c].width - width + 2 : 0);
        }
        buf_put_char(out, '\n');
    }
}

static void table(Buf *out, const JsonVal *value, const char *spec)
{
    Column columns[COLUMNS_MAX] = { 0 };
    bool is_list = json_kind(value) == JSON_ARRAY;
    if (!is_list && !spec && json_kind(json_get(value, "value")) == JSON_ARRAY) {
        value = json_get(value, "value");                  /* a page as the services write it */
        is_list = true;
    }
    size_t item_count = is_list ? json_count(value) : 1, count = 0;

    if (item_count == 0)
        return;
    AUTO(buf_done_auto) Buf buf = { 0 };                           /* of pointers: a list is walked once for each column */
    buf_init(&buf, SIZE_MAX);
    for (size_t i = 0; i < item_count; i++) {
        const JsonVal *item = is_list ? json_at(value, i) : value;
        buf_put(&buf, &item, sizeof item);
    }
    if (buf.failed) {
        out->failed = true;
        return;
    }
    const JsonVal *const *items = (const JsonVal *const *)(const void *)buf.ptr;
    if (spec && !*spec)
        count = columns_from_items(items, item_count, columns);
    else
        count = spec && json_kind(items[0]) == JSON_OBJECT ? columns_from_spec(spec, columns) : columns_from_item(items[0], columns);
    if (count == 0) {
        columns[0].title = STR("Result");
        count = 1;
    }
    table_rows(out, items, item_count, columns, count);
}

void output_write(Buf *out, OutputFormat format, const JsonVal *value, const char *columns)
{
    Pretty p = { out, format == OUTPUT_JSONC };

    switch (format) {
    case OUTPUT_JSON:
    case OUTPUT_JSONC:
        pretty(&p, value, 0);
        buf_put_char(out, '\n');
        break;
    case OUTPUT_TSV:
        if (json_kind(value) != JSON_ARRAY)
            tsv_line(out, value);
        for (size_t i = 0; json_kind(value) == JSON_ARRAY && i < json_count(value); i++)
            tsv_line(out, json_at(value, i));
        break;
    case OUTPUT_TABLE:
        table(out, value, columns);
        break;
    case OUTPUT_NONE:
        break;
    }
}
