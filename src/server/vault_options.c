/* vault_options.c - see vault_options.h. */
#include "server/vault_options.h"
#include <unistd.h>
#include "base/log.h"

void vault_options_list(VaultOptions *o, Option out[VAULT_OPTIONS])
{
    const Option list[VAULT_OPTIONS] = {
        { "--acme-directory", false, o->directory, &o->directories, ACME_DIRECTORIES_MAX }, { "--acme-http-listen", false, o->http_listen, &o->http_listens, LISTEN_MAX },
        { "--acme-hook", false, &o->hook, &o->hooks, 1 }, { "--acme-ca-file", false, &o->ca_file, &o->ca_files, 1 }, { "--acme-proxy", false, &o->proxy, &o->proxies, 1 },
        { "--smtp-relay", false, &o->relay, &o->relays, 1 }, { "--smtp-from", false, &o->mail_from, &o->mail_froms, 1 }, { "--smtp-tls", false, &o->mail_tls, &o->mail_tlss, 1 },
        { "--smtp-user", false, &o->mail_user, &o->mail_users, 1 }, { "--smtp-password-file", false, &o->mail_password_file, &o->mail_password_files, 1 },
        { "--smtp-ca-file", false, &o->mail_ca_file, &o->mail_ca_files, 1 },
        { "--audit-logs", false, &o->audit_logs, &o->audit_logs_given, 1 },
        { "--throttle", false, &o->throttle, &o->throttles, 1 },
    };
    memcpy(out, list, sizeof list);
}

static bool check_relay(VaultOptions *o, Err *err)
{
    const char *colon = strrchr(o->relay, ':');
    size_t len = colon ? (size_t)(colon - o->relay) : 0;
    int64_t port;
    Err ignored;
    if (!len || len >= sizeof o->relay_host || !str_to_int64(str_from(colon + 1), 1, 65535, &port, &ignored))
        return err_set(err, ERR_BAD_INPUT, "--smtp-relay '%s' is not of the form HOST:PORT, such as mail.example:587", o->relay);
    memcpy(o->relay_host, o->relay, len);
    o->relay_host[len] = '\0';
    o->mail.host = o->relay_host;
    o->mail.port = (int)port;
    return true;
}

static bool check_mail(VaultOptions *o, Err *err)
{
    static const struct { const char *name; MailTls tls; } kinds[] = { { "starttls", MAIL_STARTTLS }, { "implicit", MAIL_IMPLICIT }, { "off", MAIL_PLAIN } };
    if (!o->relay)
        return !(o->mail_from || o->mail_tls || o->mail_user || o->mail_password_file || o->mail_ca_file) || err_set(err, ERR_BAD_INPUT, "--smtp-relay is needed beside the other --smtp options");
    if (!check_relay(o, err))
        return false;
    if (!o->mail_from || !mail_address_is_plain(str_from(o->mail_from)))
        return err_set(err, ERR_BAD_INPUT, "--smtp-from is needed beside --smtp-relay: the e-mail address that messages come from");
    size_t kind = 0;
    while (o->mail_tls && kind < COUNT_OF(kinds) && strcmp(kinds[kind].name, o->mail_tls) != 0)
        kind++;
    if (kind == COUNT_OF(kinds))
        return err_set(err, ERR_BAD_INPUT, "--smtp-tls is starttls, implicit or off, not '%s'", o->mail_tls);
    if (!o->mail_user != !o->mail_password_file)
        return err_set(err, ERR_BAD_INPUT, "--smtp-user and --smtp-password-file belong together");
    if (o->mail_user && kinds[kind].tls == MAIL_PLAIN)
        return err_set(err, ERR_BAD_INPUT, "--smtp-tls off would send the password of --smtp-user in the clear");
    if (o->mail_ca_file && access(o->mail_ca_file, R_OK) != 0)
        return err_set(err, ERR_BAD_INPUT, "--smtp-ca-file '%s' cannot be read", o->mail_ca_file);
    o->mail.tls = kinds[kind].tls;
    o->mail.from = str_from(o->mail_from);
    o->mail.user = o->mail_user;
    o->mail.password_file = o->mail_password_file;
    o->mail.ca_file = o->mail_ca_file;
    return true;
}

bool vault_options_check(VaultOptions *o, Err *err)
{
    if (!check_mail(o, err))
        return false;
    if (o->throttle && strcmp(o->throttle, "on") != 0 && strcmp(o->throttle, "off") != 0)
        return err_set(err, ERR_BAD_INPUT, "--throttle '%s' is neither on nor off", o->throttle);
    if (o->directories == 0 && (o->http_listens || o->hooks || o->ca_files || o->proxies))
        return err_set(err, ERR_BAD_INPUT, "--acme-directory is needed beside the other --acme options: the URL of an ACME server's directory");
    for (int i = 0; i < o->directories; i++) {
        if (!str_starts(str_from(o->directory[i]), STR("https://")))
            return err_set(err, ERR_BAD_INPUT, "--acme-directory '%s' is no https URL", o->directory[i]);
        o->acme.directories[i] = str_from(o->directory[i]);
    }
    if (o->hook && (o->hook[0] != '/' || access(o->hook, X_OK) != 0))
        return err_set(err, ERR_BAD_INPUT, "--acme-hook '%s' is no program (an absolute path to an executable file)", o->hook);
    if (o->ca_file && access(o->ca_file, R_OK) != 0)
        return err_set(err, ERR_BAD_INPUT, "--acme-ca-file '%s' cannot be read", o->ca_file);
    if (o->directories && !o->http_listens && !o->hook)
        return err_set(err, ERR_BAD_INPUT, "--acme-directory needs --acme-http-listen or --acme-hook: how names are proved to the ACME server");
    o->acme.directory_count = (size_t)o->directories;
    o->acme.hook = o->hook;
    o->acme.ca_file = o->ca_file;
    o->acme.proxy = o->proxy;
    o->acme.serves_http = o->http_listens > 0;
    return true;
}

bool vault_options_bind(VaultOptions *o, Err *err)
{
    enum { ARENA_BYTES = 256 << 10, HEADER_BYTES = 8 << 10, CONNECTIONS = 256 };
    HttpConfig config = { .base_domain = STR(""), .plain = true, .io_threads = 1, .worker_threads = 1, .arena_limit_bytes = ARENA_BYTES, .header_limit_bytes = HEADER_BYTES,
                          .idle_timeout_s = 10, .connections_max = CONNECTIONS };
    int port;
    return !o->http_listens || (http_new(&config, &o->challenges, err) && listeners_bind(o->challenges, o->http_listen, o->http_listens, 0, 0, &port, err));
}

bool vault_options_apply(VaultOptions *o, KeyVault *kv, Err *err)
{
    if (o->acme.directory_count)
        keyvault_use_acme(kv, &o->acme);
    if (o->mail.host)
        keyvault_use_mail(kv, &o->mail);
    if (o->audit_logs && access(o->audit_logs, W_OK | X_OK) != 0)
        return err_errno(err, "--audit-logs %s cannot be written by the service user", o->audit_logs);
    keyvault_log_to(kv, o->audit_logs);
    if (o->throttle && strcmp(o->throttle, "on") == 0 && !keyvault_throttle(kv, err))
        return false;
    return !o->challenges || (keyvault_mount_challenges(kv, o->challenges, err) && http_start(o->challenges, err));
}

void vault_options_stop(VaultOptions *o, int drain_ms)
{
    http_stop(o->challenges, drain_ms);
    o->challenges = NULL;
}
