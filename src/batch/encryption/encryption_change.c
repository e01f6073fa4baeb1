/* encryption_change.c - the rules of "encryption" and "identity" in one body. */
#include "batch/encryption/encryption_change.h"
#include <stdio.h>
#include "batch/parts.h"

static bool refuse(Err *err, const char *field, const char *text)
{
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

/* -- identities of an account -- */

static bool stored_principals(Arena *arena, Str identity_json, Str **out, size_t *count, Err *err)
{
    const JsonVal *identity;
    if (!json_parse(arena, identity_json, JSON_STRICT, &identity, err))
        return false;
    const JsonVal *users = json_get(identity, "userAssigned");
    Str system = json_str(json_get(identity, "principalId")), *list = ARENA_ARRAY(arena, Str, json_count(users) + 1);
    size_t n = 0;
    if (!list)
        return err_too_big(err);
    if (system.ptr)
        list[n++] = system;
    for (size_t i = 0; i < json_count(users); i++)
        list[n++] = json_str(json_get(json_at(users, i), "principalId"));
    *out = list;
    *count = n;
    return true;
}

static bool user_principals(Batch *batch, Txn *txn, Arena *arena, const IdentityIn *identity, Str **out, size_t *count, Err *err)
{
    IdentityIn users = *identity;
    Str *list = ARENA_ARRAY(arena, Str, users.count + 1);
    if (!list)
        return err_too_big(err);
    if (!identities_resolve(batch->ids, txn, arena, &users, err))
        return false;
    for (size_t i = 0; i < users.count; i++)
        list[i] = users.list[i].principal_id;
    *out = list;
    *count = users.count;
    return true;
}

/* What the account will have after this body. */
static bool principals_to_be(Batch *batch, Txn *txn, Arena *arena, const Account *account, const IdentityIn *identity, KeyChange *change, Err *err)
{
    const JsonVal *stored = NULL;
    if (account && !json_parse(arena, account->identity, JSON_STRICT, &stored, err))
        return false;
    if (account && (!identity->given || (identity->system && json_get(stored, "principalId"))))
        return stored_principals(arena, account->identity, &change->principals, &change->principal_count, err);
    if (identity->system)
        return refuse(err, "identity.type", "a system-assigned identity exists only once the account has it, so it cannot have access to the key yet: create the account with it, "
                      "grant it get, wrapKey and unwrapKey on the vault, then set the key; or use a user-assigned identity");
    return user_principals(batch, txn, arena, identity, &change->principals, &change->principal_count, err);
}

/* -- the plan -- */

static bool plan_customer(Batch *batch, Txn *txn, Arena *arena, const Account *account, const Encryption *now, const IdentityIn *identity, KeyChange *change, Err *err)
{
    if (account && !now->exists)
        return refuse(err, "properties.encryption.keySource",
                      "customer-managed keys are only supported for accounts that were created with an identity, and this one was not; create a new account with an identity");
    if (!change->in.identifier.ptr && !now->by_customer)
        return refuse(err, "properties.encryption.keyVaultProperties.keyIdentifier", "is needed with the key source Microsoft.KeyVault");
    if (!change->in.identifier.ptr) {
        change->in.identifier = now->identifier;
        change->in.key = (KeyName){ now->key.vault, now->key.name, now->pinned ? now->key.version : STR_NONE };
    }
    if (!principals_to_be(batch, txn, arena, account, identity, change, err))
        return false;
    if (change->principal_count == 0)
        return refuse(err, "identity.type", now->by_customer && !change->in.given
                      ? "the account's customer-managed key needs an identity; set the key source back to Microsoft.Batch first"
                      : "a customer-managed key needs an account identity that has access to it; give the account one (SystemAssigned or UserAssigned)");
    change->plan = KEY_OF_CUSTOMER;
    return true;
}

bool key_change_plan(Batch *batch, Txn *txn, Arena *arena, const Account *account, const IdentityIn *identity, KeyChange *change, Err *err)
{
    const EncryptionIn *in = &change->in;
    Encryption now = { 0 };
    change->plan = KEY_STAYS;
    if (account && !encryption_find(txn, arena, account->id, &now, err))
        return false;
    if (in->has_source && !in->by_customer) {
        change->plan = now.by_customer ? KEY_OF_SERVICE : KEY_STAYS;
        return true;
    }
    if (in->given && !in->has_source && !now.by_customer)
        return refuse(err, "properties.encryption.keySource", "must be Microsoft.KeyVault when a keyIdentifier is given");
    /* Another identity must prove that it may use the key, too. */
    if (in->identifier.ptr || (in->by_customer && !now.by_customer) || (now.by_customer && identity->given))
        return plan_customer(batch, txn, arena, account, &now, identity, change, err);
    return true;
}

/* -- the change -- */

static bool came_between(Err *err)
{
    return err_named(err, ERR_CONFLICT, "AccountBeingUpdated", NULL, "The account was changed by another request meanwhile; nothing was changed by this one. Try again.");
}

/* Does the identity that proved its access belong to the account as it is written? */
static bool check_identity(Arena *arena, const Account *account, Str principal_id, Err *err)
{
    Str *list;
    size_t count;
    if (!stored_principals(arena, account->identity, &list, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (str_eq(list[i], principal_id))
            return true;
    return came_between(err);
}

bool key_change_apply(Batch *batch, Txn *txn, Arena *arena, const Account *account, bool is_new, const KeyChange *change, Err *err)
{
    Encryption now = { 0 };
    Str *list;
    size_t count;
    if (!stored_principals(arena, account->identity, &list, &count, err) || (is_new && count > 0 && !encryption_insert(txn, account->id, err)) ||
        !encryption_find(txn, arena, account->id, &now, err))
        return false;
    if (change->plan == KEY_OF_SERVICE)
        return !now.by_customer || encryption_unset(batch, txn, arena, account->id, err);
    if (change->plan == KEY_OF_CUSTOMER)
        return now.exists ? check_identity(arena, account, change->wrapped.principal_id, err) &&
                            encryption_set(batch, txn, arena, account->id, &change->wrapped, real_now_ms(), err)
                          : came_between(err);
    return !now.by_customer || check_identity(arena, account, now.principal_id, err);
}
