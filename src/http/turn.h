/* turn.h - computing on an event loop, for WHERE_COMPUTE routes: a thread switch there and back costs more than what is computed for.
 *
 * A loop computes at once as long as that was short of late; beyond, requests wait with their connection suspended and have their turn one by
 * one, each in another round of the loop, so whatever arrived meanwhile is answered between two of them. When others wait already and a core
 * has nothing to do, a worker computes instead. All calls: on the loop's own thread. */
#pragma once
#include "http/state.h"

typedef enum TurnAnswer { TURN_NOW, TURN_WAITS, TURN_WORKER } TurnAnswer;

TurnAnswer turn_ask(const Request *request);    /* WAITS: suspend it, then turn_wait */
void turn_wait(Request *request);               /* it is resumed when its turn comes */
void turn_begin(Request *request);              /* it computes now, called or not */
void turn_end(Request *request);                /* it is done; the next one is called */
void turn_leave(Request *request);              /* it will not compute: its client is gone */
