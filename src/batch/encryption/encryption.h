/* encryption.h - a Batch account under a customer's key: what was set, whether it can be used, and what follows from that.
 *
 * The account's sealed rows are opened by its scope key (store/seal.h). With Microsoft.KeyVault that is wrapped by a random data key,
 * and the data key by the customer's RSA key: only the vault's ciphertext is stored. The account's own identity asks the vault, over
 * the API that customers have, from the background runner: when the key is set (encryption_prove.h) and every key_check_ms afterwards
 * (encryption_probe.c). A refusal shuts the account until the vault unwraps again; silence does so after KEY_SILENCE_MS.
 *
 * Each change of the wrapping key takes a new data key, so a copy of the old ciphertext is worth nothing once it is done. */
#pragma once
#include "batch/accounts/account.h"

enum { KEY_CHECK_USUAL_MS = 60 * 1000, KEY_CHECK_LEAST_MS = 1000, KEY_SILENCE_MS = 10 * 60 * 1000, KEY_RETRY_MS = 5 * 1000,
       KEY_RETURN_DOCUMENTED_MS = 10 * 60 * 1000,           /* "up to 10 minutes for the account to be accessible again" */
       DATA_KEY_SIZE = SEAL_HANDED_KEY_SIZE };

typedef enum KeyAccess { KEY_OPEN = 1, KEY_LOST } KeyAccess;

typedef struct KeyName { Str vault, name, version; } KeyName;       /* version absent: the newest */

typedef struct Encryption {
    bool exists;                    /* the account was made with an identity: others cannot have a customer's key */
    bool by_customer;               /* false: Microsoft.Batch, and nothing below counts */
    int64_t revision;
    Str identifier;
    KeyName key;                    /* with the version that wraps now */
    bool pinned;
    Str algorithm, principal_id;
    Bytes wrapped;
    KeyAccess access;
    Str reason;
    int64_t unwrapped_ms, lost_ms, restored_ms;
    bool scrub;
} Encryption;

bool encryption_find(Txn *txn, Arena *arena, Str account_id, Encryption *out, Err *err) MUST_CHECK;
bool encryption_insert(Txn *txn, Str account_id, Err *err) MUST_CHECK;              /* Microsoft.Batch, of an account made with an identity */
bool encryption_remove(Batch *batch, Txn *txn, Str account_id, Err *err) MUST_CHECK;   /* with the account */

/* The customer's key and the data key that it wrapped: rewraps the scope key, in this transaction. Its work is scheduled. */
typedef struct WrappedKey { Str identifier; KeyName key; bool pinned; Str algorithm, principal_id; Bytes wrapped; const Secret *data_key; } WrappedKey;
bool encryption_set(Batch *batch, Txn *txn, Arena *arena, Str account_id, const WrappedKey *wrapped, int64_t real_ms, Err *err) MUST_CHECK;
/* Back to Microsoft.Batch. */
bool encryption_unset(Batch *batch, Txn *txn, Arena *arena, Str account_id, Err *err) MUST_CHECK;

/* What hinders the use of an account: nothing, a moment (its key is being asked for after a start), or that the key cannot be used. */
typedef enum KeyHindrance { KEY_HINDERS_NOTHING = 0, KEY_IS_OPENING, KEY_IS_LOST } KeyHindrance;
bool encryption_hindrance(const Batch *batch, Txn *txn, Arena *arena, Str account_id, KeyHindrance *out, Err *err) MUST_CHECK;
/* The same as a refusal: ERR_DENIED AccountIsDisabled with the key and the way back, or ERR_UNAVAILABLE. `tells` false: the caller is not
 * known yet, so the key is not named. */
bool encryption_require_open(const Batch *batch, Txn *txn, Arena *arena, const Account *account, bool tells, Err *err) MUST_CHECK;

/* "encryption" of an account into the open object. */
void encryption_write(const Batch *batch, Arena *arena, const Encryption *encryption, JsonWriter *w);
/* "encryption" of a body's properties. ERR_BAD_INPUT names the field. */
typedef struct EncryptionIn { bool given, has_source, by_customer; Str identifier; KeyName key; } EncryptionIn;
bool encryption_read(const Site *site, Arena *arena, const JsonVal *properties, EncryptionIn *out, Err *err) MUST_CHECK;
