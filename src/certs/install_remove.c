/* install_remove.c - what a certificate that is no longer observed leaves behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "certs/install.h"

static bool has_kind(const Observed *observed, bool is_dir) { return (observed->files & (is_dir ? FILES_SEPARATE : FILE_PEM)) != 0; }

static bool is_link_wanted(const Observed *left, bool is_dir, const Observed *observed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(observed[i].store_dir, left->store_dir) && str_eq(observed[i].link_name, left->link_name) && has_kind(&observed[i], is_dir))
            return true;
    return false;
}

/* By vault and name alone: they are what files are named by. */
static bool is_file_wanted(const Observed *left, bool is_dir, const Observed *observed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(observed[i].store_dir, left->store_dir) && str_eq(observed[i].vault, left->vault) && str_eq(observed[i].name, left->name) && has_kind(&observed[i], is_dir))
            return true;
    return false;
}

/* A link of that name which leads elsewhere is somebody else's. */
static bool remove_link(Arena *arena, const Observed *left, bool is_dir, FILE *plan, Err *err)
{
    char target[PATH_MAX];
    Str link = str_printf(arena, STR_FMT "/" STR_FMT "%s", STR_ARG(left->store_dir), STR_ARG(left->link_name), is_dir ? ".d" : ""), prefix = installed_prefix(arena, left);
    if (!link.ptr || !prefix.ptr)
        return err_too_big(err);
    ssize_t len = readlink(link.ptr, target, sizeof target - 1);
    if (len <= 0)
        return true;
    target[len] = '\0';
    const char *base = strrchr(target, '/');
    if (!installed_parse(str_from(base ? base + 1 : target), prefix).version.ptr)
        return true;
    if (plan)
        return fprintf(plan, STR_FMT " would be removed\n", STR_ARG(link)) > 0;
    return unlink(link.ptr) == 0 || errno == ENOENT || err_errno(err, "cannot remove " STR_FMT, STR_ARG(link));
}

static bool remove_files(Arena *arena, const Observed *left, const bool wanted[2], FILE *plan, Err *err)
{
    Str prefix = installed_prefix(arena, left);
    char *path = str_to_cstr(arena, left->store_dir, err);
    if (!prefix.ptr || !path)
        return err_too_big(err);
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT || err_errno(err, "cannot read %s", path);
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        struct stat st;
        Str name = str_from(entry->d_name);
        if (!installed_parse(name, prefix).version.ptr || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode) || wanted[S_ISDIR(st.st_mode)])
            continue;
        Str file = str_printf(arena, "%s/" STR_FMT, path, STR_ARG(name));
        if (plan)
            (void)fprintf(plan, STR_FMT " would be removed\n", STR_ARG(file));
        else
            done = file.ptr ? dir_remove_tree(file.ptr, err) : err_too_big(err);
    }
    (void)closedir(dir);
    return done && (plan || dir_sync(path, err));
}

bool install_remove(Arena *arena, const Observed *left, const Observed *observed, size_t count, FILE *plan, Err *err)
{
    bool wanted[2] = { is_file_wanted(left, false, observed, count), is_file_wanted(left, true, observed, count) };
    for (int is_dir = 0; is_dir < 2; is_dir++)
        if (!is_link_wanted(left, is_dir, observed, count) && !remove_link(arena, left, is_dir, plan, err))
            return false;
    return (wanted[0] && wanted[1]) || remove_files(arena, left, wanted, plan, err);
}
