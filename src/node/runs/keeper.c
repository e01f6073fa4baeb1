/* keeper.c - the agent's side of keepers. */
#include "node/runs/keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "node/runs/journal.h"
#include "node/runs/keep.h"

enum { PATH_ARENA = 64 * 1024, FD_FAR = 16 };

static int open_tool(const NodePlaces *places, Str run_id, JournalFile file, int flags)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(PATH_ARENA);
    const char *path = arena ? journal_path(places, arena, run_id, file) : NULL;
    return path ? open(path, flags | O_CLOEXEC | O_NOFOLLOW) : -1;
}

int keeper_watch(const NodePlaces *places, Str run_id) { return open_tool(places, run_id, JOURNAL_ALIVE, O_RDONLY | O_NONBLOCK); }

bool keeper_lives(const NodePlaces *places, Str run_id)
{
    AUTO(fd_close) int lock = open_tool(places, run_id, JOURNAL_LOCK, O_WRONLY);
    return lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0;
}

void keeper_poke(const NodePlaces *places, Str run_id)
{
    AUTO(fd_close) int fd = open_tool(places, run_id, JOURNAL_POKE, O_WRONLY | O_NONBLOCK);
    if (fd >= 0 && write(fd, "p", 1) < 0) {
        /* Full: it has been poked often enough. */
    }
}

/* Between fork and exec nothing but system calls: other threads may hold any lock. */
static void become_keeper(const char *program, const char *run_id, const char *below, const int fds[KEEP_FD_END - KEEP_LOCK_FD])
{
    int far[KEEP_FD_END - KEEP_LOCK_FD];
    for (int i = 0; i < KEEP_FD_END - KEEP_LOCK_FD; i++)
        far[i] = fcntl(fds[i], F_DUPFD, FD_FAR);
    for (int i = 0; i < KEEP_FD_END - KEEP_LOCK_FD; i++)
        if (far[i] < 0 || dup2(far[i], KEEP_LOCK_FD + i) < 0)
            _exit(127);
    if (close_range(KEEP_FD_END, ~0U, 0) == 0)
        execl(program, program, "keep", run_id, below, (char *)NULL);
    _exit(127);
}

bool keeper_start(const NodePlaces *places, const char *program, Str run_id, Err *err)
{
    char id[RUN_ID_DIGITS + 1];
    int status = 0;
    AUTO(fd_close) int lock = open_tool(places, run_id, JOURNAL_LOCK, O_WRONLY);
    AUTO(fd_close) int poke = open_tool(places, run_id, JOURNAL_POKE, O_RDWR | O_NONBLOCK);
    AUTO(fd_close) int alive = open_tool(places, run_id, JOURNAL_ALIVE, O_RDWR | O_NONBLOCK);
    if (lock < 0 || poke < 0 || alive < 0)
        return err_errno(err, "cannot open the journal of run " STR_FMT, STR_ARG(run_id));
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_CONFLICT, "run " STR_FMT " has a keeper", STR_ARG(run_id));
    (void)snprintf(id, sizeof id, STR_FMT, STR_ARG(run_id));
    /* Twice, so that the node's first process adopts it at once and it is nobody's child here. */
    pid_t between = fork();
    if (between < 0)
        return err_errno(err, "cannot start a process");
    if (between == 0) {
        pid_t keeper = fork();
        if (keeper == 0)
            become_keeper(program, id, places->below, (const int[]){ lock, poke, alive });
        _exit(keeper < 0);
    }
    while (waitpid(between, &status, 0) < 0 && errno == EINTR)
        continue;
    return status == 0 || err_set(err, ERR_INTERNAL, "cannot start a keeper");
}
