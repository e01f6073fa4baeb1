/* writes.c - records of writes: appended and anchored in the transaction of the operation. */
#include "audit/writes.h"
#include <stdio.h>

static bool last_record(Txn *txn, ChainPoint *last, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    *last = (ChainPoint){ 0 };
    if (!txn_query(txn, &row, err, "SELECT number, mac FROM audit_record ORDER BY number DESC LIMIT 1"))
        return false;
    if (!rows_next(row, &failed))
        return failed.code == ERR_NONE || (*err = failed, false);
    last->number = row_int(row, 0);
    Bytes mac = row_blob(row, 1);
    if (mac.len == sizeof last->mac)
        memcpy(last->mac, mac.ptr, sizeof last->mac);
    return true;
}

static bool anchor_last(Txn *txn, void *ctx, Err *err)
{
    const Secret *key = ctx;
    ChainPoint last;
    return last_record(txn, &last, err) && (last.number == 0 || chain_head_write(key, txn, CHAIN_WRITES, &last, err));
}

/* Where the chain goes on. The first of a transaction asks the anchor; for those behind it the rows of this transaction are the chain,
 * which nobody else can have touched, and it is anchored once, at the end. */
static bool chain_end(const Secret *key, Txn *txn, WritesEnd *end, Err *err)
{
    bool is_first;
    ChainHead head;
    int64_t epoch = txn_epoch(txn);
    txn_before_commit(txn, anchor_last, (void *)(uintptr_t)key, &is_first);
    if (!is_first && end->epoch == epoch)
        return true;
    end->epoch = 0;
    if (!is_first ? !last_record(txn, &end->last, err) : !chain_head_read(key, txn, CHAIN_WRITES, &end->last, &head, err))
        return false;
    if (is_first && head != CHAIN_HEAD_SOUND)
        return err_set(err, ERR_INTERNAL, "the head of the audit chain was changed from outside: stop the server and run 'vaultyard audit verify'");
    end->epoch = epoch;
    return true;
}

void writes_end_done(WritesEnd *end) { hmac_free(TAKE(end->hmac)); }

bool writes_append(const Secret *key, Txn *txn, WritesEnd *end, const AuditRecord *record, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    ChainPoint next;
    chain_begin(&buf);
    if (!end->hmac && !(end->hmac = hmac_sha256_new(secret_bytes(key))))
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!record_put(&buf, record, err) || !chain_end(key, txn, end, err))
        return false;
    chain_next(end->hmac, CHAIN_WRITES, &end->last, &buf, &next);
    if (!txn_exec(txn, NULL, err, "INSERT INTO audit_record (number, time_ms, record, mac) VALUES (?1, ?2, ?3, ?4)",
                  db_int(next.number), db_int(record->time_ms), db_text(chain_record(&buf)), db_blob((Bytes){ next.mac, sizeof next.mac })))
        return false;
    end->last = next;
    return true;
}

static void compare(const ChainPoint *anchored, const ChainPoint *last, ChainHead head, bool is_new, char *finding, size_t size)
{
    finding[0] = '\0';
    if (head == CHAIN_HEAD_ABSENT && !is_new)
        (void)snprintf(finding, size, "the anchor of the writes is missing");
    else if (head == CHAIN_HEAD_FALSE)
        (void)snprintf(finding, size, "the anchor of the writes is not genuine");
    else if (last->number < anchored->number)
        (void)snprintf(finding, size, "records %lld to %lld are missing at the end", (long long)last->number + 1, (long long)anchored->number);
    else if (last->number > anchored->number)
        (void)snprintf(finding, size, "there are records after %lld, the last that was anchored", (long long)anchored->number);
    else if (memcmp(last->mac, anchored->mac, sizeof last->mac) != 0)
        (void)snprintf(finding, size, "record %lld is not the one that was anchored", (long long)anchored->number);
}

bool writes_recover(const Secret *key, Txn *txn, bool is_new, char *finding, size_t finding_size, int64_t *out, Err *err)
{
    ChainPoint anchored, last;
    ChainHead head;
    if (!chain_head_read(key, txn, CHAIN_WRITES, &anchored, &head, err) || !last_record(txn, &last, err))
        return false;
    if (last.number < 0 || last.number >= INT64_MAX / 2)
        return err_set(err, ERR_INTERNAL, "table audit_record holds a record number that we never wrote: restore a backup");
    compare(&anchored, &last, head, is_new, finding, finding_size);
    const ChainPoint *resume = last.number > anchored.number ? &last : &anchored;
    *out = resume->number;
    return (head == CHAIN_HEAD_SOUND && !finding[0]) || chain_head_write(key, txn, CHAIN_WRITES, resume, err);
}
