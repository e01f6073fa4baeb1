/* watch.h - which files were written or replaced, by inotify on their directories, so nobody has to look.
 *
 * A system gives each user so many inotify instances (128, as Linux comes), which many agents on one machine use up. What cannot be watched is
 * looked at every WATCH_LOOK_MS instead, and with each look inotify is tried again. */
#pragma once
#include <sys/stat.h>
#include "base/str.h"

enum { WATCH_FILES_MAX = 8, WATCH_LOOK_MS = 2000 };

typedef struct WatchedFile { char *path; unsigned which; int wd; struct stat seen; } WatchedFile;      /* wd -1: looked at by time */
typedef struct Watch { int fd; int64_t look_at_ms; WatchedFile files[WATCH_FILES_MAX]; size_t count; } Watch;     /* fd -1: nothing is watched */

#define WATCH_NONE ((Watch){ .fd = -1, .look_at_ms = INT64_MAX })

/* `which` is the caller's name for it, one bit. The path is copied; one that is there already is begun anew. false: it is looked at by time (or,
 * out of memory or of WATCH_FILES_MAX, not at all); err says why, and what to raise. */
bool watch_add(Watch *watch, const char *path, unsigned which, Err *err) MUST_CHECK;
void watch_drop(Watch *watch, const char *path);
void watch_done(Watch *watch);

/* Of what files: those that changed since the last call. To be called once fd is readable, and at the latest at watch_look_at_ms. */
unsigned watch_take(Watch *watch);
int64_t  watch_look_at_ms(const Watch *watch);              /* mono; INT64_MAX: all of them are watched */
