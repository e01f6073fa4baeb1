/* secret.c - locked memory, kept out of core dumps and wiped. */
#include "base/secret.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Each secret has pages of its own, so that locking and the no-dump mark touch nothing else. */
struct Secret { size_t len, mapped; Secret *next; uint8_t bytes[]; };

/* Wiped secrets of one page, kept for the next: mapping, locking and above all unmapping (every core forgets its translations) cost a
 * server more than the rest of reading a secret. A sanitizer sees each use after the end only when they really end. */
#if defined(__SANITIZE_ADDRESS__)
enum { KEPT_MAX = 0 };
#else
enum { KEPT_MAX = 64 };
#endif
static struct { pthread_mutex_t lock; Secret *first; int count; } kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static Secret *take_kept(void)
{
    (void)pthread_mutex_lock(&kept.lock);
    Secret *secret = kept.first;
    if (secret) {
        kept.first = secret->next;
        kept.count--;
        secret->next = NULL;
    }
    (void)pthread_mutex_unlock(&kept.lock);
    return secret;
}

/* Takes a wiped one; false: there are enough. */
static bool keep(Secret *secret, size_t mapped)
{
    (void)pthread_mutex_lock(&kept.lock);
    bool wanted = kept.count < KEPT_MAX;
    if (wanted) {
        secret->mapped = mapped;
        secret->next = kept.first;
        kept.first = secret;
        kept.count++;
    }
    (void)pthread_mutex_unlock(&kept.lock);
    return wanted;
}

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

Secret *secret_new(size_t len_bytes)
{
    size_t page = page_size();
    if (len_bytes > SIZE_MAX / 2)
        return NULL;
    size_t mapped = (sizeof(Secret) + len_bytes + page - 1) & ~(page - 1);
    Secret *secret = mapped == page ? take_kept() : NULL;
    if (secret) {
        secret->len = len_bytes;
        return secret;
    }
    secret = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED)
        return NULL;
    /* A machine may allow little locked memory; a secret that could be swapped is still better than no service. */
    (void)mlock(secret, mapped);
    (void)madvise(secret, mapped, MADV_DONTDUMP);
    secret->len = len_bytes;
    secret->mapped = mapped;
    return secret;
}

Secret *secret_copy(Bytes bytes)
{
    Secret *secret = secret_new(bytes.len);
    if (secret && bytes.len)
        memcpy(secret->bytes, bytes.ptr, bytes.len);
    return secret;
}

void secret_free(Secret *secret)
{
    if (!secret)
        return;
    size_t mapped = secret->mapped;
    explicit_bzero(secret, sizeof *secret + secret->len);           /* what was cut off it is wiped already */
    if (mapped != page_size() || !keep(secret, mapped))
        (void)munmap(secret, mapped);
}

uint8_t *secret_ptr(Secret *secret) { return secret->bytes; }
Bytes secret_bytes(const Secret *secret) { return (Bytes){ secret->bytes, secret->len }; }

void secret_truncate(Secret *secret, size_t len_bytes)
{
    if (len_bytes >= secret->len)
        return;
    explicit_bzero(secret->bytes + len_bytes, secret->len - len_bytes);
    secret->len = len_bytes;
}

bool secret_equal(Bytes a, Bytes b)
{
    if (a.len != b.len)
        return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference |= (uint8_t)(a.ptr[i] ^ b.ptr[i]);
    return difference == 0;
}

void secret_wipe(void *bytes, size_t len_bytes)
{
    if (bytes)
        explicit_bzero(bytes, len_bytes);
}

void process_harden(void)
{
    struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
#if defined(__SANITIZE_ADDRESS__)
    (void)prctl(PR_SET_DUMPABLE, 1);        /* the leak checker traces its own process at the end */
#else
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}
