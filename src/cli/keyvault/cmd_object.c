/* cmd_object.c - secrets, certificates and keys of a vault, through its data plane. */
#include <unistd.h>
#include "base/encode.h"
#include "base/secret.h"
#include "cli/batch/shape.h"
#include "cli/keyvault/object.h"
#include "cli/profile.h"
#include "cli/run.h"

enum { POLL_FIRST_MS = 100, POLL_MOST_MS = 2000, TELL_AFTER_MS = 1000 };

/* ---- which object ---- */

Str vault_base(Cli *cli, Str vault)
{
    return str_printf(cli->arena, "https://" STR_FMT "." STR_FMT, STR_ARG(str_lower(cli->arena, vault)), STR_ARG(cli->profile.vault_suffix));
}

static bool vault_name_check(Cli *cli, Str vault, Err *err)
{
    for (size_t i = 0; i < vault.len; i++) {
        char c = vault.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'))
            return cli_usage(cli, err, "--vault-name: '" STR_FMT "' is no vault name; give the name alone, without domain", STR_ARG(vault));
    }
    return vault.len > 0 ? true : cli_usage(cli, err, "--vault-name is empty");
}

/* Tokens of this vault go to this site's vaults only, whatever an id says. */
static bool id_check(Cli *cli, Str id, const char *collection, Err *err)
{
    Str rest = id, suffix = cli->profile.vault_suffix;
    size_t at;

    if (!str_starts_nocase(rest, STR("https://")) || !str_find(str_slice(rest, 8, rest.len), STR("/"), &at))
        return cli_usage(cli, err, "--id: '" STR_FMT "' is not of the form https://VAULT/%s/NAME[/VERSION]", STR_ARG(id), collection);
    if (!host_is_below(str_slice(rest, 8, 8 + at), suffix))
        return cli_usage(cli, err, "--id: '" STR_FMT "' is not in a vault of this site (names end in ." STR_FMT ")", STR_ARG(id), STR_ARG(suffix));
    rest = str_slice(rest, 8 + at + 1, rest.len);
    if (!str_eq_nocase(str_cut(&rest, '/'), str_from(collection)) || str_empty(rest))
        return cli_usage(cli, err, "--id: '" STR_FMT "' names nothing in '%s'", STR_ARG(id), collection);
    return true;
}

bool object_base(Cli *cli, const char *collection, bool with_version, Str *base, Err *err)
{
    Str id = arg(cli, "--id"), vault = arg(cli, "--vault-name"), name = arg(cli, "--name"), version = with_version ? arg(cli, "--version") : STR_NONE;

    if (!id.ptr && (!vault.ptr || !name.ptr))
        return cli_usage(cli, err, "the following arguments are required: --vault-name and --name (or --id)");
    if ((!id.ptr && !vault_name_check(cli, vault, err)) || !cli_profile(cli, err))
        return false;
    if (id.ptr) {
        *base = id;
        return id_check(cli, id, collection, err);
    }
    *base = str_printf(cli->arena, STR_FMT "/%s/" STR_FMT "%s" STR_FMT, STR_ARG(vault_base(cli, vault)), collection, STR_ARG(percent_encode(cli->arena, name)),
                       version.ptr ? "/" : "", STR_ARG(percent_encode(cli->arena, version.ptr ? version : STR(""))));
    return true;
}

Str versioned(Cli *cli, Str base, const char *path)
{
    return str_printf(cli->arena, STR_FMT "%s?api-version=" OBJECT_VERSION, STR_ARG(base), path);
}

/* ---- what all three kinds do alike ---- */

bool object_show(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    Str base;

    if (!object_base(cli, collection, true, &base, err))
        return false;
    return call_shown(cli, "GET", to_vault(cli), versioned(cli, base, ""), STR_NONE, shape, err);
}

bool object_list(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    Str vault = arg(cli, "--vault-name");

    if (!vault_name_check(cli, vault, err) || !cli_profile(cli, err))
        return false;
    return call_list(cli, to_vault(cli), str_printf(cli->arena, STR_FMT "/%s%capi-version=" OBJECT_VERSION "&maxresults=25", STR_ARG(vault_base(cli, vault)), collection,
                                                    strchr(collection, '?') ? '&' : '?'), shape, err);
}

static bool list_versions(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    Str base;
    return object_base(cli, collection, false, &base, err) && call_list(cli, to_vault(cli), versioned(cli, base, "/versions"), shape, err);
}

static bool delete_object(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    Str base;

    if (!object_base(cli, collection, false, &base, err))
        return false;
    return call_shown(cli, "DELETE", to_vault(cli), versioned(cli, base, ""), STR_NONE, shape, err);
}

bool put_attributes(Cli *cli, JsonWriter *w, const char *enabled_option, bool means_disabled, bool with_times, Err *err)
{
    bool enabled;
    int64_t seconds;

    if (!arg(cli, enabled_option).ptr && !arg_flag(cli, enabled_option) && !(with_times && (arg(cli, "--expires").ptr || arg(cli, "--not-before").ptr)))
        return true;
    json_open(w, "attributes");
    if (arg(cli, enabled_option).ptr || arg_flag(cli, enabled_option)) {
        if (!bool_arg(cli, enabled_option, &enabled, err))
            return false;
        json_put_bool(w, "enabled", enabled != means_disabled);
    }
    if (with_times && arg(cli, "--expires").ptr) {
        if (!time_arg(cli, "--expires", &seconds, err))
            return false;
        json_put_int(w, "exp", seconds);
    }
    if (with_times && arg(cli, "--not-before").ptr) {
        if (!time_arg(cli, "--not-before", &seconds, err))
            return false;
        json_put_int(w, "nbf", seconds);
    }
    json_close(w);
    return true;
}

/* ---- secrets ---- */

static bool secret_value(Cli *cli, Str *value, Err *err)
{
    Str file = arg(cli, "--file"), given = arg(cli, "--value");
    char *path;

    if ((file.ptr != NULL) == (given.ptr != NULL))
        return cli_usage(cli, err, "give either --value or --file ('-' reads standard input)");
    if (given.ptr && !str_eq(given, STR("-"))) {
        *value = given;
        return true;
    }
    if (!(path = str_to_cstr(cli->arena, file.ptr ? file : given, err)))
        return false;
    if (!read_input(cli, path, value, err))
        return err->code == ERR_NOT_FOUND ? cli_usage(cli, err, "--file: there is no file %s", path) : false;
    return str_is_utf8(*value) ? true : cli_usage(cli, err, "the value of a secret is text; this input is not UTF-8 (encode it, for example with base64, and say so with --content-type)");
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
    if (!put_attributes(cli, &body.w, "--disabled", true, true, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PUT", to_vault(cli), versioned(cli, base, ""), &body, shape_secret, err);
}

static bool patch_attributes(Cli *cli, const char *collection, bool with_times, Shape *shape, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *tags;
    Str base, type = with_times ? arg(cli, "--content-type") : STR_NONE;
    bool has_times = with_times && (arg(cli, "--expires").ptr || arg(cli, "--not-before").ptr);

    if (!type.ptr && !arg(cli, "--enabled").ptr && !has_times && arg_list(cli, "--tags", &tags) == 0)
        return cli_usage(cli, err, "give what to change: --enabled, --tags%s", with_times ? ", --expires, --not-before or --content-type" : "");
    if (!object_base(cli, collection, true, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "contentType", type);
    if (!put_attributes(cli, &body.w, "--enabled", false, with_times, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PATCH", to_vault(cli), versioned(cli, base, arg(cli, "--version").ptr || arg(cli, "--id").ptr ? "" : "/"), &body, shape, err);
}

bool run_secret_show(Cli *cli, Err *err) { return object_show(cli, "secrets", shape_secret, err); }
bool run_secret_list(Cli *cli, Err *err) { return object_list(cli, "secrets", shape_secret, err); }
bool run_secret_versions(Cli *cli, Err *err) { return list_versions(cli, "secrets", shape_secret, err); }
bool run_secret_attributes(Cli *cli, Err *err) { return patch_attributes(cli, "secrets", true, shape_secret, err); }
bool run_secret_delete(Cli *cli, Err *err) { return delete_object(cli, "secrets", shape_secret, err); }

/* ---- certificates ---- */

bool run_certificate_default_policy(Cli *cli, Err *err)
{
    /* What az prints, so that `vy keyvault certificate create -p "$(vy keyvault certificate get-default-policy)"` works alike. */
    static const char policy[] =
        "{\"issuerParameters\":{\"certificateTransparency\":null,\"name\":\"Self\"},"
        "\"keyProperties\":{\"curve\":null,\"exportable\":true,\"keySize\":2048,\"keyType\":\"RSA\",\"reuseKey\":true},"
        "\"lifetimeActions\":[{\"action\":{\"actionType\":\"AutoRenew\"},\"trigger\":{\"daysBeforeExpiry\":90}}],"
        "\"secretProperties\":{\"contentType\":\"application/x-pkcs12\"},"
        "\"x509CertificateProperties\":{\"keyUsage\":[\"cRLSign\",\"dataEncipherment\",\"digitalSignature\",\"keyEncipherment\",\"keyAgreement\",\"keyCertSign\"],"
        "\"subject\":\"CN=CLIGetDefaultPolicy\",\"validityInMonths\":12}}";

    (void)err;
    json_put_raw(&cli->w, NULL, ((Str){ policy, sizeof policy - 1 }));
    return true;
}

bool read_policy(Cli *cli, const JsonVal **policy, Err *err)
{
    Err inner = { 0 };
    Str text;

    if (!text_arg(cli, "--policy", &text, err))
        return false;
    if (!json_parse(cli->arena, text, JSON_STRICT, policy, &inner) || json_kind(*policy) != JSON_OBJECT)
        return cli_usage(cli, err, "--policy is no JSON object%s%s; `vy keyvault certificate get-default-policy` prints one to start from", inner.text[0] ? ": " : "", inner.text);
    return true;
}

/* Waits for the operation to end, as az does, and says on a terminal what it waits for. */
static bool pending_end(Cli *cli, Str base, const JsonVal **operation, Err *err)
{
    int64_t wait_ms = POLL_FIRST_MS, waited_ms = 0;
    Str told = STR_NONE;

    while (str_eq(json_str(json_get(*operation, "status")), STR("inProgress"))) {
        Answer answer;
        Str details = json_str(json_get(*operation, "status_details"));
        if (waited_ms >= TELL_AFTER_MS && isatty(STDERR_FILENO) && !str_eq(details, told)) {
            cli_note(STR_FMT, STR_ARG(details));
            told = details;
        }
        sleep_ms(wait_ms);
        waited_ms += wait_ms;
        wait_ms = wait_ms * 2 < POLL_MOST_MS ? wait_ms * 2 : POLL_MOST_MS;
        if (!call_service(cli, "GET", to_vault(cli), versioned(cli, base, "/pending"), STR_NONE, &answer, err))
            return false;
        *operation = answer.json;
        /* A request for someone else's signature waits for a merge, which may take days. */
        if (str_eq_nocase(json_str(json_path(answer.json, "issuer.name")), STR("Unknown")))
            return true;
    }
    return true;
}

bool run_certificate_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *policy;
    Answer answer;
    Str base, text;

    if (!read_policy(cli, &policy, err) || !object_base(cli, "certificates", false, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    policy_to_wire(&body.w, "policy", policy);
    if (!put_attributes(cli, &body.w, "--disabled", true, false, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_vault(cli), versioned(cli, base, "/create"), text, &answer, err) ||
        !pending_end(cli, base, &answer.json, err))
        return false;
    shape_operation(cli, &cli->w, answer.json);
    if (str_eq(json_str(json_get(answer.json, "status")), STR("failed")))
        return err_set(err, ERR_INTERNAL, "the certificate was not made: " STR_FMT, STR_ARG(json_str(json_path(answer.json, "error.message"))));
    return true;
}

bool run_certificate_pending(Cli *cli, Err *err)
{
    Str base;

    if (!object_base(cli, "certificates", false, &base, err))
        return false;
    return call_shown(cli, "GET", to_vault(cli), versioned(cli, base, "/pending"), STR_NONE, shape_operation, err);
}

bool run_certificate_show(Cli *cli, Err *err) { return object_show(cli, "certificates", shape_certificate, err); }
bool run_certificate_list(Cli *cli, Err *err) { return object_list(cli, "certificates", shape_certificate, err); }
bool run_certificate_versions(Cli *cli, Err *err) { return list_versions(cli, "certificates", shape_certificate, err); }
bool run_certificate_delete(Cli *cli, Err *err) { return delete_object(cli, "certificates", shape_certificate, err); }

static bool patch_policy(Cli *cli, Str base, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *policy;
    Answer answer;
    Str text;

    if (!read_policy(cli, &policy, err))
        return false;
    body_begin(&body);
    policy_to_wire(&body.w, NULL, policy);
    return body_end(&body, &text, err) && call_service(cli, "PATCH", to_vault(cli), versioned(cli, base, "/policy"), text, &answer, err);
}

bool run_certificate_attributes(Cli *cli, Err *err)
{
    const char *const *tags;
    Str base;

    if (!arg(cli, "--policy").ptr)
        return patch_attributes(cli, "certificates", false, shape_certificate, err);
    if (!object_base(cli, "certificates", false, &base, err) || !patch_policy(cli, base, err))
        return false;
    return arg(cli, "--enabled").ptr || arg_list(cli, "--tags", &tags) > 0 ? patch_attributes(cli, "certificates", false, shape_certificate, err)
                                                                           : object_show(cli, "certificates", shape_certificate, err);
}

/* ---- keys ---- */

void put_operations(Cli *cli, JsonWriter *w)
{
    const char *const *operations;
    size_t count = arg_list(cli, "--ops", &operations);

    if (count == 0)
        return;
    json_open_array(w, "key_ops");
    for (size_t i = 0; i < count; i++) {
        Str rest = str_from(operations[i]);                /* "wrapKey unwrapKey" as one word, too */
        while (rest.ptr) {
            Str one = str_cut(&rest, ' ');
            if (!str_empty(one))
                json_put_str(w, NULL, one);
        }
    }
    json_close_array(w);
}

bool run_key_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str base, type = arg(cli, "--kty"), size = arg(cli, "--size"), protection = arg(cli, "--protection");
    int64_t bits = 0;

    if (size.ptr && !str_to_int64(size, 1, 65536, &bits, &(Err){ 0 }))
        return cli_usage(cli, err, "--size: '" STR_FMT "' is no number of bits, such as 2048", STR_ARG(size));
    if (protection.ptr && !str_eq(protection, STR("software")) && !str_eq(protection, STR("hsm")))
        return cli_usage(cli, err, "--protection: '" STR_FMT "' is neither software nor hsm", STR_ARG(protection));
    if (!object_base(cli, "keys", false, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    type = type.ptr ? type : STR("RSA");
    if (str_eq(protection, STR("hsm")) && !str_ends_nocase(type, STR("-HSM")))
        type = str_printf(cli->arena, STR_FMT "-HSM", STR_ARG(type));
    json_put_str(&body.w, "kty", type);
    if (bits > 0)
        json_put_int(&body.w, "key_size", bits);
    json_put_str(&body.w, "crv", arg(cli, "--curve"));
    put_operations(cli, &body.w);
    if (!put_key_attributes(cli, &body.w, err) || !put_release_policy(cli, &body.w, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "POST", to_vault(cli), versioned(cli, base, "/create"), &body, shape_key, err);
}

bool run_key_attributes(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const char *const *values;
    Str base;

    if (!arg(cli, "--enabled").ptr && !arg(cli, "--expires").ptr && !arg(cli, "--not-before").ptr && arg_list(cli, "--tags", &values) == 0 && arg_list(cli, "--ops", &values) == 0 &&
        !arg(cli, "--policy").ptr)
        return cli_usage(cli, err, "give what to change: --enabled, --expires, --not-before, --ops, --policy or --tags");
    if (!object_base(cli, "keys", true, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    put_operations(cli, &body.w);
    if (!put_attributes(cli, &body.w, "--enabled", false, true, err) || !put_release_policy(cli, &body.w, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "PATCH", to_vault(cli), versioned(cli, base, arg(cli, "--version").ptr || arg(cli, "--id").ptr ? "" : "/"), &body, shape_key, err);
}

bool run_key_list(Cli *cli, Err *err) { return object_list(cli, "keys", shape_key, err); }
bool run_key_show(Cli *cli, Err *err) { return object_show(cli, "keys", shape_key, err); }
bool run_key_versions(Cli *cli, Err *err) { return list_versions(cli, "keys", shape_key, err); }
bool run_key_delete(Cli *cli, Err *err) { return delete_object(cli, "keys", shape_key, err); }
bool run_key_list_deleted(Cli *cli, Err *err) { return object_list(cli, "deletedkeys", shape_key, err); }
bool run_key_show_deleted(Cli *cli, Err *err) { return object_show(cli, "deletedkeys", shape_key, err); }

bool object_recover(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    Str base;

    if (!object_base(cli, collection, false, &base, err))
        return false;
    return call_shown(cli, "POST", to_vault(cli), versioned(cli, base, "/recover"), STR(""), shape, err);
}

bool object_purge(Cli *cli, const char *collection, Err *err)
{
    Answer answer;
    Str base;

    return object_base(cli, collection, false, &base, err) && call_service(cli, "DELETE", to_vault(cli), versioned(cli, base, ""), STR_NONE, &answer, err);
}

bool run_key_recover(Cli *cli, Err *err) { return object_recover(cli, "deletedkeys", shape_key, err); }
bool run_key_purge(Cli *cli, Err *err) { return object_purge(cli, "deletedkeys", err); }

/* ---- rotation of keys ---- */

bool run_key_rotate(Cli *cli, Err *err)
{
    Str base;

    if (!object_base(cli, "keys", false, &base, err))
        return false;
    return call_shown(cli, "POST", to_vault(cli), versioned(cli, base, "/rotate"), STR(""), shape_key, err);
}

static bool rotation_policy(Cli *cli, const char *method, Str text, Err *err)
{
    Answer answer;
    Str base;

    if (!object_base(cli, "keys", false, &base, err) || !call_service(cli, method, to_vault(cli), versioned(cli, base, "/rotationpolicy"), text, &answer, err))
        return false;
    json_put_value(&cli->w, NULL, answer.json);
    return true;
}

bool run_key_policy_show(Cli *cli, Err *err) { return rotation_policy(cli, "GET", STR_NONE, err); }

bool run_key_policy_update(Cli *cli, Err *err)
{
    const JsonVal *policy;
    Err inner = { 0 };
    Str text;

    if (!text_arg(cli, "--value", &text, err))
        return false;
    if (!json_parse(cli->arena, text, JSON_STRICT, &policy, &inner) || json_kind(policy) != JSON_OBJECT)
        return cli_usage(cli, err, "--value is no JSON object%s%s; give it as text or as @FILE", inner.text[0] ? ": " : "", inner.text);
    return rotation_policy(cli, "PUT", text, err);
}
