/* watch.c - inotify(7). Directories are watched, not files: whoever replaces a file by rename makes another one. */
#include "base/watch.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Through links, since what they lead to is what is read. All zero: it is not there. */
static struct stat state_of(const char *path)
{
    struct stat now;
    return stat(path, &now) == 0 ? now : (struct stat){ 0 };
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool begin(Watch *watch, WatchedFile *file, Err *err)
{
    char dir[PATH_MAX];
    if (watch->fd < 0)
        watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0 && errno == EMFILE)
        return err_set(err, ERR_UNAVAILABLE, "no inotify instance is left for this user; raise the sysctl fs.inotify.max_user_instances");
    if (watch->fd < 0)
        return err_errno(err, "cannot watch files");
    int dir_len = (int)(base_of(file->path) - file->path);
    (void)snprintf(dir, sizeof dir, "%.*s", dir_len ? dir_len : 1, dir_len ? file->path : ".");
    file->wd = inotify_add_watch(watch->fd, dir, IN_MOVED_TO | IN_CLOSE_WRITE);
    if (file->wd < 0 && errno == ENOSPC)
        return err_set(err, ERR_UNAVAILABLE, "no inotify watch is left for this user; raise the sysctl fs.inotify.max_user_watches");
    return file->wd >= 0 || err_errno(err, "cannot watch %s", dir);
}

static void set_look(Watch *watch)
{
    watch->look_at_ms = INT64_MAX;
    for (size_t i = 0; i < watch->count; i++)
        if (watch->files[i].wd < 0)
            watch->look_at_ms = mono_now_ms() + WATCH_LOOK_MS;
}

static WatchedFile *find(Watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strcmp(watch->files[i].path, path) == 0)
            return &watch->files[i];
    return NULL;
}

bool watch_add(Watch *watch, const char *path, unsigned which, Err *err)
{
    WatchedFile *file = find(watch, path);
    if (!file) {
        char *copy = watch->count < WATCH_FILES_MAX ? strdup(path) : NULL;
        if (!copy)
            return err_set(err, ERR_INTERNAL, "out of memory, or too many files to watch");
        file = &watch->files[watch->count++];
        *file = (WatchedFile){ .path = copy };
    }
    file->which = which;
    file->wd = -1;
    bool watched = begin(watch, file, err);
    file->seen = state_of(path);
    set_look(watch);
    return watched;
}

/* Its directory stays watched: it may be another file's as well, and what is told of it is nobody's. */
void watch_drop(Watch *watch, const char *path)
{
    WatchedFile *file = find(watch, path);
    if (!file)
        return;
    free(file->path);
    *file = watch->files[--watch->count];
    set_look(watch);
}

void watch_done(Watch *watch)
{
    fd_close(&watch->fd);
    for (size_t i = 0; i < watch->count; i++)
        free(watch->files[i].path);
    *watch = WATCH_NONE;
}

/* "..data" and the like: a directory of Kubernetes, whose files are links into what that one points to. */
static bool is_meant(const WatchedFile *file, const struct inotify_event *event)
{
    return file->wd == event->wd && event->len > 0 && (strcmp(event->name, base_of(file->path)) == 0 || strncmp(event->name, "..", 2) == 0);
}

static unsigned told(Watch *watch, const struct inotify_event *event)
{
    unsigned which = 0;
    for (size_t i = 0; i < watch->count; i++) {
        WatchedFile *file = &watch->files[i];
        if (is_meant(file, event) || (event->mask & IN_Q_OVERFLOW))
            which |= file->which;
        if ((event->mask & IN_IGNORED) && file->wd == event->wd) {       /* the directory is gone: looked at until there is one again */
            file->wd = -1;
            watch->look_at_ms = 0;
        }
    }
    return which;
}

static unsigned look(Watch *watch)
{
    unsigned which = 0;
    for (size_t i = 0; i < watch->count; i++) {
        WatchedFile *file = &watch->files[i];
        Err ignored;                                        /* said when it was added */
        if (file->wd >= 0)
            continue;
        (void)begin(watch, file, &ignored);                 /* before it is looked at, so that nothing falls between the two */
        struct stat now = state_of(file->path);
        if (!is_same(&now, &file->seen))
            which |= file->which;
        file->seen = now;
    }
    set_look(watch);
    return which;
}

unsigned watch_take(Watch *watch)
{
    _Alignas(struct inotify_event) char events[4096];
    unsigned which = 0;
    for (ssize_t got; watch->fd >= 0 && (got = read(watch->fd, events, sizeof events)) > 0;)
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(events + at);
            which |= told(watch, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    return mono_now_ms() >= watch->look_at_ms ? which | look(watch) : which;
}

int64_t watch_look_at_ms(const Watch *watch) { return watch->look_at_ms; }
