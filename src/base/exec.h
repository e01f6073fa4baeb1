/* exec.h - running one command and keeping what it prints. It gets nothing of the process it comes from: no descriptor, blocked signal or
 * variable; its directory is /. */
#pragma once
#include "base/buf.h"

enum { EXEC_STREAM_MAX = 1024 * 1024 };

typedef struct ExecResult {
    int exit_code, signal;              /* signal > 0: it was ended by that signal and exit_code is 128 + signal */
    bool timed_out, truncated;
    Buf out, err;                       /* each at most EXEC_STREAM_MAX bytes; the rest is read and dropped */
} ExecResult;
void exec_result_done(ExecResult *result);

/* argv and environment end in NULL. The whole process group is killed at the end of the time. false: it could not be started (the text says why). */
bool exec_run(char *const argv[], char *const environment[], int64_t timeout_ms, ExecResult *out, Err *err) MUST_CHECK;
