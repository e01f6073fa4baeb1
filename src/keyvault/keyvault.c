/* keyvault.c - opening, wiring and closing of the subject. */
#include "keyvault/keyvault.h"
#include <stdlib.h>
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/certificates/cert_mail.h"
#include "keyvault/data_routes.h"
#include "keyvault/events/courier.h"
#include "keyvault/events/expiry.h"
#include "keyvault/events/subscription.h"
#include "keyvault/issuers/acme_order.h"
#include "keyvault/issuers/issuer_responder.h"
#include "keyvault/keys/attestation.h"
#include "keyvault/keys/key_notify.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key_rotation.h"
#include "keyvault/objects/deleted.h"
#include "keyvault/secrets/secret_facts.h"
#include "keyvault/vaults/diagnostics.h"
#include "keyvault/vaults/permission.h"
#include "keyvault/vaults/throttle.h"
#include "keyvault/vaults/vault_arm.h"

bool keyvault_open(Site *site, Identity *identity, Access *access, Arm *arm, KeyVault **out, Err *err)
{
    KeyVault *kv = calloc(1, sizeof *kv);
    if (!kv)
        return err_set(err, ERR_INTERNAL, "out of memory for the vaults");
    *kv = (KeyVault){ .site = site, .identity = identity, .access = access, .arm = arm, .ask_authority = attestation_call };
    kv->keys = key_cache_new();
    if ((!kv->keys && !err_set(err, ERR_INTERNAL, "out of memory for the cache of keys")) || !cache_new(KEY_CACHE_MAX, &kv->key_facts, err) ||
        !cache_new(SECRET_FACTS_MAX, &kv->secret_facts, err) || !vault_cache_open(kv, err)) {
        keyvault_close(kv);
        return false;
    }
    plane_setup(kv);
    runner_register(site->runner, WORK_ISSUE, RUNNER_OBJECT_TIME, certificate_issue_run, kv);
    runner_register(site->runner, WORK_ORDER, RUNNER_REAL_TIME, acme_order_run, kv);
    runner_register(site->runner, WORK_MAIL, RUNNER_OBJECT_TIME, cert_mail_run, kv);
    runner_register(site->runner, WORK_RENEW, RUNNER_OBJECT_TIME, certificate_renew_run, kv);
    runner_register(site->runner, WORK_RESPONDER, RUNNER_OBJECT_TIME, responder_run, kv);
    runner_register(site->runner, WORK_ROTATE, RUNNER_OBJECT_TIME, key_rotation_run, kv);
    runner_register(site->runner, WORK_EXPIRY, RUNNER_OBJECT_TIME, expiry_run, kv);
    runner_register(site->runner, WORK_NOTIFY, RUNNER_OBJECT_TIME, key_notify_run, kv);
    runner_register(site->runner, WORK_HSM, RUNNER_REAL_TIME, hsm_sweep_run, kv);
    runner_register(site->runner, WORK_PURGE, RUNNER_OBJECT_TIME, object_purge_run, kv);
    runner_register(site->runner, WORK_VAULT_PURGE, RUNNER_OBJECT_TIME, vault_purge_run, kv);
    runner_register(site->runner, WORK_LOGS, RUNNER_REAL_TIME, diagnostic_logs_run, kv);
    arm_on_delete(arm, "Microsoft.KeyVault/vaults", vault_delete_resource, kv);
    if (!hsm_start(kv, err)) {
        keyvault_close(kv);
        return false;
    }
    access_on_change(access, permission_changed_at, kv);
    *out = kv;
    return true;
}

void keyvault_close(KeyVault *kv)
{
    if (!kv)
        return;
    courier_free(kv);
    vault_cache_close(kv->cache);
    key_cache_free(kv->keys);
    cache_free(kv->key_facts);
    cache_free(kv->secret_facts);
    throttle_free(kv->throttle);
    free(kv);
}

void keyvault_use_acme(KeyVault *kv, const AcmeSettings *settings) { kv->acme = settings; }

void keyvault_use_mail(KeyVault *kv, const MailRelay *relay) { kv->mail = relay; }

bool keyvault_mount(KeyVault *kv, HttpServer *server, Err *err)
{
    return http_mount(server, arm_plane(kv->arm), vault_arm_routes, vault_arm_route_count, kv, err) &&
           http_mount(server, arm_plane(kv->arm), event_routes, event_route_count, kv, err) &&
           http_mount(server, arm_plane(kv->arm), diagnostic_routes, diagnostic_route_count, kv, err) &&
           http_mount(server, &kv->plane, data_routes, data_route_count, kv, err);
}

bool keyvault_throttle(KeyVault *kv, Err *err)
{
    kv->throttle = throttle_new();
    return kv->throttle || err_set(err, ERR_INTERNAL, "out of memory for the limits of vaults");
}

void keyvault_log_to(KeyVault *kv, const char *dir) { kv->logs_dir = dir; }

bool keyvault_start(KeyVault *kv, const char *webhook_ca_file, Err *err) { return courier_start(kv, webhook_ca_file, err); }
void keyvault_stop(KeyVault *kv) { courier_stop(kv); }
