/* lease_mark.h - until when the node's lease holds: eight bytes of shared memory that the agent writes and every keeper watches.
 *
 * So a run ends with the lease whether an agent lives or not (fencing: the server hands its task to another node soon after). The time
 * is CLOCK_BOOTTIME, which goes on while the machine sleeps; the file lies in /run, which is empty when a node starts. */
#pragma once
#include <stdatomic.h>
#include "base/err.h"
#include <stdint.h>

typedef struct LeaseMark { _Atomic int64_t until_ms; } LeaseMark;      /* 0: no lease */

int64_t boot_now_ms(void);
/* Mapped for this process; the writer makes the file, with no lease in it, when it is not there. */
bool lease_mark_open(const char *path, bool for_writing, LeaseMark **out, Err *err) MUST_CHECK;
void lease_mark_close(LeaseMark *mark);
