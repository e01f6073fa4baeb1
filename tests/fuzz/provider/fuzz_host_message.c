/* fuzz_host_message.c - the host's reader of requests, and serve's reader of answers: what one accepts it must be able to write and read again. */
#include <stdlib.h>
#include "provider/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    AUTO(buf_done_auto) Buf again = { 0 };
    HostRequest request, request_again;
    HostReply reply;
    Err err = { 0 };
    buf_init(&again, HOST_REPLY_BYTES_MAX);
    Str text = { (const char *)data, size };
    if (host_request_parse(arena, text, &request, &err) &&
        (!host_request_write(&request, &again, &err) || !host_request_parse(arena, str_dup(arena, buf_str(&again)), &request_again, &err) ||
         request_again.op != request.op || !str_eq(request_again.node.join_json, request.node.join_json)))
        abort();
    buf_reset(&again);
    if (host_reply_parse(arena, text, &reply, &err) && reply.nodes &&
        (!host_reply_write(&reply, HOST_OP_NODE_LIST, &again, &err) || !host_reply_parse(arena, str_dup(arena, buf_str(&again)), &reply, &err)))
        abort();
    return 0;
}
