/* contacts.h - whom a vault tells about its certificates: one list for the whole vault (Key Vault REST documentation 7.4, "Set Certificate
 * Contacts"). The list is sealed. */
#pragma once
#include "keyvault/plane.h"

Handler contacts_get, contacts_set, contacts_delete;
