/* settings.c - reading the extension's settings. */
#include "certs/settings.h"
#include <stdarg.h>
#include <stdio.h>
#include "certs/settings_own.h"

static const char default_store_dir[] = "/var/lib/waagent/Microsoft.Azure.KeyVault.Store";
static const char default_msi_endpoint[] = "http://169.254.169.254/metadata/identity/oauth2/token";

static void settings_note(Arena *arena, CertSettings *settings, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (size_t i = 0; i < settings->note_count; i++)
        if (str_eq(settings->notes[i], str_from(text)))
            return;                                          /* said once is enough, however many certificates it is true of */
    if (settings->note_count < NOTES_MAX)
        settings->notes[settings->note_count++] = str_dup(arena, str_from(text));
}

/* The agent's wrapper around the public settings, if there is one. */
static bool public_settings(const JsonVal *root, const JsonVal **handler, const JsonVal **out, Err *err)
{
    const JsonVal *runtime = json_get(root, "runtimeSettings");
    *handler = runtime ? json_get(json_at(runtime, 0), "handlerSettings") : NULL;
    *out = runtime ? json_get(*handler, "publicSettings") : root;
    if (json_kind(*out) == JSON_STR)
        return err_field(err, "publicSettings", "Failed to parse the configuration settings with: 'not an object': the settings are text that holds JSON; "
                         "a shell or template has escaped them once too often");
    if (json_kind(*out) != JSON_OBJECT)
        return err_field(err, "publicSettings", "Failed to parse the configuration settings with: 'not an object'");
    return true;
}

static bool is_name(Str text, size_t max)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], folded = (char)(c | 0x20);
        if (!((folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return text.len > 0 && text.len <= max;
}

/* A file name of its own: nothing that leads out of the directory. */
static bool is_file_name(Str text)
{
    return text.len > 0 && text.len <= 200 && text.ptr[0] != '.' && !memchr(text.ptr, '/', text.len);
}

static bool is_store_dir(Str path)
{
    size_t at;
    return path.len > 1 && path.ptr[0] == '/' && !str_find(path, STR("/../"), &at) && !str_ends(path, STR("/.."));
}

static bool is_host(Str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i], folded = (char)(c | 0x20);
        if (!((folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':'))
            return false;
    }
    return host.len <= 255;
}

static bool url_split(Arena *arena, Str url, Observed *out, Str *version, Err *err)
{
    Str rest = url;
    if (!str_starts_nocase(url, STR("https://")))
        return err_field(err, "observedCertificates", "'" STR_FMT "' is not an https URL of a vault", STR_ARG(str_slice(url, 0, 200)));
    rest = str_slice(rest, 8, rest.len);
    Str host = str_cut(&rest, '/'), collection = str_cut(&rest, '/'), name = str_cut(&rest, '/');
    *version = str_cut(&rest, '/');
    Str label = host;
    label = str_cut(&label, '.');
    if (!is_host(host) || !is_name(label, 63) || !is_name(name, 127) || rest.ptr || (version->len && !is_name(*version, 64)))
        return err_field(err, "observedCertificates", "'" STR_FMT "' is not of the form https://<vault>.<domain>/secrets/<name>", STR_ARG(str_slice(url, 0, 200)));
    if (!str_eq_nocase(collection, STR("secrets")))
        return err_field(err, "observedCertificates", "'" STR_FMT "' must be the certificate's secret identifier (/secrets/<name>): only the secret holds the private key",
                         STR_ARG(str_slice(url, 0, 200)));
    out->url = url;
    out->vault = str_lower(arena, label);
    out->name = name;
    out->vault_url = str_printf(arena, "https://" STR_FMT, STR_ARG(str_lower(arena, host)));
    out->base_url = str_printf(arena, "https://" STR_FMT "/secrets/" STR_FMT, STR_ARG(host), STR_ARG(name));
    return true;
}

/* A JSON bool, or the word some templates write. */
static bool lax_bool(const JsonVal *v, bool otherwise)
{
    Str text = json_str(v);
    if (text.ptr)
        return str_eq_nocase(text, STR("true"));
    return json_bool(v, otherwise);
}

typedef struct AclIn { Str user, group; } AclIn;
static const JsonField acl_fields[] = { JSON_FIELD(AclIn, user, "user", JSON_OPTIONAL), JSON_FIELD(AclIn, group, "group", JSON_OPTIONAL) };

static bool acls_read(Arena *arena, const JsonVal *list, Observed *out, Err *err)
{
    out->acl_count = json_count(list);
    if (json_kind(list) != JSON_ARRAY || out->acl_count > ACLS_MAX)
        return err_field(err, "acls", "acls must be a list of at most %d objects with user, group or both", ACLS_MAX);
    out->acls = ARENA_ARRAY(arena, Reader, out->acl_count + 1);
    if (!out->acls)
        return err_too_big(err);
    for (size_t i = 0; i < out->acl_count; i++) {
        AclIn in = { 0 };
        if (json_kind(json_at(list, i)) != JSON_OBJECT)
            return err_field(err, "acls", "acls must be a list of objects with user, group or both");
        if (!json_read(json_at(list, i), "acls", acl_fields, COUNT_OF(acl_fields), &in, err))
            return false;
        if (!in.user.len && !in.group.len)
            return err_field(err, "acls", "an entry of acls names neither user nor group");
        out->acls[i] = (Reader){ in.user, in.group };
    }
    return true;
}

typedef struct ObjectIn { Str url, dir, link; const JsonVal *acls, *own; } ObjectIn;
static const JsonField object_fields[] = {
    JSON_FIELD(ObjectIn, url, "url", JSON_REQUIRED),
    JSON_FIELD(ObjectIn, dir, "certificateStoreLocation", JSON_OPTIONAL),
    JSON_FIELD(ObjectIn, link, "customSymbolicLinkName", JSON_OPTIONAL),
    JSON_FIELD(ObjectIn, acls, "acls", JSON_OPTIONAL),
    JSON_FIELD(ObjectIn, own, "vaultyard", JSON_OPTIONAL),
};
static const char *const object_names_windows[] = { "certificateStoreName", "keyExportable", "accounts", "linkOnRenewal" };

/* Members that mean nothing here. `known` are ours, `windows` the other extension's. */
static void note_others(Arena *arena, CertSettings *settings, const JsonVal *object, const char *where, const char *const known[], size_t known_count,
                        const char *const windows[], size_t windows_count)
{
    Str name;
    const JsonVal *value;
    for (JsonWalk walk = { .object = object }; json_walk(&walk, &name, &value);) {
        bool found = false;
        for (size_t i = 0; i < known_count && !found; i++)
            found = str_eq(name, str_from(known[i]));
        for (size_t i = 0; i < windows_count && !found; i++)
            if (str_eq(name, str_from(windows[i]))) {
                found = true;
                settings_note(arena, settings, "%s%s is for Windows and is ignored", where, windows[i]);
            }
        if (!found)
            settings_note(arena, settings, "%s" STR_FMT " is not a setting of this extension and is ignored", where, STR_ARG(str_slice(name, 0, 80)));
    }
}

/* FNV-1a, 64 bits: it tells changed settings from unchanged ones and guards nothing. */
static void mark(Arena *arena, Observed *o)
{
    Str text = str_printf(arena, "%u %o " STR_FMT " " STR_FMT " " STR_FMT, o->files, (unsigned)o->mode, STR_ARG(o->owner), STR_ARG(o->group), STR_ARG(o->pkcs12_password_file));
    for (size_t i = 0; i < o->acl_count; i++)
        text = str_printf(arena, STR_FMT " " STR_FMT ":" STR_FMT, STR_ARG(text), STR_ARG(o->acls[i].user), STR_ARG(o->acls[i].group));
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    (void)snprintf(o->mark, sizeof o->mark, "%016llx", (unsigned long long)hash);
}

static bool is_windows_store(Str dir) { return str_eq(dir, STR("LocalMachine")) || str_eq(dir, STR("CurrentUser")); }

static bool observed_read(Arena *arena, const JsonVal *item, const Observed *each, Str common_dir, bool acl_enabled, CertSettings *settings, Observed *out, Err *err)
{
    static const char *const known[] = { "url", "certificateStoreLocation", "customSymbolicLinkName", "acls", "vaultyard" };
    ObjectIn in = { .url = json_str(item), .dir = common_dir };
    Str version;
    *out = *each;
    if (json_kind(item) == JSON_OBJECT) {
        if (!json_read(item, "observedCertificates", object_fields, COUNT_OF(object_fields), &in, err))
            return false;
        note_others(arena, settings, item, "observedCertificates: ", known, COUNT_OF(known), object_names_windows, COUNT_OF(object_names_windows));
    } else if (json_kind(item) != JSON_STR) {
        return err_field(err, "observedCertificates", "Failed to parse the configuration settings with: 'not a string'");
    }
    if (is_windows_store(in.dir)) {
        settings_note(arena, settings, "certificateStoreLocation " STR_FMT " is a store of Windows; the common directory is used", STR_ARG(in.dir));
        in.dir = common_dir;
    }
    if (!is_store_dir(in.dir))
        return err_field(err, "certificateStoreLocation", "'" STR_FMT "' must be an absolute directory", STR_ARG(str_slice(in.dir, 0, 200)));
    bool pin = each->pinned.ptr != NULL;
    if (!url_split(arena, in.url, out, &version, err) || !own_entry_read(in.own, version, &pin, out, err))
        return false;
    while (in.dir.len > 1 && str_ends(in.dir, STR("/")))
        in.dir.len--;
    out->pinned = pin && version.len ? version : STR_NONE;
    out->store_dir = in.dir;
    out->link_name = in.link.len ? in.link : str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(out->vault), STR_ARG(out->name));
    if (!is_file_name(out->link_name))
        return err_field(err, "customSymbolicLinkName", "'" STR_FMT "' must be a file name", STR_ARG(str_slice(out->link_name, 0, 200)));
    if (json_kind(in.acls) > JSON_NULL && !acl_enabled)
        settings_note(arena, settings, "acls are ignored because secretsManagementSettings.aclEnabled is not true");
    else if (json_kind(in.acls) > JSON_NULL && !acls_read(arena, in.acls, out, err))
        return false;
    if (version.len && !out->pinned.ptr)
        settings_note(arena, settings, "a URL names a version; newer versions are followed all the same (vaultyard.pinVersion holds to it)");
    mark(arena, out);
    return arena_ok(arena) || err_too_big(err);
}

/* A link of separate files has ".d" behind its name, so the two kinds cannot meet unless a name ends so. */
static bool links_differ(Arena *arena, const CertSettings *settings, Err *err)
{
    for (size_t i = 0; i < settings->observed_count; i++)
        for (size_t k = 0; k < settings->observed_count; k++) {
            const Observed *a = &settings->observed[i], *b = &settings->observed[k];
            if (i == k || !str_eq(a->store_dir, b->store_dir))
                continue;
            bool meets = str_eq(a->link_name, b->link_name);
            if (!meets && a->link_name.len == b->link_name.len + 2)
                meets = str_eq(a->link_name, str_printf(arena, STR_FMT ".d", STR_ARG(b->link_name)));
            if (meets)
                return err_field(err, "observedCertificates", "two observed certificates would share the link '" STR_FMT "'; give one a customSymbolicLinkName",
                                 STR_ARG(a->link_name));
        }
    return true;
}

static bool poll_interval(Arena *arena, const JsonVal *v, CertSettings *out, Err *err)
{
    out->poll_s = POLL_DEFAULT_S;
    if (json_kind(v) <= JSON_NULL)
        return true;
    Str text = json_str(v);
    if (json_kind(v) == JSON_INT) {
        out->poll_s = json_int(v, 0);
        settings_note(arena, out, "pollingIntervalInS is a number; the extension on Azure wants a string such as \"%lld\"", (long long)out->poll_s);
    } else if (!text.ptr || !str_to_int64(text, 0, INT32_MAX, &out->poll_s, err)) {
        return err_field(err, "pollingIntervalInS", "pollingIntervalInS must be a string of whole seconds such as \"3600\"");
    }
    if (out->poll_s < POLL_MIN_S || out->poll_s > INT32_MAX)
        return err_field(err, "pollingIntervalInS", "pollingIntervalInS must be %d or more", POLL_MIN_S);
    return true;
}

/* Where people put authenticationSettings: beside secretsManagementSettings, as documented; elsewhere it is found all the same, and said. */
static const JsonVal *find_authentication(Arena *arena, const JsonVal *root, const JsonVal *handler, CertSettings *out)
{
    const JsonVal *auth = json_get(root, "authenticationSettings"), *secrets = json_get(root, "secretsManagementSettings");
    if (auth)
        return auth;
    const struct { const JsonVal *in; const char *where; } others[] = {
        { secrets, "secretsManagementSettings" }, { handler, "handlerSettings" }, { json_get(handler, "protectedSettings"), "protectedSettings" },
        { json_get(root, "loggingSettings"), "loggingSettings" },
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        auth = json_get(others[i].in, "authenticationSettings");
        if (auth) {
            settings_note(arena, out, "authenticationSettings is inside %s; it is used, but the extension on Azure wants it beside secretsManagementSettings", others[i].where);
            return auth;
        }
    }
    const JsonVal *loose[] = { root, secrets };
    for (size_t i = 0; i < COUNT_OF(loose); i++)
        if (json_get(loose[i], "msiClientId") || json_get(loose[i], "msiEndpoint") || json_get(loose[i], "msiObjectId") ||
            json_get(loose[i], "msiResourceId")) {
            settings_note(arena, out, "msiEndpoint and msiClientId are not inside authenticationSettings; they are used, but the extension on Azure ignores them");
            return loose[i];
        }
    settings_note(arena, out, "authenticationSettings is missing; the managed identity of the machine is used, which fails when there are several");
    return NULL;
}

static bool authentication(Arena *arena, const JsonVal *root, const JsonVal *handler, CertSettings *out, Err *err)
{
    if (out->sign_in.kind != SIGN_IN_MANAGED) {
        if (json_get(root, "authenticationSettings"))
            settings_note(arena, out, "authenticationSettings is ignored because vaultyard.signIn is given");
        return true;
    }
    const JsonVal *auth = find_authentication(arena, root, handler, out);
    if (json_kind(auth) > JSON_NULL && json_kind(auth) != JSON_OBJECT)
        return err_field(err, "authenticationSettings", "Failed to parse the configuration settings with: 'not an object': authenticationSettings");
    SignIn *sign_in = &out->sign_in;
    Str endpoint = json_str(json_get(auth, "msiEndpoint"));
    sign_in->is_endpoint_given = endpoint.len > 0;
    if (!endpoint.len)
        endpoint = str_from(default_msi_endpoint);
    if (!str_starts_nocase(endpoint, STR("http://")) && !str_starts_nocase(endpoint, STR("https://")))
        return err_field(err, "authenticationSettings.msiEndpoint", "msiEndpoint must be a URL such as http://169.254.169.254/metadata/identity");
    while (str_ends(endpoint, STR("/")))
        endpoint.len--;
    if (!str_ends_nocase(endpoint, STR("/oauth2/token")))
        endpoint = str_printf(arena, STR_FMT "/oauth2/token", STR_ARG(endpoint));
    sign_in->msi_endpoint = endpoint;
    sign_in->msi_client_id = json_str(json_get(auth, "msiClientId"));
    sign_in->msi_object_id = json_str(json_get(auth, "msiObjectId"));
    sign_in->msi_resource_id = json_str(json_get(auth, "msiResourceId"));
    if (sign_in->msi_client_id.len && (sign_in->msi_object_id.len || sign_in->msi_resource_id.len))
        settings_note(arena, out, "msiObjectId and msiResourceId are ignored because msiClientId is given");
    return endpoint.ptr || err_too_big(err);
}

static void note_unused(Arena *arena, const JsonVal *root, const JsonVal *secrets, CertSettings *out)
{
    static const char *const root_known[] = { "secretsManagementSettings", "authenticationSettings", "loggingSettings", "vaultyard", "msiEndpoint", "msiClientId", "msiObjectId",
                                             "msiResourceId" };
    static const char *const secrets_known[] = { "pollingIntervalInS", "certificateStoreLocation", "requireInitialSync", "aclEnabled", "observedCertificates",
                                                 "authenticationSettings", "msiEndpoint", "msiClientId", "msiObjectId", "msiResourceId" };
    static const char *const secrets_windows[] = { "certificateStoreName", "linkOnRenewal" };
    note_others(arena, out, root, "", root_known, COUNT_OF(root_known), NULL, 0);
    note_others(arena, out, secrets, "secretsManagementSettings.", secrets_known, COUNT_OF(secrets_known), secrets_windows, COUNT_OF(secrets_windows));
    if (json_get(root, "loggingSettings"))
        settings_note(arena, out, "loggingSettings is accepted; the log goes to standard error whatever it says");
}

bool settings_read(Arena *arena, Str text, CertSettings *out, Err *err)
{
    const JsonVal *root, *handler, *secrets, *list;
    if (!json_parse(arena, text, JSON_STRICT, &root, err) || !public_settings(root, &handler, &root, err))
        return false;
    secrets = json_get(root, "secretsManagementSettings");
    if (json_kind(secrets) != JSON_OBJECT)
        return err_field(err, "secretsManagementSettings", "Failed to parse the configuration settings with: 'not an object': secretsManagementSettings is missing");

    CertSettings read = { 0 };
    Observed each;
    if (!poll_interval(arena, json_get(secrets, "pollingIntervalInS"), &read, err) ||
        !own_settings_read(json_get(root, "vaultyard"), &read, &each, err) || !authentication(arena, root, handler, &read, err))
        return false;
    read.require_initial_sync = lax_bool(json_get(secrets, "requireInitialSync"), false);
    bool acl_enabled = lax_bool(json_get(secrets, "aclEnabled"), false);
    note_unused(arena, root, secrets, &read);

    Str dir = json_str(json_get(secrets, "certificateStoreLocation"));
    if (!dir.len || is_windows_store(dir))
        dir = str_from(default_store_dir);
    list = json_get(secrets, "observedCertificates");
    if (json_kind(list) != JSON_ARRAY || json_count(list) > OBSERVED_MAX)
        return err_field(err, "observedCertificates", "observedCertificates must be an array of at most %d secret identifiers", OBSERVED_MAX);
    read.observed_count = json_count(list);
    read.observed = ARENA_ARRAY(arena, Observed, read.observed_count);
    if (!read.observed)
        return err_too_big(err);
    for (size_t i = 0; i < read.observed_count; i++)
        if (!observed_read(arena, json_at(list, i), &each, dir, acl_enabled, &read, &read.observed[i], err))
            return false;
    if (!links_differ(arena, &read, err))
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    *out = read;
    return true;
}
