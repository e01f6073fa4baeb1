/* reply.h - from a handler's result to bytes for the client. */
#pragma once
#include "http/state.h"

void reply_begin(Request *request);             /* empties the reply, for a first or another run */
void reply_done(Reply *reply);                  /* frees what it holds */

/* Audit, error body, plane's headers: afterwards request->reply is what the client gets. */
void reply_finish(Request *request);

/* Gives the finished reply to libmicrohttpd; MHD_NO closes the connection without an answer. Only on its event loop. */
enum MHD_Result reply_send(Request *request);
