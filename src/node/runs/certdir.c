/* certdir.c - the account certificates of this node, and the directories in which accounts find them.
 *
 * The directories' parents belong to accounts that run tasks beside us, so everything is reached by descriptors and links are not followed. */
#include "node/runs/certdir.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"

#define NAME "certs"

enum { THUMBPRINT_DIGITS = 40, KEPT_BYTES_MAX = 4 << 20, ARENA_BYTES_MAX = 32 << 20, FILE_NAME_BYTES = 80 };

typedef enum Visible { VISIBLE_START_TASK = 1, VISIBLE_TASK = 2, VISIBLE_REMOTE_USER = 4 } Visible;
static const struct { const char *name; Visible bit; } visibilities[] = {
    { "starttask", VISIBLE_START_TASK }, { "task", VISIBLE_TASK }, { "remoteuser", VISIBLE_REMOTE_USER },
};

typedef struct Certificate { Str thumbprint, password; bool is_cer; unsigned visible; Bytes data; } Certificate;

/* -- what was given -- */

static bool is_thumbprint(Str text)
{
    bool good = text.len == THUMBPRINT_DIGITS;
    for (size_t i = 0; good && i < text.len; i++)
        good = (text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
    return good;
}

static bool read_one(Arena *arena, const JsonVal *item, Certificate *out, Err *err)
{
    typedef struct CertificateIn { Str thumbprint, format, data, password; const JsonVal *visibility; } CertificateIn;
    static const JsonField fields[] = {
        JSON_FIELD(CertificateIn, thumbprint, "thumbprint", JSON_REQUIRED), JSON_FIELD(CertificateIn, format,     "format",     JSON_REQUIRED),
        JSON_FIELD(CertificateIn, data,       "data",       JSON_REQUIRED), JSON_FIELD(CertificateIn, password,   "password",   JSON_OPTIONAL),
        JSON_FIELD(CertificateIn, visibility, "visibility", JSON_REQUIRED),
    };
    CertificateIn in = { .password = STR("") };
    if (!json_read(item, "certificates", fields, COUNT_OF(fields), &in, err))
        return false;
    if (!is_thumbprint(in.thumbprint))
        return err_field(err, "certificates.thumbprint", "must be 40 lower-case hex digits");
    *out = (Certificate){ .thumbprint = in.thumbprint, .password = in.password, .is_cer = str_eq(in.format, STR("cer")) };
    if (!out->is_cer && !str_eq(in.format, STR("pfx")))
        return err_field(err, "certificates.format", "must be pfx or cer");
    for (size_t i = 0; i < json_count(in.visibility); i++)
        for (size_t k = 0; k < COUNT_OF(visibilities); k++)
            out->visible |= str_eq(json_str(json_at(in.visibility, i)), str_from(visibilities[k].name)) ? visibilities[k].bit : 0;
    return base64_decode(arena, in.data, &out->data, err);
}

static bool read_all(Arena *arena, const JsonVal *list, Certificate *out, size_t *count, Err *err)
{
    *count = 0;
    if (json_kind(list) != JSON_ARRAY || json_count(list) > CERTDIR_MAX)
        return err_field(err, "certificates", "must be an array of at most %d", CERTDIR_MAX);
    while (*count < json_count(list)) {
        if (!read_one(arena, json_at(list, *count), &out[*count], err))
            return false;
        (*count)++;
    }
    return true;
}

/* Keys lie in an arena of their own, which is wiped. */
typedef struct Kept { Arena *arena; Str text; Certificate list[CERTDIR_MAX]; size_t count; bool is_there; } Kept;

static void kept_done(Kept *kept)
{
    secret_wipe((void *)(uintptr_t)kept->text.ptr, kept->text.len);
    for (size_t i = 0; i < kept->count; i++) {
        secret_wipe((void *)(uintptr_t)kept->list[i].data.ptr, kept->list[i].data.len);
        secret_wipe((void *)(uintptr_t)kept->list[i].password.ptr, kept->list[i].password.len);
    }
    arena_free(kept->arena);
}
DEFINE_AUTO_DONE(Kept, kept_done)

static bool kept_read(const NodePlaces *places, Kept *out, Err *err)
{
    const JsonVal *list;
    Err missing = { 0 };
    *out = (Kept){ .arena = arena_new(ARENA_BYTES_MAX) };
    if (!out->arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!file_read(out->arena, places->certificates_file, KEPT_BYTES_MAX, &out->text, &missing)) {
        out->text = STR("");
        *err = missing;
        return missing.code == ERR_NOT_FOUND;
    }
    out->is_there = true;
    return json_parse(out->arena, out->text, JSON_STRICT, &list, err) && read_all(out->arena, list, out->list, &out->count, err);
}

bool certdir_write_held(const NodePlaces *places, JsonWriter *w, bool *asks, Err *err)
{
    AUTO(kept_done_auto) Kept kept = { 0 };
    if (!kept_read(places, &kept, err))
        return false;
    *err = (Err){ 0 };
    *asks = !kept.is_there;
    if (*asks)
        return true;
    json_open_array(w, "certificates");
    for (size_t i = 0; i < kept.count; i++)
        json_put_str(w, NULL, kept.list[i].thumbprint);
    json_close_array(w);
    return true;
}

/* -- files of ours in a directory -- */

static bool is_ours(const char *name)
{
    static const char *const ends[] = { ".pfx", ".pfx.pw", ".cer" };
    Str text = str_from(name), prefix = STR("sha1-");
    if (!str_starts(text, prefix) || !is_thumbprint(str_slice(text, prefix.len, prefix.len + THUMBPRINT_DIGITS)))
        return false;
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (str_eq(str_slice(text, prefix.len + THUMBPRINT_DIGITS, text.len), str_from(ends[i])))
            return true;
    return false;
}

/* What else lies there is its account's own and stays, and with it the directory. */
static void clear(int parent)
{
    int fd = openat(parent, NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        fd_close(&fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));)
        if (is_ours(entry->d_name) && unlinkat(fd, entry->d_name, 0) < 0)
            log_event(LOG_WARN, "node.certificate_not_removed", log_cstr("file", entry->d_name), log_cstr("error", strerror(errno)));
    (void)closedir(dir);
    (void)unlinkat(parent, NAME, AT_REMOVEDIR);         /* not empty: see above */
}

static bool write_file(int dir, const char *name, Bytes content, const RunUser *user, Err *err)
{
    AUTO(fd_close) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    if (fd < 0)
        return err_errno(err, "cannot make the file '%s' of a certificate", name);
    for (size_t done = 0; done < content.len;) {
        ssize_t wrote = write(fd, content.ptr + done, content.len - done);
        if (wrote < 0 && errno != EINTR)
            return err_errno(err, "cannot write the file '%s' of a certificate", name);
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return !user->switches || fchown(fd, user->uid, user->gid) == 0 || err_errno(err, "cannot hand over the file '%s' of a certificate", name);
}

static bool write_certificate(int dir, const Certificate *certificate, const RunUser *user, Err *err)
{
    char name[FILE_NAME_BYTES], password[FILE_NAME_BYTES];
    (void)snprintf(name, sizeof name, "sha1-" STR_FMT ".%s", STR_ARG(certificate->thumbprint), certificate->is_cer ? "cer" : "pfx");
    (void)snprintf(password, sizeof password, "sha1-" STR_FMT ".pfx.pw", STR_ARG(certificate->thumbprint));
    return write_file(dir, name, certificate->data, user, err) && (certificate->is_cer || write_file(dir, password, bytes_of(certificate->password), user, err));
}

/* A directory that its account made itself is used as it is; a link or a file in its place goes. */
static bool enter(int parent, bool *is_new, int *out, Err *err)
{
    for (int tries = 0; tries < 2; tries++) {
        *is_new = mkdirat(parent, NAME, 0700) == 0;
        if (!*is_new && errno != EEXIST)
            break;
        *out = openat(parent, NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*out >= 0)
            return true;
        if ((errno != ENOTDIR && errno != ELOOP) || unlinkat(parent, NAME, 0) < 0)
            break;
    }
    return err_errno(err, "cannot make the directory '" NAME "'");
}

/* A new directory is root's until it is complete. */
static bool fill(int parent, const Kept *kept, unsigned visible, const RunUser *user, Err *err)
{
    AUTO(fd_close) int dir = -1;
    bool is_new;
    if (!enter(parent, &is_new, &dir, err))
        return false;
    for (size_t i = 0; i < kept->count; i++)
        if ((kept->list[i].visible & visible) && !write_certificate(dir, &kept->list[i], user, err))
            return false;
    if (is_new && ((user->switches && fchown(dir, user->uid, user->gid) < 0) || fchmod(dir, 0500) < 0))
        return err_errno(err, "cannot hand over the directory '" NAME "'");
    return true;
}

/* *made: there was something to write. */
static bool renew(int parent, const Kept *kept, unsigned visible, const RunUser *user, bool *made, Err *err)
{
    *made = false;
    clear(parent);
    for (size_t i = 0; i < kept->count; i++)
        *made = *made || (kept->list[i].visible & visible);
    if (!*made || fill(parent, kept, visible, user, err))
        return true;
    clear(parent);
    return false;
}

/* -- of runs -- */

bool certdir_make(const NodePlaces *places, Arena *arena, const RunSpec *spec, const RunUser *user, RunDir *dir, Err *err)
{
    AUTO(kept_done_auto) Kept kept = { 0 };
    bool made;
    if (!kept_read(places, &kept, err) || !renew(dir->dir_fd, &kept, spec->kind == RUN_START_TASK ? VISIBLE_START_TASK : VISIBLE_TASK, user, &made, err))
        return false;
    *err = (Err){ 0 };
    dir->certs = made ? str_printf(arena, "%s/" NAME, dir->dir).ptr : NULL;
    return arena_ok(arena) || err_too_big(err);
}

void certdir_remove(const RunDir *dir)
{
    if (dir->dir_fd >= 0)
        clear(dir->dir_fd);
}

void certdir_remove_below(const NodePlaces *places, Str directory)
{
    AUTO(fd_close) int at = open(places->tasks_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (Str rest = directory; at >= 0 && rest.ptr;) {
        char name[256];
        Str segment = str_cut(&rest, '/');
        (void)snprintf(name, sizeof name, STR_FMT, STR_ARG(segment));
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fd_close(&at);
        at = next;
    }
    if (at >= 0)
        clear(at);
}

bool certdir_is_at(Str path)
{
    int depth = str_eq(path, STR("startup")) || str_starts(path, STR("startup/")) ? 1 : 4;      /* workitems/<job>/<job-1>/<task> */
    Str rest = path, segment = STR_NONE;
    for (int i = 0; i <= depth; i++) {
        if (!rest.ptr)
            return false;
        segment = str_cut(&rest, '/');
    }
    return str_eq(segment, STR(NAME)) && (depth == 1 || str_starts(path, STR("workitems/")));
}

/* -- of the boot before -- */

/* Calls itself for the directories `depth` levels below `fd`, which it closes. */
static void clear_below(int fd, int depth)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        fd_close(&fd);
        return;
    }
    if (depth == 0)
        clear(fd);
    for (struct dirent *entry; depth > 0 && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            clear_below(openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth - 1);
    (void)closedir(dir);
}

static void clear_runs(const NodePlaces *places)
{
    static const struct { const char *name; int depth; } tops[] = { { "startup", 0 }, { "workitems", 3 } };
    AUTO(fd_close) int root = open(places->tasks_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; root >= 0 && i < COUNT_OF(tops); i++)
        clear_below(openat(root, tops[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), tops[i].depth);
}

bool certdir_keep(const NodePlaces *places, const JsonVal *list, Err *err)
{
    AUTO(kept_done_auto) Kept check = { .arena = arena_new(ARENA_BYTES_MAX) };
    if (!check.arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!read_all(check.arena, list, check.list, &check.count, err))
        return false;
    check.text = json_text(check.arena, list);
    if (!check.text.ptr)
        return err_too_big(err);
    clear_runs(places);
    return file_replace(places->certificates_file, bytes_of(check.text), 0600, (uid_t)-1, (gid_t)-1, err);
}

/* -- of people -- */

static bool make_home(const NodePlaces *places, const Kept *kept, Str name, Err *err)
{
    RunUser user;
    bool made;
    if (!users_named(places, kept->arena, name, &user, err))
        return false;
    const char *path = str_printf(kept->arena, "%s/" STR_FMT, places->home_dir, STR_ARG(name)).ptr;
    AUTO(fd_close) int home = path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return home < 0 ? err_errno(err, "cannot open the home of '" STR_FMT "'", STR_ARG(name)) : renew(home, kept, VISIBLE_REMOTE_USER, &user, &made, err);
}

bool certdir_make_homes(const NodePlaces *places, const JsonVal *users, Err *err)
{
    AUTO(kept_done_auto) Kept kept = { 0 };
    bool done = true;
    if (geteuid() != 0 || json_count(users) == 0)
        return true;                    /* users_apply made none either */
    if (!kept_read(places, &kept, err))
        return false;
    for (size_t i = 0; i < json_count(users); i++)
        done = make_home(places, &kept, json_str(json_get(json_at(users, i), "name")), err) && done;
    return done;
}
