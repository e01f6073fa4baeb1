/* test_policy.c - which addresses nodes reach. */
#include "../cm.h"
#include <arpa/inet.h>
#include <stdio.h>
#include "egress/route.h"

/* This machine of the tests has 203.0.113.7 and 2001:db8::7, and no route to 198.18.0.0/15. */
static bool is_own(void *ctx, const struct in6_addr *address, bool *own, Err *err)
{
    char text[INET6_ADDRSTRLEN] = "";
    (void)ctx;
    assert_non_null(inet_ntop(AF_INET6, address, text, sizeof text));
    *own = strcmp(text, "::ffff:203.0.113.7") == 0 || strcmp(text, "2001:db8::7") == 0;
    return strncmp(text, "::ffff:198.18.", 14) != 0 || err_set(err, ERR_UNAVAILABLE, "no route");
}

static struct in6_addr address(const char *text)
{
    struct in6_addr out = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    if (inet_pton(AF_INET, text, out.s6_addr + 12) != 1)
        assert_int_equal(inet_pton(AF_INET6, text, &out), 1);
    return out;
}

static const char *judge(const EgressPolicy *policy, const char *text, int port)
{
    struct in6_addr judged = address(text);
    const char *why = egress_judge(policy, &judged, port, is_own, NULL);
    return why ? why : "allowed";
}

static EgressPolicy policy_of(EgressMode mode, const char *const *rules)
{
    EgressPolicy policy = { .mode = mode };
    Err err = { 0 };
    for (; *rules; rules++)
        if (!egress_rule_read(str_from(*rules), &policy.rules[policy.rule_count++], &err))
            fail_msg("%s", err.text);
    return policy;
}
#define POLICY(mode, ...) policy_of(mode, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL })

typedef struct Claim { const char *address; int port; const char *verdict; } Claim;
static void holds(const EgressPolicy *policy, const Claim *claims, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(judge(policy, claims[i].address, claims[i].port), claims[i].verdict) != 0)
            fail_msg("%s port %d: %s, not %s", claims[i].address, claims[i].port, judge(policy, claims[i].address, claims[i].port), claims[i].verdict);
}

static void test_ordinary_addresses_are_open_and_this_machines_are_not(void **state)
{
    static const Claim claims[] = {
        { "93.184.216.34", 443, "allowed" },      { "10.1.2.3", 80, "allowed" },             { "192.168.1.1", 22, "allowed" },      { "2001:4860::1", 443, "allowed" },
        { "fd12::1", 443, "allowed" },            { "127.0.0.1", 80, "loopback" },           { "127.255.255.254", 80, "loopback" }, { "::1", 80, "loopback" },
        { "169.254.169.254", 80, "link-local" },  { "169.254.0.1", 80, "link-local" },       { "fe80::1", 80, "link-local" },       { "febf::1", 80, "link-local" },
        { "224.0.0.1", 80, "multicast" },         { "239.1.1.1", 80, "multicast" },          { "ff02::1", 80, "multicast" },        { "255.255.255.255", 80, "reserved" },
        { "0.0.0.0", 80, "unspecified" },         { "0.1.2.3", 80, "unspecified" },          { "::", 80, "unspecified" },           { "203.0.113.7", 443, "own-address" },
        { "2001:db8::7", 443, "own-address" },    { "203.0.113.8", 443, "allowed" },         { "168.63.129.16", 80, "platform" },   { "100.100.100.200", 80, "platform" },
        { "fd00:ec2::254", 80, "platform" },      { "fd00:ec2::255", 80, "allowed" },        { "198.18.0.1", 80, "no-route" },      { "93.184.216.34", 0, "no-port" },
    };
    EgressPolicy policy = POLICY(EGRESS_ON);
    (void)state;
    holds(&policy, claims, COUNT_OF(claims));
}

static void test_ipv4_inside_ipv6_is_judged_as_ipv4(void **state)
{
    static const Claim claims[] = {
        { "::ffff:127.0.0.1", 80, "loopback" },         { "::ffff:169.254.169.254", 80, "link-local" }, { "::ffff:203.0.113.7", 80, "own-address" },
        { "::ffff:93.184.216.34", 80, "allowed" },      { "::ffff:0.0.0.0", 80, "unspecified" },
        { "64:ff9b::169.254.169.254", 80, "link-local" }, { "64:ff9b::127.0.0.1", 80, "loopback" },     { "64:ff9b::93.184.216.34", 80, "allowed" },
        { "64:ff9b::203.0.113.7", 80, "own-address" },  { "2002:a9fe:a9fe::1", 80, "link-local" },      { "2002:5db8:d822::1", 80, "allowed" },
        { "::127.0.0.1", 80, "loopback" },              { "::a9fe:a9fe", 80, "link-local" },
    };
    EgressPolicy policy = POLICY(EGRESS_ON);
    (void)state;
    holds(&policy, claims, COUNT_OF(claims));
}

static void test_a_rule_opens_what_it_names_and_no_more(void **state)
{
    static const Claim claims[] = {
        { "127.0.0.1", 10000, "allowed" },  { "127.0.0.1", 10001, "loopback" }, { "127.0.0.2", 10000, "loopback" }, { "::ffff:127.0.0.1", 10000, "allowed" },
        { "::1", 10000, "loopback" },       { "::1", 10001, "allowed" },        { "203.0.113.7", 443, "allowed" },  { "203.0.113.7", 444, "own-address" },
        { "169.254.7.1", 80, "allowed" },   { "169.254.8.1", 80, "link-local" },
        { "64:ff9b::127.0.0.1", 10000, "loopback" },    /* not by a detour */
    };
    EgressPolicy policy = POLICY(EGRESS_ON, "127.0.0.1:10000", "[::1]:10001", "203.0.113.7/32:443", "169.254.7.0/24");
    (void)state;
    holds(&policy, claims, COUNT_OF(claims));
}

static void test_a_wide_rule_does_not_reach_what_is_this_machines(void **state)
{
    static const Claim claims[] = {
        { "127.0.0.1", 443, "loopback" },    { "169.254.169.254", 443, "link-local" }, { "203.0.113.7", 443, "own-address" }, { "::1", 443, "loopback" },
        { "fe80::1", 443, "link-local" },    { "2001:db8::7", 443, "own-address" },    { "93.184.216.34", 443, "allowed" },   { "93.184.216.34", 80, "not-listed" },
        { "2001:4860::1", 443, "allowed" },  { "10.9.9.9", 80, "allowed" },            { "11.9.9.9", 80, "not-listed" },
    };
    EgressPolicy policy = POLICY(EGRESS_RULES, "0.0.0.0/0:443", "[::]/0:443", "10.0.0.0/8", "203.0.113.0/24");
    (void)state;
    holds(&policy, claims, COUNT_OF(claims));
}

static void test_off_is_off(void **state)
{
    EgressPolicy policy = POLICY(EGRESS_OFF, "127.0.0.1:1");
    (void)state;
    holds(&policy, (const Claim[]){ { "93.184.216.34", 443, "off" }, { "127.0.0.1", 1, "off" } }, 2);
}

static void test_rules_are_read_in_every_form(void **state)
{
    static const struct { const char *text, *network; int bits, port; } good[] = {
        { "127.0.0.1:10000", "127.0.0.1", 128, 10000 }, { "127.0.0.1", "127.0.0.1", 128, 0 },     { "10.0.0.0/8", "10.0.0.0", 104, 0 },
        { "10.0.0.0/8:443", "10.0.0.0", 104, 443 },     { "0.0.0.0/0", "0.0.0.0", 96, 0 },        { "[::1]:10000", "::1", 128, 10000 },
        { "[::1]", "::1", 128, 0 },                     { "::1", "::1", 128, 0 },                 { "fd00::/8", "fd00::", 8, 0 },
        { "[fd00::]/8:443", "fd00::", 8, 443 },         { "fd00::/8:443", "fd00::", 8, 443 },     { "10.1.2.3/32:65535", "10.1.2.3", 128, 65535 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        EgressRule rule;
        Err err = { 0 };
        struct in6_addr network = address(good[i].network);
        if (!egress_rule_read(str_from(good[i].text), &rule, &err))
            fail_msg("%s", err.text);
        if (memcmp(&rule.network, &network, sizeof network) != 0 || rule.bits != good[i].bits || rule.port != good[i].port)
            fail_msg("%s: %d bits, port %d", good[i].text, rule.bits, rule.port);
    }
}

static void test_rules_that_are_none_are_refused_by_name(void **state)
{
    static const char *const bad[] = {
        "", "x", "localhost:10000", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1/33", "127.0.0.1/", "127.0.0.1/x", "127.0.0.1/8", "10.0.0.1/8:443",
        "127.0.0.1:80:80", "[::1", "[::1]x", "[::1]80", "::1]:80", "[127.0.0.1:80", "fd00::1/8", "fd00::/129", "1.2.3", "1.2.3.4.5", "01.2.3.4", " 127.0.0.1", "127.0.0.1:10000 ",
        "::ffff:127.0.0.1", "[]:80", "/8", ":80", "127.0.0.1/8:",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        EgressRule rule;
        Err err = { 0 };
        if (egress_rule_read(str_from(bad[i]), &rule, &err) || err.code != ERR_BAD_INPUT || !strstr(err.text, bad[i]))
            fail_msg("'%s' was taken, or not named: %s", bad[i], err.text);
    }
    EgressMode mode;
    Err err = { 0 };
    assert_true(egress_mode_read(STR("rules"), &mode, &err) && mode == EGRESS_RULES);
    assert_false(egress_mode_read(STR("yes"), &mode, &err));
}

static void test_the_kernel_knows_this_machines_addresses(void **state)
{
    bool own = false;
    Err err = { 0 };
    struct in6_addr loopback = address("127.3.2.1"), v6 = address("::1");
    (void)state;
    if (!route_is_own(NULL, &loopback, &own, &err))
        fail_msg("%s", err.text);
    assert_true(own);
    own = false;
    assert_true(!route_is_own(NULL, &v6, &own, &err) || own);        /* a machine without IPv6 has no route there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary_addresses_are_open_and_this_machines_are_not),
        cmocka_unit_test(test_ipv4_inside_ipv6_is_judged_as_ipv4),
        cmocka_unit_test(test_a_rule_opens_what_it_names_and_no_more),
        cmocka_unit_test(test_a_wide_rule_does_not_reach_what_is_this_machines),
        cmocka_unit_test(test_off_is_off),
        cmocka_unit_test(test_rules_are_read_in_every_form),
        cmocka_unit_test(test_rules_that_are_none_are_refused_by_name),
        cmocka_unit_test(test_the_kernel_knows_this_machines_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
