/* message.h - what `serve` asks the host process, and what it answers.
 *
 * A frame is its length (4 bytes, big endian) and that much JSON. Requests: {"version":1,"id":7,"op":"node_start","node":{...}};
 * ops: hello, node_start (node), node_stop (nodeId), node_restart (node), node_list,
 * node_wait (after). Answers: {"version":1,"id":7, ...} or with "error":{"code","target","message"}.
 * The reader is strict: unknown members, wrong kinds and values out of their limits are ERR_BAD_INPUT naming the field,
 * for the host trusts nothing that the network-facing process says. */
#pragma once
#include "base/buf.h"
#include "provider/provider.h"

enum {
    HOST_VERSION           = 1,
    HOST_REQUEST_BYTES_MAX = 64 * 1024,
    HOST_REPLY_BYTES_MAX   = 4 * 1024 * 1024,       /* a list of some 40,000 nodes */
    HOST_JOIN_BYTES_MAX    = 16 * 1024
};

typedef enum HostOp { HOST_OP_UNDECLARED, HOST_OP_HELLO, HOST_OP_NODE_START, HOST_OP_NODE_STOP, HOST_OP_NODE_RESTART, HOST_OP_NODE_LIST, HOST_OP_NODE_WAIT } HostOp;

typedef struct HostRequest {
    int64_t  id;
    HostOp   op;
    NodeSpec node;                          /* HOST_OP_NODE_START, HOST_OP_NODE_RESTART */
    Str      node_id;                       /* HOST_OP_NODE_STOP */
    int64_t  after;                         /* HOST_OP_NODE_WAIT: the count that is known */
} HostRequest;

typedef struct HostReply {
    int64_t     id;
    bool        failed;
    Err         error;                      /* if failed */
    Str         instance_id, runtime;       /* HOST_OP_HELLO */
    NodeStatus *nodes;                      /* HOST_OP_NODE_LIST */
    size_t      node_count;
    int64_t     ends;                       /* HOST_OP_NODE_WAIT: the count of now */
} HostReply;

/* The same checks on both sides: serve refuses early and the host refuses anyway. */
bool node_id_check(Str node_id, Err *err) MUST_CHECK;               /* [A-Za-z0-9][A-Za-z0-9_-]{0,63}: a file and container name */
bool node_spec_check(const NodeSpec *spec, Err *err) MUST_CHECK;    /* also: vmSize known, join document a JSON object */

bool host_request_parse(Arena *arena, Str json, HostRequest *out, Err *err) MUST_CHECK;
bool host_request_write(const HostRequest *request, Buf *out, Err *err) MUST_CHECK;
bool host_reply_parse(Arena *arena, Str json, HostReply *out, Err *err) MUST_CHECK;
bool host_reply_write(const HostReply *reply, HostOp op, Buf *out, Err *err) MUST_CHECK;
