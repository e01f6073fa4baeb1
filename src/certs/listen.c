/* listen.c - parked requests on change feeds.
 *
 * A vault that parks a request says nothing for as long as nothing changes. So after trouble it is first asked without waiting: its answer says that
 * it is back, and what failed may be tried at once. */
#include "certs/listen.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/log.h"

enum { PARK_S = 55, PARKED_MS = 50 * 1000 /* less was no whole park */, PARK_LIMIT_MS = 75 * 1000, PROBE_LIMIT_MS = 15 * 1000, BACKOFF_FIRST_MS = 500, BACKOFF_MAX_MS = 60 * 1000,
       AWAY_MAX_MS = 10 * 1000 /* nobody answers, so nobody is burdened by being asked */, LASTED_MS = 10 * 1000, SOON_MS = 100, REPLY_BYTES = 160 * 1024, ARENA_BYTES = 1024 * 1024 };

struct Listener {
    Fetcher *fetcher;
    const CertSettings *settings;
    Str vault_url;
    HttpClient *client;
    char cursor[128];                   /* "": none yet, or the vault has no feed */
    int64_t begin_at_ms, begun_ms;      /* mono */
    int failures;                       /* since a parked request was answered or lasted */
    bool is_away;                       /* nothing good came since something bad */
    bool may_not_hear;                  /* that was a 403, which a vault holds until the permission is there */
    bool is_probe;                      /* the request that is under way does not wait */
    bool was_refused;                   /* the last answer was 401: a second one in a row is no matter of an old token */
    bool is_listening;                  /* said in the log */
    bool is_preparing;                  /* the cursor is asked for by `call` */
    bool is_held;                       /* looks wait for that */
    bool wants_cursor;                  /* it could not be had, though the vault may well have a feed: again at begin_at_ms */
    FetchCall call;
};

bool listeners_new(Fetcher *fetcher, const CertSettings *settings, const char *ca_file, const char *proxy, Listeners *out, Err *err)
{
    *out = (Listeners){ .items = calloc(settings->observed_count + 1, sizeof(Listener)) };
    if (!out->items)
        return err_set(err, ERR_INTERNAL, "out of memory");
    HttpClientConfig config = { .ca_file = ca_file, .proxy = proxy, .user_agent = "vaultyard-certs/" VAULTYARD_VERSION, .timeout_ms = PARK_LIMIT_MS,
                                .reply_max_bytes = REPLY_BYTES, .beside = fetcher_client(fetcher) };
    for (size_t i = 0; i < settings->observed_count && settings->push; i++) {
        Str vault_url = settings->observed[i].vault_url;
        bool known = settings->observed[i].pinned.len > 0;         /* a version never changes */
        for (size_t k = 0; k < out->count && !known; k++)
            known = str_eq(out->items[k].vault_url, vault_url);
        if (known)
            continue;
        Listener *added = &out->items[out->count];
        *added = (Listener){ .fetcher = fetcher, .settings = settings, .vault_url = vault_url };
        if (!http_client_new(&config, &added->client, err))
            return false;
        out->count++;
    }
    return true;
}

void listeners_done(Listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        http_client_free(listeners->items[i].client);
        arena_free(listeners->items[i].call.arena);
    }
    free(TAKE(listeners->items));
    listeners->count = 0;
}

void listeners_carry(Listeners *listeners, const Listeners *former)
{
    for (size_t i = 0; i < listeners->count; i++) {
        Listener *now = &listeners->items[i];
        for (size_t k = 0; k < former->count; k++) {
            const Listener *was = &former->items[k];
            if (!str_eq(now->vault_url, was->vault_url))
                continue;
            memcpy(now->cursor, was->cursor, sizeof now->cursor);
            now->is_listening = was->is_listening;
        }
    }
}

size_t listeners_active(const Listeners *listeners)
{
    size_t count = 0;
    for (size_t i = 0; i < listeners->count; i++)
        count += listeners->items[i].cursor[0] && !listeners->items[i].is_away && http_is_begun(listeners->items[i].client);
    return count;
}

static bool is_without_feed(int status) { return status == 404 || status == 405 || status == 501; }

static bool keep_cursor(Listener *l, const JsonVal *body)
{
    Str cursor = json_str(json_get(body, "cursor"));
    if (cursor.len == 0 || cursor.len >= sizeof l->cursor)
        return false;
    memcpy(l->cursor, cursor.ptr, cursor.len);
    l->cursor[cursor.len] = '\0';
    return true;
}

/* Half of it fixed, half by chance: machines that lost the same server do not come back together. */
static void wait_longer(Listener *l, int64_t now_ms, int64_t most_ms)
{
    int64_t pause = BACKOFF_FIRST_MS;
    for (int i = 0; i < l->failures && pause < most_ms; i++)
        pause *= 2;
    if (pause > most_ms)
        pause = most_ms;
    uint32_t drawn;
    random_fill(&drawn, sizeof drawn);
    l->failures++;
    l->begin_at_ms = now_ms + pause / 2 + drawn % (pause / 2 + 1);
}

/* status 0: no answer came, because of `why`. Where one may not sign in there is nobody away. */
static void is_in_trouble(Listener *l, int status, ErrCode why, int64_t now_ms)
{
    bool asks_anew = l->is_probe && status == 403;           /* the vault is there: now wait for the permission, which it holds the answer for */
    if (!l->is_probe && now_ms - l->begun_ms >= LASTED_MS)
        l->failures = 0;                                     /* another trouble than the one before it */
    l->is_away = true;
    l->may_not_hear = status == 403;
    wait_longer(l, now_ms, !status && why == ERR_UNAVAILABLE ? AWAY_MAX_MS : BACKOFF_MAX_MS);
    if (asks_anew)
        l->begin_at_ms = now_ms;
}

/* A refusal that came when the wait was over: the vault holds who may not hear until he may, so the next such wait begins at once. */
static bool is_waited_out(const Listener *l, int status, int64_t now_ms) { return status == 403 && now_ms - l->begun_ms >= PARKED_MS; }

/* What came of asking for the cursor; answer NULL: nothing, err says why. What changed before a cursor that looks did not wait for is not told. */
static void prepared(Listener *l, const HttpAnswer *answer, const Err *why, int64_t now_ms, ListenChanged *changed, void *ctx)
{
    const JsonVal *body;
    Err err = why ? *why : (Err){ 0 };
    bool has = answer && answer->status == 200 && json_parse(l->call.arena, answer->body, JSON_STRICT, &body, &err) && keep_cursor(l, body);
    if (!has && l->is_listening)
        log_event(LOG_WARN, "certs.feed_lost", log_str("vault", l->vault_url), log_int("status", answer ? answer->status : 0), log_cstr("error", err.text));
    if (has)
        log_event(LOG_INFO, "certs.listening", log_str("vault", l->vault_url));
    l->is_listening = has;
    l->wants_cursor = !has && !(answer && is_without_feed(answer->status));
    l->is_preparing = false;
    arena_free(TAKE(l->call.arena));
    if (l->wants_cursor && answer && is_waited_out(l, answer->status, now_ms)) {
        l->begin_at_ms = now_ms;
    } else if (l->wants_cursor) {
        is_in_trouble(l, answer ? answer->status : 0, err.code, now_ms);
    } else {
        l->begin_at_ms = 0;
        l->failures = 0;
        l->is_away = l->may_not_hear = false;
    }
    if (has && !l->is_held)
        changed(ctx, l->vault_url, STR_NONE);
    l->is_held = false;
}

static void ask_for_cursor(Listener *l, int64_t now_ms, ListenChanged *changed, void *ctx)
{
    Err err = { 0 };
    Arena *arena = arena_new(ARENA_BYTES);
    if (!arena) {
        wait_longer(l, now_ms, BACKOFF_MAX_MS);
        return;
    }
    /* Who may not hear waits there until he may; but not while looks wait for this. */
    l->begun_ms = now_ms;
    l->is_probe = l->is_held || (l->is_away && !l->may_not_hear);
    l->call = (FetchCall){ .client = l->client, .arena = arena, .vault_url = l->vault_url, .timeout_ms = l->is_probe ? PROBE_LIMIT_MS : PARK_LIMIT_MS };
    l->call.url = l->is_probe ? str_printf(arena, STR_FMT "/changes?api-version=7.4", STR_ARG(l->vault_url))
                             : str_printf(arena, STR_FMT "/changes?api-version=7.4&wait=%d", STR_ARG(l->vault_url), PARK_S);
    l->is_preparing = true;
    if (!fetch_begin(l->fetcher, l->settings, &l->call, &err))
        prepared(l, NULL, &err, now_ms, changed, ctx);
}

void listeners_prepare(Listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        Listener *l = &listeners->items[i];
        if (l->cursor[0] || http_is_begun(l->client))
            continue;
        l->is_held = l->wants_cursor = true;
        l->begin_at_ms = 0;
    }
}

bool listeners_is_ready(const Listeners *listeners, Str vault_url)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (str_eq(listeners->items[i].vault_url, vault_url))
            return !listeners->items[i].is_held;
    return true;
}

static void end_preparing(Listener *l, int64_t now_ms, ListenChanged *changed, void *ctx)
{
    HttpAnswer answer = { 0 };
    Err err = { 0 };
    bool again = false, came = fetch_end(l->fetcher, l->settings, &l->call, &again, &answer, &err);
    if (!came || !again)
        prepared(l, came ? &answer : NULL, &err, now_ms, changed, ctx);
}

static void begin(Listener *l, int64_t now_ms)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ARENA_BYTES);
    HttpHeader headers[] = { { "Accept", STR("application/json") }, { "Authorization", STR_NONE } };
    Err err = { 0 };
    l->begun_ms = now_ms;
    l->is_probe = l->is_away && !l->may_not_hear;
    Str url = arena ? str_printf(arena, STR_FMT "/changes?api-version=7.4&wait=%d&after=" STR_FMT, STR_ARG(l->vault_url), l->is_probe ? 0 : PARK_S,
                                 STR_ARG(percent_encode(arena, str_from(l->cursor)))) : STR_NONE;
    bool begun = url.ptr && fetch_bearer(l->fetcher, arena, l->settings, l->vault_url, &headers[1].value, &err) &&
                 http_begin(l->client, arena, &(HttpCall){ .method = "GET", .url = url, .headers = headers, .header_count = headers[1].value.len ? 2 : 1,
                                                           .timeout_ms = l->is_probe ? PROBE_LIMIT_MS : PARK_LIMIT_MS }, &err);
    secret_wipe((void *)headers[1].value.ptr, headers[1].value.len);
    if (!begun)
        is_in_trouble(l, 0, err.code, now_ms);
}

static bool is_observed(const Listener *l, Str name)
{
    for (size_t i = 0; i < l->settings->observed_count; i++)
        if (str_eq_nocase(l->settings->observed[i].name, name) && str_eq(l->settings->observed[i].vault_url, l->vault_url))
            return true;
    return false;
}

static void take(Listener *l, const JsonVal *body, int64_t now_ms, ListenChanged *changed, void *ctx)
{
    const JsonVal *list = json_get(body, "value");
    size_t ours = 0;
    if (json_bool(json_get(body, "reset"), false)) {
        changed(ctx, l->vault_url, STR_NONE);
        ours++;
    }
    for (size_t i = 0; i < json_count(list); i++) {
        Str name = json_str(json_get(json_at(list, i), "name"));
        if (!is_observed(l, name))
            continue;
        changed(ctx, l->vault_url, name);
        ours++;
    }
    /* An answer without news before its time: something may be read now that was refused. */
    bool is_early = ours == 0 && json_count(list) == 0 && now_ms - l->begun_ms < PARKED_MS;
    bool was_probe = l->is_probe;
    if (l->is_away || is_early)
        changed(ctx, l->vault_url, STR(""));
    l->is_away = l->may_not_hear = false;
    l->begin_at_ms = now_ms;
    if (was_probe)
        return;                                              /* that a request may wait there is still to be seen */
    l->failures = 0;
    /* What concerns others, or an empty answer that did not wait: not as fast as the vault can answer. */
    l->begin_at_ms = ours == 0 && now_ms - l->begun_ms < 1000 ? now_ms + SOON_MS : now_ms;
    if (json_count(list) == 0 && ours == 0 && now_ms - l->begun_ms < 1000)
        wait_longer(l, now_ms, BACKOFF_MAX_MS);
}

static void end(Listener *l, int64_t now_ms, ListenChanged *changed, void *ctx)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(ARENA_BYTES);
    HttpAnswer answer = { 0 };
    const JsonVal *body;
    Err err = { 0 };
    bool came = arena && http_end(l->client, arena, &answer, &err);
    if (came && answer.status == 200 && json_parse(arena, answer.body, JSON_STRICT, &body, &err) && keep_cursor(l, body)) {
        l->was_refused = false;
        take(l, body, now_ms, changed, ctx);
        return;
    }
    if (came && (is_without_feed(answer.status) || answer.status == 400)) {
        log_event(LOG_WARN, "certs.feed_gone", log_str("vault", l->vault_url), log_int("status", answer.status));
        l->cursor[0] = '\0';                             /* polls, and with the next one a new cursor if the feed is back */
        l->is_listening = false;
        l->wants_cursor = answer.status == 400;          /* it is the cursor that is no good */
        if (l->wants_cursor)
            is_in_trouble(l, answer.status, ERR_NONE, now_ms);
        return;
    }
    bool first_401 = came && answer.status == 401 && !l->was_refused;
    l->was_refused = came && answer.status == 401;
    if (l->was_refused)
        fetch_token_refused(l->fetcher, l->vault_url);
    if (first_401) {
        l->begin_at_ms = now_ms;
        return;
    }
    if (came && is_waited_out(l, answer.status, now_ms)) {
        l->failures += l->failures == 0;
        l->is_away = l->may_not_hear = true;
        l->begin_at_ms = now_ms;
        return;
    }
    if (!l->is_away)
        log_event(LOG_WARN, "certs.feed_interrupted", log_str("vault", l->vault_url), log_int("status", answer.status), log_cstr("error", err.text));
    is_in_trouble(l, came ? answer.status : 0, err.code, now_ms);
}

void listeners_heard(Listeners *listeners, Str vault_url)
{
    for (size_t i = 0; i < listeners->count; i++) {
        Listener *l = &listeners->items[i];
        if (str_eq(l->vault_url, vault_url) && l->is_away && !http_is_begun(l->client))
            l->begin_at_ms = 0;
    }
}

int64_t listeners_step(Listeners *listeners, ListenChanged *changed, void *ctx)
{
    int64_t now_ms = mono_now_ms(), next_ms = INT64_MAX;
    for (size_t i = 0; i < listeners->count; i++) {
        Listener *l = &listeners->items[i];
        while (l->is_preparing && http_is_done(l->client))
            end_preparing(l, now_ms, changed, ctx);
        if (!l->is_preparing && http_is_done(l->client))
            end(l, now_ms, changed, ctx);
        if ((!l->cursor[0] && !l->wants_cursor) || http_is_begun(l->client))
            continue;
        if (l->begin_at_ms <= now_ms && l->cursor[0])
            begin(l, now_ms);
        else if (l->begin_at_ms <= now_ms)
            ask_for_cursor(l, now_ms, changed, ctx);
        if (!http_is_begun(l->client) && (l->cursor[0] || l->wants_cursor) && l->begin_at_ms < next_ms)
            next_ms = l->begin_at_ms;
    }
    return next_ms;
}
