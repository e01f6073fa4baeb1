/* fuzz_head.c - request heads: read in place the generous way libmicrohttpd 0.9.75 does, then through our checks.
 *
 * What passes must be a head that every reader reads alike. */
#include <assert.h>
#include <stdlib.h>
#include "http/form.h"
#include "http/hygiene.h"
#include "http/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line of the buffer with its end turned into NULs; NULL when there is no whole one. Bare LF counts as an end. */
static char *next_line(char **at, const char *end)
{
    char *line = *at;
    for (char *c = line; c < end; c++) {
        if (*c == '\r' && c + 1 < end && c[1] == '\n') {
            c[0] = c[1] = '\0';
            *at = c + 2;
            return line;
        }
        if (*c == '\n') {
            *c = '\0';
            *at = c + 1;
            return line;
        }
    }
    return NULL;
}

static bool read_request_line(char *line, size_t len, Head *head, HeadPlace *place)
{
    char *url = memchr(line, ' ', len);
    if (!url)
        return false;
    *url++ = '\0';
    while (*url == ' ')
        url++;
    char *version = line + len;
    while (version > url && version[-1] != ' ')
        version--;
    if (version <= url)
        return false;
    version[-1] = '\0';
    head->method = str_from(line);
    head->version = str_from(version);
    place->method = line;
    place->url = url;
    place->version = version;
    return true;
}

static bool read_head(char *bytes, size_t size, Head *head, HeadPlace *place, Arena *arena)
{
    char *at = bytes, *end = bytes + size;
    char *line = next_line(&at, end);
    if (!line || !read_request_line(line, strlen(line), head, place))
        return false;
    head->target = str_dup(arena, str_from(place->url));       /* the copy that request_begin makes, before the query is cut up */
    char *query = strchr((char *)(uintptr_t)place->url, '?');
    if (query)
        *query = '\0';
    for (;;) {
        line = next_line(&at, end);
        if (!line)
            return false;
        if (!*line)
            break;
        char *colon = strchr(line, ':');
        if (!colon || head->field_count == HEAD_FIELDS_MAX)
            return false;
        *colon++ = '\0';
        while (*colon == ' ' || *colon == '\t')
            colon++;
        head->fields[head->field_count++] = (ReqField){ str_from(line), str_from(colon) };
    }
    place->size_bytes = (size_t)(at - place->method);
    return head->target.ptr != NULL;
}

/* CR, LF and NUL stand only in the two bytes that end a line, and no line begins with white space: nothing is hidden in the head. */
static void check_bytes(const uint8_t *raw, const char *bytes, const Head *head, const HeadPlace *place)
{
    size_t at = (size_t)(place->method - bytes), end = at + place->size_bytes;
    for (size_t line = 0; line <= head->field_count + 1; line++) {
        size_t line_end = end - 2;
        if (line == 0)
            line_end = (size_t)(place->version + head->version.len - bytes);
        else if (line <= head->field_count)
            line_end = (size_t)(head->fields[line - 1].value.ptr + head->fields[line - 1].value.len - bytes);
        assert(at <= line_end && line_end + 2 <= end && (at == line_end || (raw[at] != ' ' && raw[at] != '\t')));
        for (; at < line_end; at++)
            assert(raw[at] != '\0' && raw[at] != '\r' && raw[at] != '\n');
        for (; at < line_end + 2; at++)
            assert(raw[at] == '\0' || raw[at] == '\r' || raw[at] == '\n');
    }
    assert(at == end);
}

static void check_facts(const HeadFacts *facts)
{
    assert(facts->path.len > 0 && facts->path.ptr[0] == '/');
    assert(facts->host.len > 0);
    assert(!facts->is_chunked || !facts->has_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = arena_new(256 * 1024);
    char *bytes = malloc(size + 1);
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    Head head = { 0 };
    HeadPlace place = { 0 };
    HeadFacts facts;
    Err err = { 0 };
    if (read_head(bytes, size, &head, &place, arena) && head_is_contiguous(&head, &place) && head_check(&head, &facts, &err)) {
        Host host;
        check_bytes(data, bytes, &head, &place);
        check_facts(&facts);
        if (host_parse(arena, facts.host, &host, &err))
            assert(host.name.len > 0);
        (void)form_get(arena, facts.query, "api-version");
        if (!form_check(arena, facts.query, &err))
            assert(err.code != ERR_NONE && str_is_utf8(str_from(err.text)));
    }
    free(bytes);
    arena_free(arena);
    return 0;
}
