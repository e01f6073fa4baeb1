/* settings.h - the settings of the KeyVaultForLinux extension, as its users write them, versions 1 to 3.
 *
 * Both the public settings themselves and the agent's file around them ({"runtimeSettings":[{"handlerSettings":{"publicSettings":...}}]})
 * are read. What the Windows extension alone knows is accepted and ignored. Source: "Key Vault virtual machine extension for Linux". */
#pragma once
#include "json/read.h"

enum { POLL_DEFAULT_S = 3600, POLL_MIN_S = 1, OBSERVED_MAX = 512 };

typedef struct Observed {
    Str url;                    /* as given */
    Str base_url;               /* https://host[:port]/secrets/<name>: the version, if given, is left off, so newer versions are followed */
    Str vault, name;            /* first label of the host, and the secret's name */
    Str store_dir;              /* absolute */
    Str link_name;              /* "<vault>.<name>" or customSymbolicLinkName */
} Observed;

typedef struct CertSettings {
    int64_t poll_s;
    bool require_initial_sync;
    Observed *observed;
    size_t observed_count;
    Str msi_endpoint;           /* with /oauth2/token */
    Str msi_client_id, msi_object_id;
    int64_t initial_backoff_ms; /* "vaultyard": {"initialSyncBackoffMs"}: first pause between tries of the initial sync */
} CertSettings;

/* ERR_BAD_INPUT with the extension's own words ("not an object", "not a string") and the field. */
bool settings_read(Arena *arena, Str text, CertSettings *out, Err *err) MUST_CHECK;
