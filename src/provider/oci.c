/* oci.c - writing a node's config.json. */
#include "provider/oci.h"
#include <limits.h>
#include <stdio.h>
#include "json/write.h"
#include "provider/idrange.h"
#include "provider/rootfs.h"
#include "provider/seccomp.h"

enum { CPU_PERIOD_US = 100000, SHARES_PER_CORE = 1024, PROCESSES_PER_CORE = 4096, PROCESSES_MAX = 65536, OPEN_FILES_MAX = 1048576 };
enum { OOM_SCORE = 300 };                       /* when the machine runs out of memory, a node goes before the server */

/* What an administrator of a node needs inside it. Over its own user namespace only: outside they count for nothing. */
static const char *const capabilities[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_SETGID",
    "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
};

static const char *const namespaces[] = { "user", "pid", "network", "ipc", "uts", "mount", "cgroup" };

static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
};

/* runc's own defaults (`runc spec`) and what container engines add to them. */
static const char *const masked_paths[] = {
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
};
static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

typedef struct Mount { const char *destination, *type, *source; const char *options[8]; } Mount;
static const Mount kernel_mounts[] = {
    { "/proc",          "proc",   "proc",   { "nosuid", "noexec", "nodev" } },
    { "/dev",           "tmpfs",  "tmpfs",  { "nosuid", "strictatime", "mode=755", "size=65536k" } },
    { "/dev/pts",       "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
    { "/dev/shm",       "tmpfs",  "shm",    { "nosuid", "nodev", "mode=1777" } },      /* counts as the node's memory */
    { "/dev/mqueue",    "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
    { "/sys",           "sysfs",  "sysfs",  { "nosuid", "noexec", "nodev", "ro" } },
    { "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static void put_strings(JsonWriter *w, const char *name, const char *const *texts, size_t count)
{
    json_open_array(w, name);
    for (size_t i = 0; i < count && texts[i]; i++)
        json_put_str(w, NULL, str_from(texts[i]));
    json_close_array(w);
}

static void put_mount(JsonWriter *w, const Mount *mount)
{
    json_open(w, NULL);
    json_put_str(w, "destination", str_from(mount->destination));
    json_put_str(w, "type", str_from(mount->type));
    json_put_str(w, "source", str_from(mount->source));
    put_strings(w, "options", mount->options, COUNT_OF(mount->options));
    json_close(w);
}

/* rbind and rro: a submount of the image is neither missed nor left writable. */
static bool put_image_mount(JsonWriter *w, const char *image_dir, const char *name, Err *err)
{
    char source[PATH_MAX], destination[64];
    if ((size_t)snprintf(source, sizeof source, "%s/%s", strcmp(image_dir, "/") == 0 ? "" : image_dir, name) >= sizeof source)
        return err_set(err, ERR_BAD_INPUT, "the image directory %.60s... has too long a path", image_dir);
    (void)snprintf(destination, sizeof destination, "/%s", name);
    put_mount(w, &(Mount){ destination, "bind", source, { "rbind", "rro", "nosuid", "nodev" } });
    return true;
}

typedef struct TopDirs { JsonWriter *w; const char *image_dir; } TopDirs;

static bool put_top_dir(const char *name, const char *link, void *ctx, Err *err)
{
    TopDirs *top = ctx;
    return link || put_image_mount(top->w, top->image_dir, name, err);
}

static bool put_program(JsonWriter *w, const char *bin_dir, const char *name, Err *err)
{
    char source[PATH_MAX], destination[64];
    if ((size_t)snprintf(source, sizeof source, "%s/%s", bin_dir, name) >= sizeof source)
        return err_set(err, ERR_BAD_INPUT, "the program directory %.60s... has too long a path", bin_dir);
    (void)snprintf(destination, sizeof destination, "/opt/vaultyard/bin/%s", name);
    put_mount(w, &(Mount){ destination, "bind", source, { "bind", "ro", "nosuid", "nodev" } });
    return true;
}

static bool put_mounts(JsonWriter *w, const OciPlan *plan, Err *err)
{
    json_open_array(w, "mounts");
    TopDirs top = { w, plan->image_dir };
    if (!put_image_mount(w, plan->image_dir, "usr", err) || !rootfs_top_dirs(plan->image_dir, put_top_dir, &top, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(kernel_mounts); i++)
        put_mount(w, &kernel_mounts[i]);
    /* Read-only: connecting to a socket needs no writable mount. */
    put_mount(w, &(Mount){ "/run/vaultyard/site", "bind", plan->site_mount, { "bind", "ro", "nosuid", "nodev", "noexec" } });
    if (!put_program(w, plan->bin_dir, "vaultyard-node", err) ||
        (plan->has_certs && !put_program(w, plan->bin_dir, "vaultyard-certs", err)) ||
        (plan->has_vy && !put_program(w, plan->bin_dir, "vy", err)))
        return false;
    json_close_array(w);
    return true;
}

static void put_limit(JsonWriter *w, const char *type, uint64_t value)
{
    json_open(w, NULL);
    json_put_str(w, "type", str_from(type));
    json_put_int(w, "hard", (int64_t)value);
    json_put_int(w, "soft", (int64_t)value);
    json_close(w);
}

static void put_process(JsonWriter *w, const OciPlan *plan)
{
    static const char *const sets[] = { "bounding", "effective", "permitted" };
    size_t words = 0;
    while (plan->command[words])
        words++;
    json_open(w, "process");
    json_put_bool(w, "terminal", false);
    json_open(w, "user");
    json_put_int(w, "uid", 0);
    json_put_int(w, "gid", 0);
    json_close(w);
    put_strings(w, "args", plan->command, words);
    put_strings(w, "env", environment, COUNT_OF(environment));
    json_put_str(w, "cwd", STR("/"));
    json_open(w, "capabilities");
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        put_strings(w, sets[i], capabilities, COUNT_OF(capabilities));
    json_close(w);
    json_open_array(w, "rlimits");
    put_limit(w, "RLIMIT_NOFILE", plan->open_files_max < OPEN_FILES_MAX ? plan->open_files_max : OPEN_FILES_MAX);
    put_limit(w, "RLIMIT_CORE", 0);
    json_close_array(w);
    /* Tasks change users by setuid(2) from root. Set-user-id programs of /usr belong to nobody here and lie on a nosuid
     * mount; the agent sets no_new_privs for those tasks that are not an administrator's. */
    json_put_bool(w, "noNewPrivileges", false);
    json_put_int(w, "oomScoreAdj", OOM_SCORE);
    json_close(w);
}

static void put_id_mapping(JsonWriter *w, const char *name, uint32_t first_id)
{
    json_open_array(w, name);
    json_open(w, NULL);
    json_put_int(w, "containerID", 0);
    json_put_int(w, "hostID", first_id);
    json_put_int(w, "size", ID_RANGE_SIZE);
    json_close(w);
    json_close_array(w);
}

static void put_resources(JsonWriter *w, const OciPlan *plan)
{
    int64_t processes = (int64_t)plan->size.cores * PROCESSES_PER_CORE;
    json_open(w, "resources");
    json_open_array(w, "devices");                      /* all refused; the runtime allows the standard ones */
    json_open(w, NULL);
    json_put_bool(w, "allow", false);
    json_put_str(w, "access", STR("rwm"));
    json_close(w);
    json_close_array(w);
    json_open(w, "memory");
    json_put_int(w, "limit", plan->size.memory_bytes);
    if (plan->limits_swap)
        json_put_int(w, "swap", plan->size.memory_bytes);       /* memory and swap together: no swap */
    json_close(w);
    json_open(w, "cpu");
    json_put_int(w, "period", CPU_PERIOD_US);
    json_put_int(w, "quota", (int64_t)plan->size.cores * CPU_PERIOD_US);
    json_put_int(w, "shares", (int64_t)plan->size.cores * SHARES_PER_CORE);
    json_close(w);
    json_open(w, "pids");
    json_put_int(w, "limit", processes < PROCESSES_MAX ? processes : PROCESSES_MAX);
    json_close(w);
    json_close(w);
}

static void put_linux(JsonWriter *w, const OciPlan *plan)
{
    char group[PATH_MAX];
    (void)snprintf(group, sizeof group, "/%s", plan->group);    /* absolute: not below the group of this process */
    json_open(w, "linux");
    put_id_mapping(w, "uidMappings", plan->first_id);
    put_id_mapping(w, "gidMappings", plan->first_id);
    json_open_array(w, "namespaces");
    for (size_t i = 0; i < COUNT_OF(namespaces); i++) {
        json_open(w, NULL);
        json_put_str(w, "type", str_from(namespaces[i]));
        json_close(w);
    }
    json_close_array(w);
    json_put_str(w, "cgroupsPath", str_from(group));
    put_resources(w, plan);
    put_strings(w, "maskedPaths", masked_paths, COUNT_OF(masked_paths));
    put_strings(w, "readonlyPaths", readonly_paths, COUNT_OF(readonly_paths));
    seccomp_write(w);
    json_close(w);
}

bool oci_write(const OciPlan *plan, Buf *out, Err *err)
{
    JsonWriter w;
    json_begin(&w, out);
    json_open(&w, NULL);
    json_put_str(&w, "ociVersion", STR("1.0.2"));
    json_put_str(&w, "hostname", plan->host_name);
    json_open(&w, "root");
    json_put_str(&w, "path", str_from(plan->root));
    json_put_bool(&w, "readonly", false);
    json_close(&w);
    put_process(&w, plan);
    if (!put_mounts(&w, plan, err))
        return false;
    put_linux(&w, plan);
    json_close(&w);
    return json_end(&w, err);
}
