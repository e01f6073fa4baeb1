/* issuer_responder.h - who says for an authority how its certificates stand (OCSP): a key of its own in software, certified by the authority for that
 * alone (RFC 6960 section 4.2.2.2).
 *
 * The certificate lives a week and says that nobody need ask how it stands itself (section 4.2.2.2.1); the clock renews it while a third of its life is
 * left, and whoever asks renews it when the clock did not run. So the authority's key signs every few days, not every answer, and answers go on
 * while a token that keeps it is away. */
#pragma once
#include "keyvault/issuers/issuer_ca.h"
#include "runner/runner.h"

#define WORK_RESPONDER "issuer.responder"       /* key: vault/issuer, in lower case */

typedef struct Responder { KeyRef *key; Bytes der; int64_t not_after_ms; } Responder;
void responder_done(Responder *responder);

/* found: there is one that is valid for as long as an answer. *out is the caller's to responder_done. The authority's key is not needed. */
bool responder_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const IssuerCa *ca, int64_t now_ms, Responder *out, bool *found, Err *err) MUST_CHECK;
/* Makes one, stores it and schedules the next; outside any transaction, for the authority's key signs. ERR_NOT_FOUND: the authority is gone or expired. */
bool responder_make(KeyVault *kv, Arena *arena, const Vault *vault, Str issuer, int64_t now_ms, Responder *out, Err *err) MUST_CHECK;
bool responder_erase(Txn *txn, Arena *arena, const Vault *vault, Str issuer, Err *err) MUST_CHECK;      /* the authority goes */

RunnerFn responder_run;
extern const int64_t OCSP_LIFE_MS;              /* how long an answer holds */
