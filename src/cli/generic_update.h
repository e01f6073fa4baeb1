/* generic_update.h - --set, --add and --remove: changes of any part of a resource by its path, as az has them.
 *
 * A path is names with dots between them; [index] and [name=value] pick items of lists:
 * properties.accessPolicies[objectId=...].permissions.keys. A name may be written in snake_case, too. */
#pragma once
#include "cli/command.h"

#define OPT_GENERIC_UPDATE \
    { "--set", "PATH=VALUE", OPT_LIST | OPT_REPEATS, "Set a property by its path to a value, JSON or text." }, \
    { "--add", "PATH VALUE|NAME=VALUE", OPT_LIST | OPT_REPEATS, "Add to a list: values, or objects of names and values." }, \
    { "--remove", "PATH [INDEX]", OPT_LIST | OPT_REPEATS, "Remove a property, or an item of a list." }, \
    { "--force-string", NULL, 0, "Values of --set and --add are text, even if they look like JSON." }

bool generic_update_is_given(const Cli *cli);
/* Applies all of them in the order in which they were given. ERR_BAD_INPUT and cli->is_usage: a path that leads nowhere, or a value that does not fit. */
bool generic_update(Cli *cli, const JsonVal **tree, Err *err) MUST_CHECK;
/* One --set with a value that is JSON. */
bool generic_update_set(Cli *cli, const JsonVal **tree, const char *path, Str json, Err *err) MUST_CHECK;
