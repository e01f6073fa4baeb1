/* settings_own.h - inside certs/settings: what stands under "vaultyard". */
#pragma once
#include "certs/settings.h"

/* The members for all certificates; what an entry may say again goes to *each. Absent: the defaults. */
bool own_settings_read(const JsonVal *own, CertSettings *settings, Observed *each, Err *err) MUST_CHECK;
/* An entry's own "vaultyard", over what *observed has already. `version` is the one in its URL. */
bool own_entry_read(const JsonVal *own, Str version, bool *pin, Observed *observed, Err *err) MUST_CHECK;
