/* resolver.h - the node's name server, on 127.0.0.1 port 53: a node has no way out, and the site's names lead to the relay.
 *
 * Names below "localhost" are the system's own matter (nss-myhostname); this is for sites that are called something else, and for
 * parts that have names of their own (docs/names.md). */
#pragma once
#include "json/read.h"

typedef struct Resolver Resolver;

bool resolver_start(int port, Resolver **out, Err *err) MUST_CHECK;      /* port: 53; another one in tests */
void resolver_stop(Resolver *resolver);                                   /* NULL is fine */
/* An array of domains, copied; what is none is passed over. Absent: the ones before stay. */
void resolver_set_domains(Resolver *resolver, const JsonVal *domains);
