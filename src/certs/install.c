/* install.c - file first, link second, older files last. */
#include "certs/install.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"

enum { KEEP_VERSIONS = 2 };

static Str file_prefix(Arena *arena, const Observed *observed)
{
    return str_printf(arena, STR_FMT "." STR_FMT ".", STR_ARG(observed->vault), STR_ARG(observed->name));
}

/* What stands between the prefix and the next dot of "<vault>.<name>.<version>.<nbf>.<exp>.PEM"; absent for other names. */
static Str version_in(Str file, Str prefix)
{
    if (!str_starts(file, prefix) || !str_ends(file, STR(".PEM")))
        return STR_NONE;
    Str rest = str_slice(file, prefix.len, file.len);
    Str version = str_cut(&rest, '.');
    return rest.ptr ? version : STR_NONE;
}

Str installed_version(Arena *arena, const Observed *observed)
{
    Str link = str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(observed->store_dir), STR_ARG(observed->link_name));
    char target[PATH_MAX];
    if (!link.ptr)
        return STR_NONE;
    ssize_t len = readlink(link.ptr, target, sizeof target - 1);
    if (len <= 0 || access(link.ptr, R_OK) != 0)       /* a dangling link is as good as none: the file is fetched again */
        return STR_NONE;
    target[len] = '\0';
    const char *base = strrchr(target, '/');
    return str_dup(arena, version_in(str_from(base ? base + 1 : target), file_prefix(arena, observed)));
}

static bool move_link(Arena *arena, const Observed *observed, const char *target, Err *err)
{
    Str link = str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(observed->store_dir), STR_ARG(observed->link_name));
    Str fresh = str_printf(arena, STR_FMT "." STR_FMT ".tmp", STR_ARG(link), STR_ARG(hex_id_new(arena, 8)));
    char *dir = str_to_cstr(arena, observed->store_dir, err);
    if (!link.ptr || !fresh.ptr || !dir)
        return err_too_big(err);
    if (symlink(target, fresh.ptr) < 0)
        return err_errno(err, "cannot make the link " STR_FMT, STR_ARG(link));
    if (rename(fresh.ptr, link.ptr) < 0) {
        (void)err_errno(err, "cannot move the link " STR_FMT, STR_ARG(link));
        (void)unlink(fresh.ptr);
        return false;
    }
    return dir_sync(dir, err);
}

typedef struct Kept { Str name; struct timespec made; } Kept;

static int newest_first(const void *a, const void *b)
{
    const Kept *left = a, *right = b;
    if (left->made.tv_sec != right->made.tv_sec)
        return left->made.tv_sec < right->made.tv_sec ? 1 : -1;
    return (left->made.tv_nsec < right->made.tv_nsec) - (left->made.tv_nsec > right->made.tv_nsec);
}

/* Only files of this certificate, never the one the link points to. A failure leaves files behind, which is no error. */
static void drop_old(Arena *arena, const Observed *observed, Str current_file)
{
    enum { SEEN_MAX = 256 };
    Kept kept[SEEN_MAX];
    size_t count = 0;
    Str prefix = file_prefix(arena, observed);
    Err ignored;
    char *dir_path = str_to_cstr(arena, observed->store_dir, &ignored);
    DIR *dir = dir_path ? opendir(dir_path) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; count < SEEN_MAX && (entry = readdir(dir));) {
        struct stat st;
        Str name = str_from(entry->d_name);
        if (!version_in(name, prefix).ptr || str_eq(name, current_file) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        kept[count++] = (Kept){ str_dup(arena, name), st.st_mtim };
    }
    qsort(kept, count, sizeof *kept, newest_first);
    for (size_t i = KEEP_VERSIONS - 1; i < count; i++)
        if (kept[i].name.ptr)
            (void)unlinkat(dirfd(dir), kept[i].name.ptr, 0);
    (void)closedir(dir);
}

bool install_certificate(Arena *arena, const Observed *observed, const Fetched *fetched, bool *changed, Err *err)
{
    *changed = false;
    if (str_eq(installed_version(arena, observed), fetched->version))
        return true;
    AUTO(secret_free_auto) Secret *pem = NULL;
    Str file = str_printf(arena, STR_FMT STR_FMT ".%lld.%lld.PEM", STR_ARG(file_prefix(arena, observed)), STR_ARG(fetched->version),
                          (long long)(fetched->leaf.not_before_ms / 1000), (long long)(fetched->leaf.not_after_ms / 1000));
    Str path = str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(observed->store_dir), STR_ARG(file));
    char *dir = str_to_cstr(arena, observed->store_dir, err);
    if (!dir || !path.ptr)
        return err_too_big(err);
    struct stat st;
    bool is_new = lstat(dir, &st) < 0;
    if (!dir_make(dir, 0755, err))
        return false;
    if (is_new && chmod(dir, 0700) < 0)                   /* parents stay searchable, the store itself is root's alone */
        return err_errno(err, "cannot protect %s", dir);
    if (!bundle_write_pem(&fetched->bundle, false, &pem, err) || !file_replace(path.ptr, secret_bytes(pem), 0600, (uid_t)-1, (gid_t)-1, err) ||
        !move_link(arena, observed, path.ptr, err))
        return false;
    *changed = true;
    drop_old(arena, observed, file);
    return true;
}
