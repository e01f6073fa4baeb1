/* tool.h - the openssl command as a second opinion, in a temporary folder of the test's own. */
#pragma once
#include "base/arena.h"

const char *tool_folder(void);                                   /* made at first use, removed when the process ends */
void  tool_write(const char *name, Bytes content);               /* a file in it */
Bytes tool_read(Arena *arena, const char *name);                 /* fails the test when it is not there */

/* Runs "openssl <args>" in the folder; true if it exits with 0. *out, if wanted, is what it printed, errors too. */
bool  tool_openssl(Arena *arena, Str *out, const char *args, ...) FORMAT(3, 4);

/* Runs `claim` in a child whose OpenSSL finds no provider modules; true if it answered true. Only before the first use of them. */
bool  tool_without_modules(bool (*claim)(void));
