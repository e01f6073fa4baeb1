/* ids.h - kinds of objects, their names, and the URLs they go by.
 *
 * Names and identifiers compare without case (Key Vault REST documentation, "Object identifiers"); rows are keyed by the
 * name in lower case, answers carry it as it was first spelled. */
#pragma once
#include "keyvault/vaults/vault.h"

typedef enum KvKind { KV_SECRET = 1, KV_KEY, KV_CERTIFICATE } KvKind;
enum { OBJECT_NAME_MAX = 127, VERSION_DIGITS = 32 };

const char *kind_word(KvKind kind);                       /* "secret" */
const char *kind_collection(KvKind kind);                 /* "secrets" */

bool object_name_check(Str name, Err *err) MUST_CHECK;    /* 1-127 of [0-9a-zA-Z-]; ERR_BAD_INPUT */

/* https://<vault>.vault.<domain>[:port]/<collection>/<name>[/<version>]; version absent or empty: the base id. */
Str object_url(const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version);
Str object_part_url(const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name, const char *part);   /* ".../certificates/n/pending" */
Str deleted_object_url(const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name);                  /* recoveryId */

/* What a request names, version empty for the current one, as one key of a cache. false: the arena is full. */
bool object_digest(Arena *arena, const Vault *vault, KvKind kind, Str name, Str version, uint8_t digest[CACHE_KEY_SIZE]) MUST_CHECK;

/* ERR_NOT_FOUND in the service's words; version absent or empty: the object as such. */
bool object_not_found(Err *err, KvKind kind, Str name, Str version);
bool deleted_not_found(Err *err, KvKind kind, Str name);
bool object_is_deleted(Err *err, KvKind kind, Str name);  /* ERR_CONFLICT ObjectIsDeletedButRecoverable */
