/* reads.c - appending to the file of the reads, and the thread that makes it durable.
 *
 * An append holds the mutex for one MAC and one write. The thread flushes a copy of the descriptor and anchors without it,
 * so no reader waits for the disk or the store. What cannot be written is not answered: audit_read fails. */
#include "audit/reads.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"

enum { MOVE_RETRY_BYTES = 1 << 20 };

struct ReadsLog {
    Store *store;
    const Secret *key;
    Hmac *hmac;                       /* of that key, under the mutex */
    char dir[PATH_MAX - 64];

    pthread_mutex_t mutex;
    pthread_cond_t changed;           /* something to flush, or the end */
    int fd;
    int64_t size_bytes, first_number, first_ms, move_at_bytes;
    ChainPoint last;                  /* appended */
    int64_t flushed, anchored;        /* numbers */
    int64_t anchored_mono_ms;
    bool stopping;
    bool rests;                       /* the thread waits without a time; at any other wait it looks again by itself */
    Err broken;                       /* the file cannot be trusted to take more: every append fails with this */

    pthread_t thread;
    bool thread_runs;
};

/* ---- appending ---- */

static bool break_log(ReadsLog *log, const char *what)
{
    if (log->broken.code == ERR_NONE)
        (void)err_set(&log->broken, ERR_UNAVAILABLE, "the audit file of reads cannot be %s (%s): answers are withheld until the disk is mended and the server restarted", what, strerror(errno));
    return false;
}

static bool write_line(ReadsLog *log, const ChainPoint *point, Str record, Err *err)
{
    char head[LINE_HEAD_MAX];
    size_t head_len = line_head(point, head);
    struct iovec parts[] = {
        { .iov_base = head, .iov_len = head_len },
        { .iov_base = (void *)(uintptr_t)record.ptr, .iov_len = record.len },
        { .iov_base = (void *)(uintptr_t)LINE_TAIL, .iov_len = sizeof LINE_TAIL - 1 },
    };
    ssize_t len = (ssize_t)(head_len + record.len + sizeof LINE_TAIL - 1), put;
    do
        put = writev(log->fd, parts, COUNT_OF(parts));
    while (put < 0 && errno == EINTR);
    if (put == len) {
        log->size_bytes += len;
        return true;
    }
    (void)err_set(err, ERR_UNAVAILABLE, "the audit file of reads cannot be written (%s): the answer is withheld", put < 0 ? strerror(errno) : "the disk is full");
    /* Half a line would spoil the next one. */
    if (put > 0 && ftruncate(log->fd, log->size_bytes) != 0)
        return break_log(log, "mended");
    return false;
}

/* ---- moving a full file ---- */

static int open_current(const ReadsLog *log, int flags, Err *err)
{
    char path[PATH_MAX];
    if (!reads_file_name(log->dir, 0, path, sizeof path, err))
        return -1;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        (void)err_errno(err, "cannot open '%s'", path);
    return fd;
}

static bool rename_full(const ReadsLog *log, bool back, Err *err)
{
    char current[PATH_MAX], moved[PATH_MAX];
    if (!reads_file_name(log->dir, 0, current, sizeof current, err) || !reads_file_name(log->dir, log->first_number, moved, sizeof moved, err))
        return false;
    /* A file of that name is not ours to replace. */
    if (renameat2(AT_FDCWD, back ? moved : current, AT_FDCWD, back ? current : moved, RENAME_NOREPLACE) != 0)
        return err_errno(err, "cannot rename '%s'", back ? moved : current);
    return true;
}

/* Its records are on the disk before it is moved, so only the current file can end in the middle of a line. When it cannot
 * be moved it just grows on. */
static void move_full(ReadsLog *log)
{
    Err err;
    if (fdatasync(log->fd) != 0) {
        (void)break_log(log, "flushed");
        return;
    }
    log->flushed = log->last.number;
    log->move_at_bytes = log->size_bytes + MOVE_RETRY_BYTES;
    if (!rename_full(log, false, &err)) {
        log_event(LOG_WARN, "audit.move_failed", log_cstr("error", err.text));
        return;
    }
    int fd = open_current(log, O_CREAT | O_EXCL, &err);
    if (fd < 0 || !dir_sync(log->dir, &err)) {
        log_event(LOG_WARN, "audit.move_failed", log_cstr("error", err.text));
        if (fd < 0 && !rename_full(log, true, &err))
            log_event(LOG_ERROR, "audit.move_failed", log_cstr("error", err.text));      /* it goes on growing under its new name */
        if (fd < 0)
            return;
    }
    (void)close(log->fd);
    log->fd = fd;
    log->size_bytes = 0;
    log->first_number = 0;
    log->move_at_bytes = AUDIT_FILE_BYTES;
}

static bool append_locked(ReadsLog *log, Buf *buf, int64_t time_ms, Err *err)
{
    ChainPoint next;
    if (log->broken.code == ERR_NONE && log->size_bytes >= log->move_at_bytes)
        move_full(log);
    if (log->broken.code != ERR_NONE)
        return *err = log->broken, false;
    chain_next(log->hmac, CHAIN_READS, &log->last, buf, &next);
    if (!write_line(log, &next, chain_record(buf), err))
        return false;
    log->last = next;
    if (!log->first_number) {
        log->first_number = next.number;
        log->first_ms = time_ms;
    }
    if (log->rests)
        (void)pthread_cond_signal(&log->changed);
    return true;
}

bool reads_append(ReadsLog *log, const AuditRecord *record, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    chain_begin(&buf);
    if (!record_put(&buf, record, err))
        return false;
    (void)pthread_mutex_lock(&log->mutex);
    bool good = append_locked(log, &buf, record->time_ms, err);
    (void)pthread_mutex_unlock(&log->mutex);
    return good;
}

void reads_move_unless(ReadsLog *log, int64_t from_ms, int64_t to_ms)
{
    (void)pthread_mutex_lock(&log->mutex);
    if (log->first_number && (log->first_ms < from_ms || log->first_ms > to_ms) && log->broken.code == ERR_NONE)
        move_full(log);
    (void)pthread_mutex_unlock(&log->mutex);
}

int64_t reads_first(ReadsLog *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    int64_t first = log->first_number;
    (void)pthread_mutex_unlock(&log->mutex);
    return first;
}

void reads_stats(ReadsLog *log, int64_t *last, int64_t *unanchored)
{
    (void)pthread_mutex_lock(&log->mutex);
    *last = log->last.number;
    *unanchored = log->last.number - log->anchored;
    (void)pthread_mutex_unlock(&log->mutex);
}

/* ---- flushing and anchoring: the thread; the mutex is held on entry and on return ---- */

static void wait_ms(ReadsLog *log, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (!log->stopping && pthread_cond_timedwait(&log->changed, &log->mutex, &until) == 0)
        continue;
}

static void flush(ReadsLog *log)
{
    int64_t number = log->last.number;
    int fd = fcntl(log->fd, F_DUPFD_CLOEXEC, 0);
    (void)pthread_mutex_unlock(&log->mutex);
    bool good = fd >= 0 && fdatasync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    (void)pthread_mutex_lock(&log->mutex);
    if (good) {
        if (number > log->flushed)
            log->flushed = number;
        return;
    }
    /* After a failed flush the kernel may have dropped the data and say nothing at the next: nothing more can be promised. */
    errno = error;
    (void)break_log(log, "flushed");
    log_event(LOG_ERROR, "audit.flush_failed", log_cstr("error", log->broken.text));
}

typedef struct Anchor { const Secret *key; ChainPoint point; } Anchor;

static bool write_anchor(Txn *txn, void *ctx, Err *err)
{
    const Anchor *anchor = ctx;
    return chain_head_write(anchor->key, txn, CHAIN_READS, &anchor->point, err);
}

/* Only what was flushed is anchored: an anchor never names a record that a power cut can take. */
static void flush_and_anchor(ReadsLog *log)
{
    Anchor anchor = { .key = log->key, .point = log->last };
    if (log->flushed < anchor.point.number && log->broken.code == ERR_NONE)
        flush(log);
    log->anchored_mono_ms = mono_now_ms();
    if (log->flushed < anchor.point.number || anchor.point.number <= log->anchored)
        return;
    (void)pthread_mutex_unlock(&log->mutex);
    Err err;
    bool good = store_write(log->store, write_anchor, &anchor, &err);
    if (!good)
        log_event(LOG_ERROR, "audit.anchor_failed", log_cstr("error", err.text));      /* tried again with the next; the records are safe */
    (void)pthread_mutex_lock(&log->mutex);
    if (good)
        log->anchored = anchor.point.number;
}

static void *flush_loop(void *arg)
{
    ReadsLog *log = arg;
    (void)pthread_mutex_lock(&log->mutex);
    while (!log->stopping) {
        bool dirty = log->flushed < log->last.number && log->broken.code == ERR_NONE;
        int64_t anchor_in_ms = log->anchored < log->last.number ? log->anchored_mono_ms + AUDIT_ANCHOR_MS - mono_now_ms() : INT64_MAX;
        if (anchor_in_ms <= 0) {
            flush_and_anchor(log);
        } else if (dirty) {
            wait_ms(log, AUDIT_FLUSH_MS < anchor_in_ms ? AUDIT_FLUSH_MS : anchor_in_ms);      /* what comes meanwhile shares the flush */
            if (log->flushed < log->last.number)
                flush(log);
        } else if (anchor_in_ms != INT64_MAX) {
            wait_ms(log, AUDIT_FLUSH_MS < anchor_in_ms ? AUDIT_FLUSH_MS : anchor_in_ms);
        } else {
            log->rests = true;
            (void)pthread_cond_wait(&log->changed, &log->mutex);
            log->rests = false;
        }
    }
    flush_and_anchor(log);
    (void)pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* ---- life ---- */

static bool open_recovered(ReadsLog *log, const Recovery *recovery, Err *err)
{
    log->fd = open_current(log, O_CREAT, err);
    if (log->fd < 0)
        return false;
    struct stat about;
    if (fstat(log->fd, &about) != 0 || !S_ISREG(about.st_mode))
        return err_set(err, ERR_BAD_INPUT, "'%s/" READS_FILE "' is not an ordinary file", log->dir);
    if (recovery->cut_bytes && (ftruncate(log->fd, recovery->size_bytes) != 0 || fsync(log->fd) != 0))
        return err_errno(err, "cannot cut '%s/" READS_FILE "'", log->dir);
    return dir_sync(log->dir, err);
}

bool reads_start(Store *store, const Secret *key, const char *dir, const Recovery *recovery, ReadsLog **out, Err *err)
{
    ReadsLog *log = calloc(1, sizeof *log);
    if (!log)
        return err_set(err, ERR_INTERNAL, "out of memory");
    log->store = store;
    log->key = key;
    log->hmac = hmac_sha256_new(secret_bytes(key));
    log->fd = -1;
    log->last = recovery->last;
    log->anchored = log->flushed = recovery->anchored;      /* what was anchored had been flushed before */
    log->first_number = recovery->first_number;
    log->first_ms = recovery->first_ms;
    log->size_bytes = recovery->size_bytes;
    log->move_at_bytes = AUDIT_FILE_BYTES;
    log->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);

    bool good = log->hmac || err_set(err, ERR_INTERNAL, "out of memory");
    good = good && ((size_t)snprintf(log->dir, sizeof log->dir, "%s", dir) < sizeof log->dir || err_set(err, ERR_BAD_INPUT, "the path of the audit directory is too long"))
        && open_recovered(log, recovery, err);
    if (good && pthread_create(&log->thread, NULL, flush_loop, log) != 0)
        good = err_set(err, ERR_INTERNAL, "cannot start a thread");
    log->thread_runs = good;
    if (!good) {
        reads_stop(log);
        return false;
    }
    *out = log;
    return true;
}

void reads_stop(ReadsLog *log)
{
    if (!log)
        return;
    (void)pthread_mutex_lock(&log->mutex);
    log->stopping = true;
    (void)pthread_cond_signal(&log->changed);
    (void)pthread_mutex_unlock(&log->mutex);
    if (log->thread_runs)
        (void)pthread_join(log->thread, NULL);
    fd_close(&log->fd);
    hmac_free(log->hmac);
    (void)pthread_cond_destroy(&log->changed);
    (void)pthread_mutex_destroy(&log->mutex);
    free(log);
}
