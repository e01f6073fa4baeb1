/* account_settings.c - the properties of an account that people set. Source: BatchAccountCreateProperties and
 * BatchAccountUpdateProperties of BatchManagement.json, 2021-01-01 to 2024-07-01. */
#include "batch/account_settings.h"
#include <stdio.h>

enum { SETTINGS_MAX = 64 * 1024 };

static const char *const enabled_only[] = { "Enabled", NULL };
static const char *const modes[] = { "SharedKey", "AAD", "TaskAuthenticationToken", NULL };

static const ShapeField settings_fields[] = {
    { "publicNetworkAccess",        NULL, SHAPE_BY_HAND },
    { "allowedAuthenticationModes", NULL, SHAPE_BY_HAND },
    { "encryption",                 NULL, SHAPE_BY_HAND },
    { "poolAllocationMode",         NULL, SHAPE_BY_HAND },
    { "autoStorage",                NULL, SHAPE_NOT_BUILT, .why = "auto-storage accounts are not available here yet; leave it out" },
    { "keyVaultReference",          NULL, SHAPE_NOT_BUILT, .why = "only accounts with pool allocation mode UserSubscription have one, which is not available here yet; leave it out" },
    { "networkProfile",             NULL, SHAPE_NOT_BUILT, .why = "network rules are not available here yet; leave it out" },
    /* only shown */
    { "accountEndpoint", NULL, SHAPE_SHOWN }, { "nodeManagementEndpoint", NULL, SHAPE_SHOWN }, { "provisioningState", NULL, SHAPE_SHOWN },
    { "privateEndpointConnections", NULL, SHAPE_SHOWN }, { "dedicatedCoreQuota", NULL, SHAPE_SHOWN }, { "lowPriorityCoreQuota", NULL, SHAPE_SHOWN },
    { "dedicatedCoreQuotaPerVMFamily", NULL, SHAPE_SHOWN }, { "dedicatedCoreQuotaPerVMFamilyEnforced", NULL, SHAPE_SHOWN },
    { "poolQuota", NULL, SHAPE_SHOWN }, { "activeJobAndJobScheduleQuota", NULL, SHAPE_SHOWN },
    { NULL }
};

static bool refuse(Err *err, ErrCode code, const char *field, const char *text)
{
    err_named(err, code, code == ERR_NOT_BUILT ? "NotImplemented" : "InvalidPropertyValue", NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static Str word_in(const char *const *words, Str given)
{
    for (; *words; words++)
        if (str_eq_nocase(given, str_from(*words)))
            return str_from(*words);
    return STR_NONE;
}

static bool check_mode_of_allocation(const JsonVal *v, Err *err)
{
    if (json_kind(v) <= JSON_NULL || str_eq_nocase(json_str(v), STR("BatchService")))
        return true;
    if (str_eq_nocase(json_str(v), STR("UserSubscription")))
        return refuse(err, ERR_NOT_BUILT, "properties.poolAllocationMode", "UserSubscription is not available here yet; use BatchService");
    return refuse(err, ERR_BAD_INPUT, "properties.poolAllocationMode", "must be BatchService or UserSubscription");
}

static bool check_network(const JsonVal *v, Err *err)
{
    if (json_kind(v) <= JSON_NULL || word_in(enabled_only, json_str(v)).ptr)
        return true;
    if (str_eq_nocase(json_str(v), STR("Disabled")) || str_eq_nocase(json_str(v), STR("SecuredByPerimeter")))
        return refuse(err, ERR_NOT_BUILT, "properties.publicNetworkAccess", "private endpoints are not available here; use Enabled");
    return refuse(err, ERR_BAD_INPUT, "properties.publicNetworkAccess", "must be Enabled, Disabled or SecuredByPerimeter");
}

static bool put_modes(const JsonVal *given, const JsonVal *before, JsonWriter *w, Err *err)
{
    static const char field[] = "properties.allowedAuthenticationModes";
    if (json_kind(given) > JSON_NULL && json_kind(given) != JSON_ARRAY)
        return refuse(err, ERR_BAD_INPUT, field, "must be an array of SharedKey, AAD and TaskAuthenticationToken");
    json_open_array(w, "allowedAuthenticationModes");
    const JsonVal *kept = json_get(before, "allowedAuthenticationModes");
    if (json_kind(given) == JSON_ARRAY) {
        for (size_t i = 0; i < json_count(given); i++) {
            Str mode = word_in(modes, json_str(json_at(given, i)));
            if (!mode.ptr)
                return refuse(err, ERR_BAD_INPUT, field, "has a mode that is none of SharedKey, AAD and TaskAuthenticationToken");
            json_put_str(w, NULL, mode);
        }
    } else if (kept) {
        for (size_t i = 0; i < json_count(kept); i++)
            json_put_value(w, NULL, json_at(kept, i));
    } else {
        for (const char *const *mode = modes; *mode; mode++)
            json_put_str(w, NULL, str_from(*mode));
    }
    json_close_array(w);
    return true;
}

bool account_settings_read(Arena *arena, const JsonVal *properties, Str now, Str *settings, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    AUTO(buf_done_auto) Buf ignored = { 0 };
    JsonWriter w, nowhere;
    const JsonVal *before = NULL;
    buf_init(&buf, SETTINGS_MAX);
    buf_init(&ignored, SETTINGS_MAX);
    json_begin(&nowhere, &ignored);
    json_open(&nowhere, NULL);
    if (now.ptr && !json_parse(arena, now, JSON_STRICT, &before, err))
        return false;
    if (json_kind(properties) > JSON_NULL && !shape_read(arena, settings_fields, SPELL_ARM, properties, NULL, "properties", &nowhere, err))
        return false;
    if (!check_mode_of_allocation(json_get(properties, "poolAllocationMode"), err) ||
        !check_network(json_get(properties, "publicNetworkAccess"), err))
        return false;
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "publicNetworkAccess", STR("Enabled"));
    if (!put_modes(json_get(properties, "allowedAuthenticationModes"), before, &w, err))
        return false;
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    *settings = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}

void account_settings_write(Arena *arena, Str settings, JsonWriter *w)
{
    const JsonVal *kept;
    Err ignored = { 0 };
    if (!json_parse(arena, settings, JSON_STRICT, &kept, &ignored))
        return;                 /* our own text: only a full arena fails here, and the reply with it */
    json_put_value(w, "publicNetworkAccess", json_get(kept, "publicNetworkAccess"));
    json_put_value(w, "allowedAuthenticationModes", json_get(kept, "allowedAuthenticationModes"));
}
