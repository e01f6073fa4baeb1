/* cmd_key.c - what a vault's keys do, and how they come and go: vy keyvault key encrypt, sign, import, download, backup, ...
 *
 * Values are base64 and iv, tag and aad hex on the command line and in results, as in az. */
#include "base/encode.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/run.h"
#include "cli/shape.h"
#include "crypto/bundles/bundle.h"

enum { RANDOM_MAX = 128 };

/* ---- values ---- */

static bool decoded(Cli *cli, const char *option, bool is_hex, Bytes *out, Err *err)
{
    Str text = arg(cli, option);
    Err ignored;
    bool good = is_hex ? hex_decode(cli->arena, text, out, &ignored) : base64_decode(cli->arena, text, out, &ignored);
    if (good || !arena_ok(cli->arena))
        return good || err_too_big(err);
    return cli_usage(cli, err, "%s is no %s", option, is_hex ? "hexadecimal text" : "base64; for plain text give --data-type plaintext where there is such an option");
}

static bool put_hex_arg(Cli *cli, JsonWriter *w, const char *option, const char *name, Err *err)
{
    Bytes bytes;
    if (!arg(cli, option).ptr)
        return true;
    if (!decoded(cli, option, true, &bytes, err))
        return false;
    put_base64url(cli, w, name, bytes);
    return true;
}

/* Member `from` of the answer, base64url, in another writing. */
static void put_result(Cli *cli, const Answer *answer, const char *from, const char *name, bool as_hex)
{
    Bytes bytes;
    Err ignored;
    Str text = json_str(json_get(answer->json, from));
    if (!text.len || !base64url_decode(cli->arena, text, &bytes, &ignored))
        json_put_null(&cli->w, name);
    else
        json_put_str(&cli->w, name, as_hex ? hex_encode(cli->arena, bytes) : base64_encode(cli->arena, bytes));
}

/* POST to an operation of the key, whose newest version is meant unless one is named. */
static bool operate(Cli *cli, const char *operation, Body *body, Answer *answer, Err *err)
{
    Str base, text;
    if (!object_base(cli, "keys", true, &base, err) || !body_end(body, &text, err))
        return false;
    bool has_version = arg(cli, "--version").ptr != NULL;
    if (arg(cli, "--id").ptr) {                           /* https://VAULT/keys/NAME[/VERSION] */
        Str rest = str_slice(base, 8, base.len);
        size_t parts = 0;
        while (rest.ptr)
            parts += !str_empty(str_cut(&rest, '/'));
        has_version = parts > 3;
    }
    return call_service(cli, "POST", to_vault(cli), versioned(cli, base, str_printf(cli->arena, "%s/%s", has_version ? "" : "/", operation).ptr), text, answer, err);
}

/* ---- encrypt, decrypt ---- */

static bool is_plain_text(Cli *cli, bool *out, Err *err)
{
    Str type = arg(cli, "--data-type");
    *out = str_eq(type, STR("plaintext"));
    return !type.ptr || *out || str_eq(type, STR("base64")) || cli_usage(cli, err, "--data-type: '" STR_FMT "' is neither base64 nor plaintext", STR_ARG(type));
}

bool run_key_encrypt(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Bytes value;
    bool is_text;
    if (!is_plain_text(cli, &is_text, err) || (!is_text && !decoded(cli, "--value", false, &value, err)))
        return false;
    if (is_text)
        value = bytes_of(arg(cli, "--value"));
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "alg", arg(cli, "--algorithm"));
    put_base64url(cli, &body.w, "value", value);
    if (!put_hex_arg(cli, &body.w, "--iv", "iv", err) || !put_hex_arg(cli, &body.w, "--aad", "aad", err))
        return false;
    json_close(&body.w);
    if (!operate(cli, "encrypt", &body, &answer, err))
        return false;
    json_open(&cli->w, NULL);
    put_result(cli, &answer, "aad", "aad", true);
    json_put_str(&cli->w, "algorithm", arg(cli, "--algorithm"));
    put_result(cli, &answer, "iv", "iv", true);
    json_put_str(&cli->w, "kid", json_str(json_get(answer.json, "kid")));
    put_result(cli, &answer, "value", "result", false);
    put_result(cli, &answer, "tag", "tag", true);
    json_close(&cli->w);
    return true;
}

bool run_key_decrypt(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Bytes value, plain;
    bool is_text;
    if (!is_plain_text(cli, &is_text, err) || !decoded(cli, "--value", false, &value, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "alg", arg(cli, "--algorithm"));
    put_base64url(cli, &body.w, "value", value);
    if (!put_hex_arg(cli, &body.w, "--iv", "iv", err) || !put_hex_arg(cli, &body.w, "--aad", "aad", err) || !put_hex_arg(cli, &body.w, "--tag", "tag", err))
        return false;
    json_close(&body.w);
    if (!operate(cli, "decrypt", &body, &answer, err) || !base64url_decode(cli->arena, json_str(json_get(answer.json, "value")), &plain, err))
        return false;
    if (is_text && !str_is_utf8(str_of(plain)))
        return err_set(err, ERR_BAD_INPUT, "the decrypted value is no UTF-8 text; leave out --data-type plaintext");
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "algorithm", arg(cli, "--algorithm"));
    json_put_str(&cli->w, "kid", json_str(json_get(answer.json, "kid")));
    json_put_str(&cli->w, "result", is_text ? str_of(plain) : base64_encode(cli->arena, plain));
    json_close(&cli->w);
    return true;
}

/* ---- sign, verify ---- */

static bool sign_or_verify(Cli *cli, bool verifies, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Bytes digest, signature = { 0 };
    if (!decoded(cli, "--digest", false, &digest, err) || (verifies && !decoded(cli, "--signature", false, &signature, err)))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "alg", arg(cli, "--algorithm"));
    put_base64url(cli, &body.w, verifies ? "digest" : "value", digest);
    if (verifies)
        put_base64url(cli, &body.w, "value", signature);
    json_close(&body.w);
    if (!operate(cli, verifies ? "verify" : "sign", &body, &answer, err))
        return false;
    Str base;
    if (!object_base(cli, "keys", true, &base, err))
        return false;
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "algorithm", arg(cli, "--algorithm"));
    if (verifies)
        json_put_bool(&cli->w, "isValid", json_bool(json_get(answer.json, "value"), false));
    json_put_str(&cli->w, "keyId", verifies ? base : json_str(json_get(answer.json, "kid")));
    if (!verifies)
        put_result(cli, &answer, "value", "signature", false);
    json_close(&cli->w);
    return true;
}

bool run_key_sign(Cli *cli, Err *err) { return sign_or_verify(cli, false, err); }
bool run_key_verify(Cli *cli, Err *err) { return sign_or_verify(cli, true, err); }

/* ---- random bytes, the template of a release policy ---- */

bool run_key_random(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    int64_t count;
    Str text, base;
    if (!str_to_int64(arg(cli, "--count"), 1, RANDOM_MAX, &count, &(Err){ 0 }))
        return cli_usage(cli, err, "--count: '" STR_FMT "' is no number of bytes from 1 to %d", STR_ARG(arg(cli, "--count")), RANDOM_MAX);
    if (!vault_of_args(cli, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_int(&body.w, "count", count);
    json_close(&body.w);
    if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_vault(cli), versioned(cli, base, "/rng"), text, &answer, err))
        return false;
    json_open(&cli->w, NULL);
    put_result(cli, &answer, "value", "value", false);
    json_close(&cli->w);
    return true;
}

bool run_key_policy_template(Cli *cli, Err *err)
{
    (void)err;
    json_put_raw(&cli->w, NULL, STR("{\"anyOf\":[{\"allOf\":[{\"claim\":\"<claim name>\",\"equals\":\"<value to match>\"}],\"authority\":\"<issuer>\"}],\"version\":\"1.0.0\"}"));
    return true;
}

/* ---- import ---- */

static bool put_private_key(Cli *cli, JsonWriter *w, Str pem, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    KeyPrivate parts;
    Err why = { 0 };
    Str password = arg(cli, "--pem-password");
    if (!key_from_pem(pem, password, &key, &why))
        return strcmp(why.target, "password") == 0 ? cli_usage(cli, err, "--pem-password: %s", why.text) : err_set(err, ERR_BAD_INPUT, "%s", why.text);
    if (!key_private_parts(cli->arena, key, &parts, err))
        return false;
    const struct { const char *name; Bytes bytes; } members[] = {
        { "n", parts.open.n }, { "e", parts.open.e }, { "x", parts.open.x }, { "y", parts.open.y }, { "d", parts.d }, { "p", parts.p }, { "q", parts.q },
        { "dp", parts.dp }, { "dq", parts.dq }, { "qi", parts.qi },
    };
    json_put_str(w, "kty", parts.open.kind == KEY_RSA ? STR("RSA") : STR("EC"));
    json_put_str(w, "crv", key_curve_name(parts.open.curve));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (members[i].bytes.len)
            put_base64url(cli, w, members[i].name, members[i].bytes);
    key_private_wipe(&parts);
    return arena_ok(cli->arena) || err_too_big(err);
}

static bool put_jwk_file(Cli *cli, JsonWriter *w, Str text, Err *err)
{
    const JsonVal *jwk, *value;
    Str name;
    Err why = { 0 };
    if (!json_parse(cli->arena, text, JSON_STRICT, &jwk, &why) || json_kind(jwk) != JSON_OBJECT)
        return cli_usage(cli, err, "--jwk-file holds no JSON web key%s%s", why.text[0] ? ": " : "", why.text);
    JsonWalk walk = { .object = jwk };
    while (json_walk(&walk, &name, &value))
        if (!str_eq(name, STR("key_ops")) && !str_eq(name, STR("kid")))
            json_put_value_named(w, name, value);
    return true;
}

/* Exactly one of the sources, read. */
static bool read_source(Cli *cli, const char **option, Str *text, Err *err)
{
    static const char *const sources[] = { "--pem-file", "--pem-string", "--byok-file", "--byok-string", "--jwk-file" };
    char *path;
    *option = NULL;
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        if (arg(cli, sources[i]).ptr) {
            if (*option)
                return cli_usage(cli, err, "%s and %s: give one of them", *option, sources[i]);
            *option = sources[i];
        }
    if (!*option)
        return cli_usage(cli, err, "give the key with one of --pem-file, --pem-string, --byok-file, --byok-string and --jwk-file");
    *text = arg(cli, *option);
    if (!str_ends(str_from(*option), STR("-file")))
        return true;
    return (path = str_to_cstr(cli->arena, *text, err)) && read_input(cli, path, text, err);
}

bool run_key_import(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str source, base, protection = arg(cli, "--protection"), kty = arg(cli, "--kty");
    const char *option;
    if (protection.ptr && !str_eq(protection, STR("software")) && !str_eq(protection, STR("hsm")))
        return cli_usage(cli, err, "--protection: '" STR_FMT "' is neither software nor hsm", STR_ARG(protection));
    if (!read_source(cli, &option, &source, err) || !object_base(cli, "keys", false, &base, err))
        return false;
    bool is_byok = str_starts(str_from(option), STR("--byok"));
    if (!is_byok && (kty.ptr || arg(cli, "--curve").ptr))
        return cli_usage(cli, err, "--kty and --curve are for --byok-file and --byok-string; other sources say it themselves");
    body_begin(&body);
    json_open(&body.w, NULL);
    if (is_byok || protection.ptr)
        json_put_bool(&body.w, "Hsm", is_byok || str_eq(protection, STR("hsm")));
    json_open(&body.w, "key");
    if (is_byok) {
        json_put_str(&body.w, "kty", str_printf(cli->arena, STR_FMT "-HSM", STR_ARG(kty.ptr ? kty : STR("RSA"))));
        json_put_str(&body.w, "crv", arg(cli, "--curve"));
        put_base64url(cli, &body.w, "key_hsm", bytes_of(source));
    } else if (strcmp(option, "--jwk-file") == 0 ? !put_jwk_file(cli, &body.w, source, err) : !put_private_key(cli, &body.w, source, err)) {
        return false;
    }
    put_operations(cli, &body.w);
    json_close(&body.w);
    if (!put_key_attributes(cli, &body.w, err) || !put_release_policy(cli, &body.w, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PUT", to_vault(cli), versioned(cli, base, ""), &body, shape_key, err);
}

/* ---- files ---- */

static bool public_of_jwk(Cli *cli, const JsonVal *jwk, KeyRef **key, Err *err)
{
    Str kty = json_str(json_get(jwk, "kty"));
    KeyPublic parts = { .kind = str_starts(kty, STR("EC")) ? KEY_EC : KEY_RSA, .curve = key_curve_parse(json_str(json_get(jwk, "crv"))) };
    const struct { const char *name; Bytes *bytes; } members[] = { { "n", &parts.n }, { "e", &parts.e }, { "x", &parts.x }, { "y", &parts.y } };
    if (!str_starts(kty, STR("EC")) && !str_starts(kty, STR("RSA")))
        return err_set(err, ERR_BAD_INPUT, "a key of type " STR_FMT " has no public half to download", STR_ARG(kty));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (json_get(jwk, members[i].name) && !base64url_decode(cli->arena, json_str(json_get(jwk, members[i].name)), members[i].bytes, err))
            return false;
    return key_from_public(&parts, key, err);
}

bool run_key_download(Cli *cli, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    Answer answer;
    Bytes der;
    Str base;
    bool as_der = false;
    if (!pem_or_der_arg(cli, &as_der, err) || !object_base(cli, "keys", true, &base, err) ||
        !call_service(cli, "GET", to_vault(cli), versioned(cli, base, ""), STR_NONE, &answer, err) ||
        !public_of_jwk(cli, json_get(answer.json, "key"), &key, err) || !key_to_spki(cli->arena, key, &der, err))
        return false;
    Str pem = as_der ? STR_NONE : pem_of_public_key(cli->arena, der);
    return write_new_file(cli, as_der ? der : bytes_of(pem), 0644, false, err);
}
