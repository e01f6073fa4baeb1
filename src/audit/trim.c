/* trim.c - which records go, the cut, and the removal. */
#include "audit/trim.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "audit/base_point.h"
#include "audit/inside.h"
#include "base/file.h"

enum { PAGE_RECORDS = 1000, AHEAD_MS = 60 * 60 * 1000, MOVE_AFTER_MS = 24 * 60 * 60 * 1000, TIME_TEXT = 40 };

/* How far one chain may be cut. */
typedef struct Scan {
    ChainWalk walk;
    int64_t before_ms;
    int64_t ahead_ms;               /* a later time is that of a clock which was wrong: such a record goes when one after it does */
    int64_t most;                   /* no further than this record */
    int64_t until_ms, count;
    int64_t news;                   /* of these, what is more than the record of a former cut */
    int64_t undated;                /* of these, at the end, with a time that is not believed */
    bool held, stopped, full;
} Scan;

/* Beyond what goes, for as long as no younger record is met. */
typedef struct Look { Scan at, *goes; bool whole; } Look;

typedef struct Trim {
    Audit *audit;
    const AuditTrim *order;
    BasePoints base;                /* as they were */
    AuditPlace most;
    Scan writes, reads;
    int64_t deleted;
} Trim;

/* ---- what may go ---- */

/* false: it stays, and all after it. The time is believed once the record is proved; an unproved one that claims to be young stays all the same. */
static bool may_go(Scan *scan, int64_t number, Str record, const uint8_t *mac)
{
    int64_t time_ms = 0;
    bool has_time = record_time(record, &time_ms);
    bool is_dated = has_time && time_ms <= scan->ahead_ms;
    if (is_dated && time_ms >= scan->before_ms)
        return false;
    if (number > scan->most) {
        scan->held = true;
        return false;
    }
    scan->stopped = !chain_step(&scan->walk, number, record, mac) || (!has_time && !chain_find(&scan->walk, "record %lld has no time", (long long)number));
    if (scan->stopped)
        return false;
    scan->undated = is_dated ? 0 : scan->undated + 1;
    if (is_dated && time_ms > scan->until_ms)
        scan->until_ms = time_ms;
    scan->count++;
    scan->news += scan->walk.stream == CHAIN_READS || !chain_names(record, STR(AUDIT_TRIMMED));
    return true;
}

/* Why it ended, without what was only looked at. */
static void end_look(const Look *look)
{
    Scan *scan = look->goes;
    scan->held = look->at.held;
    scan->stopped = look->at.stopped;
    scan->full = look->at.full;
    memcpy(scan->walk.finding, look->at.walk.finding, sizeof scan->walk.finding);
}

static bool scan_page(Txn *txn, void *ctx, Err *err)
{
    Look *look = ctx;
    Scan *scan = &look->at;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT number, record, mac FROM audit_record WHERE number > ?1 ORDER BY number LIMIT ?2", db_int(scan->walk.at.number), db_int(PAGE_RECORDS)))
        return false;
    int on_page = 0;
    bool goes = true;
    *err = (Err){ 0 };
    while (goes && rows_next(rows, err)) {
        Bytes mac = row_blob(rows, 2);
        scan->stopped = mac.len != CHAIN_MAC_SIZE && !chain_find(&scan->walk, "record %lld has no MAC", (long long)row_int(rows, 0));
        goes = !scan->stopped && may_go(scan, row_int(rows, 0), row_text(rows, 1), mac.ptr);
        on_page += goes;
        if (goes && !scan->undated)
            *look->goes = *scan;
    }
    scan->full = on_page == PAGE_RECORDS;
    return err->code == ERR_NONE;
}

static bool scan_writes(Scan *scan, Store *store, Err *err)
{
    Look look = { .at = *scan, .goes = scan };
    do {
        if (!store_read(store, scan_page, &look, err))
            return false;
    } while (look.at.full && scan->count < TRIM_WRITES_MAX);
    end_look(&look);
    return true;
}

static bool scan_line(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    Look *look = ctx;
    (void)offset, (void)len;
    if (kind != LINE_SOUND) {
        look->at.stopped = !chain_find(&look->at.walk, "what stands after record %lld is no record", (long long)look->at.walk.at.number);
        return look->whole = false;
    }
    return look->whole = may_go(&look->at, line->point.number, line->record, line->point.mac);
}

static bool scan_reads(Scan *scan, Audit *audit, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(READS_LIST_BYTES);
    ReadsFile *files;
    size_t count;
    int64_t appended_to = reads_first(audit_reads(audit));
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!reads_files_list(audit_dir(audit), arena, &files, &count, err))
        return false;
    Look look = { .at = *scan, .goes = scan, .whole = true };
    for (size_t i = 0; i < count && look.whole && !files[i].is_current && files[i].first_number != appended_to; i++) {
        look.at.full = i >= TRIM_FILES_MAX && !look.at.undated;
        if (look.at.full)
            break;
        if (!reads_file_walk(files[i].path.ptr, scan_line, &look, err))
            return false;
        if (look.whole && !look.at.undated)
            *scan = look.at;
    }
    end_look(&look);
    return true;
}

static bool lower_by_hold(const Trim *trim, Txn *txn, AuditPlace *most, Err *err)
{
    *most = (AuditPlace){ .writes = INT64_MAX, .reads = INT64_MAX };
    return !trim->order->hold || trim->order->hold(trim->order->hold_ctx, txn, most, err);
}

static bool begin_txn(Txn *txn, void *ctx, Err *err)
{
    Trim *trim = ctx;
    const Secret *key = audit_key(trim->audit);
    ChainPoint anchor;
    ChainHead head;
    if (!base_points_read(key, txn, &trim->base, err) || !chain_head_read(key, txn, CHAIN_READS, &anchor, &head, err) || !lower_by_hold(trim, txn, &trim->most, err))
        return false;
    if (head != CHAIN_HEAD_SOUND && !trim->base.trouble)
        trim->base = (BasePoints){ .trouble = head == CHAIN_HEAD_ABSENT ? "the anchor is missing" : "the anchor is not genuine", .troubled = CHAIN_READS };
    /* An anchor before the base point would look like records that were cut off. */
    if (trim->most.reads > anchor.number)
        trim->most.reads = anchor.number;
    return true;
}

static Scan scan_of(const Trim *trim, ChainStream stream)
{
    const BasePoint *base = stream == CHAIN_WRITES ? &trim->base.writes : &trim->base.reads;
    return (Scan){
        .walk = { .key = audit_key(trim->audit), .stream = stream, .at = base->last }, .until_ms = base->until_ms,
        .before_ms = trim->order->now_ms - trim->order->keep_ms, .ahead_ms = trim->order->now_ms + AHEAD_MS, .most = stream == CHAIN_WRITES ? trim->most.writes : trim->most.reads,
    };
}

/* ---- the cut ---- */

static void describe(const Scan *scan, char *out, size_t size)
{
    char until[TIME_TEXT];
    time_format(scan->until_ms, 0, until, sizeof until);
    if (scan->walk.at.number)
        (void)snprintf(out, size, STR_FMT " 1 to %lld (%lld of them now), made until %s", STR_ARG(chain_stream_name(scan->walk.stream)),
                       (long long)scan->walk.at.number, (long long)scan->count, until);
    else
        (void)snprintf(out, size, "no " STR_FMT, STR_ARG(chain_stream_name(scan->walk.stream)));
}

static AuditRecord record_of_cut(const Trim *trim, char *text, size_t size)
{
    char writes[160], reads[160];
    describe(&trim->writes, writes, sizeof writes);
    describe(&trim->reads, reads, sizeof reads);
    (void)snprintf(text, size, "the server removed what was older than %lld s: %s; %s", (long long)(trim->order->keep_ms / 1000), writes, reads);
    AuditRecord record = audit_note(AUDIT_TRIMMED, 200, text);
    record.client_info = STR("vaultyard serve --audit-keep");
    return record;
}

static BasePoint point_of(const Scan *scan, const BasePoint *was, int64_t now_ms, int64_t noted)
{
    return (BasePoint){ .last = scan->walk.at, .until_ms = scan->until_ms, .cut_ms = scan->count ? now_ms : was->cut_ms, .count = scan->count ? scan->count : was->count, .noted = noted };
}

static bool cut_txn(Txn *txn, void *ctx, Err *err)
{
    Trim *trim = ctx;
    BasePoints now;
    AuditPlace most;
    int64_t noted;
    char text[480];
    if (!base_points_read(audit_key(trim->audit), txn, &now, err) || !lower_by_hold(trim, txn, &most, err))
        return false;
    if (now.trouble || now.writes.noted != trim->base.writes.noted || now.reads.last.number != trim->base.reads.last.number)
        return err_set(err, ERR_CONFLICT, "the base points of the audit were changed while records were looked at");
    if (trim->writes.walk.at.number > most.writes || trim->reads.walk.at.number > most.reads)
        return err_set(err, ERR_CONFLICT, "audit records that were about to be removed are wanted now");
    AuditRecord record = record_of_cut(trim, text, sizeof text);
    if (!audit_write_numbered(trim->audit, txn, &record, &noted, err))
        return false;
    BasePoints points = {
        .writes = point_of(&trim->writes, &now.writes, trim->order->now_ms, noted),
        .reads = point_of(&trim->reads, &now.reads, trim->order->now_ms, noted),
    };
    trim->base = points;
    return base_points_write(audit_key(trim->audit), txn, &points, err);
}

/* ---- the removal of what lies before the base points ---- */

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Trim *trim = ctx;
    return txn_exec(txn, &trim->deleted, err,
                    "DELETE FROM audit_record WHERE number >= 1 AND number <= ?1 AND number < (SELECT MIN(number) FROM audit_record WHERE number >= 1) + ?2",
                    db_int(trim->base.writes.last.number), db_int(TRIM_BATCH));
}

static bool sweep_writes(Trim *trim, Err *err)
{
    Store *store = audit_store(trim->audit);
    if (!trim->base.writes.last.number)
        return true;
    do {
        if (!store_write(store, delete_txn, trim, err))
            return false;
    } while (trim->deleted);
    return true;
}

static bool see_last(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    int64_t *last = ctx;
    (void)offset, (void)len;
    if (kind == LINE_SOUND && line->point.number > *last)
        *last = line->point.number;
    return true;
}

static bool last_in_file(const ReadsFile *file, const ReadsFile *next, int64_t *last, Err *err)
{
    *last = next && next->first_number ? next->first_number - 1 : 0;
    return *last || reads_file_walk(file->path.ptr, see_last, last, err);
}

static bool sweep_reads(const Trim *trim, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(READS_LIST_BYTES);
    ReadsFile *files;
    size_t count;
    bool removed = false;
    int64_t base = trim->base.reads.last.number, appended_to = reads_first(audit_reads(trim->audit));
    if (!base)
        return true;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!reads_files_list(audit_dir(trim->audit), arena, &files, &count, err))
        return false;
    for (size_t i = 0; i < count && !files[i].is_current && files[i].first_number <= base && files[i].first_number != appended_to; i++) {
        int64_t last;
        if (!last_in_file(&files[i], i + 1 < count ? &files[i + 1] : NULL, &last, err))
            return false;
        if (last > base)
            break;
        if (unlink(files[i].path.ptr) != 0 && errno != ENOENT)
            return err_errno(err, "cannot remove '%s'", files[i].path.ptr);
        removed = true;
    }
    return !removed || dir_sync(audit_dir(trim->audit), err);
}

static bool sweep(Trim *trim, Err *err)
{
    return sweep_writes(trim, err) && sweep_reads(trim, err);
}

/* ---- in this order ---- */

static void say_stopped(AuditTrimmed *out, const Scan *scan)
{
    if (scan->stopped && !out->stopped[0])
        (void)snprintf(out->stopped, sizeof out->stopped, STR_FMT ": %s", STR_ARG(chain_stream_name(scan->walk.stream)), scan->walk.finding);
}

bool audit_trim(Audit *audit, const AuditTrim *order, AuditTrimmed *out, Err *err)
{
    Trim trim = { .audit = audit, .order = order };
    int64_t move_after_ms = order->keep_ms / 8 < MOVE_AFTER_MS ? order->keep_ms / 8 : MOVE_AFTER_MS;
    *out = (AuditTrimmed){ 0 };
    if (!store_read(audit_store(audit), begin_txn, &trim, err))
        return false;
    if (trim.base.trouble) {
        (void)snprintf(out->stopped, sizeof out->stopped, STR_FMT ": %s", STR_ARG(chain_stream_name(trim.base.troubled)), trim.base.trouble);
        return true;
    }
    if (!sweep(&trim, err))
        return false;
    reads_move_unless(audit_reads(audit), order->now_ms - move_after_ms, order->now_ms + AHEAD_MS);
    trim.writes = scan_of(&trim, CHAIN_WRITES);
    trim.reads = scan_of(&trim, CHAIN_READS);
    if (!scan_writes(&trim.writes, audit_store(audit), err) || !scan_reads(&trim.reads, audit, err))
        return false;
    say_stopped(out, &trim.writes);
    say_stopped(out, &trim.reads);
    out->held = trim.writes.held || trim.reads.held;
    /* A server at rest does not remove its record of the last cut, only to write another. */
    if (trim.writes.news + trim.reads.news == 0)
        return true;
    if (!store_write(audit_store(audit), cut_txn, &trim, err) || !sweep(&trim, err))
        return false;
    out->writes = trim.writes.count;
    out->reads = trim.reads.count;
    out->more = trim.writes.full || trim.reads.full;
    return true;
}
