/* shape.c - from the services' JSON to az's. */
#include "cli/shape.h"
#include <stdio.h>
#include "base/clock.h"
#include "base/encode.h"

/* ---- resources ---- */

Str shape_group_of_id(Cli *cli, Str id)
{
    Str rest = id, segment;

    (void)cli;
    while (rest.ptr) {
        segment = str_cut(&rest, '/');
        if (str_eq_nocase(segment, STR("resourceGroups")) && rest.ptr)
            return str_cut(&rest, '/');
    }
    return STR_NONE;
}

static bool has_member(const JsonVal *object, Str name)
{
    for (size_t i = 0; i < json_count(object) && json_kind(object) == JSON_OBJECT; i++) {
        Str other;
        (void)json_member(object, i, &other);
        if (str_eq(name, other))
            return true;
    }
    return false;
}

/* Members but `except`, and but those that `above` has: no name is written twice. */
static void put_members(JsonWriter *w, const JsonVal *object, const char *except, const JsonVal *above)
{
    for (size_t i = 0; i < json_count(object) && json_kind(object) == JSON_OBJECT; i++) {
        Str name;
        const JsonVal *value = json_member(object, i, &name);
        if (!(except && str_eq(name, str_from(except))) && !has_member(above, name))
            json_put_value_named(w, name, value);
    }
}

static void put_group(Cli *cli, JsonWriter *w, const JsonVal *item, const JsonVal *properties)
{
    if (!has_member(item, STR("resourceGroup")) && !has_member(properties, STR("resourceGroup")))
        json_put_str(w, "resourceGroup", shape_group_of_id(cli, json_str(json_get(item, "id"))));
}

void shape_resource(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    json_open(w, NULL);
    put_members(w, item, NULL, NULL);
    put_group(cli, w, item, NULL);
    json_close(w);
}

void shape_flat(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    json_open(w, NULL);
    put_members(w, item, "properties", NULL);
    put_members(w, json_get(item, "properties"), NULL, item);
    put_group(cli, w, item, json_get(item, "properties"));
    json_close(w);
}

void shape_role_definition(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    const JsonVal *p = json_get(item, "properties");

    (void)cli;
    json_open(w, NULL);
    json_put_str(w, "id", json_str(json_get(item, "id")));
    json_put_str(w, "name", json_str(json_get(item, "name")));
    json_put_str(w, "type", json_str(json_get(item, "type")));
    json_put_str(w, "roleName", json_str(json_get(p, "roleName")));
    json_put_str(w, "roleType", json_str(json_get(p, "type")));
    json_put_str(w, "description", json_str(json_get(p, "description")));
    json_put_value(w, "permissions", json_get(p, "permissions"));
    json_put_value(w, "assignableScopes", json_get(p, "assignableScopes"));
    json_put_value(w, "createdBy", json_get(p, "createdBy"));
    json_put_value(w, "createdOn", json_get(p, "createdOn"));
    json_put_value(w, "updatedBy", json_get(p, "updatedBy"));
    json_put_value(w, "updatedOn", json_get(p, "updatedOn"));
    json_close(w);
}

/* ---- objects of a vault ---- */

/* az writes times as Python does: +00:00 instead of Z. */
Str shape_time(Arena *arena, int64_t seconds)
{
    char text[32];

    time_format(seconds * 1000, 0, text, sizeof text);
    return str_printf(arena, "%.19s+00:00", text);
}

static void put_seconds(Cli *cli, JsonWriter *w, const char *name, const JsonVal *seconds)
{
    if (json_kind(seconds) != JSON_INT)
        json_put_null(w, name);
    else
        json_put_str(w, name, shape_time(cli->arena, json_int(seconds, 0)));
}

static void put_attributes(Cli *cli, JsonWriter *w, const JsonVal *a)
{
    json_open(w, "attributes");
    put_seconds(cli, w, "created", json_get(a, "created"));
    json_put_value(w, "enabled", json_get(a, "enabled"));
    put_seconds(cli, w, "expires", json_get(a, "exp"));
    json_put_value(w, "exportable", json_get(a, "exportable"));
    put_seconds(cli, w, "notBefore", json_get(a, "nbf"));
    json_put_value(w, "recoverableDays", json_get(a, "recoverableDays"));
    json_put_value(w, "recoveryLevel", json_get(a, "recoveryLevel"));
    put_seconds(cli, w, "updated", json_get(a, "updated"));
    json_close(w);
}

static void put_optional(JsonWriter *w, const char *name, const JsonVal *v)
{
    if (v)
        json_put_value(w, name, v);
    else
        json_put_null(w, name);
}

/* https://vault/collection/NAME[/version] */
static Str object_name(Str id)
{
    Str rest = id, part = STR_NONE;

    for (int i = 0; i < 5 && rest.ptr; i++)
        part = str_cut(&rest, '/');
    return part;
}

static void put_deleted(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    if (!json_get(item, "recoveryId"))
        return;
    put_seconds(cli, w, "deletedDate", json_get(item, "deletedDate"));
    json_put_value(w, "recoveryId", json_get(item, "recoveryId"));
    put_seconds(cli, w, "scheduledPurgeDate", json_get(item, "scheduledPurgeDate"));
}

void shape_secret(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    json_open(w, NULL);
    put_attributes(cli, w, json_get(item, "attributes"));
    put_optional(w, "contentType", json_get(item, "contentType"));
    put_deleted(cli, w, item);
    json_put_value(w, "id", json_get(item, "id"));
    put_optional(w, "kid", json_get(item, "kid"));
    put_optional(w, "managed", json_get(item, "managed"));
    json_put_str(w, "name", object_name(json_str(json_get(item, "id"))));
    put_optional(w, "tags", json_get(item, "tags"));
    json_put_value(w, "value", json_get(item, "value"));
    json_close(w);
}

/* az writes the numbers of a key in plain base64, and those that are not shown as null. */
static void put_jwk(Cli *cli, JsonWriter *w, const JsonVal *jwk)
{
    static const char *const numbers[] = { "d", "dp", "dq", "e", "k", "n", "p", "q", "qi", "t", "x", "y" };

    json_open(w, "key");
    put_optional(w, "crv", json_get(jwk, "crv"));
    put_optional(w, "keyOps", json_get(jwk, "key_ops"));
    json_put_value(w, "kid", json_get(jwk, "kid"));
    json_put_value(w, "kty", json_get(jwk, "kty"));
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        Bytes bytes;
        if (base64url_decode(cli->arena, json_str(json_get(jwk, numbers[i])), &bytes, &(Err){ 0 }) && bytes.len > 0)
            json_put_str(w, numbers[i], base64_encode(cli->arena, bytes));
        else
            json_put_null(w, numbers[i]);
    }
    json_close(w);
}

void shape_key(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    Str kid = json_str(json_get(item, "kid"));

    json_open(w, NULL);
    put_attributes(cli, w, json_get(item, "attributes"));
    put_deleted(cli, w, item);
    if (json_get(item, "key"))
        put_jwk(cli, w, json_get(item, "key"));
    json_put_str(w, "kid", kid);
    json_put_str(w, "name", object_name(kid.ptr ? kid : json_str(json_path(item, "key.kid"))));
    put_optional(w, "managed", json_get(item, "managed"));
    put_optional(w, "releasePolicy", json_get(item, "release_policy"));
    put_optional(w, "tags", json_get(item, "tags"));
    json_close(w);
}

void shape_rotation_policy(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    const JsonVal *attributes = json_get(item, "attributes"), *actions = json_get(item, "lifetimeActions");

    json_open(w, NULL);
    put_seconds(cli, w, "createdOn", json_get(attributes, "created"));
    put_optional(w, "expiresIn", json_get(attributes, "expiryTime"));
    json_put_value(w, "id", json_get(item, "id"));
    json_open_array(w, "lifetimeActions");
    for (size_t i = 0; i < json_count(actions); i++) {
        const JsonVal *action = json_at(actions, i);
        json_open(w, NULL);
        json_put_value(w, "action", json_path(action, "action.type"));
        put_optional(w, "timeAfterCreate", json_path(action, "trigger.timeAfterCreate"));
        put_optional(w, "timeBeforeExpiry", json_path(action, "trigger.timeBeforeExpiry"));
        json_close(w);
    }
    json_close_array(w);
    put_seconds(cli, w, "updatedOn", json_get(attributes, "updated"));
    json_close(w);
}

static void put_thumbprint(Cli *cli, JsonWriter *w, Str x5t)
{
    Bytes bytes;
    Err ignored;

    if (!x5t.ptr || !base64url_decode(cli->arena, x5t, &bytes, &ignored))
        return;
    json_put_str(w, "x509Thumbprint", base64_encode(cli->arena, bytes));
    json_put_str(w, "x509ThumbprintHex", str_upper(cli->arena, hex_encode(cli->arena, bytes)));
}

void shape_certificate(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    json_open(w, NULL);
    put_attributes(cli, w, json_get(item, "attributes"));
    json_put_value(w, "cer", json_get(item, "cer"));
    put_optional(w, "contentType", json_get(item, "contentType"));
    put_deleted(cli, w, item);
    json_put_value(w, "id", json_get(item, "id"));
    json_put_value(w, "kid", json_get(item, "kid"));
    json_put_str(w, "name", object_name(json_str(json_get(item, "id"))));
    if (json_get(item, "policy"))
        policy_from_wire(w, "policy", json_get(item, "policy"));
    json_put_value(w, "sid", json_get(item, "sid"));
    put_optional(w, "tags", json_get(item, "tags"));
    put_thumbprint(cli, w, json_str(json_get(item, "x5t")));
    json_close(w);
}

void shape_operation(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    (void)cli;
    json_open(w, NULL);
    put_optional(w, "cancellationRequested", json_get(item, "cancellation_requested"));
    json_put_value(w, "csr", json_get(item, "csr"));
    put_optional(w, "error", json_get(item, "error"));
    json_put_value(w, "id", json_get(item, "id"));
    policy_from_wire(w, "issuerParameters", json_get(item, "issuer"));
    json_put_str(w, "name", object_name(json_str(json_get(item, "id"))));
    json_put_value(w, "requestId", json_get(item, "request_id"));
    json_put_value(w, "status", json_get(item, "status"));
    put_optional(w, "statusDetails", json_get(item, "status_details"));
    put_optional(w, "target", json_get(item, "target"));
    json_close(w);
}

/* ---- policies: the same tree under other names; no name stands for two things, so the place does not matter ---- */

static const struct { const char *az, *wire; } policy_names[] = {
    { "issuerParameters", "issuer" }, { "certificateType", "cty" }, { "certificateTransparency", "cert_transparency" },
    { "keyProperties", "key_props" }, { "keyType", "kty" }, { "keySize", "key_size" }, { "reuseKey", "reuse_key" }, { "curve", "crv" },
    { "secretProperties", "secret_props" },
    { "x509CertificateProperties", "x509_props" }, { "keyUsage", "key_usage" }, { "validityInMonths", "validity_months" },
    { "subjectAlternativeNames", "sans" }, { "dnsNames", "dns_names" },
    { "lifetimeActions", "lifetime_actions" }, { "actionType", "action_type" }, { "daysBeforeExpiry", "days_before_expiry" },
    { "lifetimePercentage", "lifetime_percentage" },
};

static Str renamed(Str name, bool to_wire)
{
    for (size_t i = 0; i < COUNT_OF(policy_names); i++) {
        const char *from = to_wire ? policy_names[i].az : policy_names[i].wire, *to = to_wire ? policy_names[i].wire : policy_names[i].az;
        if (str_eq(name, str_from(from)))
            return str_from(to);
    }
    return name;
}

static void put_renamed(JsonWriter *w, Str name, const JsonVal *v, bool to_wire);

static void put_inside(JsonWriter *w, const JsonVal *v, bool to_wire)
{
    for (size_t i = 0; i < json_count(v); i++) {
        Str name = STR_NONE;
        const JsonVal *item = json_kind(v) == JSON_OBJECT ? json_member(v, i, &name) : json_at(v, i);
        bool is_time = str_eq(name, STR("created")) || str_eq(name, STR("updated"));      /* the service's to say, in its own form */
        if (!(to_wire && (json_kind(item) == JSON_NULL || is_time)))
            put_renamed(w, name.ptr ? renamed(name, to_wire) : name, item, to_wire);
    }
}

/* name absent: inside an array. Names from the table are literals; others are passed through as they are. */
static void put_renamed(JsonWriter *w, Str name, const JsonVal *v, bool to_wire)
{
    if (json_kind(v) == JSON_OBJECT) {
        json_open_named(w, name);
        put_inside(w, v, to_wire);
        json_close(w);
    } else if (json_kind(v) == JSON_ARRAY && json_kind(json_at(v, 0)) == JSON_OBJECT) {
        json_open_array_named(w, name);
        put_inside(w, v, to_wire);
        json_close_array(w);
    } else if (!to_wire && json_kind(v) == JSON_INT && (str_eq(name, STR("created")) || str_eq(name, STR("updated")))) {
        char text[32];
        time_format(json_int(v, 0) * 1000, 0, text, sizeof text);
        (void)snprintf(text + 19, sizeof text - 19, "+00:00");
        json_put_str_named(w, name, str_from(text));
    } else {
        json_put_value_named(w, name, v);
    }
}

void policy_to_wire(JsonWriter *w, const char *name, const JsonVal *policy)
{
    put_renamed(w, str_from(name), policy, true);
}

void policy_from_wire(JsonWriter *w, const char *name, const JsonVal *policy)
{
    if (policy)
        put_renamed(w, str_from(name), policy, false);
}
