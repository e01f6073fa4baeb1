/* hsm.h - the hardware module of a site, as `serve` is told of it: --hsm-module PATH, --hsm-token LABEL, --hsm-pin-file FILE. */
#pragma once
#include "pkcs11/token.h"
#include "server/command.h"

enum { HSM_OPTIONS = 3 };

typedef struct HsmOptions {
    const char *module, *label, *pin_file;      /* all or none */
    int         modules, labels, pin_files;     /* how often each was given */
    Secret     *pin;                            /* read while the file may be read */
} HsmOptions;

void hsm_options_list(HsmOptions *options, Option list[HSM_OPTIONS]);

/* ERR_BAD_INPUT: one is missing, or the PIN file is none that a PIN belongs into. Before privileges are given up; nothing of the vendor's runs yet. */
bool hsm_options_read(HsmOptions *options, Err *err) MUST_CHECK;
/* As the service user. *out NULL: none is wanted. A token that is not there now is logged and waited for. Wipes the PIN. */
bool hsm_open(HsmOptions *options, P11Token **out, Err *err) MUST_CHECK;
