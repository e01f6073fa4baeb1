/* xml.c - reading XML (W3C, XML 1.0 fifth edition), as much of it as services answer with. */
#include "node/runs/xml.h"

enum { ENTITY_MAX = 8 };
#define BLANKS " \t\r\n"

static bool wrong(Err *err, const char *what) { return err_set(err, ERR_BAD_INPUT, "the XML answer is not well-formed: %s", what); }

void xml_begin(XmlReader *reader, Arena *arena, Str document)
{
    *reader = (XmlReader){ .arena = arena, .rest = document };
    if (str_starts(document, STR("\xef\xbb\xbf")))                  /* a byte order mark */
        reader->rest = str_slice(document, 3, document.len);
}

static void skip(XmlReader *reader, size_t len) { reader->rest = str_slice(reader->rest, len, reader->rest.len); }

static bool skip_past(XmlReader *reader, Str end, Err *err)
{
    size_t at;
    if (!str_find(reader->rest, end, &at))
        return wrong(err, "it ends too early");
    skip(reader, at + end.len);
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == ':' || (unsigned char)c >= 0x80;
}

static Str take_name(XmlReader *reader)
{
    size_t len = 0;
    while (len < reader->rest.len && is_name_char(reader->rest.ptr[len]))
        len++;
    Str name = str_slice(reader->rest, 0, len);
    skip(reader, len);
    return name;
}

/* Section 2.2: what may be in a document. */
static bool is_char(uint32_t code)
{
    return code == 0x9 || code == 0xa || code == 0xd || (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

static size_t put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00 >> len & 0xff) | code);
    return len;
}

/* Section 4.6 and 4.1: the five names, and numbers. `name` is what stands between & and ;. */
static size_t decode_entity(Str name, char *to)
{
    static const struct { const char *name; char is; } known[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };
    uint32_t code = 0, base = 10;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_eq(name, str_from(known[i].name))) {
            *to = known[i].is;
            return 1;
        }
    size_t at = 1;
    if (!str_starts(name, STR("#")))
        return 0;
    if (str_starts(name, STR("#x"))) {
        base = 16;
        at = 2;
    }
    if (at == name.len)
        return 0;
    for (; at < name.len; at++) {
        char c = name.ptr[at];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 99;
        if (digit >= base || code > 0x10ffff)
            return 0;
        code = code * base + digit;
    }
    return is_char(code) ? put_utf8(to, code) : 0;
}

/* A decoded text is never longer than what stands for it. */
static bool decode(XmlReader *reader, Str raw, Str *out, Err *err)
{
    char *to = arena_alloc(reader->arena, raw.len + 1);
    size_t len = 0;
    if (!to)
        return err_too_big(err);
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] != '&') {
            to[len++] = raw.ptr[i];
            continue;
        }
        Str after = str_slice(raw, i + 1, i + 2 + ENTITY_MAX), name = str_cut(&after, ';');
        size_t put = after.ptr ? decode_entity(name, to + len) : 0;
        if (!put)
            return wrong(err, "an entity that is none");
        len += put;
        i += name.len + 1;
    }
    *out = (Str){ to, len };
    return true;
}

static bool start(XmlReader *reader, XmlEvent *out, Err *err)
{
    char quote = 0;
    skip(reader, 1);
    Str name = take_name(reader);
    if (!name.len)
        return wrong(err, "a tag without a name");
    if (reader->depth == XML_DEPTH_MAX || (reader->depth == 0 && reader->has_root))
        return wrong(err, reader->depth ? "it is too deep" : "a second root");
    size_t at = 0;
    while (at < reader->rest.len && (quote || reader->rest.ptr[at] != '>')) {       /* attributes are passed over, their values may hold anything but < */
        char c = reader->rest.ptr[at++];
        if (c == '<' || (at == 1 && c != '/' && !strchr(BLANKS, c)))
            return wrong(err, "a tag that does not end");
        quote = quote ? (c == quote ? 0 : quote) : c == '"' || c == '\'' ? c : 0;
    }
    if (at == reader->rest.len)
        return wrong(err, "it ends too early");
    reader->ends_at_once = at > 0 && reader->rest.ptr[at - 1] == '/';
    skip(reader, at + 1);
    reader->path[reader->depth++] = name;
    reader->has_root = true;
    *out = (XmlEvent){ XML_START, name };
    return true;
}

static bool end(XmlReader *reader, XmlEvent *out, Err *err)
{
    skip(reader, 2);
    Str name = take_name(reader);
    while (reader->rest.len && strchr(BLANKS, reader->rest.ptr[0]) && reader->rest.ptr[0])
        skip(reader, 1);
    if (reader->depth == 0 || !str_eq(reader->path[reader->depth - 1], name) || !str_starts(reader->rest, STR(">")))
        return wrong(err, "a tag that ends another");
    skip(reader, 1);
    reader->depth--;
    *out = (XmlEvent){ XML_END, name };
    return true;
}

static bool text(XmlReader *reader, XmlEvent *out, Err *err)
{
    size_t at;
    if (!str_find(reader->rest, STR("<"), &at))
        at = reader->rest.len;
    Str raw = str_slice(reader->rest, 0, at);
    if (memchr(raw.ptr, '\0', raw.len))
        return wrong(err, "a character that is none");
    if (reader->depth == 0 && str_trim(raw).len)
        return wrong(err, "text outside the root");
    skip(reader, at);
    out->kind = XML_TEXT;
    return decode(reader, raw, &out->text, err);
}

static bool cdata(XmlReader *reader, XmlEvent *out, Err *err)
{
    size_t at;
    skip(reader, STR("<![CDATA[").len);
    if (reader->depth == 0 || !str_find(reader->rest, STR("]]>"), &at))
        return wrong(err, "CDATA that does not end, or outside the root");
    *out = (XmlEvent){ XML_TEXT, str_slice(reader->rest, 0, at) };
    skip(reader, at + 3);
    return true;
}

bool xml_next(XmlReader *reader, XmlEvent *out, Err *err)
{
    if (reader->ends_at_once) {
        reader->ends_at_once = false;
        *out = (XmlEvent){ XML_END, reader->path[--reader->depth] };
        return true;
    }
    for (;;) {
        if (reader->rest.len == 0) {
            out->kind = XML_DONE;
            out->text = STR("");
            return (reader->has_root && reader->depth == 0) || wrong(err, "it ends too early");
        }
        if (str_starts(reader->rest, STR("<?"))) {
            if (!skip_past(reader, STR("?>"), err))
                return false;
        } else if (str_starts(reader->rest, STR("<!--"))) {
            if (!skip_past(reader, STR("-->"), err))
                return false;
        } else if (str_starts(reader->rest, STR("<![CDATA["))) {
            return cdata(reader, out, err);
        } else if (str_starts(reader->rest, STR("<!"))) {
            return wrong(err, "document types are not taken");
        } else if (str_starts(reader->rest, STR("</"))) {
            return end(reader, out, err);
        } else if (reader->rest.ptr[0] == '<') {
            return start(reader, out, err);
        } else {
            return text(reader, out, err);
        }
    }
}

bool xml_is_at(const XmlReader *reader, const char *const *path, size_t depth)
{
    bool same = reader->depth == depth;
    for (size_t i = 0; same && i < depth; i++)
        same = str_eq(reader->path[i], str_from(path[i]));
    return same;
}
