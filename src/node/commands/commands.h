/* commands.h - what the control plane asks of this node: a parked request, and one table of what each kind of command does. */
#pragma once
#include "node/control.h"

typedef struct Commands Commands;

/* One row, one kind. Either `take`, at once and without a result, or `work`, on a thread of its own, which writes the result that is posted. */
typedef struct CommandKind {
    const char *kind;
    void (*take)(void *ctx, const JsonVal *command);
    void (*work)(void *ctx, Arena *arena, const JsonVal *command, JsonWriter *result);
    int threads_max;
    /* The result when all threads are busy; NULL: no further command is taken until one of them is free. */
    void (*refuse)(JsonWriter *result, const char *why);
} CommandKind;

enum { COMMAND_KINDS_MAX = 16 };

/* Card, table and ctx are borrowed. A command is begun once in the life of a Commands, however often it is given. */
bool commands_start(const NodeCard *card, const CommandKind *kinds, size_t count, void *ctx, Commands **out, Err *err) MUST_CHECK;
void commands_stop(Commands *commands);             /* waits for the threads */
