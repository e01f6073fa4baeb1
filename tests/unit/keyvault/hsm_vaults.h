/* hsm_vaults.h - fixture.h with a token (SoftHSM2) and a premium vault "prem" beside the standard one. */
#pragma once
#include "../pkcs11/softhsm.h"
#include "fixture.h"

#define TOKEN "vaults"

Answer at(const char *vault, const char *method, const char *path, const char *body);
Answer prem(const char *method, const char *path, const char *body);
Answer put_vault(const char *name, const char *sku);
const char *op(const char *key, const char *operation);                            /* its path; "name" is the current version, "name/version" that one */
const char *created(const char *vault, const char *name, const char *body);        /* the version */
void remove_for_good(const char *vault, const char *name);
extern const char digest32[], digest48[], digest64[];                              /* base64url */
void expect_signs(const char *vault, const char *key, const char *alg, const char *digest);
/* Background work has run: so many keys of either kind are in the token, as pkcs11-tool sees it, and in the table. */
void expect_in_token(size_t keys);

int hsm_set_up(void **state);
int hsm_tear_down(void **state);
