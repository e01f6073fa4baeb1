/* policy.h - which addresses a node may reach through the server.
 *
 * Ordinary addresses are open unless the policy says otherwise. Some never are by default, because the server's machine reaches there what
 * nobody else can: its loopback, its own addresses, link-local ones (a cloud's metadata address among them), multicast, unspecified and
 * reserved ones. A rule opens one of them only when it names it: a rule lies within such a range, or is one of the machine's own addresses in
 * full; a wider one ("0.0.0.0/0:443") does not reach there. IPv4 addresses inside IPv6 ones (mapped, NAT64, 6to4) are judged as IPv4.
 * The judgement is on an address, after names were resolved, and the connection goes to that very address. */
#pragma once
#include <netinet/in.h>
#include "base/str.h"

enum { EGRESS_RULES_MAX = 64 };

typedef enum EgressMode { EGRESS_ON = 0, EGRESS_RULES, EGRESS_OFF } EgressMode;      /* ordinary addresses and rules; rules alone; nothing at all */
typedef struct EgressRule { struct in6_addr network; int bits, port; } EgressRule;  /* IPv4 as ::ffff:a.b.c.d, bits 96..128; port 0: all */
typedef struct EgressPolicy { EgressMode mode; EgressRule rules[EGRESS_RULES_MAX]; size_t rule_count; } EgressPolicy;

bool egress_mode_read(Str text, EgressMode *out, Err *err) MUST_CHECK;               /* on, rules, off */
/* "127.0.0.1:10000", "10.0.0.0/8", "10.0.0.0/8:443", "[::1]:10000", "[fd00::]/8:443", "fd00::/8". ERR_BAD_INPUT says what is wrong. */
bool egress_rule_read(Str text, EgressRule *out, Err *err) MUST_CHECK;

/* Whether the kernel would deliver to this machine itself; false with *err when it cannot be asked. */
typedef bool EgressIsOwn(void *ctx, const struct in6_addr *address, bool *is_own, Err *err);

/* NULL: it may be reached. Else why not, as a word for the log: "loopback", "link-local", "own-address", "not-listed", ... */
const char *egress_judge(const EgressPolicy *policy, const struct in6_addr *address, int port, EgressIsOwn *is_own, void *ctx);
