/* arm.h - Resource Manager: the plane, subscriptions, resource groups, the register of resources, operations.
 *
 * Subjects (vaults, identities, Batch accounts) mount their routes on arm_plane() and keep their resources in tables of their own;
 * the register knows id, type, place and tags of each, so that groups can be listed and deleted as a whole. A route's permission is the
 * action ("Microsoft.KeyVault/vaults/write"); the scope decided on is the resource in the path. */
#pragma once
#include "access/access.h"
#include "site/page.h"
#include "identity/identity.h"

typedef struct Arm Arm;

bool arm_open(Site *site, Identity *identity, Access *access, Arm **out, Err *err) MUST_CHECK;
void arm_close(Arm *arm);
bool arm_mount(Arm *arm, HttpServer *server, Err *err) MUST_CHECK;            /* its own routes and access_routes */
const Plane *arm_plane(const Arm *arm);

/* `vaultyard init`: the first subscription, within the caller's transaction; *subscription_id is its new GUID. */
bool arm_bootstrap(Site *site, Txn *txn, Arena *arena, Str display_name, Str *subscription_id, Err *err) MUST_CHECK;

typedef struct ArmId { Str subscription, group, provider, type, name, sub_type, sub_name; } ArmId;   /* absent parts are absent Strs; one level of sub-resource */
bool arm_id_parse(Arena *arena, Str id, ArmId *out, Err *err) MUST_CHECK;     /* ERR_BAD_INPUT "LinkedInvalidPropertyId" words */
Str  arm_id_of_request(const Req *req, Str provider_and_type, Str name);      /* canonical: /subscriptions/S/resourceGroups/G/providers/<provider_and_type>/<name> from the request's {subscriptionId} and {resourceGroupName} */

/* The group must exist in the transaction: 404 ResourceGroupNotFound / SubscriptionNotFound. *group is its stored spelling. */
bool arm_require_group(Arm *arm, Txn *txn, Arena *arena, Str subscription, Str group, Str *stored_group, Err *err) MUST_CHECK;

typedef struct ArmResource { Str id, type, name, subscription, group, location; Str tags_json; } ArmResource;   /* tags_json: "{}" or absent */
bool arm_register(Arm *arm, Txn *txn, const ArmResource *resource, Err *err) MUST_CHECK;       /* insert or update; ERR_CONFLICT ResourceGroupBeingDeleted */
bool arm_unregister(Arm *arm, Txn *txn, Str id, Err *err) MUST_CHECK;                          /* its role assignments go too */
bool arm_resource_find(Arm *arm, Txn *txn, Arena *arena, Str id, ArmResource *out, bool *found, Err *err) MUST_CHECK;

/* Those of one type in a subscription, or in one group of it (group absent: all), by id, after the key `after` (absent: from the start);
 * an ArmPage's `after` is the lower-case id. At most `limit`. */
bool arm_resources_of_type(Arm *arm, Txn *txn, Arena *arena, Str type, Str subscription, Str group, Str after, int64_t limit, ArmResource **out, size_t *count, Err *err) MUST_CHECK;

/* The handler of operations that the service has and we do not yet: 501, naming the route's operation. Their types are not listed as served. */

/* The tags member of a body: an object of strings, at most 50 (ERR_BAD_INPUT names the tag). *tags_json is "{}" when it is absent or null. */
bool arm_tags_check(Arena *arena, const JsonVal *tags, Str *tags_json, Err *err) MUST_CHECK;

/* The audit record of a write, in its own transaction, named by the route's action. After the commit set req->audited. */
bool arm_audit(Arm *arm, Txn *txn, const Req *req, Str resource_id, int http_status, Err *err) MUST_CHECK;

/* For what belongs to the whole site: the caller may do `action` in at least one subscription, else ERR_DENIED AuthorizationFailed. */
bool arm_require_in_some_subscription(Arm *arm, const Req *req, Str action, Err *err) MUST_CHECK;

/* Lists come in pages ordered by a key: `after` is the last key of the page before (absent on the first), from $skiptoken; limit is $top, cut to
 * `limit_max`. ERR_BAD_INPUT on a $top that is no positive number or a foreign $skiptoken. */
typedef SitePage ArmPage;
bool arm_page_read(const Req *req, int64_t limit_max, ArmPage *out, Err *err) MUST_CHECK;
void arm_page_next(Arm *arm, const Req *req, JsonWriter *w, Str last_key);                     /* writes member nextLink: call it when more rows follow */
/* The whole answer of a list, from rows of which one more than the page's limit was asked for. write gives one, and the key by which the next page goes on. */
typedef bool ArmRowFn(void *ctx, Txn *txn, Rows *rows, JsonWriter *w, Str *key, Err *err);
bool arm_page_write(Arm *arm, const Req *req, const ArmPage *page, Txn *txn, Rows *rows, ArmRowFn *write, void *ctx, JsonWriter *w, Err *err) MUST_CHECK;
/* The whole answer of a list of the registered resources of one type, in the request's {subscriptionId} or its {resourceGroupName}; write gives one. */
typedef bool ArmWriteFn(void *ctx, Txn *txn, Arena *arena, const ArmResource *resource, JsonWriter *w, Err *err);
bool arm_list_of_type(Arm *arm, Req *req, Reply *reply, Str type, ArmWriteFn *write, void *ctx, Err *err) MUST_CHECK;

/* Deleting a group deletes each resource by its type's function, from the background runner; must be idempotent. Before arm_mount. */
typedef bool ArmDeleteFn(void *ctx, Arena *arena, Str resource_id, Err *err);
void arm_on_delete(Arm *arm, const char *type, ArmDeleteFn *fn, void *ctx);

/* After the development clock moved (its offset is on disk and set), before that request is answered; any thread, must be quick. Before arm_mount. */
void arm_on_clock(Arm *arm, void (*fn)(void *ctx), void *ctx);

/* "West US 2" and "westus2" are one location; answers the short form. Any word is a location here: machines are the user's own. */
Str  arm_location_normal(Arena *arena, Str location);
/* The same for the location of a body: ERR_BAD_INPUT LocationRequired when absent or empty, LocationNotAvailableForResourceType when it cannot be a label of a host name. */
bool arm_location_check(Arena *arena, Str location, Str *normal, Err *err) MUST_CHECK;

/* Long-running answers: 202 with Location (and Retry-After) that clients poll until the operation is done, then `final_status` with final_body. */
bool arm_operation_start(Arm *arm, Txn *txn, Arena *arena, Str subject_id, Str *operation_id, Err *err) MUST_CHECK;
bool arm_operation_finish(Arm *arm, Txn *txn, Str operation_id, int final_status, Str final_body_json, Err *err) MUST_CHECK;
void arm_reply_accepted(Arm *arm, Req *req, Reply *reply, Str subscription, Str operation_id);
