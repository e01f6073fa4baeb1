/* rootfs.c - making a node's directories and its /etc. */
#include "provider/rootfs.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "provider/tree.h"

enum { CA_BYTES_MAX = 256 * 1024, BUNDLE_BYTES_MAX = 8 * 1024 * 1024, MACHINE_ID_DIGITS = 32, GID_SHADOW = 42 };

typedef struct OwnDir { const char *path; mode_t mode; } OwnDir;
static const OwnDir own_dirs[] = {                      /* parents first */
    { "etc", 0755 }, { "etc/ssl", 0755 }, { "etc/ssl/certs", 0755 }, { "etc/ssl/private", 0700 }, { "etc/vaultyard", 0755 },
    { "etc/pam.d", 0755 }, { "etc/sudoers.d", 0750 }, { "etc/skel", 0755 }, { "etc/default", 0755 }, { "etc/profile.d", 0755 }, { "etc/security", 0755 },
    { "var", 0755 }, { "var/cache", 0755 }, { "var/lib", 0755 }, { "var/lib/waagent", 0700 }, { "var/log", 0755 }, { "var/mail", 0755 },
    { "var/spool", 0755 }, { "var/tmp", 01777 },
    { "home", 0755 }, { "root", 0700 }, { "tmp", 01777 }, { "mnt", 0755 }, { "mnt/batch", 0755 }, { "srv", 0755 },
    { "opt", 0755 }, { "opt/vaultyard", 0755 }, { "opt/vaultyard/bin", 0755 },
    { "usr", 0755 }, { "proc", 0755 }, { "sys", 0755 }, { "dev", 0755 },
    { "run", 0755 }, { "run/lock", 01777 }, { "run/vaultyard", 0755 }, { "run/vaultyard/site", 0755 },
};

static const struct { const char *path, *target; } own_links[] = {
    { "etc/mtab", "../proc/self/mounts" },
    { "etc/localtime", "/usr/share/zoneinfo/Etc/UTC" },  /* as the machines of the real service */
    { "var/run", "/run" },
    { "var/lock", "/run/lock" },
};

/* What programs below /usr look for in /etc, and that says nothing about this machine. A '*' at the end: any such name. */
static const char *const copied[] = {
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "protocols", "services", "rpc", "ethertypes", "gai.conf", "locale.alias",
    "mime.types", "magic", "magic.mime", "shells", "terminfo", "xattr.conf", "debian_version", "os-release", "lsb-release", "ssl/openssl.cnf",
    "perl", "python3*", "java-*",
};

/* Users may be added by the node: written only when absent or, after a power cut, empty. */
static const char passwd[] =
    "root:x:0:0:root:/root:/bin/bash\n"
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
    "sys:x:3:3:sys:/dev:/usr/sbin/nologin\n"
    "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin\n"
    "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    "backup:x:34:34:backup:/var/backups:/usr/sbin/nologin\n"
    "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char shadow[] =
    "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\nsys:*:19000:0:99999:7:::\nman:*:19000:0:99999:7:::\n"
    "mail:*:19000:0:99999:7:::\nwww-data:*:19000:0:99999:7:::\nbackup:*:19000:0:99999:7:::\n_apt:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n";
static const char group[] =
    "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\nman:x:12:\nsudo:x:27:\naudio:x:29:\nwww-data:x:33:\n"
    "backup:x:34:\nshadow:x:42:\nutmp:x:43:\nvideo:x:44:\nstaff:x:50:\nusers:x:100:\nnogroup:x:65534:\n";
static const char gshadow[] =
    "root:*::\ndaemon:*::\nbin:*::\nsys:*::\nadm:*::\ntty:*::\ndisk:*::\nmail:*::\nman:*::\nsudo:*::\naudio:*::\nwww-data:*::\n"
    "backup:*::\nshadow:*::\nutmp:*::\nvideo:*::\nstaff:*::\nusers:*::\nnogroup:*::\n";
static const char login_defs[] =
    "MAIL_DIR /var/mail\nENV_SUPATH PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nENV_PATH PATH=/usr/local/bin:/usr/bin:/bin\n"
    "UMASK 022\nUID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nSUB_UID_COUNT 0\nSUB_GID_COUNT 0\nUSERGROUPS_ENAB yes\nENCRYPT_METHOD SHA512\n";
static const char pam_root[] =
    "auth sufficient pam_rootok.so\nauth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\npassword required pam_unix.so sha512\n";
static const char pam_plain[] =
    "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\npassword required pam_unix.so sha512\n";
static const char profile[] =
    "PATH=/usr/local/bin:/usr/bin:/bin\n[ \"$(id -u)\" -ne 0 ] || PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n"
    "for part in /etc/profile.d/*.sh; do [ ! -r \"$part\" ] || . \"$part\"; done\nunset part\n";

typedef struct OwnFile { const char *path, *content; mode_t mode; gid_t gid; bool is_kept; } OwnFile;
static const OwnFile own_files[] = {
    { "etc/passwd",          passwd,     0644, 0,          true  },
    { "etc/group",           group,      0644, 0,          true  },
    { "etc/shadow",          shadow,     0640, GID_SHADOW, true  },
    { "etc/gshadow",         gshadow,    0640, GID_SHADOW, true  },
    { "etc/subuid",          "",         0644, 0,          true  },     /* a node's range has no room for ranges of its users */
    { "etc/subgid",          "",         0644, 0,          true  },
    { "etc/login.defs",      login_defs, 0644, 0,          false },
    { "etc/environment",     "LANG=C.UTF-8\n", 0644, 0,    true  },
    { "etc/profile",         profile,    0644, 0,          true  },
    { "etc/sudoers",         "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n@includedir /etc/sudoers.d\n", 0440, 0, true },
    { "etc/pam.d/other",     pam_plain,  0644, 0,          true  },
    { "etc/pam.d/login",     pam_plain,  0644, 0,          true  },
    { "etc/pam.d/passwd",    pam_plain,  0644, 0,          true  },
    { "etc/pam.d/sudo",      pam_plain,  0644, 0,          true  },
    { "etc/pam.d/chpasswd",  pam_root,   0644, 0,          true  },
    { "etc/pam.d/su",        pam_root,   0644, 0,          true  },
    { "etc/pam.d/su-l",      pam_root,   0644, 0,          true  },
    { "etc/pam.d/runuser",   pam_root,   0644, 0,          true  },
    { "etc/pam.d/runuser-l", pam_root,   0644, 0,          true  },
    { "etc/nsswitch.conf",                                  /* *.localhost is myhostname's, nothing leaves the node */
      "passwd: files\ngroup: files\nshadow: files\ngshadow: files\nhosts: files myhostname dns\nnetworks: files\n"
      "protocols: files\nservices: files\nethers: files\nrpc: files\n", 0644, 0, false },
    { "etc/host.conf",       "multi on\n", 0644, 0,        false },
    { "etc/resolv.conf",     "nameserver 127.0.0.1\n", 0644, 0, false },     /* the agent knows the site's names, and there are no others */
    { "etc/security/limits.conf", "# none\n", 0644, 0,     true  },
    { "opt/vaultyard/bin/vaultyard-node",  "", 0755, 0,    false },     /* the programs are mounted over these */
    { "opt/vaultyard/bin/vaultyard-certs", "", 0755, 0,    false },
    { "opt/vaultyard/bin/vy",              "", 0755, 0,    false },     /* for scripts of tasks */
};

static bool make_dirs(Tree *tree, Err *err)
{
    for (size_t i = 0; i < COUNT_OF(own_dirs); i++)
        if (!tree_dir(tree, own_dirs[i].path, own_dirs[i].mode, err))
            return false;
    return true;
}

static bool make_files(Tree *tree, Err *err)
{
    for (size_t i = 0; i < COUNT_OF(own_links); i++)
        if (!tree_link(tree, own_links[i].path, own_links[i].target, err))
            return false;
    for (size_t i = 0; i < COUNT_OF(own_files); i++) {
        const OwnFile *file = &own_files[i];
        Str content = str_from(file->content);
        if (!(file->is_kept ? tree_file_once(tree, file->path, content, file->mode, 0, file->gid, err)
                            : tree_file(tree, file->path, content, file->mode, 0, file->gid, err)))
            return false;
    }
    return true;
}

static bool copy_name(Tree *tree, const char *image_dir, const char *name, Err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if ((size_t)snprintf(from, sizeof from, "%s/etc/%s", image_dir, name) >= sizeof from ||
        (size_t)snprintf(to, sizeof to, "etc/%s", name) >= sizeof to)
        return err_set(err, ERR_BAD_INPUT, "the image directory %.60s... has too long a path", image_dir);
    return tree_copy(tree, to, from, err);
}

static bool copy_matching(Tree *tree, const char *image_dir, Str prefix, Err *err)
{
    char etc[PATH_MAX];
    if ((size_t)snprintf(etc, sizeof etc, "%s/etc", image_dir) >= sizeof etc)
        return err_set(err, ERR_BAD_INPUT, "the image directory %.60s... has too long a path", image_dir);
    DIR *dir = opendir(etc);
    if (!dir)
        return errno == ENOENT || err_errno(err, "cannot list %s", etc);
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));)
        if (str_starts(str_from(entry->d_name), prefix))
            done = copy_name(tree, image_dir, entry->d_name, err);
    (void)closedir(dir);
    return done;
}

static bool copy_etc(Tree *tree, const char *image_dir, Err *err)
{
    for (size_t i = 0; i < COUNT_OF(copied); i++) {
        Str name = str_from(copied[i]);
        bool is_prefix = str_ends(name, STR("*"));
        if (!(is_prefix ? copy_matching(tree, image_dir, str_slice(name, 0, name.len - 1), err) : copy_name(tree, image_dir, copied[i], err)))
            return false;
    }
    return true;
}

static bool write_names(Tree *tree, Str host_name, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 4096);
    buf_printf(&text, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 " STR_FMT "\n", STR_ARG(host_name));
    if (!tree_file(tree, "etc/hosts", buf_str(&text), 0644, 0, 0, err))
        return false;
    buf_reset(&text);
    buf_printf(&text, STR_FMT "\n", STR_ARG(host_name));
    if (!tree_file(tree, "etc/hostname", buf_str(&text), 0644, 0, 0, err))
        return false;
    if (host_name.len < MACHINE_ID_DIGITS)
        return true;
    buf_reset(&text);                                   /* machine-id(5): 32 hex digits, and a node's name begins with such */
    buf_printf(&text, "%.*s\n", MACHINE_ID_DIGITS, host_name.ptr);
    return tree_file(tree, "etc/machine-id", buf_str(&text), 0444, 0, 0, err);
}

/* The bundle of the image and our CA behind it: programs in the node trust both. */
static bool write_trust(Tree *tree, const RootPlan *plan, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(BUNDLE_BYTES_MAX * 3);
    AUTO(buf_done_auto) Buf bundle = { 0 };
    char path[PATH_MAX];
    Str ca, machine = STR_NONE;
    buf_init(&bundle, BUNDLE_BYTES_MAX + CA_BYTES_MAX + 1);
    if (!arena)
        return err_too_big(err);
    if (!file_read(arena, plan->ca_path, CA_BYTES_MAX, &ca, err))
        return false;
    (void)snprintf(path, sizeof path, "%s/etc/ssl/certs/ca-certificates.crt", plan->image_dir);
    if (!file_read(arena, path, BUNDLE_BYTES_MAX, &machine, err) && err->code != ERR_NOT_FOUND)
        return false;
    buf_put_str(&bundle, machine);
    if (machine.len && !str_ends(machine, STR("\n")))
        buf_put_char(&bundle, '\n');
    buf_put_str(&bundle, ca);
    if (bundle.failed)
        return err_set(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path, BUNDLE_BYTES_MAX);
    return tree_file(tree, "etc/ssl/certs/ca-certificates.crt", buf_str(&bundle), 0644, 0, 0, err) &&
           tree_file(tree, "etc/vaultyard/ca.pem", ca, 0644, 0, 0, err);
}

static bool make_top_dir(const char *name, const char *link, void *ctx, Err *err)
{
    return link ? tree_link(ctx, name, link, err) : tree_dir(ctx, name, 0755, err);
}

bool rootfs_top_dirs(const char *image_dir, bool (*fn)(const char *name, const char *link, void *ctx, Err *err), void *ctx, Err *err)
{
    static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[PATH_MAX], link[PATH_MAX];
        struct stat st;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", image_dir, names[i]) >= sizeof path)
            return err_set(err, ERR_BAD_INPUT, "the image directory %.60s... has too long a path", image_dir);
        if (lstat(path, &st) < 0) {
            if (errno == ENOENT)
                continue;
            return err_errno(err, "cannot look at %s", path);
        }
        ssize_t len = S_ISLNK(st.st_mode) ? readlink(path, link, sizeof link - 1) : 0;
        if (len < 0)
            return err_errno(err, "cannot read link %s", path);
        link[len] = '\0';
        if (!fn(names[i], len ? link : NULL, ctx, err))
            return false;
    }
    return true;
}

bool rootfs_build(const RootPlan *plan, Err *err)
{
    AUTO(tree_close_auto) Tree tree = { .fd = -1 };
    if (mkdir(plan->root, 0755) == 0) {
        if (chown(plan->root, plan->first_id, plan->first_id) < 0 || chmod(plan->root, 0755) < 0)
            return err_errno(err, "cannot set up %s", plan->root);
    } else if (errno != EEXIST) {
        return err_errno(err, "cannot make %s", plan->root);
    }
    return tree_open(&tree, plan->root, plan->first_id, err) &&
           make_dirs(&tree, err) && tree_empty(&tree, "run", err) && tree_empty(&tree, "tmp", err) && make_dirs(&tree, err) &&
           rootfs_top_dirs(plan->image_dir, make_top_dir, &tree, err) &&
           copy_etc(&tree, plan->image_dir, err) && make_files(&tree, err) &&
           write_names(&tree, plan->host_name, err) && write_trust(&tree, plan, err) &&
           tree_file(&tree, "run/vaultyard/join.json", plan->join_json, 0600, 0, 0, err);
}
