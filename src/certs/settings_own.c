/* settings_own.c - our additions to the extension's settings, under the key "vaultyard". */
#include "certs/settings_own.h"
#include "certs/scrape.h"

enum { INITIAL_BACKOFF_MS = 200, HOOK_TIMEOUT_S = 60 };

static const struct { const char *word; FileKind kind; } file_words[] = {
    { "pem", FILE_PEM }, { "cert", FILE_CERT }, { "chain", FILE_CHAIN }, { "fullchain", FILE_FULLCHAIN }, { "key", FILE_KEY }, { "pkcs12", FILE_PKCS12 },
};

/* What may stand at the top and again in an entry. */
typedef struct EachIn { const JsonVal *files, *mode; Str owner, group, password_file; OptInt keep; OptBool pin; } EachIn;
typedef struct OwnIn { EachIn each; const JsonVal *hook, *sign_in, *metrics; Str proxy, ca_file; OptInt jitter, backoff; OptBool push, clean_up; } OwnIn;
typedef struct SignInIn { Str tenant, client, authority, secret, certificate, password, token; bool workload; } SignInIn;
typedef struct MetricsIn { Str listen, file; } MetricsIn;
typedef struct HookIn { const JsonVal *command; Str user; OptInt timeout; } HookIn;

static const JsonField own_fields[] = {
    JSON_FIELD(OwnIn, each.files, "files", JSON_OPTIONAL),           JSON_FIELD(OwnIn, each.mode, "mode", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, each.owner, "owner", JSON_OPTIONAL),           JSON_FIELD(OwnIn, each.group, "group", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, each.keep, "keepVersions", JSON_OPTIONAL),     JSON_FIELD(OwnIn, each.pin, "pinVersion", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, each.password_file, "pkcs12PasswordFile", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, sign_in, "signIn", JSON_OPTIONAL),             JSON_FIELD(OwnIn, metrics, "metrics", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, hook, "hook", JSON_OPTIONAL),                  JSON_FIELD(OwnIn, proxy, "proxy", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, ca_file, "caFile", JSON_OPTIONAL),             JSON_FIELD(OwnIn, jitter, "jitterSeconds", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, backoff, "initialSyncBackoffMs", JSON_OPTIONAL), JSON_FIELD(OwnIn, push, "push", JSON_OPTIONAL),
    JSON_FIELD(OwnIn, clean_up, "cleanUp", JSON_OPTIONAL),
};
static const JsonField each_fields[] = {
    JSON_FIELD(EachIn, files, "files", JSON_OPTIONAL),               JSON_FIELD(EachIn, mode, "mode", JSON_OPTIONAL),
    JSON_FIELD(EachIn, owner, "owner", JSON_OPTIONAL),               JSON_FIELD(EachIn, group, "group", JSON_OPTIONAL),
    JSON_FIELD(EachIn, keep, "keepVersions", JSON_OPTIONAL),         JSON_FIELD(EachIn, pin, "pinVersion", JSON_OPTIONAL),
    JSON_FIELD(EachIn, password_file, "pkcs12PasswordFile", JSON_OPTIONAL),
};
static const JsonField hook_fields[] = {
    JSON_FIELD(HookIn, command, "command", JSON_REQUIRED), JSON_FIELD(HookIn, user, "user", JSON_OPTIONAL),
    JSON_FIELD(HookIn, timeout, "timeoutSeconds", JSON_OPTIONAL),
};
static const JsonField metrics_fields[] = { JSON_FIELD(MetricsIn, listen, "listen", JSON_OPTIONAL), JSON_FIELD(MetricsIn, file, "file", JSON_OPTIONAL) };

static const JsonField sign_in_fields[] = {
    JSON_FIELD(SignInIn, tenant, "tenantId", JSON_OPTIONAL),             JSON_FIELD(SignInIn, client, "clientId", JSON_OPTIONAL),
    JSON_FIELD(SignInIn, authority, "authorityHost", JSON_OPTIONAL),     JSON_FIELD(SignInIn, secret, "clientSecretFile", JSON_OPTIONAL),
    JSON_FIELD(SignInIn, certificate, "clientCertificateFile", JSON_OPTIONAL), JSON_FIELD(SignInIn, password, "clientCertificatePasswordFile", JSON_OPTIONAL),
    JSON_FIELD(SignInIn, token, "federatedTokenFile", JSON_OPTIONAL),    JSON_FIELD(SignInIn, workload, "workloadIdentity", JSON_OPTIONAL),
};

static bool files_read(const JsonVal *list, unsigned *files, Err *err)
{
    static const char wanted[] = "vaultyard.files must be a list of \"pem\", \"cert\", \"chain\", \"fullchain\", \"key\" and \"pkcs12\"";
    if (json_kind(list) <= JSON_NULL)
        return true;
    unsigned read = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        Str word = json_str(json_at(list, i));
        size_t k = 0;
        while (k < COUNT_OF(file_words) && !str_eq(word, str_from(file_words[k].word)))
            k++;
        if (k == COUNT_OF(file_words))
            return err_field(err, "vaultyard.files", "%s", wanted);
        read |= file_words[k].kind;
    }
    if (json_kind(list) != JSON_ARRAY || read == 0)
        return err_field(err, "vaultyard.files", "%s", wanted);
    *files = read;
    return true;
}

/* Octal text, as chmod takes it: a JSON number 640 would be read as decimal by one and octal by another. */
static bool mode_read(const JsonVal *v, mode_t *mode, Err *err)
{
    if (json_kind(v) <= JSON_NULL)
        return true;
    Str text = json_str(v);
    mode_t read = 0;
    bool sound = text.len >= 3 && text.len <= 4;
    for (size_t i = 0; i < text.len && sound; i++) {
        sound = text.ptr[i] >= '0' && text.ptr[i] <= '7';
        read = read * 8 + (mode_t)(text.ptr[i] - '0');
    }
    if (!sound || (read & ~(mode_t)0666) || !(read & 0400))
        return err_field(err, "vaultyard.mode", "vaultyard.mode must be octal text such as \"0640\": readable by its owner, executable by nobody");
    if (read & 0006)
        return err_field(err, "vaultyard.mode", "vaultyard.mode would let everybody use the private key; name a group or acls instead");
    *mode = read;
    return true;
}

static bool is_account(Str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == ':' || name.ptr[i] == '/')
            return false;
    return name.len <= 64;
}

static bool each_apply(const EachIn *in, Str version, bool *pin, Observed *observed, Err *err)
{
    if (!files_read(in->files, &observed->files, err) || !mode_read(in->mode, &observed->mode, err))
        return false;
    if (!is_account(in->owner) || !is_account(in->group))
        return err_field(err, "vaultyard.owner", "vaultyard.owner and group must be names or numbers of this machine's accounts");
    if (in->keep.set && (in->keep.value < KEEP_MIN || in->keep.value > KEEP_MAX))
        return err_field(err, "vaultyard.keepVersions", "vaultyard.keepVersions must be within %d to %d", KEEP_MIN, KEEP_MAX);
    if (in->password_file.len && in->password_file.ptr[0] != '/')
        return err_field(err, "vaultyard.pkcs12PasswordFile", "vaultyard.pkcs12PasswordFile must be an absolute path");
    if (in->pin.set)
        *pin = in->pin.value;
    if (in->pin.set && in->pin.value && version.ptr && !version.len)
        return err_field(err, "vaultyard.pinVersion", "vaultyard.pinVersion needs a version in the URL: https://<vault>.<domain>/secrets/<name>/<version>");
    if (in->owner.len)
        observed->owner = in->owner;
    if (in->group.len)
        observed->group = in->group;
    if (in->keep.set)
        observed->keep_versions = in->keep.value;
    if (in->password_file.len)
        observed->pkcs12_password_file = in->password_file;
    return true;
}

/* A text is a line for the shell; a list is the words as they are. */
static bool command_read(const JsonVal *command, Hook *hook, Err *err)
{
    Str line = json_str(command);
    if (line.len) {
        hook->words[0] = STR("/bin/sh");
        hook->words[1] = STR("-c");
        hook->words[2] = line;
        hook->word_count = 3;
        return true;
    }
    hook->word_count = json_count(command);
    if (json_kind(command) != JSON_ARRAY || hook->word_count == 0 || hook->word_count > HOOK_WORDS_MAX)
        return err_field(err, "vaultyard.hook.command", "vaultyard.hook.command must be a line for the shell or a list of 1 to %d words", HOOK_WORDS_MAX);
    for (size_t i = 0; i < hook->word_count; i++) {
        hook->words[i] = json_str(json_at(command, i));
        if (!hook->words[i].ptr || (i == 0 && !str_starts(hook->words[i], STR("/"))))
            return err_field(err, "vaultyard.hook.command", "vaultyard.hook.command must be words, of which the first is an absolute path");
    }
    return true;
}

static bool hook_read(const JsonVal *v, Hook *hook, Err *err)
{
    if (json_kind(v) <= JSON_NULL)
        return true;
    HookIn in = { 0 };
    if (json_kind(v) != JSON_OBJECT)
        return err_field(err, "vaultyard.hook", "vaultyard.hook must be an object with command, user and timeoutSeconds");
    if (!json_read_exact(v, "vaultyard.hook", hook_fields, COUNT_OF(hook_fields), &in, err) || !command_read(in.command, hook, err))
        return false;
    if (!is_account(in.user))
        return err_field(err, "vaultyard.hook.user", "vaultyard.hook.user must be a user of this machine");
    if (in.timeout.set && (in.timeout.value < 1 || in.timeout.value > 3600))
        return err_field(err, "vaultyard.hook.timeoutSeconds", "vaultyard.hook.timeoutSeconds must be within 1 to 3600");
    hook->user = in.user.len ? in.user : STR_NONE;
    hook->timeout_s = in.timeout.set ? in.timeout.value : HOOK_TIMEOUT_S;
    return true;
}

static bool metrics_read(const JsonVal *v, CertSettings *out, Err *err)
{
    MetricsIn in = { 0 };
    ScrapeAddress address;
    if (json_kind(v) <= JSON_NULL)
        return true;
    if (json_kind(v) != JSON_OBJECT)
        return err_field(err, "vaultyard.metrics", "vaultyard.metrics must be an object with listen, file or both");
    if (!json_read_exact(v, "vaultyard.metrics", metrics_fields, COUNT_OF(metrics_fields), &in, err) || (in.listen.ptr && !scrape_address(in.listen, &address, err)))
        return false;
    if (in.file.ptr && (!str_starts(in.file, STR("/")) || str_ends(in.file, STR("/"))))
        return err_field(err, "vaultyard.metrics.file", "vaultyard.metrics.file must be the absolute path of a file");
    out->metrics_listen = in.listen;
    out->metrics_file = in.file;
    return true;
}

/* How is told by what is given: exactly one of secret, certificate and token of another issuer. */
static bool sign_in_read(const JsonVal *v, SignIn *out, Err *err)
{
    SignInIn in = { 0 };
    if (json_kind(v) <= JSON_NULL)
        return true;
    if (json_kind(v) != JSON_OBJECT)
        return err_field(err, "vaultyard.signIn", "vaultyard.signIn must be an object");
    if (!json_read_exact(v, "vaultyard.signIn", sign_in_fields, COUNT_OF(sign_in_fields), &in, err))
        return false;
    bool federated = in.workload || in.token.len;
    if ((in.secret.len > 0) + (in.certificate.len > 0) + federated != 1)
        return err_field(err, "vaultyard.signIn", "vaultyard.signIn needs one of clientSecretFile, clientCertificateFile, and federatedTokenFile or workloadIdentity");
    const struct { Str path; const char *name; } paths[] = {
        { in.secret, "clientSecretFile" }, { in.certificate, "clientCertificateFile" }, { in.password, "clientCertificatePasswordFile" }, { in.token, "federatedTokenFile" },
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (paths[i].path.len && paths[i].path.ptr[0] != '/')
            return err_field(err, "vaultyard.signIn", "vaultyard.signIn.%s must be an absolute path", paths[i].name);
    for (size_t i = 0; i < 2; i++) {
        Str id = i ? in.client : in.tenant;
        for (size_t k = 0; k < id.len; k++)
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", id.ptr[k]) || id.len > 255)
                return err_field(err, "vaultyard.signIn", "vaultyard.signIn.%s '" STR_FMT "' is no id", i ? "clientId" : "tenantId", STR_ARG(str_slice(id, 0, 80)));
    }
    *out = (SignIn){ .kind = federated ? SIGN_IN_FEDERATED : in.secret.len ? SIGN_IN_SECRET : SIGN_IN_CERTIFICATE, .authority = in.authority, .tenant = in.tenant,
                     .client_id = in.client, .secret_file = in.secret, .certificate_file = in.certificate, .certificate_password_file = in.password, .token_file = in.token };
    return true;
}

static bool is_object_or_absent(const JsonVal *own, Err *err)
{
    return json_kind(own) <= JSON_NULL || json_kind(own) == JSON_OBJECT ||
           err_field(err, "vaultyard", "vaultyard must be an object");
}

bool own_settings_read(const JsonVal *own, CertSettings *settings, Observed *each, Err *err)
{
    OwnIn in = { 0 };
    bool pin = false;
    *each = (Observed){ .files = FILE_PEM, .mode = 0600, .keep_versions = KEEP_MIN };
    settings->initial_backoff_ms = INITIAL_BACKOFF_MS;
    settings->push = true;
    /* Never later than asked for, so jitter takes from the period; a tenth spreads a fleet well. */
    settings->jitter_s = settings->poll_s / 10 < 300 ? settings->poll_s / 10 : 300;
    if (!is_object_or_absent(own, err))
        return false;
    if (json_kind(own) != JSON_OBJECT)
        return true;
    if (!json_read_exact(own, "vaultyard", own_fields, COUNT_OF(own_fields), &in, err) || !each_apply(&in.each, STR_NONE, &pin, each, err) ||
        !hook_read(in.hook, &settings->hook, err) || !sign_in_read(in.sign_in, &settings->sign_in, err) ||
        !metrics_read(in.metrics, settings, err))
        return false;
    if (in.backoff.set && (in.backoff.value < 1 || in.backoff.value > 60000))
        return err_field(err, "vaultyard.initialSyncBackoffMs", "vaultyard.initialSyncBackoffMs must be within 1 to 60000");
    if (in.jitter.set && (in.jitter.value < 0 || in.jitter.value >= settings->poll_s))
        return err_field(err, "vaultyard.jitterSeconds", "vaultyard.jitterSeconds must be 0 or more and less than pollingIntervalInS");
    if (in.ca_file.len && in.ca_file.ptr[0] != '/')
        return err_field(err, "vaultyard.caFile", "vaultyard.caFile must be an absolute path");
    size_t at;
    if (in.proxy.len && !str_find(in.proxy, STR("://"), &at))
        return err_field(err, "vaultyard.proxy", "vaultyard.proxy must be a URL such as http://proxy.example:3128");
    if (in.backoff.set)
        settings->initial_backoff_ms = in.backoff.value;
    if (in.jitter.set)
        settings->jitter_s = in.jitter.value;
    if (in.push.set)
        settings->push = in.push.value;
    settings->clean_up = in.clean_up.set && in.clean_up.value;
    settings->ca_file = in.ca_file.len ? in.ca_file : STR_NONE;
    settings->proxy = in.proxy.len ? in.proxy : STR_NONE;
    each->pinned = pin ? STR("") : STR_NONE;             /* the entry puts its own version here */
    return true;
}

bool own_entry_read(const JsonVal *own, Str version, bool *pin, Observed *observed, Err *err)
{
    EachIn in = { 0 };
    if (!is_object_or_absent(own, err))
        return false;
    if (json_kind(own) != JSON_OBJECT)
        return true;
    return json_read_exact(own, "observedCertificates.vaultyard", each_fields, COUNT_OF(each_fields), &in, err) &&
           each_apply(&in, version.ptr ? version : STR(""), pin, observed, err);
}
