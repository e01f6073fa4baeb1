/* password.h - passwords from the terminal (/dev/tty) with echo off.
 *
 * Standard input and the argument list are never read. What was typed ahead of the question does not count. A signal that
 * ends or stops the program first gives the terminal its echo back; after a stop the question is asked again. */
#pragma once
#include "base/secret.h"

enum { PASSWORD_BYTES_MAX = 512 };

/* The answer is UTF-8 without its line end and may be empty. ERR_BAD_INPUT: there is no terminal, the answer is too long or
 * no UTF-8, or the input ended. */
bool password_ask(const char *question, Secret **out, Err *err) MUST_CHECK;

/* A new password: asked twice. Answers that differ are asked for again; ERR_BAD_INPUT after the third time. */
bool password_ask_new(const char *question, const char *repeat, Secret **out, Err *err) MUST_CHECK;
