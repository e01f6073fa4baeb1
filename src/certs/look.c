/* look.c - current version, then whether it may replace what is here. */
#include "certs/look.h"
#include <stdlib.h>

enum { LOOK_ARENA_BYTES = 8 * 1024 * 1024 };

struct Look {
    FetchCall call;
    bool is_busy, asks_known;           /* asks_known: about the version that is here */
    size_t index;
    Fetched fetched;                    /* while asks_known */
    Str have;                           /* the version here that is whole */
};

bool looks_new(Fetcher *fetcher, const CertSettings *settings, const char *ca_file, const char *proxy, Looks *out, Err *err)
{
    *out = (Looks){ .fetcher = fetcher, .settings = settings, .items = calloc(settings->observed_count + 1, sizeof(Look)) };
    if (!out->items)
        return err_set(err, ERR_INTERNAL, "out of memory");
    HttpClientConfig config = { .ca_file = ca_file, .proxy = proxy, .user_agent = "vaultyard-certs/" VAULTYARD_VERSION, .reply_max_bytes = 256 * 1024,
                                .beside = fetcher_client(fetcher) };
    for (size_t i = 0; i < settings->observed_count; i++) {
        Str vault_url = settings->observed[i].vault_url;
        bool known = false;
        for (size_t k = 0; k < out->count && !known; k++)
            known = str_eq(out->items[k].call.vault_url, vault_url);
        if (known)
            continue;
        Look *added = &out->items[out->count];
        added->call.vault_url = vault_url;
        if (!http_client_new(&config, &added->call.client, err))
            return false;
        out->count++;
    }
    return true;
}

static void clear(Look *look)
{
    if (look->asks_known)
        fetched_done(&look->fetched);
    arena_free(TAKE(look->call.arena));
    look->is_busy = look->asks_known = false;
}

void looks_done(Looks *looks)
{
    for (size_t i = 0; i < looks->count; i++) {
        clear(&looks->items[i]);
        http_client_free(looks->items[i].call.client);
    }
    free(TAKE(looks->items));
    looks->count = 0;
}

bool looks_is_idle(const Looks *looks)
{
    for (size_t i = 0; i < looks->count; i++)
        if (looks->items[i].is_busy)
            return false;
    return true;
}

bool looks_at(const Looks *looks, size_t index)
{
    for (size_t i = 0; i < looks->count; i++)
        if (looks->items[i].is_busy && looks->items[i].index == index)
            return true;
    return false;
}

static void tell(Look *look, const LookCaller *caller, Fetched *fetched, const Err *failed)
{
    caller->ended(caller->ctx, &(Looked){ look->index, look->call.arena, fetched, failed });
}

/* No answer came: the others of this vault would get none either. */
static size_t fail_all(Look *look, const LookCaller *caller, const Err *err)
{
    size_t count = 0;
    do {
        tell(look, caller, NULL, err);
        count++;
    } while (err->code == ERR_UNAVAILABLE && caller->next(caller->ctx, look->call.vault_url, &look->index));
    clear(look);
    return count;
}

static size_t begin(Looks *looks, Look *look, const LookCaller *caller)
{
    const Observed *observed = &looks->settings->observed[look->index];
    Err err = { 0 };
    look->call.arena = arena_new(LOOK_ARENA_BYTES);
    look->call.is_second = false;
    look->have = STR_NONE;
    if (!look->call.arena) {
        (void)err_set(&err, ERR_INTERNAL, "out of memory");
        return fail_all(look, caller, &err);
    }
    look->call.url = fetch_current_url(look->call.arena, observed);
    if (installed_read(look->call.arena, observed).not_after_ms > caller->now_ms)
        look->have = installed_version(look->call.arena, observed);
    if (!look->call.url.ptr)
        (void)err_too_big(&err);
    else if (fetch_begin(looks->fetcher, looks->settings, &look->call, &err)) {
        look->is_busy = true;
        return 0;
    }
    return fail_all(look, caller, &err);
}

static size_t over(Look *look, const LookCaller *caller, Fetched *fetched, const Err *failed)
{
    tell(look, caller, fetched, failed);
    if (fetched)
        fetched_done(fetched);
    look->asks_known = false;
    clear(look);
    return 1;
}

/* The vault is right about which version is current, with one exception: it no longer knows the one that is here, which is newer and good.
 * Then it was set back (restored from a backup), and what it lost stays until it has something that is not older, or ours has expired. */
static bool must_ask(const Look *look, const Observed *observed, const Fetched *fetched, int64_t now_ms)
{
    Installed have = installed_read(look->call.arena, observed);
    return !observed->pinned.len && have.version.len && have.not_before_ms > fetched->leaf.not_before_ms && have.not_after_ms > now_ms && look->have.len;
}

static size_t take_current(Looks *looks, Look *look, const LookCaller *caller, const HttpAnswer *answer)
{
    const Observed *observed = &looks->settings->observed[look->index];
    Fetched fetched = { 0 };
    Err err = { 0 };
    if (!fetch_take_current(look->call.arena, looks->settings, observed, look->have, answer, &fetched, &err))
        return over(look, caller, NULL, &err);
    if (!fetched.bundle.count)
        return over(look, caller, NULL, NULL);
    if (!install_check(look->call.arena, observed, &fetched, caller->now_ms, &err)) {
        fetched_done(&fetched);
        return over(look, caller, NULL, &err);
    }
    if (!must_ask(look, observed, &fetched, caller->now_ms))
        return over(look, caller, &fetched, NULL);
    look->fetched = fetched;
    look->asks_known = true;
    look->call.is_second = false;
    look->call.url = fetch_version_url(look->call.arena, observed, look->have);
    if (look->call.url.ptr ? fetch_begin(looks->fetcher, looks->settings, &look->call, &err) : err_too_big(&err))
        return 0;
    return fail_all(look, caller, &err);
}

static size_t take_known(Looks *looks, Look *look, const LookCaller *caller, const HttpAnswer *answer)
{
    const Observed *observed = &looks->settings->observed[look->index];
    bool is_known = false;
    Err err = { 0 };
    if (fetch_take_known(observed, answer, &is_known, &err) && is_known)
        return over(look, caller, &look->fetched, NULL);
    if (!err.code)
        (void)err_set(&err, ERR_CONFLICT, "vault '" STR_FMT "' no longer knows version " STR_FMT " of '" STR_FMT "', which is here, and offers an older one; the newer stays while it is valid",
                      STR_ARG(observed->vault), STR_ARG(look->have), STR_ARG(observed->name));
    fetched_done(&look->fetched);
    return over(look, caller, NULL, &err);
}

static size_t end(Looks *looks, Look *look, const LookCaller *caller)
{
    HttpAnswer answer = { 0 };
    Err err = { 0 };
    bool again = false;
    if (!fetch_end(looks->fetcher, looks->settings, &look->call, &again, &answer, &err))
        return fail_all(look, caller, &err);
    if (again)
        return 0;
    return look->asks_known ? take_known(looks, look, caller, &answer) : take_current(looks, look, caller, &answer);
}

size_t looks_step(Looks *looks, const LookCaller *caller)
{
    size_t ended = 0;
    for (size_t i = 0; i < looks->count; i++) {
        Look *look = &looks->items[i];
        /* Again while it goes without waiting; each turn ends something, begins something or stops here. */
        for (;;) {
            if (look->is_busy && !http_is_done(look->call.client))
                break;
            if (look->is_busy)
                ended += end(looks, look, caller);
            else if (caller->next(caller->ctx, look->call.vault_url, &look->index))
                ended += begin(looks, look, caller);
            else
                break;
        }
    }
    return ended;
}
