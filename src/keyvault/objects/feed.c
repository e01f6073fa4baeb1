/* feed.c - writing the change feed. The number comes from the vault's row, so the row's lock orders writers. */
#include "keyvault/objects/feed.h"
#include "keyvault/events/courier.h"

bool feed_add(Txn *txn, const Vault *vault, KvKind kind, Str name, Str version, FeedChange change, int64_t now_ms, Err *err)
{
    int64_t number;
    {
        AUTO(rows_free_auto) Rows *rows = NULL;
        if (!txn_query(txn, &rows, err, "UPDATE kv_vault SET feed_number = feed_number + 1 WHERE id = ?1 RETURNING feed_number",
                       db_text(vault->id)))
            return false;
        *err = (Err){ 0 };
        if (!rows_next(rows, err))
            return err->code != ERR_NONE ? false : err_set(err, ERR_INTERNAL, "vault " STR_FMT " is gone", STR_ARG(vault->id));
        number = row_int(rows, 0);
    }
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
