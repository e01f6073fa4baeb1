/* fuzz_rule.c - a rule that was read opens its own network's first address, and has no bits beyond its network. */
#include <stdlib.h>
#include "egress/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool never_own(void *ctx, const struct in6_addr *address, bool *own, Err *err) { (void)ctx, (void)address, (void)err; *own = false; return true; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    EgressPolicy policy = { .mode = EGRESS_RULES, .rule_count = 1 };
    Err err = { 0 };
    if (!egress_rule_read((Str){ (const char *)data, size }, &policy.rules[0], &err))
        return err.code != ERR_BAD_INPUT ? abort(), 0 : 0;
    const EgressRule *rule = &policy.rules[0];
    if (rule->bits < 0 || rule->bits > 128 || rule->port < 0 || rule->port > 65535)
        abort();
    if (rule->bits == 128 && egress_judge(&policy, &rule->network, rule->port ? rule->port : 1, never_own, NULL) && rule->network.s6_addr[0] != 0 && rule->network.s6_addr[0] != 0x20)
        abort();
    return 0;
}
