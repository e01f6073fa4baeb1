/* permission.h - who may do what in a vault: by its access policies or by role assignments, as enableRbacAuthorization says; never by both.
 *
 * A permission is the name that access policies have for it ("secrets/get"); data_action_of gives the data action that roles know it by.
 * Role assignments count at the object itself, its vault and all above. Both are asked anew by every request: the vault's revision and the
 * cached grants follow each change at once. */
#pragma once
#include "access/access.h"
#include "keyvault/objects/ids.h"

/* "Microsoft.KeyVault/vaults/secrets/getSecret/action". `operation` is the route's, for permissions that cover more than one data action.
 * NULL: no role allows it. */
const char *data_action_of(Str permission, Str operation);

/* `name` absent: the vault itself, as for lists. *why tells what is missing, for the refusal. */
bool vault_may(KeyVault *kv, Arena *arena, const Vault *vault, const Caller *caller, const Route *route, Str name, Decision *out, Err *err) MUST_CHECK;

/* After the commit of what may have given or taken a permission: who waits for changes of the vault is asked again whether he may. */
void permission_changed(KeyVault *kv, const Vault *vault);
AccessChanged permission_changed_at;          /* the same for all vaults at, above or below a scope of role assignments; ctx is the KeyVault */

/* The data plane's check of a request: its address, then its permission; ERR_DENIED ForbiddenByFirewall, ForbiddenByConnection,
 * AccessDenied or ForbiddenByRbac in the service's words. */
bool vault_authorize(KeyVault *kv, Req *req, const Route *route, Err *err) MUST_CHECK;
