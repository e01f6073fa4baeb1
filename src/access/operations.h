/* operations.h - the operations that resource providers have published: what the actions of custom roles are checked against.
 *
 * Microsoft's documentation "Azure permissions" (2026) lists them by provider. Those of the providers that this server has are in the table, also
 * the ones it does not serve; of the others only the namespaces are known. Each permission of the route table is in it (test_contracts). */
#pragma once
#include "base/str.h"

typedef struct Operation { const char *name, *description; bool is_data; } Operation;      /* "Microsoft.KeyVault/vaults/read" */

const Operation *operation_at(size_t index);               /* NULL: past the end; the operations of a provider stand together */
Str operation_provider(Str name);                          /* "Microsoft.KeyVault" */

typedef enum ActionIs { ACTION_PUBLISHED = 1, ACTION_UNKNOWN, ACTION_OF_NO_PROVIDER, ACTION_WITHOUT_DATA } ActionIs;
/* Does the pattern take an operation that was published? ACTION_WITHOUT_DATA: its provider has published no data operations. */
ActionIs operation_match(const char *pattern, bool is_data);
