/* object.h - rows of secrets, keys and certificates, and of their versions.
 *
 * An object is a name with a current version; versions never change their value. Each version has a sealed document (what
 * bundles show besides attributes) and mostly a sealed value (secret text, PKCS#8 of a key). All within transactions. */
#pragma once
#include "keyvault/objects/attributes.h"
#include "keyvault/objects/ids.h"

typedef struct ObjectRow {
    Str     name, name_key;
    Str     current;                    /* version; of a new certificate the pending one */
    int64_t version_count;
    bool    is_managed;                 /* belongs to the certificate of the same name */
    int64_t deleted_ms, purge_ms;       /* 0, 0: live */
} ObjectRow;

typedef struct VersionRow {
    Str        version;
    int64_t    ordinal;
    bool       is_pending;
    Attributes attributes;
    Str        doc_json;
    const JsonVal *doc;                 /* members: tags, contentType (secret); jwk, key_ops, tags (key); cer, x5t, contentType, subject, tags (certificate) */
} VersionRow;

bool object_find(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, ObjectRow *out, bool *found, Err *err) MUST_CHECK;
/* Live object and version; version absent or empty: the current one. ERR_NOT_FOUND in the service's words. */
bool object_require(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                    ObjectRow *object, VersionRow *row, Err *err) MUST_CHECK;
/* And its value as it lies there, in the arena; absent when it has none. */
bool object_require_sealed(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                           ObjectRow *object, VersionRow *row, Bytes *sealed, Err *err) MUST_CHECK;
bool object_require_deleted(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name,
                            ObjectRow *object, VersionRow *row, Err *err) MUST_CHECK;
/* May a version be added under this name by a plain set or create? ERR_CONFLICT: deleted, or a certificate's. *found: the object exists. */
bool object_require_usable(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, ObjectRow *out, bool *found, Err *err) MUST_CHECK;

bool version_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                  VersionRow *out, bool *found, Err *err) MUST_CHECK;
/* The version of the row that a query stands on, whose columns from `first` are VERSION_COLUMNS. */
#define VERSION_COLUMNS "version, ordinal, pending, enabled, nbf_ms, exp_ms, created_ms, updated_ms, doc"
enum { VERSION_COLUMN_COUNT = 9 };
bool version_of_row(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name_key, Rows *rows, int first,
                    VersionRow *out, Err *err) MUST_CHECK;
bool version_value(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version,
                   Secret **out, Err *err) MUST_CHECK;                        /* *out NULL: no such version, or it has none */

bool version_open(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name_key, Str version, Bytes sealed,
                  Secret **out, Err *err) MUST_CHECK;
/* The same without a transaction, as seal_get_kept: for a row that is known to be current. */
bool version_open_kept(KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name_key, Str version, Bytes sealed, Secret **out) MUST_CHECK;

typedef struct VersionNew {
    KvKind     kind;
    Str        name, version;           /* the name is spelled as in the object if that exists */
    Attributes attributes;
    bool       is_managed, is_pending;
    Str        doc_json;
    Bytes      value;                   /* absent: none */
} VersionNew;
/* Adds or, for the same name and version, fills in a pending one; the object is made if needed. The version becomes the
 * current one unless it is pending and another is. */
bool version_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const VersionNew *version, Err *err) MUST_CHECK;
/* The same for who has looked for the object in this transaction; NULL: there is none. */
bool version_add(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const VersionNew *version, const ObjectRow *object, Err *err) MUST_CHECK;
/* Attributes and document of an existing version. */
bool version_update(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, const VersionRow *row, Err *err) MUST_CHECK;

/* *existed: there was such an object. deleted_ms and purge_ms 0, 0: recovered. */
bool object_mark(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, int64_t deleted_ms, int64_t purge_ms, bool *existed, Err *err) MUST_CHECK;
bool object_erase(Txn *txn, Arena *arena, const Vault *vault, KvKind kind, Str name, bool *existed, Err *err) MUST_CHECK;
