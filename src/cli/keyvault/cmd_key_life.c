/* cmd_key_life.c - how a vault's keys come and go: vy keyvault key create, list, set-attributes, delete, backup, rotate, ... */
#include "base/file.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/run.h"
#include "cli/shape.h"

enum { POLICY_MAX = 8 << 20 };

bool put_key_attributes(Cli *cli, JsonWriter *w, Err *err)
{
    const struct { const char *option, *name; } times[] = { { "--expires", "exp" }, { "--not-before", "nbf" } };
    bool is_disabled = false, exportable = false;
    if ((arg_given(cli, "--disabled") && !bool_arg(cli, "--disabled", &is_disabled, err)) || (arg_given(cli, "--exportable") && !bool_arg(cli, "--exportable", &exportable, err)))
        return false;
    json_open(w, "attributes");
    json_put_bool(w, "enabled", !is_disabled);
    if (arg_given(cli, "--exportable"))
        json_put_bool(w, "exportable", exportable);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        int64_t seconds;
        if (!arg(cli, times[i].option).ptr)
            continue;
        if (!time_arg(cli, times[i].option, &seconds, err))
            return false;
        json_put_int(w, times[i].name, seconds);
    }
    json_close(w);
    return true;
}

bool put_release_policy(Cli *cli, JsonWriter *w, Err *err)
{
    Str text;
    bool immutable = false;
    if (!arg(cli, "--policy").ptr)
        return !arg_given(cli, "--immutable") || cli_usage(cli, err, "--immutable is said of a --policy");
    if (!text_arg(cli, "--policy", &text, err) || (arg_given(cli, "--immutable") && !bool_arg(cli, "--immutable", &immutable, err)))
        return false;
    if (!str_starts(str_trim(text), STR("{"))) {         /* az takes a file's name without @, too */
        char *path = str_to_cstr(cli->arena, text, err);
        if (!path || !file_read(cli->arena, path, POLICY_MAX, &text, err))
            return false;
    }
    json_open(w, "release_policy");
    put_base64url(cli, w, "data", bytes_of(text));
    json_put_bool(w, "immutable", immutable);
    json_close(w);
    return true;
}

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
bool run_key_versions(Cli *cli, Err *err) { return object_versions(cli, "keys", shape_key, err); }
bool run_key_delete(Cli *cli, Err *err) { return object_delete(cli, "keys", shape_key, err); }
bool run_key_list_deleted(Cli *cli, Err *err) { return object_list(cli, "deletedkeys", shape_key, err); }
bool run_key_show_deleted(Cli *cli, Err *err) { return object_show(cli, "deletedkeys", shape_key, err); }

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
    Str base;

    return object_base(cli, "keys", false, &base, err) && call_shown(cli, method, to_vault(cli), versioned(cli, base, "/rotationpolicy"), text, shape_rotation_policy, err);
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

/* ---- backup ---- */

bool run_key_backup(Cli *cli, Err *err) { return object_backup(cli, "keys", err); }
bool run_key_restore(Cli *cli, Err *err) { return object_restore(cli, "keys", shape_key, err); }
