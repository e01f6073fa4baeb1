/* extension.h - the node's extensions: settings on disk as the real agent lays them out, the program kept running, its status. */
#pragma once
#include "json/write.h"

enum { EXTENSIONS_MAX = 8 };

typedef struct Extensions Extensions;

/* program_dir: where vaultyard-certs lies; below: as in places.h. Both are borrowed. */
bool extensions_new(const char *program_dir, const char *below, Extensions **out, Err *err) MUST_CHECK;
void extensions_free(Extensions *extensions);                                             /* stops them */
/* Readable when a status changed; -1: none, then extensions_tend says when to look. */
int  extensions_watch_fd(const Extensions *extensions);
bool extensions_watched(Extensions *extensions);                                          /* a status changed since the last call */

/* The lease's "extensions" array: starts what is new, gives what runs its other settings (it reads the file again), stops what is gone. */
bool extensions_apply(Extensions *extensions, const JsonVal *list, Err *err) MUST_CHECK;
/* A child ended (SIGCHLD): if it was one of them, it is started again after a pause, which grows until one ran for ten
 * seconds. Answers milliseconds until the next start or the next extensions_watched is due, -1 if none. */
int64_t extensions_tend(Extensions *extensions);

typedef enum ExtensionsState { EXTENSIONS_READY = 1, EXTENSIONS_WAITING, EXTENSIONS_FAILED } ExtensionsState;
/* READY unless an extension with requireInitialSync is still at it (WAITING) or gave up (FAILED, `reason` says why). */
ExtensionsState extensions_state(Extensions *extensions, Arena *arena, Str *reason);
void extensions_write(Extensions *extensions, Arena *arena, JsonWriter *w, const char *name);    /* the lease request's "extensions" array */
