/* fuzz_sign_in.c - the body of a token request (with assertions in it): a token, or a refusal that names its cause; never an internal error. */
#include <stdlib.h>
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Route route = { METHOD_POST, "/{tenant}/oauth2/v2.0/token", NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_RAW, 64 * 1024, sign_in, "TokenIssue" };
    Identity *identity = world_identity();
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    char *body = arena ? malloc(size + 1) : NULL;      /* exact, and writable: the handler wipes it */
    if (!body)
        abort();
    if (size)
        memcpy(body, data, size);
    Req req = { .arena = arena, .route = &route, .ctx = identity, .method = METHOD_POST, .host = STR("login.vaultyard.localhost:8443"), .path = STR("/t/oauth2/v2.0/token"),
                .params = { world_bootstrap()->tenant_id }, .param_count = 1, .body = { body, size }, .client_ip = STR("127.0.0.1"), .real_ms = real_now_ms() };
    Reply reply = { .file_fd = -1 };
    buf_init(&reply.body, 1 << 20);
    json_begin(&reply.json, &reply.body);
    Err err = { 0 };
    bool done = sign_in(&req, &reply, &err);
    if (!done && err.code != ERR_BAD_INPUT && err.code != ERR_UNAUTHENTICATED)
        abort();
    if (!done && !str_is_utf8(str_from(err.text)) && str_is_utf8((Str){ (const char *)data, size }))
        abort();
    buf_done(&reply.body);
    free(body);
    return 0;
}
