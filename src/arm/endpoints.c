/* endpoints.c - /metadata/endpoints: where everything is, for `az cloud register` and ARM_CLOUD_METADATA_URL. Asked without a token.
 *
 * Before 2019-05-01 the answer is one object, from then on an array of clouds whose first is the default. The name is not
 * "AzureCloud": az overwrites the login endpoint of a cloud of that name with the public one. The login endpoint ends in /adfs,
 * the only authority shape for which MSAL does not ask a server of Microsoft about us first. */
#include "arm/parts.h"

static Str with_slash(Arena *arena, Str url)
{
    return str_printf(arena, STR_FMT "/", STR_ARG(url));
}

static Str host_url(Arm *arm, Arena *arena, const char *labels)
{
    return with_slash(arena, site_url(arm->site, arena, str_from(labels)));
}

/* "https://vault.example:8443" without the scheme: a suffix that clients paste names to. */
static Str without_scheme(Str url)
{
    size_t at;
    return str_find(url, STR("://"), &at) ? str_slice(url, at + 3, url.len) : url;
}

static void write_authentication(Arm *arm, Arena *arena, JsonWriter *w, bool is_array)
{
    Str login = site_url(arm->site, arena, STR("login"));

    json_open(w, "authentication");
    json_put_str(w, "loginEndpoint", str_printf(arena, STR_FMT "/adfs", STR_ARG(login)));
    json_open_array(w, "audiences");
    json_put_str(w, NULL, host_url(arm, arena, "management"));
    json_close_array(w);
    if (is_array) {
        json_put_str(w, "tenant", STR("common"));
        json_put_str(w, "identityProvider", STR("AAD"));
    }
    json_close(w);
}

static void write_object(Arm *arm, Arena *arena, JsonWriter *w)
{
    json_open(w, NULL);
    json_put_str(w, "galleryEndpoint", host_url(arm, arena, "gallery"));
    json_put_str(w, "graphEndpoint", host_url(arm, arena, "graph"));
    json_put_str(w, "portalEndpoint", host_url(arm, arena, "portal"));
    write_authentication(arm, arena, w, false);
    json_close(w);
}

/* az needs each of these members; services that we do not have get names below our domain that do not exist, so that a client
 * which tries one fails here and not at somebody else's server. */
static void write_array(Arm *arm, Arena *arena, JsonWriter *w)
{
    static const struct { const char *member, *label; } absent[] = {
        { "gallery", "gallery" }, { "media", "media" }, { "sqlManagement", "sql" }, { "vmImageAliasDoc", "images" },
    };
    static const struct { const char *member, *label; } absent_suffixes[] = {
        { "storage", "storage" }, { "mhsmDns", "managedhsm" }, { "acrLoginServer", "registry" }, { "sqlServerHostname", "sql" },
        { "azureDataLakeStoreFileSystem", "datalakestore" }, { "azureDataLakeAnalyticsCatalogAndJob", "datalakeanalytics" },
    };
    Str graph = host_url(arm, arena, "graph");

    json_open_array(w, NULL);
    json_open(w, NULL);
    json_put_str(w, "name", STR("Vaultyard"));
    json_put_str(w, "portal", host_url(arm, arena, "portal"));
    write_authentication(arm, arena, w, true);
    json_put_str(w, "resourceManager", host_url(arm, arena, "management"));
    json_put_str(w, "graph", graph);
    json_put_str(w, "graphAudience", graph);
    json_put_str(w, "microsoftGraphResourceId", graph);
    json_put_str(w, "batch", with_slash(arena, site_batch_resource(arm->site, arena)));
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        json_put_str(w, absent[i].member, host_url(arm, arena, absent[i].label));
    json_open(w, "suffixes");
    json_put_str(w, "keyVaultDns", without_scheme(site_vault_resource(arm->site, arena)));
    for (size_t i = 0; i < COUNT_OF(absent_suffixes); i++)
        json_put_str(w, absent_suffixes[i].member, str_printf(arena, "%s." STR_FMT, absent_suffixes[i].label, STR_ARG(arm->site->names.domain)));
    json_close(w);
    json_close(w);
    json_close_array(w);
}

static bool endpoints_get(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;

    if (!arm_api_version_check(req->api_version, err))       /* public routes are not authorised, where others are checked */
        return false;
    if (str_cmp(str_slice(req->api_version, 0, 10), STR("2019-05-01")) < 0)
        write_object(arm, req->arena, &reply->json);
    else
        write_array(arm, req->arena, &reply->json);
    return json_end(&reply->json, err);
}

const Route arm_endpoints_routes[] = {
    { METHOD_GET, "/metadata/endpoints", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, endpoints_get, "MetadataEndpoints" },
};
const size_t arm_endpoints_route_count = COUNT_OF(arm_endpoints_routes);
