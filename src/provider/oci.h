/* oci.h - a node as an OCI runtime configuration (config.json; opencontainers/runtime-spec 1.0.2, config.md and config-linux.md). */
#pragma once
#include "base/buf.h"
#include "provider/vmsize.h"

typedef struct OciPlan {
    Str                host_name;
    const char        *root;                /* absolute: the node's root file system */
    const char        *image_dir;           /* whose usr/ is mounted read-only */
    const char        *site_mount;          /* directory that holds the server's socket, checked by the host */
    const char        *bin_dir;             /* vaultyard-node and, if there, vaultyard-certs */
    bool               has_certs, has_vy;
    const char *const *command;             /* process 1; NULL-terminated */
    uint32_t           first_id;
    VmSize             size;
    const char        *group;               /* control group, relative: "vaultyard-01234567/node1" */
    bool               limits_swap;
    uint64_t           open_files_max;      /* no more than this process may have: root in a user namespace cannot raise it */
} OciPlan;

bool oci_write(const OciPlan *plan, Buf *out, Err *err) MUST_CHECK;
