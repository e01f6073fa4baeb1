/* tail.c - writes from the table, reads from the files. */
#include "audit/tail.h"
#include "audit/files.h"
#include "audit/inside.h"

AuditPlace audit_place_now(Audit *audit)
{
    AuditStats stats = audit_stats(audit);
    return (AuditPlace){ .writes = stats.writes, .reads = stats.reads };
}

typedef struct Writes { AuditPlace *place; int64_t max, count; AuditSeeFn *see; void *ctx; } Writes;

static bool writes_txn(Txn *txn, void *ctx, Err *err)
{
    Writes *writes = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT number, record FROM audit_record WHERE number > ?1 ORDER BY number LIMIT ?2", db_int(writes->place->writes), db_int(writes->max)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (!writes->see(writes->ctx, row_text(rows, 1), err))
            return false;
        writes->place->writes = row_int(rows, 0);
        writes->count++;
    }
    return err->code == ERR_NONE;
}

typedef struct Reads { AuditPlace *place; int64_t max, count; AuditSeeFn *see; void *ctx; Err *err; bool failed; } Reads;

static bool read_line(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    Reads *reads = ctx;
    (void)offset, (void)len;
    if (kind != LINE_SOUND || line->point.number <= reads->place->reads)
        return kind != LINE_TORN;
    if (reads->count == reads->max)
        return false;
    reads->failed = !reads->see(reads->ctx, line->record, reads->err);
    if (reads->failed)
        return false;
    reads->place->reads = line->point.number;
    reads->count++;
    return true;
}

static bool tail_reads(Audit *audit, Reads *reads, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(READS_LIST_BYTES);
    ReadsFile *files;
    size_t count;
    if (audit_stats(audit).reads <= reads->place->reads)
        return true;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!reads_files_list(audit_dir(audit), arena, &files, &count, err))
        return false;
    for (size_t i = 0; i < count && reads->count < reads->max; i++) {
        bool is_behind = i + 1 < count && files[i + 1].first_number && files[i + 1].first_number <= reads->place->reads + 1;
        if (is_behind)
            continue;
        if (!reads_file_walk(files[i].path.ptr, read_line, reads, err) && err->code != ERR_NOT_FOUND)     /* moved meanwhile: the next call finds it */
            return false;
        if (reads->failed)
            return false;
    }
    return true;
}

bool audit_tail(Audit *audit, AuditPlace *io, int64_t max, AuditSeeFn *see, void *ctx, bool *more, Err *err)
{
    Writes writes = { io, max, 0, see, ctx };
    Reads reads = { io, max, 0, see, ctx, err, false };
    if (!store_read(audit_store(audit), writes_txn, &writes, err) || !tail_reads(audit, &reads, err))
        return false;
    *more = writes.count == max || reads.count == max;
    return true;
}
