/* extension.h - the node's extensions: settings on disk as the real agent lays them out, the program kept running, its status. */
#pragma once
#include "json/write.h"

enum { EXTENSIONS_MAX = 8 };

typedef struct Extensions Extensions;

bool extensions_new(const char *program_dir, Extensions **out, Err *err) MUST_CHECK;      /* where vaultyard-certs lies; borrowed */
void extensions_free(Extensions *extensions);                                             /* stops them */
int  extensions_watch_fd(const Extensions *extensions);                                   /* readable when a status changed; extensions_watched() empties it */
void extensions_watched(Extensions *extensions);

/* The lease's "extensions" array: starts what is new, restarts what has other settings, stops what is gone. */
bool extensions_apply(Extensions *extensions, const JsonVal *list, Err *err) MUST_CHECK;
/* A child ended (SIGCHLD): if it was one of them, it is started again after a pause. Answers milliseconds until the next start is due, -1 if none. */
int64_t extensions_tend(Extensions *extensions);

typedef enum ExtensionsState { EXTENSIONS_READY = 1, EXTENSIONS_WAITING, EXTENSIONS_FAILED } ExtensionsState;
/* READY unless an extension with requireInitialSync is still at it (WAITING) or gave up (FAILED, `reason` says why). */
ExtensionsState extensions_state(Extensions *extensions, Arena *arena, Str *reason);
void extensions_write(Extensions *extensions, Arena *arena, JsonWriter *w, const char *name);    /* the lease request's "extensions" array */
