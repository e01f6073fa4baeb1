/* dns.h - answering name questions about the site (RFC 1035): its names are the node's loopback, where the relay listens; there are no others. */
#pragma once
#include "base/str.h"

enum { DNS_MESSAGE_MAX = 512, DNS_TTL_S = 60 };                /* over UDP without extensions (RFC 1035 section 4.2.1) */

/* `domains`: lower case; each is ours with all that is below it. Writes the answer to one message and gives its length; 0: the message
 * is no question, so nothing is sent. A and AAAA give 127.0.0.1 and ::1, other types nothing, names that are not ours NXDOMAIN. */
size_t dns_answer(const Str *domains, size_t domain_count, const uint8_t *query, size_t len, uint8_t out[DNS_MESSAGE_MAX]);
