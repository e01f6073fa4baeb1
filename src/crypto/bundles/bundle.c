/* bundle.c - what belongs together: one key, its certificate, the issuers in order. */
#include "crypto/bundles/bundle_own.h"

void bundle_done(Bundle *bundle)
{
    key_free(bundle->key);
    *bundle = (Bundle){ 0 };
}

static bool same_bytes(Bytes a, Bytes b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool bundle_add_cert(Arena *arena, Bundle *bundle, Bytes der, Err *err)
{
    AUTO(X509_free_auto) X509 *cert = cert_decode(der);
    if (!cert)
        return err_set(err, ERR_BAD_INPUT, "certificate %zu of the file is not a whole X.509 certificate", bundle->count + 1);
    for (size_t i = 0; i < bundle->count; i++)
        if (same_bytes(bundle->certs[i], der))
            return true;
    if (bundle->count == BUNDLE_CERTS_MAX)
        return err_set(err, ERR_BAD_INPUT, "the file has more than %d certificates; leave out those that do not belong to its chain", BUNDLE_CERTS_MAX);
    Str copy = str_dup(arena, str_of(der));
    if (!copy.ptr)
        return err_too_big(err);
    bundle->certs[bundle->count++] = bytes_of(copy);
    return true;
}

bool bundle_add_key(Bundle *bundle, KeyRef *key, Err *err)
{
    AUTO(key_free_auto) KeyRef *added = key;
    if (bundle->key)
        return err_set(err, ERR_BAD_INPUT, "the file has more than one private key; keep the one of its certificate");
    if (!key_is_consistent(key))
        return err_set(err, ERR_BAD_INPUT, "the private key is damaged: its private and public numbers do not belong together");
    bundle->key = TAKE(added);
    return true;
}

static bool is_cert_of_key(Bytes der, const KeyRef *key)
{
    AUTO(key_free_auto) KeyRef *public = NULL;
    Err ignored;                                       /* a certificate with a key of another kind is simply not it */
    return cert_public_key(der, &public, &ignored) && key_same_public(public, key);
}

static bool issued_another(const Bundle *bundle, size_t which)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (i != which && cert_is_issued_by(bundle->certs[i], bundle->certs[which]))
            return true;
    return false;
}

/* count: there is none. */
static size_t find_leaf(const Bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (bundle->key ? is_cert_of_key(bundle->certs[i], bundle->key) : !issued_another(bundle, i))
            return i;
    return bundle->key ? bundle->count : 0;
}

/* Moves a certificate up to `to`; those between keep their order. */
static void move_up(Bundle *bundle, size_t from, size_t to)
{
    Bytes moved = bundle->certs[from];
    size_t came = bundle->came_as[from];
    memmove(&bundle->certs[to + 1], &bundle->certs[to], (from - to) * sizeof moved);
    bundle->certs[to] = moved;
    memmove(&bundle->came_as[to + 1], &bundle->came_as[to], (from - to) * sizeof came);
    bundle->came_as[to] = came;
}

bool bundle_order(Bundle *bundle, const char *file, Err *err)
{
    if (!bundle->count)
        return err_set(err, ERR_BAD_INPUT, "the %s has no certificate", file);
    for (size_t i = 0; i < bundle->count; i++)
        bundle->came_as[i] = i;
    bundle->leaf = 0;
    size_t leaf = find_leaf(bundle);
    if (leaf == bundle->count)
        return err_set(err, ERR_BAD_INPUT, "none of the certificates in the %s belongs to its private key", file);
    move_up(bundle, leaf, 0);
    for (size_t at = 1; at < bundle->count; at++) {
        size_t issuer = at;
        while (issuer < bundle->count && !cert_is_issued_by(bundle->certs[at - 1], bundle->certs[issuer]))
            issuer++;
        if (issuer == bundle->count)
            break;
        move_up(bundle, issuer, at);
    }
    return true;
}

void bundle_order_undo(Bundle *bundle)
{
    Bytes ordered[BUNDLE_CERTS_MAX];
    memcpy(ordered, bundle->certs, sizeof ordered);
    for (size_t i = 0; i < bundle->count; i++)
        bundle->certs[bundle->came_as[i]] = ordered[i];
    bundle->leaf = bundle->came_as[0];
}
