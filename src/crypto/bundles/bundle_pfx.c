/* bundle_pfx.c - bundles as PKCS#12 (RFC 7292), which Windows calls PFX.
 *
 * Written: AES-256 with PBKDF2, SHA-256 MAC. Read: also what older tools wrote. A file that needs RC2, RC4 or single DES
 * is read in a library context of its own, so that those ciphers are nowhere else; only DER leaves that context. */
#include <openssl/pkcs12.h>
#include "crypto/bundles/bundle_own.h"

enum {
    ROUNDS = 100000, ROUNDS_EMPTY = 2048,      /* an empty password protects nothing, whatever it costs to try */
    ROUNDS_BUDGET = 3000000,                   /* a few seconds for all parts of a file together, whoever made it */
    PASSWORD_MAX = 1024, NESTING_MAX = 4
};

DEFINE_AUTO_FREE(PKCS12, PKCS12_free)

/* OpenSSL wants a NUL behind it; a NUL within would silently shorten it. */
static bool password_copy(Str password, Secret **out, Err *err)
{
    if (password.len > PASSWORD_MAX || (password.len && memchr(password.ptr, 0, password.len)))
        return err_field(err, "password", "the password has a NUL character or more than %d bytes", PASSWORD_MAX);
    Secret *copy = secret_new(password.len + 1);
    if (!copy)
        return err_set(err, ERR_INTERNAL, "out of memory for a password");
    if (password.len)
        memcpy(secret_ptr(copy), password.ptr, password.len);
    *out = copy;
    return true;
}

/* ---- writing ---- */

static PKCS12 *create(const Bundle *bundle, const char *password, int rounds)
{
    STACK_OF(X509) *issuers = sk_X509_new_null();
    X509 *leaf = bundle->count ? cert_decode(bundle->certs[0]) : NULL;
    bool whole = issuers && leaf;
    for (size_t i = 1; whole && i < bundle->count; i++) {
        X509 *issuer = cert_decode(bundle->certs[i]);
        whole = issuer && sk_X509_push(issuers, issuer) > 0;
        if (!whole)
            X509_free(issuer);
    }
    PKCS12 *pfx = whole ? PKCS12_create_ex(password, NULL, bundle->key ? bundle->key->pkey : NULL, leaf, issuers, NID_aes_256_cbc,
                                           NID_aes_256_cbc, rounds, rounds, 0, NULL, NULL) : NULL;
    X509_free(leaf);
    sk_X509_pop_free(issuers, X509_free);
    return pfx;
}

/* With the key's certificate where it is, which PKCS12_create does not leave there. */
static PKCS12 *create_in_place(const Bundle *bundle, const char *password, int rounds)
{
    STACK_OF(PKCS7) *safes = NULL;
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned int id_len = 0;
    PKCS12 *pfx = NULL;
    X509 *leaf = cert_decode(bundle->certs[bundle->leaf]);
    bool whole = leaf && X509_digest(leaf, EVP_sha1(), id, &id_len);
    X509_free(leaf);
    for (size_t i = 0; whole && i < bundle->count; i++) {
        X509 *cert = cert_decode(bundle->certs[i]);
        PKCS12_SAFEBAG *bag = cert ? PKCS12_add_cert(&bags, cert) : NULL;
        whole = bag && (i != bundle->leaf || !bundle->key || PKCS12_add_localkeyid(bag, id, (int)id_len));
        X509_free(cert);
    }
    whole = whole && PKCS12_add_safe_ex(&safes, bags, NID_aes_256_cbc, rounds, password, NULL, NULL);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    bags = NULL;
    if (whole && bundle->key) {
        PKCS12_SAFEBAG *bag = PKCS12_add_key_ex(&bags, bundle->key->pkey, 0, rounds, NID_aes_256_cbc, password, NULL, NULL);
        whole = bag && PKCS12_add_localkeyid(bag, id, (int)id_len) && PKCS12_add_safe(&safes, bags, -1, 0, NULL);
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    if (whole && (pfx = PKCS12_add_safes_ex(safes, 0, NULL, NULL)) && !PKCS12_set_mac(pfx, password, -1, NULL, 0, rounds, EVP_sha256())) {
        PKCS12_free(pfx);
        pfx = NULL;
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return pfx;
}

bool bundle_write_pfx(const Bundle *bundle, Str password, Secret **pfx, Err *err)
{
    AUTO(secret_free_auto) Secret *pass = NULL;
    if (!password_copy(password, &pass, err))
        return false;
    if (bundle->key && !key_is_private(bundle->key))
        return err_set(err, ERR_BAD_INPUT, "only the public half of this key is here");
    AUTO(PKCS12_free_auto) PKCS12 *made = (bundle->leaf ? create_in_place : create)(bundle, (const char *)secret_ptr(pass), password.len ? ROUNDS : ROUNDS_EMPTY);
    int len = made ? i2d_PKCS12(made, NULL) : 0;
    AUTO(secret_free_auto) Secret *der = len > 0 ? secret_new((size_t)len) : NULL;
    uint8_t *at = der ? secret_ptr(der) : NULL;
    if (!der || i2d_PKCS12(made, &at) != len)
        return openssl_failed(err, "writing a PFX");
    *pfx = TAKE(der);
    return true;
}

/* ---- reading ---- */

typedef struct Reader {
    Arena *arena;
    OSSL_LIB_CTX *ctx;
    Bundle *bundle;
    const char *pass;           /* NULL: no password at all, which PKCS#12 tells from the empty one */
    int pass_len;
    int64_t rounds_left;
    bool has_mac, cipher_missing;
} Reader;

static bool spend_rounds(Reader *r, int64_t rounds, Err *err)
{
    r->rounds_left -= rounds > 0 && rounds <= ROUNDS_BUDGET ? rounds : ROUNDS_BUDGET + 1;
    return r->rounds_left >= 0
        || err_set(err, ERR_BAD_INPUT, "the PFX asks for more than %d rounds of its password function in all; write it anew with fewer", ROUNDS_BUDGET);
}

static int64_t integer_of(const ASN1_INTEGER *value)
{
    int64_t number = -1;
    return value && ASN1_INTEGER_get_int64(&number, value) == 1 ? number : -1;
}

static bool unsupported(const ASN1_OBJECT *algorithm, Err *err)
{
    char name[80];
    openssl_forget();
    if (OBJ_obj2txt(name, sizeof name, algorithm, 0) <= 0)
        name[0] = '\0';
    return err_set(err, ERR_BAD_INPUT, "the PFX is encrypted with %s, which the OpenSSL of this machine does not provide; write it anew with AES-256 "
                                       "(openssl pkcs12 -export)", *name ? name : "an unknown algorithm");
}

static bool cipher_is_there(Reader *r, int nid)
{
    EVP_CIPHER *cipher = nid != NID_undef ? EVP_CIPHER_fetch(r->ctx, OBJ_nid2sn(nid), NULL) : NULL;
    EVP_CIPHER_free(cipher);
    r->cipher_missing |= !cipher;
    return cipher;
}

/* PKCS#5 version 2 (RFC 8018 section 6.2): PBKDF2 or scrypt, and any cipher. */
static bool check_pbes2(Reader *r, const ASN1_TYPE *parameter, const ASN1_OBJECT *outer, Err *err)
{
    PBE2PARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), parameter);
    bool good = pbe && (cipher_is_there(r, OBJ_obj2nid(pbe->encryption->algorithm)) || unsupported(pbe->encryption->algorithm, err));
    if (!pbe)
        unsupported(outer, err);
    if (good && OBJ_obj2nid(pbe->keyfunc->algorithm) == NID_id_pbkdf2) {
        PBKDF2PARAM *kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbe->keyfunc->parameter);
        good = spend_rounds(r, kdf ? integer_of(kdf->iter) : -1, err);
        PBKDF2PARAM_free(kdf);
    } else if (good) {
        good = unsupported(pbe->keyfunc->algorithm, err);       /* scrypt: no tool is known to write it into a PFX */
    }
    PBE2PARAM_free(pbe);
    return good;
}

/* Before anything is computed: a cipher that exists, and rounds that end. */
static bool check_algorithm(Reader *r, const X509_ALGOR *algorithm, Err *err)
{
    const ASN1_OBJECT *object;
    const void *value;
    int type, cipher = NID_undef;
    X509_ALGOR_get0(&object, &type, &value, algorithm);
    if (type != V_ASN1_SEQUENCE)
        return unsupported(object, err);
    if (OBJ_obj2nid(object) == NID_pbes2)
        return check_pbes2(r, algorithm->parameter, object, err);
    if (!EVP_PBE_find(EVP_PBE_TYPE_OUTER, OBJ_obj2nid(object), &cipher, NULL, NULL) || !cipher_is_there(r, cipher))
        return unsupported(object, err);
    PBEPARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    bool good = spend_rounds(r, pbe ? integer_of(pbe->iter) : -1, err);
    PBEPARAM_free(pbe);
    return good;
}

/* With a MAC that fitted, the password is right and the content is not. */
static bool undecipherable(const Reader *r, Err *err)
{
    openssl_forget();
    if (r->has_mac)
        return err_set(err, ERR_BAD_INPUT, "a part of the PFX does not decrypt although the password fits: the file is damaged");
    return err_field(err, "password", "the password of the PFX is wrong, or the file is damaged");
}

static bool add_key(Reader *r, const PKCS8_PRIV_KEY_INFO *info, Err *err)
{
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
    AUTO(secret_free_auto) Secret *der = len > 0 ? secret_new((size_t)len) : NULL;
    uint8_t *at = der ? secret_ptr(der) : NULL;
    KeyRef *key = NULL;
    if (!der || i2d_PKCS8_PRIV_KEY_INFO(info, &at) != len)
        return openssl_failed(err, "reading a PFX");
    return key_from_pkcs8(secret_bytes(der), &key, err) && bundle_add_key(r->bundle, key, err);
}

static bool add_shrouded_key(Reader *r, const PKCS12_SAFEBAG *bag, Err *err)
{
    const X509_ALGOR *algorithm;
    const X509_SIG *shrouded = PKCS12_SAFEBAG_get0_pkcs8(bag);
    X509_SIG_get0(shrouded, &algorithm, NULL);
    if (!check_algorithm(r, algorithm, err))
        return false;
    PKCS8_PRIV_KEY_INFO *info = PKCS12_decrypt_skey_ex(bag, r->pass, r->pass_len, r->ctx, NULL);
    bool added = info ? add_key(r, info, err) : undecipherable(r, err);
    PKCS8_PRIV_KEY_INFO_free(info);                    /* clears what it held */
    return added;
}

static bool add_certificate(Reader *r, const PKCS12_SAFEBAG *bag, Err *err)
{
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return true;                                   /* SDSI certificates: nobody has them */
    unsigned char *der = NULL;
    X509 *cert = PKCS12_SAFEBAG_get1_cert(bag);
    int len = cert ? i2d_X509(cert, &der) : 0;
    bool added = len > 0 ? bundle_add_cert(r->arena, r->bundle, (Bytes){ der, (size_t)len }, err)
                         : err_set(err, ERR_BAD_INPUT, "a certificate in the PFX is damaged");
    X509_free(cert);
    OPENSSL_free(der);
    return added;
}

static bool add_bags(Reader *r, const STACK_OF(PKCS12_SAFEBAG) *bags, int depth, Err *err)
{
    if (depth > NESTING_MAX)
        return err_set(err, ERR_BAD_INPUT, "the PFX nests its contents more than %d deep", NESTING_MAX);
    bool added = true;
    for (int i = 0; added && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag:               added = add_key(r, PKCS12_SAFEBAG_get0_p8inf(bag), err); break;
        case NID_pkcs8ShroudedKeyBag:  added = add_shrouded_key(r, bag, err); break;
        case NID_certBag:              added = add_certificate(r, bag, err); break;
        case NID_safeContentsBag:      added = add_bags(r, PKCS12_SAFEBAG_get0_safes(bag), depth + 1, err); break;
        default:                       break;          /* revocation lists and secrets are not ours */
        }
    }
    return added;
}

static bool add_safe(Reader *r, PKCS7 *safe, Err *err)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    if (PKCS7_type_is_data(safe)) {
        bags = PKCS12_unpack_p7data(safe);
        if (!bags)
            return err_set(err, ERR_BAD_INPUT, "a part of the PFX is damaged");
    } else if (PKCS7_type_is_encrypted(safe) && safe->d.encrypted && safe->d.encrypted->enc_data) {
        if (!check_algorithm(r, safe->d.encrypted->enc_data->algorithm, err))
            return false;
        bags = PKCS12_unpack_p7encdata(safe, r->pass, r->pass_len);
        if (!bags)
            return undecipherable(r, err);
    } else {
        return err_set(err, ERR_BAD_INPUT, "the PFX is protected by a certificate instead of a password, which is not supported");
    }
    bool added = add_bags(r, bags, 1, err);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return added;
}

static bool add_all(Reader *r, const PKCS12 *pfx, Err *err)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(pfx);
    if (!safes)
        return err_set(err, ERR_BAD_INPUT, "the PFX is damaged, or signed with a certificate instead of a password, which is not supported");
    bool added = true;
    for (int i = 0; added && i < sk_PKCS7_num(safes); i++)
        added = add_safe(r, sk_PKCS7_value(safes, i), err);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return added;
}

/* The digest of the MAC is one we have, and its rounds end. */
static bool check_mac_algorithm(Reader *r, const PKCS12 *pfx, Err *err)
{
    const ASN1_INTEGER *rounds;
    const X509_ALGOR *algorithm;
    const ASN1_OBJECT *object;
    PKCS12_get0_mac(NULL, &algorithm, NULL, &rounds, pfx);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    if (!EVP_get_digestbyobj(object)) {
        char name[80];
        openssl_forget();
        int len = OBJ_obj2txt(name, sizeof name, object, 0);
        return err_set(err, ERR_BAD_INPUT, "the PFX protects itself with %s, which is not supported; write it anew with a SHA-256 MAC", len > 0 ? name : "an unknown MAC");
    }
    return spend_rounds(r, rounds ? integer_of(rounds) : 1, err);
}

static PKCS12 *decode(OSSL_LIB_CTX *ctx, Bytes der)
{
    const unsigned char *at = der.ptr;
    PKCS12 *pfx = PKCS12_init_ex(NID_pkcs7_data, ctx, NULL);       /* so that all that is read into it knows the context */
    if (pfx && der.len && der.len <= BUNDLE_FILE_MAX && d2i_PKCS12(&pfx, &at, (long)der.len) && at == der.ptr + der.len)
        return pfx;
    PKCS12_free(pfx);
    openssl_forget();
    return NULL;
}

/* Reads with one form of the password. *mac_failed: the MAC says that it is another. */
static bool read_with(Reader *r, PKCS12 *pfx, bool *mac_failed, Err *err)
{
    *mac_failed = false;
    if (r->has_mac) {
        if (!check_mac_algorithm(r, pfx, err))
            return false;
        if (PKCS12_verify_mac(pfx, r->pass, r->pass_len) != 1) {
            *mac_failed = true;
            openssl_forget();
            return err_field(err, "password", "the password of the PFX is wrong, or the file is damaged");
        }
    }
    bool added = add_all(r, pfx, err);
    openssl_forget();
    return added;
}

/* Reads in one library context (NULL: the default one). *cipher_missing: another one may do better. */
static bool read_in(OSSL_LIB_CTX *ctx, Arena *arena, Bytes der, const Secret *pass, Bundle *bundle, bool *cipher_missing, Err *err)
{
    AUTO(PKCS12_free_auto) PKCS12 *pfx = decode(ctx, der);
    if (!pfx)
        return err_set(err, ERR_BAD_INPUT, "this is not one whole PFX (PKCS#12) file in DER");
    Reader r = { .arena = arena, .ctx = ctx, .bundle = bundle, .pass = (const char *)secret_bytes(pass).ptr, .pass_len = (int)secret_bytes(pass).len - 1,
                 .rounds_left = ROUNDS_BUDGET, .has_mac = PKCS12_mac_present(pfx) };
    bool mac_failed;
    bool read = read_with(&r, pfx, &mac_failed, err);
    /* Some tools write the empty password and some none; both come to us as "". */
    if (!read && r.pass_len == 0 && !r.cipher_missing && (mac_failed || !r.has_mac)) {
        bundle_done(bundle);
        r.pass = NULL;
        read = read_with(&r, pfx, &mac_failed, err);
    }
    *cipher_missing = r.cipher_missing;
    return read;
}

bool bundle_read_pfx(Arena *arena, Bytes pfx, Str password, Bundle *out, Err *err)
{
    AUTO(secret_free_auto) Secret *pass = NULL;
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    bool cipher_missing = false;
    if (!password_copy(password, &pass, err))
        return false;
    bool read = read_in(NULL, arena, pfx, pass, &bundle, &cipher_missing, err);
    if (!read && cipher_missing && legacy_context()) {
        bundle_done(&bundle);
        read = read_in(legacy_context(), arena, pfx, pass, &bundle, &cipher_missing, err);
    }
    if (!read || !bundle_order(&bundle, "PFX", err))
        return false;
    *out = bundle;
    bundle.key = NULL;
    return true;
}
