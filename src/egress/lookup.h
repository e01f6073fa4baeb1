/* lookup.h - names into addresses, on threads of their own: getaddrinfo(3) may block for long and cannot be ended.
 *
 * At most LOOKUP_THREADS at a time. Results wait in a list; the descriptor tells when there are some. */
#pragma once
#include <netinet/in.h>
#include "base/err.h"

enum { LOOKUP_THREADS = 16, LOOKUP_ADDRESSES_MAX = 8, LOOKUP_NAME_BYTES = 256 };

typedef struct Lookups Lookups;
typedef struct LookupResult { uint64_t id; int error; size_t count; struct in6_addr addresses[LOOKUP_ADDRESSES_MAX]; } LookupResult;   /* error: EAI_..., 0: found */

bool lookups_new(Lookups **out, Err *err) MUST_CHECK;
void lookups_free(Lookups *lookups);                    /* lookups under way end unseen; NULL is fine */
int  lookups_event(const Lookups *lookups);             /* readable when a result may be there */
/* false: all threads are busy, or none can be had now; ask again after a result. */
bool lookups_begin(Lookups *lookups, uint64_t id, const char *name) MUST_CHECK;
bool lookups_take(Lookups *lookups, LookupResult *out) MUST_CHECK;         /* false: no result is there */
