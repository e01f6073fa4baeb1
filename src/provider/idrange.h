/* idrange.h - the 65,536 user and group ids of this machine that a node's ids 0..65535 stand for.
 *
 * Ranges come from 1879048192..2147352575 (0x70000000 up), which systemd's list of ids (systemd.io/UIDS-GIDS) leaves
 * unused, and keep clear of /etc/subuid, /etc/subgid and the users and groups of the machine. Instances on one machine
 * see each other's ranges as claims: files /run/vaultyard-<8 hex>/ids/<first id>, made under a lock on /run. A node keeps
 * its range for life; it is remembered with the node on disk and claimed again after a reboot. */
#pragma once
#include "base/arena.h"

enum { ID_RANGE_SIZE = 65536 };
#define ID_RANGE_FIRST UINT32_C(1879048192)
#define ID_RANGE_LAST  UINT32_C(2147352575)

typedef struct IdSpan { uint32_t first; uint64_t count; } IdSpan;

/* The first free range at or after `wish` (wrapping round) that touches none of taken. ERR_UNAVAILABLE when all are in use. */
bool id_range_pick(const IdSpan *taken, size_t taken_count, uint32_t wish, uint32_t *first, Err *err) MUST_CHECK;

/* The spans of a file's lines: subuid(5) "name:first:count", or passwd(5) and group(5), "name:x:id:...", as spans of one. Other lines are skipped. */
bool id_spans_parse_sub(Arena *arena, Str text, IdSpan **out, size_t *count, Err *err) MUST_CHECK;
bool id_spans_parse_users(Arena *arena, Str text, IdSpan **out, size_t *count, Err *err) MUST_CHECK;

/* Claims a free range for the instance whose state directory is given. */
bool id_range_claim(const char *state_dir, uint32_t *first, Err *err) MUST_CHECK;
/* Claims this very range again. *got: false when another instance has it by now. */
bool id_range_reclaim(const char *state_dir, uint32_t first, bool *got, Err *err) MUST_CHECK;
void id_range_release(const char *state_dir, uint32_t first);
