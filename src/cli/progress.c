/* progress.c - the line of a wait. */
#include "cli/progress.h"
#include <stdio.h>
#include <unistd.h>
#include "cli/call.h"

enum { TURN_MS = 200, SHOW_AFTER_MS = 600, WHAT_MAX = 60 };     /* what is over at once shows nothing */

Progress progress_begin(const Cli *cli)
{
    return (Progress){ .is_on = isatty(STDERR_FILENO) && !arg_flag(cli, "--only-show-errors") };
}

void progress_wait(Progress *progress, Str what, int64_t ms)
{
    if (!progress->is_on) {
        sleep_ms(ms);
        return;
    }
    while (ms > 0) {
        int64_t part = ms < TURN_MS ? ms : TURN_MS;
        sleep_ms(part);
        ms -= part;
        progress->waited_ms += part;
        if (progress->waited_ms < SHOW_AFTER_MS)
            continue;
        what = str_slice(what, 0, WHAT_MAX);
        (void)fprintf(stderr, "\r\033[K %c " STR_FMT " ..", "|/-\\"[progress->turn++ % 4], STR_ARG(what));
        (void)fflush(stderr);
        progress->is_shown = true;
    }
}

void progress_end(Progress *progress)
{
    if (progress->is_shown)
        (void)fputs("\r\033[K", stderr);
    progress->is_shown = false;
}
