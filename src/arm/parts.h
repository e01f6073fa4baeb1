/* parts.h - what the files of arm/ share. Nobody else includes it. */
#pragma once
#include <pthread.h>
#include "arm/arm.h"
#include "arm/filter.h"

enum { ARM_DELETERS_MAX = 16, ARM_CLOCK_HOOKS_MAX = 8 };

struct Arm {
    Site     *site;
    Identity *identity;
    Access   *access;
    Plane     plane;
    struct { const char *type; ArmDeleteFn *fn; void *ctx; } deleters[ARM_DELETERS_MAX];
    size_t    deleter_count;
    struct { void (*fn)(void *ctx); void *ctx; } clock_hooks[ARM_CLOCK_HOOKS_MAX];
    size_t    clock_hook_count;
    pthread_mutex_t clock_lock;           /* one move of the development clock at a time */
};

/* id.c */
#define ARM_SUBSCRIPTION_MAX 36
Str  arm_group_id(Arena *arena, Str subscription, Str group);                  /* "/subscriptions/S/resourceGroups/G" */
bool arm_subscription_check(Str id, Err *err) MUST_CHECK;                      /* a GUID; ERR_BAD_INPUT InvalidSubscriptionId */
bool arm_group_name_check(Str name, Err *err) MUST_CHECK;                      /* ERR_BAD_INPUT InvalidResourceGroup */
/* The resource (or group, subscription, "/" for the tenant) that a request's path is about: the scope its permission is asked on.
 * *subscription is absent for the tenant's own paths. */
bool arm_scope_of_request(const Req *req, Str *scope, Str *subscription, Err *err) MUST_CHECK;
bool arm_api_version_check(Str api_version, Err *err) MUST_CHECK;              /* YYYY-MM-DD, optionally -word; else InvalidApiVersionParameter */

/* plane.c */
void arm_plane_init(Arm *arm);

/* tags.c: sealed under the tenant; NULL column for no tags. */
bool arm_tags_seal(Arm *arm, Txn *txn, Arena *arena, const char *table, Str row, Str tags_json, Bytes *sealed, Err *err) MUST_CHECK;
bool arm_tags_open(Arm *arm, Txn *txn, Arena *arena, const char *table, Str row, Bytes sealed, Str *tags_json, Err *err) MUST_CHECK;
void arm_tags_write(JsonWriter *w, Str tags_json);                             /* member "tags", left out when there are none */
Str  arm_tenant_scope(const Arm *arm, Arena *arena);                           /* of the seal */

/* subscription.c */
typedef struct Subscription { Str id, display_name; } Subscription;
bool arm_subscriptions(Arm *arm, Txn *txn, Arena *arena, Subscription **out, size_t *count, Err *err) MUST_CHECK;
bool arm_subscription_of_request(Arm *arm, const Req *req, Err *err) MUST_CHECK;  /* the {subscriptionId} of the path exists: asked by handlers of PERM_TOKEN rows, which nobody authorised */
bool arm_require_subscription(Arm *arm, Txn *txn, Str id, Err *err) MUST_CHECK;   /* ERR_NOT_FOUND SubscriptionNotFound */
enum { SUBSCRIPTION_NAME_MAX = 64 };
bool arm_subscription_name_check(Str name, const char *field, Err *err) MUST_CHECK;
/* A subscription shows itself to whoever has a role in it, be it on one resource only. */
bool arm_may_see_subscription(Arm *arm, const Req *req, Str subscription, bool *seen, Err *err) MUST_CHECK;
extern const Route arm_subscription_routes[];
extern const size_t arm_subscription_route_count;

/* alias.c: how more subscriptions are made */
extern const Route arm_alias_routes[];
extern const size_t arm_alias_route_count;

/* group.c, group_delete.c */
typedef enum GroupState { GROUP_SUCCEEDED = 1, GROUP_DELETING } GroupState;
typedef struct Group { Str subscription, name, location, managed_by, tags_json; GroupState state; Str operation; } Group;
bool arm_group_find(Arm *arm, Txn *txn, Arena *arena, Str subscription, Str name, Group *out, bool *found, Err *err) MUST_CHECK;
bool arm_group_not_found(Str name, Err *err);                                  /* always false */
extern const Route arm_group_routes[];
extern const size_t arm_group_route_count;
bool arm_group_delete(Req *req, Reply *reply, Err *err);                       /* the handler */
RunnerFn arm_group_delete_run;
#define ARM_WORK_GROUP_DELETE "arm.group_delete"

/* register.c */
extern const Route arm_register_routes[];
extern const size_t arm_register_route_count;
/* Ids and types of what is left in a group, in the order of their ids. */
bool arm_group_resources(Txn *txn, Arena *arena, Str subscription, Str group, ArmResource **out, size_t *count, Err *err) MUST_CHECK;

/* operation.c */
extern const Route arm_operation_routes[];
extern const size_t arm_operation_route_count;
RunnerFn arm_operation_forget_run;
#define ARM_WORK_OPERATION_FORGET "arm.operation_forget"

/* resource_types.c: what this server serves, read off its route table. */
typedef struct ServedType { Str provider, type; } ServedType;                  /* {"Microsoft.Batch", "batchAccounts/pools"} */
bool arm_explain_unmatched(Arm *arm, const Req *req, Err *err);                /* words for a path that no route matched; always false */
extern const Route arm_provider_routes[];
extern const size_t arm_provider_route_count;

/* endpoints.c, not_built.c, dev_clock.c */
extern const Route arm_endpoints_routes[];
extern const size_t arm_endpoints_route_count;
extern const Route arm_not_built_routes[];
extern const size_t arm_not_built_route_count;
extern const Route arm_dev_clock_routes[];
extern const size_t arm_dev_clock_route_count;
bool arm_dev_clock_restore(Arm *arm, Err *err) MUST_CHECK;

/* What the caller may do, asked by handlers that list only what may be seen. */
bool arm_may(Arm *arm, const Req *req, Str action, Str scope, bool *allowed, Err *err) MUST_CHECK;
