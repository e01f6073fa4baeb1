/* resource_types.c - which namespaces and types this server serves, read off the route table, so it cannot say what is not so.
 *
 * A type is what a route has behind /providers/<namespace>/ as pairs of a word and a {name}: ".../batchAccounts/{a}/pools/{p}"
 * is batchAccounts/pools. A last word alone is a list or an action of what stands before it. */
#include "arm/parts.h"

enum { TYPES_MAX = 128 };

/* The versions that clients are known to send; others of the right form are taken as well. Newest first. */
static const struct { const char *provider; const char *versions[8]; } known_versions[] = {
    { "Microsoft.KeyVault",        { "2026-02-01", "2023-07-01", "2022-07-01", "2021-10-01", "2019-09-01" } },
    { "Microsoft.Batch",           { "2024-07-01", "2023-11-01", "2022-10-01", "2021-01-01" } },
    { "Microsoft.ManagedIdentity", { "2024-11-30", "2023-01-31", "2022-01-31-preview", "2018-11-30" } },
    { "Microsoft.Authorization",   { "2022-04-01", "2020-04-01-preview", "2018-01-01-preview", "2015-07-01" } },
    { "Microsoft.Subscription",    { "2021-10-01", "2020-09-01" } },
    { "Microsoft.Resources",       { "2025-04-01", "2024-07-01", "2022-09-01", "2021-04-01", "2019-11-01" } },
};

static bool is_param(Str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{';
}

/* Splits a template into namespace and type; false if it names no type. */
static bool type_of_template(Arena *arena, Str path, ServedType *out)
{
    Str rest = path, word, name, type = STR_NONE;
    size_t at;

    if (!str_find(rest, STR("/providers/"), &at))
        return false;
    rest = str_slice(rest, at + strlen("/providers/"), rest.len);
    out->provider = str_cut(&rest, '/');
    if (str_empty(out->provider) || is_param(out->provider))
        return false;
    while (rest.ptr) {
        word = str_cut(&rest, '/');
        if (!rest.ptr || is_param(word))
            break;
        name = str_cut(&rest, '/');
        if (!is_param(name) && !str_eq(name, STR("default")))
            break;
        type = type.ptr ? str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(type), STR_ARG(word)) : word;
    }
    out->type = type;
    return type.ptr != NULL;
}

typedef struct Walk { Arm *arm; Arena *arena; ServedType *types; size_t count; } Walk;

static bool walk_route(void *ctx, const Plane *plane, const Route *route)
{
    Walk *w = ctx;
    ServedType found;

    if (plane != &w->arm->plane || w->count == TYPES_MAX || route->handler == route_not_built || !type_of_template(w->arena, str_from(route->path), &found))
        return true;
    for (size_t i = 0; i < w->count; i++) {
        if (str_eq_nocase(w->types[i].provider, found.provider) && str_eq_nocase(w->types[i].type, found.type))
            return true;
    }
    w->types[w->count++] = found;
    return true;
}

static bool served_types(Arm *arm, HttpServer *server, Arena *arena, ServedType **out, size_t *count, Err *err)
{
    Walk w = { .arm = arm, .arena = arena, .types = ARENA_ARRAY(arena, ServedType, TYPES_MAX) };

    if (!w.types)
        return err_too_big(err);
    http_each_route(server, walk_route, &w);
    *out = w.types;
    *count = w.count;
    return true;
}

/* ---- a path that no route matched ---- */

static Str after_last_providers(Str path)
{
    Str word = STR("/providers/");

    for (size_t at = path.len; at-- > 0;) {
        if (str_starts_nocase(str_slice(path, at, path.len), word))
            return str_slice(path, at + word.len, path.len);
    }
    return STR_NONE;
}

bool arm_explain_unmatched(Arm *arm, const Req *req, Err *err)
{
    ServedType *types = NULL, asked;
    size_t count = 0;
    bool provider_served = false;
    Err ignored;
    Str path = req->path;

    Str rest = after_last_providers(path), marked = STR("");

    if (!rest.ptr || !served_types(arm, req->server, req->arena, &types, &count, &ignored))
        return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The Resource '" STR_FMT "' was not found.", STR_ARG(str_slice(path, 0, 300)));
    asked.provider = str_cut(&rest, '/');
    for (bool is_name = false; rest.ptr; is_name = !is_name) {
        Str segment = str_cut(&rest, '/');
        if (!is_name && !str_empty(segment))
            marked = str_printf(req->arena, STR_FMT "%s" STR_FMT, STR_ARG(marked), marked.len ? "/" : "", STR_ARG(segment));
    }
    asked.type = marked;
    for (size_t i = 0; i < count; i++) {
        if (!str_eq_nocase(types[i].provider, asked.provider))
            continue;
        provider_served = true;
        if (str_eq_nocase(types[i].type, asked.type))
            return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The Resource '" STR_FMT "' was not found.", STR_ARG(str_slice(path, 0, 300)));
    }
    if (!provider_served)
        return err_named(err, ERR_NOT_FOUND, "InvalidResourceNamespace", NULL,
                         "The resource namespace '" STR_FMT "' is invalid. GET /subscriptions/{subscriptionId}/providers lists those served here.",
                         STR_ARG(str_slice(asked.provider, 0, 100)));
    return err_named(err, ERR_NOT_FOUND, "InvalidResourceType", NULL,
                     "The resource type '" STR_FMT "' could not be found in the namespace '" STR_FMT "' for api version '" STR_FMT "'.",
                     STR_ARG(str_slice(asked.type, 0, 200)), STR_ARG(str_slice(asked.provider, 0, 100)), STR_ARG(str_slice(req->api_version, 0, 40)));
}

/* ---- /providers ---- */

static const char *const *versions_of(Str provider)
{
    static const char *const any[] = { "2021-04-01", NULL };

    for (size_t i = 0; i < COUNT_OF(known_versions); i++) {
        if (str_eq_nocase(provider, str_from(known_versions[i].provider)))
            return known_versions[i].versions;
    }
    return any;
}

static void write_type(Arm *arm, JsonWriter *w, const ServedType *t)
{
    const char *const *versions = versions_of(t->provider);

    json_open(w, NULL);
    json_put_str(w, "resourceType", t->type);
    json_open_array(w, "locations");
    json_put_str(w, NULL, arm->site->names.location);
    json_close_array(w);
    json_open_array(w, "apiVersions");
    for (size_t i = 0; versions[i]; i++)
        json_put_str(w, NULL, str_from(versions[i]));
    json_close_array(w);
    json_put_str(w, "defaultApiVersion", str_from(versions[0]));
    json_put_str(w, "capabilities", STR("SupportsTags, SupportsLocation"));
    json_close(w);
}

static void write_provider(Arm *arm, JsonWriter *w, const Req *req, const ServedType *types, size_t count, Str provider)
{
    Str subscription = req_param(req, "subscriptionId");

    json_open(w, NULL);
    json_put_str(w, "id", subscription.ptr ? str_printf(req->arena, "/subscriptions/" STR_FMT "/providers/" STR_FMT, STR_ARG(subscription), STR_ARG(provider))
                                           : str_printf(req->arena, "/providers/" STR_FMT, STR_ARG(provider)));
    json_put_str(w, "namespace", provider);
    json_put_str(w, "registrationPolicy", STR("RegistrationFree"));
    json_put_str(w, "registrationState", STR("Registered"));
    json_open_array(w, "resourceTypes");
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(types[i].provider, provider))
            write_type(arm, w, &types[i]);
    }
    json_close_array(w);
    json_close(w);
}

static bool provider_list(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    JsonWriter *w = &reply->json;
    ServedType *types = NULL;
    size_t count = 0;

    if (!served_types(arm, req->server, req->arena, &types, &count, err))
        return false;
    json_open(w, NULL);
    json_open_array(w, "value");
    for (size_t i = 0; i < count; i++) {
        bool is_first = true;
        for (size_t j = 0; j < i; j++)
            is_first = is_first && !str_eq_nocase(types[i].provider, types[j].provider);
        if (is_first)
            write_provider(arm, w, req, types, count, types[i].provider);
    }
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

/* Also the answer to .../register: what is served is registered everywhere, always. */
static bool provider_get(Req *req, Reply *reply, Err *err)
{
    Arm *arm = req->ctx;
    Str asked = req_param(req, "resourceProviderNamespace");
    ServedType *types = NULL;
    size_t count = 0;

    if (!served_types(arm, req->server, req->arena, &types, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!str_eq_nocase(types[i].provider, asked))
            continue;
        write_provider(arm, &reply->json, req, types, count, types[i].provider);
        return json_end(&reply->json, err);
    }
    return err_named(err, ERR_NOT_FOUND, "InvalidResourceNamespace", NULL,
                     "The resource namespace '" STR_FMT "' is invalid. GET /subscriptions/{subscriptionId}/providers lists those served here.",
                     STR_ARG(str_slice(asked, 0, 100)));
}

const Route arm_provider_routes[] = {
    { METHOD_GET,  "/providers", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, provider_list, "ProvidersListAtTenantScope" },
    { METHOD_GET,  "/providers/{resourceProviderNamespace}", NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE, 0, provider_get, "ProvidersGetAtTenantScope" },
    { METHOD_GET,  "/subscriptions/{subscriptionId}/providers", NULL, NULL, "Microsoft.Resources/subscriptions/providers/read", WHERE_INLINE, BODY_NONE, 0, provider_list, "ProvidersList" },
    { METHOD_GET,  "/subscriptions/{subscriptionId}/providers/{resourceProviderNamespace}", NULL, NULL, "Microsoft.Resources/subscriptions/providers/read", WHERE_INLINE, BODY_NONE, 0, provider_get, "ProvidersGet" },
    { METHOD_POST, "/subscriptions/{subscriptionId}/providers/{resourceProviderNamespace}/register", NULL, NULL, "Microsoft.Resources/subscriptions/providers/register/action", WHERE_INLINE, BODY_NONE, 0, provider_get, "ProvidersRegister" },
};
const size_t arm_provider_route_count = COUNT_OF(arm_provider_routes);
