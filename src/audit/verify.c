/* verify.c - walks both chains from their first record, or from where they were trimmed, to their anchors. */
#include <stdio.h>
#include "audit/base_point.h"
#include "audit/files.h"

enum { PAGE_RECORDS = 4096 };

typedef struct Walk {
    Secret *key;
    Seal *seal;
    AuditReport *report;
    ChainWalk chain;
    ChainPoint writes_head, reads_head;
    BasePoints base;
    int64_t last_trim;                /* the last write met that tells of a cut; 0: none */
    const ReadsFile *file;
    bool is_last_file;
    int on_page;
} Walk;

/* What chain.finding says ends the walk. Always false. */
static bool end(Walk *walk)
{
    walk->report->sound = false;
    (void)snprintf(walk->report->finding, sizeof walk->report->finding, STR_FMT ": %s", STR_ARG(chain_stream_name(walk->chain.stream)), walk->chain.finding);
    return false;
}
#define find(walk, ...) ((void)chain_find(&(walk)->chain, __VA_ARGS__), end(walk))

static void begin(Walk *walk, ChainStream stream)
{
    walk->chain = (ChainWalk){ .key = walk->key, .stream = stream, .at = stream == CHAIN_WRITES ? walk->base.writes.last : walk->base.reads.last };
}

static bool step(Walk *walk, int64_t number, Str record, const uint8_t *mac)
{
    if (!chain_step(&walk->chain, number, record, mac))
        return end(walk);
    if (walk->chain.stream == CHAIN_WRITES && chain_names(record, STR(AUDIT_TRIMMED)))
        walk->last_trim = number;
    walk->report->records++;
    return true;
}

static bool check_end(Walk *walk, const ChainPoint *head)
{
    return walk->chain.at.number >= head->number
        || find(walk, "records %lld to %lld are missing at the end", (long long)walk->chain.at.number + 1, (long long)head->number);
}

/* ---- heads and base points: taken before the records, so that a running server can only be ahead of them ---- */

static bool check_head(Walk *walk, Txn *txn, ChainStream stream, const BasePoint *base, ChainPoint *head, Err *err)
{
    ChainHead state;
    begin(walk, stream);
    if (!chain_head_read(walk->key, txn, stream, head, &state, err))
        return false;
    if (!walk->report->sound)
        return true;
    if (state != CHAIN_HEAD_SOUND)
        (void)find(walk, "the anchor is %s", state == CHAIN_HEAD_ABSENT ? "missing" : "not genuine");
    else if (base->last.number > head->number)
        (void)find(walk, "the anchor is older than the base point: it was put back");
    return true;
}

static AuditCut cut_of(const BasePoint *base)
{
    return (AuditCut){ .number = base->last.number, .until_ms = base->until_ms, .cut_ms = base->cut_ms, .noted = base->noted };
}

static bool read_bases(Walk *walk, Txn *txn, Err *err)
{
    if (!base_points_read(walk->key, txn, &walk->base, err))
        return false;
    walk->report->writes = cut_of(&walk->base.writes);
    walk->report->reads = cut_of(&walk->base.reads);
    return true;
}

static bool read_heads(Txn *txn, void *ctx, Err *err)
{
    Walk *walk = ctx;
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    if (!walk->key && !chain_key_find(walk->seal, txn, &walk->key, err))
        return false;
    if (!walk->key)
        return err_set(err, ERR_NOT_FOUND, "the database has no audit chain: it was never served, or its key was removed");
    if (!read_bases(walk, txn, err) || !check_head(walk, txn, CHAIN_WRITES, &walk->base.writes, &walk->writes_head, err)
        || !check_head(walk, txn, CHAIN_READS, &walk->base.reads, &walk->reads_head, err))
        return false;
    if (!walk->report->sound)
        return true;
    if (walk->base.trouble) {
        begin(walk, walk->base.troubled);
        (void)find(walk, "%s", walk->base.trouble);
        return true;
    }
    begin(walk, CHAIN_WRITES);
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
                   db_int(walk->chain.at.number), db_int(walk->writes_head.number), db_int(PAGE_RECORDS)))
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

/* A base point that was put back together with the records of its time fits them; the writes since tell of the later cut. */
static bool check_trim(Walk *walk)
{
    int64_t noted = walk->base.writes.noted;
    if (walk->last_trim == noted)
        return true;
    if (noted == 0)
        return find(walk, "record %lld tells of a cut, and the base points are missing", (long long)walk->last_trim);
    if (walk->last_trim > noted)
        return find(walk, "record %lld tells of a later cut than the base points: they were put back", (long long)walk->last_trim);
    return find(walk, "record %lld does not tell of the cut that the base points are of", (long long)noted);
}

static bool walk_writes(Walk *walk, Store *store, Err *err)
{
    begin(walk, CHAIN_WRITES);
    do {
        if (!store_read(store, walk_page, walk, err))
            return false;
    } while (walk->report->sound && walk->on_page == PAGE_RECORDS);
    if (walk->report->sound && check_end(walk, &walk->writes_head))
        (void)check_trim(walk);
    return true;
}

/* ---- reads ---- */

static bool walk_line(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    Walk *walk = ctx;
    const ChainPoint *at = &walk->chain.at;
    (void)offset, (void)len;
    /* Trimmed, and not yet removed: nothing is proved of it, and nothing asked. */
    bool is_trimmed = at->number == walk->base.reads.last.number && !walk->file->is_current && walk->file->first_number <= at->number;
    if (is_trimmed && (kind != LINE_SOUND || line->point.number <= at->number))
        return true;
    if (kind == LINE_SOUND)
        return step(walk, line->point.number, line->record, line->point.mac);
    /* After the anchor a kill may leave the last line unfinished; the next start cuts it off. */
    if (kind == LINE_TORN && walk->is_last_file && at->number >= walk->reads_head.number)
        return false;
    return find(walk, "what stands after record %lld is no record", (long long)at->number);
}

static bool walk_file(Walk *walk, Err *err)
{
    Err absent = { 0 };
    if (reads_file_walk(walk->file->path.ptr, walk_line, walk, &absent))
        return true;
    if (absent.code != ERR_NOT_FOUND)
        return *err = absent, false;
    (void)find(walk, "a file of the reads went away after record %lld", (long long)walk->chain.at.number);
    return true;
}

static bool walk_files(Walk *walk, const char *dir, size_t *count, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(READS_LIST_BYTES);
    ReadsFile *files;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!reads_files_list(dir, arena, &files, count, err))
        return false;
    begin(walk, CHAIN_READS);
    for (size_t i = 0; i < *count && walk->report->sound; i++) {
        walk->is_last_file = i + 1 == *count;
        walk->file = &files[i];
        bool is_trimmed = !walk->is_last_file && files[i + 1].first_number && files[i + 1].first_number <= walk->base.reads.last.number + 1;
        if (!is_trimmed && !walk_file(walk, err))
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
    do {
        *walk->report = before;
        seen = now;
        if (!walk_files(walk, dir, &now, err))
            return false;
    } while (!walk->report->sound && now != seen);
    return true;
}

/* ---- both ---- */

static bool walk_all(Walk *walk, Store *store, const char *dir, Err *err)
{
    *walk->report = (AuditReport){ .sound = true };
    walk->last_trim = 0;
    return store_read(store, read_heads, walk, err)
        && (!walk->report->sound || walk_writes(walk, store, err))
        && (!walk->report->sound || walk_reads(walk, dir, err));
}

static bool read_noted(Txn *txn, void *ctx, Err *err)
{
    Walk *walk = ctx;
    return base_points_read(walk->key, txn, &walk->base, err);
}

/* What a running server trimmed meanwhile is missing for us, and not for who looks again. */
static bool was_trimmed(Walk *walk, Store *store, bool *was, Err *err)
{
    int64_t noted = walk->base.writes.noted;
    *was = false;
    if (walk->report->sound)
        return true;
    if (!store_read(store, read_noted, walk, err))
        return false;
    *was = walk->base.writes.noted > noted;
    return true;
}

bool audit_verify(Store *store, Seal *seal, const char *dir, AuditReport *out, Err *err)
{
    AuditReport report;
    Walk walk = { .seal = seal, .report = &report };
    bool good, again = false;
    do
        good = walk_all(&walk, store, dir, err) && was_trimmed(&walk, store, &again, err);
    while (good && again);
    secret_free(walk.key);
    if (good)
        *out = report;
    return good;
}
