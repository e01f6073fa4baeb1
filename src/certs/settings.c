/* settings.c - reading the extension's settings. */
#include "certs/settings.h"

static const char default_store_dir[] = "/var/lib/waagent/Microsoft.Azure.KeyVault.Store";
static const char default_msi_endpoint[] = "http://169.254.169.254/metadata/identity/oauth2/token";
enum { INITIAL_BACKOFF_MS = 200 };

/* The agent's wrapper around the public settings, if there is one. */
static bool public_settings(const JsonVal *root, const JsonVal **out, Err *err)
{
    const JsonVal *runtime = json_get(root, "runtimeSettings");
    *out = root;
    if (runtime)
        *out = json_path(json_at(runtime, 0), "handlerSettings.publicSettings");
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
    return text.len > 0 && text.len <= 255 && text.ptr[0] != '.' && !memchr(text.ptr, '/', text.len);
}

static bool is_store_dir(Str path)
{
    size_t at;
    return path.len > 1 && path.ptr[0] == '/' && !str_find(path, STR("/../"), &at) && !str_ends(path, STR("/.."));
}

static bool url_split(Arena *arena, Str url, Observed *out, Err *err)
{
    Str rest = url;
    if (!str_starts_nocase(url, STR("https://")))
        return err_field(err, "observedCertificates", "'" STR_FMT "' is not an https URL of a vault", STR_ARG(str_slice(url, 0, 200)));
    rest = str_slice(rest, 8, rest.len);
    Str host = str_cut(&rest, '/'), collection = str_cut(&rest, '/'), name = str_cut(&rest, '/');
    Str version = str_cut(&rest, '/');
    Str label = host;
    label = str_cut(&label, '.');
    if (!is_name(label, 63) || !is_name(name, 127) || rest.ptr || (version.len && !is_name(version, 64)))
        return err_field(err, "observedCertificates", "'" STR_FMT "' is not of the form https://<vault>.<domain>/secrets/<name>", STR_ARG(str_slice(url, 0, 200)));
    if (!str_eq_nocase(collection, STR("secrets")))
        return err_field(err, "observedCertificates", "'" STR_FMT "' must be the certificate's secret identifier (/secrets/<name>): only the secret holds the private key",
                         STR_ARG(str_slice(url, 0, 200)));
    out->url = url;
    out->vault = str_lower(arena, label);
    out->name = name;
    out->base_url = str_printf(arena, "https://" STR_FMT "/secrets/" STR_FMT, STR_ARG(host), STR_ARG(name));
    return true;
}

typedef struct ObjectIn { Str url, dir, link; const JsonVal *acls; } ObjectIn;
static const JsonField object_fields[] = {
    JSON_FIELD(ObjectIn, url, "url", JSON_REQUIRED),
    JSON_FIELD(ObjectIn, dir, "certificateStoreLocation", JSON_OPTIONAL),
    JSON_FIELD(ObjectIn, link, "customSymbolicLinkName", JSON_OPTIONAL),
    JSON_FIELD(ObjectIn, acls, "acls", JSON_OPTIONAL),
};

static bool observed_read(Arena *arena, const JsonVal *item, Str common_dir, Observed *out, Err *err)
{
    ObjectIn in = { .url = json_str(item), .dir = common_dir };
    if (json_kind(item) == JSON_OBJECT) {
        if (!json_read(item, "observedCertificates", object_fields, COUNT_OF(object_fields), &in, err))
            return false;
    } else if (json_kind(item) != JSON_STR) {
        return err_field(err, "observedCertificates", "Failed to parse the configuration settings with: 'not a string'");
    }
    /* The Windows extension's words for a store are no directories. */
    if (str_eq(in.dir, STR("LocalMachine")) || str_eq(in.dir, STR("CurrentUser")))
        in.dir = common_dir;
    if (!is_store_dir(in.dir))
        return err_field(err, "certificateStoreLocation", "'" STR_FMT "' must be an absolute directory", STR_ARG(str_slice(in.dir, 0, 200)));
    if (!url_split(arena, in.url, out, err))
        return false;
    out->store_dir = in.dir;
    out->link_name = in.link.len ? in.link : str_printf(arena, STR_FMT "." STR_FMT, STR_ARG(out->vault), STR_ARG(out->name));
    if (!is_file_name(out->link_name))
        return err_field(err, "customSymbolicLinkName", "'" STR_FMT "' must be a file name", STR_ARG(str_slice(out->link_name, 0, 200)));
    return arena_ok(arena) || err_too_big(err);
}

static bool links_differ(const CertSettings *settings, Err *err)
{
    for (size_t i = 0; i < settings->observed_count; i++)
        for (size_t k = 0; k < i; k++) {
            const Observed *a = &settings->observed[i], *b = &settings->observed[k];
            if (str_eq(a->link_name, b->link_name) && str_eq(a->store_dir, b->store_dir))
                return err_field(err, "observedCertificates", "two observed certificates would share the link '" STR_FMT "'; give one a customSymbolicLinkName",
                                 STR_ARG(a->link_name));
        }
    return true;
}

static bool poll_interval(const JsonVal *v, int64_t *out, Err *err)
{
    *out = POLL_DEFAULT_S;
    if (json_kind(v) <= JSON_NULL)
        return true;
    Str text = json_str(v);
    if (json_kind(v) == JSON_INT) {
        *out = json_int(v, 0);
    } else if (!text.ptr || !str_to_int64(text, 0, INT32_MAX, out, err)) {
        return err_field(err, "pollingIntervalInS", "pollingIntervalInS must be a string of whole seconds such as \"3600\"");
    }
    if (*out < POLL_MIN_S || *out > INT32_MAX)
        return err_field(err, "pollingIntervalInS", "pollingIntervalInS must be %d or more", POLL_MIN_S);
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

static bool authentication(Arena *arena, const JsonVal *root, const JsonVal *secrets, CertSettings *out)
{
    const JsonVal *auth = json_get(root, "authenticationSettings");
    if (!auth)
        auth = json_get(secrets, "authenticationSettings");       /* a common misplacement */
    Str endpoint = json_str(json_get(auth, "msiEndpoint"));
    if (!endpoint.len)
        endpoint = str_from(default_msi_endpoint);
    while (str_ends(endpoint, STR("/")))
        endpoint.len--;
    if (!str_ends_nocase(endpoint, STR("/oauth2/token")))
        endpoint = str_printf(arena, STR_FMT "/oauth2/token", STR_ARG(endpoint));
    out->msi_endpoint = endpoint;
    out->msi_client_id = json_str(json_get(auth, "msiClientId"));
    out->msi_object_id = json_str(json_get(auth, "msiObjectId"));
    return endpoint.ptr != NULL;
}

bool settings_read(Arena *arena, Str text, CertSettings *out, Err *err)
{
    const JsonVal *root, *secrets, *list;
    if (!json_parse(arena, text, JSON_STRICT, &root, err) || !public_settings(root, &root, err))
        return false;
    secrets = json_get(root, "secretsManagementSettings");
    if (json_kind(secrets) != JSON_OBJECT)
        return err_field(err, "secretsManagementSettings", "Failed to parse the configuration settings with: 'not an object': secretsManagementSettings is missing");

    CertSettings read = { .initial_backoff_ms = json_int(json_path(root, "vaultyard.initialSyncBackoffMs"), INITIAL_BACKOFF_MS) };
    if (read.initial_backoff_ms < 1 || read.initial_backoff_ms > 60000)
        return err_field(err, "vaultyard.initialSyncBackoffMs", "vaultyard.initialSyncBackoffMs must be within 1 to 60000");
    if (!poll_interval(json_get(secrets, "pollingIntervalInS"), &read.poll_s, err) || !authentication(arena, root, secrets, &read))
        return err->code ? false : err_too_big(err);
    read.require_initial_sync = lax_bool(json_get(secrets, "requireInitialSync"), false);

    Str dir = json_str(json_get(secrets, "certificateStoreLocation"));
    list = json_get(secrets, "observedCertificates");
    if (json_kind(list) != JSON_ARRAY || json_count(list) > OBSERVED_MAX)
        return err_field(err, "observedCertificates", "observedCertificates must be an array of at most %d secret identifiers", OBSERVED_MAX);
    read.observed_count = json_count(list);
    read.observed = ARENA_ARRAY(arena, Observed, read.observed_count);
    if (!read.observed)
        return err_too_big(err);
    for (size_t i = 0; i < read.observed_count; i++)
        if (!observed_read(arena, json_at(list, i), dir.len ? dir : str_from(default_store_dir), &read.observed[i], err))
            return false;
    if (!links_differ(&read, err))
        return false;
    *out = read;
    return true;
}
