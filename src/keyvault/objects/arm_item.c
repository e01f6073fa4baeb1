/* arm_item.c - what secrets and keys have in common as resources of their vault. Source: Key Vault management REST documentation 2023-07-01. */
#include "keyvault/objects/arm_item.h"

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
