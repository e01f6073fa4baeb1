/* dns.c - one message in, one message out. */
#include "node/network/dns.h"

enum { HEADER = 12, NAME_MAX_BYTES = 255, LABEL_MAX = 63, TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1 };
enum { RCODE_FORMAT = 1, RCODE_NO_NAME = 3, RCODE_NOT_BUILT = 4 };
enum { BYTE2_RESPONSE = 0x80, BYTE2_AUTHORITATIVE = 0x04, BYTE2_KEPT = 0x79, BYTE3_RECURSION = 0x80 };     /* kept: OPCODE and RD */

typedef struct Question { char name[NAME_MAX_BYTES]; size_t name_len, end; unsigned type, class; } Question;

static unsigned two(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

/* The one question after the header; names in questions are not compressed. */
static bool question_read(const uint8_t *query, size_t len, Question *out)
{
    size_t at = HEADER;
    *out = (Question){ .name_len = 0 };
    for (;;) {
        if (at >= len)
            return false;
        size_t label = query[at++];
        if (label == 0)
            break;
        if (label > LABEL_MAX || label > len - at || out->name_len + label + 1 > NAME_MAX_BYTES)
            return false;
        if (out->name_len)
            out->name[out->name_len++] = '.';
        for (size_t i = 0; i < label; i++) {
            char c = (char)query[at + i];
            out->name[out->name_len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        at += label;
    }
    if (len - at < 4)
        return false;
    out->type = two(query + at);
    out->class = two(query + at + 2);
    out->end = at + 4;
    return true;
}

static bool is_ours(const Str *domains, size_t count, Str name)
{
    for (size_t i = 0; i < count; i++) {
        Str domain = domains[i];
        if (domain.len && str_ends(name, domain) && (name.len == domain.len || name.ptr[name.len - domain.len - 1] == '.'))
            return true;
    }
    return false;
}

/* A resource record for the name of the question, by reference to it. */
static size_t put_address(uint8_t *out, unsigned type)
{
    const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
    size_t size = type == TYPE_A ? sizeof v4 : sizeof v6;
    const uint8_t head[] = { 0xC0, HEADER, 0, (uint8_t)type, 0, CLASS_IN, 0, 0, 0, DNS_TTL_S, 0, (uint8_t)size };
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, type == TYPE_A ? v4 : v6, size);
    return sizeof head + size;
}

size_t dns_answer(const Str *domains, size_t domain_count, const uint8_t *query, size_t len, uint8_t out[DNS_MESSAGE_MAX])
{
    Question question;
    if (len < HEADER || query[2] & BYTE2_RESPONSE)
        return 0;
    memset(out, 0, HEADER);
    memcpy(out, query, 2);                                     /* the id */
    out[2] = (uint8_t)((query[2] & BYTE2_KEPT) | BYTE2_RESPONSE | BYTE2_AUTHORITATIVE);
    out[3] = BYTE3_RECURSION;
    if ((query[2] & 0x78) != 0) {                              /* not a standard query */
        out[3] |= RCODE_NOT_BUILT;
        return HEADER;
    }
    if (two(query + 4) != 1 || !question_read(query, len, &question)) {
        out[3] |= RCODE_FORMAT;
        return HEADER;
    }
    size_t end = question.end;                                 /* at most 12 + 256 + 4 */
    memcpy(out + HEADER, query + HEADER, end - HEADER);
    out[5] = 1;
    if (!is_ours(domains, domain_count, (Str){ question.name, question.name_len })) {
        out[3] |= RCODE_NO_NAME;
        return end;
    }
    if (question.class == CLASS_IN && (question.type == TYPE_A || question.type == TYPE_AAAA)) {
        out[7] = 1;
        end += put_address(out + end, question.type);
    }
    return end;
}
