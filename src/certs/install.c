/* install.c - files first, links second, older files last. */
#include "certs/install.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "certs/account.h"

enum { PASSWORD_MAX_BYTES = 1024, TEMPORARY_AGE_S = 3600, GRANTS_MAX = 2 * ACLS_MAX + 2 };

static const struct { FileKind kind; const char *name; } separate_files[] = {
    { FILE_CERT, "cert.pem" }, { FILE_CHAIN, "chain.pem" }, { FILE_FULLCHAIN, "fullchain.pem" }, { FILE_KEY, "key.pem" }, { FILE_PKCS12, "cert.p12" },
};

/* One installation under way. */
typedef struct Install {
    Arena *arena;
    const Observed *observed;
    const Fetched *fetched;
    uid_t uid;
    gid_t gid;
    Grant readers[GRANTS_MAX];              /* of files */
    size_t reader_count;
    Str stem;                               /* "<vault>.<name>.<version>.<nbf>.<exp>" */
} Install;

Str installed_prefix(Arena *arena, const Observed *observed)
{
    return str_printf(arena, STR_FMT "." STR_FMT ".", STR_ARG(observed->vault), STR_ARG(observed->name));
}

static Str in_store(Arena *arena, const Observed *observed, Str name, const char *end)
{
    return str_printf(arena, STR_FMT "/" STR_FMT "%s", STR_ARG(observed->store_dir), STR_ARG(name), end);
}

/* "<vault>.<name>.<version>.<nbf>.<exp>", with ".PEM" behind it for a file. */
Installed installed_parse(Str file, Str prefix)
{
    Installed none = { 0 }, out = { 0 };
    Err ignored;
    if (str_ends(file, STR(".PEM")))
        file.len -= 4;
    if (!str_starts(file, prefix))
        return none;
    Str rest = str_slice(file, prefix.len, file.len), version = str_cut(&rest, '.'), begin = str_cut(&rest, '.');
    if (!version.len || !rest.ptr || !str_to_int64(begin, 0, INT64_MAX / 1000, &out.not_before_ms, &ignored) ||
        !str_to_int64(rest, 0, INT64_MAX / 1000, &out.not_after_ms, &ignored))
        return none;
    out.version = version;
    out.not_before_ms *= 1000;
    out.not_after_ms *= 1000;
    return out;
}

static Installed linked(Arena *arena, const Observed *observed, const char *end)
{
    char target[PATH_MAX];
    Str link = in_store(arena, observed, observed->link_name, end);
    ssize_t len = link.ptr ? readlink(link.ptr, target, sizeof target - 1) : -1;
    if (len <= 0)
        return (Installed){ 0 };
    target[len] = '\0';
    const char *base = strrchr(target, '/');
    Installed found = installed_parse(str_from(base ? base + 1 : target), installed_prefix(arena, observed));
    found.version = str_dup(arena, found.version);
    return found;
}

Installed installed_read(Arena *arena, const Observed *observed)
{
    return linked(arena, observed, observed->files & FILE_PEM ? "" : ".d");
}

/* There, and as the settings want it. Modes that nobody asked for are not looked at: people change them. */
static bool is_as_wanted(const Observed *observed, const char *path)
{
    struct stat st;
    uid_t uid;
    gid_t gid;
    Err ignored = { 0 };
    if (access(path, R_OK) != 0 || stat(path, &st) < 0 || !account_user(observed->owner, &uid, &ignored) || !account_group(observed->group, &gid, &ignored))
        return false;
    bool owned = (uid == (uid_t)-1 || uid == st.st_uid) && (gid == (gid_t)-1 || gid == st.st_gid);
    return owned && (observed->mode == 0600 || observed->acl_count > 0 || (st.st_mode & 0777) == observed->mode);
}

Str installed_version(Arena *arena, const Observed *observed)
{
    Installed have = installed_read(arena, observed);
    if (observed->must_remake)
        return STR_NONE;
    if ((observed->files & FILE_PEM) && (!have.version.ptr || !is_as_wanted(observed, in_store(arena, observed, observed->link_name, "").ptr)))
        return STR_NONE;                                /* a dangling link is as good as none: the file is fetched again */
    if (!(observed->files & FILES_SEPARATE))
        return have.version;
    if (!str_eq(linked(arena, observed, ".d").version, have.version))
        return STR_NONE;
    for (size_t i = 0; i < COUNT_OF(separate_files); i++)
        if ((observed->files & separate_files[i].kind) &&
            !is_as_wanted(observed, str_printf(arena, STR_FMT "/" STR_FMT ".d/%s", STR_ARG(observed->store_dir), STR_ARG(observed->link_name), separate_files[i].name).ptr))
            return STR_NONE;
    return have.version;
}

static bool move_link(Arena *arena, const Observed *observed, const char *end, const char *target, Err *err)
{
    Str link = in_store(arena, observed, observed->link_name, end);
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

static void drop(Arena *arena, const Observed *observed, Str name)
{
    Err ignored = { 0 };
    Str path = in_store(arena, observed, name, "");
    if (!path.ptr || !dir_remove_tree(path.ptr, &ignored))
        return;                                         /* a file as well; what cannot go now goes with the next version */
}

/* Only files of this certificate, never what a link points to; and temporaries that a killed agent left. A failure leaves files behind, which is no error. */
static void drop_old(Arena *arena, const Observed *observed, Str current, bool is_dir)
{
    enum { SEEN_MAX = 256 };
    Kept kept[SEEN_MAX];
    size_t count = 0;
    Str prefix = installed_prefix(arena, observed);
    Err ignored;
    char *dir_path = str_to_cstr(arena, observed->store_dir, &ignored);
    DIR *dir = dir_path ? opendir(dir_path) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; count < SEEN_MAX && (entry = readdir(dir));) {
        struct stat st;
        Str name = str_from(entry->d_name);
        if (!str_starts(name, prefix) || str_eq(name, current) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (str_ends(name, STR(".tmp")) && st.st_mtim.tv_sec < real_now_ms() / 1000 - TEMPORARY_AGE_S)
            drop(arena, observed, str_dup(arena, name));
        else if (installed_parse(name, prefix).version.ptr && S_ISDIR(st.st_mode) == is_dir && !S_ISLNK(st.st_mode))
            kept[count++] = (Kept){ str_dup(arena, name), st.st_mtim };
    }
    (void)closedir(dir);
    qsort(kept, count, sizeof *kept, newest_first);
    for (size_t i = (size_t)observed->keep_versions - 1; i < count; i++)
        if (kept[i].name.ptr)
            drop(arena, observed, kept[i].name);
}

/* Who reads besides owner and group: entries of the files' access lists. */
static bool find_readers(Install *in, Err *err)
{
    const Observed *observed = in->observed;
    for (size_t i = 0; i < observed->acl_count; i++) {
        uid_t uid;
        gid_t gid;
        const Reader *reader = &observed->acls[i];
        if (!account_user(reader->user.len ? reader->user : STR_NONE, &uid, err) || !account_group(reader->group.len ? reader->group : STR_NONE, &gid, err))
            return false;
        if (uid != (uid_t)-1)
            in->readers[in->reader_count++] = (Grant){ .id = uid, .perm = 4 };
        if (gid != (gid_t)-1)
            in->readers[in->reader_count++] = (Grant){ .is_group = true, .id = gid, .perm = 4 };
    }
    return account_user(observed->owner, &in->uid, err) && account_group(observed->group, &in->gid, err);
}

/* The store is root's alone (mode 0700); whoever may read a file may pass through it, and no more. */
static bool open_way(const Install *in, const char *dir, Err *err)
{
    Grant passing[GRANTS_MAX];
    size_t count = 0;
    struct stat st;
    if (stat(dir, &st) < 0)
        return err_errno(err, "cannot look at %s", dir);
    if (st.st_mode & 0001)
        return true;
    for (size_t i = 0; i < in->reader_count; i++)
        passing[count++] = (Grant){ in->readers[i].is_group, in->readers[i].id, 1 };
    if (in->uid != (uid_t)-1 && in->uid != st.st_uid)
        passing[count++] = (Grant){ .id = in->uid, .perm = 1 };
    if (in->gid != (gid_t)-1 && (in->observed->mode & 0040) && !(in->gid == st.st_gid && (st.st_mode & 0010)))
        passing[count++] = (Grant){ .is_group = true, .id = in->gid, .perm = 1 };
    return acl_grant(dir, passing, count, err);
}

static bool make_store(Install *in, Err *err)
{
    char *dir = str_to_cstr(in->arena, in->observed->store_dir, err);
    struct stat st;
    if (!dir)
        return err_too_big(err);
    bool is_new = lstat(dir, &st) < 0;
    if (!dir_make(dir, 0755, err))
        return false;
    if (is_new && chmod(dir, 0700) < 0)                   /* parents stay searchable, the store itself is root's alone */
        return err_errno(err, "cannot protect %s", dir);
    return open_way(in, dir, err);
}

static bool put_file(const Install *in, const char *path, Bytes content, Err *err)
{
    return file_replace(path, content, in->observed->mode, in->uid, in->gid, err) && acl_grant(path, in->readers, in->reader_count, err);
}

static bool put_pem(Install *in, Err *err)
{
    AUTO(secret_free_auto) Secret *pem = NULL;
    Str path = in_store(in->arena, in->observed, in->stem, ".PEM");
    return (path.ptr || err_too_big(err)) && bundle_write_pem(&in->fetched->bundle, false, &pem, err) && put_file(in, path.ptr, secret_bytes(pem), err);
}

static bool pkcs12_password(Arena *arena, const Observed *observed, Str *out, Err *err)
{
    *out = STR("");
    if (!observed->pkcs12_password_file.ptr)
        return true;
    char *path = str_to_cstr(arena, observed->pkcs12_password_file, err);
    Str text;
    if (!path || !file_read(arena, path, PASSWORD_MAX_BYTES, &text, err))
        return false;
    *out = str_cut(&text, '\n');
    return true;
}

/* What one separate file holds: certificates first..last of the chain, the key, or both in PKCS#12. */
static bool separate_content(const Install *in, FileKind kind, Secret **out, Err *err)
{
    const Bundle *bundle = &in->fetched->bundle;
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 1024 * 1024);
    if (kind == FILE_KEY) {
        Bundle alone = { .key = bundle->key };
        return bundle_write_pem(&alone, false, out, err);
    }
    if (kind == FILE_PKCS12) {
        Str password;
        bool done = pkcs12_password(in->arena, in->observed, &password, err) && bundle_write_pfx(bundle, password, out, err);
        if (in->observed->pkcs12_password_file.ptr && password.len)
            secret_wipe((void *)password.ptr, password.len);
        return done;
    }
    for (size_t i = kind == FILE_CHAIN ? 1 : 0; i < (kind == FILE_CERT ? 1 : bundle->count); i++)
        buf_put_str(&text, pem_of_cert(in->arena, bundle->certs[i]));
    *out = text.failed ? NULL : secret_copy(buf_bytes(&text));
    return *out || err_set(err, ERR_INTERNAL, "out of memory");
}

static bool fill_directory(const Install *in, const char *dir, Err *err)
{
    for (size_t i = 0; i < COUNT_OF(separate_files); i++) {
        AUTO(secret_free_auto) Secret *content = NULL;
        if (!(in->observed->files & separate_files[i].kind))
            continue;
        Str path = str_printf(in->arena, "%s/%s", dir, separate_files[i].name);
        if (!path.ptr)
            return err_too_big(err);
        if (!separate_content(in, separate_files[i].kind, &content, err) || !put_file(in, path.ptr, secret_bytes(content), err))
            return false;
    }
    if (chown(dir, in->uid, in->gid) < 0 || chmod(dir, 0700 | (in->observed->mode & 0040 ? 0050 : 0)) < 0)
        return err_errno(err, "cannot protect %s", dir);
    return open_way(in, dir, err) && dir_sync(dir, err);
}

/* Whole before it has its name; a directory of that name which is not as wanted is exchanged in one step, as readers may be in it. */
static bool put_directory(Install *in, Err *err)
{
    Str path = in_store(in->arena, in->observed, in->stem, "");
    Str fresh = str_printf(in->arena, STR_FMT "." STR_FMT ".tmp", STR_ARG(path), STR_ARG(hex_id_new(in->arena, 8)));
    Err ignored = { 0 };
    if (!path.ptr || !fresh.ptr)
        return err_too_big(err);
    if (mkdir(fresh.ptr, 0700) < 0)
        return err_errno(err, "cannot create directory " STR_FMT, STR_ARG(fresh));
    bool done = fill_directory(in, fresh.ptr, err);
    if (done && rename(fresh.ptr, path.ptr) < 0 && renameat2(AT_FDCWD, fresh.ptr, AT_FDCWD, path.ptr, RENAME_EXCHANGE) < 0)
        done = err_errno(err, "cannot put " STR_FMT " in place", STR_ARG(path));
    if (!dir_remove_tree(fresh.ptr, &ignored))           /* what failed, or what was exchanged; gone already if it moved */
        return done;                                     /* drop_old takes it another time */
    return done;
}

bool install_certificate(Arena *arena, const Observed *observed, const Fetched *fetched, bool *changed, Err *err)
{
    *changed = false;
    if (str_eq(installed_version(arena, observed), fetched->version))
        return true;
    Install in = { .arena = arena, .observed = observed, .fetched = fetched };
    in.stem = str_printf(arena, STR_FMT STR_FMT ".%lld.%lld", STR_ARG(installed_prefix(arena, observed)), STR_ARG(fetched->version),
                         (long long)(fetched->leaf.not_before_ms / 1000), (long long)(fetched->leaf.not_after_ms / 1000));
    bool pem = observed->files & FILE_PEM, separate = observed->files & FILES_SEPARATE;
    if (!in.stem.ptr)
        return err_too_big(err);
    if (!find_readers(&in, err) || !make_store(&in, err) || (pem && !put_pem(&in, err)) || (separate && !put_directory(&in, err)))
        return false;
    Str file = in_store(arena, observed, in.stem, ".PEM"), dir = in_store(arena, observed, in.stem, "");
    if (!file.ptr || !dir.ptr)
        return err_too_big(err);
    if ((pem && !move_link(arena, observed, "", file.ptr, err)) || (separate && !move_link(arena, observed, ".d", dir.ptr, err)))
        return false;
    *changed = true;
    if (pem)
        drop_old(arena, observed, str_printf(arena, STR_FMT ".PEM", STR_ARG(in.stem)), false);
    if (separate)
        drop_old(arena, observed, in.stem, true);
    return true;
}
