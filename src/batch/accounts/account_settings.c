/* account_settings.c - the properties of an account that people set. Source: BatchAccountCreateProperties and
 * BatchAccountUpdateProperties of BatchManagement.json, 2021-01-01 to 2024-07-01. */
#include "batch/accounts/account_settings.h"
#include <stdio.h>

enum { SETTINGS_MAX = 64 * 1024 };

static const char *const enabled_only[] = { "Enabled", NULL };
static const char *const modes[] = { "SharedKey", "AAD", "TaskAuthenticationToken", NULL };        /* the first is not for UserSubscription */
static const char *const allocation_modes[] = { "BatchService", "UserSubscription", NULL };

static const ShapeField settings_fields[] = {
    { "publicNetworkAccess",        NULL, SHAPE_BY_HAND },
    { "allowedAuthenticationModes", NULL, SHAPE_BY_HAND },
    { "encryption",                 NULL, SHAPE_BY_HAND },
    { "poolAllocationMode",         NULL, SHAPE_BY_HAND },
    { "autoStorage",                NULL, SHAPE_NOT_BUILT, .why = "auto-storage accounts are not available here yet; leave it out" },
    { "keyVaultReference",          NULL, SHAPE_BY_HAND },
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

/* ---- where pools are allocated, which is settled when the account is made ---- */

static bool missing(Err *err, const char *field, const char *why)
{
    err_named(err, ERR_BAD_INPUT, "MissingRequiredProperty", NULL, "A required property was not specified in the request body: %s%s.", field, why);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static bool mode_read(const JsonVal *given, const JsonVal *before, Str *mode, Err *err)
{
    static const char field[] = "properties.poolAllocationMode";
    Str now = json_str(json_get(before, "poolAllocationMode"));
    *mode = now.ptr ? now : STR("BatchService");
    if (json_kind(given) <= JSON_NULL)
        return true;
    Str wanted = word_in(allocation_modes, json_str(given));
    if (!wanted.ptr)
        return refuse(err, ERR_BAD_INPUT, field, "must be BatchService or UserSubscription");
    if (before && !str_eq(wanted, *mode))
        return refuse(err, ERR_BAD_INPUT, field, "cannot be changed after the account was made; make another account");
    *mode = wanted;
    return true;
}

static bool same_text(const JsonVal *a, const JsonVal *b, const char *member)
{
    return str_eq_nocase(json_str(json_get(a, member)), json_str(json_get(b, member)));
}

/* "In user subscription mode, you must create the key vault at the time you create the Batch account." */
static bool put_vault(const JsonVal *given, const JsonVal *before, bool is_user, JsonWriter *w, Err *err)
{
    static const char field[] = "properties.keyVaultReference";
    const JsonVal *kept = json_get(before, "keyVaultReference");
    bool is_given = json_kind(given) > JSON_NULL;
    if (is_given && !is_user)
        return refuse(err, ERR_BAD_INPUT, field, "only accounts of pool allocation mode UserSubscription have one");
    if (!is_user)
        return true;
    if (!is_given && !kept)
        return missing(err, field, ", which pool allocation mode UserSubscription needs: make the key vault first, then the account");
    if (is_given && (str_empty(json_str(json_get(given, "id"))) || str_empty(json_str(json_get(given, "url")))))
        return missing(err, str_empty(json_str(json_get(given, "id"))) ? "properties.keyVaultReference.id" : "properties.keyVaultReference.url", "");
    if (is_given && kept && (!same_text(given, kept, "id") || !same_text(given, kept, "url")))
        return refuse(err, ERR_BAD_INPUT, field, "cannot be changed after the account was made");
    json_open(w, "keyVaultReference");
    json_put_value(w, "id", json_get(kept ? kept : given, "id"));
    json_put_value(w, "url", json_get(kept ? kept : given, "url"));
    json_close(w);
    return true;
}

static bool check_network(const JsonVal *v, Err *err)
{
    if (json_kind(v) <= JSON_NULL || word_in(enabled_only, json_str(v)).ptr)
        return true;
    if (str_eq_nocase(json_str(v), STR("Disabled")) || str_eq_nocase(json_str(v), STR("SecuredByPerimeter")))
        return refuse(err, ERR_NOT_BUILT, "properties.publicNetworkAccess", "private endpoints are not available here; use Enabled");
    return refuse(err, ERR_BAD_INPUT, "properties.publicNetworkAccess", "must be Enabled, Disabled or SecuredByPerimeter");
}

/* Keys are of no use to an account whose nodes are the user's: its clients "must use Microsoft Entra ID". */
static bool put_modes(const JsonVal *given, const JsonVal *before, bool is_user, JsonWriter *w, Err *err)
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
            if (is_user && str_eq(mode, STR("SharedKey")))
                return refuse(err, ERR_BAD_INPUT, field, "accounts of pool allocation mode UserSubscription take no SharedKey; use AAD");
            json_put_str(w, NULL, mode);
        }
    } else if (kept) {
        for (size_t i = 0; i < json_count(kept); i++)
            json_put_value(w, NULL, json_at(kept, i));
    } else {
        for (const char *const *mode = is_user ? modes + 1 : modes; *mode; mode++)
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
    Str mode;
    buf_init(&buf, SETTINGS_MAX);
    buf_init(&ignored, SETTINGS_MAX);
    json_begin(&nowhere, &ignored);
    json_open(&nowhere, NULL);
    if (now.ptr && !json_parse(arena, now, JSON_STRICT, &before, err))
        return false;
    if (json_kind(properties) > JSON_NULL && !shape_read(arena, settings_fields, SPELL_ARM, properties, NULL, "properties", &nowhere, err))
        return false;
    if (!mode_read(json_get(properties, "poolAllocationMode"), before, &mode, err) || !check_network(json_get(properties, "publicNetworkAccess"), err))
        return false;
    bool is_user = str_eq(mode, STR("UserSubscription"));
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_str(&w, "publicNetworkAccess", STR("Enabled"));
    json_put_str(&w, "poolAllocationMode", mode);
    if (!put_vault(json_get(properties, "keyVaultReference"), before, is_user, &w, err) ||
        !put_modes(json_get(properties, "allowedAuthenticationModes"), before, is_user, &w, err))
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
    json_put_value(w, "poolAllocationMode", json_get(kept, "poolAllocationMode"));
    json_put_value(w, "keyVaultReference", json_get(kept, "keyVaultReference"));
}

bool account_settings_vault(Arena *arena, Str settings, Str *id, Str *url, Err *err)
{
    const JsonVal *kept;
    if (!json_parse(arena, settings, JSON_STRICT, &kept, err))
        return false;
    *id = json_str(json_path(kept, "keyVaultReference.id"));
    *url = json_str(json_path(kept, "keyVaultReference.url"));
    return true;
}
