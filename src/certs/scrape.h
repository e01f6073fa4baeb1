/* scrape.h - the metrics over HTTP, for a Prometheus that collects them itself: GET /metrics on an address of its own.
 *
 * It lives on the agent's one thread: one descriptor to wait for, no timer while nobody is connected, and no call that blocks, so a client
 * that reads slowly or says nothing delays nobody else. HTTP/1.1 (RFC 9112), one request a connection, one path, nothing to sign in with: what
 * it tells is what the text file tells. */
#pragma once
#include <sys/socket.h>
#include "base/buf.h"

enum { SCRAPE_HEAD_MAX = 4096, SCRAPE_CLIENTS_MAX = 8, SCRAPE_CLIENT_MS = 5000 };

/* "127.0.0.1:9477", "[::1]:9477" (port 0: any free one) or "unix:/run/certs.sock". ERR_BAD_INPUT says what is wrong with it. */
typedef struct ScrapeAddress { struct sockaddr_storage to; socklen_t len; } ScrapeAddress;
bool scrape_address(Str listen, ScrapeAddress *out, Err *err) MUST_CHECK;

typedef struct Scrape Scrape;
typedef void ScrapeText(void *ctx, Buf *text);                  /* writes the metrics as they are now */

/* ERR_CONFLICT: the address is taken; ERR_UNAVAILABLE: it cannot be used. A socket file that nobody listens on any more is replaced. */
bool scrape_new(Str listen, Scrape **out, Err *err) MUST_CHECK;
void scrape_free(Scrape *scrape);                               /* and the socket file */
const char *scrape_where(const Scrape *scrape);                 /* the address, with the port that it got */
int  scrape_fd(const Scrape *scrape);                           /* wait for POLLIN */
/* Answers when it has to be called again at the latest: mono ms, INT64_MAX while nobody is connected. */
int64_t scrape_step(Scrape *scrape, ScrapeText *text, void *ctx);

/* What has come of a request: 0 not whole yet, 200 it asks for the metrics, or the status that refuses it. */
int scrape_judge(Str received);
