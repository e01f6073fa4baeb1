/* base_point.c - the rows of table audit_base. */
#include "audit/base_point.h"
#include "crypto/hash.h"

static void seal_of(const Secret *key, ChainStream stream, const BasePoint *point, uint8_t seal[CHAIN_MAC_SIZE])
{
    uint8_t room[CHAIN_ROOM + 4 * 8];
    chain_room(room, 'B', stream, &point->last);
    chain_put_number(room + CHAIN_ROOM, point->until_ms);
    chain_put_number(room + CHAIN_ROOM + 8, point->cut_ms);
    chain_put_number(room + CHAIN_ROOM + 16, point->count);
    chain_put_number(room + CHAIN_ROOM + 24, point->noted);
    hmac_sha256(secret_bytes(key), (Bytes){ room, sizeof room }, seal);
}

static bool read_point(const Secret *key, Txn *txn, ChainStream stream, BasePoint *point, ChainHead *state, Err *err)
{
    AUTO(rows_free_auto) Rows *row = NULL;
    Err failed = { 0 };
    *point = (BasePoint){ 0 };
    *state = CHAIN_HEAD_ABSENT;
    if (!txn_query(txn, &row, err, "SELECT number, mac, until_ms, cut_ms, count, noted, seal FROM audit_base WHERE stream = ?1", db_text(chain_stream_name(stream))))
        return false;
    if (!rows_next(row, &failed))
        return failed.code == ERR_NONE || (*err = failed, false);
    BasePoint found = { .last.number = row_int(row, 0), .until_ms = row_int(row, 2), .cut_ms = row_int(row, 3), .count = row_int(row, 4), .noted = row_int(row, 5) };
    Bytes mac = row_blob(row, 1);
    uint8_t seal[CHAIN_MAC_SIZE];
    *state = CHAIN_HEAD_FALSE;
    if (mac.len != CHAIN_MAC_SIZE)
        return true;
    memcpy(found.last.mac, mac.ptr, CHAIN_MAC_SIZE);
    seal_of(key, stream, &found, seal);
    if (!secret_equal((Bytes){ seal, sizeof seal }, row_blob(row, 6)))
        return true;
    *point = found;
    *state = CHAIN_HEAD_SOUND;
    return true;
}

static void trouble(BasePoints *points, ChainStream stream, const char *words)
{
    *points = (BasePoints){ .trouble = words, .troubled = stream };
}

bool base_points_read(const Secret *key, Txn *txn, BasePoints *out, Err *err)
{
    BasePoints points = { 0 };
    ChainHead writes, reads;
    if (!read_point(key, txn, CHAIN_WRITES, &points.writes, &writes, err) || !read_point(key, txn, CHAIN_READS, &points.reads, &reads, err))
        return false;
    if (writes == CHAIN_HEAD_FALSE || reads == CHAIN_HEAD_FALSE)
        trouble(&points, writes == CHAIN_HEAD_FALSE ? CHAIN_WRITES : CHAIN_READS, "the base point is not genuine");
    else if (writes != reads)
        trouble(&points, writes == CHAIN_HEAD_ABSENT ? CHAIN_WRITES : CHAIN_READS, "the base point is missing");
    else if (points.writes.noted != points.reads.noted)
        trouble(&points, points.writes.noted < points.reads.noted ? CHAIN_WRITES : CHAIN_READS, "the base point is of an older cut: it was put back");
    *out = points;
    return true;
}

static bool write_point(const Secret *key, Txn *txn, ChainStream stream, const BasePoint *point, Err *err)
{
    uint8_t seal[CHAIN_MAC_SIZE];
    seal_of(key, stream, point, seal);
    return txn_exec(txn, NULL, err,
                    "INSERT INTO audit_base (stream, number, mac, until_ms, cut_ms, count, noted, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                    " ON CONFLICT (stream) DO UPDATE SET number = excluded.number, mac = excluded.mac, until_ms = excluded.until_ms, cut_ms = excluded.cut_ms,"
                    " count = excluded.count, noted = excluded.noted, seal = excluded.seal",
                    db_text(chain_stream_name(stream)), db_int(point->last.number), db_blob((Bytes){ point->last.mac, CHAIN_MAC_SIZE }), db_int(point->until_ms),
                    db_int(point->cut_ms), db_int(point->count), db_int(point->noted), db_blob((Bytes){ seal, sizeof seal }));
}

bool base_points_write(const Secret *key, Txn *txn, const BasePoints *points, Err *err)
{
    return write_point(key, txn, CHAIN_WRITES, &points->writes, err) && write_point(key, txn, CHAIN_READS, &points->reads, err);
}
