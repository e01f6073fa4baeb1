/* key_ready.c - contexts for private operations of one key, kept from one use to the next.
 *
 * OpenSSL looks its algorithms up by name for each new context, which costs more than the rest of a request's way to the key. A context may be
 * used any number of times by one thread at a time, so it is taken out, used and put back; one that failed is not put back. */
#include <pthread.h>
#include <stdlib.h>
#include "crypto/keys/key_own.h"

enum { KEPT_MAX = 4 };                  /* as many threads compute at a time, give or take */

struct KeyReady {
    pthread_mutex_t lock;
    struct { int use; EVP_PKEY_CTX *ctx; } kept[KEPT_MAX];
    size_t next;                        /* to be replaced when there is no room */
};

KeyReady *key_ready_new(void)
{
    KeyReady *ready = calloc(1, sizeof *ready);
    if (ready)
        pthread_mutex_init(&ready->lock, NULL);
    return ready;
}

void key_ready_free(KeyReady *ready)
{
    if (!ready)
        return;
    for (size_t i = 0; i < KEPT_MAX; i++)
        EVP_PKEY_CTX_free(ready->kept[i].ctx);
    pthread_mutex_destroy(&ready->lock);
    free(ready);
}

EVP_PKEY_CTX *key_ready_take(KeyReady *ready, int use)
{
    EVP_PKEY_CTX *found = NULL;
    pthread_mutex_lock(&ready->lock);
    for (size_t i = 0; i < KEPT_MAX && !found; i++)
        if (ready->kept[i].use == use)
            found = TAKE(ready->kept[i].ctx);
    pthread_mutex_unlock(&ready->lock);
    return found;
}

void key_ready_keep(KeyReady *ready, int use, EVP_PKEY_CTX *ctx)
{
    size_t at = 0;
    pthread_mutex_lock(&ready->lock);
    while (at < KEPT_MAX && ready->kept[at].ctx)
        at++;
    if (at == KEPT_MAX) {
        at = ready->next;
        ready->next = (at + 1) % KEPT_MAX;
    }
    EVP_PKEY_CTX *old = ready->kept[at].ctx;
    ready->kept[at].ctx = ctx;
    ready->kept[at].use = use;
    pthread_mutex_unlock(&ready->lock);
    EVP_PKEY_CTX_free(old);
}
