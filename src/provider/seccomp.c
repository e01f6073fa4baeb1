/* seccomp.c - what is refused: calls that reach the kernel's parts which no namespace divides, or that open the way to
 * capabilities which a node does not have. User and control group namespaces of its own would give it mounts again, so
 * CLONE_NEW* is refused in clone and unshare; clone3 hides its flags in memory, and answers ENOSYS so that libraries fall back. */
#include "provider/seccomp.h"
#include <errno.h>
#include <linux/sched.h>

static const char *const refused[] = {
    "acct", "add_key", "bpf", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "create_module", "delete_module",
    "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
    "mount", "mount_setattr", "move_mount", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root",
    "query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "setns", "settimeofday", "stime", "swapoff", "swapon", "sysfs",
    "syslog", "umount", "umount2", "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old",
};

static const uint64_t namespace_flags[] = {
    CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME,
};

static void architectures_write(JsonWriter *w)
{
#if defined(__x86_64__)
    static const char *const names[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
#elif defined(__aarch64__)
    static const char *const names[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM" };
#else
#error "name this machine's architectures as libseccomp does, or its nodes would run unfiltered"
#endif
    json_open_array(w, "architectures");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        json_put_str(w, NULL, str_from(names[i]));
    json_close_array(w);
}

/* The mask of the first argument in which the flag is set: clone's and unshare's flags. CLONE_NEWTIME lies among
 * clone's signal bits, so there it means nothing. */
static void refuse_namespace(JsonWriter *w, const char *call, uint64_t flag)
{
    json_open(w, NULL);
    json_open_array(w, "names");
    json_put_str(w, NULL, str_from(call));
    json_close_array(w);
    json_put_str(w, "action", STR("SCMP_ACT_ERRNO"));
    json_put_int(w, "errnoRet", EPERM);
    json_open_array(w, "args");
    json_open(w, NULL);
    json_put_int(w, "index", 0);
    json_put_int(w, "value", (int64_t)flag);
    json_put_int(w, "valueTwo", (int64_t)flag);
    json_put_str(w, "op", STR("SCMP_CMP_MASKED_EQ"));
    json_close(w);
    json_close_array(w);
    json_close(w);
}

static void refuse(JsonWriter *w, const char *const *names, size_t count, int error)
{
    json_open(w, NULL);
    json_open_array(w, "names");
    for (size_t i = 0; i < count; i++)
        json_put_str(w, NULL, str_from(names[i]));
    json_close_array(w);
    json_put_str(w, "action", STR("SCMP_ACT_ERRNO"));
    json_put_int(w, "errnoRet", error);
    json_close(w);
}

void seccomp_write(JsonWriter *w)
{
    json_open(w, "seccomp");
    json_put_str(w, "defaultAction", STR("SCMP_ACT_ALLOW"));
    architectures_write(w);
    json_open_array(w, "syscalls");
    refuse(w, refused, COUNT_OF(refused), EPERM);
    refuse(w, (const char *const[]){ "clone3" }, 1, ENOSYS);
    for (size_t i = 0; i < COUNT_OF(namespace_flags); i++) {
        refuse_namespace(w, "unshare", namespace_flags[i]);
        if (namespace_flags[i] != CLONE_NEWTIME)
            refuse_namespace(w, "clone", namespace_flags[i]);
    }
    json_close_array(w);
    json_close(w);
}
