/* node_identity.h - which of its pool's identities a node's process asks a token for.
 *
 * Rules of the metadata address: one identity and no selector is that one; several and no selector, or a selector that names none of
 * them, is "Identity not found" (400). Ids compare without case. At most one selector may be given. */
#pragma once
#include "batch/pools/pool_identity.h"

typedef struct TokenAsk { Str resource, client_id, object_id, resource_id; } TokenAsk;

/* NULL with *why set to the words of the answer: none of them, or the question is not one. */
const AssignedIdentity *node_identity_select(const AssignedIdentity *list, size_t count, const TokenAsk *ask, const char **why);
