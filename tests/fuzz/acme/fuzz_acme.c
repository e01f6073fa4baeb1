/* fuzz_acme.c - what an ACME server may answer: whatever is read of it is plain text, https URLs and tokens that may stand in a path. */
#include <stdlib.h>
#include "acme/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(Str url)
{
    if (!str_starts(url, STR("https://")))
        abort();
}

static void check_text(Str text)
{
    if (!text.ptr)
        return;
    if (!str_is_utf8(text))
        abort();
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str body = { (const char *)data, size };
    Directory directory;
    AcmeOrder order;
    AcmeAuthorization authorization;
    Err err = { 0 };
    if (directory_read(arena, body, &directory, &err)) {
        check_url(directory.new_nonce);
        check_url(directory.new_account);
        check_url(directory.new_order);
    }
    if (order_read(arena, body, &order, &err)) {
        check_url(order.finalize_url);
        check_text(order.error);
        for (size_t i = 0; i < order.count; i++)
            check_url(order.authorizations[i]);
        if (order.state == ACME_VALID)
            check_url(order.certificate_url);
    }
    if (authorization_read(arena, body, STR("http-01"), &authorization, &err)) {
        check_text(authorization.error);
        if (str_empty(authorization.name.text) || (authorization.token.ptr && memchr(authorization.token.ptr, '/', authorization.token.len)))
            abort();
        if (authorization.token.ptr)
            check_url(authorization.challenge_url);
    }
    Problem problem = problem_read(arena, body, 400);
    check_text(problem.text);
    check_text(problem.type);
    return 0;
}
