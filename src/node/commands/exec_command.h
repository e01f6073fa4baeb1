/* exec_command.h - the command "exec": one program as the node's root, its streams and exit code as the result. */
#pragma once
#include "json/write.h"

enum { EXECS_MAX = 16 };

void exec_command_work(void *ctx, Arena *arena, const JsonVal *command, JsonWriter *result);       /* rows of CommandKind */
void exec_command_refuse(JsonWriter *result, const char *why);
