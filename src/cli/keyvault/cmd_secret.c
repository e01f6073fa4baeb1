/* cmd_secret.c - secrets: vy keyvault secret set, show, download, ... */
#include "base/encode.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/run.h"
#include "cli/shape.h"

enum { PRIVATE_FILE = 0600, BASE64_LINE = 76 };

/* ---- encodings ---- */

/* As az has them: a text encoding is that of the text which the file holds as UTF-8, so it only says which characters may be in it;
 * base64 and hex are made of the file's bytes, and undone by download. The tag file-encoding keeps which it was. */
typedef enum Encoding { ENCODING_TEXT = 1, ENCODING_ASCII, ENCODING_BASE64, ENCODING_HEX } Encoding;
static const struct { const char *name; Encoding encoding; } encodings[] = {
    { "utf-8", ENCODING_TEXT }, { "utf-16le", ENCODING_TEXT }, { "utf-16be", ENCODING_TEXT }, { "ascii", ENCODING_ASCII }, { "base64", ENCODING_BASE64 }, { "hex", ENCODING_HEX },
};

static bool encoding_find(Str name, Encoding *out)
{
    for (size_t i = 0; i < COUNT_OF(encodings); i++)
        if (str_eq_nocase(name, str_from(encodings[i].name))) {
            *out = encodings[i].encoding;
            return true;
        }
    return false;
}

static bool encoding_arg(Cli *cli, Encoding *out, Err *err)
{
    Str name = arg(cli, "--encoding");
    return encoding_find(name, out) || cli_usage(cli, err, "--encoding: '" STR_FMT "' is none of utf-8, utf-16le, utf-16be, ascii, base64, hex", STR_ARG(name));
}

/* Lines as Python's base64.encodebytes ends them. */
static Str base64_lines(Cli *cli, Bytes bytes)
{
    Str all = base64_encode(cli->arena, bytes);
    size_t lines = (all.len + BASE64_LINE - 1) / BASE64_LINE, used = 0;
    char *text = arena_alloc(cli->arena, all.len + lines + 1);
    if (!text || !all.ptr)
        return STR_NONE;
    for (size_t at = 0; at < all.len; at += BASE64_LINE) {
        Str line = str_slice(all, at, at + BASE64_LINE);
        memcpy(text + used, line.ptr, line.len);
        used += line.len;
        text[used++] = '\n';
    }
    return (Str){ text, used };
}

static bool encode_file(Cli *cli, Encoding encoding, Str content, Str *value, Err *err)
{
    *value = encoding == ENCODING_BASE64 ? base64_lines(cli, bytes_of(content)) : encoding == ENCODING_HEX ? hex_encode(cli->arena, bytes_of(content)) : content;
    if (!value->ptr)
        return err_too_big(err);
    if (!str_is_utf8(*value) || memchr(value->ptr, '\0', value->len))
        return cli_usage(cli, err, "the value of a secret is text; this input is not UTF-8 (give --encoding base64, and download writes the same bytes again)");
    for (size_t i = 0; encoding == ENCODING_ASCII && i < value->len; i++)
        if ((unsigned char)value->ptr[i] >= 0x80)
            return cli_usage(cli, err, "--encoding ascii: the input has characters that are not ASCII");
    return true;
}

static bool decode_value(Cli *cli, const JsonVal *secret, Bytes *out, Err *err)
{
    Str value = json_str(json_get(secret, "value")), tag = json_str(json_path(secret, "tags.file-encoding"));
    Encoding encoding = ENCODING_TEXT;
    if (arg(cli, "--encoding").ptr ? !encoding_arg(cli, &encoding, err) : tag.ptr && !encoding_find(tag, &encoding))
        return arg(cli, "--encoding").ptr ? false : cli_usage(cli, err, "the tag file-encoding of the secret is '" STR_FMT "', which is none we know; say which with --encoding", STR_ARG(tag));
    if (encoding == ENCODING_BASE64)
        return base64_decode(cli->arena, value, out, err) || err_set(err, ERR_BAD_INPUT, "the value of the secret is not base64; --encoding utf-8 writes it as it is");
    if (encoding == ENCODING_HEX)
        return hex_decode(cli->arena, value, out, err) || err_set(err, ERR_BAD_INPUT, "the value of the secret is not hexadecimal; --encoding utf-8 writes it as it is");
    *out = bytes_of(value);
    return true;
}

/* ---- set ---- */

static bool secret_value(Cli *cli, Str *value, Err *err)
{
    Str file = arg(cli, "--file"), given = arg(cli, "--value"), content;
    Encoding encoding = ENCODING_TEXT;
    char *path;

    if ((file.ptr != NULL) == (given.ptr != NULL))
        return cli_usage(cli, err, "give either --value or --file ('-' reads standard input)");
    if (arg(cli, "--encoding").ptr && !encoding_arg(cli, &encoding, err))
        return false;
    if (given.ptr && !str_eq(given, STR("-"))) {
        if (encoding == ENCODING_BASE64 || encoding == ENCODING_HEX)
            return cli_usage(cli, err, "--encoding base64 and hex are of a --file; a --value is text");
        return encode_file(cli, encoding, given, value, err);
    }
    if (!(path = str_to_cstr(cli->arena, file.ptr ? file : given, err)))
        return false;
    if (!read_input(cli, path, &content, err))
        return err->code == ERR_NOT_FOUND ? cli_usage(cli, err, "--file: there is no file %s", path) : false;
    return encode_file(cli, encoding, content, value, err);
}

/* The tags that are given, and always file-encoding, as az leaves it. */
static bool put_secret_tags(Cli *cli, JsonWriter *w, Err *err)
{
    Str encoding = arg(cli, "--encoding");
    return put_tags_and(cli, w, "file-encoding", encoding.ptr ? str_lower(cli->arena, encoding) : STR("utf-8"), err);
}

bool run_secret_set(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str base, value, type = arg(cli, "--content-type");

    if (!secret_value(cli, &value, err) || !object_base(cli, "secrets", false, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "value", value);
    json_put_str(&body.w, "contentType", type);
    if (!put_attributes(cli, &body.w, "--disabled", true, true, err) || !put_secret_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PUT", to_vault(cli), versioned(cli, base, ""), &body, shape_secret, err);
}

bool run_secret_download(Cli *cli, Err *err)
{
    Answer answer;
    Str base;
    Bytes content = { 0 };

    return object_base(cli, "secrets", true, &base, err) && call_service(cli, "GET", to_vault(cli), versioned(cli, base, ""), STR_NONE, &answer, err) &&
           decode_value(cli, answer.json, &content, err) &&
           write_new_file(cli, content.ptr ? content : bytes_of(STR("")), PRIVATE_FILE, arg_flag(cli, "--overwrite"), err);
}

bool run_secret_show(Cli *cli, Err *err) { return object_show(cli, "secrets", shape_secret, err); }
bool run_secret_list(Cli *cli, Err *err) { return object_list(cli, "secrets", shape_secret, err); }
bool run_secret_versions(Cli *cli, Err *err) { return object_versions(cli, "secrets", shape_secret, err); }
bool run_secret_attributes(Cli *cli, Err *err) { return object_patch(cli, "secrets", true, shape_secret, err); }
bool run_secret_delete(Cli *cli, Err *err) { return object_delete(cli, "secrets", shape_secret, err); }
bool run_secret_backup(Cli *cli, Err *err) { return object_backup(cli, "secrets", err); }
bool run_secret_restore(Cli *cli, Err *err) { return object_restore(cli, "secrets", shape_secret, err); }
bool run_secret_list_deleted(Cli *cli, Err *err) { return object_list(cli, "deletedsecrets", shape_secret, err); }
bool run_secret_show_deleted(Cli *cli, Err *err) { return object_show(cli, "deletedsecrets", shape_secret, err); }
bool run_secret_recover(Cli *cli, Err *err) { return object_recover(cli, "deletedsecrets", shape_secret, err); }
bool run_secret_purge(Cli *cli, Err *err) { return object_purge(cli, "deletedsecrets", err); }
