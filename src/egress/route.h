/* route.h - whether an address is this machine's own, as the kernel's routes say. */
#pragma once
#include "egress/policy.h"

/* An EgressIsOwn. Addresses that are routed to this machine or broadcast by it count as its own. ERR_UNAVAILABLE when no route leads there. */
bool route_is_own(void *ctx, const struct in6_addr *address, bool *is_own, Err *err) MUST_CHECK;
