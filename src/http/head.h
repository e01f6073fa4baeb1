/* head.h - what is decided before a request's body is read: hygiene, host, row, api-version, token, permission, length. */
#pragma once
#include "http/state.h"

/* What is read and dropped of a refused request's body before its answer: the client sees the answer only when it is done sending,
 * and closing with unread bytes would take the answer away from it (RFC 9112 section 9.6). */
enum { DROP_MAX_BYTES = 4 * 1024 * 1024 };

/* true: the row is found and the body may come. false: request->err is the answer. The strings are libmicrohttpd's, in place. */
bool head_take(Request *request, const char *url, const char *method, const char *version);
bool head_ask_again(Request *request);          /* token and permission once more, after a park */
bool head_too_long(Request *request);           /* fails the request: its body is over the limit of its row; always false */
bool request_fail(Request *request, const Err *why);    /* always false */
