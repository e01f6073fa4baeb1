/* chain.c - what goes under a MAC, and the rows of table audit_head. */
#include "audit/chain.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/id.h"

void chain_put_number(uint8_t out[8], int64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
}

void chain_room(uint8_t room[CHAIN_ROOM], char kind, ChainStream stream, const ChainPoint *point)
{
    room[0] = (uint8_t)kind;
    room[1] = (uint8_t)stream;
    chain_put_number(room + 2, point->number);
    memcpy(room + 10, point->mac, CHAIN_MAC_SIZE);
}

Str chain_stream_name(ChainStream stream)
{
    return stream == CHAIN_WRITES ? STR("writes") : STR("reads");
}

void chain_begin(Buf *buf)
{
    static const uint8_t room[CHAIN_ROOM];
    buf_init(buf, CHAIN_ROOM + RECORD_MAX);
    buf_put(buf, room, sizeof room);
}

Str chain_record(const Buf *buf)
{
    return (Str){ buf->ptr + CHAIN_ROOM, buf->len - CHAIN_ROOM };
}

void chain_next(Hmac *hmac, ChainStream stream, const ChainPoint *last, Buf *buf, ChainPoint *next)
{
    ChainPoint after = *last;
    after.number++;
    chain_room((uint8_t *)buf->ptr, 'R', stream, &after);
    next->number = after.number;
    hmac_make(hmac, buf_bytes(buf), next->mac);
}

bool chain_follows(const Secret *key, ChainStream stream, const ChainPoint *last, Str record, const uint8_t mac[CHAIN_MAC_SIZE])
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    ChainPoint next;
    chain_begin(&buf);
    buf_put_str(&buf, record);
    if (buf.failed)
        return false;                 /* longer than any record of ours */
    Hmac *hmac = hmac_sha256_new(secret_bytes(key));
    chain_next(hmac, stream, last, &buf, &next);
    hmac_free(hmac);
    return secret_equal((Bytes){ next.mac, sizeof next.mac }, (Bytes){ mac, CHAIN_MAC_SIZE });
}

bool chain_find(ChainWalk *walk, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(walk->finding, sizeof walk->finding, fmt, args);
    va_end(args);
    return false;
}

/* No text of a client reads like this: its quotes are escaped. */
bool chain_names(Str record, Str operation)
{
    size_t at;
    return str_find(record, STR("\"operationName\":\""), &at) && str_starts(record = str_slice(record, at + 17, record.len), operation)
        && str_starts(str_slice(record, operation.len, record.len), STR("\""));
}

bool chain_step(ChainWalk *walk, int64_t number, Str record, const uint8_t mac[CHAIN_MAC_SIZE])
{
    if (number > walk->at.number + 1)
        return chain_find(walk, "records %lld to %lld are missing", (long long)walk->at.number + 1, (long long)number - 1);
    if (number <= walk->at.number)
        return chain_find(walk, "record %lld stands after record %lld", (long long)number, (long long)walk->at.number);
    if (!chain_follows(walk->key, walk->stream, &walk->at, record, mac))
        return chain_find(walk, "record %lld was changed or is not the one that belongs there", (long long)number);
    if (chain_names(record, STR(AUDIT_CHAIN_BROKEN)))      /* noted at a start */
        return chain_find(walk, "record %lld notes that the chain was broken before: see its resultDescription", (long long)number);
    walk->at.number = number;
    memcpy(walk->at.mac, mac, CHAIN_MAC_SIZE);
    return true;
}

/* ---- key ---- */

static const SealPlace key_place = { .scope = { "audit", 5 }, .table = "meta", .row = { "audit_chain_key", 15 }, .column = "value" };

bool chain_key_find(Seal *seal, Txn *txn, Secret **key, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    *key = NULL;
    if (!txn_query(txn, &row, err, "SELECT value FROM meta WHERE name = 'audit_chain_key'"))
        return false;
    if (rows_next(row, &failed))
        return seal_get(seal, txn, key_place, row_blob(row, 0), key, err);
    if (failed.code != ERR_NONE)
        return *err = failed, false;
    return true;
}

bool chain_key_make(Seal *seal, Txn *txn, Secret **out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4096);
    AUTO(secret_free_auto) Secret *key = secret_new(SHA256_SIZE);
    Bytes sealed;
    if (!arena || !key)
        return err_set(err, ERR_INTERNAL, "out of memory");
    random_fill(secret_ptr(key), SHA256_SIZE);
    if (!seal_scope_create(seal, txn, key_place.scope, err)
        || !seal_put(seal, txn, key_place, secret_bytes(key), arena, &sealed, err)
        || !txn_exec(txn, NULL, err, "INSERT INTO meta (name, value) VALUES ('audit_chain_key', ?1)", db_blob(sealed)))
        return false;
    *out = TAKE(key);
    return true;
}

/* ---- heads ---- */

static void anchor_of(const Secret *key, ChainStream stream, const ChainPoint *point, uint8_t anchor[CHAIN_MAC_SIZE])
{
    uint8_t room[CHAIN_ROOM];
    chain_room(room, 'H', stream, point);
    hmac_sha256(secret_bytes(key), (Bytes){ room, sizeof room }, anchor);
}

bool chain_head_read(const Secret *key, Txn *txn, ChainStream stream, ChainPoint *point, ChainHead *head, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    *point = (ChainPoint){ 0 };
    *head = CHAIN_HEAD_ABSENT;
    if (!txn_query(txn, &row, err, "SELECT number, mac, anchor FROM audit_head WHERE stream = ?1", db_text(chain_stream_name(stream))))
        return false;
    if (!rows_next(row, &failed))
        return failed.code == ERR_NONE || (*err = failed, false);

    ChainPoint found = { .number = row_int(row, 0) };
    Bytes mac = row_blob(row, 1);
    uint8_t anchor[CHAIN_MAC_SIZE];
    *head = CHAIN_HEAD_FALSE;
    if (mac.len != CHAIN_MAC_SIZE)
        return true;
    memcpy(found.mac, mac.ptr, CHAIN_MAC_SIZE);
    anchor_of(key, stream, &found, anchor);
    if (!secret_equal((Bytes){ anchor, sizeof anchor }, row_blob(row, 2)))
        return true;
    *point = found;
    *head = CHAIN_HEAD_SOUND;
    return true;
}

bool chain_head_write(const Secret *key, Txn *txn, ChainStream stream, const ChainPoint *point, Err *err)
{
    uint8_t anchor[CHAIN_MAC_SIZE];
    anchor_of(key, stream, point, anchor);
    return txn_exec(txn, NULL, err,
                    "INSERT INTO audit_head (stream, number, mac, anchor) VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT (stream) DO UPDATE SET number = excluded.number, mac = excluded.mac, anchor = excluded.anchor",
                    db_text(chain_stream_name(stream)), db_int(point->number), db_blob((Bytes){ point->mac, CHAIN_MAC_SIZE }), db_blob((Bytes){ anchor, sizeof anchor }));
}
