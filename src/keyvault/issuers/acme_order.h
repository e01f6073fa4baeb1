/* acme_order.h - an operation of a certificate whose issuer is an ACME server, as background work in steps.
 *
 * Each run asks how the order stands, does what can be done, and says when to look again; what must not be forgotten (order, answers to challenges)
 * is stored before it is relied on, so a server that is killed goes on where it was. What the authority refuses ends the operation; what may
 * mend itself (no answer, a failing hook, a rate limit) is tried again, seen in the operation's status_details, for ORDER_LIFE. */
#pragma once
#include "keyvault/keyvault.h"

#define WORK_ORDER "certificate.order"      /* key as of WORK_ISSUE; real time */
RunnerFn acme_order_run;
