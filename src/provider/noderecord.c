/* noderecord.c - node.json, written as a whole and checked when read. */
#include "provider/noderecord.h"
#include "base/buf.h"
#include "base/file.h"
#include "json/write.h"
#include "provider/idrange.h"
#include "provider/message.h"

typedef struct RecordIn { int64_t version, first_id; NodeSpec spec; } RecordIn;
static const JsonField record_fields[] = {
    JSON_FIELD(RecordIn, version,        "version",  JSON_REQUIRED),
    JSON_FIELD(RecordIn, first_id,       "firstId",  JSON_REQUIRED),
    JSON_FIELD(RecordIn, spec.node_id,   "nodeId",   JSON_REQUIRED),
    JSON_FIELD(RecordIn, spec.host_name, "hostName", JSON_REQUIRED),
    JSON_FIELD(RecordIn, spec.account,   "account",  JSON_OPTIONAL),
    JSON_FIELD(RecordIn, spec.pool,      "pool",     JSON_OPTIONAL),
    JSON_FIELD(RecordIn, spec.vm_size,   "vmSize",   JSON_REQUIRED),
    JSON_FIELD(RecordIn, spec.join_json, "join",     JSON_REQUIRED),
};

bool node_record_write(const char *path, const NodeRecord *record, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, HOST_REQUEST_BYTES_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_int(&w, "version", 1);
    json_put_int(&w, "firstId", record->first_id);
    json_put_str(&w, "nodeId", record->spec.node_id);
    json_put_str(&w, "hostName", record->spec.host_name);
    json_put_str(&w, "account", record->spec.account);
    json_put_str(&w, "pool", record->spec.pool);
    json_put_str(&w, "vmSize", record->spec.vm_size);
    json_put_str(&w, "join", record->spec.join_json);
    json_close(&w);
    return json_end(&w, err) && file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

bool node_record_read(Arena *arena, const char *path, NodeRecord *out, Err *err)
{
    Str text;
    const JsonVal *root;
    RecordIn in = { 0 };
    if (!file_read(arena, path, HOST_REQUEST_BYTES_MAX, &text, err) || !json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, "", record_fields, COUNT_OF(record_fields), &in, err) || !node_spec_check(&in.spec, err))
        return false;
    if (in.version != 1)
        return err_field(err, "version", "%s has version %lld; this program knows version 1", path, (long long)in.version);
    if (in.first_id < ID_RANGE_FIRST || in.first_id > ID_RANGE_LAST || (in.first_id - ID_RANGE_FIRST) % ID_RANGE_SIZE)
        return err_field(err, "firstId", "'firstId' in %s is not the first id of a range", path);
    *out = (NodeRecord){ in.spec, (uint32_t)in.first_id };
    return true;
}
