/* sharedkey.c - checking shared-key signatures. */
#include "batch/accounts/sharedkey.h"
#include <stdlib.h>
#include "base/encode.h"
#include "base/secret.h"
#include "crypto/hash.h"

enum { SIGNED_MAX = 64 * 1024, NAMES_MAX = 64 };

static const char *const signed_headers[] = {
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"
};

bool sharedkey_parse(Arena *arena, Str authorization, Str *account, Bytes *signature, Err *err)
{
    static const char form[] = "the Authorization header must read 'SharedKey <account>:<base64 of the HMAC-SHA256>'";
    Str scheme = STR("SharedKey "), rest = authorization;
    if (!str_starts_nocase(authorization, scheme))
        return err_set(err, ERR_UNAUTHENTICATED, "%s", form);
    rest = str_trim(str_slice(rest, scheme.len, rest.len));
    *account = str_cut(&rest, ':');
    if (str_empty(*account) || !rest.ptr || !base64_decode(arena, rest, signature, err) || signature->len != SHA256_SIZE)
        return err_set(err, ERR_UNAUTHENTICATED, "%s", form);
    return true;
}

static Str header_value(const SignedRequest *request, Str name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    return STR("");
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const SignedHeader *)a)->name, ((const SignedHeader *)b)->name);
}

static bool put_ocp_headers(Arena *arena, const SignedRequest *request, Buf *out, Err *err)
{
    SignedHeader found[NAMES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!str_starts_nocase(request->headers[i].name, STR("ocp-")))
            continue;
        if (count == NAMES_MAX)
            return err_set(err, ERR_BAD_INPUT, "there are more than %d ocp-* headers", NAMES_MAX);
        found[count++] = (SignedHeader){ str_lower(arena, request->headers[i].name), request->headers[i].value };
    }
    qsort(found, count, sizeof *found, by_name);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, STR_FMT ":" STR_FMT "\n", STR_ARG(found[i].name), STR_ARG(found[i].value));
    return true;
}

static bool put_query(Arena *arena, const SignedRequest *request, Buf *out, Err *err)
{
    SignedHeader found[NAMES_MAX];
    size_t count = 0;
    Str rest = request->query;
    while (rest.ptr && rest.len > 0) {
        Str value = str_cut(&rest, '&');
        Str name = str_cut(&value, '=');
        if (str_empty(name))
            continue;
        if (count == NAMES_MAX)
            return err_set(err, ERR_BAD_INPUT, "there are more than %d query parameters", NAMES_MAX);
        if (!percent_decode(arena, name, true, &name, err) || !percent_decode(arena, value.ptr ? value : STR(""), true, &value, err))
            return false;
        found[count++] = (SignedHeader){ str_lower(arena, name), value };
    }
    qsort(found, count, sizeof *found, by_name);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "\n" STR_FMT ":" STR_FMT, STR_ARG(found[i].name), STR_ARG(found[i].value));
    return true;
}

bool sharedkey_text(Arena *arena, const SignedRequest *request, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, SIGNED_MAX);
    buf_put_str(&text, request->method);
    buf_put_char(&text, '\n');
    for (size_t i = 0; i < COUNT_OF(signed_headers); i++) {
        buf_put_str(&text, header_value(request, str_from(signed_headers[i])));
        buf_put_char(&text, '\n');
    }
    if (!put_ocp_headers(arena, request, &text, err))
        return false;
    buf_put_char(&text, '/');
    buf_put_str(&text, request->account);
    buf_put_str(&text, request->path);
    if (!put_query(arena, request, &text, err))
        return false;
    *out = str_dup(arena, buf_str(&text));
    return (!text.failed && arena_ok(arena)) || err_too_big(err);
}

bool sharedkey_verify(Bytes key, Str text, Bytes signature)
{
    uint8_t wanted[SHA256_SIZE];
    hmac_sha256(key, bytes_of(text), wanted);
    bool same = secret_equal((Bytes){ wanted, sizeof wanted }, signature);
    secret_wipe(wanted, sizeof wanted);
    return same;
}
