/* softhsm.h - SoftHSM2 stands for the device: tokens in a temporary folder of the test's own, which goes with the process. */
#pragma once
#include "pkcs11/token.h"

#define SOFT_PIN "4711"

void softhsm_setup(void);                               /* before the module is loaded: SOFTHSM2_CONF */
void softhsm_token(const char *label);                  /* a new token */
const char *softhsm_module(void);                       /* the path of its library; fails the test when it is not installed */
P11New softhsm_new_key(Arena *arena);                   /* a new id, and a label, "a test's key" */
const char *softhsm_id_hex(P11Id id);                   /* as pkcs11-tool wants it; until the next call */
P11Token *softhsm_open(const char *label);                 /* with SOFT_PIN */
bool softhsm_open_with(const char *module, const char *label, const char *pin, P11Token **out, bool *is_there, Err *err);
/* pkcs11-tool (OpenSC), a second opinion, logged in: what it printed contains `text`. */
size_t softhsm_private_keys(const char *label);         /* how many are in the token */
size_t softhsm_secret_keys(const char *label);          /* the same of symmetric keys, without the one that wraps */
bool softhsm_shows(const char *label, const char *args, const char *text);
