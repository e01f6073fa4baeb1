/* role.h - what the commands of role assignments and role definitions share. */
#pragma once
#include "cli/command.h"

Str role_scope_arg(Cli *cli);                             /* --scope, or the group, or the subscription */
Str role_url(Cli *cli, Str scope, Str path);              /* path: "/roleDefinitions/..." of Microsoft.Authorization */
Str role_last_segment(Str id);
