/* hygiene.c - the checks of hygiene.h. */
#include "http/hygiene.h"

/* RFC 9110 section 5.6.2 */
static bool is_token(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_usual = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        if (!is_usual && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

static Str trim(Str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = str_slice(text, 1, text.len);
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool value_is_clean(Str value)
{
    if (str_is_printable(value))
        return true;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return str_is_utf8(value);
}

static bool request_line_check(const Head *head, Str target, HeadFacts *facts, Err *err)
{
    if (!is_token(head->method) || head->method.len > 32)
        return err_set(err, ERR_BAD_INPUT, "the method is not a word of HTTP");
    if (!str_eq(head->version, STR("HTTP/1.1")) && !str_eq(head->version, STR("HTTP/1.0")))
        return err_set(err, ERR_BAD_INPUT, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7F || c == '#')
            return err_set(err, ERR_BAD_INPUT, "the request target holds a character that must be percent-encoded, at byte %zu", i);
    }
    Str rest = target;
    if (rest.len == 0 || rest.ptr[0] != '/')
        return err_set(err, ERR_BAD_INPUT, "the request target must be a path that begins with '/'");
    facts->path = str_cut(&rest, '?');
    facts->query = rest.ptr ? rest : STR("");
    return true;
}

/* https://host/path instead of /path (RFC 9112 section 3.2.2): its authority must be the Host header's. */
static bool target_path(Str target, Str host, Str *out, Err *err)
{
    static const char *const schemes[] = { "https://", "http://" };
    *out = target;
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        Str scheme = str_from(schemes[i]);
        if (!str_starts_nocase(target, scheme))
            continue;
        Str rest = str_slice(target, scheme.len, target.len);
        size_t slash = rest.len;
        (void)str_find(rest, STR("/"), &slash);
        if (!str_eq_nocase(str_slice(rest, 0, slash), host))
            return err_set(err, ERR_BAD_INPUT, "the host of the request target is not the one of the Host header");
        *out = slash < rest.len ? str_slice(rest, slash, rest.len) : STR("/");
        return true;
    }
    return true;
}

static bool take_length(Str value, HeadFacts *facts, Err *err)
{
    Err ignored = { 0 };
    if (facts->has_length)
        return err_field(err, "Content-Length", "the request has more than one Content-Length header");
    if (!str_to_int64(value, 0, INT64_MAX, &facts->length_bytes, &ignored))
        return err_field(err, "Content-Length", "the Content-Length header is not a decimal number");
    facts->has_length = true;
    return true;
}

static bool take_encoding(const Head *head, Str value, HeadFacts *facts, Err *err)
{
    if (facts->is_chunked)
        return err_field(err, "Transfer-Encoding", "the request has more than one Transfer-Encoding header");
    if (!str_eq_nocase(value, STR("chunked")))
        return err_field(err, "Transfer-Encoding", "the only transfer encoding accepted is chunked");
    if (str_eq(head->version, STR("HTTP/1.0")))
        return err_field(err, "Transfer-Encoding", "HTTP/1.0 has no Transfer-Encoding");
    facts->is_chunked = true;
    return true;
}

bool head_check(const Head *head, HeadFacts *out, Err *err)
{
    HeadFacts facts = { 0 };
    size_t hosts = 0;
    if (head->too_many_fields)
        return err_set(err, ERR_BAD_INPUT, "the request has more than %d headers", HEAD_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        Str name = head->fields[i].name, value = head->fields[i].value;
        if (!is_token(name))
            return err_set(err, ERR_BAD_INPUT, "the name of header %zu is not a word of HTTP", i + 1);
        if (!value_is_clean(value))
            return err_set(err, ERR_BAD_INPUT, "the header '" STR_FMT "' holds control characters or is not UTF-8", STR_ARG(str_slice(name, 0, 60)));
        if (str_eq_nocase(name, STR("Host"))) {
            hosts++;
            facts.host = trim(value);
        } else if (str_eq_nocase(name, STR("Content-Length"))) {
            if (!take_length(value, &facts, err))
                return false;
        } else if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
            if (!take_encoding(head, value, &facts, err))
                return false;
        } else if (str_eq_nocase(name, STR("Expect"))) {
            facts.expects_continue = str_eq_nocase(trim(value), STR("100-continue"));
        }
    }
    if (hosts != 1 || facts.host.len == 0)
        return err_field(err, "Host", "the request has %s Host header; exactly one is needed", hosts > 1 ? "more than one" : "no");
    if (facts.is_chunked && facts.has_length)
        return err_field(err, "Content-Length", "the request has both Transfer-Encoding and Content-Length");

    Str target;
    if (!target_path(head->target, facts.host, &target, err) || !request_line_check(head, target, &facts, err))
        return false;
    *out = facts;
    return true;
}

static bool ends_line(const char *end)
{
    return end[0] == '\0' && end[1] == '\0';
}

bool head_is_contiguous(const Head *head, const HeadPlace *place)
{
    const char *end = place->method + place->size_bytes;        /* libmicrohttpd counted the last empty line in */
    if (place->method + head->method.len + 1 != place->url || place->url + head->target.len + 1 != place->version)
        return false;
    const char *line_end = place->version + head->version.len;
    if (end - line_end < 4)
        return false;
    for (size_t i = 0; i < head->field_count; i++) {
        const ReqField *field = &head->fields[i];
        if (!ends_line(line_end) || field->name.ptr != line_end + 2)
            return false;
        const char *gap = field->name.ptr + field->name.len + 1;
        if (field->value.ptr < gap || end - field->value.ptr < (ptrdiff_t)field->value.len + 4)
            return false;
        for (; gap < field->value.ptr; gap++)
            if (*gap != ' ' && *gap != '\t')
                return false;
        line_end = field->value.ptr + field->value.len;
    }
    return ends_line(line_end) && ends_line(line_end + 2) && line_end + 4 == end;
}
