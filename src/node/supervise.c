/* supervise.c - process 1 of a node. It has little to do, so that it has little to die of. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "node/agent.h"

enum { RESTART_PAUSE_MS = 300, END_GRACE_MS = 3000 };

static pid_t start_agent(const char *program)
{
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        execl(program, program, "agent", (char *)NULL);
        _exit(127);
    }
    return child;
}

/* Reaps every child that ended; true when the agent was among them. */
static bool reap(pid_t agent)
{
    bool agent_ended = false;
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended <= 0)
            return agent_ended;
        if (ended == agent) {
            agent_ended = true;
            log_event(LOG_WARN, "node.agent_ended", log_int("status", status));
        }
    }
}

static void end_all(void)
{
    int64_t until = mono_now_ms() + END_GRACE_MS;
    (void)kill(-1, SIGTERM);
    while (mono_now_ms() < until) {
        pid_t ended = waitpid(-1, NULL, WNOHANG);
        if (ended < 0 && errno == ECHILD)
            return;
        if (ended == 0)
            (void)poll(NULL, 0, 20);
    }
    (void)kill(-1, SIGKILL);
}

int node_supervise(const char *program)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return 1;
    pid_t agent = start_agent(program);
    int64_t restart_at = 0;
    for (;;) {
        struct pollfd fd = { .fd = signals, .events = POLLIN };
        int64_t left = restart_at ? restart_at - mono_now_ms() : -1;
        (void)poll(&fd, 1, restart_at && left < 0 ? 0 : (int)left);
        struct signalfd_siginfo info;
        if (fd.revents && read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD) {
            end_all();
            return 0;
        }
        if (reap(agent))
            restart_at = mono_now_ms() + RESTART_PAUSE_MS;
        if (restart_at && restart_at <= mono_now_ms()) {
            agent = start_agent(program);
            restart_at = 0;
        }
    }
}
