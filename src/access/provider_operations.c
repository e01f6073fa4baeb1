/* provider_operations.c - which operations the providers here have published, for those who write custom roles. To be asked with any token. */
#include "access/operations.h"
#include "access/parts.h"

static const char *display_of(Str provider)
{
    static const struct { const char *provider, *display; } names[] = {
        { "Microsoft.Authorization", "Microsoft Authorization" }, { "Microsoft.Batch", "Microsoft Batch Service" }, { "Microsoft.KeyVault", "Microsoft Key Vault" },
        { "Microsoft.ManagedIdentity", "Microsoft Managed Identity" }, { "Microsoft.Resources", "Microsoft Resources" }, { "Microsoft.Subscription", "Microsoft Subscription" },
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq_nocase(provider, str_from(names[i].provider)))
            return names[i].display;
    return NULL;
}

/* "vaults/secrets" of Microsoft.KeyVault/vaults/secrets/getSecret/action; empty for what belongs to the provider itself. */
static Str type_of(const Operation *operation)
{
    Str rest = str_from(operation->name), provider = str_cut(&rest, '/');
    (void)provider;
    size_t parts = str_ends(rest, STR("/action")) ? 2 : 1, end = rest.len;
    while (parts && end > 0)
        parts -= rest.ptr[--end] == '/';
    return str_slice(rest, 0, end);
}

static bool no_such_provider(Str provider, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "InvalidResourceNamespace", NULL, "The resource namespace '" STR_FMT "' is invalid: it has published no operations here.",
                     STR_ARG(str_slice(provider, 0, 100)));
}

/* ---- GET /providers/{provider}/operations ---- */

bool operations_list(Req *req, Reply *reply, Err *err)
{
    Str provider = req_param(req, "resourceProviderNamespace");
    const char *display = display_of(provider);
    const Operation *operation;
    JsonWriter *w = &reply->json;
    if (!display)
        return no_such_provider(provider, err);
    json_open(w, NULL);
    json_open_array(w, "value");
    for (size_t i = 0; (operation = operation_at(i)); i++) {
        if (!str_eq_nocase(provider, operation_provider(str_from(operation->name))))
            continue;
        json_open(w, NULL);
        json_put_str(w, "name", str_from(operation->name));
        json_put_bool(w, "isDataAction", operation->is_data);
        json_open(w, "display");
        json_put_str(w, "provider", str_from(display));
        json_put_str(w, "resource", type_of(operation));
        json_put_str(w, "operation", str_from(operation->description));
        json_put_str(w, "description", str_from(operation->description));
        json_close(w);
        json_close(w);
    }
    json_close_array(w);
    json_close(w);
    return json_end(w, err);
}

/* ---- GET /providers/Microsoft.Authorization/providerOperations[/{provider}] ---- */

static void put_operations(JsonWriter *w, Str provider, Str type)
{
    const Operation *operation;
    json_open_array(w, "operations");
    for (size_t i = 0; (operation = operation_at(i)); i++) {
        if (!str_eq_nocase(provider, operation_provider(str_from(operation->name))) || !str_eq_nocase(type, type_of(operation)))
            continue;
        json_open(w, NULL);
        json_put_str(w, "name", str_from(operation->name));
        json_put_str(w, "displayName", str_from(operation->description));
        json_put_str(w, "description", str_from(operation->description));
        json_put_bool(w, "isDataAction", operation->is_data);
        json_close(w);
    }
    json_close_array(w);
}

static bool is_first_of_type(size_t at, Str provider, Str type)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq_nocase(provider, operation_provider(str_from(operation_at(i)->name))) && str_eq_nocase(type, type_of(operation_at(i))))
            return false;
    return true;
}

static void put_provider(JsonWriter *w, Arena *arena, Str provider)
{
    const Operation *operation;
    json_open(w, NULL);
    json_put_str(w, "id", str_printf(arena, "/providers/Microsoft.Authorization/providerOperations/" STR_FMT, STR_ARG(provider)));
    json_put_str(w, "name", provider);
    json_put_str(w, "type", STR("Microsoft.Authorization/providerOperations"));
    json_put_str(w, "displayName", str_from(display_of(provider)));
    json_open_array(w, "resourceTypes");
    for (size_t i = 0; (operation = operation_at(i)); i++) {
        Str type = type_of(operation);
        if (!str_eq_nocase(provider, operation_provider(str_from(operation->name))) || str_empty(type) || !is_first_of_type(i, provider, type))
            continue;
        json_open(w, NULL);
        json_put_str(w, "name", type);
        json_put_str(w, "displayName", type);
        put_operations(w, provider, type);
        json_close(w);
    }
    json_close_array(w);
    put_operations(w, provider, STR(""));
    json_close(w);
}

bool provider_operations_list(Req *req, Reply *reply, Err *err)
{
    const Operation *operation;
    Str last = STR("");
    json_open(&reply->json, NULL);
    json_open_array(&reply->json, "value");
    for (size_t i = 0; (operation = operation_at(i)); i++) {
        Str provider = operation_provider(str_from(operation->name));
        if (!str_eq(provider, last))
            put_provider(&reply->json, req->arena, provider);
        last = provider;
    }
    json_close_array(&reply->json);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

bool provider_operations_get(Req *req, Reply *reply, Err *err)
{
    Str asked = req_param(req, "resourceProviderNamespace");
    const Operation *operation;
    for (size_t i = 0; (operation = operation_at(i)); i++) {
        Str provider = operation_provider(str_from(operation->name));
        if (!str_eq_nocase(asked, provider))
            continue;
        put_provider(&reply->json, req->arena, provider);
        return json_end(&reply->json, err);
    }
    return no_such_provider(asked, err);
}
