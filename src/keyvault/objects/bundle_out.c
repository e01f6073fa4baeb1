/* bundle_out.c - one writer for each kind. The policy of a certificate and the value of a secret are their handlers' to add. */
#include "keyvault/objects/bundle_out.h"

static void write_tags(JsonWriter *w, const VersionRow *row)
{
    const JsonVal *tags = json_get(row->doc, "tags");
    if (json_count(tags) > 0)
        json_put_value(w, "tags", tags);
}

static void secret_begin(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object,
                         const VersionRow *row, Str shown, Str content_type)
{
    json_put_str(w, "contentType", content_type);
    json_put_str(w, "id", object_url(kv, arena, vault, KV_SECRET, object->name, shown));
    if (object->is_managed) {
        json_put_bool(w, "managed", true);
        if (!str_empty(shown))
            json_put_str(w, "kid", object_url(kv, arena, vault, KV_KEY, object->name, shown));
    }
    attributes_write(w, vault, &row->attributes);
}

static void secret_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object,
                         const VersionRow *row, Str shown)
{
    secret_begin(w, kv, arena, vault, object, row, shown, json_str(json_get(row->doc, "contentType")));
    write_tags(w, row);
}

void bundle_write_secret(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object, const VersionRow *row, Str content_type, Str tags_json)
{
    secret_begin(w, kv, arena, vault, object, row, row->version, content_type);
    if (tags_json.ptr)
        json_put_raw(w, "tags", tags_json);
}

/* key_hsm absent: none. */
static void key_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object,
                      const VersionRow *row, Str shown, BundlePart part, Str key_hsm)
{
    Str kid = object_url(kv, arena, vault, KV_KEY, object->name, shown);
    if (part == BUNDLE_WHOLE) {
        const JsonVal *jwk = json_get(row->doc, "jwk");
        json_open(w, "key");
        json_put_str(w, "kid", kid);
        json_put_str(w, "kty", json_str(json_get(jwk, "kty")));
        json_put_value(w, "key_ops", json_get(row->doc, "key_ops"));
        static const char *const public_parts[] = { "n", "e", "crv", "x", "y" };
        for (size_t i = 0; i < COUNT_OF(public_parts); i++)
            json_put_str(w, public_parts[i], json_str(json_get(jwk, public_parts[i])));
        json_put_str(w, "key_hsm", key_hsm);
        json_close(w);
    } else {
        json_put_str(w, "kid", kid);
    }
    Attributes attributes = row->attributes;
    attributes.exportable = (OptBool){ .set = true, .value = json_bool(json_get(row->doc, "exportable"), false) };
    attributes_write(w, vault, &attributes);
    write_tags(w, row);
    const JsonVal *policy = json_get(row->doc, "release_policy");
    if (policy && part == BUNDLE_WHOLE)
        json_put_value(w, "release_policy", policy);
    if (object->is_managed)
        json_put_bool(w, "managed", true);
}

static void certificate_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object,
                              const VersionRow *row, Str shown, BundlePart part)
{
    json_put_str(w, "id", object_url(kv, arena, vault, KV_CERTIFICATE, object->name, shown));
    if (part == BUNDLE_WHOLE && !row->is_pending) {
        json_put_str(w, "kid", object_url(kv, arena, vault, KV_KEY, object->name, shown));
        json_put_str(w, "sid", object_url(kv, arena, vault, KV_SECRET, object->name, shown));
    }
    json_put_str(w, "x5t", json_str(json_get(row->doc, "x5t")));
    if (part == BUNDLE_WHOLE) {
        json_put_str(w, "cer", json_str(json_get(row->doc, "cer")));
        json_put_str(w, "contentType", json_str(json_get(row->doc, "contentType")));
        json_put_value(w, "preserveCertOrder", json_get(row->doc, "preserveCertOrder"));
    } else {
        json_put_str(w, "subject", json_str(json_get(row->doc, "subject")));
    }
    attributes_write(w, vault, &row->attributes);
    write_tags(w, row);
}

void bundle_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, const ObjectRow *object,
                  const VersionRow *row, BundlePart part)
{
    Str shown = part == BUNDLE_ITEM ? STR("") : row->version;
    switch (kind) {
    case KV_SECRET:      secret_write(w, kv, arena, vault, object, row, shown); break;
    case KV_KEY:         key_write(w, kv, arena, vault, object, row, shown, part, STR_NONE); break;
    case KV_CERTIFICATE: certificate_write(w, kv, arena, vault, object, row, shown, part); break;
    }
}

void bundle_write_released(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object, const VersionRow *row, Str key_hsm)
{
    key_write(w, kv, arena, vault, object, row, row->version, BUNDLE_WHOLE, key_hsm);
}

void bundle_write_deleted(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, const ObjectRow *object)
{
    json_put_str(w, "recoveryId", deleted_object_url(kv, arena, vault, kind, object->name));
    json_put_int(w, "deletedDate", object->deleted_ms / 1000);
    json_put_int(w, "scheduledPurgeDate", object->purge_ms / 1000);
}
