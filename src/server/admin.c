/* admin.c - the administrator's profile. */
#include "server/admin.h"
#include "base/file.h"
#include "base/secret.h"
#include "json/write.h"
#include "site/site.h"

enum { PROFILE_MAX_BYTES = 64 * 1024 };

/* "vault.vaultyard.localhost:8443": what stands behind "<vault>." */
static Str suffix(const Site *site, Arena *arena, Str label)
{
    Str url = site_url(site, arena, label);
    return str_slice(url, sizeof "https://" - 1, url.len);
}

bool admin_write(const DataDir *data, const Admin *admin, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(PROFILE_MAX_BYTES);
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, PROFILE_MAX_BYTES);
    char *path = arena ? datadir_path(arena, data, "admin.json") : NULL, *ca = arena ? datadir_path(arena, data, "ca.pem") : NULL;
    if (!path || !ca)
        return err_too_big(err);
    Site site = { .names = datadir_names(data) };
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "tenantId", data->tenant_id);
    json_put_str(&w, "subscriptionId", admin->subscription_id);
    json_put_str(&w, "clientId", admin->client_id);
    json_put_str(&w, "clientSecret", admin->client_secret);
    json_put_str(&w, "authorityHost", site_url(&site, arena, STR("login")));
    json_put_str(&w, "resourceManager", site_url(&site, arena, STR("management")));
    json_put_str(&w, "graph", site_url(&site, arena, STR("graph")));
    json_put_str(&w, "vaultDnsSuffix", suffix(&site, arena, STR("vault")));
    json_put_str(&w, "batchDnsSuffix", suffix(&site, arena, STR("batch")));
    json_put_str(&w, "location", data->location);
    json_put_str(&w, "caFile", str_from(ca));
    json_close(&w);
    buf_put_char(&text, '\n');
    bool written = json_end(&w, err) && file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, err);
    secret_wipe(text.ptr, text.cap);
    return written;
}

static const JsonField profile_fields[] = {
    JSON_FIELD(Admin, subscription_id, "subscriptionId", JSON_REQUIRED),
    JSON_FIELD(Admin, client_id, "clientId", JSON_REQUIRED),
    JSON_FIELD(Admin, client_secret, "clientSecret", JSON_REQUIRED),
};

bool admin_move_port(const DataDir *data, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4 * PROFILE_MAX_BYTES);
    char *path = arena ? datadir_path(arena, data, "admin.json") : NULL;
    Str text;
    const JsonVal *root;
    Admin admin = { 0 };
    if (!path)
        return err_too_big(err);
    if (!file_read(arena, path, PROFILE_MAX_BYTES, &text, err)) {
        if (err->code != ERR_NOT_FOUND)
            return false;
        *err = (Err){ 0 };
        return true;
    }
    Site site = { .names = datadir_names(data) };
    bool moved = json_parse(arena, text, JSON_STRICT, &root, err) && json_read(root, "", profile_fields, COUNT_OF(profile_fields), &admin, err);
    /* Left alone when it is true already, so that a full or read-only disk does not keep the server from starting. */
    if (moved && !str_eq(json_str(json_get(root, "resourceManager")), site_url(&site, arena, STR("management"))))
        moved = admin_write(data, &admin, err);
    secret_wipe((void *)text.ptr, text.len);
    return moved;
}
