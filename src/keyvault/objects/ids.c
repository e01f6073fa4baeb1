/* ids.c - names and URLs of objects, and the refusals that are about a name. */
#include "keyvault/objects/ids.h"
#include "crypto/hash.h"

static const struct { const char *word, *title, *collection, *not_found; } kinds[] = {
    [KV_SECRET]      = { "secret",      "Secret",      "secrets",      "SecretNotFound" },
    [KV_KEY]         = { "key",         "Key",         "keys",         "KeyNotFound" },
    [KV_CERTIFICATE] = { "certificate", "Certificate", "certificates", "CertificateNotFound" },
};

const char *kind_word(KvKind kind) { return kinds[kind].word; }
const char *kind_collection(KvKind kind) { return kinds[kind].collection; }

bool object_name_check(Str name, Err *err)
{
    bool good = name.len >= 1 && name.len <= OBJECT_NAME_MAX;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    }
    if (good)
        return true;
    (void)err_field(err, "name", "The request URI contains an invalid name: " STR_FMT
                    ". A name has 1 to 127 letters, digits and hyphens.", STR_ARG(str_slice(name, 0, 200)));
    err->name = "BadParameter";
    return false;
}

Str object_url(const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name, Str version)
{
    Str url = site_vault_url(kv->site, arena, vault->name_key);
    return STR_CONCAT(arena, url, STR("/"), str_from(kinds[kind].collection), STR("/"), name, str_empty(version) ? STR("") : STR("/"), version);
}

Str object_part_url(const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name, const char *part)
{
    return object_url(kv, arena, vault, kind, name, str_from(part));
}

Str deleted_object_url(const KeyVault *kv, Arena *arena, const Vault *vault, KvKind kind, Str name)
{
    Str url = site_vault_url(kv->site, arena, vault->name_key);
    return str_printf(arena, STR_FMT "/deleted%s/" STR_FMT, STR_ARG(url), kinds[kind].collection, STR_ARG(name));
}

/* No part of the four holds a slash. */
bool object_digest(Arena *arena, const Vault *vault, KvKind kind, Str name, Str version, uint8_t digest[CACHE_KEY_SIZE])
{
    _Static_assert((int)CACHE_KEY_SIZE == (int)SHA256_SIZE, "a digest is a cache's key");
    Str text = STR_CONCAT(arena, vault->id, STR("/"), str_from(kinds[kind].word), STR("/"), str_lower(arena, name), STR("/"), str_lower(arena, version));
    if (text.ptr)
        sha256(bytes_of(text), digest);
    return text.ptr;
}

bool object_not_found(Err *err, KvKind kind, Str name, Str version)
{
    const char *slash = str_empty(version) ? "" : "/";
    return err_named(err, ERR_NOT_FOUND, kinds[kind].not_found, NULL,
                     "A %s with (name/id) " STR_FMT "%s" STR_FMT " was not found in this key vault. If you recently deleted "
                     "this %s you may be able to recover it using the correct recovery command. For help resolving this "
                     "issue, please see https://go.microsoft.com/fwlink/?linkid=2125182",
                     kinds[kind].word, STR_ARG(name), slash, STR_ARG(version), kinds[kind].word);
}

bool deleted_not_found(Err *err, KvKind kind, Str name)
{
    return err_named(err, ERR_NOT_FOUND, kinds[kind].not_found, NULL, "Deleted %s not found: " STR_FMT,
                     kinds[kind].title, STR_ARG(name));
}

bool object_is_deleted(Err *err, KvKind kind, Str name)
{
    return err_named(err, ERR_CONFLICT, "Conflict", "ObjectIsDeletedButRecoverable",
                     "%s " STR_FMT " is currently in a deleted but recoverable state, and its name cannot be reused; in this "
                     "state, the %s can only be recovered or purged.",
                     kinds[kind].title, STR_ARG(name), kinds[kind].word);
}
