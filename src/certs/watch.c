/* watch.c - inotify(7). Directories are watched, not files: whoever replaces a file by rename makes another one. */
#include "certs/watch.h"
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "base/file.h"

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool watch_init(const char *clock_path, const char *settings_path, Watch *out, Err *err)
{
    bool all = true;
    *out = (Watch){ .fd = -1, .files = { { .path = clock_path, .which = WATCHED_CLOCK, .wd = -1 }, { .path = settings_path, .which = WATCHED_SETTINGS, .wd = -1 } } };
    if (!clock_path && !settings_path)
        return true;
    out->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (out->fd < 0)
        return err_errno(err, "cannot watch files");
    for (size_t i = 0; i < COUNT_OF(out->files); i++) {
        WatchedFile *file = &out->files[i];
        char dir[PATH_MAX];
        if (!file->path)
            continue;
        int dir_len = (int)(base_of(file->path) - file->path);
        (void)snprintf(dir, sizeof dir, "%.*s", dir_len ? dir_len : 1, dir_len ? file->path : ".");
        file->wd = inotify_add_watch(out->fd, dir, IN_MOVED_TO | IN_CLOSE_WRITE);
        if (file->wd < 0 && all)
            all = err_errno(err, "cannot watch %s", dir);
    }
    return all;
}

void watch_done(Watch *watch) { fd_close(&watch->fd); }

/* "..data" and the like: a directory of Kubernetes, whose files are links into what that one points to. */
static bool is_meant(const WatchedFile *file, const struct inotify_event *event)
{
    return file->wd == event->wd && event->len > 0 && (strcmp(event->name, base_of(file->path)) == 0 || strncmp(event->name, "..", 2) == 0);
}

unsigned watch_take(Watch *watch)
{
    _Alignas(struct inotify_event) char events[4096];
    unsigned which = 0;
    for (ssize_t got; watch->fd >= 0 && (got = read(watch->fd, events, sizeof events)) > 0;)
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);
            for (size_t i = 0; i < COUNT_OF(watch->files); i++)
                if (watch->files[i].path && (is_meant(&watch->files[i], event) || (event->mask & IN_Q_OVERFLOW)))
                    which |= watch->files[i].which;
            at += (ssize_t)(sizeof *event + event->len);
        }
    return which;
}
