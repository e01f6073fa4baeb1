/* profile.c - reading and storing where the server is and who asks. */
#include "cli/profile.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"
#include "base/secret.h"
#include "cli/call.h"

enum { PROFILE_FILE_MAX = 64 * 1024 };

bool profile_path(Arena *arena, const char *name, char **out, Err *err)
{
    const char *dir = getenv("VY_CONFIG_DIR"), *home = getenv("HOME");
    Str path;

    if (dir && dir[0])
        path = str_printf(arena, "%s/%s", dir, name);
    else if (home && home[0])
        path = str_printf(arena, "%s/.vaultyard/%s", home, name);
    else
        return err_set(err, ERR_BAD_INPUT, "neither HOME nor VY_CONFIG_DIR is set; set VY_CONFIG_DIR to a directory for vy's files");
    *out = str_to_cstr(arena, path, err);
    return *out != NULL;
}

static Str without_slash(Str url)
{
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    return url;
}

/* Suffixes are taken with a dot in front, or as a URL, too. */
static Str suffix_normal(Str suffix)
{
    if (str_starts(suffix, STR("https://")))
        suffix = str_slice(suffix, strlen("https://"), suffix.len);
    if (str_starts(suffix, STR(".")))
        suffix = str_slice(suffix, 1, suffix.len);
    return without_slash(suffix);
}

bool profile_read(Arena *arena, const char *path, Profile *out, Err *err)
{
    static const JsonField fields[] = {
        JSON_FIELD(Profile, tenant,           "tenantId",        JSON_REQUIRED),
        JSON_FIELD(Profile, subscription,     "subscriptionId",  JSON_OPTIONAL),
        JSON_FIELD(Profile, client_id,        "clientId",        JSON_REQUIRED),
        JSON_FIELD(Profile, client_secret,    "clientSecret",    JSON_OPTIONAL),
        JSON_FIELD(Profile, certificate_file, "certificateFile", JSON_OPTIONAL),
        JSON_FIELD(Profile, certificate_password, "certificatePassword", JSON_OPTIONAL),
        JSON_FIELD(Profile, authority,        "authorityHost",   JSON_REQUIRED),
        JSON_FIELD(Profile, resource_manager, "resourceManager", JSON_REQUIRED),
        JSON_FIELD(Profile, graph,            "graph",           JSON_REQUIRED),
        JSON_FIELD(Profile, vault_suffix,     "vaultDnsSuffix",  JSON_REQUIRED),
        JSON_FIELD(Profile, batch_suffix,     "batchDnsSuffix",  JSON_REQUIRED),
        JSON_FIELD(Profile, location,         "location",        JSON_OPTIONAL),
        JSON_FIELD(Profile, ca_file,          "caFile",          JSON_OPTIONAL),
    };
    Profile p = { .location = STR("local"), .source = str_from(path) };
    const JsonVal *root;
    const char *slash = strrchr(path, '/');
    Err inner = { 0 };
    Str text;

    if (!file_read(arena, path, PROFILE_FILE_MAX, &text, err))
        return false;
    if (!json_parse(arena, text, JSON_STRICT, &root, &inner) || !json_read(root, "", fields, COUNT_OF(fields), &p, &inner))
        return err_set(err, ERR_BAD_INPUT, "%s is no description of a server: %s", path, inner.text);
    if (!p.client_secret.ptr && !p.certificate_file.ptr)
        return err_set(err, ERR_BAD_INPUT, "%s has neither clientSecret nor certificateFile", path);
    p.authority = without_slash(p.authority);
    p.resource_manager = without_slash(p.resource_manager);
    p.graph = without_slash(p.graph);
    p.vault_suffix = suffix_normal(p.vault_suffix);
    p.batch_suffix = suffix_normal(p.batch_suffix);
    if (p.ca_file.len > 0 && p.ca_file.ptr[0] != '/' && slash)         /* beside the file that names it */
        p.ca_file = str_printf(arena, "%.*s/" STR_FMT, (int)(slash - path), path, STR_ARG(p.ca_file));
    *out = p;
    return true;
}

bool profile_store(Arena *arena, const Profile *p, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    char *path, *slash;

    if (!profile_path(arena, "profile.json", &path, err))
        return false;
    slash = strrchr(path, '/');
    *slash = '\0';
    if (!dir_make(path, 0700, err))
        return false;
    *slash = '/';
    buf_init(&text, PROFILE_FILE_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "tenantId", p->tenant);
    json_put_str(&w, "subscriptionId", p->subscription);
    json_put_str(&w, "clientId", p->client_id);
    json_put_str(&w, "clientSecret", p->client_secret);
    json_put_str(&w, "certificateFile", p->certificate_file);
    json_put_str(&w, "certificatePassword", p->certificate_password);
    json_put_str(&w, "authorityHost", p->authority);
    json_put_str(&w, "resourceManager", p->resource_manager);
    json_put_str(&w, "graph", p->graph);
    json_put_str(&w, "vaultDnsSuffix", p->vault_suffix);
    json_put_str(&w, "batchDnsSuffix", p->batch_suffix);
    json_put_str(&w, "location", p->location);
    json_put_str(&w, "caFile", p->ca_file);
    json_close(&w);
    bool stored = json_end(&w, err) && file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, err);
    secret_wipe(text.ptr, text.len);
    return stored;
}

static bool forget(const char *path, Err *err)
{
    return unlink(path) == 0 || errno == ENOENT ? true : err_errno(err, "could not remove %s", path);
}

bool profile_forget(Arena *arena, Err *err)
{
    char *profile, *tokens;

    return profile_path(arena, "profile.json", &profile, err) && profile_path(arena, "tokens.json", &tokens, err) && forget(profile, err) && forget(tokens, err);
}

bool cli_profile(Cli *cli, Err *err)
{
    const char *admin = getenv("VY_ADMIN");
    char *path;
    Str subscription = arg(cli, "--subscription");

    if (!cli->has_profile) {
        if (admin && admin[0]) {
            if (!profile_read(cli->arena, admin, &cli->profile, err)) {
                if (err->code == ERR_NOT_FOUND)
                    return err_set(err, ERR_INTERNAL, "VY_ADMIN names %s, which is not there; `vaultyard init --data-dir DIR` makes it", admin);
                return false;
            }
        } else {
            if (!profile_path(cli->arena, "profile.json", &path, err))
                return false;
            if (!profile_read(cli->arena, path, &cli->profile, err)) {
                if (err->code == ERR_NOT_FOUND)
                    return err_set(err, ERR_UNAUTHENTICATED, "nobody is signed in; run `vy login --admin-file DIR/admin.json`, `vy login --service-principal -u APP -p SECRET --tenant T`, or set VY_ADMIN=DIR/admin.json");
                return false;
            }
        }
        cli->has_profile = true;
    }
    if (!subscription.ptr || cli->subscription_known)
        return true;
    cli->subscription_known = true;                      /* before it is looked up: calls come back here */
    if (!guid_is_valid(subscription) && !find_subscription(cli, subscription, &subscription, err)) {
        cli->subscription_known = false;
        return false;
    }
    cli->profile.subscription = subscription;
    return true;
}
