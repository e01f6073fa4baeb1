/* account_certificate.h - rows of batch_certificate: the certificates of an account, which its pools refer to by thumbprint.
 *
 * File and password are sealed under the account's scope and leave the server only towards the nodes of pools that refer to them
 * (account_certificate_node.h); nothing gives them back to people. */
#pragma once
#include "batch/accounts/account.h"
#include "batch/certificates/account_certificate_content.h"
#include "batch/certificates/account_certificate_states.h"

typedef struct AccountCertificate {
    Str account_id, thumbprint;
    CertificateFormat format;
    CertificateState state, previous;       /* previous 0: none yet */
    int64_t state_ms, previous_ms;
    Bytes public_der, material, password;   /* sealed; password.ptr NULL for a .cer */
    Str delete_error;                       /* JSON {code, message, details: [{name, value}]}; absent unless the last deletion failed */
    int64_t etag;
    Str operation;                          /* of the deletion under way, when Resource Manager asked for it */
    int64_t changed_ms;
} AccountCertificate;

bool account_certificate_find(Txn *txn, Arena *arena, Str account_id, Str thumbprint, AccountCertificate *out, bool *found, Err *err) MUST_CHECK;     /* as certificate_thumbprint gives it */
/* ERR_NOT_FOUND CertificateNotFound. `thumbprint` as it was asked for. */
bool account_certificate_require(Txn *txn, Arena *arena, Str account_id, Str thumbprint, AccountCertificate *out, Err *err) MUST_CHECK;
/* At most `limit` whose thumbprint comes after `after` (absent: from the first). */
bool account_certificate_list(Txn *txn, Arena *arena, Str account_id, Str after, int64_t limit, AccountCertificate **out, size_t *count, Err *err) MUST_CHECK;

/* ERR_CONFLICT CertificateExists, CertificateBeingDeleted. */
bool account_certificate_insert(const Site *site, Txn *txn, Arena *arena, Str account_id, const CertificateContent *content, int64_t now_ms, Err *err) MUST_CHECK;
/* Another file of the same certificate. ERR_CONFLICT CertificateBeingDeleted. */
bool account_certificate_replace(const Site *site, Txn *txn, Arena *arena, const AccountCertificate *before, const CertificateContent *content, int64_t now_ms, Err *err) MUST_CHECK;
/* Moves by the table; CERTIFICATE_GONE removes the row. error_json is kept with CERTIFICATE_IN_USE only. ERR_CONFLICT CertificateStateActive,
 * CertificateBeingDeleted, CertificateDeleteFailed, when the move is not listed. */
bool account_certificate_apply(Txn *txn, const AccountCertificate *certificate, CertificateEvent event, Str error_json, int64_t now_ms, CertificateState *now, Err *err) MUST_CHECK;
/* Somebody asked for it: deleting, and the background work decides. `operation` may be absent. */
bool account_certificate_delete_begin(Batch *batch, Txn *txn, Arena *arena, const AccountCertificate *certificate, Str operation, int64_t now_ms, Err *err) MUST_CHECK;

bool account_certificate_public_open(const Site *site, Txn *txn, Arena *arena, const AccountCertificate *certificate, Bytes *der, Err *err) MUST_CHECK;
/* The caller's to free; *password NULL for a .cer. */
bool account_certificate_material_open(const Site *site, Txn *txn, Arena *arena, const AccountCertificate *certificate, Secret **material, Secret **password, Err *err) MUST_CHECK;

const char *account_certificate_format_name(CertificateFormat format);              /* "Pfx", as Resource Manager has it */
