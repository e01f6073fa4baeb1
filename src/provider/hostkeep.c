/* hostkeep.c - starts the host process again when it was killed; for machines where no service manager does. */
#include <errno.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "provider/host.h"

enum { PAUSE_FIRST_MS = 200, PAUSE_MOST_MS = 5000, LASTED_MS = 60000 };

static void pause_for(int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

int host_keep(const char *const *argv)
{
    int64_t pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        int64_t begun_ms = mono_now_ms();
        int status;
        pid_t host = fork();
        if (host == 0) {
            (void)execv(argv[0], (char *const *)(uintptr_t)argv);
            _exit(127);
        }
        while (host > 0 && waitpid(host, &status, 0) < 0 && errno == EINTR)
            continue;
        /* An end of its own accord is an end: told to, or with an error that a new start would meet again. */
        if (host > 0 && WIFEXITED(status))
            return WEXITSTATUS(status);
        log_event(LOG_ERROR, "host.killed", log_int("signal", host > 0 ? WTERMSIG(status) : 0), log_int("again_in_ms", pause_ms));
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);        /* whoever waited for the first ready line has gone */
        if (mono_now_ms() - begun_ms > LASTED_MS)
            pause_ms = PAUSE_FIRST_MS;
        pause_for(pause_ms);
        pause_ms = pause_ms * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause_ms * 2;
    }
}
