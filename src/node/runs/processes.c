/* processes.c - which processes belong to a run. */
#include "node/runs/processes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "base/str.h"

enum { STATUS_BYTES = 8192, STOP_LOOKS_MAX = 50 };

typedef struct Process { pid_t pid, parent; bool has_mark, belongs, is_stopped; } Process;
typedef struct Table { Process *items; size_t count, cap; } Table;

static Str field(Str status, Str name)
{
    for (Str rest = status; rest.ptr;) {
        Str line = str_cut(&rest, '\n');
        if (str_starts(line, name))
            return str_trim(str_slice(line, name.len, line.len));
    }
    return STR_NONE;
}

static int64_t number(Str text)
{
    Err ignored;
    int64_t value;
    return str_to_int64(text, 0, INT32_MAX, &value, &ignored) ? value : -1;
}

static bool in_groups(Str groups, gid_t mark)
{
    while (mark && groups.ptr)
        if (number(str_trim(str_cut(&groups, ' '))) == (int64_t)mark)
            return true;
    return false;
}

/* false: it is gone, or dead and not yet reaped. */
static bool look_at(int proc, const char *name, gid_t mark, Process *out)
{
    char path[64], text[STATUS_BYTES];
    (void)snprintf(path, sizeof path, "%.20s/status", name);
    AUTO(fd_close) int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (len <= 0)
        return false;
    Str status = { text, (size_t)len }, state = field(status, STR("State:"));
    if (!state.len || state.ptr[0] == 'Z' || state.ptr[0] == 'X')
        return false;
    *out = (Process){ .pid = (pid_t)number(str_from(name)), .parent = (pid_t)number(field(status, STR("PPid:"))),
                      .has_mark = in_groups(field(status, STR("Groups:")), mark), .is_stopped = state.ptr[0] == 'T' };
    return out->pid > 0;
}

static bool read_all(const RunProcesses *which, Table *table, Err *err)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return err_errno(err, "cannot list /proc");
    table->count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        if (table->count == table->cap) {
            size_t cap = table->cap ? table->cap * 2 : 256;
            Process *wider = reallocarray(table->items, cap, sizeof *wider);
            if (!wider) {
                (void)closedir(dir);
                return err_set(err, ERR_INTERNAL, "out of memory");
            }
            table->items = wider;
            table->cap = cap;
        }
        if (look_at(dirfd(dir), entry->d_name, which->mark, &table->items[table->count]))
            table->count++;
    }
    (void)closedir(dir);
    return true;
}

/* A child's number may be the smaller one, so again until nothing new belongs. */
static void choose(const RunProcesses *which, Table *table)
{
    pid_t self = getpid();
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < table->count; i++) {
            Process *p = &table->items[i];
            bool belongs = p->has_mark || (which->above && p->parent == which->above);
            for (size_t j = 0; !belongs && j < table->count; j++)
                belongs = table->items[j].belongs && table->items[j].pid == p->parent;
            if (belongs && !p->belongs && p->pid != self && p->pid != which->above)
                p->belongs = found = true;
        }
    }
}

static int signal_chosen(const Table *table, int signal, bool only_running)
{
    int count = 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->items[i].belongs && !(only_running && table->items[i].is_stopped))
            count += kill(table->items[i].pid, signal) == 0;
    return count;
}

static bool look_and_signal(const RunProcesses *which, int signal, bool only_running, int *count, Err *err)
{
    Table table = { 0 };
    bool done = read_all(which, &table, err);
    if (done) {
        choose(which, &table);
        *count = signal_chosen(&table, signal, only_running);
    }
    free(table.items);
    return done;
}

bool processes_signal(const RunProcesses *which, int signal, int *count, Err *err)
{
    *count = 0;
    return (!which->above && !which->mark) || look_and_signal(which, signal, false, count, err);
}

bool processes_kill(const RunProcesses *which, int *count, Err *err)
{
    *count = 0;
    if (!which->above && !which->mark)
        return true;
    int stopped = 1;
    for (int looks = 0; stopped > 0 && looks < STOP_LOOKS_MAX; looks++)
        if (!look_and_signal(which, SIGSTOP, true, &stopped, err))
            return false;
    return look_and_signal(which, SIGKILL, false, count, err);
}
