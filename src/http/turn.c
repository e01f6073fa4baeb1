/* turn.c - whose turn it is on an event loop. While nobody is called nobody waits. */
#include "http/turn.h"
#include <time.h>
#include "http/work.h"

/* An RSA-2048 signature takes 0.3 ms. What ended less than PAUSE ago may have been in the same round of the loop. */
enum { BURST_NS = 1000 * 1000, PAUSE_NS = 1000 * 1000 };

static int64_t mono_now_ns(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* There is a loop a core: another one with nothing to compute, or with far less, leaves its core to a worker. */
static bool has_better_place(const Request *request, int64_t now)
{
    const HttpServer *server = request->server;
    int waiting = atomic_load_explicit(&request->loop->turns.waiting_count, memory_order_relaxed);
    if (waiting >= WORK_QUEUE_MAX)
        return true;                            /* where too many are refused */
    for (int i = 0; i < server->loop_count; i++) {
        const Turns *other = &server->loops[i].turns;
        int others = atomic_load_explicit(&other->waiting_count, memory_order_relaxed);
        bool is_idle = others == 0 && now - atomic_load_explicit(&other->over_ns, memory_order_relaxed) > PAUSE_NS;
        if (&server->loops[i] != request->loop && (is_idle || waiting > 4 + 2 * others))
            return true;
    }
    return false;
}

TurnAnswer turn_ask(const Request *request)
{
    Turns *turns = &request->loop->turns;
    int64_t now = mono_now_ns();
    if (turns->called)
        return has_better_place(request, now) ? TURN_WORKER : TURN_WAITS;
    if (now - atomic_load_explicit(&turns->over_ns, memory_order_relaxed) > PAUSE_NS)
        turns->burst_ns = 0;
    return turns->burst_ns < BURST_NS ? TURN_NOW : TURN_WAITS;
}

static void call_next(Turns *turns)
{
    Request *next = STAILQ_FIRST(&turns->waiting);
    turns->called = next;
    if (!next)
        return;
    STAILQ_REMOVE_HEAD(&turns->waiting, work_link);
    atomic_fetch_sub_explicit(&turns->waiting_count, 1, memory_order_relaxed);
    MHD_resume_connection(next->connection);    /* by this very thread: it comes back in the next round */
}

void turn_wait(Request *request)
{
    Turns *turns = &request->loop->turns;
    STAILQ_INSERT_TAIL(&turns->waiting, request, work_link);
    atomic_fetch_add_explicit(&turns->waiting_count, 1, memory_order_relaxed);
    if (!turns->called)
        call_next(turns);
}

void turn_begin(Request *request)
{
    Turns *turns = &request->loop->turns;
    turns->began_ns = mono_now_ns();
    if (turns->called == request)
        turns->burst_ns = 0;                    /* a new round began */
}

void turn_end(Request *request)
{
    Turns *turns = &request->loop->turns;
    int64_t now = mono_now_ns();
    turns->burst_ns += now - turns->began_ns;
    atomic_store_explicit(&turns->over_ns, now, memory_order_relaxed);
    if (turns->called == request)
        call_next(turns);
}

void turn_leave(Request *request)
{
    Turns *turns = &request->loop->turns;
    if (turns->called == request) {
        call_next(turns);
        return;
    }
    STAILQ_REMOVE(&turns->waiting, request, Request, work_link);
    atomic_fetch_sub_explicit(&turns->waiting_count, 1, memory_order_relaxed);
}
