/* clock.c - real time, object time, and their texts. */
#include "base/clock.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/arena.h"

struct Clock { _Atomic int64_t offset_ms; };

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);                 /* cannot fail for these ids */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t real_now_ms(void) { return read_ms(CLOCK_REALTIME); }
int64_t mono_now_ms(void) { return read_ms(CLOCK_MONOTONIC); }

Clock *clock_new(int64_t offset_ms)
{
    Clock *clock = calloc(1, sizeof *clock);
    if (clock)
        atomic_init(&clock->offset_ms, offset_ms);
    return clock;
}

void clock_free(Clock *clock) { free(clock); }
int64_t clock_now_ms(const Clock *clock) { return real_now_ms() + atomic_load(&clock->offset_ms); }
int64_t clock_offset_ms(const Clock *clock) { return atomic_load(&clock->offset_ms); }
void clock_set_offset(Clock *clock, int64_t offset_ms) { atomic_store(&clock->offset_ms, offset_ms); }

/* The last `count` decimal digits of a number that is not negative. */
static char *put_digits(char *at, int number, int count)
{
    for (int i = count - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + count;
}

void time_format(int64_t ms, int digits, char *out, size_t out_size)
{
    int64_t seconds = ms / 1000, rest = ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    time_t whole = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&whole, &tm) || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999) {       /* RFC 3339 has years of four digits */
        (void)snprintf(out, out_size, "%s", seconds > 0 ? "9999-12-31T23:59:59Z" : "0001-01-01T00:00:00Z");
        return;
    }
    /* By hand: every answer has times in it, and strftime looks at the locale for each. */
    char text[40], *at = text;
    at = put_digits(at, tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put_digits(at, tm.tm_mon + 1, 2);
    *at++ = '-';
    at = put_digits(at, tm.tm_mday, 2);
    *at++ = 'T';
    at = put_digits(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_min, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_sec, 2);
    if (digits > 0) {
        *at++ = '.';
        at = put_digits(at, (int)rest, 3);
    }
    for (int i = 3; digits >= 7 && i < 7; i++)
        *at++ = '0';
    *at++ = 'Z';
    *at = '\0';
    (void)snprintf(out, out_size, "%s", text);
}

Str time_str(Arena *arena, int64_t ms, int digits)
{
    char text[48];
    time_format(ms, digits, text, sizeof text);
    return str_dup(arena, str_from(text));
}

/* `count` decimal digits off the front of *rest. */
static bool take_number(Str *rest, size_t count, int *out)
{
    if (rest->len < count)
        return false;
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        char c = rest->ptr[i];
        if (c < '0' || c > '9')
            return false;
        *out = *out * 10 + (c - '0');
    }
    *rest = str_slice(*rest, count, rest->len);
    return true;
}

static bool take_char(Str *rest, const char *any_of)
{
    if (!rest->len || !rest->ptr[0] || !strchr(any_of, rest->ptr[0]))
        return false;
    *rest = str_slice(*rest, 1, rest->len);
    return true;
}

static bool take_zone(Str *rest, int64_t *offset_ms)
{
    if (take_char(rest, "Zz")) {
        *offset_ms = 0;
        return rest->len == 0;
    }
    bool east = rest->len && rest->ptr[0] == '+';
    int hours, minutes;
    if (!take_char(rest, "+-") || !take_number(rest, 2, &hours) || !take_char(rest, ":") || !take_number(rest, 2, &minutes) ||
        rest->len || hours > 14 || minutes > 59)
        return false;
    *offset_ms = (east ? 1 : -1) * ((int64_t)hours * 60 + minutes) * 60000;
    return true;
}

/* Thousandths of a second from ".ddd..."; digits beyond the third are read and dropped. */
static bool take_fraction(Str *rest, int *ms)
{
    *ms = 0;
    if (!take_char(rest, "."))
        return true;
    int digit, seen = 0;
    for (int weight = 100; take_number(rest, 1, &digit); weight /= 10, seen++)
        *ms += digit * weight;
    return seen > 0 && seen <= 9;
}

bool time_parse(Str text, int64_t *out_ms, Err *err)
{
    Str rest = text;
    struct tm tm = { 0 };
    int fraction;
    int64_t offset;
    bool sound = take_number(&rest, 4, &tm.tm_year) && take_char(&rest, "-") && take_number(&rest, 2, &tm.tm_mon) &&
                 take_char(&rest, "-") && take_number(&rest, 2, &tm.tm_mday) && take_char(&rest, "Tt ") &&
                 take_number(&rest, 2, &tm.tm_hour) && take_char(&rest, ":") && take_number(&rest, 2, &tm.tm_min) &&
                 take_char(&rest, ":") && take_number(&rest, 2, &tm.tm_sec) && take_fraction(&rest, &fraction) &&
                 take_zone(&rest, &offset);
    static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    sound = sound && tm.tm_mon >= 1 && tm.tm_mon <= 12 && tm.tm_mday >= 1 && tm.tm_mday <= month_days[tm.tm_mon - 1] &&
            tm.tm_hour <= 23 && tm.tm_min <= 59 && tm.tm_sec <= 60;
    if (!sound)
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is not a time such as 2021-03-03T23:12:23Z", STR_ARG(str_slice(text, 0, 40)));
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out_ms = (int64_t)timegm(&tm) * 1000 + fraction - offset;
    return true;
}

bool duration_parse_iso(Str text, int64_t *out_ms, Err *err)
{
    static const struct { char unit; bool in_time; int64_t ms; } units[] = {
        { 'W', false, 7 * 86400000LL }, { 'D', false, 86400000LL }, { 'H', true, 3600000LL }, { 'M', true, 60000LL }, { 'S', true, 1000LL },
    };
    Str rest = text;
    int64_t total = 0;
    size_t next = 0;                                /* units come in this order, each at most once */
    bool in_time = false, any = false, sound = take_char(&rest, "P");
    while (sound && rest.len) {
        if (!in_time && take_char(&rest, "T")) {
            in_time = true;
            sound = rest.len > 0;
            continue;
        }
        int64_t number = 0;
        int digit, digits = 0, fraction = 0;
        while (digits < 9 && take_number(&rest, 1, &digit)) {
            number = number * 10 + digit;
            digits++;
        }
        sound = digits > 0 && take_fraction(&rest, &fraction) && rest.len;
        while (sound && next < COUNT_OF(units) && (units[next].unit != rest.ptr[0] || units[next].in_time != in_time))
            next++;
        sound = sound && next < COUNT_OF(units) && (!fraction || units[next].unit == 'S');
        if (sound) {
            total += number * units[next++].ms + fraction;
            rest = str_slice(rest, 1, rest.len);
            any = true;
        }
    }
    if (!sound || !any)
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is not a duration such as PT15M or P90D", STR_ARG(str_slice(text, 0, 40)));
    *out_ms = total;
    return true;
}

bool duration_parse(Str text, int64_t max_ms, int64_t *out_ms)
{
    static const struct { char unit; int64_t ms; } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
    int64_t count;
    Err ignored;

    if (duration_parse_iso(text, &count, &ignored) && count > 0 && count <= max_ms)
        return *out_ms = count, true;
    for (size_t i = 0; text.len > 1 && i < COUNT_OF(units); i++) {
        if (text.ptr[text.len - 1] == units[i].unit && str_to_int64(str_slice(text, 0, text.len - 1), 1, max_ms / units[i].ms, &count, &ignored))
            return *out_ms = count * units[i].ms, true;
    }
    return false;
}

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

Str http_date_str(Arena *arena, int64_t ms)
{
    time_t whole = (time_t)(ms / 1000);
    struct tm tm;
    if (!gmtime_r(&whole, &tm))
        return STR("Thu, 01 Jan 1970 00:00:00 GMT");
    return str_printf(arena, "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday], tm.tm_mday, month_names[tm.tm_mon], tm.tm_year + 1900,
                      tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool take_name(Str *rest, const char (*names)[4], int count, int *out)
{
    for (int i = 0; i < count; i++) {
        if (rest->len >= 3 && memcmp(rest->ptr, names[i], 3) == 0) {
            *rest = str_slice(*rest, 3, rest->len);
            *out = i;
            return true;
        }
    }
    return false;
}

bool http_date_parse(Str text, int64_t *out_ms, Err *err)
{
    struct tm tm = { 0 };
    Str rest = text;
    int day;
    bool sound = take_name(&rest, day_names, 7, &day) && take_char(&rest, ",") && take_char(&rest, " ") && take_number(&rest, 2, &tm.tm_mday) &&
                 take_char(&rest, " ") && take_name(&rest, month_names, 12, &tm.tm_mon) && take_char(&rest, " ") && take_number(&rest, 4, &tm.tm_year) &&
                 take_char(&rest, " ") && take_number(&rest, 2, &tm.tm_hour) && take_char(&rest, ":") && take_number(&rest, 2, &tm.tm_min) &&
                 take_char(&rest, ":") && take_number(&rest, 2, &tm.tm_sec) && str_eq(rest, STR(" GMT"));
    if (!sound || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is not a date such as 'Sun, 22 Nov 2026 01:17:05 GMT'", STR_ARG(str_slice(text, 0, 40)));
    tm.tm_year -= 1900;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}
