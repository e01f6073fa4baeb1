/* file_agent_do.c - a file command done by the node's own code, whose names differ in meaning from those of batch/. */
#include "node/commands/files.h"

void file_agent_do(Arena *arena, const char *root, const JsonVal *command, JsonWriter *w);
void file_agent_do(Arena *arena, const char *root, const JsonVal *command, JsonWriter *w)
{
    FileAsk ask;
    FileAnswer answer = { .error = "InvalidPath" };
    Err err = { 0 };
    if (files_ask_read(command, &ask, &err))
        files_do(arena, root, &ask, &answer);
    files_answer_write(arena, &answer, w);
}
