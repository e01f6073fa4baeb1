/* managedidentity.h - Microsoft.ManagedIdentity/userAssignedIdentities, and system-assigned identities of resources. */
#pragma once
#include "arm/arm.h"

typedef struct ManagedIdentities ManagedIdentities;

bool managedidentity_open(Site *site, Identity *identity, Arm *arm, ManagedIdentities **out, Err *err) MUST_CHECK;
void managedidentity_close(ManagedIdentities *ids);
bool managedidentity_mount(ManagedIdentities *ids, HttpServer *server, Err *err) MUST_CHECK;

/* The user-assigned identity of this ARM id (compared without case). id is its stored spelling. */
bool managedidentity_find(ManagedIdentities *ids, Txn *txn, Arena *arena, Str resource_id, Str *stored_id, Principal *out, bool *found, Err *err) MUST_CHECK;
