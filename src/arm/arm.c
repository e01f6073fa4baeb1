/* arm.c - opening, mounting, and the hooks that subjects hang in. */
#include "arm/parts.h"
#include <assert.h>
#include <stdlib.h>

/* Roles are assigned at things that exist: of a sub-resource the parent is asked, for only resources of their own are registered. */
static bool scope_exists(void *ctx, Txn *txn, Arena *arena, Str scope, Err *err)
{
    Arm *arm = ctx;
    ArmResource resource;
    ArmId id;
    Str group, parent;
    bool found;

    if (str_eq(scope, STR("/")))
        return true;
    if (!arm_id_parse(arena, scope, &id, err) || !arm_require_subscription(arm, txn, id.subscription, err) ||
        (id.group.ptr && !arm_require_group(arm, txn, arena, id.subscription, id.group, &group, err)))
        return false;
    if (!id.type.ptr)
        return true;
    parent = str_slice(scope, 0, (size_t)(id.name.ptr + id.name.len - id.subscription.ptr) + strlen("/subscriptions/"));
    if (!arm_resource_find(arm, txn, arena, parent, &resource, &found, err))
        return false;
    return found ? true : err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The Resource '" STR_FMT "' was not found.", STR_ARG(parent));
}

bool arm_open(Site *site, Identity *identity, Access *access, Arm **out, Err *err)
{
    Arm *arm = calloc(1, sizeof *arm);

    if (!arm)
        return err_set(err, ERR_INTERNAL, "out of memory");
    arm->site = site;
    arm->identity = identity;
    arm->access = access;
    pthread_mutex_init(&arm->clock_lock, NULL);
    arm_plane_init(arm);
    if (!arm_dev_clock_restore(arm, err)) {
        arm_close(arm);
        return false;
    }
    access_on_scope(access, scope_exists, arm);
    runner_register(site->runner, ARM_WORK_GROUP_DELETE, RUNNER_REAL_TIME, arm_group_delete_run, arm);
    runner_register(site->runner, ARM_WORK_OPERATION_FORGET, RUNNER_REAL_TIME, arm_operation_forget_run, arm);
    *out = arm;
    return true;
}

void arm_close(Arm *arm)
{
    if (!arm)
        return;
    pthread_mutex_destroy(&arm->clock_lock);
    free(arm);
}

const Plane *arm_plane(const Arm *arm)
{
    return &arm->plane;
}

bool arm_mount(Arm *arm, HttpServer *server, Err *err)
{
    const struct { const Route *rows; size_t count; void *ctx; } tables[] = {
        { arm_endpoints_routes, arm_endpoints_route_count, arm },
        { arm_subscription_routes, arm_subscription_route_count, arm },
        { arm_alias_routes, arm_alias_route_count, arm },
        { arm_group_routes, arm_group_route_count, arm },
        { arm_register_routes, arm_register_route_count, arm },
        { arm_provider_routes, arm_provider_route_count, arm },
        { arm_operation_routes, arm_operation_route_count, arm },
        { access_routes, access_route_count, arm->access },
        { arm_not_built_routes, arm_not_built_route_count, arm },
    };

    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        if (!http_mount(server, &arm->plane, tables[i].rows, tables[i].count, tables[i].ctx, err))
            return false;
    }
    /* Outside development the clock cannot be shifted: the route does not exist. */
    return arm->site->is_dev ? http_mount(server, &arm->plane, arm_dev_clock_routes, arm_dev_clock_route_count, arm, err) : true;
}

void arm_on_delete(Arm *arm, const char *type, ArmDeleteFn *fn, void *ctx)
{
    assert(arm->deleter_count < ARM_DELETERS_MAX);
    arm->deleters[arm->deleter_count].type = type;
    arm->deleters[arm->deleter_count].fn = fn;
    arm->deleters[arm->deleter_count++].ctx = ctx;
}

void arm_on_clock(Arm *arm, void (*fn)(void *ctx), void *ctx)
{
    assert(arm->clock_hook_count < ARM_CLOCK_HOOKS_MAX);
    arm->clock_hooks[arm->clock_hook_count].fn = fn;
    arm->clock_hooks[arm->clock_hook_count++].ctx = ctx;
}
