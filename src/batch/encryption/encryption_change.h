/* encryption_change.h - what the writing of an account means for its key: nothing, a customer's key, or back to Microsoft.Batch. */
#pragma once
#include "batch/encryption/encryption_prove.h"
#include "batch/pools/pool_identity.h"

typedef enum KeyPlan { KEY_STAYS = 0, KEY_OF_CUSTOMER, KEY_OF_SERVICE } KeyPlan;

typedef struct KeyChange {
    EncryptionIn in;
    KeyPlan plan;
    Str *principals;                /* identities that the account will have, to try in order; of KEY_OF_CUSTOMER */
    size_t principal_count;
    WrappedKey wrapped;             /* what key_proof_result gave */
} KeyChange;

/* change->in is there; fills in the plan. account NULL: it is being made. identity: of the body. ERR_BAD_INPUT: it cannot be so, and why. */
bool key_change_plan(Batch *batch, Txn *txn, Arena *arena, const Account *account, const IdentityIn *identity, KeyChange *change, Err *err) MUST_CHECK;

/* In the transaction that wrote `account` (with its identity). A new account gets its row here. ERR_CONFLICT: another request came between. */
bool key_change_apply(Batch *batch, Txn *txn, Arena *arena, const Account *account, bool is_new, const KeyChange *change, Err *err) MUST_CHECK;
