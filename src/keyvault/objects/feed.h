/* feed.h - the change feed of a vault: one row for each new version, deletion, recovery, purge, and version that was enabled or disabled, in the order
 * of commits; what subscriptions to events want besides stands there too. The newest FEED_KEPT rows stay, at most FEED_TRIM more,
 * which go together, and those that a subscription has not taken up; a cursor from before them starts over.
 *
 * Written in the transaction of the change. Whoever reads it keeps the last number seen; requests parked under the vault's
 * scope ("vault:<id>") are woken after the commit. */
#pragma once
#include "keyvault/objects/ids.h"

typedef enum FeedChange { FEED_NEW_VERSION = 1, FEED_DELETED, FEED_RECOVERED, FEED_PURGED, FEED_ENABLED, FEED_DISABLED,
                         FEED_NEAR_EXPIRY, FEED_EXPIRED, FEED_POLICY_CHANGED } FeedChange;    /* these three are for event subscriptions alone; the last is of FEED_OF_VAULT, under the vault's name */
#define FEED_OF_VAULT ((KvKind)0)
enum { FEED_KEPT = 10000, FEED_TRIM = 16 };

bool feed_add(Txn *txn, const Vault *vault, KvKind kind, Str name, Str version, FeedChange change, int64_t now_ms, Err *err) MUST_CHECK;
bool feed_newest(Txn *txn, Str vault_id, int64_t *number, Err *err) MUST_CHECK;      /* number of the last row; 0: none */
void feed_wake(KeyVault *kv, const Vault *vault);         /* after the commit */
