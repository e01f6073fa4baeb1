/* wait.c - the watch of each thread. */
#include "base/wait.h"
#include <stddef.h>

static _Thread_local const WaitWatch *watched;

void wait_watch(const WaitWatch *watch) { watched = watch; }

void wait_begins(void)
{
    if (watched)
        watched->begins(watched->ctx);
}

void wait_ends(void)
{
    if (watched)
        watched->ends(watched->ctx);
}
