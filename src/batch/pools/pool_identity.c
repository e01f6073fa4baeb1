/* pool_identity.c - reading, checking and keeping assigned identities. */
#include "batch/pools/pool_identity.h"
#include <stdio.h>
#include "json/write.h"

enum { JSON_MAX = 256 * 1024 };

bool identities_from_json(Arena *arena, Str json, AssignedIdentity **out, size_t *count, Err *err)
{
    const JsonVal *list;
    if (!json_parse(arena, json, JSON_STRICT, &list, err))
        return false;
    size_t n = json_count(list);
    AssignedIdentity *items = ARENA_ARRAY(arena, AssignedIdentity, n + 1);
    if (!items)
        return err_too_big(err);
    for (size_t i = 0; i < n; i++) {
        const JsonVal *v = json_at(list, i);
        items[i] = (AssignedIdentity){ json_str(json_get(v, "resourceId")), json_str(json_get(v, "clientId")), json_str(json_get(v, "principalId")) };
    }
    *out = items;
    *count = n;
    return true;
}

void identities_write(JsonWriter *w, const char *name, const AssignedIdentity *list, size_t count)
{
    json_open_array(w, name);
    for (size_t i = 0; i < count; i++) {
        json_open(w, NULL);
        json_put_str(w, "resourceId", list[i].resource_id);
        json_put_str(w, "clientId", list[i].client_id);
        json_put_str(w, "principalId", list[i].principal_id);
        json_close(w);
    }
    json_close_array(w);
}

Str identities_to_json(Arena *arena, const AssignedIdentity *list, size_t count)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, JSON_MAX);
    json_begin(&w, &buf);
    identities_write(&w, NULL, list, count);
    return json_end(&w, &err) ? str_dup(arena, buf_str(&buf)) : STR_NONE;
}

static bool refuse(Err *err, const char *field, const char *text)
{
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool read_ids(Arena *arena, const JsonVal *map, IdentityIn *out, Err *err)
{
    JsonWalk members = { .object = map };
    const JsonVal *value;
    Str id;
    if (json_kind(map) != JSON_OBJECT || json_count(map) == 0)
        return refuse(err, "identity.userAssignedIdentities", "must be an object with at least one resource id when the type is UserAssigned");
    if (json_count(map) > ASSIGNED_IDENTITIES_MAX)
        return refuse(err, "identity.userAssignedIdentities", "has too many identities (100 at most)");
    out->list = ARENA_ARRAY(arena, AssignedIdentity, json_count(map));
    if (!out->list)
        return err_too_big(err);
    while (json_walk(&members, &id, &value)) {
        ArmId parts;
        if (json_kind(value) != JSON_OBJECT && json_kind(value) != JSON_NULL)
            return refuse(err, "identity.userAssignedIdentities", "the value of each resource id must be an empty object");
        if (!arm_id_parse(arena, id, &parts, err))
            return false;
        if (!str_eq_nocase(parts.provider, STR("Microsoft.ManagedIdentity")) || !str_eq_nocase(parts.type, STR("userAssignedIdentities")) || parts.sub_type.ptr) {
            err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL,
                      "identity.userAssignedIdentities: '" STR_FMT "' is no user-assigned identity; its id reads /subscriptions/.../resourceGroups/.../providers/"
                      "Microsoft.ManagedIdentity/userAssignedIdentities/<name>", STR_ARG(str_slice(id, 0, 200)));
            (void)snprintf(err->target, sizeof err->target, "identity.userAssignedIdentities");
            return false;
        }
        out->list[out->count++] = (AssignedIdentity){ .resource_id = id };
    }
    return true;
}

bool identity_read(Arena *arena, const JsonVal *identity, bool allow_system, IdentityIn *out, Err *err)
{
    static const Str known[] = { { "type", 4 }, { "userAssignedIdentities", 22 }, { "principalId", 11 }, { "tenantId", 8 } };
    *out = (IdentityIn){ 0 };
    if (json_kind(identity) <= JSON_NULL)
        return true;
    if (json_kind(identity) != JSON_OBJECT)
        return refuse(err, "identity", "must be an object");
    JsonWalk members = { .object = identity };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value)) {
        bool is_known = false;
        for (size_t i = 0; i < COUNT_OF(known); i++)
            is_known = is_known || str_eq(name, known[i]);
        char field[64];
        (void)snprintf(field, sizeof field, "identity." STR_FMT, (int)(name.len < 40 ? name.len : 40), name.ptr);
        if (!is_known) {
            (void)refuse(err, field, "there is no property of this name here; check its spelling");
            err->name = "InvalidRequestBody";
            return false;
        }
    }
    Str type = json_str(json_get(identity, "type"));
    const JsonVal *map = json_get(identity, "userAssignedIdentities");
    out->given = true;
    if (str_eq_nocase(type, STR("UserAssigned")))
        return read_ids(arena, map, out, err);
    if (json_count(map) > 0)
        return refuse(err, "identity.type", "must be UserAssigned when userAssignedIdentities are given");
    if (str_eq_nocase(type, STR("None")))
        return true;
    if (str_eq_nocase(type, STR("SystemAssigned")) && allow_system) {
        out->system = true;
        return true;
    }
    if (str_eq_nocase(type, STR("SystemAssigned")))
        return refuse(err, "identity.type", "pools take user-assigned identities only: UserAssigned or None");
    return refuse(err, "identity.type", allow_system ? "must be SystemAssigned, UserAssigned or None" : "must be UserAssigned or None");
}

bool identities_require_assign(Access *access, Arena *arena, const Caller *caller, Str action, Str scope, const IdentityIn *in, Err *err)
{
    static const char assign[] = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
    for (size_t i = 0; i < in->count; i++) {
        Decision decision;
        if (!access_decide(access, arena, caller->object_id, str_from(assign), false, in->list[i].resource_id, &decision, err))
            return false;
        if (!decision.allowed)
            return err_named(err, ERR_DENIED, "LinkedAuthorizationFailed", NULL,
                             "The client '" STR_FMT "' with object id '" STR_FMT "' has permission to perform action '" STR_FMT "' on scope '" STR_FMT
                             "'; however, it does not have permission to perform action '%s' on the linked scope '" STR_FMT "' or the linked scope is invalid.",
                             STR_ARG(caller->app_id), STR_ARG(caller->object_id), STR_ARG(action), STR_ARG(scope), assign, STR_ARG(in->list[i].resource_id));
    }
    return true;
}

bool identities_resolve(ManagedIdentities *ids, Txn *txn, Arena *arena, IdentityIn *in, Err *err)
{
    for (size_t i = 0; i < in->count; i++) {
        AssignedIdentity *item = &in->list[i];
        Principal principal;
        Str stored;
        bool found;
        if (!managedidentity_find(ids, txn, arena, item->resource_id, &stored, &principal, &found, err))
            return false;
        if (!found) {
            err_named(err, ERR_BAD_INPUT, "FailedIdentityOperation", NULL,
                      "identity.userAssignedIdentities: the identity '" STR_FMT "' does not exist; create it first, or correct its id", STR_ARG(item->resource_id));
            (void)snprintf(err->target, sizeof err->target, "identity.userAssignedIdentities");
            return false;
        }
        for (size_t j = 0; j < i; j++)
            if (str_eq_nocase(stored, in->list[j].resource_id))
                return refuse(err, "identity.userAssignedIdentities", "names one identity twice; ids compare without case");
        *item = (AssignedIdentity){ .resource_id = stored, .client_id = principal.app_id, .principal_id = principal.object_id };
    }
    return true;
}
