/* arm.h - Resource Manager: the plane, subscriptions, resource groups, the register of resources, operations.
 *
 * Subjects (vaults, identities, Batch accounts) mount their routes on arm_plane() and keep their resources in tables of their own;
 * the register knows id, type, place and tags of each, so that groups can be listed and deleted as a whole. A route's permission is the
 * action ("Microsoft.KeyVault/vaults/write"); the scope decided on is the resource in the path. */
#pragma once
#include "access/access.h"
#include "identity/identity.h"

typedef struct Arm Arm;

bool arm_open(Site *site, Identity *identity, Access *access, Arm **out, Err *err) MUST_CHECK;
void arm_close(Arm *arm);
bool arm_mount(Arm *arm, HttpServer *server, Err *err) MUST_CHECK;            /* its own routes and access_routes */
const Plane *arm_plane(const Arm *arm);

typedef struct ArmId { Str subscription, group, provider, type, name, sub_type, sub_name; } ArmId;   /* absent parts are absent Strs; one level of sub-resource */
bool arm_id_parse(Arena *arena, Str id, ArmId *out, Err *err) MUST_CHECK;     /* ERR_BAD_INPUT "LinkedInvalidPropertyId" words */
Str  arm_id_of_request(const Req *req, Str provider_and_type, Str name);      /* canonical: /subscriptions/S/resourceGroups/G/providers/<provider_and_type>/<name> from the request's {subscriptionId} and {resourceGroupName} */

/* The group must exist in the transaction: 404 ResourceGroupNotFound / SubscriptionNotFound. *group is its stored spelling. */
bool arm_require_group(Arm *arm, Txn *txn, Arena *arena, Str subscription, Str group, Str *stored_group, Err *err) MUST_CHECK;

typedef struct ArmResource { Str id, type, name, subscription, group, location; Str tags_json; } ArmResource;   /* tags_json: "{}" or absent */
bool arm_register(Arm *arm, Txn *txn, const ArmResource *resource, Err *err) MUST_CHECK;       /* insert or update */
bool arm_unregister(Arm *arm, Txn *txn, Str id, Err *err) MUST_CHECK;                          /* its role assignments go too */
/* Deleting a group deletes each resource by its type's function, from the background runner; must be idempotent. Before arm_mount. */
typedef bool ArmDeleteFn(void *ctx, Arena *arena, Str resource_id, Err *err);
void arm_on_delete(Arm *arm, const char *type, ArmDeleteFn *fn, void *ctx);

/* "West US 2" and "westus2" are one location; answers the short form. Any word is a location here: machines are the user's own. */
Str  arm_location_normal(Arena *arena, Str location);

/* Long-running answers: 202 with Location (and Retry-After) that clients poll until the operation is done, then `final_status` with final_body. */
bool arm_operation_start(Arm *arm, Txn *txn, Arena *arena, Str subject_id, Str *operation_id, Err *err) MUST_CHECK;
bool arm_operation_finish(Arm *arm, Txn *txn, Str operation_id, int final_status, Str final_body_json, Err *err) MUST_CHECK;
void arm_reply_accepted(Arm *arm, Req *req, Reply *reply, Str subscription, Str operation_id);
