/* cert_mail.h - the lifetime action EmailContacts: once for each version, when its trigger says, the vault's contacts get a mail.
 *
 * Where no relay is set (serve --smtp-relay), or the vault has no contacts, an event CertificateNearExpiry and a line of the log tell instead. A
 * message that the relay does not take is sent again until it does or the version expires; a server that is killed after it was taken may send it
 * once more, with the same Message-ID. */
#pragma once
#include "keyvault/certificates/cert_rows.h"

#define WORK_MAIL "certificate.email"       /* key as of WORK_RENEW; object time */

/* With each change of policy or current version, or of its attributes: `current` is that version's. */
bool cert_mail_schedule(KeyVault *kv, Txn *txn, Str work_key, const CertPolicy *policy, const Attributes *current, Err *err) MUST_CHECK;
RunnerFn cert_mail_run;
