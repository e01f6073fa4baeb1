/* tls.h - certificates by the name a client asks for (SNI), and session tickets.
 *
 * TLS 1.2 and 1.3 with AEAD suites only. A leaf is made for a name some plane says exists, kept in a bounded cache, renewed at its
 * time, and held by each connection that was given it until that connection ends, so none is freed under a handshake. */
#pragma once
#include <gnutls/abstract.h>
#include "http/match.h"

typedef struct TlsNames TlsNames;
typedef struct TlsGrip TlsGrip;         /* one connection's hold on its leaf */

extern const char tls_priorities[];     /* for MHD_OPTION_HTTPS_PRIORITIES */

bool tls_names_new(const HttpConfig *config, const RouteTable *table, TlsNames **out, Err *err) MUST_CHECK;   /* both outlive it */
void tls_names_free(TlsNames *names);   /* after all connections ended */
void tls_names_drop(TlsNames *names, Str name);

/* Before the handshake of a session: tickets, and where tls_choose_leaf finds names. NULL: out of memory, the handshake will fail. */
TlsGrip *tls_grip_new(TlsNames *names, gnutls_session_t session);
void tls_grip_free(TlsGrip *grip);

/* gnutls_certificate_retrieve_function2. An unknown name is answered by the alert unrecognized_name (RFC 6066 section 3). */
int tls_choose_leaf(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count, const gnutls_pk_algorithm_t *algorithms,
                    int algorithm_count, gnutls_pcert_st **chain, unsigned int *chain_length, gnutls_privkey_t *key);
