/* message.c - typed requests and answers of the host process as JSON, and the checks of their values. */
#include "provider/message.h"
#include "json/write.h"
#include "provider/vmsize.h"

enum { NODE_ID_MAX = 64, HOST_NAME_MAX = 63, DISPLAY_NAME_MAX = 256, VM_SIZE_NAME_MAX = 64 };

static const struct { HostOp op; const char *name; } ops[] = {
    { HOST_OP_HELLO,        "hello" },
    { HOST_OP_NODE_START,   "node_start" },
    { HOST_OP_NODE_STOP,    "node_stop" },
    { HOST_OP_NODE_RESTART, "node_restart" },
    { HOST_OP_NODE_LIST,    "node_list" },
    { HOST_OP_NODE_WAIT,    "node_wait" },
};

/* Only the kinds that the host gives; another kind travels as "internal". */
static const struct { ErrCode code; const char *name; } error_codes[] = {
    { ERR_INTERNAL,    "internal" },
    { ERR_BAD_INPUT,   "bad_input" },
    { ERR_DENIED,      "denied" },
    { ERR_NOT_FOUND,   "not_found" },
    { ERR_CONFLICT,    "conflict" },
    { ERR_TOO_LARGE,   "too_large" },
    { ERR_NOT_BUILT,   "not_built" },
    { ERR_UNAVAILABLE, "unavailable" },
};

static const struct { NodeRun run; const char *name; } runs[] = {
    { NODE_RUN_ABSENT,  "absent" },
    { NODE_RUN_RUNNING, "running" },
    { NODE_RUN_STOPPED, "stopped" },
};

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool node_id_check(Str node_id, Err *err)
{
    bool good = node_id.len >= 1 && node_id.len <= NODE_ID_MAX && is_alphanumeric(node_id.ptr[0]);
    for (size_t i = 0; good && i < node_id.len; i++)
        good = is_alphanumeric(node_id.ptr[i]) || node_id.ptr[i] == '_' || node_id.ptr[i] == '-';
    return good || err_field(err, "nodeId", "'nodeId' must be 1 to %d letters, digits, '_' or '-', and begin with a letter or digit", NODE_ID_MAX);
}

/* RFC 1123 section 2.1, one label: it goes into the hosts file, too. */
static bool host_name_check(Str name, Err *err)
{
    bool good = name.len >= 1 && name.len <= HOST_NAME_MAX && is_alphanumeric(name.ptr[0]) && is_alphanumeric(name.ptr[name.len - 1]);
    for (size_t i = 0; good && i < name.len; i++)
        good = is_alphanumeric(name.ptr[i]) || name.ptr[i] == '-';
    return good || err_field(err, "hostName", "'hostName' must be one host name label of 1 to %d letters, digits or '-'", HOST_NAME_MAX);
}

static bool join_check(Str join_json, Err *err)
{
    if (str_empty(join_json) || join_json.len > HOST_JOIN_BYTES_MAX)
        return err_field(err, "join", "'join' must be a JSON object of at most %d bytes", HOST_JOIN_BYTES_MAX);
    AUTO(arena_free_auto) Arena *arena = arena_new(HOST_JOIN_BYTES_MAX * 16);
    const JsonVal *join;
    Err why = { 0 };
    if (!arena || !json_parse(arena, join_json, JSON_STRICT, &join, &why))
        return err_field(err, "join", "'join' is not a JSON document: %.300s", why.text);
    return json_kind(join) == JSON_OBJECT || err_field(err, "join", "'join' must be a JSON object, not %s", json_kind_name(json_kind(join)));
}

static bool display_name_check(const char *field, Str name, Err *err)
{
    return name.len <= DISPLAY_NAME_MAX || err_field(err, field, "'%s' is longer than %d bytes", field, DISPLAY_NAME_MAX);
}

bool node_spec_check(const NodeSpec *spec, Err *err)
{
    VmSize size;
    if (!node_id_check(spec->node_id, err) || !host_name_check(spec->host_name, err) ||
        !display_name_check("account", spec->account, err) || !display_name_check("pool", spec->pool, err))
        return false;
    if (spec->vm_size.len > VM_SIZE_NAME_MAX || !vm_size_find(spec->vm_size, &size))
        return err_field(err, "vmSize", "'vmSize' '%.*s' is not a size that local nodes can have; STANDARD_D2_V3 is one",
                         (int)(spec->vm_size.len < VM_SIZE_NAME_MAX ? spec->vm_size.len : VM_SIZE_NAME_MAX), spec->vm_size.ptr ? spec->vm_size.ptr : "");
    return join_check(spec->join_json, err);
}

typedef struct RequestIn { int64_t version, id, after; Str op, node_id; const JsonVal *node; } RequestIn;
static const JsonField request_fields[] = {
    JSON_FIELD(RequestIn, version, "version", JSON_REQUIRED),
    JSON_FIELD(RequestIn, id,      "id",      JSON_REQUIRED),
    JSON_FIELD(RequestIn, op,      "op",      JSON_REQUIRED),
    JSON_FIELD(RequestIn, node_id, "nodeId",  JSON_OPTIONAL),
    JSON_FIELD(RequestIn, node,    "node",    JSON_OPTIONAL),
    JSON_FIELD(RequestIn, after,   "after",   JSON_OPTIONAL),
};
static const JsonField node_fields[] = {
    JSON_FIELD(NodeSpec, node_id,   "nodeId",   JSON_REQUIRED),
    JSON_FIELD(NodeSpec, host_name, "hostName", JSON_REQUIRED),
    JSON_FIELD(NodeSpec, account,   "account",  JSON_OPTIONAL),
    JSON_FIELD(NodeSpec, pool,      "pool",     JSON_OPTIONAL),
    JSON_FIELD(NodeSpec, vm_size,   "vmSize",   JSON_REQUIRED),
    JSON_FIELD(NodeSpec, join_json, "join",     JSON_REQUIRED),
};

static bool has_spec(HostOp op) { return op == HOST_OP_NODE_START || op == HOST_OP_NODE_RESTART; }

bool host_request_parse(Arena *arena, Str json, HostRequest *out, Err *err)
{
    const JsonVal *root;
    RequestIn in = { .after = -1 };
    if (json.len > HOST_REQUEST_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "a host request may have %d bytes, not %zu", HOST_REQUEST_BYTES_MAX, json.len);
    if (!json_parse(arena, json, JSON_STRICT, &root, err) ||
        !json_read_exact(root, "", request_fields, COUNT_OF(request_fields), &in, err))
        return false;
    if (in.version != HOST_VERSION)
        return err_field(err, "version", "this host speaks version %d, not %lld: restart the older of the two programs", HOST_VERSION, (long long)in.version);

    HostRequest request = { .id = in.id };
    for (size_t i = 0; i < COUNT_OF(ops); i++)
        if (str_eq(in.op, str_from(ops[i].name)))
            request.op = ops[i].op;
    if (request.op == HOST_OP_UNDECLARED)
        return err_field(err, "op", "'op' must be hello, node_start, node_stop, node_restart, node_list or node_wait");
    if ((in.node != NULL) != has_spec(request.op))
        return err_field(err, "node", "'node' belongs to node_start and node_restart, and only there");
    if ((in.node_id.ptr != NULL) != (request.op == HOST_OP_NODE_STOP))
        return err_field(err, "nodeId", "'nodeId' belongs to node_stop, and only there");
    if ((in.after >= 0) != (request.op == HOST_OP_NODE_WAIT))
        return err_field(err, "after", "'after' is a count, and belongs to node_wait and only there");
    if (in.node && (!json_read_exact(in.node, "node", node_fields, COUNT_OF(node_fields), &request.node, err) ||
                    !node_spec_check(&request.node, err)))
        return false;
    if (in.node_id.ptr && !node_id_check(in.node_id, err))
        return false;
    request.node_id = in.node_id;
    request.after = in.after;
    *out = request;
    return true;
}

bool host_request_write(const HostRequest *request, Buf *out, Err *err)
{
    JsonWriter w;
    json_begin(&w, out);
    json_open(&w, NULL);
    json_put_int(&w, "version", HOST_VERSION);
    json_put_int(&w, "id", request->id);
    for (size_t i = 0; i < COUNT_OF(ops); i++)
        if (ops[i].op == request->op)
            json_put_str(&w, "op", str_from(ops[i].name));
    if (has_spec(request->op)) {
        json_open(&w, "node");
        json_put_str(&w, "nodeId", request->node.node_id);
        json_put_str(&w, "hostName", request->node.host_name);
        json_put_str(&w, "account", request->node.account);
        json_put_str(&w, "pool", request->node.pool);
        json_put_str(&w, "vmSize", request->node.vm_size);
        json_put_str(&w, "join", request->node.join_json);
        json_close(&w);
    }
    if (request->op == HOST_OP_NODE_STOP)
        json_put_str(&w, "nodeId", request->node_id);
    if (request->op == HOST_OP_NODE_WAIT)
        json_put_int(&w, "after", request->after);
    json_close(&w);
    return json_end(&w, err);
}

typedef struct ReplyIn { int64_t version, id, ends; Str instance_id, runtime; const JsonVal *error, *nodes; } ReplyIn;
static const JsonField reply_fields[] = {
    JSON_FIELD(ReplyIn, version,     "version",    JSON_REQUIRED),
    JSON_FIELD(ReplyIn, id,          "id",         JSON_REQUIRED),
    JSON_FIELD(ReplyIn, instance_id, "instanceId", JSON_OPTIONAL),
    JSON_FIELD(ReplyIn, runtime,     "runtime",    JSON_OPTIONAL),
    JSON_FIELD(ReplyIn, error,       "error",      JSON_OPTIONAL),
    JSON_FIELD(ReplyIn, nodes,       "nodes",      JSON_OPTIONAL),
    JSON_FIELD(ReplyIn, ends,        "ends",       JSON_OPTIONAL),
};
typedef struct ErrorIn { Str code, target, message; } ErrorIn;
static const JsonField error_fields[] = {
    JSON_FIELD(ErrorIn, code,    "code",    JSON_REQUIRED),
    JSON_FIELD(ErrorIn, target,  "target",  JSON_OPTIONAL),
    JSON_FIELD(ErrorIn, message, "message", JSON_REQUIRED),
};
typedef struct StatusIn { Str node_id, run; } StatusIn;
static const JsonField status_fields[] = {
    JSON_FIELD(StatusIn, node_id, "nodeId", JSON_REQUIRED),
    JSON_FIELD(StatusIn, run,     "run",    JSON_REQUIRED),
};

static bool error_parse(const JsonVal *value, Err *out, Err *err)
{
    ErrorIn in = { 0 };
    if (!json_read(value, "error", error_fields, COUNT_OF(error_fields), &in, err))
        return false;
    ErrCode code = ERR_INTERNAL;
    for (size_t i = 0; i < COUNT_OF(error_codes); i++)
        if (str_eq(in.code, str_from(error_codes[i].name)))
            code = error_codes[i].code;
    (void)err_set(out, code, STR_FMT, STR_ARG(in.message));
    size_t len = in.target.len < sizeof out->target ? in.target.len : sizeof out->target - 1;
    if (len)
        memcpy(out->target, in.target.ptr, len);
    return true;
}

static bool nodes_parse(Arena *arena, const JsonVal *value, HostReply *reply, Err *err)
{
    if (json_kind(value) != JSON_ARRAY)
        return err_field(err, "nodes", "'nodes' must be an array");
    reply->node_count = json_count(value);
    reply->nodes = ARENA_ARRAY(arena, NodeStatus, reply->node_count ? reply->node_count : 1);
    if (!reply->nodes)
        return err_too_big(err);
    for (size_t i = 0; i < reply->node_count; i++) {
        StatusIn in = { 0 };
        if (!json_read(json_at(value, i), "nodes", status_fields, COUNT_OF(status_fields), &in, err) || !node_id_check(in.node_id, err))
            return false;
        reply->nodes[i] = (NodeStatus){ .node_id = in.node_id };
        for (size_t r = 0; r < COUNT_OF(runs); r++)
            if (str_eq(in.run, str_from(runs[r].name)))
                reply->nodes[i].run = runs[r].run;
        if (!reply->nodes[i].run)
            return err_field(err, "nodes.run", "'run' must be absent, running or stopped");
    }
    return true;
}

bool host_reply_parse(Arena *arena, Str json, HostReply *out, Err *err)
{
    const JsonVal *root;
    ReplyIn in = { 0 };
    if (!json_parse(arena, json, JSON_STRICT, &root, err) || !json_read(root, "", reply_fields, COUNT_OF(reply_fields), &in, err))
        return false;
    if (in.version != HOST_VERSION)
        return err_field(err, "version", "the host speaks version %lld, not %d: restart it", (long long)in.version, HOST_VERSION);
    HostReply reply = { .id = in.id, .failed = in.error != NULL, .instance_id = in.instance_id, .runtime = in.runtime, .ends = in.ends };
    if (in.error && !error_parse(in.error, &reply.error, err))
        return false;
    if (in.nodes && !nodes_parse(arena, in.nodes, &reply, err))
        return false;
    *out = reply;
    return true;
}

static void error_write(JsonWriter *w, const Err *error)
{
    const char *code = error_codes[0].name;
    for (size_t i = 0; i < COUNT_OF(error_codes); i++)
        if (error_codes[i].code == error->code)
            code = error_codes[i].name;
    json_open(w, "error");
    json_put_str(w, "code", str_from(code));
    if (error->target[0])
        json_put_str(w, "target", str_from(error->target));
    Str text = str_from(error->text);
    while (!str_is_utf8(text))                          /* an Err cuts its sentence by bytes, perhaps within a character */
        text.len--;
    json_put_str(w, "message", text);
    json_close(w);
}

bool host_reply_write(const HostReply *reply, HostOp op, Buf *out, Err *err)
{
    JsonWriter w;
    json_begin(&w, out);
    json_open(&w, NULL);
    json_put_int(&w, "version", HOST_VERSION);
    json_put_int(&w, "id", reply->id);
    if (reply->failed) {
        error_write(&w, &reply->error);
    } else if (op == HOST_OP_HELLO) {
        json_put_str(&w, "instanceId", reply->instance_id);
        json_put_str(&w, "runtime", reply->runtime);
    } else if (op == HOST_OP_NODE_LIST) {
        json_open_array(&w, "nodes");
        for (size_t i = 0; i < reply->node_count; i++) {
            json_open(&w, NULL);
            json_put_str(&w, "nodeId", reply->nodes[i].node_id);
            for (size_t r = 0; r < COUNT_OF(runs); r++)
                if (runs[r].run == reply->nodes[i].run)
                    json_put_str(&w, "run", str_from(runs[r].name));
            json_close(&w);
        }
        json_close_array(&w);
    } else if (op == HOST_OP_NODE_WAIT) {
        json_put_int(&w, "ends", reply->ends);
    }
    json_close(&w);
    return json_end(&w, err);
}
