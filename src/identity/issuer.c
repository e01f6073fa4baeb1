/* issuer.c - a few issuers and their keys, asked for by whoever needs them first. */
#include "identity/issuer.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/clock.h"
#include "http/client.h"

enum { ISSUERS_MAX = 64, URL_MAX = 640, THREADS_MAX = 8, CONNECT_MS = 3000, CALL_MS = 5000, REPLY_MAX = 256 * 1024, ARENA_BYTES = 2 * 1024 * 1024,
       FRESH_MS = 3600 * 1000, STALE_MS = 24 * 3600 * 1000, ASKS_MAX = 5, ASK_AGAIN_MS = 10 * 1000 };

typedef struct Issuer {
    char url[URL_MAX];                      /* "": a free place */
    IssuerKeys keys;
    int64_t fetched_ms, used_ms;            /* mono; fetched 0: never */
    int64_t asked_ms;                       /* mono: since when `asks` is counted */
    int asks;                               /* how often we may still ask */
    bool is_busy;                           /* a thread asks it */
    char why[sizeof ((Err *)0)->text];      /* why the last time failed */
} Issuer;

struct Issuers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int threads;                            /* that ask or wait */
    const char *ca_file;
    Issuer items[ISSUERS_MAX];
};

bool issuers_new(Issuers **out, Err *err)
{
    Issuers *issuers = calloc(1, sizeof *issuers);
    if (!issuers)
        return err_set(err, ERR_INTERNAL, "no memory for issuers");
    pthread_mutex_init(&issuers->lock, NULL);
    pthread_cond_init(&issuers->changed, NULL);
    *out = issuers;
    return true;
}

void issuers_free(Issuers *issuers)
{
    if (!issuers)
        return;
    for (size_t i = 0; i < ISSUERS_MAX; i++)
        issuer_keys_done(&issuers->items[i].keys);
    pthread_cond_destroy(&issuers->changed);
    pthread_mutex_destroy(&issuers->lock);
    free(issuers);
}

void issuers_set_ca(Issuers *issuers, const char *ca_file) { issuers->ca_file = ca_file; }

/* ---- asking ---- */

static bool get(HttpClient *client, Arena *arena, Str url, const char *what, Str *body, Err *err)
{
    HttpHeader headers[] = { { "Accept", STR("application/json") } };
    HttpAnswer answer;
    Err why = { 0 };
    if (!http_call(client, arena, &(HttpCall){ .method = "GET", .url = url, .headers = headers, .header_count = 1 }, &answer, &why))
        return err_set(err, ERR_UNAVAILABLE, "%s could not be had: %s", what, why.text);
    if (answer.status != 200)
        return err_set(err, ERR_UNAVAILABLE, "%s answered status %d%s", what, answer.status, answer.status >= 300 && answer.status < 400 ? "; redirects are not followed" : "");
    *body = answer.body;
    return true;
}

static bool ask(const char *ca_file, Str issuer, IssuerKeys *out, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ARENA_BYTES);
    AUTO(http_client_free_auto) HttpClient *client = NULL;
    HttpClientConfig config = { .ca_file = ca_file, .user_agent = "vaultyard-sts/1", .connect_timeout_ms = CONNECT_MS, .timeout_ms = CALL_MS, .reply_max_bytes = REPLY_MAX };
    Str base = issuer, text, jwks_uri = STR_NONE;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "no memory to ask an issuer");
    while (str_ends(base, STR("/")))                             /* section 4.1: a final slash goes before the path is added */
        base.len--;
    Str url = str_printf(arena, STR_FMT "/.well-known/openid-configuration", STR_ARG(base));
    if (!url.ptr || !http_client_new(&config, &client, err))
        return url.ptr ? false : err_too_big(err);
    return get(client, arena, url, "its openid-configuration", &text, err) && issuer_read_configuration(arena, text, issuer, &jwks_uri, err) &&
           get(client, arena, jwks_uri, "its keys", &text, err) && issuer_read_keys(arena, text, out, err);
}

/* ---- what is kept; all with the lock held ---- */

static Issuer *place_of(Issuers *issuers, Str url, int64_t now_ms)
{
    Issuer *oldest = NULL;
    for (size_t i = 0; i < ISSUERS_MAX; i++) {
        Issuer *issuer = &issuers->items[i];
        if (issuer->url[0] && str_eq(str_from(issuer->url), url))
            return issuer;
        if (!issuer->is_busy && (!oldest || issuer->used_ms < oldest->used_ms))
            oldest = issuer;
    }
    if (!oldest)
        return NULL;
    issuer_keys_done(&oldest->keys);
    *oldest = (Issuer){ .asks = ASKS_MAX, .asked_ms = now_ms };
    (void)snprintf(oldest->url, sizeof oldest->url, STR_FMT, STR_ARG(url));
    return oldest;
}

static bool may_ask(Issuer *issuer, int64_t now_ms)
{
    int64_t earned = (now_ms - issuer->asked_ms) / ASK_AGAIN_MS;
    issuer->asks = earned > ASKS_MAX - issuer->asks ? ASKS_MAX : issuer->asks + (int)earned;
    issuer->asked_ms += earned * ASK_AGAIN_MS;
    return issuer->asks > 0;
}

static size_t take(const Issuer *issuer, Str kid, SignAlg alg, KeyRef *out[ISSUER_KEYS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < issuer->keys.count; i++) {
        const IssuerKey *key = &issuer->keys.items[i];
        if ((str_empty(kid) || str_eq(str_from(key->kid), kid)) && sign_alg_fits(alg, key_spec(key->key)))
            out[count++] = key_share(key->key);
    }
    return count;
}

static void ask_and_keep(Issuers *issuers, Issuer *issuer, int64_t now_ms)
{
    char url[URL_MAX];
    IssuerKeys fresh = { 0 };
    Err err = { 0 };
    (void)snprintf(url, sizeof url, "%s", issuer->url);
    issuer->is_busy = true;
    issuer->asks--;
    pthread_mutex_unlock(&issuers->lock);
    bool came = ask(issuers->ca_file, str_from(url), &fresh, &err);
    pthread_mutex_lock(&issuers->lock);
    issuer->is_busy = false;
    (void)snprintf(issuer->why, sizeof issuer->why, "%s", came ? "" : err.text);
    if (came) {
        issuer_keys_done(&issuer->keys);
        issuer->keys = fresh;
        issuer->fetched_ms = now_ms;
    }
    pthread_cond_broadcast(&issuers->changed);
}

static void wait_for_another(Issuers *issuers)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;                                           /* woken by the end of a call; this only bounds a clock that was set back */
    (void)pthread_cond_timedwait(&issuers->changed, &issuers->lock, &until);
}

static bool keys_locked(Issuers *issuers, Str url, Str kid, SignAlg alg, KeyRef *out[ISSUER_KEYS_MAX], size_t *count, Err *err)
{
    int64_t begun_ms = mono_now_ms();
    for (bool asked = false;;) {
        int64_t now_ms = mono_now_ms();
        Issuer *issuer = place_of(issuers, url, now_ms);
        if (!issuer || now_ms > begun_ms + 3 * CALL_MS)
            return err_set(err, ERR_THROTTLED, "too many issuers are being asked");
        issuer->used_ms = now_ms;
        bool has = issuer->fetched_ms && now_ms - issuer->fetched_ms < (issuer->why[0] ? STALE_MS : FRESH_MS);
        *count = has ? take(issuer, kid, alg, out) : 0;
        if (*count > 0)
            return true;
        if (issuer->is_busy) {
            wait_for_another(issuers);
            asked = true;                                        /* on our behalf as well */
            continue;
        }
        if (asked || !may_ask(issuer, now_ms))
            return has || err_set(err, ERR_UNAVAILABLE, "%s", issuer->why[0] ? issuer->why : "it was asked too often");
        ask_and_keep(issuers, issuer, now_ms);
        asked = true;
    }
}

bool issuers_keys(Issuers *issuers, Str issuer, Str kid, SignAlg alg, KeyRef *out[ISSUER_KEYS_MAX], size_t *count, Err *err)
{
    bool done = false;
    *count = 0;
    if (issuer.len >= URL_MAX)
        return err_set(err, ERR_BAD_INPUT, "the issuer is too long");
    pthread_mutex_lock(&issuers->lock);
    if (issuers->threads < THREADS_MAX) {
        issuers->threads++;
        done = keys_locked(issuers, issuer, kid, alg, out, count, err);
        issuers->threads--;
    } else {
        /* Those who need not wait are served all the same. */
        Issuer *known = NULL;
        for (size_t i = 0; i < ISSUERS_MAX && !known; i++)
            if (issuers->items[i].url[0] && str_eq(str_from(issuers->items[i].url), issuer))
                known = &issuers->items[i];
        if (known && known->fetched_ms && mono_now_ms() - known->fetched_ms < STALE_MS)
            *count = take(known, kid, alg, out);
        done = *count > 0 || err_set(err, ERR_THROTTLED, "too many issuers are being asked");
    }
    pthread_mutex_unlock(&issuers->lock);
    return done;
}
