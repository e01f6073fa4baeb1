/* policy.c - reading rules, judging addresses. */
#include "egress/policy.h"
#include <arpa/inet.h>
#include <stdio.h>

enum { V4_BITS = 96 };
#define V4(a, b, c, d)  { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d } } }

/* What only a rule within it opens. */
static const struct { const char *name; struct in6_addr network; int bits; } closed[] = {
    { "unspecified", V4(0, 0, 0, 0),        V4_BITS + 8 },      /* RFC 6890; Linux takes 0.0.0.0 for this machine */
    { "loopback",    V4(127, 0, 0, 0),      V4_BITS + 8 },
    { "link-local",  V4(169, 254, 0, 0),    V4_BITS + 16 },
    { "multicast",   V4(224, 0, 0, 0),      V4_BITS + 4 },
    { "reserved",    V4(240, 0, 0, 0),      V4_BITS + 4 },      /* broadcast included */
    { "platform",    V4(168, 63, 129, 16),  V4_BITS + 32 },     /* Azure's channel to a virtual machine */
    { "platform",    V4(100, 100, 100, 200), V4_BITS + 32 },    /* Alibaba's metadata address */
    { "unspecified", IN6ADDR_ANY_INIT, 128 },
    { "loopback",    IN6ADDR_LOOPBACK_INIT, 128 },
    { "link-local",  { { { 0xfe, 0x80 } } }, 10 },
    { "multicast",   { { { 0xff } } }, 8 },
    { "platform",    { { { 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 } } }, 128 },      /* Amazon's metadata address */
    { "platform",    { { { 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 } } }, 128 },      /* Google's */
};

/* Where an IPv4 address lies within IPv6 ones that some router turns back into it. */
static const struct { struct in6_addr network; int bits; size_t at; } wrapped[] = {
    { { { { 0x00, 0x64, 0xff, 0x9b } } }, 96, 12 },             /* NAT64, RFC 6052 */
    { { { { 0x20, 0x02 } } }, 16, 2 },                          /* 6to4, RFC 3056 */
    { IN6ADDR_ANY_INIT, 96, 12 },                               /* IPv4-compatible, RFC 4291 section 2.5.5.1 */
};

static bool lies_in(const struct in6_addr *address, const struct in6_addr *network, int bits)
{
    for (size_t i = 0; i < sizeof address->s6_addr && bits > 0; i++, bits -= 8) {
        uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff << (8 - bits));
        if (((address->s6_addr[i] ^ network->s6_addr[i]) & mask) != 0)
            return false;
    }
    return true;
}

bool egress_mode_read(Str text, EgressMode *out, Err *err)
{
    static const char *const names[] = { [EGRESS_ON] = "on", [EGRESS_RULES] = "rules", [EGRESS_OFF] = "off" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(text, str_from(names[i]))) {
            *out = (EgressMode)i;
            return true;
        }
    return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is none of on, rules, off", STR_ARG(str_slice(text, 0, 40)));
}

/* "[ADDRESS]", or ADDRESS up to what follows; *rest is what does. */
static Str take_address(Str text, Str *rest)
{
    size_t end = 0, colons = 0, slash;
    if (str_starts(text, STR("["))) {
        bool closes = str_find(text, STR("]"), &end);
        *rest = closes ? str_slice(text, end + 1, text.len) : STR_NONE;
        return closes ? str_slice(text, 1, end) : STR_NONE;
    }
    if (!str_find(text, STR("/"), &slash))
        slash = text.len;
    for (size_t i = 0; i < slash; i++)
        colons += text.ptr[i] == ':';
    end = slash;
    if (colons == 1)                            /* one colon alone is a port's, never IPv6 */
        (void)str_find(text, STR(":"), &end);
    *rest = str_slice(text, end, text.len);
    return str_slice(text, 0, end);
}

static bool parse_address(Str text, EgressRule *rule, bool *is_v4)
{
    char buf[INET6_ADDRSTRLEN] = "";
    struct in_addr v4;
    if (text.len == 0 || text.len >= sizeof buf)
        return false;
    memcpy(buf, text.ptr, text.len);
    *is_v4 = inet_pton(AF_INET, buf, &v4) == 1;
    if (*is_v4) {
        rule->network = (struct in6_addr)V4(0, 0, 0, 0);
        memcpy(rule->network.s6_addr + 12, &v4, 4);
        return true;
    }
    return inet_pton(AF_INET6, buf, &rule->network) == 1 && !IN6_IS_ADDR_V4MAPPED(&rule->network);
}

bool egress_rule_read(Str text, EgressRule *out, Err *err)
{
    EgressRule rule = { 0 };
    Str rest, address = take_address(text, &rest), shown = str_slice(text, 0, 80);
    bool is_v4 = false;
    int64_t number;
    Err ignored;
    if (!address.ptr || !parse_address(address, &rule, &is_v4))
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is not of the form ADDRESS/BITS[:PORT], such as 127.0.0.1:10000, 10.0.0.0/8 or [::1]:10000", STR_ARG(shown));
    rule.bits = 128;
    if (str_starts(rest, STR("/"))) {
        Str after = str_slice(rest, 1, rest.len), bits = str_cut(&after, ':');
        if (!str_to_int64(bits, 0, is_v4 ? 32 : 128, &number, &ignored))
            return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "': the number of bits is 0 to %d", STR_ARG(shown), is_v4 ? 32 : 128);
        rule.bits = (int)number + (is_v4 ? V4_BITS : 0);
        rest = after.ptr ? (Str){ after.ptr - 1, after.len + 1 } : STR("");
    }
    if (rest.len) {
        if (rest.ptr[0] != ':' || !str_to_int64(str_slice(rest, 1, rest.len), 1, 65535, &number, &ignored))
            return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "': the port is 1 to 65535", STR_ARG(shown));
        rule.port = (int)number;
    }
    for (int bit = rule.bits; bit < 128; bit++)
        if (rule.network.s6_addr[bit / 8] >> (7 - bit % 8) & 1)
            return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "': the address has bits beyond the network's", STR_ARG(shown));
    *out = rule;
    return true;
}

static bool has_rule(const EgressPolicy *policy, const struct in6_addr *address, int port, int least_bits)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        const EgressRule *rule = &policy->rules[i];
        if (rule->bits >= least_bits && (!rule->port || rule->port == port) && lies_in(address, &rule->network, rule->bits))
            return true;
    }
    return false;
}

/* Which closed range the address lies in; COUNT_OF(closed) if none. */
static size_t closed_range(const struct in6_addr *address)
{
    size_t at = 0;
    while (at < COUNT_OF(closed) && !lies_in(address, &closed[at].network, closed[at].bits))
        at++;
    return at;
}

/* What an IPv4 address within this one has against it; no rule opens that detour. */
static const char *wrapped_reason(const struct in6_addr *address, EgressIsOwn *is_own, void *ctx)
{
    for (size_t i = 0; i < COUNT_OF(wrapped); i++) {
        struct in6_addr inner = V4(0, 0, 0, 0);
        bool own = false;
        Err no_route;
        if (!lies_in(address, &wrapped[i].network, wrapped[i].bits))
            continue;
        memcpy(inner.s6_addr + 12, address->s6_addr + wrapped[i].at, 4);
        size_t at = closed_range(&inner);
        if (at < COUNT_OF(closed))
            return closed[at].name;
        if (is_own(ctx, &inner, &own, &no_route) && own)
            return "own-address";
    }
    return NULL;
}

const char *egress_judge(const EgressPolicy *policy, const struct in6_addr *address, int port, EgressIsOwn *is_own, void *ctx)
{
    bool own;
    Err ignored;
    if (policy->mode == EGRESS_OFF)
        return "off";
    if (port < 1)
        return "no-port";
    size_t at = closed_range(address);
    if (at < COUNT_OF(closed))
        return has_rule(policy, address, port, closed[at].bits) ? NULL : closed[at].name;
    const char *inner = wrapped_reason(address, is_own, ctx);
    if (inner)
        return inner;
    if (!is_own(ctx, address, &own, &ignored))
        return "no-route";
    if (own)
        return has_rule(policy, address, port, 128) ? NULL : "own-address";
    if (policy->mode == EGRESS_RULES && !has_rule(policy, address, port, 0))
        return "not-listed";
    return NULL;
}
