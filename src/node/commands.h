/* commands.h - what the control plane asks of this node, waited for on a parked request. */
#pragma once
#include "node/control.h"

typedef struct Commands Commands;

/* `asked` is called on the thread of the commands for "refresh" and "stop". The card is borrowed. */
typedef void CommandFn(void *ctx, Str kind);
bool commands_start(const NodeCard *card, CommandFn *asked, void *ctx, Commands **out, Err *err) MUST_CHECK;
void commands_stop(Commands *commands);
