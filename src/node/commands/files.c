/* files.c - the file commands. */
#include "node/commands/files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/encode.h"
#include "base/file.h"
#include "node/runs/certdir.h"

static const JsonField ask_fields[] = {
    JSON_FIELD(FileAsk, op,        "op",        JSON_REQUIRED), JSON_FIELD(FileAsk, path,   "path",   JSON_REQUIRED),
    JSON_FIELD(FileAsk, recursive, "recursive", JSON_OPTIONAL), JSON_FIELD(FileAsk, offset, "offset", JSON_OPTIONAL),
    JSON_FIELD(FileAsk, length,    "length",    JSON_OPTIONAL),
};

bool files_ask_read(const JsonVal *command, FileAsk *out, Err *err)
{
    *out = (FileAsk){ 0 };
    return json_read(command, "", ask_fields, COUNT_OF(ask_fields), out, err);
}

bool files_path_is_good(Str path)
{
    if (path.len > FILES_PATH_MAX || !str_is_utf8(path) || (path.len && memchr(path.ptr, '\0', path.len)))
        return false;
    for (Str rest = path; rest.ptr && path.len;) {
        Str segment = str_cut(&rest, '/');
        if (!segment.len || segment.len > NAME_MAX || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return false;
    }
    return true;
}

static void fail(Arena *arena, FileAnswer *out, const char *error, const char *why, Str path)
{
    *out = (FileAnswer){ .error = error, .message = str_printf(arena, "%s: '" STR_FMT "'", why, STR_ARG(str_slice(path, 0, 500))) };
}

static void fail_errno(Arena *arena, FileAnswer *out, Str path)
{
    char text[128];
    switch (errno) {
    case ENOENT:
        fail(arena, out, "FileNotFound", "there is no such file or directory", path);
        return;
    case ENOTDIR:                       /* also a file where a segment must be a directory */
        fail(arena, out, "FileNotFound", "a part of the path is not a directory", path);
        return;
    case EXDEV:
    case ELOOP:
        fail(arena, out, "InvalidPath", "a link on the path leads out of the node's root directory", path);
        return;
    case ENAMETOOLONG:
        fail(arena, out, "InvalidPath", "the path is too long", path);
        return;
    default:
        fail(arena, out, "IOError", strerror_r(errno, text, sizeof text), path);
    }
}

/* "" opens the root itself. */
static int open_below(int root, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve };
    int fd;
    do {
        fd = (int)syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof how);
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR));       /* EAGAIN: somebody renamed a part of it meanwhile */
    return fd;
}

static int64_t stamp_ms(struct statx_timestamp t) { return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000; }

/* Of an open file. */
static bool entry_of(int fd, Str path, FileEntry *out)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return false;
    *out = (FileEntry){ .path = path, .is_directory = S_ISDIR(st.stx_mode), .size = S_ISDIR(st.stx_mode) ? 0 : (int64_t)st.stx_size,
                        .modified_ms = stamp_ms(st.stx_mtime), .created_ms = st.stx_mask & STATX_BTIME ? stamp_ms(st.stx_btime) : 0, .mode = st.stx_mode };
    return true;
}

/* -- list -- */

/* Paths found so far, each ending in NUL, in one block; a directory's is marked by a slash before its NUL. */
typedef struct Found { Buf paths; size_t count; } Found;

static bool is_dir_entry(int dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Takes the descriptor. Names that are no UTF-8 cannot be said in JSON and are left out. */
static bool add_children(int fd, const char *prefix, Found *found)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return false;
    }
    size_t prefix_len = strlen(prefix), start;
    for (struct dirent *entry; (entry = readdir(dir));) {
        Str name = str_from(entry->d_name);
        if (str_eq(name, STR(".")) || str_eq(name, STR("..")) || !str_is_utf8(name) || prefix_len + 1 + name.len > FILES_PATH_MAX)
            continue;
        start = found->paths.len;
        buf_put(&found->paths, prefix, prefix_len);
        if (prefix_len)
            buf_put_char(&found->paths, '/');
        buf_put(&found->paths, name.ptr, name.len);
        if (!found->paths.failed && certdir_is_at(str_slice(buf_str(&found->paths), start, found->paths.len))) {
            found->paths.len = start;
            continue;
        }
        if (is_dir_entry(dirfd(dir), entry))
            buf_put_char(&found->paths, '/');
        buf_put_char(&found->paths, '\0');
        found->count++;
    }
    (void)closedir(dir);
    return !found->paths.failed;
}

/* One directory open at a time, so depth costs no descriptors; one that went away meanwhile is left out. */
static bool find_all(int root, const char *path, bool recursive, Found *found)
{
    int fd = open_below(root, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 || !add_children(fd, path, found))
        return false;
    for (size_t at = 0; recursive && at < found->paths.len;) {
        char part[FILES_PATH_MAX + 2];
        size_t len = strlen(found->paths.ptr + at);
        memcpy(part, found->paths.ptr + at, len + 1);
        at += len + 1;
        if (part[len - 1] != '/')
            continue;
        part[len - 1] = '\0';
        fd = open_below(root, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (fd >= 0 && !add_children(fd, part, found))
            return false;
    }
    return true;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Pointers into the block, without the slash marks, sorted. */
static char **sort_found(Found *found)
{
    char **list = calloc(found->count + 1, sizeof *list), *at = found->paths.ptr;
    for (size_t i = 0; list && i < found->count; i++) {
        size_t len = strlen(at);
        list[i] = at;
        if (at[len - 1] == '/')
            at[len - 1] = '\0';
        at += len + 1;
    }
    if (list)
        qsort(list, found->count, sizeof *list, by_bytes);
    return list;
}

static void list_page(Arena *arena, int root, const Found *found, char **list, const FileAsk *ask, FileAnswer *out)
{
    size_t from = (size_t)ask->offset.value;
    size_t length = ask->length.set && ask->length.value < FILES_PAGE_MAX ? (size_t)ask->length.value : FILES_PAGE_MAX;
    size_t at = from < found->count ? from : found->count, to = length < found->count - at ? at + length : found->count;
    *out = (FileAnswer){ .error = "", .entries = ARENA_ARRAY(arena, FileEntry, to - at + 1), .more = to < found->count };
    for (; at < to && out->entries; at++) {
        AUTO(fd_close) int fd = open_below(root, list[at], O_PATH | O_NOFOLLOW, 0);
        if (fd >= 0 && entry_of(fd, str_dup(arena, str_from(list[at])), &out->entries[out->count]))
            out->count++;
    }
}

static void list_do(Arena *arena, int root, char *path, const FileAsk *ask, FileAnswer *out)
{
    Found found = { 0 };
    buf_init(&found.paths, FILES_LIST_BYTES_MAX);
    struct stat st;
    AUTO(fd_close) int itself = open_below(root, path, O_PATH, 0);
    if (itself < 0 || fstat(itself, &st) < 0) {
        fail_errno(arena, out, ask->path);
    } else if (!S_ISDIR(st.st_mode)) {
        fail(arena, out, "NotDirectory", "it is not a directory", ask->path);
    } else if (!find_all(root, path, ask->recursive, &found)) {
        if (found.paths.failed)
            fail(arena, out, "IOError", "too many files are there to be listed at once; list a directory below", ask->path);
        else
            fail_errno(arena, out, ask->path);
    } else {
        char **list = sort_found(&found);
        if (list)
            list_page(arena, root, &found, list, ask, out);
        else
            fail(arena, out, "IOError", "out of memory", ask->path);
        free(list);
    }
    buf_done(&found.paths);
}

/* -- the others -- */

static bool one_entry(Arena *arena, int fd, const FileAsk *ask, FileAnswer *out)
{
    *out = (FileAnswer){ .error = "", .entries = ARENA_NEW(arena, FileEntry), .count = 1 };
    if (out->entries && entry_of(fd, ask->path, out->entries))
        return true;
    fail_errno(arena, out, ask->path);
    return false;
}

static void stat_do(Arena *arena, int root, char *path, const FileAsk *ask, FileAnswer *out)
{
    AUTO(fd_close) int fd = open_below(root, path, O_PATH, 0);
    if (fd < 0)
        fail_errno(arena, out, ask->path);
    else
        (void)one_entry(arena, fd, ask, out);
}

static void read_do(Arena *arena, int root, char *path, const FileAsk *ask, FileAnswer *out)
{
    /* Looked at before it is opened for reading: opening a device or a FIFO does things. */
    AUTO(fd_close) int looked = open_below(root, path, O_PATH, 0);
    if (looked < 0) {
        fail_errno(arena, out, ask->path);
        return;
    }
    if (!one_entry(arena, looked, ask, out))
        return;
    if (out->entries->is_directory || !S_ISREG(out->entries->mode)) {
        fail(arena, out, out->entries->is_directory ? "IsDirectory" : "IOError", out->entries->is_directory ? "it is a directory" : "it is not a regular file", ask->path);
        return;
    }
    char again[64];
    (void)snprintf(again, sizeof again, "/proc/self/fd/%d", looked);
    AUTO(fd_close) int fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int64_t offset = ask->offset.value, length = ask->length.set ? ask->length.value : FILES_READ_MAX;
    int64_t left = offset < out->entries->size ? out->entries->size - offset : 0;
    length = length > FILES_READ_MAX ? FILES_READ_MAX : length;
    size_t want = (size_t)(length < left ? length : left), got = 0;
    uint8_t *data = arena_alloc(arena, want + 1);
    if (fd < 0 || !data) {
        fail_errno(arena, out, ask->path);
        return;
    }
    while (got < want) {
        ssize_t n = pread(fd, data + got, want - got, offset + (int64_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fail_errno(arena, out, ask->path);
            return;
        }
        if (n == 0)
            break;                      /* it became shorter meanwhile */
        got += (size_t)n;
    }
    out->data = (Bytes){ data, got };
}

static void delete_do(Arena *arena, int root, char *path, const FileAsk *ask, FileAnswer *out)
{
    char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, whole[64 + NAME_MAX];
    Err err = { 0 };
    if (!path[0]) {
        fail(arena, out, "InvalidPath", "the node's root directory itself cannot be deleted", ask->path);
        return;
    }
    if (slash)
        *slash = '\0';
    AUTO(fd_close) int parent = open_below(root, slash ? path : "", O_RDONLY | O_DIRECTORY, 0);
    *out = (FileAnswer){ .error = "" };
    if (parent < 0) {
        fail_errno(arena, out, ask->path);
        return;
    }
    if (unlinkat(parent, name, 0) == 0)
        return;
    if (errno != EISDIR && errno != EPERM) {
        fail_errno(arena, out, ask->path);
        return;
    }
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
        return;
    if (errno != ENOTEMPTY && errno != EEXIST) {
        fail_errno(arena, out, ask->path);
        return;
    }
    if (!ask->recursive) {
        fail(arena, out, "IsDirectory", "it is a directory that is not empty; ask for it to be deleted with what it holds", ask->path);
        return;
    }
    (void)snprintf(whole, sizeof whole, "/proc/self/fd/%d/%s", parent, name);
    if (!dir_remove_tree(whole, &err))
        *out = (FileAnswer){ .error = "IOError", .message = str_dup(arena, str_from(err.text)) };
}

static const struct { const char *op; void (*run)(Arena *arena, int root, char *path, const FileAsk *ask, FileAnswer *out); } ops[] = {
    { "list", list_do }, { "stat", stat_do }, { "read", read_do }, { "delete", delete_do },
};

void files_do(Arena *arena, const char *root, const FileAsk *ask, FileAnswer *out)
{
    Err err = { 0 };
    size_t op = 0;
    char *path = files_path_is_good(ask->path) ? str_to_cstr(arena, ask->path, &err) : NULL;
    while (op < COUNT_OF(ops) && !str_eq(ask->op, str_from(ops[op].op)))
        op++;
    if (!path || op == COUNT_OF(ops)) {
        fail(arena, out, "InvalidPath", path ? "the operation is none of list, stat, read, delete" : "it is no path below the node's root directory", path ? ask->op : ask->path);
        return;
    }
    if (certdir_is_at(ask->path)) {
        fail(arena, out, "FileNotFound", "there is no such file or directory", ask->path);
        return;
    }
    if (ask->offset.value < 0 || ask->length.value < 0) {
        fail(arena, out, "InvalidRange", "offset and length must not be negative", ask->path);
        return;
    }
    AUTO(fd_close) int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        fail_errno(arena, out, ask->path);
    else
        ops[op].run(arena, root_fd, path, ask, out);
}

void files_answer_write(Arena *arena, const FileAnswer *answer, JsonWriter *w)
{
    json_open(w, NULL);
    json_open_array(w, "entries");
    for (size_t i = 0; i < answer->count; i++) {
        const FileEntry *entry = &answer->entries[i];
        json_open(w, NULL);
        json_put_str(w, "path", entry->path);
        json_put_bool(w, "isDirectory", entry->is_directory);
        json_put_int(w, "size", entry->size);
        json_put_int(w, "modifiedMs", entry->modified_ms);
        if (entry->created_ms)
            json_put_int(w, "createdMs", entry->created_ms);
        json_put_str(w, "mode", str_printf(arena, "%07o", entry->mode));
        json_close(w);
    }
    json_close_array(w);
    json_put_bool(w, "more", answer->more);
    json_put_str(w, "data", answer->data.ptr ? base64_encode(arena, answer->data) : STR(""));
    json_put_str(w, "error", str_from(answer->error));
    json_put_str(w, "message", answer->message.ptr ? answer->message : STR(""));
    json_close(w);
}
