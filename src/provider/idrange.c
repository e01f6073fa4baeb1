/* idrange.c - choosing and claiming id ranges. */
#include "provider/idrange.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"

enum { WORK_BYTES = 16 * 1024 * 1024, FILE_BYTES_MAX = 2 * 1024 * 1024 };
#define RANGE_COUNT ((ID_RANGE_LAST - ID_RANGE_FIRST + 1) / ID_RANGE_SIZE)

static bool is_taken(const IdSpan *taken, size_t taken_count, uint32_t first)
{
    for (size_t i = 0; i < taken_count; i++)
        if (taken[i].first < (uint64_t)first + ID_RANGE_SIZE && first < taken[i].first + taken[i].count)
            return true;
    return false;
}

bool id_range_pick(const IdSpan *taken, size_t taken_count, uint32_t wish, uint32_t *first, Err *err)
{
    uint32_t start = wish < ID_RANGE_FIRST ? 0 : (wish - ID_RANGE_FIRST) / ID_RANGE_SIZE % RANGE_COUNT;
    for (uint32_t i = 0; i < RANGE_COUNT; i++) {
        uint32_t candidate = ID_RANGE_FIRST + (start + i) % RANGE_COUNT * ID_RANGE_SIZE;
        if (is_taken(taken, taken_count, candidate))
            continue;
        *first = candidate;
        return true;
    }
    return err_set(err, ERR_UNAVAILABLE, "all %u id ranges of this machine are in use: remove nodes", (unsigned)RANGE_COUNT);
}

/* A line that does not read as expected is no span. */
static bool spans_parse(Arena *arena, Str text, bool is_sub, IdSpan **out, size_t *count, Err *err)
{
    size_t lines = 1, found = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    IdSpan *spans = ARENA_ARRAY(arena, IdSpan, lines);
    if (!spans)
        return err_too_big(err);
    for (Str rest = text; rest.ptr;) {
        Str line = str_cut(&rest, '\n');
        int64_t first, span_count = 1;
        Err ignored;
        (void)str_cut(&line, ':');
        if (!is_sub)
            (void)str_cut(&line, ':');
        if (!str_to_int64(str_cut(&line, ':'), 0, UINT32_MAX, &first, &ignored) ||
            (is_sub && !str_to_int64(str_cut(&line, ':'), 1, INT64_C(1) << 32, &span_count, &ignored)))
            continue;
        spans[found++] = (IdSpan){ (uint32_t)first, (uint64_t)span_count };
    }
    *out = spans;
    *count = found;
    return true;
}

bool id_spans_parse_sub(Arena *arena, Str text, IdSpan **out, size_t *count, Err *err)
{
    return spans_parse(arena, text, true, out, count, err);
}

bool id_spans_parse_users(Arena *arena, Str text, IdSpan **out, size_t *count, Err *err)
{
    return spans_parse(arena, text, false, out, count, err);
}

typedef struct Taken { IdSpan *spans; size_t count, cap; } Taken;

static bool taken_add(Arena *arena, Taken *taken, const IdSpan *spans, size_t count, Err *err)
{
    if (taken->count + count > taken->cap) {
        size_t cap = (taken->count + count) * 2;
        IdSpan *wider = ARENA_ARRAY(arena, IdSpan, cap);
        if (!wider)
            return err_too_big(err);
        if (taken->count)
            memcpy(wider, taken->spans, taken->count * sizeof *wider);
        taken->spans = wider;
        taken->cap = cap;
    }
    if (count)
        memcpy(taken->spans + taken->count, spans, count * sizeof *spans);
    taken->count += count;
    return true;
}

static bool taken_from_file(Arena *arena, Taken *taken, const char *path, bool is_sub, Err *err)
{
    Str text;
    IdSpan *spans;
    size_t count;
    if (!file_read(arena, path, FILE_BYTES_MAX, &text, err))
        return err->code == ERR_NOT_FOUND;
    return spans_parse(arena, text, is_sub, &spans, &count, err) && taken_add(arena, taken, spans, count, err);
}

static bool taken_from_claims(Arena *arena, Taken *taken, const char *ids_dir, Err *err)
{
    DIR *dir = opendir(ids_dir);
    if (!dir)
        return errno == ENOENT || err_errno(err, "cannot list the id ranges in %s", ids_dir);
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        int64_t first;
        Err ignored;                                    /* "." and ".." */
        if (str_to_int64(str_from(entry->d_name), 0, UINT32_MAX, &first, &ignored))
            done = taken_add(arena, taken, &(IdSpan){ (uint32_t)first, ID_RANGE_SIZE }, 1, err);
    }
    (void)closedir(dir);
    return done;
}

/* Every instance of the machine, this one included; `except` (NULL: none) is left out. */
static bool taken_by_instances(Arena *arena, Taken *taken, const char *except, Err *err)
{
    DIR *run = opendir("/run");
    if (!run)
        return err_errno(err, "cannot list /run");
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(run));) {
        if (!str_starts(str_from(entry->d_name), STR("vaultyard-")))
            continue;
        Str state_dir = str_printf(arena, "/run/%s", entry->d_name), ids_dir = str_printf(arena, "/run/%s/ids", entry->d_name);
        if (!ids_dir.ptr)
            done = err_too_big(err);
        else if (!except || !str_eq(state_dir, str_from(except)))
            done = taken_from_claims(arena, taken, ids_dir.ptr, err);
    }
    (void)closedir(run);
    return done;
}

/* The lock is on /run itself: it needs no file that would have to be removed again. */
static bool claims_lock(int *fd, Err *err)
{
    *fd = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return err_errno(err, "cannot open /run");
    while (flock(*fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_errno(err, "cannot lock /run");
    return true;
}

static bool claim_write(Arena *arena, const char *state_dir, uint32_t first, Err *err)
{
    Str dir = str_printf(arena, "%s/ids", state_dir), path = str_printf(arena, "%s/ids/%u", state_dir, (unsigned)first);
    if (!path.ptr)
        return err_too_big(err);
    if (!dir_make(dir.ptr, 0711, err))
        return false;
    AUTO(fd_close) int fd = open(path.ptr, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 || err_errno(err, "cannot write %s", path.ptr);
}

bool id_range_claim(const char *state_dir, uint32_t *first, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    AUTO(fd_close) int lock = -1;
    Taken taken = { 0 };
    uint32_t wish, picked;
    if (!arena)
        return err_too_big(err);
    if (!claims_lock(&lock, err) || !taken_by_instances(arena, &taken, NULL, err) ||
        !taken_from_file(arena, &taken, "/etc/subuid", true, err) || !taken_from_file(arena, &taken, "/etc/subgid", true, err) ||
        !taken_from_file(arena, &taken, "/etc/passwd", false, err) || !taken_from_file(arena, &taken, "/etc/group", false, err))
        return false;
    /* Anywhere: an instance whose host has not run since the reboot has no claims yet, and is unlikely to be met by chance. */
    random_fill(&wish, sizeof wish);
    wish = ID_RANGE_FIRST + wish % (ID_RANGE_LAST - ID_RANGE_FIRST);
    if (!id_range_pick(taken.spans, taken.count, wish, &picked, err) || !claim_write(arena, state_dir, picked, err))
        return false;
    *first = picked;
    return true;
}

bool id_range_reclaim(const char *state_dir, uint32_t first, bool *got, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(WORK_BYTES);
    AUTO(fd_close) int lock = -1;
    Taken taken = { 0 };
    if (!arena)
        return err_too_big(err);
    if (!claims_lock(&lock, err) || !taken_by_instances(arena, &taken, state_dir, err))
        return false;
    *got = !is_taken(taken.spans, taken.count, first);
    return !*got || claim_write(arena, state_dir, first, err);
}

void id_range_release(const char *state_dir, uint32_t first)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/ids/%u", state_dir, (unsigned)first);
    (void)unlink(path);                                 /* gone already: free already */
}
