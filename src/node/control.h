/* control.h - the node's side of docs/node-protocol.md: who we are and calls to the control plane. */
#pragma once
#include "http/client.h"
#include "json/write.h"
#include "node/places.h"

typedef struct NodeCard {
    const NodePlaces *places;           /* borrowed */
    Str node_id, host_name, join_token, domain;
    int port;
    char *socket, *ca_file;
} NodeCard;
bool node_card_read(Arena *arena, const NodePlaces *places, NodeCard *out, Err *err) MUST_CHECK;      /* the join document */

/* Calls over one connection; one thread at a time. The credential is shared by all Controls of the process. */
typedef struct Control Control;
bool control_new(const NodeCard *card, Control **out, Err *err) MUST_CHECK;
void control_free(Control *control);
/* POSTs body, or GETs when body is absent. true: an answer with status 2xx; else the server's reason: ERR_UNAUTHENTICATED
 * when the credential is no longer valid, ERR_BAD_INPUT with the body in *answer for 400, ERR_NOT_FOUND for 404, ERR_UNAVAILABLE otherwise. */
bool control_call(Control *control, Arena *arena, Str path, Str body, int timeout_ms, HttpAnswer *answer, Err *err) MUST_CHECK;

void control_cancel(Control *control);                       /* from another thread: ends the call under way */

/* Loads the stored credential, or joins with the one-use token and stores what it gets. */
bool control_join(Control *control, const NodeCard *card, Err *err) MUST_CHECK;
bool control_load(const NodeCard *card, Err *err) MUST_CHECK;         /* the stored credential; ERR_NOT_FOUND: the node has not joined yet */
