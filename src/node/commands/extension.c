/* extension.c - KeyVaultForLinux: the only type so far; its program is vaultyard-certs.
 *
 * Directories as the machine agent has them: /var/lib/waagent/<publisher>.<type>-<version>/{config/N.settings,status/N.status}. The version is the
 * asked-for one completed by the build that the documents show, so that paths written in scripts hold. N counts from 1. */
#include "node/commands/extension.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/watch.h"
#include "node/places.h"

#define EXTENSION_BUILD "1363.13"
#define LOG_DIR         "/var/log/azure/Microsoft.Azure.KeyVault.KeyVaultForLinux"
enum { DIR_MAX = 512, PATH_MAX_BYTES = DIR_MAX + 100 };
enum { RESTART_FIRST_MS = 500, RESTART_MAX_MS = 30000, LASTED_MS = 10000, STATUS_MAX_BYTES = 64 * 1024, LOG_MAX_BYTES = 8 * 1024 * 1024 };

typedef struct Extension {
    char name[128];
    char dir[DIR_MAX];
    Arena *arena;                       /* of settings; NULL: they are not laid out */
    Str settings;                       /* compact JSON */
    bool requires_sync, seen;
    pid_t pid;                          /* 0: not running */
    int64_t started_ms, start_at_ms, pause_ms;      /* monotonic */
} Extension;

struct Extensions {
    const char *program_dir, *below;
    Watch watch;
    bool is_blind;                      /* said in the log: statuses are looked at by time */
    Extension items[EXTENSIONS_MAX];
    size_t count;
};

bool extensions_new(const char *program_dir, const char *below, Extensions **out, Err *err)
{
    Extensions *extensions = calloc(1, sizeof *extensions);
    if (!extensions)
        return err_set(err, ERR_INTERNAL, "out of memory");
    extensions->program_dir = program_dir;
    extensions->below = below;
    extensions->watch = WATCH_NONE;
    *out = extensions;
    return true;
}

static void stop(Extension *extension)
{
    if (extension->pid > 0) {
        (void)kill(extension->pid, SIGTERM);
        while (waitpid(extension->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    extension->pid = 0;
}

void extensions_free(Extensions *extensions)
{
    if (!extensions)
        return;
    for (size_t i = 0; i < extensions->count; i++) {
        stop(&extensions->items[i]);
        arena_free(extensions->items[i].arena);
    }
    watch_done(&extensions->watch);
    free(extensions);
}

int extensions_watch_fd(const Extensions *extensions) { return extensions->watch.fd; }
bool extensions_watched(Extensions *extensions) { return watch_take(&extensions->watch) != 0; }

static bool is_word(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], folded = (char)(c | 0x20);
        if (!((folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
    }
    return text.len > 0 && text.len < 100 && text.ptr[0] != '.';
}

static bool is_true(const JsonVal *v)
{
    return json_bool(v, false) || str_eq_nocase(json_str(v), STR("true"));
}

static void status_path(const Extension *extension, char path[PATH_MAX_BYTES])
{
    (void)snprintf(path, PATH_MAX_BYTES, "%s/status/1.status", extension->dir);
}

/* A node that can watch nothing is as good a node: it hears of a status a little later. */
static void watch_status(Extensions *extensions, const char *path)
{
    Err err = { 0 };
    bool watched = watch_add(&extensions->watch, path, 1, &err);
    if (!watched && !extensions->is_blind)
        log_event(LOG_WARN, "node.files_not_watched", log_cstr("error", err.text), log_int("looked_at_every_s", WATCH_LOOK_MS / 1000));
    extensions->is_blind = !watched;
}

static void unwatch_status(Extensions *extensions, const Extension *extension)
{
    char path[PATH_MAX_BYTES];
    status_path(extension, path);
    watch_drop(&extensions->watch, path);
}

/* The directories of one that does not run, without a status: one of another process says nothing. */
static bool make_room(Extensions *extensions, Extension *extension, Err *err)
{
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof path, "%s/status", extension->dir);
    if (!dir_make(path, 0755, err))
        return false;
    status_path(extension, path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(err, "cannot remove %s", path);
    watch_status(extensions, path);
    (void)snprintf(path, sizeof path, "%s/config", extension->dir);
    if (!dir_make(path, 0700, err))
        return false;
    (void)snprintf(path, sizeof path, "%s" LOG_DIR, extensions->below);
    return dir_make(path, 0755, err);
}

/* config/1.settings in the machine agent's wrapper. Replaced whole: a process that runs finds it out and reads the one or the other. */
static bool write_settings(const Extension *extension, Str settings, Err *err)
{
    char path[PATH_MAX_BYTES];
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, 1024 * 1024);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_open_array(&w, "runtimeSettings");
    json_open(&w, NULL);
    json_open(&w, "handlerSettings");
    json_put_raw(&w, "publicSettings", settings);
    json_put_null(&w, "protectedSettings");
    json_put_null(&w, "protectedSettingsCertThumbprint");
    json_close(&w);
    json_close(&w);
    json_close_array(&w);
    json_close(&w);
    (void)snprintf(path, sizeof path, "%s/config/1.settings", extension->dir);
    return json_end(&w, err) && file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

static int open_log(const char *below)
{
    struct stat st;
    char path[PATH_MAX_BYTES], before[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof path, "%s" LOG_DIR "/akvvm_service.log", below);
    (void)snprintf(before, sizeof before, "%s" LOG_DIR "/akvvm_service.log.1", below);
    if (stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES)
        (void)rename(path, before);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void start(Extensions *extensions, Extension *extension)
{
    char program[PATH_MAX_BYTES], settings[PATH_MAX_BYTES], status[PATH_MAX_BYTES], clock[PATH_MAX_BYTES];
    (void)snprintf(program, sizeof program, "%s/vaultyard-certs", extensions->program_dir);
    (void)snprintf(settings, sizeof settings, "%s/config/1.settings", extension->dir);
    status_path(extension, status);
    (void)snprintf(clock, sizeof clock, "%s" NODE_CLOCK_FILE, extensions->below);
    static char settings_option[] = "--settings", status_option[] = "--status", clock_option[] = "--clock";
    static char path[] = "PATH=/usr/sbin:/usr/bin", home[] = "HOME=/root", lang[] = "LANG=C.UTF-8";
    char *const argv[] = { program, settings_option, settings, status_option, status, clock_option, clock, NULL };
    char *const environment[] = { path, home, lang, NULL };

    extension->pause_ms = extension->pause_ms == 0 ? RESTART_FIRST_MS : extension->pause_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS : extension->pause_ms * 2;
    AUTO(fd_close) int log = open_log(extensions->below);
    pid_t agent = getpid(), child = fork();
    if (child == 0) {
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        /* The next agent starts its own; two at a time would race for the same files. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == agent && (log < 0 || (dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0)))
            execve(program, argv, environment);
        _exit(127);
    }
    if (child < 0) {
        extension->start_at_ms = mono_now_ms() + extension->pause_ms;
        return;
    }
    extension->pid = child;
    extension->started_ms = mono_now_ms();
    log_event(LOG_INFO, "node.extension_started", log_cstr("name", extension->name), log_int("pid", child));
}

static Extension *find_or_add(Extensions *extensions, Str name)
{
    for (size_t i = 0; i < extensions->count; i++)
        if (str_eq(str_from(extensions->items[i].name), name))
            return &extensions->items[i];
    if (extensions->count == EXTENSIONS_MAX)
        return NULL;
    Extension *added = &extensions->items[extensions->count++];
    *added = (Extension){ 0 };
    (void)snprintf(added->name, sizeof added->name, STR_FMT, STR_ARG(name));
    return added;
}

/* "1.0" becomes "1.0.1363.13"; a whole version stays. */
static bool place(const char *below, Str publisher, Str type, Str version, char dir[DIR_MAX], Err *err)
{
    size_t dots = 0;
    for (size_t i = 0; i < version.len; i++)
        dots += version.ptr[i] == '.';
    int len = snprintf(dir, DIR_MAX, "%s/var/lib/waagent/" STR_FMT "." STR_FMT "-" STR_FMT "%s", below, STR_ARG(publisher), STR_ARG(type),
                       STR_ARG(version), dots >= 2 ? "" : dots == 1 ? "." EXTENSION_BUILD : ".0." EXTENSION_BUILD);
    return len < DIR_MAX || err_set(err, ERR_BAD_INPUT, "the extension's directory has too long a name");
}

/* It may have ended a moment ago, and extensions_tend not have seen it. */
static bool is_running(Extension *extension)
{
    if (extension->pid > 0 && waitpid(extension->pid, NULL, WNOHANG) != 0)
        extension->pid = 0;
    return extension->pid > 0;
}

typedef struct Asked { Str name, publisher, type, version; const JsonVal *settings; } Asked;
static const JsonField asked_fields[] = {
    JSON_FIELD(Asked, name, "name", JSON_REQUIRED), JSON_FIELD(Asked, publisher, "publisher", JSON_REQUIRED),
    JSON_FIELD(Asked, type, "type", JSON_REQUIRED), JSON_FIELD(Asked, version, "typeHandlerVersion", JSON_OPTIONAL),
    JSON_FIELD(Asked, settings, "settings", JSON_OPTIONAL),
};

static bool apply_one(Extensions *extensions, const JsonVal *item, Err *err)
{
    Asked asked = { .version = STR("1.0") };
    if (!json_read(item, "extensions", asked_fields, COUNT_OF(asked_fields), &asked, err))
        return false;
    if (!str_eq_nocase(asked.type, STR("KeyVaultForLinux")) || !is_word(asked.name) || !is_word(asked.publisher) || !is_word(asked.version))
        return err_set(err, ERR_NOT_BUILT, "extension '" STR_FMT "' of type '" STR_FMT "' is not one this node knows", STR_ARG(asked.name), STR_ARG(asked.type));
    char dir[DIR_MAX];
    Extension *extension = find_or_add(extensions, asked.name);
    AUTO(arena_free_auto) Arena *arena = arena_new(1024 * 1024);
    if (!extension || !arena)
        return err_set(err, ERR_INTERNAL, "too many extensions or out of memory");
    Str settings = asked.settings ? json_text(arena, asked.settings) : STR("{}");
    extension->seen = true;
    if (!place(extensions->below, asked.publisher, asked.type, asked.version, dir, err))
        return false;
    bool moves = strcmp(dir, extension->dir) != 0;
    if (extension->arena && !moves && str_eq(settings, extension->settings))
        return true;
    if (moves) {
        stop(extension);
        unwatch_status(extensions, extension);
    }
    arena_free(TAKE(extension->arena));                         /* until all is laid out: else the next lease would take this one's settings for done */
    (void)snprintf(extension->dir, sizeof extension->dir, "%s", dir);
    extension->requires_sync = is_true(json_path(asked.settings, "secretsManagementSettings.requireInitialSync"));
    bool runs = is_running(extension);
    if ((!runs && !make_room(extensions, extension, err)) || !write_settings(extension, settings, err))
        return false;
    extension->arena = TAKE(arena);
    extension->settings = settings;
    if (!runs) {
        extension->pause_ms = 0;
        start(extensions, extension);
    }
    return true;
}

bool extensions_apply(Extensions *extensions, const JsonVal *list, Err *err)
{
    bool done = true;
    for (size_t i = 0; i < extensions->count; i++)
        extensions->items[i].seen = false;
    for (size_t i = 0; i < json_count(list); i++)
        done = apply_one(extensions, json_at(list, i), err) && done;
    for (size_t i = 0; i < extensions->count;) {
        Extension *extension = &extensions->items[i];
        if (extension->seen) {
            i++;
            continue;
        }
        stop(extension);
        unwatch_status(extensions, extension);
        arena_free(extension->arena);
        *extension = extensions->items[--extensions->count];
    }
    return done;
}

int64_t extensions_tend(Extensions *extensions)
{
    int64_t now = mono_now_ms(), look_at_ms = watch_look_at_ms(&extensions->watch);
    int64_t next = look_at_ms == INT64_MAX ? -1 : look_at_ms > now ? look_at_ms - now : 0;
    for (size_t i = 0; i < extensions->count; i++) {
        Extension *extension = &extensions->items[i];
        int status;
        if (extension->pid > 0 && waitpid(extension->pid, &status, WNOHANG) == extension->pid) {
            log_event(LOG_WARN, "node.extension_ended", log_cstr("name", extension->name), log_int("status", status));
            extension->pid = 0;
            if (now - extension->started_ms > LASTED_MS)
                extension->pause_ms = RESTART_FIRST_MS;
            extension->start_at_ms = now + extension->pause_ms;
        }
        if (extension->pid > 0 || !extension->arena)            /* settings that could not be written: the next lease tries it again */
            continue;
        if (extension->start_at_ms <= now) {
            start(extensions, extension);
            continue;
        }
        int64_t left = extension->start_at_ms - now;
        next = next < 0 || left < next ? left : next;
    }
    return next;
}

typedef struct Status { Str status, message, time; } Status;

static bool status_read(const Extension *extension, Arena *arena, Status *out)
{
    char path[PATH_MAX_BYTES];
    Str text;
    const JsonVal *root;
    Err ignored;
    status_path(extension, path);
    if (!file_read(arena, path, STATUS_MAX_BYTES, &text, &ignored) || !json_parse(arena, text, JSON_STRICT, &root, &ignored))
        return false;
    const JsonVal *first = json_at(root, 0);
    Str status = json_str(json_path(first, "status.status"));
    if (str_empty(status))
        return false;
    *out = (Status){ status, json_str(json_path(first, "status.formattedMessage.message")), json_str(json_get(first, "timestampUTC")) };
    return true;
}

ExtensionsState extensions_state(Extensions *extensions, Arena *arena, Str *reason)
{
    ExtensionsState state = EXTENSIONS_READY;
    for (size_t i = 0; i < extensions->count; i++) {
        Status status;
        const Extension *extension = &extensions->items[i];
        if (!extension->requires_sync)
            continue;
        bool known = status_read(extension, arena, &status);
        if (known && str_eq(status.status, STR("error"))) {
            *reason = str_printf(arena, "extension '%s': " STR_FMT, extension->name, STR_ARG(status.message));
            return EXTENSIONS_FAILED;
        }
        if (!known || str_eq(status.status, STR("transitioning")))
            state = EXTENSIONS_WAITING;
    }
    return state;
}

/* The machine agent's words for a status file, as an instance view shows them. */
static const struct { const char *status, *code, *level, *display; } views[] = {
    { "success",       "ProvisioningState/succeeded",     "Info",    "Provisioning succeeded" },
    { "warning",       "ProvisioningState/succeeded",     "Warning", "Provisioning succeeded" },
    { "transitioning", "ProvisioningState/transitioning", "Info",    "Transitioning" },
    { "error",         "ProvisioningState/failed/0",      "Error",   "Provisioning failed" },
};

void extensions_write(Extensions *extensions, Arena *arena, JsonWriter *w, const char *name)
{
    json_open_array(w, name);
    for (size_t i = 0; i < extensions->count; i++) {
        Status status = { .status = STR("transitioning"), .message = STR("The extension is starting.") };
        (void)status_read(&extensions->items[i], arena, &status);
        size_t view = 0;
        while (view < COUNT_OF(views) - 1 && !str_eq(status.status, str_from(views[view].status)))
            view++;
        json_open(w, NULL);
        json_put_str(w, "name", str_from(extensions->items[i].name));
        json_open_array(w, "statuses");
        json_open(w, NULL);
        json_put_str(w, "code", str_from(views[view].code));
        json_put_str(w, "level", str_from(views[view].level));
        json_put_str(w, "displayStatus", str_from(views[view].display));
        json_put_str(w, "message", status.message);
        json_put_str(w, "time", status.time);
        json_close(w);
        json_close_array(w);
        json_close(w);
    }
    json_close_array(w);
}
