/* vault.h - what the commands about vaults as resources share. */
#pragma once
#include "cli/call.h"

#define VAULT_VERSION "2022-07-01"

Shape shape_vault;                                        /* as az does: nothing with --no-wait */
/* GET of the vault of --name. ERR_NOT_FOUND. */
bool vault_get(Cli *cli, Str *url, Answer *answer, Err *err) MUST_CHECK;
/* Member "networkAcls" of a new vault from --default-action, --bypass, --network-acls, --network-acls-ips and --network-acls-vnets; nothing if none is given. */
bool put_new_rules(Cli *cli, JsonWriter *w, Err *err) MUST_CHECK;
/* --resource-type vault|hsm: is it asked for, or all of them? */
bool wants_type(Cli *cli, bool *vaults, bool *hsms, Err *err) MUST_CHECK;
/* Members of properties that are said with true or false: those of `update`, and of `create` too. */
bool put_vault_flags(Cli *cli, JsonWriter *w, bool *any, Err *err) MUST_CHECK;
