/* hygiene.h - is this head one that every HTTP implementation reads alike?
 *
 * libmicrohttpd is generous: it takes folded lines, bare line feeds, Transfer-Encoding beside Content-Length, several Host headers.
 * What two implementations read differently smuggles requests past the one in front, so all of it is refused (RFC 9112
 * sections 2.2, 3, 5.2, 6.3 and 11.2). */
#pragma once
#include "http/route.h"

enum { HEAD_FIELDS_MAX = 100 };

typedef struct Head {
    Str method, target, version;        /* "GET", "/secrets/s1?api-version=7.4", "HTTP/1.1" */
    ReqField fields[HEAD_FIELDS_MAX];
    size_t field_count;
    bool too_many_fields;
} Head;

typedef struct HeadFacts {
    Str path, query;                    /* of the target as sent; query is "" without '?' */
    Str host;                           /* the Host header, trimmed */
    bool is_chunked;
    bool has_length;
    int64_t length_bytes;               /* Content-Length; 0 without */
    bool expects_continue;
} HeadFacts;

/* ERR_BAD_INPUT with the reason; the connection must then be closed, since the next request's beginning is not known. */
bool head_check(const Head *head, HeadFacts *out, Err *err) MUST_CHECK;

/* Where libmicrohttpd 0.9.75 left the parsed head: it parses in place, turning separators into NULs, so the strings it hands out say
 * what the bytes were. Every line must end in exactly CR LF and follow the one before: a bare LF, a NUL, a folded or skipped line leaves a gap.
 * What cannot be seen is a NUL in the place of one of the two bytes that end a line; it hides nothing. */
typedef struct HeadPlace { const char *method, *url, *version; size_t size_bytes; } HeadPlace;
bool head_is_contiguous(const Head *head, const HeadPlace *place);
