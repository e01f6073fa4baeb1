/* stream.h - bodies that come bit by bit (ReplyStream): while no bytes are there the connection is suspended and the request waits in the park table. */
#pragma once
#include "http/state.h"

struct MHD_Response *stream_response(Request *request);     /* NULL: out of memory */
void stream_resume(Request *request);                       /* from any thread: there may be bytes, or the wait is over */
