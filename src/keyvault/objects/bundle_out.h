/* bundle_out.h - objects as bodies: the bundles and list items of the REST documentation.
 *
 * `part` says how much is shown: an item of a list has no value and no version in its id unless versions are listed. */
#pragma once
#include "keyvault/objects/object.h"
#include "keyvault/plane.h"

typedef enum BundlePart { BUNDLE_WHOLE = 1, BUNDLE_ITEM, BUNDLE_VERSION_ITEM } BundlePart;

/* Members only, so that callers can add to them: between json_open and json_close of the caller. */
void bundle_write(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, const ObjectRow *object,
                  const VersionRow *row, BundlePart part);
/* The whole of a secret whose document is known in its parts: content type, and tags as JSON; absent ones are none. Of `row` only version and attributes count. */
void bundle_write_secret(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object, const VersionRow *row, Str content_type, Str tags_json);
/* The bundle of a key with its private half as a transfer blob (keys/key_release.h). */
void bundle_write_released(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, const ObjectRow *object, const VersionRow *row, Str key_hsm);
void bundle_write_deleted(JsonWriter *w, const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, const ObjectRow *object);   /* recoveryId, deletedDate, scheduledPurgeDate */
