/* park.h - requests that wait for an event: registered by their handler, woken by key, ended by time or by the server's stop.
 *
 * A wake that comes while the handler still runs is remembered and runs it again. */
#pragma once
#include "http/state.h"

enum { PARK_MAX_MS = 55 * 1000 };       /* below the 60 s that clients and proxies give a request */

/* resume is called, without any lock held, for each request that is to run again, or whose stream goes on. */
bool park_table_new(void (*resume)(Request *request), ParkTable **out, Err *err) MUST_CHECK;    /* starts its timer thread */
void park_table_free(ParkTable *table);                 /* nothing may be parked any more */

void park_register(ParkTable *table, Request *request, Str key, int64_t until_ms);      /* key lives as long as the request */
void park_leave(ParkTable *table, Request *request);
/* The handler asked to park and has returned. true: parked, and no longer the caller's. false: run it again now; req.park_ended says whether for the last time. */
bool park_settle(ParkTable *table, Request *request);
void park_wake(ParkTable *table, Str key);
void park_end_all(ParkTable *table);                    /* and every later one at once */
int64_t park_count(ParkTable *table);
