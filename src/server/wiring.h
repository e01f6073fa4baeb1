/* wiring.h - the subjects of the server, opened on the parts, mounted on one HTTP server, closed in reverse. */
#pragma once
#include "access/access.h"
#include "batch/batch.h"
#include "keyvault/keyvault.h"
#include "managedidentity/managedidentity.h"
#include "server/authority.h"
#include "server/health.h"
#include "server/parts.h"

typedef struct Wiring {
    Parts parts;
    Authority *authority;
    Identity *identity;
    Access *access;
    Arm *arm;
    ManagedIdentities *identities;
    KeyVault *keyvault;
    Provider *local;
    Batch *batch;
    Health health;
} Wiring;

/* Opens everything and mounts it on `http` (made with http_new, not started). The Wiring must stay where it is until wiring_close.
 * `hsm` keeps the keys of premium vaults, NULL: there is none; it is closed after the wiring. On false what was opened has been closed. */
bool wiring_open(Arena *arena, const DataDir *data, int visible_port, bool is_dev, HttpServer *http, P11Token *hsm, Wiring *out, Err *err) MUST_CHECK;
void wiring_close(Wiring *wiring);          /* after http_stop */
