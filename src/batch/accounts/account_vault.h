/* account_vault.h - the key vault that an account of pool allocation mode UserSubscription is made with.
 *
 * Source: "Configure user subscription mode" of the Batch documentation: the vault lies in the account's subscription and region, and the
 * service principal "Microsoft Azure Batch" may get, list, set and delete secrets in it. Nothing is kept in the vault: nodes are made here. */
#pragma once
#include "batch/batch.h"

typedef struct VaultReference { Str id, url, name; } VaultReference;

/* From an account's settings; *has false: it is of BatchService. */
bool account_vault_of(Arena *arena, Str settings, VaultReference *out, bool *has, Err *err) MUST_CHECK;
/* The vault exists where the account is made, and goes by that address. ERR_BAD_INPUT InvalidKeyVaultReference. */
bool account_vault_check(Batch *batch, Txn *txn, Arena *arena, const VaultReference *vault, Str subscription, Str location, Err *err) MUST_CHECK;
/* 400 InvalidKeyVaultReference; always false. */
bool account_vault_invalid(Err *err, const char *fmt, ...) FORMAT(2, 3);
