/* progress.h - what a person sees while a command waits: one line that is wiped when the wait is over.
 *
 * Nothing where standard error is no terminal, nor with --only-show-errors. */
#pragma once
#include "cli/command.h"

typedef struct Progress { bool is_on, is_shown; unsigned turn; int64_t waited_ms; } Progress;
Progress progress_begin(const Cli *cli);
/* Lets that much time pass; what: what is waited for, "Running". */
void progress_wait(Progress *progress, Str what, int64_t ms);
void progress_end(Progress *progress);
DEFINE_AUTO_DONE(Progress, progress_end)
