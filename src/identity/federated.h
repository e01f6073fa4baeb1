/* federated.h - federated identity credentials: tokens of which other issuers an application or a managed identity may sign in with.
 *
 * One holds where its issuer, subject and audience are exactly the token's iss, sub and (one of) aud, letter by letter. An application's are
 * listed under its object id, a managed identity's under its principal's.
 * Sources: "federatedIdentityCredential resource type" (Microsoft Graph v1.0), "Federated Identity Credentials" (Managed Identity REST). */
#pragma once
#include "identity/identity.h"

enum { FEDERATED_MAX = 20, FEDERATED_NAME_MIN = 3, FEDERATED_NAME_MAX = 120, FEDERATED_TEXT_MAX = 600 };     /* of one holder; characters */

typedef struct Federated { Str id, name, issuer, subject, audience, description; } Federated;     /* description may be absent */

/* ERR_BAD_INPUT names the member: name, issuer (an https URL), subject, audiences, description. */
bool federated_check(const Federated *credential, Err *err) MUST_CHECK;
bool federated_audience(const JsonVal *audiences, Str *out, Err *err) MUST_CHECK;                 /* of a body: a list of exactly one */

/* Within a transaction. `name` may be an id as well; names compare without case. */
bool federated_find(Identity *identity, Txn *txn, Arena *arena, Str holder_id, Str name, Federated *out, bool *found, Err *err) MUST_CHECK;
bool federated_list(Identity *identity, Txn *txn, Arena *arena, Str holder_id, const Federated **out, size_t *count, Err *err) MUST_CHECK;      /* by name */
/* id absent: a new one, whose id is set; else the one of that id is written over. ERR_CONFLICT: the name, or issuer with subject, is another's;
 * ERR_TOO_LARGE: there are FEDERATED_MAX. */
bool federated_put(Identity *identity, Txn *txn, Arena *arena, Str holder_id, Str app_id, Federated *credential, Err *err) MUST_CHECK;
bool federated_remove(Txn *txn, Str holder_id, Str id, Err *err) MUST_CHECK;
