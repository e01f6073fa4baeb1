/* hook.h - the command that runs after certificates changed: once for all that changed together, beside the agent's other work.
 *
 * It runs as the user that the settings name, in a process group of its own, with standard output and error kept (the last HOOK_OUTPUT_MAX
 * bytes) and VAULTYARD_CHANGED in its environment: the links that moved, a line each. After its time limit the group gets SIGTERM, and
 * SIGKILL 5 s later. One that fails runs again, later each time, until it succeeds; what changes while it runs makes it run once more. */
#pragma once
#include <poll.h>
#include "certs/settings.h"

enum { HOOK_OUTPUT_MAX = 4096, HOOK_CHANGED_MAX = 16384, HOOK_FDS = 2 };

typedef struct HookRun {
    bool is_pending;                    /* a change waits for it */
    bool is_killed;                     /* its time was up */
    pid_t pid;                          /* 0: not running */
    int pid_fd, out_fd;                 /* -1: none */
    int failures;
    int64_t due_ms, limit_ms;           /* mono: not before; SIGTERM or, later, SIGKILL */
    int64_t started_ms, ended_ms;       /* real; 0: never */
    char result[200];                   /* of the last run: "exit 0", "exit 3", "was ended after 60 s", why it could not start */
    bool was_good;
    char output[HOOK_OUTPUT_MAX + 1];
    size_t output_len;
    char changed[HOOK_CHANGED_MAX];     /* links, a line each; since the last start */
} HookRun;

void hook_init(HookRun *run);
void hook_ask(HookRun *run, Str link);                                          /* a link moved; absent: something did before the agent began */
/* Starts what is due, takes output, notes the end. Answers when it has to be called again at the latest (mono ms, INT64_MAX: when a descriptor is ready). */
int64_t hook_step(HookRun *run, const Hook *hook);
size_t hook_fds(const HookRun *run, struct pollfd fds[HOOK_FDS]);         /* to wait for; how many */
void hook_stop(HookRun *run);                                                   /* ends one that runs; it is pending again */
