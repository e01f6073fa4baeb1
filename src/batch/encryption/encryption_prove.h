/* encryption_prove.h - a key is taken for an account only after a wrap and an unwrap with it succeeded.
 *
 * The request that sets the key parks; the background runner asks the vault; the request is woken and writes what was proved, all of its
 * changes in one transaction. A proof lives in memory alone: when the server stops meanwhile nothing has changed. */
#pragma once
#include "batch/encryption/encryption_vault.h"

enum { PROOF_MS = 45 * 1000 };          /* within the time that a request may park, so that it can still answer */

typedef struct KeyProof KeyProof;
typedef struct KeyProofs KeyProofs;     /* those under way; of the Batch */

KeyProofs *key_proofs_new(void);        /* NULL: out of memory */
void key_proofs_free(KeyProofs *proofs);

/* From a handler: has the runner prove the key with each of the principals until one may use it, and parks the request. The proof goes with
 * the request's arena. principals must not be empty. */
bool key_proof_start(Batch *batch, Req *req, Reply *reply, Str account_name, const EncryptionIn *in, const Str *principals, size_t count, KeyProof **out, Err *err) MUST_CHECK;
/* The same of a vault: may the principal use the secrets in it? Its result has no wrapped key. vault_id is for the words of a refusal. */
bool vault_proof_start(Batch *batch, Req *req, Reply *reply, Str account_name, Str vault, Str vault_id, Str principal, KeyProof **out, Err *err) MUST_CHECK;
/* When the handler runs again: *done false: parked again. An error is why the key was refused, worded for the body's fields, or
 * ERR_UNAVAILABLE when the vault stayed silent. *out is valid as long as the request. */
bool key_proof_result(Batch *batch, Req *req, Reply *reply, KeyProof *proof, bool *done, WrappedKey *out, Err *err) MUST_CHECK;

RunnerFn batch_key_proof_run;
