/* account_certificate_refs.h - a pool's references to the account's certificates.
 *
 * In a pool's document they are the member "certificates": [{thumbprint, storeLocation, storeName, visibility}], with the defaults filled in.
 * The data plane names a certificate by its thumbprint, Resource Manager by its id. Stores are for Windows nodes: checked, kept, shown. */
#pragma once
#include "batch/accounts/account.h"
#include "batch/shape.h"

enum { CERTIFICATE_REFS_MAX = 64 };
/* Which accounts on a node get the private key. */
typedef enum CertificateVisibility { VISIBLE_START_TASK = 1, VISIBLE_TASK = 2, VISIBLE_REMOTE_USER = 4, VISIBLE_ALL = 7 } CertificateVisibility;

typedef struct CertificateRef { Str thumbprint; unsigned visibility; } CertificateRef;      /* visibility: CertificateVisibility, together */

/* The member of a request ("certificates", or "certificateReferences" on the data plane): writes the document's into the open object, nothing for an
 * empty list. *account_arm_id: the account that Resource Manager's ids name; absent on the data plane. ERR_BAD_INPUT names the field. */
bool certificate_refs_read(Arena *arena, const JsonVal *list, Spelling from, JsonWriter *w, Str *account_arm_id, Err *err) MUST_CHECK;
/* The member of an answer, into the open object. */
void certificate_refs_write(Arena *arena, Spelling to, Str account_arm_id, Str body, JsonWriter *w);
/* One for each certificate of a document; visibilities of several references to one are joined. */
bool certificate_refs_of(Arena *arena, Str body, CertificateRef **out, size_t *count, Err *err) MUST_CHECK;
bool certificate_refs_any(Arena *arena, Str body);
void certificate_visibility_write(unsigned visibility, JsonWriter *w);                     /* member "visibility" of the data plane's words */

/* A pool's document is being written: its row is there already. New references must be to active certificates of the account
 * (ERR_CONFLICT InvalidCertificateReferences), and none may change once the feature is retired (CertificateRetired). */
typedef struct CertificateRefsChange {
    Str account_id, pool_key;
    Str before;                             /* the document as it was; absent: a new pool */
    Str after;
    Str asked_account;                      /* from certificate_refs_read */
    int64_t now_ms;
} CertificateRefsChange;
bool certificate_refs_apply(Txn *txn, Arena *arena, const CertificateRefsChange *change, Err *err) MUST_CHECK;
