/* courier.c - one thread, many calls beside each other (http/client.h). Nothing that must last is kept here. */
#include "keyvault/events/courier.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "http/client.h"
#include "keyvault/events/delivery.h"

#define PUBLIC_ORIGIN "eventgrid.azure.net"

enum { CALL_ARENA = 4 << 20, ROUND_ARENA = 16 << 20, REPLY_MAX = 1 << 20, CONNECT_MS = 10 * 1000, SHAKE_MS = 15 * 1000, TROUBLE_MS = 1000, IDLE_MS = 60 * 1000,
       SHAKES_WAITING_MAX = 64, AILING_MAX = 256, AILING_FAILURES = 3, QUIET_MS = 10 * 1000, ID_DIGITS = 32 };

struct Shake {
    Shake     *next;                    /* among those that wait to be sent */
    atomic_int refs;
    pthread_mutex_t lock;               /* of state and why */
    ShakeState state;
    char       why[400];
    char      *url, *key;
};

/* One call under way. */
typedef struct Flight { HttpClient *client; Arena *arena; bool is_busy; char subscription[ID_DIGITS + 1]; int64_t number; Shake *shake; } Flight;

/* Of subscriptions whose endpoint fails: in memory alone, a restart tries them afresh. */
typedef struct Ailing { char subscription[ID_DIGITS + 1]; int failures; int64_t quiet_until_ms; } Ailing;

struct Courier {
    KeyVault   *kv;
    char       *ca_file, *origin;
    HttpClient *base;
    Flight      flights[COURIER_CALLS], shakes[COURIER_SHAKES];
    Ailing      ailing[AILING_MAX];
    int         wake_fd;
    pthread_t   thread;
    bool        runs;
    atomic_bool stops, is_needed;       /* is_needed: there are subscriptions, as far as is known */
    pthread_mutex_t lock;               /* of the next two */
    Shake      *waiting;
    size_t      waiting_count;
};

static void poke(Courier *courier)
{
    uint64_t one = 1;
    while (write(courier->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void courier_note(KeyVault *kv)
{
    if (kv->courier && atomic_load(&kv->courier->is_needed))
        poke(kv->courier);
}

void courier_wake(KeyVault *kv)
{
    if (kv->courier)
        poke(kv->courier);
}

/* ---- consent ---- */

void shake_release(Shake *shake)
{
    if (!shake || atomic_fetch_sub(&shake->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&shake->lock);
    free(shake->url);
    free(shake->key);
    free(shake);
}

Shake *courier_shake(KeyVault *kv, Str url, Str key, Err *err)
{
    Courier *courier = kv->courier;
    if (!courier) {
        (void)err_set(err, ERR_UNAVAILABLE, "events are not delivered by this server now; try again");
        return NULL;
    }
    Shake *shake = calloc(1, sizeof *shake);
    if (shake) {
        pthread_mutex_init(&shake->lock, NULL);
        atomic_store(&shake->refs, 2);
        shake->state = SHAKE_WAITS;
        shake->url = strndup(url.ptr, url.len);
        shake->key = strndup(key.ptr, key.len);
    }
    pthread_mutex_lock(&courier->lock);
    bool is_full = courier->waiting_count >= SHAKES_WAITING_MAX || atomic_load(&courier->stops), taken = shake && shake->url && shake->key && !is_full;
    if (taken) {
        Shake **end = &courier->waiting;
        while (*end)
            end = &(*end)->next;
        *end = shake;
        courier->waiting_count++;
    }
    pthread_mutex_unlock(&courier->lock);
    if (!taken) {
        shake_release(shake);
        shake_release(shake);
        (void)err_set(err, is_full ? ERR_UNAVAILABLE : ERR_INTERNAL, is_full ? "too many endpoints are being asked for their consent, or the server stops; try again" : "out of memory for an event subscription");
        return NULL;
    }
    poke(courier);
    return shake;
}

ShakeState shake_state(Shake *shake, char *why, size_t why_size)
{
    pthread_mutex_lock(&shake->lock);
    ShakeState state = shake->state;
    (void)snprintf(why, why_size, "%s", shake->why);
    pthread_mutex_unlock(&shake->lock);
    return state;
}

static void shake_over(Courier *courier, Shake *shake, ShakeState state, const char *why)
{
    pthread_mutex_lock(&shake->lock);
    shake->state = state;
    (void)snprintf(shake->why, sizeof shake->why, "%.*s", (int)sizeof shake->why - 1, why);
    pthread_mutex_unlock(&shake->lock);
    http_wake(courier->kv->site->http, str_from(shake->key));
    shake_release(shake);
}

static Shake *next_shake(Courier *courier)
{
    pthread_mutex_lock(&courier->lock);
    Shake *shake = courier->waiting;
    if (shake) {
        courier->waiting = TAKE(shake->next);
        courier->waiting_count--;
    }
    pthread_mutex_unlock(&courier->lock);
    return shake;
}

/* ---- calls ---- */

static void flight_over(Flight *flight)
{
    arena_free(TAKE(flight->arena));
    flight->shake = NULL;
    flight->is_busy = false;
}

static bool flight_ready(Courier *courier, Flight *flight, Err *err)
{
    HttpClientConfig config = { .ca_file = courier->ca_file, .user_agent = "vaultyard-events/1", .connect_timeout_ms = CONNECT_MS, .timeout_ms = COURIER_TIMEOUT_MS,
                                .reply_max_bytes = REPLY_MAX, .beside = courier->base };
    flight->arena = arena_new(CALL_ARENA);
    return (flight->arena || err_set(err, ERR_INTERNAL, "out of memory for events")) && (flight->client || http_client_new(&config, &flight->client, err));
}

static void start_shakes(Courier *courier)
{
    for (size_t i = 0; i < COURIER_SHAKES; i++) {
        Flight *flight = &courier->shakes[i];
        Shake *shake = flight->is_busy ? NULL : next_shake(courier);
        Err err = { 0 };
        if (!shake)
            continue;
        HttpHeader headers[] = { { "WebHook-Request-Origin", str_from(courier->origin) } };
        HttpCall call = { .method = "OPTIONS", .url = str_from(shake->url), .headers = headers, .header_count = COUNT_OF(headers), .timeout_ms = SHAKE_MS };
        flight->is_busy = flight_ready(courier, flight, &err) && http_begin(flight->client, flight->arena, &call, &err);
        flight->shake = shake;
        if (!flight->is_busy) {
            shake_over(courier, shake, SHAKE_BAD, err.text);
            flight_over(flight);
        }
    }
}

/* CloudEvents webhook specification section 4.2: the status means nothing, the header does. A receiver written for the public service
 * names that one. */
static bool consents(const Courier *courier, const HttpAnswer *answer)
{
    Str allowed = http_answer_header(answer, "WebHook-Allowed-Origin");
    return str_eq(allowed, STR("*")) || str_eq_nocase(allowed, str_from(courier->origin)) || str_eq_nocase(allowed, STR(PUBLIC_ORIGIN));
}

static void end_shakes(Courier *courier)
{
    for (size_t i = 0; i < COURIER_SHAKES; i++) {
        Flight *flight = &courier->shakes[i];
        HttpAnswer answer;
        Err err = { 0 };
        char why[400] = "";
        if (!flight->is_busy || !http_is_done(flight->client))
            continue;
        bool answered = http_end(flight->client, flight->arena, &answer, &err), is_good = answered && consents(courier, &answer);
        if (!answered)
            (void)snprintf(why, sizeof why, "%.300s", err.text);
        else if (!is_good)
            (void)snprintf(why, sizeof why, "OPTIONS with WebHook-Request-Origin: %s was answered with status %d and no WebHook-Allowed-Origin that allows it", courier->origin, answer.status);
        shake_over(courier, flight->shake, is_good ? SHAKE_GOOD : SHAKE_BAD, why);
        flight_over(flight);
    }
}

/* ---- deliveries ---- */

static Ailing *ailing_find(Courier *courier, const char *subscription, bool make)
{
    Ailing *free_one = NULL;
    for (size_t i = 0; i < AILING_MAX; i++) {
        if (strcmp(courier->ailing[i].subscription, subscription) == 0)
            return &courier->ailing[i];
        if (!courier->ailing[i].subscription[0] && !free_one)
            free_one = &courier->ailing[i];
    }
    if (make && free_one)
        (void)snprintf(free_one->subscription, sizeof free_one->subscription, "%s", subscription);
    return make ? free_one : NULL;
}

static void note_health(Courier *courier, const DeliveryTry *attempt)
{
    char id[ID_DIGITS + 1];
    (void)snprintf(id, sizeof id, STR_FMT, STR_ARG(attempt->subscription));
    Ailing *ailing = ailing_find(courier, id, attempt->end != DELIVERY_DONE);
    if (!ailing)
        return;
    if (attempt->end == DELIVERY_DONE)
        *ailing = (Ailing){ 0 };
    else if (++ailing->failures >= AILING_FAILURES)
        ailing->quiet_until_ms = real_now_ms() + QUIET_MS;
}

static size_t calls_of(const Courier *courier, const char *subscription)
{
    size_t count = 0;
    for (size_t i = 0; i < COURIER_CALLS; i++)
        count += courier->flights[i].is_busy && strcmp(courier->flights[i].subscription, subscription) == 0;
    return count;
}

static Flight *free_flight(Courier *courier)
{
    for (size_t i = 0; i < COURIER_CALLS; i++)
        if (!courier->flights[i].is_busy)
            return &courier->flights[i];
    return NULL;
}

static bool is_under_way(const Courier *courier, const char *subscription, int64_t number)
{
    for (size_t i = 0; i < COURIER_CALLS; i++)
        if (courier->flights[i].is_busy && courier->flights[i].number == number && strcmp(courier->flights[i].subscription, subscription) == 0)
            return true;
    return false;
}

static bool send(Courier *courier, Flight *flight, const Delivery *delivery, Err *err)
{
    if (!flight_ready(courier, flight, err))
        return false;
    Arena *arena = flight->arena;
    HttpHeader headers[] = {
        { "Content-Type", STR("application/cloudevents+json; charset=utf-8") },
        { "Origin", str_from(courier->origin) },
        { "WebHook-Request-Origin", str_from(courier->origin) },
        { "aeg-event-type", STR("Notification") },
        { "aeg-subscription-name", str_upper(arena, delivery->name) },
        { "aeg-delivery-count", str_printf(arena, "%lld", (long long)delivery->tries) },
        { "aeg-output-event-id", str_dup(arena, delivery->event_id) },
    };
    HttpCall call = { .method = "POST", .url = delivery->endpoint, .headers = headers, .header_count = COUNT_OF(headers), .body = str_dup(arena, delivery->body) };
    flight->number = delivery->number;
    flight->is_busy = arena_ok(arena) ? http_begin(flight->client, arena, &call, err) : err_too_big(err);
    return flight->is_busy;
}

/* What cannot even be sent counts as a try that failed, or it would be tried for ever. */
static bool send_or_settle(Courier *courier, Flight *flight, const char *id, const Delivery *delivery, Err *err)
{
    Err why = { 0 };
    (void)snprintf(flight->subscription, sizeof flight->subscription, "%s", id);
    if (send(courier, flight, delivery, &why))
        return true;
    flight_over(flight);
    DeliveryTry failed = { .subscription = delivery->subscription, .number = delivery->number };
    log_event(LOG_WARN, "event.not_sent", log_cstr("subscription", id), log_cstr("error", why.text));
    return delivery_settle(courier->kv, real_now_ms(), &failed, 1, err);
}

static bool start_of(Courier *courier, Arena *arena, Str subscription, int64_t *next_ms, Err *err)
{
    char id[ID_DIGITS + 1];
    (void)snprintf(id, sizeof id, STR_FMT, STR_ARG(subscription));
    int64_t now_ms = real_now_ms();
    const Ailing *ailing = ailing_find(courier, id, false);
    bool is_ailing = ailing && ailing->failures >= AILING_FAILURES;
    if (is_ailing && ailing->quiet_until_ms > now_ms) {
        *next_ms = ailing->quiet_until_ms < *next_ms ? ailing->quiet_until_ms : *next_ms;
        return true;
    }
    size_t allowed = is_ailing ? 1 : COURIER_CALLS_EACH, running = calls_of(courier, id), count;
    Delivery *due;
    if (running >= allowed)
        return true;
    if (!delivery_due(courier->kv, arena, subscription, now_ms, allowed + running, &due, &count, next_ms, err))
        return false;
    for (size_t i = 0; i < count && running < allowed; i++) {
        Flight *flight = free_flight(courier);
        if (is_under_way(courier, id, due[i].number))
            continue;
        if (!flight)
            return true;                /* one that ends starts the next round */
        if (!send_or_settle(courier, flight, id, &due[i], err))
            return false;
        running++;
    }
    return true;
}

static bool start_deliveries(Courier *courier, int64_t *next_ms, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ROUND_ARENA);
    Str *ids;
    size_t count;
    bool more = true, any = true;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory for events");
    atomic_store(&courier->is_needed, true);            /* before the look, so that what comes after it wakes */
    while (more)
        if (!delivery_take_up(courier->kv, real_now_ms(), &more, &any, err))
            return false;
    if (!any) {
        atomic_store(&courier->is_needed, false);
        return true;
    }
    if (!delivery_subscriptions(courier->kv, arena, &ids, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!start_of(courier, arena, ids[i], next_ms, err))
            return false;
    return true;
}

static void log_tries(const DeliveryTry *tries, char why[][160], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tries[i].end != DELIVERY_DONE)
            log_event(tries[i].end == DELIVERY_DROPPED ? LOG_WARN : LOG_INFO, tries[i].end == DELIVERY_DROPPED ? "event.dropped" : "event.not_delivered",
                      log_str("subscription", tries[i].subscription), log_int("number", tries[i].number), log_int("status", tries[i].status), log_cstr("error", why[i]));
}

static bool end_deliveries(Courier *courier, Err *err)
{
    DeliveryTry tries[COURIER_CALLS];
    Flight *done[COURIER_CALLS];
    char why[COURIER_CALLS][160];
    size_t count = 0;
    for (size_t i = 0; i < COURIER_CALLS; i++) {
        Flight *flight = &courier->flights[i];
        HttpAnswer answer = { 0 };
        Err trouble = { 0 };
        if (!flight->is_busy || !http_is_done(flight->client))
            continue;
        bool answered = http_end(flight->client, flight->arena, &answer, &trouble);
        (void)snprintf(why[count], sizeof why[count], "%.150s", trouble.text);
        tries[count] = (DeliveryTry){ .subscription = str_from(flight->subscription), .number = flight->number, .status = answered ? answer.status : 0 };
        done[count++] = flight;
    }
    bool settled = count == 0 || delivery_settle(courier->kv, real_now_ms(), tries, count, err);
    for (size_t i = 0; settled && i < count; i++)
        note_health(courier, &tries[i]);
    if (settled)
        log_tries(tries, why, count);
    for (size_t i = 0; i < count; i++)
        flight_over(done[i]);
    return settled;
}

/* ---- the thread ---- */

static void *courier_main(void *arg)
{
    Courier *courier = arg;
    struct pollfd wake = { .fd = courier->wake_fd, .events = POLLIN };
    while (!atomic_load(&courier->stops)) {
        int64_t next_ms = INT64_MAX, counted;
        Err err = { 0 };
        bool is_good = start_deliveries(courier, &next_ms, &err);
        start_shakes(courier);
        int64_t wait_ms = is_good ? next_ms - real_now_ms() : TROUBLE_MS;
        wait_ms = wait_ms < 0 ? 0 : wait_ms > IDLE_MS ? IDLE_MS : wait_ms;
        is_good = http_wait(courier->base, &wake, 1, (int)wait_ms, is_good ? &err : &(Err){ 0 }) && is_good;
        (void)!read(courier->wake_fd, &counted, sizeof counted);        /* not blocking */
        end_shakes(courier);
        is_good = end_deliveries(courier, is_good ? &err : &(Err){ 0 }) && is_good;
        if (!is_good) {
            log_event(LOG_ERROR, "event.courier_trouble", log_cstr("error", err.text));
            (void)poll(NULL, 0, TROUBLE_MS);
        }
    }
    return NULL;
}

static char *origin_of(const Site *site)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 10);
    if (!arena)
        return NULL;
    bool is_public = str_starts(site_url(site, arena, STR("management")), STR("https://management.azure.com"));
    Str origin = is_public ? STR(PUBLIC_ORIGIN) : str_printf(arena, "eventgrid." STR_FMT, STR_ARG(site->names.domain));
    return strndup(origin.ptr ? origin.ptr : "", origin.len);
}

bool courier_start(KeyVault *kv, const char *ca_file, Err *err)
{
    Courier *courier = calloc(1, sizeof *courier);
    if (!courier)
        return err_set(err, ERR_INTERNAL, "out of memory for events");
    kv->courier = courier;
    courier->kv = kv;
    pthread_mutex_init(&courier->lock, NULL);
    courier->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    courier->ca_file = ca_file ? strdup(ca_file) : NULL;
    courier->origin = origin_of(kv->site);
    if (courier->wake_fd < 0 || !courier->origin || (ca_file && !courier->ca_file))
        return err_errno(err, "cannot deliver events");
    HttpClientConfig config = { .user_agent = "vaultyard-events/1" };
    if (!http_client_new(&config, &courier->base, err))
        return false;
    courier->runs = pthread_create(&courier->thread, NULL, courier_main, courier) == 0;
    return courier->runs || err_errno(err, "cannot deliver events");
}

void courier_stop(KeyVault *kv)
{
    Courier *courier = kv ? kv->courier : NULL;
    if (!courier)
        return;
    pthread_mutex_lock(&courier->lock);
    atomic_store(&courier->stops, true);
    pthread_mutex_unlock(&courier->lock);
    if (courier->runs) {
        poke(courier);
        (void)pthread_join(courier->thread, NULL);
    }
    courier->runs = false;
    for (size_t i = 0; i < COURIER_SHAKES; i++)
        if (courier->shakes[i].shake)
            shake_over(courier, TAKE(courier->shakes[i].shake), SHAKE_BAD, "the server stops");
    for (Shake *shake; (shake = next_shake(courier));)
        shake_over(courier, shake, SHAKE_BAD, "the server stops");
}

void courier_free(KeyVault *kv)
{
    Courier *courier = TAKE(kv->courier);
    if (!courier)
        return;
    for (size_t i = 0; i < COURIER_CALLS; i++) {
        http_client_free(courier->flights[i].client);
        arena_free(courier->flights[i].arena);
    }
    for (size_t i = 0; i < COURIER_SHAKES; i++) {
        http_client_free(courier->shakes[i].client);
        arena_free(courier->shakes[i].arena);
    }
    http_client_free(courier->base);
    fd_close(&courier->wake_fd);
    pthread_mutex_destroy(&courier->lock);
    free(courier->ca_file);
    free(courier->origin);
    free(courier);
}
