/* frame.c - length-prefixed messages over a Unix stream socket. */
#include "provider/frame.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

enum { LENGTH_BYTES = 4, LISTEN_BACKLOG = 64 };

/* ERR_UNAVAILABLE at the deadline; *woken when wake_fd became readable first. */
static bool wait_for(int fd, short events, int wake_fd, int64_t deadline_ms, bool *woken, Err *err)
{
    struct pollfd polled[2] = { { .fd = fd, .events = events }, { .fd = wake_fd, .events = POLLIN } };
    for (;;) {
        int64_t left_ms = deadline_ms - mono_now_ms();
        if (left_ms <= 0)
            return err_set(err, ERR_UNAVAILABLE, "the other side did not answer in time");
        int ready = poll(polled, 2, left_ms > 60000 ? 60000 : (int)left_ms);
        if (ready < 0 && errno != EINTR)
            return err_errno(err, "cannot wait for a socket");
        if (ready <= 0)
            continue;
        *woken = polled[0].revents == 0;
        return true;
    }
}

bool frame_send(int fd, Str message, int64_t deadline_ms, Err *err)
{
    uint8_t head[LENGTH_BYTES] = { (uint8_t)(message.len >> 24), (uint8_t)(message.len >> 16), (uint8_t)(message.len >> 8), (uint8_t)message.len };
    Str parts[] = { { (const char *)head, sizeof head }, message };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        while (parts[i].len) {
            bool woken;
            ssize_t sent = send(fd, parts[i].ptr, parts[i].len, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent >= 0)
                parts[i] = str_slice(parts[i], (size_t)sent, parts[i].len);
            else if (errno == EAGAIN && !wait_for(fd, POLLOUT, -1, deadline_ms, &woken, err))
                return false;
            else if (errno != EAGAIN && errno != EINTR)
                return err_set(err, ERR_UNAVAILABLE, "the other side closed the connection");
        }
    return true;
}

/* *got < len only when the peer closed or wake_fd spoke before the first byte. */
static bool receive_exactly(int fd, int wake_fd, void *bytes, size_t len, int64_t deadline_ms, size_t *got, Err *err)
{
    *got = 0;
    while (*got < len) {
        bool woken = false;
        if (!wait_for(fd, POLLIN, *got ? -1 : wake_fd, deadline_ms, &woken, err))
            return false;
        if (woken)
            return true;
        ssize_t received = recv(fd, (char *)bytes + *got, len - *got, MSG_DONTWAIT);
        if (received < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (received == 0 && *got == 0)
            return true;
        if (received <= 0)
            return err_set(err, ERR_UNAVAILABLE, "the other side closed the connection within a message");
        *got += (size_t)received;
    }
    return true;
}

bool frame_receive(int fd, int wake_fd, Arena *arena, size_t max_bytes, int64_t deadline_ms, Str *out, Err *err)
{
    uint8_t head[LENGTH_BYTES];
    size_t got;
    if (!receive_exactly(fd, wake_fd, head, sizeof head, deadline_ms, &got, err))
        return false;
    if (!got) {
        *out = STR_NONE;
        return true;
    }
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (len == 0 || len > max_bytes)
        return err_set(err, ERR_TOO_LARGE, "a message here has 1 to %zu bytes, not %zu", max_bytes, len);
    char *text = arena_alloc(arena, len);
    if (!text)
        return err_too_big(err);
    if (!receive_exactly(fd, -1, text, len, deadline_ms, &got, err))
        return false;
    if (got < len)
        return err_set(err, ERR_UNAVAILABLE, "the other side closed the connection within a message");
    *out = (Str){ text, len };
    return true;
}

static bool socket_address(int dir_fd, const char *name, struct sockaddr_un *out, Err *err)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int len = snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    return (len > 0 && (size_t)len < sizeof out->sun_path) || err_set(err, ERR_BAD_INPUT, "the socket name %.40s is too long", name);
}

bool socket_connect(const char *dir, const char *name, int *out_fd, Err *err)
{
    struct sockaddr_un address;
    AUTO(fd_close) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "cannot make a socket");
    if (dir_fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "%s/%s does not exist", dir, name);
    if (!socket_address(dir_fd, name, &address, err))
        return false;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return err_set(err, errno == EACCES ? ERR_DENIED : ERR_UNAVAILABLE, "nobody answers at %s/%s: %s", dir, name, strerror(errno));
    *out_fd = fd;
    fd = -1;
    return true;
}

bool socket_listen(const char *dir, const char *name, uid_t uid, gid_t gid, mode_t mode, int *out_fd, Err *err)
{
    struct sockaddr_un address;
    AUTO(fd_close) int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dir_fd < 0 || fd < 0)
        return err_errno(err, "cannot make a socket in %s", dir);
    if (!socket_address(dir_fd, name, &address, err))
        return false;
    if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
        return err_errno(err, "cannot remove the old socket %s/%s", dir, name);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(dir_fd, name, mode, 0) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0)
        return err_errno(err, "cannot listen at %s/%s", dir, name);
    *out_fd = fd;
    fd = -1;
    return true;
}
