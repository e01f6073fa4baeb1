/* clock.h - the two times of Vaultyard.
 *
 * Real time (UTC milliseconds since 1970) rules tokens, assertions, TLS, leases and timeouts. Object time is real time
 * plus an offset that only a development server (`serve --dev`) can move forward; it rules object lifetimes, schedules
 * and agents' poll timers. Functions take the time they need as an argument; only edges read a clock. */
#pragma once
#include "base/str.h"

typedef struct Clock Clock;

int64_t real_now_ms(void);                                /* CLOCK_REALTIME */
int64_t mono_now_ms(void);                                /* CLOCK_MONOTONIC, for durations */

Clock  *clock_new(int64_t offset_ms);                     /* NULL: out of memory */
void    clock_free(Clock *clock);
int64_t clock_now_ms(const Clock *clock);                 /* object time; safe from any thread */
int64_t clock_offset_ms(const Clock *clock);
void    clock_set_offset(Clock *clock, int64_t offset_ms);

/* RFC 3339 UTC, "2021-03-03T23:12:23Z" (digits == 0) or with 3 or 7 fractional digits; beyond years 1 to 9999 the first or last
 * moment there is. out_size >= 32. */
void    time_format(int64_t ms, int digits, char *out, size_t out_size);
Str     time_str(Arena *arena, int64_t ms, int digits);
bool    time_parse(Str text, int64_t *out_ms, Err *err) MUST_CHECK;     /* accepts Z and +hh:mm offsets */
bool    duration_parse_iso(Str text, int64_t *out_ms, Err *err) MUST_CHECK;   /* "PT15M", "P90D" (months = 30 d and years = 365 d are refused) */
bool    duration_parse(Str text, int64_t max_ms, int64_t *out_ms) MUST_CHECK;         /* "300d", "12h", "90m", "45s", or one of ISO 8601; more than 0, at most max_ms */

/* RFC 9110 section 5.6.7, "Sun, 22 Nov 2026 01:17:05 GMT": the dates of HTTP headers. Only this form is read. */
Str     http_date_str(Arena *arena, int64_t ms);
bool    http_date_parse(Str text, int64_t *out_ms, Err *err) MUST_CHECK;
