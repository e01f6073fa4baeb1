/* authority.h - the site's private CA and the TLS leaf certificates it makes for the names clients ask for.
 *
 * The CA key lies sealed in the store; its certificate is DIR/ca.pem. Leaves are P-256, valid 90 days (below the 398 that
 * browsers take), renewed with a third of that left, and made only for names that a plane says exist. Real time rules. */
#pragma once
#include "crypto/certificates/cert.h"
#include "http/server.h"
#include "store/seal.h"

typedef struct Authority Authority;

/* `vaultyard init`: a new CA, within the transaction; its certificate as PEM in the arena. */
bool authority_create(Seal *seal, Txn *txn, Arena *arena, Str instance_id, int64_t real_ms, Str *ca_pem, Err *err) MUST_CHECK;
bool authority_open(Store *store, Seal *seal, Authority **out, Err *err) MUST_CHECK;
void authority_close(Authority *authority);
bool authority_leaf(void *authority, Arena *arena, Str name, TlsLeaf *out, Err *err);   /* HttpConfig.tls_leaf; "" makes the leaf for addresses and localhost */
