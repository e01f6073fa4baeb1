/* parts.h - what the files of managedidentity/ share. Nobody else includes it. */
#pragma once
#include "managedidentity/managedidentity.h"

#define USER_ASSIGNED_TYPE "Microsoft.ManagedIdentity/userAssignedIdentities"

struct ManagedIdentities {
    Site     *site;
    Identity *identity;
    Arm      *arm;
};

typedef struct UserAssigned { ArmResource resource; Principal principal; } UserAssigned;

/* The identity that the request's path names; 404 as the service words it. */
bool user_assigned_of_request(ManagedIdentities *ids, Txn *txn, Req *req, UserAssigned *out, Err *err) MUST_CHECK;

/* ---- federated.c ---- */
Handler identity_federated_list, identity_federated_get, identity_federated_put, identity_federated_delete;
