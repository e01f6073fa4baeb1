/* files.c - reads.log and the files it became: reads-<first number, 20 digits>.log. */
#include "audit/files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"

enum { WINDOW_BYTES = 4 * LINE_MAX_BYTES };

bool reads_file_name(const char *dir, int64_t first_number, char *out, size_t out_size, Err *err)
{
    int len = first_number ? snprintf(out, out_size, "%s/reads-%020lld.log", dir, (long long)first_number)
                           : snprintf(out, out_size, "%s/" READS_FILE, dir);
    return (size_t)len < out_size || err_set(err, ERR_BAD_INPUT, "the path of the audit directory is too long");
}

/* ---- lines ---- */

typedef struct Window { char *bytes; size_t from, to; int64_t offset; bool at_end; } Window;

static bool fill(int fd, Window *window, const char *path, Err *err)
{
    memmove(window->bytes, window->bytes + window->from, window->to - window->from);
    window->to -= window->from;
    window->from = 0;
    while (!window->at_end && window->to < WINDOW_BYTES) {
        ssize_t got = read(fd, window->bytes + window->to, WINDOW_BYTES - window->to);
        if (got < 0 && errno != EINTR)
            return err_errno(err, "cannot read '%s'", path);
        window->at_end = got == 0;
        window->to += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* Gives the lines that are whole in the window; the rest of it stays. A line longer than the window is given in strange pieces. */
static bool give_lines(Window *window, LineFn *fn, void *ctx)
{
    while (window->from < window->to) {
        const char *start = window->bytes + window->from;
        size_t room = window->to - window->from;
        const char *end = memchr(start, '\n', room);
        bool is_torn = !end && window->at_end;
        if (!end && !is_torn && room < WINDOW_BYTES)
            return true;
        size_t len = end ? (size_t)(end - start) + 1 : room;
        Line line;
        LineKind kind = is_torn ? LINE_TORN : end && line_parse((Str){ start, len - 1 }, &line) ? LINE_SOUND : LINE_STRANGE;
        if (!fn(ctx, kind, kind == LINE_SOUND ? &line : NULL, window->offset, (int64_t)len))
            return false;
        window->from += len;
        window->offset += (int64_t)len;
    }
    return true;
}

static void free_bytes(char **bytes) { free(*bytes); }

bool reads_file_walk(const char *path, LineFn *fn, void *ctx, Err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", path);
    if (fd < 0)
        return err_errno(err, "cannot open '%s'", path);
    AUTO(free_bytes) char *bytes = malloc(WINDOW_BYTES);
    if (!bytes)
        return err_set(err, ERR_INTERNAL, "out of memory");

    Window window = { .bytes = bytes };
    do {
        if (!fill(fd, &window, path, err))
            return false;
    } while (give_lines(&window, fn, ctx) && !window.at_end);
    return true;
}

/* ---- files ---- */

static bool note_first(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    (void)offset, (void)len;
    if (kind == LINE_SOUND)
        *(int64_t *)ctx = line->point.number;
    return kind == LINE_STRANGE;
}

static int by_first_number(const void *a, const void *b)
{
    const ReadsFile *left = a, *right = b;
    return left->first_number < right->first_number ? -1 : left->first_number > right->first_number;
}

static bool number_of_name(const char *name, int64_t *number)
{
    Str text = str_from(name);
    Err ignored;
    if (!str_starts(text, STR("reads-")) || !str_ends(text, STR(".log")) || text.len != 6 + 20 + 4)
        return false;
    text = str_slice(text, 6, 26);
    while (text.len > 1 && text.ptr[0] == '0')
        text = str_slice(text, 1, text.len);
    return str_to_int64(text, 1, INT64_MAX - 1, number, &ignored);
}

static bool list_moved(DIR *dir, const char *dir_path, Arena *arena, ReadsFile **out, size_t *out_count, Err *err)
{
    ReadsFile *files = NULL;
    size_t count = 0, room = 0;
    for (struct dirent *entry; (errno = 0, entry = readdir(dir));) {
        int64_t number;
        if (!number_of_name(entry->d_name, &number))
            continue;
        if (count == room) {
            ReadsFile *grown = ARENA_ARRAY(arena, ReadsFile, room = room ? room * 2 : 16);
            if (!grown)
                return err_too_big(err);
            if (count)
                memcpy(grown, files, count * sizeof *files);
            files = grown;
        }
        files[count++] = (ReadsFile){ .path = str_printf(arena, "%s/%s", dir_path, entry->d_name), .first_number = number };
    }
    if (errno)
        return err_errno(err, "cannot list '%s'", dir_path);
    if (count)
        qsort(files, count, sizeof *files, by_first_number);
    *out = files;
    *out_count = count;
    return true;
}

bool reads_files_list(const char *dir_path, Arena *arena, ReadsFile **out, size_t *out_count, Err *err)
{
    DIR *dir = opendir(dir_path);
    if (!dir)
        return err_errno(err, "cannot open the audit directory '%s'", dir_path);
    ReadsFile *moved = NULL;
    size_t count = 0;
    bool good = list_moved(dir, dir_path, arena, &moved, &count, err);
    (void)closedir(dir);
    ReadsFile *files = good ? ARENA_ARRAY(arena, ReadsFile, count + 1) : NULL;
    if (!good)
        return false;
    if (!files)
        return err_too_big(err);
    if (count)
        memcpy(files, moved, count * sizeof *files);

    ReadsFile current = { .path = str_printf(arena, "%s/" READS_FILE, dir_path), .is_current = true };
    if (!arena_ok(arena))
        return err_too_big(err);
    Err absent;
    if (reads_file_walk(current.path.ptr, note_first, &current.first_number, &absent))
        files[count++] = current;
    else if (absent.code != ERR_NOT_FOUND)
        return *err = absent, false;
    *out = files;
    *out_count = count;
    return true;
}
