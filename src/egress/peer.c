/* peer.c - the caller's ids and control group. */
#include "egress/peer.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"

enum { IDS_BITS = 16 };

/* The last segment of a path that has a vaultyard instance in it, as in "0::/vaultyard-0123abcd/<node>". */
static void name_node(pid_t pid, char name[PEER_NAME_BYTES])
{
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);
    for (Str rest = { text, len > 0 ? (size_t)len : 0 }; rest.ptr && rest.len;) {
        Str line = str_cut(&rest, '\n');
        size_t at;
        if (!str_find(line, STR("/vaultyard-"), &at))
            continue;
        Str below = str_slice(line, at + 1, line.len);
        (void)str_cut(&below, '/');
        Str node = below.ptr ? str_cut(&below, '/') : STR("");
        if (node.len && node.len < PEER_NAME_BYTES) {
            (void)snprintf(name, PEER_NAME_BYTES, STR_FMT, STR_ARG(node));
            return;
        }
    }
}

uid_t peer_of(int fd, char name[PEER_NAME_BYTES])
{
    struct ucred caller = { .uid = (uid_t)-1 };
    socklen_t size = sizeof caller;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &size) < 0)
        caller.uid = (uid_t)-1;
    (void)snprintf(name, PEER_NAME_BYTES, "uid-%u", (unsigned)caller.uid);
    if (caller.pid > 0)
        name_node(caller.pid, name);
    return caller.uid >> IDS_BITS;
}
