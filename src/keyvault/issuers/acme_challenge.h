/* acme_challenge.h - answers that prove names to an ACME server (RFC 8555 section 8): served by us, or given to the operator's hook.
 *
 * An answer is a row before it is given, so that whoever is killed in between takes all of them back when the order goes on. http-01 is served
 * from the rows at /.well-known/acme-challenge/{token} when the site listens for it, else by the hook; dns-01 always is the hook's:
 *     HOOK present|cleanup http-01 NAME TOKEN KEY-AUTHORIZATION
 *     HOOK present|cleanup dns-01 NAME _acme-challenge.NAME TXT-VALUE
 * It runs as the server's user, with PATH and LANG alone, for at most ACME_HOOK_MS, and answers 0 when the answer can be seen (or is gone); both
 * may come twice. */
#pragma once
#include "keyvault/issuers/issuer_acme.h"

enum { ACME_HOOK_MS = 60 * 1000 };

typedef struct AcmeAnswer {
    Str kind, name, token;
    Str answer;                         /* key authorization, or the TXT record's value */
} AcmeAnswer;

bool acme_answer_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, const AcmeAnswer *answer, Err *err) MUST_CHECK;
/* Those of one certificate, in the arena. */
bool acme_answers_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, AcmeAnswer **out, size_t *count, Err *err) MUST_CHECK;
bool acme_answer_erase(Txn *txn, const Vault *vault, Str name_key, Str token, Err *err) MUST_CHECK;

/* Outside of transactions. ERR_UNAVAILABLE: the hook failed, with the last line of what it said. */
bool acme_answer_present(const AcmeSettings *settings, Arena *arena, const AcmeAnswer *answer, Err *err) MUST_CHECK;
bool acme_answer_cleanup(const AcmeSettings *settings, Arena *arena, const AcmeAnswer *answer, Err *err) MUST_CHECK;
