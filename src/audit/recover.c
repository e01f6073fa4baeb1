/* recover.c - what the file of the reads holds after a crash, held against the anchor. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include "audit/reads.h"

typedef struct Search {
    const Secret *key;
    ChainPoint anchor;
    Recovery *found;
    bool in_current, broken;
    int64_t seen;                     /* the highest number met up to the anchor */
} Search;

static bool finding(Search *search, const char *fmt, ...) FORMAT(2, 3);

/* The first counts. Always true: the walk goes on. */
static bool finding(Search *search, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!search->found->finding[0])
        (void)vsnprintf(search->found->finding, sizeof search->found->finding, fmt, args);
    va_end(args);
    search->broken = true;
    return true;
}

/* Up to the anchor it is for audit_verify to judge. After it records must follow in the chain; what can no longer be read
 * there was never flushed, and is cut off. */
static bool look(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    Search *search = ctx;
    Recovery *found = search->found;
    bool past_anchor = search->seen >= search->anchor.number;
    if (search->in_current && (kind == LINE_TORN || (kind == LINE_STRANGE && past_anchor && !search->broken)))
        return false;                 /* this and what follows is not kept */
    if (search->in_current)
        found->size_bytes = offset + len;
    if (kind != LINE_SOUND)
        return true;
    if (search->in_current && !found->first_number) {
        found->first_number = line->point.number;
        (void)record_time(line->record, &found->first_ms);      /* without one it is as old as can be, and moved away at the next trim */
    }
    if (line->point.number <= search->anchor.number) {
        if (line->point.number > search->seen)
            search->seen = line->point.number;
        if (line->point.number == search->anchor.number && memcmp(line->point.mac, search->anchor.mac, CHAIN_MAC_SIZE) != 0)
            return finding(search, "record %lld is not the one that was anchored", (long long)line->point.number);
        return true;
    }
    if (search->broken)
        return true;
    if (line->point.number != found->last.number + 1 || !chain_follows(search->key, CHAIN_READS, &found->last, line->record, line->point.mac))
        return finding(search, "what stands after record %lld does not follow from it", (long long)found->last.number);
    found->last = line->point;
    search->seen = line->point.number;
    return true;
}

/* The last file that begins at or before the record after the anchor. */
static size_t first_to_search(const ReadsFile *files, size_t count, int64_t anchor_number)
{
    size_t at = count;
    while (at > 0) {
        at--;
        if (files[at].first_number && files[at].first_number <= anchor_number + 1)
            return at;
    }
    return 0;
}

bool reads_recover(const Secret *key, const char *dir, const ChainPoint *base, const ChainPoint *anchor, ChainHead head, Recovery *out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(READS_LIST_BYTES);
    ReadsFile *files;
    size_t count;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!reads_files_list(dir, arena, &files, &count, err))
        return false;

    *out = (Recovery){ .last = *anchor, .anchored = anchor->number };
    Search search = { .key = key, .anchor = *anchor, .found = out, .seen = base->number };
    if (head != CHAIN_HEAD_SOUND)
        (void)snprintf(out->finding, sizeof out->finding, "the anchor of the reads is %s", head == CHAIN_HEAD_ABSENT ? "missing" : "not genuine");
    else if (base->number > anchor->number)
        (void)finding(&search, "the anchor is older than the base point: it was put back");
    for (size_t at = first_to_search(files, count, anchor->number); at < count; at++) {
        search.in_current = files[at].is_current;
        struct stat about;
        if (!reads_file_walk(files[at].path.ptr, look, &search, err))
            return false;
        if (search.in_current && stat(files[at].path.ptr, &about) != 0)
            return err_errno(err, "cannot read '%s'", files[at].path.ptr);
        if (search.in_current)
            out->cut_bytes = about.st_size - out->size_bytes;
    }
    if (search.seen < anchor->number)
        (void)finding(&search, "records %lld to %lld are missing at the end", (long long)search.seen + 1, (long long)anchor->number);
    return true;
}
