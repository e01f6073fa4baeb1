/* cmd_secret.c - secrets that come and go: download, backup, what was deleted. */
#include "base/encode.h"
#include "cli/batch/shape.h"
#include "cli/keyvault/object.h"
#include "cli/run.h"

enum { PRIVATE_FILE = 0600 };

/* The tag that `az keyvault secret set --file --encoding` leaves. */
static bool decode_value(Cli *cli, const JsonVal *secret, Bytes *out, Err *err)
{
    Str value = json_str(json_get(secret, "value")), given = arg(cli, "--encoding"), encoding = given.ptr ? given : json_str(json_path(secret, "tags.file-encoding"));

    if (!encoding.ptr || str_eq(encoding, STR("utf-8")) || str_eq(encoding, STR("ascii"))) {
        *out = bytes_of(value);
        return true;
    }
    if (str_eq(encoding, STR("base64")))
        return base64_decode(cli->arena, value, out, err) || err_set(err, ERR_BAD_INPUT, "the value of the secret is not base64; --encoding utf-8 writes it as it is");
    if (str_eq(encoding, STR("hex")))
        return hex_decode(cli->arena, value, out, err) || err_set(err, ERR_BAD_INPUT, "the value of the secret is not hexadecimal; --encoding utf-8 writes it as it is");
    return cli_usage(cli, err, "--encoding: '" STR_FMT "' is none of utf-8, ascii, base64, hex", STR_ARG(encoding));
}

bool run_secret_download(Cli *cli, Err *err)
{
    Answer answer;
    Str base;
    Bytes content = { 0 };

    return object_base(cli, "secrets", true, &base, err) && call_service(cli, "GET", to_vault(cli), versioned(cli, base, ""), STR_NONE, &answer, err) &&
           decode_value(cli, answer.json, &content, err) && write_new_file(cli, content.ptr ? content : bytes_of(STR("")), PRIVATE_FILE, err);
}

bool run_secret_backup(Cli *cli, Err *err) { return object_backup(cli, "secrets", err); }
bool run_secret_restore(Cli *cli, Err *err) { return object_restore(cli, "secrets", shape_secret, err); }
bool run_secret_list_deleted(Cli *cli, Err *err) { return object_list(cli, "deletedsecrets", shape_secret, err); }
bool run_secret_show_deleted(Cli *cli, Err *err) { return object_show(cli, "deletedsecrets", shape_secret, err); }
bool run_secret_recover(Cli *cli, Err *err) { return object_recover(cli, "deletedsecrets", shape_secret, err); }
bool run_secret_purge(Cli *cli, Err *err) { return object_purge(cli, "deletedsecrets", err); }
