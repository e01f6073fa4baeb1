/* signing.c - the keys that sign tokens: a ring that everybody reads, replaced as a whole, and their rotation.
 *
 * A new key is listed a day before it signs, as long as clients keep the list of keys. The old one stays listed until the last
 * token that it signed has ended. All times are real time. Private keys lie sealed under the tenant. */
#include <stdlib.h>
#include "base/encode.h"
#include "crypto/certificates/cert.h"
#include "crypto/hash.h"
#include "identity/parts.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)

enum { RING_ARENA_BYTES = 256 * 1024, SIGNING_RSA_BITS = 2048 };

static const int64_t SIGNS_MS = 30 * DAY_MS;
static const int64_t LISTED_BEFORE_MS = DAY_MS;
static const int64_t LISTED_AFTER_MS = TOKEN_IDENTITY_LIFE_S * (int64_t)1000 + 2 * TOKEN_LEEWAY_MS;
static const int64_t CERTIFICATE_MS = 3 * 365 * DAY_MS;          /* nobody checks it; clients want an x5c to look at */

/* ---- the plan ---- */

SigningPlan signing_plan(const int64_t *sign_from_ms, size_t count, int64_t now_ms)
{
    size_t started = 0;
    while (started < count && sign_from_ms[started] <= now_ms)
        started++;
    if (count == 0)
        return (SigningPlan){ .make = true, .make_sign_from_ms = now_ms, .again_ms = now_ms + SIGNS_MS - LISTED_BEFORE_MS };

    SigningPlan plan = { .again_ms = INT64_MAX };
    bool has_successor = started < count;
    int64_t newest_from = sign_from_ms[count - 1];
    int64_t make_at = newest_from + SIGNS_MS - LISTED_BEFORE_MS;
    if (!has_successor && now_ms >= make_at) {
        plan.make = true;
        plan.make_sign_from_ms = now_ms + LISTED_BEFORE_MS;
        make_at = plan.make_sign_from_ms + SIGNS_MS - LISTED_BEFORE_MS;
    }
    if (make_at < plan.again_ms)
        plan.again_ms = make_at;

    /* A key ends when its successor began and the last token before that has ended. */
    for (size_t i = 0; i + 1 < count; i++) {
        int64_t drop_at = sign_from_ms[i + 1] + LISTED_AFTER_MS;
        if (drop_at <= now_ms)
            plan.drop = i + 1;
        else if (drop_at < plan.again_ms)
            plan.again_ms = drop_at;
    }
    if (plan.make && count && plan.make_sign_from_ms + LISTED_AFTER_MS < plan.again_ms)
        plan.again_ms = plan.make_sign_from_ms + LISTED_AFTER_MS;
    return plan;
}

/* ---- rows ---- */

static SealPlace private_place(Arena *arena, Str tenant_id, Str kid)
{
    return (SealPlace){ .scope = identity_tenant_scope(arena, tenant_id), .table = "identity_signing_key", .row = kid, .column = "private" };
}

bool signing_key_create(Seal *seal, Txn *txn, Arena *arena, Str tenant_id, const KeyRef *key, int64_t now_ms, int64_t sign_from_ms, Str *kid,
                        Err *err)
{
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    CertSpec spec = { .subject = STR("CN=Vaultyard token signing"), .path_length = -1, .not_before_ms = now_ms,
                      .not_after_ms = now_ms + CERTIFICATE_MS };
    Bytes certificate, sealed;
    if (!cert_self_sign(arena, key, &spec, &certificate, err) || !key_to_pkcs8(key, &pkcs8, err))
        return false;
    uint8_t thumbprint[SHA1_SIZE];
    sha1(certificate, thumbprint);
    Str name = base64url_encode(arena, (Bytes){ thumbprint, sizeof thumbprint });     /* kid is x5t, as in Entra */
    if (!name.ptr)
        return err_too_big(err);
    if (!seal_put(seal, txn, private_place(arena, tenant_id, name), secret_bytes(pkcs8), arena, &sealed, err) ||
        !txn_exec(txn, NULL, err, "INSERT INTO identity_signing_key (kid, sign_from_ms, certificate, private) VALUES (?1, ?2, ?3, ?4)",
                  db_text(name), db_int(sign_from_ms), db_blob(certificate), db_blob(sealed)))
        return false;
    *kid = name;
    return true;
}

typedef struct LoadRing { Identity *identity; Ring *ring; } LoadRing;

static bool key_of_row(Identity *identity, Txn *txn, Rows *rows, Arena *arena, SigningKey *out, Err *err)
{
    AUTO(secret_free_auto) Secret *pkcs8 = NULL;
    Str kid = str_dup(arena, row_text(rows, 0)), certificate = str_dup(arena, str_of(row_blob(rows, 2)));
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!seal_get(identity->site->seal, txn, private_place(arena, identity->site->tenant_id, kid), row_blob(rows, 3), &pkcs8, err) ||
        !key_from_pkcs8(secret_bytes(pkcs8), &out->key, err))
        return false;
    out->kid = kid;
    out->certificate = bytes_of(certificate);
    out->sign_from_ms = row_int(rows, 1);
    return true;
}

static bool load_ring(Txn *txn, void *ctx, Err *err)
{
    LoadRing *load = ctx;
    Ring *ring = load->ring;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT kid, sign_from_ms, certificate, private FROM identity_signing_key ORDER BY sign_from_ms, kid"))
        return false;
    while (rows_next(rows, err)) {
        if (ring->count == RING_MAX)
            return err_set(err, ERR_INTERNAL, "more than %d signing keys are kept", RING_MAX);
        if (!key_of_row(load->identity, txn, rows, ring->arena, &ring->keys[ring->count], err))
            return false;
        ring->count++;
    }
    return err->code == ERR_NONE;
}

/* ---- the ring ---- */

static void ring_free(Ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        key_free(ring->keys[i].key);
    arena_free(ring->arena);
    free(ring);
}

Ring *signing_ring(Identity *identity)
{
    pthread_mutex_lock(&identity->ring_lock);
    Ring *ring = identity->ring;
    ring->references++;
    pthread_mutex_unlock(&identity->ring_lock);
    return ring;
}

void signing_release(Identity *identity, Ring *ring)
{
    if (!ring)
        return;
    pthread_mutex_lock(&identity->ring_lock);
    bool last = --ring->references == 0;
    pthread_mutex_unlock(&identity->ring_lock);
    if (last)
        ring_free(ring);
}

bool signing_load(Identity *identity, Err *err)
{
    Ring *ring = calloc(1, sizeof *ring);
    if (!ring || !(ring->arena = arena_new(RING_ARENA_BYTES))) {
        free(ring);
        return err_set(err, ERR_INTERNAL, "no memory for signing keys");
    }
    ring->references = 1;
    LoadRing load = { identity, ring };
    if (!store_read(identity->site->store, load_ring, &load, err)) {
        ring_free(ring);
        return false;
    }
    pthread_mutex_lock(&identity->ring_lock);
    Ring *old = identity->ring;
    identity->ring = ring;
    pthread_mutex_unlock(&identity->ring_lock);
    signing_release(identity, old);
    cache_flush(identity->tokens);                  /* a key may have gone: its tokens are to be looked at again */
    return true;
}

const SigningKey *signing_current(const Ring *ring, int64_t now_ms)
{
    const SigningKey *current = ring->count ? &ring->keys[0] : NULL;     /* even when the machine's clock was set back */
    for (size_t i = 1; i < ring->count; i++)
        if (ring->keys[i].sign_from_ms <= now_ms)
            current = &ring->keys[i];
    return current;
}

/* ---- rotation ---- */

typedef struct Rotation { Identity *identity; Arena *arena; KeyRef *key; SigningPlan plan; int64_t now_ms; Str drop[RING_MAX]; } Rotation;

static bool write_rotation(Txn *txn, void *ctx, Err *err)
{
    Rotation *r = ctx;
    Str kid;
    if (r->key && !signing_key_create(r->identity->site->seal, txn, r->arena, r->identity->site->tenant_id, r->key, r->now_ms,
                                      r->plan.make_sign_from_ms, &kid, err))
        return false;
    for (size_t i = 0; i < r->plan.drop; i++)
        if (!txn_exec(txn, NULL, err, "DELETE FROM identity_signing_key WHERE kid = ?1", db_text(r->drop[i])))
            return false;
    return true;
}

static bool rotate(Rotation *r, Err *err)
{
    if (r->plan.make && !key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = SIGNING_RSA_BITS }, &r->key, err))
        return false;
    bool done = (!r->plan.make && r->plan.drop == 0) || (store_write(r->identity->site->store, write_rotation, r, err) &&
                                                         signing_load(r->identity, err));
    key_free(r->key);
    return done;
}

bool signing_rotate(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    (void)job;
    Rotation rotation = { .identity = ctx, .arena = arena, .now_ms = now_ms };
    int64_t sign_from_ms[RING_MAX];
    Ring *ring = signing_ring(rotation.identity);
    size_t count = ring->count;
    for (size_t i = 0; i < count; i++) {
        sign_from_ms[i] = ring->keys[i].sign_from_ms;
        rotation.drop[i] = str_dup(arena, ring->keys[i].kid);
    }
    signing_release(rotation.identity, ring);
    if (!arena_ok(arena))
        return err_too_big(err);
    rotation.plan = signing_plan(sign_from_ms, count, now_ms);
    *again_ms = rotation.plan.again_ms;
    return rotate(&rotation, err);
}
