/* reads.h - the append-only file of the reads: recovered, appended to, flushed, moved. Private to audit/. */
#pragma once
#include "audit/files.h"

/* What was found at the start, see audit.h. */
typedef struct Recovery {
    ChainPoint last;                  /* the next record comes after this one */
    int64_t anchored;                 /* its number or a lower one, that the store names as the head */
    int64_t first_number;             /* of the current file; 0: it has no record */
    int64_t first_ms;                 /* that record's time */
    int64_t size_bytes;               /* what of the current file is kept */
    int64_t cut_bytes;                /* what was cut off its end */
    char finding[200];                /* "" or what does not fit the anchor */
} Recovery;

/* Changes nothing. `base`: the last record that was trimmed. */
bool reads_recover(const Secret *key, const char *dir, const ChainPoint *base, const ChainPoint *anchor, ChainHead head, Recovery *out, Err *err) MUST_CHECK;

typedef struct ReadsLog ReadsLog;

/* Cuts the file to what was recovered and starts the thread that flushes and anchors. `key` stays the caller's. */
bool reads_start(Store *store, const Secret *key, const char *dir, const Recovery *recovery, ReadsLog **out, Err *err) MUST_CHECK;
void reads_stop(ReadsLog *log);                              /* flushes and anchors; NULL is fine */
bool reads_append(ReadsLog *log, const AuditRecord *record, Err *err) MUST_CHECK;
/* Moves the current file, as if it were full, unless it begins with a record made between these times. */
void reads_move_unless(ReadsLog *log, int64_t from_ms, int64_t to_ms);
int64_t reads_first(ReadsLog *log);                          /* number of the first record in the file being appended to; 0: it is empty */
void reads_stats(ReadsLog *log, int64_t *last, int64_t *unanchored);
