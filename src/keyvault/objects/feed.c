/* feed.c - writing the change feed. Its newest row always stays, so the next number is one more than that row's. */
#include "keyvault/objects/feed.h"
#include "keyvault/events/courier.h"

bool feed_newest(Txn *txn, Str vault_id, int64_t *number, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT number FROM kv_feed WHERE vault = ?1 ORDER BY number DESC LIMIT 1", db_text(vault_id)))
        return false;
    *err = (Err){ 0 };
    *number = rows_next(rows, err) ? row_int(rows, 0) : 0;
    return err->code == ERR_NONE;
}

bool feed_add(Txn *txn, const Vault *vault, KvKind kind, Str name, Str version, FeedChange change, int64_t now_ms, Err *err)
{
    int64_t number;
    if (!feed_newest(txn, vault->id, &number, err))
        return false;
    number++;
    return txn_exec(txn, NULL, err,
                    "INSERT INTO kv_feed (vault, number, kind, name, version, change, time_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    db_text(vault->id), db_int(number), db_int(kind), db_text(name), db_text(version), db_int(change), db_int(now_ms)) &&
           (number % FEED_TRIM != 0 ||
            txn_exec(txn, NULL, err, "DELETE FROM kv_feed WHERE vault = ?1 AND number <= ?2 AND NOT EXISTS"
                     " (SELECT 1 FROM kv_event_subscription s WHERE s.vault = ?1 AND s.cursor < kv_feed.number)", db_text(vault->id), db_int(number - FEED_KEPT)));
}

void feed_wake(KeyVault *kv, const Vault *vault)
{
    if (kv->site->http)
        http_wake(kv->site->http, vault->scope);
    courier_note(kv);
}
