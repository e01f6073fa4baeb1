/* keyfile.h - reading a .pvk that the command line names, its password included. */
#pragma once
#include "cli/command.h"
#include "crypto/keys/key.h"

/* `given`: the password, as far as the command line has one; absent: asked for on the terminal if the file needs one.
 * *password is the one that was used, empty for a plain file; the caller's to free. */
bool keyfile_read(Cli *cli, const char *path, Str given, KeyRef **key, Secret **password, Err *err) MUST_CHECK;

bool keyfile_same(const char *a, const char *b);         /* two names of one file, be it there or not */
