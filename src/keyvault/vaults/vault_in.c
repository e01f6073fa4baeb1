/* vault_in.c - what a vault may be made of (Key Vault management REST documentation 2023-07-01, VaultProperties). */
#include "keyvault/vaults/vault_in.h"
#include <stdarg.h>
#include <stdio.h>
#include "access/policy.h"

typedef struct BodyIn { Str location; const JsonVal *tags, *properties; } BodyIn;
static const JsonField body_fields[] = {
    JSON_FIELD(BodyIn, location,   "location",   JSON_OPTIONAL),
    JSON_FIELD(BodyIn, tags,       "tags",       JSON_OPTIONAL),
    JSON_FIELD(BodyIn, properties, "properties", JSON_OPTIONAL),
};

typedef struct PropertiesIn {
    Str tenant_id, create_mode, public_access;
    const JsonVal *sku, *policies, *network_acls;
    OptBool for_deployment, for_disk_encryption, for_template_deployment, soft_delete, purge_protection, rbac;
    OptInt retention_days;
} PropertiesIn;
static const JsonField properties_fields[] = {
    JSON_FIELD(PropertiesIn, tenant_id,               "tenantId",                     JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, create_mode,             "createMode",                   JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, public_access,           "publicNetworkAccess",          JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, sku,                     "sku",                          JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, policies,                "accessPolicies",               JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, network_acls,            "networkAcls",                  JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, for_deployment,          "enabledForDeployment",         JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, for_disk_encryption,     "enabledForDiskEncryption",     JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, for_template_deployment, "enabledForTemplateDeployment", JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, soft_delete,             "enableSoftDelete",             JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, purge_protection,        "enablePurgeProtection",        JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, rbac,                    "enableRbacAuthorization",      JSON_OPTIONAL),
    JSON_FIELD(PropertiesIn, retention_days,          "softDeleteRetentionInDays",    JSON_OPTIONAL),
};

static const JsonVal *given(const JsonVal *value)
{
    return json_kind(value) == JSON_NULL || json_kind(value) == JSON_ABSENT ? NULL : value;
}

static bool bad(Err *err, const char *field, const char *fmt, ...) FORMAT(3, 4);
static bool bad(Err *err, const char *field, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)err_field(err, field, "%s", text);
    err->name = "BadRequest";
    return false;
}

static bool read_sku(const JsonVal *sku, Str *name, Err *err)
{
    typedef struct SkuIn { Str family, name; } SkuIn;
    static const JsonField fields[] = {
        JSON_FIELD(SkuIn, family, "family", JSON_REQUIRED),
        JSON_FIELD(SkuIn, name,   "name",   JSON_REQUIRED),
    };
    SkuIn in = { 0 };
    if (!given(sku))
        return true;
    if (!json_read(sku, "properties.sku", fields, COUNT_OF(fields), &in, err))
        return false;
    if (!str_eq_nocase(in.family, STR("A")))
        return bad(err, "properties.sku.family", "properties.sku.family must be A");
    if (str_eq_nocase(in.name, STR("standard")))
        *name = STR("standard");
    else if (str_eq_nocase(in.name, STR("premium")))
        *name = STR("premium");
    else
        return bad(err, "properties.sku.name", "properties.sku.name must be standard or premium");
    return true;
}

static bool read_network(Arena *arena, const PropertiesIn *in, VaultIn *out, Err *err)
{
    bool is_disabled = str_eq_nocase(in->public_access, STR("Disabled"));
    if (!str_empty(in->public_access) && !is_disabled && !str_eq_nocase(in->public_access, STR("Enabled")))
        return bad(err, "properties.publicNetworkAccess", "properties.publicNetworkAccess must be Enabled or Disabled");
    out->is_closed = (OptBool){ .set = !str_empty(in->public_access), .value = is_disabled };
    return !given(in->network_acls) || firewall_acls_read(arena, in->network_acls, &out->network_acls, err);
}

static bool read_create_mode(const PropertiesIn *in, VaultIn *out, Err *err)
{
    out->wants_recovery = str_eq_nocase(in->create_mode, STR("recover"));
    if (in->create_mode.ptr && !out->wants_recovery && !str_eq_nocase(in->create_mode, STR("default")))
        return bad(err, "properties.createMode", "properties.createMode must be default or recover");
    return true;
}

static bool read_deletion(const PropertiesIn *in, VaultIn *out, Err *err)
{
    if (in->soft_delete.set && !in->soft_delete.value)
        return bad(err, "properties.enableSoftDelete", "The property \"enableSoftDelete\" cannot be set to false. Soft delete of a vault cannot be "
                   "switched off; leave the property out.");
    if (in->purge_protection.set && !in->purge_protection.value)
        return bad(err, "properties.enablePurgeProtection", "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge "
                   "protection for a vault is an irreversible action; leave the property out where it is not wanted.");
    if (in->retention_days.set && (in->retention_days.value < RETENTION_DAYS_MIN || in->retention_days.value > RETENTION_DAYS_MAX))
        return bad(err, "properties.softDeleteRetentionInDays", "properties.softDeleteRetentionInDays must be from %d to %d",
                   RETENTION_DAYS_MIN, RETENTION_DAYS_MAX);
    out->purge_protection = in->purge_protection;
    out->retention_days = in->retention_days;
    return true;
}

bool vault_in_read(Arena *arena, const JsonVal *body, VaultBody kind, Str tenant_id, Str api_version, VaultIn *out, Err *err)
{
    BodyIn top = { 0 };
    PropertiesIn in = { 0 };
    VaultIn result = { 0 };
    Str tags_json;
    if (!json_read(body, "", body_fields, COUNT_OF(body_fields), &top, err) || !arm_tags_check(arena, top.tags, &tags_json, err))
        return false;
    if (given(top.properties) && !json_read(top.properties, "properties", properties_fields, COUNT_OF(properties_fields), &in, err))
        return false;
    if (kind == VAULT_PUT && str_empty(top.location))
        return err_named(err, ERR_BAD_INPUT, "LocationRequired", NULL, "The location property is required for this definition.");
    if (kind == VAULT_PUT && !given(top.properties))
        return bad(err, "properties", "properties is needed, with tenantId and sku");
    if (kind == VAULT_PUT && str_empty(in.tenant_id))
        return bad(err, "properties.tenantId", "properties.tenantId is needed: the tenant of this service, " STR_FMT, STR_ARG(tenant_id));
    if (in.tenant_id.ptr && !str_eq_nocase(in.tenant_id, tenant_id))
        return bad(err, "properties.tenantId", "properties.tenantId must be the tenant of the subscription, " STR_FMT, STR_ARG(tenant_id));
    if (!read_create_mode(&in, &result, err) || !read_sku(in.sku, &result.sku, err) || !read_deletion(&in, &result, err) || !read_network(arena, &in, &result, err))
        return false;
    if (kind == VAULT_PUT && !result.wants_recovery && str_empty(result.sku))
        return bad(err, "properties.sku", "properties.sku is needed, with family A and name standard or premium");
    result.rbac = in.rbac;
    result.rbac_by_default = str_cmp(str_slice(api_version, 0, VAULT_RBAC_DEFAULT.len), VAULT_RBAC_DEFAULT) >= 0;
    bool by_roles = in.rbac.set ? in.rbac.value : result.rbac_by_default;
    if (kind == VAULT_PUT && !result.wants_recovery && !by_roles && !given(in.policies))
        return bad(err, "properties.accessPolicies", "properties.accessPolicies is needed: a list, which may be empty, or enableRbacAuthorization true");
    if (given(in.policies) && !policy_check(in.policies, tenant_id, err)) {
        err->name = "BadRequest";
        return false;
    }
    result.location = str_empty(top.location) ? STR_NONE : arm_location_normal(arena, top.location);
    result.tags = given(top.tags);
    result.tenant_id = in.tenant_id;
    result.policies = given(in.policies);
    result.for_deployment = in.for_deployment;
    result.for_disk_encryption = in.for_disk_encryption;
    result.for_template_deployment = in.for_template_deployment;
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = result;
    return true;
}

bool vault_in_apply_new(const VaultIn *in, Vault *vault, Err *err)
{
    vault->location = in->location;
    vault->rbac = in->rbac_by_default;
    vault->retention_days = in->retention_days.set ? in->retention_days.value : RETENTION_DAYS_MAX;
    return vault_in_apply(in, VAULT_PUT, vault, err);
}

bool vault_in_apply(const VaultIn *in, VaultBody kind, Vault *vault, Err *err)
{
    if (in->location.ptr && !str_eq(in->location, vault->location))
        return err_named(err, ERR_CONFLICT, "InvalidResourceLocation", NULL,
                         "The resource '" STR_FMT "' already exists in location '" STR_FMT "' in resource group '" STR_FMT "'. A resource with the same "
                         "name cannot be created in location '" STR_FMT "'. Please select a new resource name.", STR_ARG(vault->name),
                         STR_ARG(vault->location), STR_ARG(vault->group), STR_ARG(in->location));
    if (in->retention_days.set && in->retention_days.value != vault->retention_days)
        return bad(err, "properties.softDeleteRetentionInDays", "The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.");
    if (in->purge_protection.set)
        vault->purge_protection = true;
    if (in->rbac.set)
        vault->rbac = in->rbac.value;
    if (in->sku.ptr)
        vault->sku = in->sku;
    if (in->policies)
        vault->policies = in->policies;
    if (in->network_acls)
        vault->network_acls = in->network_acls;
    if (in->is_closed.set)
        vault->is_closed = in->is_closed.value;
    if (in->for_deployment.set)
        vault->for_deployment = in->for_deployment;
    if (in->for_disk_encryption.set)
        vault->for_disk_encryption = in->for_disk_encryption;
    if (in->for_template_deployment.set)
        vault->for_template_deployment = in->for_template_deployment;
    if (in->tags || kind == VAULT_PUT)
        vault->tags = in->tags;
    return true;
}
