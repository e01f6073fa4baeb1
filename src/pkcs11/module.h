/* module.h - private to pkcs11/: a vendor's library, loaded; its result codes by name. */
#pragma once
#include <p11-kit/pkcs11.h>
#include "base/str.h"

typedef struct Module { char *path; void *library; CK_FUNCTION_LIST *fn; } Module;

/* ERR_BAD_INPUT: no such file, not a library, or no PKCS #11 module. Does not initialise it. */
bool module_load(const char *path, Module *out, Err *err) MUST_CHECK;
void module_unload(Module *module);         /* zeroed is fine */

/* (Again) from the beginning: what a module needs after its device was lost. */
CK_RV module_restart(const Module *module);

const char *module_code(CK_RV rv);          /* "CKR_DEVICE_ERROR"; "CKR_?" for a code that is in no list of ours */
bool module_is_lost(CK_RV rv);              /* the token, the login or the session is gone: connecting anew may help */
