/* local.c - the provider "local" inside serve: each call is one question to the host process. */
#include "provider/local.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/file.h"
#include "provider/frame.h"
#include "provider/message.h"
#include "provider/vmsize.h"

enum { CALL_MS = 120000, CALL_ARENA_BYTES = 32 * 1024 * 1024 };

typedef struct Local {
    Provider provider;                      /* first: the handle is the whole */
    char data_dir[4096], host_dir[4096];
    _Atomic int64_t last_id;
} Local;

/* The reply lies in `arena`; it is no longer waited for once `stop_fd` (-1: none) is readable. An answer that says "error" is this call's error. */
static bool local_ask_until(Local *local, HostRequest request, int stop_fd, Arena *arena, HostReply *reply, Err *err)
{
    AUTO(fd_close) int fd = -1;
    AUTO(buf_done_auto) Buf message = { 0 };
    Err why = { 0 };
    Str answer;
    int64_t deadline_ms = mono_now_ms() + CALL_MS;

    buf_init(&message, HOST_REQUEST_BYTES_MAX);
    request.id = atomic_fetch_add(&local->last_id, 1) + 1;
    if (!host_request_write(&request, &message, err))
        return false;
    if (!socket_connect(local->host_dir, "host.sock", &fd, &why) && why.code == ERR_DENIED)
        return err_set(err, ERR_DENIED, "only the service's user and root may ask the host in %.200s for nodes", local->host_dir);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "no host makes nodes here: run `vaultyard host --data-dir %.200s` as root (%.200s)", local->data_dir, why.text);
    if (!frame_send(fd, buf_str(&message), deadline_ms, &why) ||
        !frame_receive(fd, stop_fd, arena, HOST_REPLY_BYTES_MAX, deadline_ms, &answer, &why))
        return err_set(err, ERR_UNAVAILABLE, "the host did not finish the request, which may be repeated: %.300s", why.text);
    if (!answer.ptr)
        return err_set(err, ERR_UNAVAILABLE, "the host closed the connection without an answer; its log in %.200s tells why", local->host_dir);
    if (!host_reply_parse(arena, answer, reply, &why))
        return err_set(err, ERR_INTERNAL, "the host's answer is not understood: %.400s", why.text);
    if (reply->id != request.id && !reply->failed)
        return err_set(err, ERR_INTERNAL, "the host answered request %lld, not %lld", (long long)reply->id, (long long)request.id);
    if (reply->failed) {
        *err = reply->error;
        return false;
    }
    return true;
}

static bool local_ask(Local *local, HostRequest request, Arena *arena, HostReply *reply, Err *err)
{
    return local_ask_until(local, request, -1, arena, reply, err);
}

static bool local_tell(Local *local, const HostRequest *request, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(CALL_ARENA_BYTES);
    HostReply reply;
    if (!arena)
        return err_too_big(err);
    return local_ask(local, *request, arena, &reply, err);
}

static bool local_node_start(void *self, const NodeSpec *spec, Err *err)
{
    HostRequest request = { .op = HOST_OP_NODE_START, .node = *spec };
    return node_spec_check(spec, err) && local_tell(self, &request, err);
}

static bool local_node_restart(void *self, const NodeSpec *spec, Err *err)
{
    HostRequest request = { .op = HOST_OP_NODE_RESTART, .node = *spec };
    return node_spec_check(spec, err) && local_tell(self, &request, err);
}

static bool local_node_stop(void *self, Str node_id, Err *err)
{
    HostRequest request = { .op = HOST_OP_NODE_STOP, .node_id = node_id };
    return node_id_check(node_id, err) && local_tell(self, &request, err);
}

static bool local_node_list(void *self, Arena *arena, NodeStatus **out, size_t *count, Err *err)
{
    AUTO(arena_free_auto) Arena *own = arena_new(CALL_ARENA_BYTES);     /* the answer's text needs not stay */
    HostReply reply;
    if (!own || !local_ask(self, (HostRequest){ .op = HOST_OP_NODE_LIST }, own, &reply, err))
        return own ? false : err_too_big(err);
    NodeStatus *nodes = ARENA_ARRAY(arena, NodeStatus, reply.node_count ? reply.node_count : 1);
    for (size_t i = 0; nodes && i < reply.node_count; i++)
        nodes[i] = (NodeStatus){ .node_id = str_dup(arena, reply.nodes[i].node_id), .run = reply.nodes[i].run };
    if (!nodes || !arena_ok(arena))
        return err_too_big(err);
    *out = nodes;
    *count = reply.node_count;
    return true;
}

static bool local_node_wait(void *self, int64_t *ends, int stop_fd, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(CALL_ARENA_BYTES);
    HostReply reply;
    if (!arena || !local_ask_until(self, (HostRequest){ .op = HOST_OP_NODE_WAIT, .after = *ends }, stop_fd, arena, &reply, err))
        return arena ? false : err_too_big(err);
    *ends = reply.ends;
    return true;
}

static bool local_size_known(void *self, Str vm_size, int *cores, int64_t *memory_bytes)
{
    (void)self;                             /* the table needs no host */
    VmSize size;
    if (!vm_size_find(vm_size, &size))
        return false;
    *cores = size.cores;
    *memory_bytes = size.memory_bytes;
    return true;
}

Provider *provider_local_new(const char *data_dir)
{
    Local *local = calloc(1, sizeof *local);
    if (!local)
        return NULL;
    int dir_len = snprintf(local->data_dir, sizeof local->data_dir, "%s", data_dir);
    int host_len = snprintf(local->host_dir, sizeof local->host_dir, "%s/host", data_dir);
    if (dir_len < 0 || host_len < 0 || (size_t)host_len >= sizeof local->host_dir) {
        free(local);
        return NULL;
    }
    local->provider = (Provider){
        .name = "local", .node_start = local_node_start, .node_stop = local_node_stop,
        .node_restart = local_node_restart, .node_list = local_node_list, .node_wait = local_node_wait, .size_known = local_size_known, .self = local,
    };
    return &local->provider;
}

void provider_local_free(Provider *provider)
{
    free(provider);                         /* the first member of Local */
}

bool provider_local_hello(Provider *provider, Str instance_id, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(CALL_ARENA_BYTES);
    HostReply reply;
    if (!arena || !local_ask(provider->self, (HostRequest){ .op = HOST_OP_HELLO }, arena, &reply, err))
        return arena ? false : err_too_big(err);
    return str_eq(reply.instance_id, instance_id) ||
           err_set(err, ERR_CONFLICT, "the host here belongs to another instance: stop it and run `vaultyard host` again");
}
