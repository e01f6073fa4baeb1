/* serve.c - `vaultyard serve`: bind, give up privileges, open everything, answer until told to end. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "base/secret.h"
#include "egress/egress.h"
#include "provider/host.h"
#include "server/admin.h"
#include "server/audit_keep.h"
#include "server/command.h"
#include "server/hsm.h"
#include "server/listeners.h"
#include "server/vault_options.h"
#include "server/wiring.h"

enum { SERVE_ARENA_BYTES = 1024 * 1024, DRAIN_MS = 3000, FREE_KEPT_BYTES = 1 << 20, KEY_CHECK_MOST_S = 3600 };

typedef struct Serve {
    Arena *arena;
    DataDir data;
    HttpServer *http;
    int port;
    HsmOptions hsm_options;
    P11Token *hsm;
    Wiring wiring;
    VaultOptions vaults;
    AuditKeep audit_keep;
    EgressPolicy egress_policy;
    Egress *egress;
    const char *webhook_ca, *attestation_ca, *issuer_ca;
} Serve;

static bool tls_leaf(void *ctx, Arena *arena, Str name, TlsLeaf *out, Err *err)
{
    const Serve *serve = ctx;
    return authority_leaf(serve->wiring.authority, arena, name, out, err);
}

/* Local nodes need the privileged host process; root starts it when none is there, and leaves a child that does so again. */
static bool start_host(const Serve *serve, Err *err)
{
    char program[PATH_MAX];
    char *dir = str_to_cstr(serve->arena, serve->data.dir, err);
    if (!dir || !command_program(program, err))
        return false;
    const char *const host_argv[] = HOST_COMMAND(program, dir);
    const char *const guard_argv[] = { program, "host-guard", "--data-dir", dir, NULL };
    int lives_fd;                                             /* ends with this process */
    return host_launch(dir, host_argv, err) && host_guard_start(guard_argv, &lives_fd, err);
}

/* Before anything is written: a second server would else point the profile at a port of its own, and only then find the database
 * taken. The directory is locked and not a file in it, since root may not leave a file that the service user cannot open. The lock
 * ends with the process. */
static bool take_directory(const Serve *serve, Err *err)
{
    const char *store = datadir_path(serve->arena, &serve->data, "store");
    if (!store)
        return err_too_big(err);
    int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "cannot open %s", store);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    bool is_taken = errno == EWOULDBLOCK;
    (void)(is_taken ? err_set(err, ERR_CONFLICT, "the data directory " STR_FMT " is in use by another server: stop that one first", STR_ARG(serve->data.dir))
                    : err_errno(err, "cannot lock %s", store));
    (void)close(fd);
    return false;
}

/* A port that was picked is written down while we still may, so that the profile's URLs are true and the next start prefers it. */
static bool remember_port(Serve *serve, bool was_picked, Err *err)
{
    DataDir now = serve->data;
    now.port = serve->port;
    if (!admin_move_port(&now, err))
        return false;
    if (!was_picked || serve->data.last_port == serve->port)
        return true;
    serve->data.last_port = serve->port;
    return datadir_write(&serve->data, err);
}

static bool listens_on_any(const char *const *listen, int count, int port)
{
    bool any = count == 0 && port == 0;
    for (int i = 0; i < count; i++)
        any = any || str_ends(str_from(listen[i]), STR(":0"));
    return any;
}

/* How often customer-managed keys are tried. */
static bool set_key_check(Serve *serve, const char *seconds_text, Err *err)
{
    int64_t seconds;
    Err ignored;
    if (!seconds_text)
        return true;
    if (!str_to_int64(str_from(seconds_text), 1, KEY_CHECK_MOST_S, &seconds, &ignored))
        return err_set(err, ERR_BAD_INPUT, "--key-check '%s' is no number of seconds from 1 to %d", seconds_text, KEY_CHECK_MOST_S);
    return batch_set_key_check(serve->wiring.batch, seconds * 1000, err);
}

/* As the service user, who will read it. */
static bool check_ca_file(const char *option, const char *path, Err *err)
{
    return !path || access(path, R_OK) == 0 || err_errno(err, "%s %s cannot be read by the service user", option, path);
}

static bool set_ca_files(Serve *serve, Err *err)
{
    serve->wiring.parts.site.attestation_ca_file = serve->attestation_ca;
    identity_set_issuer_ca(serve->wiring.identity, serve->issuer_ca);
    return check_ca_file("--webhook-ca", serve->webhook_ca, err) && check_ca_file("--attestation-ca", serve->attestation_ca, err) &&
           check_ca_file("--issuer-ca", serve->issuer_ca, err);
}

/* Requests that share a commit are freed together: the moment for glibc to give a thread's memory back, and to ask for it again, page by page,
 * with the next ones. So much of it each thread may keep. */
static void keep_freed_memory(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, FREE_KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, FREE_KEPT_BYTES);     /* which no longer grows by itself, once the other is set */
}

static bool open_up(Serve *serve, const char *const *listen, int listen_count, bool is_dev, bool with_host, const char *key_check, Err *err)
{
    HttpConfig config = { .base_domain = serve->data.domain, .aliases = serve->data.aliases, .alias_count = serve->data.alias_count,
                          .tls_leaf = tls_leaf, .tls_ctx = serve };
    bool as_root = geteuid() == 0;
    if (!take_directory(serve, err) || !http_new(&config, &serve->http, err) ||
        !listeners_bind(serve->http, listen, listen_count, serve->data.port, serve->data.last_port, &serve->port, err) ||
        !vault_options_bind(&serve->vaults, err))
        return false;
    if (as_root && with_host && !start_host(serve, err))
        return false;
    if ((as_root || geteuid() == serve->data.uid) && !remember_port(serve, listens_on_any(listen, listen_count, serve->data.port), err))
        return false;
    if (!datadir_drop_privileges(&serve->data, err))
        return false;
    process_harden();
    keep_freed_memory();
    (void)umask(0077);
    char *socket = datadir_path(serve->arena, &serve->data, "run/site/site.sock"), *egress = datadir_path(serve->arena, &serve->data, "run/site/egress.sock");
    if (!socket || !egress)
        return err_too_big(err);
    return hsm_open(&serve->hsm_options, &serve->hsm, err) &&
           wiring_open(serve->arena, &serve->data, serve->port, is_dev, serve->http, serve->hsm, &serve->wiring, err) &&
           set_key_check(serve, key_check, err) && set_ca_files(serve, err) && vault_options_apply(&serve->vaults, serve->wiring.keyvault, err) &&
           audit_keep_apply(&serve->audit_keep, &serve->wiring.parts.site, serve->wiring.keyvault, err) && http_listen_unix(serve->http, socket, 0666, err) &&
           egress_start(egress, &serve->egress_policy, &serve->egress, err) &&
           /* Most runs wait, for a host, a node, a vault, an issuer; what waits must not keep a certificate from its renewal. */
           runner_start(serve->wiring.parts.site.runner, runner_runs_at_most(serve->wiring.parts.site.runner), err) &&
           keyvault_start(serve->wiring.keyvault, serve->webhook_ca, err) && batch_watch_start(serve->wiring.batch, err) && http_start(serve->http, err);
}

/* What nodes may reach through the server: --node-egress and --node-egress-allow. */
static bool read_egress(const char *mode, const char *const *rules, int rule_count, EgressPolicy *out, Err *err)
{
    Err why = { 0 };
    if (mode && !egress_mode_read(str_from(mode), &out->mode, &why))
        return err_set(err, ERR_BAD_INPUT, "--node-egress %s", why.text);
    if (out->mode == EGRESS_OFF && rule_count)
        return err_set(err, ERR_BAD_INPUT, "--node-egress off and --node-egress-allow contradict each other");
    for (int i = 0; i < rule_count; i++)
        if (!egress_rule_read(str_from(rules[i]), &out->rules[out->rule_count++], &why))
            return err_set(err, ERR_BAD_INPUT, "--node-egress-allow %s", why.text);
    return true;
}

static void wait_for_end(void)
{
    sigset_t set;
    int number;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigwait(&set, &number);
    log_event(LOG_INFO, "server.stopping", log_int("signal", number));
}

/* Each connection is a descriptor, and the limit a service is started with is often 1,024; the server takes what it may. */
static void allow_connections(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Signals are blocked before any thread exists, so that only wait_for_end takes them. */
static void block_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
}

int command_serve(int argc, char **argv)
{
    enum { OWN_OPTIONS = 13 };
    static Serve serve;                                       /* subjects keep pointers into it */
    const char *dir = NULL, *listen[LISTEN_MAX], *flag = NULL, *key_check = NULL, *egress = NULL, *allowed[EGRESS_RULES_MAX], *webhook_ca = NULL, *attestation_ca = NULL, *issuer_ca = NULL, *audit_keep = NULL;
    int dirs = 0, key_checks = 0, egresses = 0, allowed_count = 0, webhook_cas = 0, attestation_cas = 0, issuer_cas = 0, audit_keeps = 0, listen_count = 0, dev = 0, json = 0, verbose = 0, no_host = 0;
    Option options[OWN_OPTIONS + VAULT_OPTIONS + HSM_OPTIONS] = {
        { "--data-dir", false, &dir, &dirs, 1 }, { "--listen", false, listen, &listen_count, LISTEN_MAX }, { "--dev", true, &flag, &dev, 1 },
        { "--log-json", true, &flag, &json, 1 }, { "--verbose", true, &flag, &verbose, 1 }, { "--no-host", true, &flag, &no_host, 1 },
        { "--key-check", false, &key_check, &key_checks, 1 }, { "--node-egress", false, &egress, &egresses, 1 },
        { "--node-egress-allow", false, allowed, &allowed_count, EGRESS_RULES_MAX }, { "--webhook-ca", false, &webhook_ca, &webhook_cas, 1 },
        { "--attestation-ca", false, &attestation_ca, &attestation_cas, 1 }, { "--issuer-ca", false, &issuer_ca, &issuer_cas, 1 },
        { "--audit-keep", false, &audit_keep, &audit_keeps, 1 },
    };
    vault_options_list(&serve.vaults, &options[OWN_OPTIONS]);
    hsm_options_list(&serve.hsm_options, &options[OWN_OPTIONS + VAULT_OPTIONS]);
    if (!options_read("serve", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    if (!dir) {
        (void)command_fail("serve", "--data-dir is needed");
        return EXIT_USAGE;
    }
    serve.webhook_ca = webhook_ca;
    serve.attestation_ca = attestation_ca;
    serve.issuer_ca = issuer_ca;
    Err err = { 0 };
    if (!read_egress(egress, allowed, allowed_count, &serve.egress_policy, &err) || !vault_options_check(&serve.vaults, &err) ||
        !audit_keep_read(audit_keep, dev, &serve.audit_keep, &err) || !hsm_options_read(&serve.hsm_options, &err)) {
        (void)command_fail("serve", err.text);
        return EXIT_USAGE;
    }
    log_setup(verbose ? LOG_DEBUG : LOG_INFO, json ? LOG_JSON : LOG_KEY_VALUE, "vaultyard");
    block_signals();
    allow_connections();
    AUTO(arena_free_auto) Arena *arena = arena_new(SERVE_ARENA_BYTES);
    serve.arena = arena;
    if (!arena || !datadir_read(arena, dir, &serve.data, &err))
        return command_fail("serve", arena ? err.text : "out of memory");
    bool open = open_up(&serve, listen, listen_count, dev, !no_host, key_check, &err);
    if (open) {
        (void)printf("ready " STR_FMT "\n", STR_ARG(site_url(&serve.wiring.parts.site, arena, STR("management"))));
        (void)fflush(stdout);
        wait_for_end();
    }
    egress_stop(serve.egress);
    batch_watch_stop(serve.wiring.batch);
    keyvault_stop(serve.wiring.keyvault);
    if (serve.wiring.parts.site.runner)
        runner_drain(serve.wiring.parts.site.runner);        /* its work wakes parked requests, so it ends before the server that holds them */
    vault_options_stop(&serve.vaults, DRAIN_MS);
    if (serve.http)
        http_stop(serve.http, DRAIN_MS);
    wiring_close(&serve.wiring);
    p11_close(serve.hsm);
    secret_free(serve.hsm_options.pin);
    return open ? 0 : command_fail("serve", err.text);
}
