/* arm_item.c - what secrets and keys have in common as resources of their vault. Source: Key Vault management REST documentation 2023-07-01. */
#include "keyvault/objects/arm_item.h"

Str arm_item_id(const Req *req, const char *kind, Str name)
{
    Str vault = arm_id_of_request(req, VAULT_TYPE, req_param(req, "vaultName"));
    return str_printf(req->arena, STR_FMT "/%s/" STR_FMT, STR_ARG(vault), kind, STR_ARG(name));
}

bool arm_item_not_found(const Req *req, const char *kind, Str name, Err *err)
{
    return err_named(err, ERR_NOT_FOUND, "ResourceNotFound", NULL, "The Resource '" STR_FMT "/%s/" STR_FMT "' in vault '" STR_FMT "' was not found.", STR_ARG(VAULT_TYPE), kind,
                     STR_ARG(str_slice(name, 0, 127)), STR_ARG(req_param(req, "vaultName")));
}

void arm_item_begin(JsonWriter *w, Str id, Str name, Str type, const Vault *vault, const JsonVal *tags)
{
    json_open(w, NULL);
    json_put_str(w, "id", id);
    json_put_str(w, "name", name);
    json_put_str(w, "type", type);
    json_put_str(w, "location", vault->location);
    if (tags)
        json_put_value(w, "tags", tags);
    else
        json_put_raw(w, "tags", STR("{}"));
}

static void put_time(JsonWriter *w, const char *name, OptInt seconds)
{
    if (seconds.set)
        json_put_int(w, name, seconds.value);
}

void arm_item_dates(JsonWriter *w, const Attributes *attributes)
{
    json_put_bool(w, "enabled", attributes->enabled);
    put_time(w, "nbf", attributes->nbf_s);
    put_time(w, "exp", attributes->exp_s);
    json_put_int(w, "created", attributes->created_ms / 1000);
    json_put_int(w, "updated", attributes->updated_ms / 1000);
}
