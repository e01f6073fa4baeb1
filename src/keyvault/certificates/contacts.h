/* contacts.h - whom a vault tells about its certificates: one list for the whole vault (Key Vault REST documentation 7.4, "Set Certificate
 * Contacts"). The list is sealed. */
#pragma once
#include "keyvault/plane.h"

Handler contacts_get, contacts_set, contacts_delete;

/* The list, in the arena; NULL: the vault has none. */
bool contacts_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const JsonVal **list, Err *err) MUST_CHECK;
