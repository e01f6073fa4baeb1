/* vault_options.c - see vault_options.h. */
#include "server/vault_options.h"
#include <unistd.h>
#include "base/log.h"

void vault_options_list(VaultOptions *o, Option out[VAULT_OPTIONS])
{
    const Option list[VAULT_OPTIONS] = {
        { "--acme-directory", false, o->directory, &o->directories, ACME_DIRECTORIES_MAX }, { "--acme-http-listen", false, o->http_listen, &o->http_listens, LISTEN_MAX },
        { "--acme-hook", false, &o->hook, &o->hooks, 1 }, { "--acme-ca-file", false, &o->ca_file, &o->ca_files, 1 }, { "--acme-proxy", false, &o->proxy, &o->proxies, 1 },
    };
    memcpy(out, list, sizeof list);
}

bool vault_options_check(VaultOptions *o, Err *err)
{
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
    return !o->challenges || (keyvault_mount_challenges(kv, o->challenges, err) && http_start(o->challenges, err));
}

void vault_options_stop(VaultOptions *o, int drain_ms)
{
    http_stop(o->challenges, drain_ms);
    o->challenges = NULL;
}
