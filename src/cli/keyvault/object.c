/* object.c - which object of which vault a command means, and what is done alike to secrets, certificates and keys, through the data plane. */
#include "cli/keyvault/object.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/input.h"
#include "cli/profile.h"

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

bool vault_of_args(Cli *cli, Str *base, Err *err)
{
    Str id = arg(cli, "--id"), vault = arg(cli, "--vault-name"), host;
    if ((id.ptr != NULL) == (vault.ptr != NULL))
        return cli_usage(cli, err, id.ptr ? "--vault-name and --id: give one of them" : "the following arguments are required: --vault-name (or --id)");
    if ((vault.ptr && !vault_name_check(cli, vault, err)) || !cli_profile(cli, err))
        return false;
    if (vault.ptr) {
        *base = vault_base(cli, vault);
        return true;
    }
    if (!str_starts_nocase(id, STR("https://")))
        return cli_usage(cli, err, "--id: '" STR_FMT "' is not of the form https://VAULT/", STR_ARG(id));
    id = str_slice(id, 8, id.len);
    host = str_cut(&id, '/');
    if (!host_is_below(host, cli->profile.vault_suffix))
        return cli_usage(cli, err, "--id: '" STR_FMT "' is no vault of this site (names end in ." STR_FMT ")", STR_ARG(host), STR_ARG(cli->profile.vault_suffix));
    *base = str_printf(cli->arena, "https://" STR_FMT, STR_ARG(host));
    return base->ptr || err_too_big(err);
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

typedef struct List { Shape *shape; bool hides_managed; int64_t left; } List;

static bool list_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    List *list = ctx;
    (void)err;
    if (list->hides_managed && json_bool(json_get(item, "managed"), false))
        return true;
    if (list->left == 0) {
        *done = true;
        return true;
    }
    list->left--;
    list->shape(cli, &cli->w, item);
    return true;
}

/* As in az: --maxresults is the size of a page and the most that is shown. */
static bool list_all(Cli *cli, Str url, const char *page, bool hides_managed, Shape *shape, Err *err)
{
    List list = { .shape = shape, .hides_managed = hides_managed, .left = INT64_MAX };
    Str wanted = arg(cli, "--maxresults");
    if (wanted.ptr && !str_to_int64(wanted, 1, INT32_MAX, &list.left, &(Err){ 0 }))
        return cli_usage(cli, err, "--maxresults: '" STR_FMT "' is no number from 1 to 25", STR_ARG(wanted));
    url = str_printf(cli->arena, STR_FMT "%s" STR_FMT, STR_ARG(url), wanted.ptr ? "&maxresults=" : page, STR_ARG(wanted.ptr ? wanted : STR("")));
    json_open_array(&cli->w, NULL);
    if (!url.ptr || !call_each(cli, to_vault(cli), url, list_visit, &list, err))
        return url.ptr ? false : err_too_big(err);
    json_close_array(&cli->w);
    return true;
}

bool object_list(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    bool can_be_managed = strcmp(collection, "secrets") == 0 || strcmp(collection, "keys") == 0;
    Str base;
    return vault_of_args(cli, &base, err) &&
           list_all(cli, str_printf(cli->arena, STR_FMT "/%s%capi-version=" OBJECT_VERSION, STR_ARG(base), collection, strchr(collection, '?') ? '&' : '?'), "&maxresults=25",
                    can_be_managed && !arg_flag(cli, "--include-managed"), shape, err);
}

bool object_versions(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    Str base;
    return object_base(cli, collection, false, &base, err) && list_all(cli, versioned(cli, base, "/versions"), "", false, shape, err);
}

bool object_delete(Cli *cli, const char *collection, Shape *shape, Err *err)
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

bool object_patch(Cli *cli, const char *collection, bool with_times, Shape *shape, Err *err)
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

/* ---- files ---- */

bool pem_or_der_arg(Cli *cli, bool *as_der, Err *err)
{
    Str encoding = arg(cli, "--encoding");

    *as_der = str_eq_nocase(encoding, STR("DER"));
    return !encoding.ptr || *as_der || str_eq_nocase(encoding, STR("PEM")) ||
           cli_usage(cli, err, "--encoding: '" STR_FMT "' is neither PEM nor DER", STR_ARG(encoding));
}

bool write_new_file(Cli *cli, Bytes content, unsigned mode, bool replaces, Err *err)
{
    char *path = str_to_cstr(cli->arena, arg(cli, "--file"), err);
    if (!path)
        return false;
    if (replaces)
        return file_replace(path, content, mode, (uid_t)-1, (gid_t)-1, err);
    return file_create(path, content, mode, err) || (err->code == ERR_CONFLICT ? err_set(err, ERR_CONFLICT, "%s is there already; nothing was written", path) : false);
}

void put_base64url(Cli *cli, JsonWriter *w, const char *name, Bytes bytes) { json_put_str(w, name, base64url_encode(cli->arena, bytes)); }

bool object_backup(Cli *cli, const char *collection, Err *err)
{
    Answer answer;
    Bytes blob;
    Str base;
    return object_base(cli, collection, false, &base, err) && call_service(cli, "POST", to_vault(cli), versioned(cli, base, "/backup"), STR(""), &answer, err) &&
           base64url_decode(cli->arena, json_str(json_get(answer.json, "value")), &blob, err) && write_new_file(cli, blob, 0600, false, err);
}

bool object_restore(Cli *cli, const char *collection, Shape *shape, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Answer answer;
    Str blob, text, base, path_of_all = str_printf(cli->arena, "/%s/restore%c", collection, '\0');
    char *path = str_to_cstr(cli->arena, arg(cli, "--file"), err);
    if (!path || !read_input(cli, path, &blob, err) || !vault_of_args(cli, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    put_base64url(cli, &body.w, "value", bytes_of(blob));
    json_close(&body.w);
    if (!path_of_all.ptr)
        return err_too_big(err);
    if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_vault(cli), versioned(cli, base, path_of_all.ptr), text, &answer, err))
        return false;
    if (!arg_flag(cli, "--no-wait"))
        shape(cli, &cli->w, answer.json);
    return true;
}
