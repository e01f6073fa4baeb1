/* host.h - `vaultyard host` and `vaultyard clean`: the one privileged process, which makes local nodes.
 *
 * It has no network and obeys only `serve`: it listens on the Unix socket DIR/host/host.sock and takes typed, checked
 * messages (message.h) from the service's user and root. It outlives serve; nodes outlive it. What a node is lies in
 * DIR/host/nodes/<node id>/, so a new host process goes on where the old one, even killed, left off. */
#pragma once
#include "base/err.h"

typedef struct HostConfig {
    const char *data_dir;               /* made by `vaultyard init` run as root */
    const char *runtime;                /* OCI runtime: NULL for runc, else crun; a name or an absolute path */
    const char *image_dir;              /* whose usr/ the nodes see read-only; NULL: this machine's */
    const char *bin_dir;                /* where vaultyard-node and vaultyard-certs lie; NULL: beside this program */
    const char *const *node_command;    /* process 1 of a node; NULL: /opt/vaultyard/bin/vaultyard-node init */
} HostConfig;

/* Serves until SIGTERM or SIGINT, which leave the nodes running; then true. Prints "ready <socket path>" once it answers.
 * false: ERR_DENIED when not root, ERR_CONFLICT when another host serves the directory, ERR_BAD_INPUT when the directory
 * or the configuration cannot work. Takes over the process: new session, new network and mount namespaces, signals blocked. */
bool host_run(const HostConfig *config, Err *err) MUST_CHECK;

/* Starts argv (argv[0] an absolute path; "vaultyard host --data-dir DIR ...") as a process of its own session and control
 * group, so that neither the caller's end nor its service manager takes it along, and returns once it answers.
 * True at once if a host serves data_dir already. Its output goes to DIR/host/host.log. Root only. */
bool host_launch(const char *data_dir, const char *const *argv, Err *err) MUST_CHECK;

/* Runs argv ("vaultyard host --data-dir DIR ...") and runs it again whenever a signal killed it; its exit code once it ends by itself. */
int host_keep(const char *const *argv);

/* Starts argv ("vaultyard host-guard ...") as a child of this process, which ends when *lives_fd does: to be kept for as long as the caller lives. Root only. */
bool host_guard_start(const char *const *argv, int *lives_fd, Err *err) MUST_CHECK;

/* That child: launches host_argv again, as host_launch does, when the host of data_dir was killed and nobody else started another within
 * three seconds; so host and keeper may be killed together. A host that ended in order is left to whoever told it to. Returns once the standard
 * input has ended; false: ERR_BAD_INPUT at once. */
bool host_guard(const char *data_dir, const char *const *host_argv, Err *err) MUST_CHECK;

/* Removes every trace on this machine: the host process, containers, processes, mounts, control groups, node disks,
 * sockets. Needs no running host, works after a crash, may be repeated; prints a line for each thing removed. */
bool host_clean(const char *data_dir, Err *err) MUST_CHECK;
