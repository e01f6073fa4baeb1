/* record.c - members and order of learn.microsoft.com/azure/key-vault/general/logging ("Interpret your Key Vault logs"). */
#include "audit/record.h"
#include "base/format.h"
#include "json/write.h"

enum { SHORT_MAX_BYTES = 512, LONG_MAX_BYTES = 2048 };      /* as JSON a byte may become two: RECORD_MAX holds the longest record */

static const struct { int status; const char *words; } signatures[] = {
    { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
    { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
    { 409, "Conflict" }, { 412, "Precondition Failed" }, { 413, "Request Entity Too Large" }, { 429, "Too Many Requests" },
    { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 503, "Service Unavailable" },
};

static Str signature_of(int status)
{
    for (size_t i = 0; i < COUNT_OF(signatures); i++)
        if (signatures[i].status == status)
            return str_from(signatures[i].words);
    return STR("");
}

static bool is_clean(Str text)
{
    if (str_is_printable(text))
        return true;
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F)
            return false;
    return str_is_utf8(text);
}

/* Much of a record is what a client sent. It is kept as evidence, but can neither break the line nor make it endless. */
static void put_text(JsonWriter *w, const char *name, Str text, size_t max)
{
    char clean[LONG_MAX_BYTES];
    if (!text.ptr)
        return;
    size_t len = text.len < max ? text.len : max;
    while (len < text.len && len > 0 && ((uint8_t)text.ptr[len] & 0xC0) == 0x80)      /* not inside a character */
        len--;
    Str part = { text.ptr, len };
    if (!is_clean(part)) {
        for (size_t i = 0; i < len; i++)
            clean[i] = text.ptr[i] >= 0x20 && text.ptr[i] < 0x7F ? text.ptr[i] : '?';
        part.ptr = clean;
    }
    json_put_str(w, name, part);
}

bool record_time(Str record, int64_t *time_ms)
{
    static const Str before = { "{\"time\":\"", 9 };
    size_t end;
    Err ignored;
    if (!str_starts(record, before))
        return false;
    record = str_slice(record, before.len, record.len);
    return str_find(record, STR("\""), &end) && time_parse(str_slice(record, 0, end), time_ms, &ignored);
}

bool record_put(Buf *out, const AuditRecord *record, Err *err)
{
    JsonWriter w;
    char duration[24];
    (void)text_print(duration, sizeof duration, "%lld", (long long)record->duration_ms);

    json_begin(&w, out);
    json_open(&w, NULL);
    json_put_time(&w, "time", record->time_ms);
    put_text(&w, "resourceId", record->resource_id, LONG_MAX_BYTES);
    put_text(&w, "operationName", record->operation, SHORT_MAX_BYTES);
    put_text(&w, "operationVersion", record->operation_version, SHORT_MAX_BYTES);
    put_text(&w, "category", record->category, SHORT_MAX_BYTES);
    json_put_str(&w, "resultType", record->http_status < 400 ? STR("Success") : STR("Failure"));
    json_put_str(&w, "resultSignature", signature_of(record->http_status));
    put_text(&w, "resultDescription", record->result_description, SHORT_MAX_BYTES);
    json_put_str(&w, "durationMs", str_from(duration));      /* a string in the service's logs */
    put_text(&w, "callerIpAddress", record->caller_ip, SHORT_MAX_BYTES);
    put_text(&w, "correlationId", record->correlation_id, SHORT_MAX_BYTES);
    if (record->caller_object_id.ptr || record->caller_app_id.ptr) {
        json_open(&w, "identity");
        json_open(&w, "claim");
        put_text(&w, "oid", record->caller_object_id, SHORT_MAX_BYTES);
        put_text(&w, "appid", record->caller_app_id, SHORT_MAX_BYTES);
        put_text(&w, "tid", record->caller_tenant_id, SHORT_MAX_BYTES);
        json_close(&w);
        json_close(&w);
    }
    json_open(&w, "properties");
    put_text(&w, "clientInfo", record->client_info, SHORT_MAX_BYTES);
    put_text(&w, "requestUri", record->request_uri, LONG_MAX_BYTES);
    put_text(&w, "id", record->object_id, LONG_MAX_BYTES);
    json_put_int(&w, "httpStatusCode", record->http_status);
    json_close(&w);
    json_close(&w);
    return json_end(&w, err);
}
