/* cmdline.h - splitting a task's command line into words.
 *
 * Batch runs a command line without a shell (Batch documentation, "Jobs and tasks": no variables, no patterns, no pipes; write
 * /bin/sh -c "..." for those), so only words and quotes mean something. How they do is not documented; these are the rules that
 * Python's shlex uses, and that every command line of the documentation splits well by:
 *   - words are parted by spaces, tabs and line breaks;
 *   - '...' is taken as it stands; "..." too, but \" and \\ in it are a quote and a backslash;
 *   - outside quotes a backslash takes the next character as it stands. */
#pragma once
#include "base/arena.h"

enum { CMDLINE_WORDS_MAX = 64 * 1024 };

/* *argv ends in NULL and holds at least one word. ERR_BAD_INPUT: no word, an open quote, a backslash at the end, an embedded NUL. */
bool cmdline_split(Arena *arena, Str line, char ***argv, Err *err) MUST_CHECK;
