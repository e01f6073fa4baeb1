/* object.h - what the commands about a vault's objects share. */
#pragma once
#include "cli/call.h"

#define OBJECT_VERSION "7.4"                              /* api-version of the data plane */

Str  vault_base(Cli *cli, Str vault);                     /* "https://VAULT.vault...", no slash behind */
/* The same of the vault that --vault-name or --id (whose path does not matter) names. Reads the profile. */
bool vault_of_args(Cli *cli, Str *base, Err *err) MUST_CHECK;
/* https://VAULT/<collection>/<name>[/<version>] without a query, from --id, or --vault-name, --name and --version. Reads the profile. */
bool object_base(Cli *cli, const char *collection, bool with_version, Str *base, Err *err) MUST_CHECK;
Str  versioned(Cli *cli, Str base, const char *path);     /* base, path and the api-version */
/* Member "attributes" from --enabled or --disabled (whose value means the contrary), --expires, --not-before; nothing if none is given. */
bool put_attributes(Cli *cli, JsonWriter *w, const char *enabled_option, bool means_disabled, bool with_times, Err *err) MUST_CHECK;
/* cmd_key_life.c: --ops as member "key_ops"; member "attributes" of a new key, --exportable too; member "release_policy" from --policy and --immutable. */
void put_operations(Cli *cli, JsonWriter *w);
bool put_key_attributes(Cli *cli, JsonWriter *w, Err *err) MUST_CHECK;
bool put_release_policy(Cli *cli, JsonWriter *w, Err *err) MUST_CHECK;
bool read_policy(Cli *cli, const JsonVal **policy, Err *err) MUST_CHECK;      /* --policy, an object */

/* What is alike for secrets, keys and certificates; collection "keys", "deletedkeys", ... */
/* PATCH of a version, the newest unless one is named: --enabled, --tags; with_times: --expires, --not-before, --content-type. */
bool object_patch(Cli *cli, const char *collection, bool with_times, Shape *shape, Err *err) MUST_CHECK;
bool object_show(Cli *cli, const char *collection, Shape *shape, Err *err) MUST_CHECK;
bool object_list(Cli *cli, const char *collection, Shape *shape, Err *err) MUST_CHECK;        /* --maxresults of them; of managed ones only with --include-managed, where there is that */
bool object_versions(Cli *cli, const char *collection, Shape *shape, Err *err) MUST_CHECK;
bool object_delete(Cli *cli, const char *collection, Shape *shape, Err *err) MUST_CHECK;
bool object_recover(Cli *cli, const char *collection, Shape *shape, Err *err) MUST_CHECK;
bool object_purge(Cli *cli, const char *collection, Err *err) MUST_CHECK;
bool object_backup(Cli *cli, const char *collection, Err *err) MUST_CHECK;                    /* into --file */
bool object_restore(Cli *cli, const char *collection, Shape *shape, Err *err) MUST_CHECK;     /* from --file into the vault */
/* --file, which must not be there yet; replaces: it may. */
bool write_new_file(Cli *cli, Bytes content, unsigned mode, bool replaces, Err *err) MUST_CHECK;
bool pem_or_der_arg(Cli *cli, bool *as_der, Err *err) MUST_CHECK;           /* --encoding: PEM, unless it says DER */
void put_base64url(Cli *cli, JsonWriter *w, const char *name, Bytes bytes);
