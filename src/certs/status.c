/* status.c - the status file. */
#include "certs/status.h"
#include "base/clock.h"
#include "base/file.h"
#include "json/write.h"

static const struct { ServiceState state; const char *status, *operation, *message; } forms[] = {
    { SERVICE_RUNNING,        "success",       "Service start.",                 "Successfully started Key Vault extension service. " },
    { SERVICE_RUNNING_BEHIND, "warning",       "Service start.",                 "Successfully started Key Vault extension service. " },
    { SERVICE_SYNCING,        "transitioning", "Service start.",                 "Failed to download one or more certificates, retrying..." },
    { SERVICE_SYNC_FAILED,    "error",         "Service start.",                 "Failed to download one or more certificates." },
    { SERVICE_BAD_SETTINGS,   "error",         "Service start - Settings Load.", "" },
};

bool status_write(const char *path, ServiceState state, Str reason, int64_t since_ms, int64_t now_ms, Err *err)
{
    char since[40], now[40];
    time_format(since_ms, 0, since, sizeof since);
    time_format(now_ms, 0, now, sizeof now);
    size_t form = 0;
    while (forms[form].state != state)
        form++;
    bool running = state == SERVICE_RUNNING || state == SERVICE_RUNNING_BEHIND;

    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, 64 * 1024);
    json_begin(&w, &text);
    json_open_array(&w, NULL);
    json_open(&w, NULL);
    json_open(&w, "status");
    json_put_int(&w, "code", 0);
    json_open(&w, "formattedMessage");
    json_put_str(&w, "lang", STR("en"));
    json_put_str(&w, "message", arena ? str_printf(arena, "%s%s%s" STR_FMT, forms[form].message, running ? since : "",
                                                   reason.len && *forms[form].message ? " " : "", STR_ARG(reason)) : STR(""));
    json_close(&w);
    json_put_str(&w, "operation", str_from(forms[form].operation));
    json_put_str(&w, "status", str_from(forms[form].status));
    json_close(&w);
    json_put_str(&w, "timestampUTC", str_from(now));
    json_put_str(&w, "version", STR("1.0"));
    json_close(&w);
    json_close_array(&w);
    return json_end(&w, err) && file_replace(path, buf_bytes(&text), 0644, (uid_t)-1, (gid_t)-1, err);
}
