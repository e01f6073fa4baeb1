/* tls.c - the leaf cache and the callback GnuTLS asks for a certificate. */
#include "http/tls.h"
#include <pthread.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/secret.h"

enum { LEAVES_MAX = 512, CHAIN_MAX = 8, LEAF_ARENA_BYTES = 256 * 1024, RETRY_MS = 60 * 1000 };

const char tls_priorities[] =
    "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:"
    "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
    "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SECP384R1-SHA384:"
    "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:"
    "+COMP-NULL:+CTYPE-X509:%SERVER_PRECEDENCE";

/* Leaves are counted: one for the cache, one for each connection that was given it. */
typedef struct Leaf {
    Str name;
    char *name_text;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_length;
    gnutls_privkey_t key;
    int64_t renew_at_ms, retry_at_ms;   /* real time */
    uint64_t used;                      /* counts up; the smallest goes first */
    int holders;
} Leaf;

struct TlsNames {
    const HttpConfig *config;
    const RouteTable *table;
    gnutls_datum_t ticket_key;          /* GnuTLS derives and rotates what it seals tickets with from this one */
    pthread_mutex_t lock;               /* over all below */
    Leaf *leaves[LEAVES_MAX];
    size_t leaf_count;
    uint64_t uses;
};

struct TlsGrip { TlsNames *names; Leaf *leaf; bool is_refused; };       /* GnuTLS asks once for each kind of key the client takes */

static bool gnutls_err(Err *err, const char *what, int code)
{
    return err_set(err, ERR_INTERNAL, "%s: %s", what, gnutls_strerror(code));
}

bool tls_names_new(const HttpConfig *config, const RouteTable *table, TlsNames **out, Err *err)
{
    TlsNames *names = calloc(1, sizeof *names);
    if (!names)
        return err_errno(err, "TLS names");
    int code = gnutls_session_ticket_key_generate(&names->ticket_key);
    if (code < 0) {
        free(names);
        return gnutls_err(err, "session ticket key", code);
    }
    names->config = config;
    names->table = table;
    pthread_mutex_init(&names->lock, NULL);
    *out = names;
    return true;
}

/* Under the lock, or where nobody else can hold it. */
static void leaf_release(Leaf *leaf)
{
    if (!leaf || --leaf->holders > 0)
        return;
    for (unsigned i = 0; i < leaf->chain_length; i++)
        gnutls_pcert_deinit(&leaf->chain[i]);
    if (leaf->key)
        gnutls_privkey_deinit(leaf->key);
    free(leaf->name_text);
    free(leaf);
}

void tls_names_free(TlsNames *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->leaf_count; i++)
        leaf_release(names->leaves[i]);
    gnutls_memset(names->ticket_key.data, 0, names->ticket_key.size);
    gnutls_free(names->ticket_key.data);
    pthread_mutex_destroy(&names->lock);
    free(names);
}

TlsGrip *tls_grip_new(TlsNames *names, gnutls_session_t session)
{
    TlsGrip *grip = calloc(1, sizeof *grip);
    if (!grip)
        return NULL;
    grip->names = names;
    gnutls_db_set_ptr(session, grip);       /* the session's only pointer that libmicrohttpd leaves alone; no session database is used */
    (void)gnutls_session_ticket_enable_server(session, &names->ticket_key);    /* without tickets each connection costs a full handshake, no more */
    return grip;
}

void tls_grip_free(TlsGrip *grip)
{
    if (!grip)
        return;
    pthread_mutex_lock(&grip->names->lock);
    leaf_release(grip->leaf);
    pthread_mutex_unlock(&grip->names->lock);
    free(grip);
}

static bool leaf_load(Leaf *leaf, const TlsLeaf *made, Err *err)
{
    gnutls_datum_t chain = { (unsigned char *)(uintptr_t)made->cert_chain_pem.ptr, (unsigned)made->cert_chain_pem.len };
    gnutls_datum_t key = { (unsigned char *)(uintptr_t)made->key_pem.ptr, (unsigned)made->key_pem.len };
    unsigned length = CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(leaf->chain, &length, &chain, GNUTLS_X509_FMT_PEM, 0);
    if (code < 0)
        return gnutls_err(err, "leaf certificate", code);
    leaf->chain_length = length;
    if ((code = gnutls_privkey_init(&leaf->key)) < 0 ||
        (code = gnutls_privkey_import_x509_raw(leaf->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0)) < 0)
        return gnutls_err(err, "leaf key", code);
    leaf->renew_at_ms = made->renew_at_ms;
    return true;
}

static bool leaf_make(const HttpConfig *config, Str name, Leaf **out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(LEAF_ARENA_BYTES);
    Leaf *leaf = calloc(1, sizeof *leaf);
    if (!arena || !leaf) {
        free(leaf);
        return err_errno(err, "leaf certificate");
    }
    leaf->holders = 1;
    leaf->name_text = strndup(name.ptr ? name.ptr : "", name.len);
    leaf->name = str_from(leaf->name_text);
    TlsLeaf made = { 0 };
    bool loaded = leaf->name_text && config->tls_leaf(config->tls_ctx, arena, name, &made, err) && leaf_load(leaf, &made, err);
    secret_wipe((void *)(uintptr_t)made.key_pem.ptr, made.key_pem.len);
    if (!loaded) {
        leaf_release(leaf);
        return err->code != ERR_NONE ? false : err_errno(err, "leaf certificate");
    }
    *out = leaf;
    return true;
}

static size_t leaf_place(const TlsNames *names, Str name)
{
    size_t i = 0;
    while (i < names->leaf_count && !str_eq(names->leaves[i]->name, name))
        i++;
    return i;
}

/* A place for a new leaf: a free one, or that of the leaf not used for longest. */
static size_t leaf_room(TlsNames *names)
{
    if (names->leaf_count < LEAVES_MAX) {
        names->leaves[names->leaf_count] = NULL;
        return names->leaf_count++;
    }
    size_t oldest = 0;
    for (size_t i = 1; i < names->leaf_count; i++)
        if (names->leaves[i]->used < names->leaves[oldest]->used)
            oldest = i;
    return oldest;
}

/* The cached leaf, or a new one when there is none or its time has come. A failed renewal keeps the old one in use. */
static Leaf *leaf_take(TlsNames *names, Str name, int64_t real_ms)
{
    size_t place = leaf_place(names, name);
    Leaf *leaf = place < names->leaf_count ? names->leaves[place] : NULL;
    if (!leaf || (real_ms >= leaf->renew_at_ms && real_ms >= leaf->retry_at_ms)) {
        Leaf *made = NULL;
        Err err = { 0 };
        if (leaf_make(names->config, name, &made, &err)) {
            if (!leaf)
                place = leaf_room(names);
            leaf_release(names->leaves[place]);
            names->leaves[place] = leaf = made;
        } else {
            log_event(LOG_ERROR, "http.leaf_failed", log_str("name", name), log_cstr("reason", err.text));
            if (leaf)
                leaf->retry_at_ms = real_ms + RETRY_MS;
        }
    }
    if (leaf) {
        leaf->used = ++names->uses;
        leaf->holders++;
    }
    return leaf;
}

/* Lower case, without the final dot; "" when the client named no host (addresses carry no SNI). False: too long to be a name of ours. */
static bool asked_name(gnutls_session_t session, char *text, size_t size, Str *out)
{
    unsigned kind = GNUTLS_NAME_DNS;
    size_t len = size - 1;
    int code = gnutls_server_name_get(session, text, &len, &kind, 0);
    if (code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
        *out = STR("");
        return true;
    }
    if (code < 0 || kind != GNUTLS_NAME_DNS)
        return false;
    len = strnlen(text, size - 1);
    if (len > 0 && text[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
    *out = (Str){ text, len };
    return true;
}

/* "localhost" gets the leaf of addresses: the answer that tells the right name must be readable. */
static bool name_is_ours(const TlsNames *names, Str *name)
{
    if (name->len == 0 || str_eq(*name, STR("localhost"))) {
        *name = STR("");
        return true;
    }
    Str labels[HOST_LABELS_MAX] = { 0 };
    const Plane *plane = route_table_plane(names->table, *name, labels);
    return plane && plane_has_host(plane, labels);
}

int tls_choose_leaf(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count, const gnutls_pk_algorithm_t *algorithms,
                    int algorithm_count, gnutls_pcert_st **chain, unsigned int *chain_length, gnutls_privkey_t *key)
{
    (void)issuers, (void)issuer_count, (void)algorithms, (void)algorithm_count;
    TlsGrip *grip = gnutls_db_get_ptr(session);
    char text[256];
    Str name;
    if (!grip || grip->is_refused)
        return -1;
    grip->is_refused = true;                    /* until a leaf was found */
    TlsNames *names = grip->names;
    if (!asked_name(session, text, sizeof text, &name) || !name_is_ours(names, &name)) {
        (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_UNRECOGNIZED_NAME);     /* the connection ends either way */
        return -1;
    }
    pthread_mutex_lock(&names->lock);
    if (!grip->leaf)
        grip->leaf = leaf_take(names, name, real_now_ms());
    pthread_mutex_unlock(&names->lock);
    if (!grip->leaf) {
        (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR);
        return -1;
    }
    grip->is_refused = false;
    *chain = grip->leaf->chain;
    *chain_length = grip->leaf->chain_length;
    *key = grip->leaf->key;
    return 0;
}

void tls_names_drop(TlsNames *names, Str name)
{
    if (!names)
        return;
    pthread_mutex_lock(&names->lock);
    size_t place = leaf_place(names, name);
    if (place < names->leaf_count) {
        leaf_release(names->leaves[place]);
        names->leaves[place] = names->leaves[--names->leaf_count];
    }
    pthread_mutex_unlock(&names->lock);
}
