/* keyvault.h - vaults: their Resource Manager type, secrets, keys, certificates that renew themselves, deletion, change feed.
 *
 * Opened after Arm and before arm_mount, because it registers its resource type there. The wiring calls, in this order:
 *     keyvault_open -> keyvault_mount -> keyvault_start (all before http_start) -> ... -> keyvault_stop -> runner_stop, http_stop -> keyvault_close.
 * Everything else about vaults goes over the same HTTP interface that customers have. */
#pragma once
#include "access/access.h"
#include "arm/arm.h"
#include "audit/tail.h"
#include "identity/identity.h"
#include "mail/mail.h"
#include "site/site.h"

typedef struct KeyVault KeyVault;

/* Which ACME servers (RFC 8555) the vaults of this site may ask, and how names are proved to them. The operator's, from the command line. */
enum { ACME_DIRECTORIES_MAX = 8 };
typedef struct AcmeSettings {
    Str directories[ACME_DIRECTORIES_MAX];
    size_t directory_count;
    const char *ca_file, *proxy;            /* of calls to them; NULL: the system's, none */
    const char *hook;                       /* a program; NULL: none. See docs/acme.md */
    bool serves_http;                       /* keyvault_mount_challenges was called */
} AcmeSettings;

/* Reads the names of all vaults and registers the background kinds ("certificate.issue", "certificate.renew", ...) with site->runner. */
bool keyvault_open(Site *site, Identity *identity, Access *access, Arm *arm, KeyVault **out, Err *err) MUST_CHECK;
void keyvault_close(KeyVault *kv);                                            /* NULL is fine */

/* Microsoft.KeyVault on arm_plane() and the data plane on hosts "<vault>.vault.<domain>". */
bool keyvault_mount(KeyVault *kv, HttpServer *server, Err *err) MUST_CHECK;

/* From now on vaults refuse what is over the service's limits (vaults/throttle.h). Before http_start. */
bool keyvault_throttle(KeyVault *kv, Err *err) MUST_CHECK;

/* Audit logs that diagnostic settings ask for go below this directory (vaults/diagnostics.h). `dir` outlives kv. Before http_start and runner_start. */
void keyvault_log_to(KeyVault *kv, const char *dir);
/* Lowers *most to the audit records that are in the files of diagnostic settings already; without a setting it leaves it. An AuditHoldFn
 * (audit/trim.h): what was not delivered yet is not trimmed. ctx is the KeyVault. */
bool keyvault_hold_audit(void *ctx, Txn *txn, AuditPlace *most, Err *err) MUST_CHECK;

/* The thread that takes events to webhooks. webhook_ca_file: certificates that receivers are checked by; NULL: the system's. */
bool keyvault_start(KeyVault *kv, const char *webhook_ca_file, Err *err) MUST_CHECK;
void keyvault_stop(KeyVault *kv);                                             /* before http_stop; fine if it was not started, NULL too */
/* Before runner_start; borrowed. Without it certificates of ACME issuers are refused. */
void keyvault_use_acme(KeyVault *kv, const AcmeSettings *settings);
/* Before runner_start; borrowed. Without it contacts of certificates are not written to: an event tells instead. */
void keyvault_use_mail(KeyVault *kv, const MailRelay *relay);
/* What answers http-01: a server without TLS and with base domain "" of its own. */
bool keyvault_mount_challenges(KeyVault *kv, HttpServer *plain, Err *err) MUST_CHECK;
