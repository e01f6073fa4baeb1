/* external.c - client assertions that somebody else signed: workload identity federation.
 *
 * First it is looked whether the client has a federated credential for what the token says of itself, so that nobody but named issuers is
 * ever asked; then the signature decides, and only then its times. Numbers and words are Entra's ("Microsoft Entra authentication and
 * authorization error codes"; "Workload identity federation"). Such tokens may come again and again until they end: their issuers mean them to. */
#include "identity/federated.h"
#include "identity/issuer.h"
#include "identity/parts.h"

enum { SHOWN = 300 };

static const char hint[] = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion; they are compared letter by letter, with case.";

typedef struct Find { Identity *identity; Arena *arena; Str app_id; const Federated *all; size_t count; } Find;

static bool find_txn(Txn *txn, void *ctx, Err *err)
{
    Find *find = ctx;
    return federated_of_app(find->identity, txn, find->arena, find->app_id, &find->all, &find->count, err);
}

static bool has_audience(const JsonVal *aud, Str wanted)
{
    if (json_kind(aud) != JSON_ARRAY)
        return str_eq(json_str(aud), wanted);
    for (size_t i = 0; i < json_count(aud); i++)
        if (str_eq(json_str(json_at(aud, i)), wanted))
            return true;
    return false;
}

static bool no_match(Err *err, const char *number, const char *what, Str value)
{
    return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", number, "No matching federated identity record found for presented assertion %s '" STR_FMT "'. %s", what,
                      STR_ARG(str_slice(value, 0, SHOWN)), hint);
}

static bool match(const Find *find, const Jwt *jwt, Err *err)
{
    Str issuer = json_str(json_get(jwt->claims, "iss")), subject = json_str(json_get(jwt->claims, "sub"));
    const JsonVal *aud = json_get(jwt->claims, "aud");
    bool has_issuer = false, has_subject = false;
    for (size_t i = 0; i < find->count; i++) {
        const Federated *f = &find->all[i];
        if (!str_eq(f->issuer, issuer))
            continue;
        has_issuer = true;
        if (!subject.ptr || !str_eq(f->subject, subject))
            continue;
        has_subject = true;
        if (has_audience(aud, f->audience))
            return true;
    }
    Str shown = json_str(json_kind(aud) == JSON_ARRAY ? json_at(aud, 0) : aud);
    return !has_issuer ? no_match(err, "700211", "issuer", issuer) : !has_subject ? no_match(err, "700213", "subject", subject) : no_match(err, "700212", "audience", shown);
}

static bool bad_signature(const Jwt *jwt, const char *reason, Err *err)
{
    return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "50013", "Assertion failed signature validation. [Reason - %s, Key identifier of the assertion: '" STR_FMT "'].",
                      reason, STR_ARG(str_slice(jwt->kid, 0, SHOWN)));
}

static bool check_signature(Identity *identity, const Jwt *jwt, Str issuer, Err *err)
{
    KeyRef *keys[ISSUER_KEYS_MAX];
    size_t count;
    Err why = { 0 };
    bool good = false;
    if (!issuers_keys(identity->issuers, issuer, jwt->kid, jwt->alg, keys, &count, &why))
        return why.code == ERR_INTERNAL ? (*err = why, false)
             : why.code == ERR_THROTTLED ? sts_refuse(err, ERR_UNAVAILABLE, "temporarily_unavailable", "90033", "A transient error has occurred. Please try again.")
                                         : sts_refuse(err, ERR_BAD_INPUT, "invalid_request", "50166", "Request to External OIDC endpoint failed: the issuer '" STR_FMT "' was asked for its keys, and %s.",
                                                      STR_ARG(str_slice(issuer, 0, SHOWN)), why.text);
    for (size_t i = 0; i < count; i++) {
        Err ignored = { 0 };
        good = good || jwt_check(jwt, keys[i], &ignored);
        key_free(keys[i]);
    }
    return good || bad_signature(jwt, count ? "The key was found, but its signature does not hold." : "The key was not found among the issuer's.", err);
}

bool external_check(Identity *identity, const Req *req, const Jwt *jwt, const Principal *principal, Err *err)
{
    Find find = { .identity = identity, .arena = req->arena, .app_id = principal->app_id };
    int64_t ends_ms;
    if (!store_read(identity->site->store, find_txn, &find, err))
        return false;
    if (find.count == 0)
        return sts_refuse(err, ERR_UNAUTHENTICATED, "invalid_client", "70025", "The client '" STR_FMT "'(" STR_FMT ") has no configured federated identity credentials.",
                          STR_ARG(principal->app_id), STR_ARG(str_slice(principal->display_name, 0, SHOWN)));
    return match(&find, jwt, err) && check_signature(identity, jwt, json_str(json_get(jwt->claims, "iss")), err) && assertion_is_timely(req, jwt, 0, &ends_ms, err);
}
