/* node_identity.c - choosing among a pool's identities. */
#include "batch/nodes/node_identity.h"

const AssignedIdentity *node_identity_select(const AssignedIdentity *list, size_t count, const TokenAsk *ask, const char **why)
{
    int selectors = !str_empty(ask->client_id) + !str_empty(ask->object_id) + !str_empty(ask->resource_id);
    if (selectors > 1) {
        *why = "Only one of client_id, object_id and msi_res_id may be given";
        return NULL;
    }
    *why = "Identity not found";
    if (selectors == 0)
        return count == 1 ? &list[0] : NULL;
    for (size_t i = 0; i < count; i++) {
        if ((!str_empty(ask->client_id) && str_eq_nocase(list[i].client_id, ask->client_id)) ||
            (!str_empty(ask->object_id) && str_eq_nocase(list[i].principal_id, ask->object_id)) ||
            (!str_empty(ask->resource_id) && str_eq_nocase(list[i].resource_id, ask->resource_id)))
            return &list[i];
    }
    return NULL;
}
