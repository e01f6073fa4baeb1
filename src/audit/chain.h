/* chain.h - the keyed chain of a stream of records, and its anchored head. The construction is in audit.h. Private to audit/. */
#pragma once
#include "audit/record.h"
#include "crypto/hash.h"

#define AUDIT_CHAIN_BROKEN "AuditChainBroken"      /* the operation of the record that audit_open adds */

enum { CHAIN_MAC_SIZE = 32, CHAIN_ROOM = 2 + 8 + CHAIN_MAC_SIZE };
typedef enum ChainStream { CHAIN_WRITES = 'w', CHAIN_READS = 'r' } ChainStream;
typedef struct ChainPoint { int64_t number; uint8_t mac[CHAIN_MAC_SIZE]; } ChainPoint;      /* zeros: before the first record */

/* What goes under a MAC first: kind 'R' (record), 'H' (head) or 'B' (base point) keeps them apart, so that no MAC can stand for another. */
void chain_put_number(uint8_t out[8], int64_t number);
void chain_room(uint8_t room[CHAIN_ROOM], char kind, ChainStream stream, const ChainPoint *point);
Str  chain_stream_name(ChainStream stream);                                                 /* "writes" or "reads" */

/* A record being chained: CHAIN_ROOM bytes for what goes under the MAC before it, then its JSON. */
void chain_begin(Buf *buf);
Str  chain_record(const Buf *buf);                                                          /* the JSON alone */
void chain_next(Hmac *hmac, ChainStream stream, const ChainPoint *last, Buf *buf, ChainPoint *next);

/* Whether `mac` is that of `record`, coming after `last`. */
bool chain_follows(const Secret *key, ChainStream stream, const ChainPoint *last, Str record, const uint8_t mac[CHAIN_MAC_SIZE]);

/* Record after record: is each the one that belongs there? */
typedef struct ChainWalk { const Secret *key; ChainStream stream; ChainPoint at; char finding[220]; } ChainWalk;
bool chain_find(ChainWalk *walk, const char *fmt, ...) FORMAT(2, 3);                         /* always false: what does not fit ends a walk */
bool chain_step(ChainWalk *walk, int64_t number, Str record, const uint8_t mac[CHAIN_MAC_SIZE]);      /* false: `finding` says what is wrong; walk->at stays */
bool chain_names(Str record, Str operation);                                                /* Is this its operation? */

/* The key of the chains: sealed in the store under scope "audit". NULL when there is none yet. */
bool chain_key_find(Seal *seal, Txn *txn, Secret **key, Err *err) MUST_CHECK;
bool chain_key_make(Seal *seal, Txn *txn, Secret **key, Err *err) MUST_CHECK;

typedef enum ChainHead { CHAIN_HEAD_ABSENT, CHAIN_HEAD_FALSE, CHAIN_HEAD_SOUND } ChainHead;
bool chain_head_read(const Secret *key, Txn *txn, ChainStream stream, ChainPoint *point, ChainHead *head, Err *err) MUST_CHECK;
bool chain_head_write(const Secret *key, Txn *txn, ChainStream stream, const ChainPoint *point, Err *err) MUST_CHECK;
