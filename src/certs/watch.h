/* watch.h - which files were written or replaced, by inotify on their directories, so nobody has to look. */
#pragma once
#include "base/str.h"

typedef enum Watched { WATCHED_CLOCK = 1, WATCHED_SETTINGS = 2 } Watched;
typedef struct WatchedFile { const char *path; Watched which; int wd; } WatchedFile;
typedef struct Watch { int fd; WatchedFile files[2]; } Watch;          /* fd -1: nothing is watched */

/* A path that is NULL is not watched. The strings outlive the watch. false: a directory cannot be watched, or the
 * system has no more watches; the other file is watched all the same. */
bool watch_init(const char *clock_path, const char *settings_path, Watch *out, Err *err) MUST_CHECK;
void watch_done(Watch *watch);
unsigned watch_take(Watch *watch);                                      /* Watcheds, once fd is readable */
