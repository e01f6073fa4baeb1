/* vault_options.h - what `serve` is told about the world that vaults deal with: ACME servers, a mail relay, the vaults' own limits and logs. */
#pragma once
#include "keyvault/keyvault.h"
#include "server/command.h"
#include "server/listeners.h"

enum { VAULT_OPTIONS = 13 };

typedef struct VaultOptions {
    const char *directory[ACME_DIRECTORIES_MAX], *http_listen[LISTEN_MAX], *hook, *ca_file, *proxy;
    int directories, http_listens, hooks, ca_files, proxies;
    const char *relay, *mail_from, *mail_tls, *mail_user, *mail_password_file, *mail_ca_file;
    int relays, mail_froms, mail_tlss, mail_users, mail_password_files, mail_ca_files;
    const char *throttle, *audit_logs;
    int throttles, audit_logs_given;
    char relay_host[256];
    MailRelay mail;                         /* host NULL: none */
    AcmeSettings acme;                      /* made of them by vault_options_check */
    HttpServer *challenges;                 /* NULL: nothing is served */
} VaultOptions;

void vault_options_list(VaultOptions *options, Option out[VAULT_OPTIONS]);
/* ERR_BAD_INPUT names the option. Nothing is opened. */
bool vault_options_check(VaultOptions *options, Err *err) MUST_CHECK;
/* Binds what serves challenges: while still root, for port 80. */
bool vault_options_bind(VaultOptions *options, Err *err) MUST_CHECK;
/* The settings reach the vaults, and challenges are answered. Before runner_start. */
bool vault_options_apply(VaultOptions *options, KeyVault *kv, Err *err) MUST_CHECK;
void vault_options_stop(VaultOptions *options, int drain_ms);
