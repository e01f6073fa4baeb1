/* bridge.c - bytes both ways between two sockets. */
#include "base/bridge.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "base/file.h"

enum { ROUNDS = 8 };                /* so many buffers at a time, before others have their turn */

void bridge_init(Bridge *bridge, int first, int second)
{
    for (int i = 0; i < 2; i++) {
        BridgeEnd *end = &bridge->ends[i];
        end->bridge = bridge;
        end->fd = i == 0 ? first : second;
        end->is_watched = end->read_closed = end->shut = end->is_gone = false;
        end->from = end->to = 0;
        end->bytes = 0;
    }
}

void bridge_done(Bridge *bridge)
{
    fd_close(&bridge->ends[0].fd);
    fd_close(&bridge->ends[1].fd);
}

bool bridge_watch(int epoll, BridgeEnd *end, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = end };
    int how = end->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    end->is_watched = true;
    return epoll_ctl(epoll, how, end->fd, &event) == 0;
}

/* What each end waits for follows from what the buffers hold; armed anew each time, since events are edges. An arming tells a state that
 * lasts (an end of bytes, a hang-up) again at once, so none is armed that nothing would be done about. */
bool bridge_rewatch(int epoll, Bridge *bridge)
{
    for (int i = 0; i < 2; i++) {
        BridgeEnd *end = &bridge->ends[i], *peer = &bridge->ends[1 - i];
        bool reads = !end->read_closed && end->from == end->to && !peer->is_gone, writes = peer->from < peer->to && !end->is_gone;
        if (end->is_gone && !reads) {
            if (end->is_watched && epoll_ctl(epoll, EPOLL_CTL_DEL, end->fd, NULL) < 0)
                return false;
            end->is_watched = false;
        } else if (!bridge_watch(epoll, end, EPOLLET | (reads ? (uint32_t)EPOLLIN : 0) | (writes ? (uint32_t)EPOLLOUT : 0))) {
            return false;
        }
    }
    return true;
}

bool bridge_fill(BridgeEnd *end)
{
    if (end->from == end->to)
        end->from = end->to = 0;
    if (end->to == sizeof end->buf)
        return true;
    ssize_t got = recv(end->fd, end->buf + end->to, sizeof end->buf - end->to, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    end->to += (size_t)got;
    end->bytes += got;
    end->read_closed = got == 0;
    return true;
}

/* Writes what `end` has read to its peer. */
static bool drain(BridgeEnd *end)
{
    BridgeEnd *peer = end == &end->bridge->ends[0] ? &end->bridge->ends[1] : &end->bridge->ends[0];
    while (end->from < end->to) {
        ssize_t done = send(peer->fd, end->buf + end->from, end->to - end->from, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (done < 0)
            return errno == EAGAIN || errno == EINTR;
        end->from += (size_t)done;
    }
    if (end->read_closed && !peer->shut) {
        peer->shut = true;
        (void)shutdown(peer->fd, SHUT_WR);
    }
    return true;
}

bool bridge_pump(int epoll, Bridge *bridge)
{
    bool finished = true;
    for (int i = 0; i < 2; i++) {
        BridgeEnd *end = &bridge->ends[i], *peer = &bridge->ends[1 - i];
        if (peer->is_gone)
            continue;                           /* nobody takes what this end sends */
        for (int rounds = 0; rounds < ROUNDS; rounds++) {
            bool was_empty = end->from == end->to;
            if (was_empty && !end->read_closed && !bridge_fill(end))
                return false;
            bool moved = was_empty && end->from < end->to;
            if (!drain(end))
                return false;
            if (!moved || end->from < end->to)
                break;
        }
        finished = finished && end->read_closed && end->from == end->to;
    }
    return !finished && bridge_rewatch(epoll, bridge);
}

bool bridge_event(int epoll, BridgeEnd *end, uint32_t events)
{
    end->is_gone = end->is_gone || (events & EPOLLHUP);
    return !(events & EPOLLERR) && bridge_pump(epoll, end->bridge);
}
