/* container.c - addresses and pages of a container's blobs. */
#include "node/runs/container.h"
#include "base/encode.h"
#include "node/runs/xml.h"

/* The address up to the query, without slashes at its end; *query is what follows "?". */
static Str split(Str container, Str *query)
{
    Str rest = container, base = str_cut(&rest, '?');
    *query = rest.ptr ? str_cut(&rest, '#') : STR("");
    while (str_ends(base, STR("/")))
        base = str_slice(base, 0, base.len - 1);
    return base;
}

Str container_list_url(Arena *arena, Str container, Str prefix, Str marker)
{
    Str query, base = split(container, &query), p = percent_encode(arena, prefix), m = percent_encode(arena, marker);
    return str_printf(arena, STR_FMT "?restype=container&comp=list&maxresults=%d%s" STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(base), BLOB_PAGE_SIZE,
                      p.len ? "&prefix=" : "", STR_ARG(p), m.len ? "&marker=" : "", STR_ARG(m), query.len ? "&" : "", STR_ARG(query));
}

Str container_blob_url(Arena *arena, Str container, Str blob)
{
    Str query, url = split(container, &query);
    for (Str rest = blob; rest.ptr;) {
        Str segment = percent_encode(arena, str_cut(&rest, '/'));
        url = str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(url), STR_ARG(segment));
    }
    return str_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(url), query.len ? "?" : "", STR_ARG(query));
}

static bool append(Arena *arena, Str *to, Str text)
{
    if (text.len)
        *to = to->len ? str_printf(arena, STR_FMT STR_FMT, STR_ARG(*to), STR_ARG(text)) : text;
    return to->ptr != NULL;
}

bool blob_page_read(Arena *arena, Str xml, BlobPage *out, Err *err)
{
    static const char *const name_path[] = { "EnumerationResults", "Blobs", "Blob", "Name" }, *const marker_path[] = { "EnumerationResults", "NextMarker" },
                      *const type_path[] = { "EnumerationResults", "Blobs", "Blob", "Properties", "ResourceType" };
    XmlReader reader;
    XmlEvent event;
    Str name = STR(""), type = STR("");
    BlobPage page = { .names = ARENA_ARRAY(arena, Str, BLOB_PAGE_SIZE), .next_marker = STR("") };
    bool is_page = false;
    if (!page.names)
        return err_too_big(err);
    if (!str_is_utf8(xml))
        return err_set(err, ERR_BAD_INPUT, "the XML answer is no UTF-8");
    xml_begin(&reader, arena, xml);
    do {
        if (!xml_next(&reader, &event, err))
            return false;
        if (event.kind == XML_START)
            is_page = is_page || xml_is_at(&reader, name_path, 2);          /* EnumerationResults/Blobs */
        if (event.kind == XML_START && xml_is_at(&reader, name_path, 3))
            name = type = STR("");
        if (event.kind == XML_TEXT && !((!xml_is_at(&reader, name_path, COUNT_OF(name_path)) || append(arena, &name, event.text)) &&
                                        (!xml_is_at(&reader, type_path, COUNT_OF(type_path)) || append(arena, &type, event.text)) &&
                                        (!xml_is_at(&reader, marker_path, COUNT_OF(marker_path)) || append(arena, &page.next_marker, event.text))))
            return err_too_big(err);
        if (event.kind == XML_END && xml_is_at(&reader, name_path, 2) && str_eq(event.text, STR("Blob")) && name.len && !str_eq(type, STR("directory"))) {
            if (page.count == BLOB_PAGE_SIZE)
                return err_set(err, ERR_BAD_INPUT, "more than the %d blobs that were asked for", BLOB_PAGE_SIZE);
            page.names[page.count++] = name;
        }
    } while (event.kind != XML_DONE);
    if (!is_page)
        return err_set(err, ERR_BAD_INPUT, "the answer is no list of blobs");
    *out = page;
    return true;
}
