/* plane.h - the data plane of vaults: hosts, tokens, permissions, error bodies, audit; and how its handlers write.
 *
 * Handlers find their vault by req_vault; it stays valid for the request. */
#pragma once
#include "keyvault/vaults/vault.h"

void plane_setup(KeyVault *kv);                                               /* fills kv->plane */
const Vault *req_vault(const Req *req);

/* One write of a data-plane request: `fn` and the audit record in one transaction, in a vault that is still there; wakes
 * who waits for changes of the vault. `object_url` is what the audit record names, `status` what will be answered. */
bool plane_write(Req *req, Str object_url, int status, StoreFn *fn, void *ctx, Err *err) MUST_CHECK;

/* The same without a thread that waits: the last thing a handler of a WHERE_COMMIT route does. `then` writes the answer once the change
 * is durable, on the event loop; ctx lives in the request's arena. */
typedef bool PlaneThen(Req *req, Reply *reply, void *ctx, Err *err);
bool plane_write_later(Req *req, Reply *reply, Str object_url, int status, StoreFn *fn, void *ctx, PlaneThen *then, Err *err) MUST_CHECK;

/* A request for something the real service has and this one does not, yet: 501 NotImplemented. */
