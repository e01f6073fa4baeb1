/* state.c - writing state.json and the metrics, and telling systemd. */
#include "certs/state.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "json/write.h"

enum { STATE_MAX_BYTES = 4 * 1024 * 1024 };

static void put_time(JsonWriter *w, const char *name, int64_t ms)
{
    char text[40];
    if (ms <= 0 || ms == INT64_MAX) {
        json_put_null(w, name);
        return;
    }
    time_format(ms, 0, text, sizeof text);
    json_put_str(w, name, str_from(text));
}

static void put_certificate(JsonWriter *w, const StateView *view, size_t i)
{
    const Observed *observed = &view->settings->observed[i];
    const Tracked *tracked = &view->tracked[i];
    json_open(w, NULL);
    json_put_str(w, "url", observed->base_url);
    json_put_str(w, "vault", observed->vault);
    json_put_str(w, "name", observed->name);
    json_put_str(w, "directory", observed->store_dir);
    json_put_str(w, "link", observed->link_name);
    json_put_str(w, "version", tracked->version[0] ? str_from(tracked->version) : STR_NONE);
    put_time(w, "notBefore", tracked->not_before_ms);
    put_time(w, "expires", tracked->not_after_ms);
    put_time(w, "lastTry", tracked->try_ms);
    put_time(w, "lastSuccess", tracked->success_ms);
    put_time(w, "nextTry", tracked->is_failed ? tracked->retry_ms : view->next_poll_ms);
    json_put_str(w, "madeBySettings", tracked->mark[0] ? str_from(tracked->mark) : STR_NONE);
    json_put_bool(w, "isCurrent", !tracked->is_failed && tracked->success_ms > 0);
    put_time(w, "failingSince", tracked->failing_since_ms);
    json_put_str(w, "lastError", tracked->is_failed ? str_from(tracked->reason) : STR_NONE);
    json_close(w);
}

static void put_left(JsonWriter *w, const StateView *view)
{
    json_open_array(w, "leaving");
    for (size_t i = 0; i < view->left_count; i++) {
        const Observed *left = &view->left[i];
        json_open(w, NULL);
        json_put_str(w, "url", left->base_url);
        json_put_str(w, "vault", left->vault);
        json_put_str(w, "name", left->name);
        json_put_str(w, "directory", left->store_dir);
        json_put_str(w, "link", left->link_name);
        json_close(w);
    }
    json_close_array(w);
}

static void put_hook(JsonWriter *w, const HookRun *hook)
{
    json_open(w, "hook");
    json_put_bool(w, "pending", hook->is_pending || hook->pid > 0);
    json_put_bool(w, "succeeded", hook->was_good);
    json_put_str(w, "result", hook->result[0] ? str_from(hook->result) : STR_NONE);
    json_put_int(w, "failures", hook->failures);
    put_time(w, "started", hook->started_ms);
    put_time(w, "ended", hook->ended_ms);
    json_put_str(w, "output", hook->pid ? STR_NONE : str_from(hook->output));
    json_close(w);
}

typedef struct Taken { int64_t resident_bytes, anonymous_bytes; double cpu_s; } Taken;

/* proc(5), statm in pages: size, resident, and what of that stands in files or is shared. The rest is anonymous, as RssAnon of status has it, which
 * costs the kernel ten times as much to tell. What cannot be read is 0. */
static Taken taken(void)
{
    Taken out = { 0 };
    char text[128];
    AUTO(fd_close) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text) : -1;
    Str rest = { text, len > 0 ? (size_t)len : 0 };
    int64_t resident, shared, page_bytes = sysconf(_SC_PAGESIZE);
    Err ignored;
    (void)str_cut(&rest, ' ');
    if (str_to_int64(str_cut(&rest, ' '), 0, INT64_MAX / page_bytes, &resident, &ignored) && str_to_int64(str_cut(&rest, ' '), 0, resident, &shared, &ignored)) {
        out.resident_bytes = resident * page_bytes;
        out.anonymous_bytes = (resident - shared) * page_bytes;
    }
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        out.cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    return out;
}

bool state_write(const char *path, const StateView *view, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, STATE_MAX_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_int(&w, "format", 1);
    json_put_str(&w, "agent", STR(VAULTYARD_VERSION));
    json_put_int(&w, "pid", getpid());
    put_time(&w, "started", view->started_ms);
    put_time(&w, "written", view->now_ms);
    put_time(&w, "nextPoll", view->next_poll_ms);
    put_time(&w, "settingsRead", view->settings_ms);
    json_put_str(&w, "settingsError", view->settings_error && *view->settings_error ? str_from(view->settings_error) : STR_NONE);
    json_put_bool(&w, "firstSyncDone", view->is_synced);
    json_put_int(&w, "vaultsListenedTo", (int64_t)view->listening);
    Taken memory = taken();
    json_open(&w, "memory");
    json_put_int(&w, "residentBytes", memory.resident_bytes);
    json_put_int(&w, "anonymousBytes", memory.anonymous_bytes);
    json_close(&w);
    json_put_str(&w, "metricsServedAt", view->scraped_at ? str_from(view->scraped_at) : STR_NONE);
    if (view->settings->hook.word_count)
        put_hook(&w, view->hook);
    json_open_array(&w, "certificates");
    for (size_t i = 0; i < view->settings->observed_count; i++)
        put_certificate(&w, view, i);
    json_close_array(&w);
    if (view->left_count)
        put_left(&w, view);
    json_close(&w);
    return json_end(&w, err) && file_replace(path, buf_bytes(&text), 0644, (uid_t)-1, (gid_t)-1, err);
}

/* Only what could have been written by us: names that stay in their directory. */
static bool observed_of(const JsonVal *v, Observed *out)
{
    *out = (Observed){ .base_url = json_str(json_get(v, "url")), .vault = json_str(json_get(v, "vault")), .name = json_str(json_get(v, "name")),
                       .store_dir = json_str(json_get(v, "directory")), .link_name = json_str(json_get(v, "link")) };
    (void)snprintf(out->mark, sizeof out->mark, STR_FMT, STR_ARG(json_str(json_get(v, "madeBySettings"))));
    const Str names[] = { out->vault, out->name, out->link_name };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!names[i].len || names[i].ptr[0] == '.' || memchr(names[i].ptr, '/', names[i].len))
            return false;
    return str_starts(out->store_dir, STR("/"));
}

void state_read(Arena *arena, const char *path, StateBefore *out)
{
    static const char *const lists[] = { "certificates", "leaving" };
    const JsonVal *root;
    Str text;
    Err ignored = { 0 };
    *out = (StateBefore){ 0 };
    if (!file_read(arena, path, STATE_MAX_BYTES, &text, &ignored) || !json_parse(arena, text, JSON_STRICT, &root, &ignored))
        return;
    out->hook_is_pending = json_bool(json_path(root, "hook.pending"), false);
    out->observed = ARENA_ARRAY(arena, Observed, json_count(json_get(root, lists[0])) + json_count(json_get(root, lists[1])) + 1);
    for (size_t k = 0; k < COUNT_OF(lists) && out->observed; k++) {
        const JsonVal *list = json_get(root, lists[k]);
        for (size_t i = 0; json_kind(list) == JSON_ARRAY && i < json_count(list); i++)
            out->observed_count += observed_of(json_at(list, i), &out->observed[out->observed_count]);
    }
}

/* Names of vaults, certificates and links hold no quote or backslash but a link may: those are escaped (Prometheus exposition formats, text). */
static void put_label(Buf *text, const char *name, Str value)
{
    buf_printf(text, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            buf_put_char(text, '\\');
        buf_put_char(text, value.ptr[i] == '\n' ? ' ' : value.ptr[i]);
    }
    buf_put_char(text, '"');
}

static void put_metric(Buf *text, const StateView *view, const char *name, const char *help, double (*value)(const Tracked *))
{
    buf_printf(text, "# HELP vaultyard_certs_%s %s\n# TYPE vaultyard_certs_%s gauge\n", name, help, name);
    for (size_t i = 0; i < view->settings->observed_count; i++) {
        const Observed *observed = &view->settings->observed[i];
        buf_printf(text, "vaultyard_certs_%s{", name);
        put_label(text, "vault", observed->vault);
        buf_put_char(text, ',');
        put_label(text, "name", observed->name);
        buf_put_char(text, ',');
        put_label(text, "link", observed->link_name);
        buf_printf(text, "} %.0f\n", value(&view->tracked[i]));
    }
}

static double expiry_s(const Tracked *tracked) { return (double)(tracked->not_after_ms / 1000); }
static double success_s(const Tracked *tracked) { return (double)(tracked->success_ms / 1000); }
static double is_current(const Tracked *tracked) { return !tracked->is_failed && tracked->success_ms > 0; }

void metrics_put(Buf *text, const StateView *view)
{
    put_metric(text, view, "expiry_timestamp_seconds", "When the certificate on disk expires.", expiry_s);
    put_metric(text, view, "last_success_timestamp_seconds", "When it was last found current or made so.", success_s);
    put_metric(text, view, "current", "1: the last try found or made it current.", is_current);
    buf_printf(text, "# HELP vaultyard_certs_vaults_listened_to Vaults whose change feed is listened to.\n# TYPE vaultyard_certs_vaults_listened_to gauge\n"
                     "vaultyard_certs_vaults_listened_to %zu\n", view->listening);
    buf_printf(text, "# HELP vaultyard_certs_settings_current 1: the settings file is in use as it is.\n# TYPE vaultyard_certs_settings_current gauge\n"
                     "vaultyard_certs_settings_current %d\n", !view->settings_error || !*view->settings_error);
    Taken took = taken();                                 /* the first and the last by the names that Prometheus' own libraries use */
    buf_printf(text, "# HELP process_resident_memory_bytes Resident memory.\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %lld\n"
                     "# HELP process_anonymous_memory_bytes Resident memory that no file stands behind.\n# TYPE process_anonymous_memory_bytes gauge\n"
                     "process_anonymous_memory_bytes %lld\n"
                     "# HELP process_cpu_seconds_total Processor time, user and system.\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
               (long long)took.resident_bytes, (long long)took.anonymous_bytes, took.cpu_s);
    if (view->settings->hook.word_count)
        buf_printf(text, "# HELP vaultyard_certs_hook_failures Failed runs of the hook in a row.\n# TYPE vaultyard_certs_hook_failures gauge\nvaultyard_certs_hook_failures %d\n",
                   view->hook->failures);
}

bool metrics_write(const char *path, const StateView *view, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, STATE_MAX_BYTES);
    metrics_put(&text, view);
    if (text.failed)
        return err_set(err, ERR_TOO_LARGE, "the metrics are over %d bytes", STATE_MAX_BYTES);
    return file_replace(path, buf_bytes(&text), 0644, (uid_t)-1, (gid_t)-1, err);
}

void notify_systemd(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    if (len == 0 || len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';                      /* an abstract socket, unix(7) */
    AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)                                         /* nobody there is no error: systemd decides what silence means */
        (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}
