/* rootfs.h - the root file system of a node: plain directories of its own on disk, with the machine's (or an image's)
 * /usr mounted read-only over it by the container.
 *
 * Nothing but /usr and the listed, world-readable parts of /etc come from the machine. May be repeated for a node that was
 * stopped: what we own is written again, what the node made (users, homes, /var) stays, /run and /tmp start empty. */
#pragma once
#include "base/arena.h"

typedef struct RootPlan {
    const char *root;                       /* directory; made if absent */
    const char *image_dir;                  /* "/" for this machine */
    const char *ca_path;                    /* the site's CA certificate */
    uint32_t    first_id;                   /* what the node's id 0 is on this machine */
    Str         host_name;
    Str         join_json;
} RootPlan;

bool rootfs_build(const RootPlan *plan, Err *err) MUST_CHECK;

/* Calls fn for each of bin, sbin, lib... that the image has beside usr/: link is its target, or NULL for a directory of its own. */
bool rootfs_top_dirs(const char *image_dir, bool (*fn)(const char *name, const char *link, void *ctx, Err *err), void *ctx, Err *err) MUST_CHECK;
