/* request.h - the life of one request: libmicrohttpd's callbacks on one side, the named steps on the other. */
#pragma once
#include "http/state.h"

/* libmicrohttpd: the request line was read; the answer is the request's context. cls: IoLoop. */
void *request_begin(void *cls, const char *uri, struct MHD_Connection *connection);
/* libmicrohttpd: head read, part of the body read, body complete, or resumed. */
enum MHD_Result request_advance(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                const char *upload, size_t *upload_size, void **context);
/* libmicrohttpd: the answer was sent, or the connection broke. */
void request_end(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how);

/* From now on what would wait for its turn to compute is answered 503. */
void request_refuse_all(HttpServer *server);

/* Worker pool: run the handler of a suspended request, or answer 503 because the server stops. */
void request_run(Request *request);
void request_refuse_stopping(Request *request);
/* Park table: a parked request is to run again. */
void request_resume(Request *request);
