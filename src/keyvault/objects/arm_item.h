/* arm_item.h - secrets and keys as resources of their vault. */
#pragma once
#include "keyvault/objects/attributes.h"
#include "keyvault/vaults/vault.h"

/* The item's id as the request's path has it; `kind` is "keys" or "secrets". */
Str arm_item_id(const Req *req, const char *kind, Str name);
bool arm_item_not_found(const Req *req, const char *kind, Str name, Err *err);             /* 404; always false */

/* What items of a vault are as resources: id, name, type, location and tags; the caller's object stays open. And their dates, in one that is open too. */
void arm_item_begin(JsonWriter *w, Str id, Str name, Str type, const Vault *vault, const JsonVal *tags);
void arm_item_dates(JsonWriter *w, const Attributes *attributes);
