/* instance.h - one installation as the privileged side sees it: its data directory, its names on this machine.
 *
 * DIR is root's and closed to others' writing, so that no path below it but DIR/store and DIR/run (the service's) can be
 * swapped under the host. On the machine an instance shows as /run/vaultyard-<8 hex>/ and the control group of that name. */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

typedef struct Instance {
    const char *data_dir;                   /* absolute */
    const char *host_dir, *nodes_dir;       /* DIR/host (root, 0711) and DIR/host/nodes */
    const char *site_dir;                   /* DIR/run/site: the service's; holds the server's Unix socket */
    const char *ca_path;                    /* DIR/ca.pem */
    const char *state_dir;                  /* /run/vaultyard-<8 hex>: gone after a reboot */
    const char *group;                      /* "vaultyard-<8 hex>": control group below each hierarchy's root */
    Str         id;                         /* 32 hex digits */
    uid_t       uid;                        /* the service's user, who may ask the host */
    gid_t       gid;
} Instance;

/* Reads DIR/instance.json, which `vaultyard init` wrote. ERR_NOT_FOUND when there is none, ERR_BAD_INPUT when it cannot be right. */
bool instance_read(Arena *arena, const char *data_dir, Instance *out, Err *err) MUST_CHECK;

/* The names that follow from an id alone; for `clean`, when instance.json is gone. uid and gid are left 0. */
bool instance_named(Arena *arena, const char *data_dir, Str id, Instance *out, Err *err) MUST_CHECK;

/* For `clean` after somebody deleted the data directory under its nodes: the host leaves a note of itself in its state
 * directory, and the lookup finds the note about data_dir. ERR_NOT_FOUND when no instance says so. */
bool instance_announce(const Instance *instance, Err *err) MUST_CHECK;
bool instance_lookup(Arena *arena, const char *data_dir, Instance *out, Err *err) MUST_CHECK;

/* Root's, nobody else writes to it, and everybody may pass through its parents (a node's root user is nobody special
 * here, and its disk lies below). ERR_BAD_INPUT with the directory and what mends it. */
bool instance_check_owner(const Instance *instance, Err *err) MUST_CHECK;
