/* changes.h - GET /changes: our own route of the data plane, by which a certificate agent learns of new versions the moment they
 * are committed. docs/change-feed.md is its page.
 *
 * GET /changes?api-version=V[&after=CURSOR][&wait=SECONDS] -> {"value": [{"id", "name", "version", "change", "time"}], "cursor", "reset"}
 * Without `after`: the cursor of now, at once. With it: what came later, oldest first, at most CHANGES_PAGE; if there is nothing the
 * request is parked until there is, or for `wait` seconds (0-55, 55 if not given). Only secrets are listed (each certificate has one), so
 * the permission secrets/get, asked again before each answer, covers all that is said; whom roles let get single secrets hears of those alone.
 * "reset": true: the cursor is not of this vault's history (restored from a backup, made again under the same name); look at everything and go on from the cursor given. */
#pragma once
#include "keyvault/plane.h"

enum { CHANGES_PAGE = 100, CHANGES_WAIT_MAX_S = 55 };
Handler changes_get;

/* A request that says how long it may wait waits for the permission as well: refused, it is parked until a permission changes, and answered 403
 * only when its time is over. The check of a request says here how it went; changes_look comes before the decision. */
bool changes_look(KeyVault *kv, Req *req) MUST_CHECK;                    /* false: the arena is full */
bool changes_admit(Req *req, bool is_allowed, bool is_for_all);          /* is_for_all: of each secret, not of some. Does the request go on? */
