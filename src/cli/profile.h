/* profile.h - where the server is and who asks: VY_ADMIN=DIR/admin.json, or what `vy login` stored.
 *
 * Stored files lie in VY_CONFIG_DIR, else ~/.vaultyard (0700): profile.json and tokens.json, both 0600, replaced atomically. */
#pragma once
#include "cli/command.h"

bool cli_profile(Cli *cli, Err *err) MUST_CHECK;                     /* loads it once; says how to sign in when there is none */
bool profile_read(Arena *arena, const char *path, Profile *out, Err *err) MUST_CHECK;
bool profile_store(Arena *arena, const Profile *profile, Err *err) MUST_CHECK;
bool profile_forget(Arena *arena, Err *err) MUST_CHECK;              /* profile and tokens; fine if there are none */
bool profile_path(Arena *arena, const char *name, char **out, Err *err) MUST_CHECK;     /* of a file in the configuration directory */

/* A token for this audience, from the cache or the server. It lies in cli->arena. `fresh`: not from the cache. */
bool cli_token(Cli *cli, Str resource, bool fresh, Str *token, Err *err) MUST_CHECK;
