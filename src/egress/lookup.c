/* lookup.c - one thread a name, as many as may be. */
#include "egress/lookup.h"
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/file.h"

enum { STACK_BYTES = 512 * 1024 };

struct Lookups {
    pthread_mutex_t lock;
    int event;
    size_t holders;                     /* the owner and the threads; the last one frees */
    size_t busy;
    LookupResult results[LOOKUP_THREADS];       /* a thread is busy until its result was taken, so there is always room */
    size_t result_count;
};
typedef struct Job { Lookups *lookups; uint64_t id; char name[LOOKUP_NAME_BYTES]; } Job;

bool lookups_new(Lookups **out, Err *err)
{
    Lookups *lookups = calloc(1, sizeof *lookups);
    if (!lookups)
        return err_set(err, ERR_INTERNAL, "out of memory");
    lookups->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lookups->event < 0) {
        free(lookups);
        return err_errno(err, "cannot make an event for lookups");
    }
    lookups->holders = 1;
    (void)pthread_mutex_init(&lookups->lock, NULL);
    *out = lookups;
    return true;
}

static void let_go(Lookups *lookups)
{
    pthread_mutex_lock(&lookups->lock);
    bool is_last = --lookups->holders == 0;
    pthread_mutex_unlock(&lookups->lock);
    if (!is_last)
        return;
    fd_close(&lookups->event);
    (void)pthread_mutex_destroy(&lookups->lock);
    free(lookups);
}

void lookups_free(Lookups *lookups)
{
    if (lookups)
        let_go(lookups);
}

int lookups_event(const Lookups *lookups) { return lookups->event; }

static void take_addresses(const struct addrinfo *list, LookupResult *out)
{
    for (; list && out->count < LOOKUP_ADDRESSES_MAX; list = list->ai_next) {
        struct in6_addr *address = &out->addresses[out->count];
        if (list->ai_family == AF_INET) {
            *address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
            memcpy(address->s6_addr + 12, &((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_addr, 4);
            out->count++;
        } else if (list->ai_family == AF_INET6) {
            *address = ((const struct sockaddr_in6 *)(const void *)list->ai_addr)->sin6_addr;
            out->count++;
        }
    }
}

static void *look_up(void *arg)
{
    Job *job = arg;
    Lookups *lookups = job->lookups;
    LookupResult result = { .id = job->id };
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    uint64_t one = 1;
    result.error = getaddrinfo(job->name, NULL, &hints, &found);
    if (result.error == 0) {
        take_addresses(found, &result);
        freeaddrinfo(found);
    }
    free(job);
    pthread_mutex_lock(&lookups->lock);
    lookups->results[lookups->result_count++] = result;
    pthread_mutex_unlock(&lookups->lock);
    if (write(lookups->event, &one, sizeof one) < 0) {
        /* Full to the brim: then it is readable anyway. */
    }
    let_go(lookups);
    return NULL;
}

bool lookups_begin(Lookups *lookups, uint64_t id, const char *name)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (lookups->busy == LOOKUP_THREADS)
        return false;
    Job *job = calloc(1, sizeof *job);
    if (!job || pthread_attr_init(&attributes) != 0) {
        free(job);
        return false;
    }
    *job = (Job){ .lookups = lookups, .id = id };
    (void)snprintf(job->name, sizeof job->name, "%s", name);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&lookups->lock);
    lookups->holders++;
    pthread_mutex_unlock(&lookups->lock);
    bool started = pthread_create(&thread, &attributes, look_up, job) == 0;
    (void)pthread_attr_destroy(&attributes);
    if (!started) {
        let_go(lookups);
        free(job);
        return false;
    }
    lookups->busy++;
    return true;
}

bool lookups_take(Lookups *lookups, LookupResult *out)
{
    uint64_t count;
    pthread_mutex_lock(&lookups->lock);
    bool found = lookups->result_count > 0;
    if (found)
        *out = lookups->results[--lookups->result_count];
    else if (read(lookups->event, &count, sizeof count) < 0) {
        /* Nothing was written since: fine. */
    }
    pthread_mutex_unlock(&lookups->lock);
    lookups->busy -= found;
    return found;
}
