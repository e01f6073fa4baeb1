/* cert_lifetime.c - what a policy means for one version: its validity, when it renews, what its key may do. */
#include <time.h>
#include "keyvault/certificates/cert_policy.h"

static const int64_t DAY_MS = 86400 * 1000LL;

int64_t months_later(int64_t ms, int64_t months)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm when;
    gmtime_r(&seconds, &when);
    int day = when.tm_mday;
    when.tm_mday = 1;
    when.tm_mon += (int)months;
    (void)timegm(&when);                /* brings month and year into range */
    int month = when.tm_mon;
    when.tm_mday = day;
    time_t later = timegm(&when);
    if (when.tm_mon != month) {         /* 31 January + 1 month: not 3 March */
        when.tm_mday = 0;
        later = timegm(&when);
    }
    return (int64_t)later * 1000;
}

CertSpec cert_policy_spec(const CertPolicy *policy, int64_t now_ms)
{
    int64_t now_s_ms = now_ms - now_ms % 1000;
    return (CertSpec){ .subject = policy->subject, .dns = policy->dns_names, .emails = policy->emails, .upns = policy->upns,
                       .ips = policy->ips, .uris = policy->uris, .ekus = policy->ekus, .key_usage = policy->key_usage,
                       .path_length = -1,
                       /* As the real service: clients whose clocks are behind can use the new version at once. */
                       .not_before_ms = now_s_ms - NOT_BEFORE_LEAD_MS,
                       .not_after_ms = months_later(now_s_ms, policy->validity_months) };
}

static bool action_due(const CertPolicy *policy, bool is_auto_renew, int64_t not_before_ms, int64_t not_after_ms, int64_t *due_ms)
{
    for (size_t i = 0; i < policy->action_count; i++) {
        const LifetimeAction *action = &policy->actions[i];
        if (action->is_auto_renew != is_auto_renew)
            continue;
        if (action->percentage.set)
            *due_ms = not_before_ms + (not_after_ms - not_before_ms) / 100 * action->percentage.value;
        else
            *due_ms = not_after_ms - action->days_before.value * DAY_MS;
        return true;
    }
    return false;
}

bool cert_policy_due(const CertPolicy *policy, int64_t not_before_ms, int64_t not_after_ms, int64_t *due_ms)
{
    return action_due(policy, true, not_before_ms, not_after_ms, due_ms);
}

bool cert_policy_mail_due(const CertPolicy *policy, int64_t not_before_ms, int64_t not_after_ms, int64_t *due_ms)
{
    return action_due(policy, false, not_before_ms, not_after_ms, due_ms);
}

static bool has_usage(const CertPolicy *policy, Str usage)
{
    for (size_t i = 0; i < policy->key_usage.count; i++)
        if (str_eq_nocase(policy->key_usage.items[i], usage))
            return true;
    return false;
}

Str cert_policy_key_ops(Arena *arena, const CertPolicy *policy)
{
    bool is_rsa = str_eq_nocase(policy->kty, STR("RSA"));
    bool signs = has_usage(policy, STR("digitalSignature")) || has_usage(policy, STR("nonRepudiation")) ||
                 has_usage(policy, STR("keyCertSign")) || has_usage(policy, STR("cRLSign"));
    bool wraps = is_rsa && has_usage(policy, STR("keyEncipherment"));
    bool encrypts = is_rsa && (has_usage(policy, STR("dataEncipherment")) || has_usage(policy, STR("encipherOnly")));
    bool decrypts = is_rsa && (has_usage(policy, STR("dataEncipherment")) || has_usage(policy, STR("decipherOnly")));
    const struct { bool allowed; const char *name; } ops[] = {
        { signs, "sign" }, { signs, "verify" }, { wraps, "wrapKey" }, { wraps, "unwrapKey" }, { encrypts, "encrypt" }, { decrypts, "decrypt" },
    };
    Str list = STR("");
    for (size_t i = 0; i < COUNT_OF(ops); i++)
        if (ops[i].allowed)
            list = str_printf(arena, STR_FMT "%s\"%s\"", STR_ARG(list), list.len ? "," : "", ops[i].name);
    return str_printf(arena, "[" STR_FMT "]", STR_ARG(list));
}
