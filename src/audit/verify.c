/* verify.c - walks both chains from their first record to their anchors. */
#include <stdarg.h>
#include <stdio.h>
#include "audit/files.h"

enum { PAGE_RECORDS = 4096, LIST_ARENA_BYTES = 4 << 20 };

typedef struct Walk {
    Secret *key;
    Seal *seal;
    AuditReport *report;
    ChainStream stream;
    ChainPoint at, writes_head, reads_head;
    bool is_last_file;
    int on_page;
} Walk;

static bool find(Walk *walk, const char *fmt, ...) FORMAT(2, 3);

/* Ends the walk. Always false. */
static bool find(Walk *walk, const char *fmt, ...)
{
    char text[220];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    walk->report->sound = false;
    (void)snprintf(walk->report->finding, sizeof walk->report->finding, "%s: %s", walk->stream == CHAIN_WRITES ? "writes" : "reads", text);
    return false;
}

static bool step(Walk *walk, int64_t number, Str record, const uint8_t *mac)
{
    size_t at;
    if (number > walk->at.number + 1)
        return find(walk, "records %lld to %lld are missing", (long long)walk->at.number + 1, (long long)number - 1);
    if (number <= walk->at.number)
        return find(walk, "record %lld stands after record %lld", (long long)number, (long long)walk->at.number);
    if (!chain_follows(walk->key, walk->stream, &walk->at, record, mac))
        return find(walk, "record %lld was changed or is not the one that belongs there", (long long)number);
    /* Noted at a start. No text of a client reads like this: its quotes are escaped. */
    if (str_find(record, STR("\"operationName\":\"" AUDIT_CHAIN_BROKEN "\""), &at))
        return find(walk, "record %lld notes that the chain was broken before: see its resultDescription", (long long)number);
    walk->at.number = number;
    memcpy(walk->at.mac, mac, CHAIN_MAC_SIZE);
    walk->report->records++;
    return true;
}

static bool check_end(Walk *walk, const ChainPoint *head)
{
    return walk->at.number >= head->number
        || find(walk, "records %lld to %lld are missing at the end", (long long)walk->at.number + 1, (long long)head->number);
}

/* ---- heads: taken before the records, so that a running server can only be ahead of them ---- */

static bool check_head(Walk *walk, Txn *txn, ChainStream stream, ChainPoint *head, Err *err)
{
    ChainHead state;
    walk->stream = stream;
    if (!chain_head_read(walk->key, txn, stream, head, &state, err))
        return false;
    if (state != CHAIN_HEAD_SOUND && walk->report->sound)
        (void)find(walk, "the anchor is %s", state == CHAIN_HEAD_ABSENT ? "missing" : "not genuine");
    return true;
}

static bool read_heads(Txn *txn, void *ctx, Err *err)
{
    Walk *walk = ctx;
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    if (!chain_key_find(walk->seal, txn, &walk->key, err))
        return false;
    if (!walk->key)
        return err_set(err, ERR_NOT_FOUND, "the database has no audit chain: it was never served, or its key was removed");
    if (!check_head(walk, txn, CHAIN_WRITES, &walk->writes_head, err) || !check_head(walk, txn, CHAIN_READS, &walk->reads_head, err))
        return false;
    if (!walk->report->sound)
        return true;
    walk->stream = CHAIN_WRITES;
    if (!txn_query(txn, &row, err, "SELECT COUNT(*) FROM audit_record WHERE number > ?1 OR number < 1", db_int(walk->writes_head.number)))
        return false;
    if (!rows_next(row, &failed))
        return *err = failed, false;
    if (row_int(row, 0))
        (void)find(walk, "there are records after %lld, the last that was anchored", (long long)walk->writes_head.number);
    return true;
}

/* ---- writes: page by page, so that no snapshot is held for long ---- */

static bool walk_page(Txn *txn, void *ctx, Err *err)
{
    Walk *walk = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    Err failed = { 0 };
    walk->on_page = 0;
    if (!txn_query(txn, &rows, err, "SELECT number, record, mac FROM audit_record WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3",
                   db_int(walk->at.number), db_int(walk->writes_head.number), db_int(PAGE_RECORDS)))
        return false;
    while (rows_next(rows, &failed)) {
        Bytes mac = row_blob(rows, 2);
        walk->on_page++;
        if (mac.len != CHAIN_MAC_SIZE ? !find(walk, "record %lld has no MAC", (long long)row_int(rows, 0)) : !step(walk, row_int(rows, 0), row_text(rows, 1), mac.ptr))
            return true;
    }
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    return true;
}

static bool walk_writes(Walk *walk, Store *store, Err *err)
{
    walk->stream = CHAIN_WRITES;
    walk->at = (ChainPoint){ 0 };
    do {
        if (!store_read(store, walk_page, walk, err))
            return false;
    } while (walk->report->sound && walk->on_page == PAGE_RECORDS);
    if (walk->report->sound)
        (void)check_end(walk, &walk->writes_head);
    return true;
}

/* ---- reads ---- */

static bool walk_line(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    Walk *walk = ctx;
    (void)offset, (void)len;
    if (kind == LINE_SOUND)
        return step(walk, line->point.number, line->record, line->point.mac);
    /* After the anchor a kill may leave the last line unfinished; the next start cuts it off. */
    if (kind == LINE_TORN && walk->is_last_file && walk->at.number >= walk->reads_head.number)
        return false;
    return find(walk, "what stands after record %lld is no record", (long long)walk->at.number);
}

static bool walk_files(Walk *walk, const char *dir, size_t *count, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(LIST_ARENA_BYTES);
    ReadsFile *files;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!reads_files_list(dir, arena, &files, count, err))
        return false;
    walk->at = (ChainPoint){ 0 };
    for (size_t i = 0; i < *count && walk->report->sound; i++) {
        walk->is_last_file = i + 1 == *count;
        if (!reads_file_walk(files[i].path.ptr, walk_line, walk, err))
            return false;
    }
    if (walk->report->sound)
        (void)check_end(walk, &walk->reads_head);
    return true;
}

/* A running server may move its full file between our look at the directory and the file: then there is one more than we saw. */
static bool walk_reads(Walk *walk, const char *dir, Err *err)
{
    AuditReport before = *walk->report;
    size_t seen = 0, now = 0;
    walk->stream = CHAIN_READS;
    do {
        *walk->report = before;
        seen = now;
        if (!walk_files(walk, dir, &now, err))
            return false;
    } while (!walk->report->sound && now != seen);
    return true;
}

bool audit_verify(Store *store, Seal *seal, const char *dir, AuditReport *out, Err *err)
{
    AuditReport report = { .sound = true };
    Walk walk = { .seal = seal, .report = &report };
    bool good = store_read(store, read_heads, &walk, err)
        && (!report.sound || walk_writes(&walk, store, err))
        && (!report.sound || walk_reads(&walk, dir, err));
    secret_free(walk.key);
    if (good)
        *out = report;
    return good;
}
