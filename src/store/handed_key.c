/* handed_key.c - a short list: the scopes whose keys were ever handed in while this process runs. */
#include <pthread.h>
#include <stdlib.h>
#include "store/handed_key.h"

enum { KEPT = 4 };                        /* of one scope; more rewraps than this within one reader's snapshot are not expected */

typedef struct HandedScope {
    struct HandedScope *next;
    uint64_t epoch;
    bool is_shut;
    struct { uint64_t id; Secret *key; } kept[KEPT];      /* newest first */
    size_t len;
    char scope[];
} HandedScope;

struct HandedKeys { pthread_mutex_t mutex; HandedScope *first; };

HandedKeys *handed_keys_new(void)
{
    HandedKeys *handed = calloc(1, sizeof *handed);
    if (handed)
        handed->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return handed;
}

static void drop_all(HandedScope *s)
{
    for (int i = 0; i < KEPT; i++)
        secret_free(TAKE(s->kept[i].key));
}

void handed_keys_free(HandedKeys *handed)
{
    if (!handed)
        return;
    for (HandedScope *s; (s = handed->first);) {
        handed->first = s->next;
        drop_all(s);
        free(s);
    }
    free(handed);
}

static HandedScope *find(const HandedKeys *handed, Str scope)
{
    HandedScope *s = handed->first;
    while (s && !str_eq((Str){ s->scope, s->len }, scope))
        s = s->next;
    return s;
}

static HandedScope *find_or_make(HandedKeys *handed, Str scope)
{
    HandedScope *s = find(handed, scope);
    if (s || !(s = calloc(1, sizeof *s + scope.len)))
        return s;
    s->len = scope.len;
    memcpy(s->scope, scope.ptr, scope.len);
    s->next = handed->first;
    return handed->first = s;
}

bool handed_keys_add(HandedKeys *handed, Str scope, uint64_t id, const Secret *key, bool unshut, Err *err)
{
    AUTO(secret_free_auto) Secret *copy = secret_copy(secret_bytes(key));
    (void)pthread_mutex_lock(&handed->mutex);
    HandedScope *s = copy ? find_or_make(handed, scope) : NULL;
    if (s && unshut)
        s->is_shut = false;
    if (s && !s->is_shut) {
        secret_free(s->kept[KEPT - 1].key);
        memmove(&s->kept[1], &s->kept[0], (KEPT - 1) * sizeof s->kept[0]);
        s->kept[0].id = id;
        s->kept[0].key = TAKE(copy);
    }
    (void)pthread_mutex_unlock(&handed->mutex);
    return s || err_set(err, ERR_INTERNAL, "out of memory");
}

Secret *handed_keys_copy(HandedKeys *handed, Str scope, uint64_t id)
{
    Secret *copy = NULL;
    (void)pthread_mutex_lock(&handed->mutex);
    const HandedScope *s = find(handed, scope);
    for (int i = 0; s && !copy && i < KEPT; i++)
        if (s->kept[i].key && s->kept[i].id == id)
            copy = secret_copy(secret_bytes(s->kept[i].key));
    (void)pthread_mutex_unlock(&handed->mutex);
    return copy;
}

void handed_keys_shut(HandedKeys *handed, Str scope)
{
    (void)pthread_mutex_lock(&handed->mutex);
    HandedScope *s = find(handed, scope);
    if (s) {
        drop_all(s);
        s->is_shut = true;
        s->epoch++;
    }
    (void)pthread_mutex_unlock(&handed->mutex);
}

void handed_keys_forget(HandedKeys *handed, Str scope)
{
    (void)pthread_mutex_lock(&handed->mutex);
    for (HandedScope **at = &handed->first; *at; at = &(*at)->next) {
        HandedScope *s = *at;
        if (!str_eq((Str){ s->scope, s->len }, scope))
            continue;
        *at = s->next;
        drop_all(s);
        free(s);
        break;
    }
    (void)pthread_mutex_unlock(&handed->mutex);
}

uint64_t handed_keys_epoch(HandedKeys *handed, Str scope, bool *is_shut)
{
    (void)pthread_mutex_lock(&handed->mutex);
    const HandedScope *s = find(handed, scope);
    uint64_t epoch = s ? s->epoch : 0;
    *is_shut = s && s->is_shut;
    (void)pthread_mutex_unlock(&handed->mutex);
    return epoch;
}
