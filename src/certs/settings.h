/* settings.h - the settings of the KeyVaultForLinux extension, as its users write them, versions 1 to 3.
 *
 * Both the public settings themselves and the agent's file around them ({"runtimeSettings":[{"handlerSettings":{"publicSettings":...}}]})
 * are read. What the Windows extension alone knows is accepted, ignored and noted. Our own additions stand under one key, "vaultyard",
 * at the top for all certificates and inside an entry of observedCertificates for that one; there unknown names are refused.
 * Source: "Key Vault virtual machine extension for Linux"; docs/certificate-agent.md has every setting. */
#pragma once
#include <sys/types.h>
#include "certs/sign_in.h"
#include "json/read.h"

enum { POLL_DEFAULT_S = 3600, POLL_MIN_S = 1, OBSERVED_MAX = 512, ACLS_MAX = 16, NOTES_MAX = 32, HOOK_WORDS_MAX = 32, KEEP_MIN = 2, KEEP_MAX = 100 };

/* What is written of a certificate. FILE_PEM is the extension's own file; the others share a directory. */
typedef enum FileKind { FILE_PEM = 1, FILE_CERT = 2, FILE_CHAIN = 4, FILE_FULLCHAIN = 8, FILE_KEY = 16, FILE_PKCS12 = 32 } FileKind;
enum { FILES_SEPARATE = FILE_CERT | FILE_CHAIN | FILE_FULLCHAIN | FILE_KEY | FILE_PKCS12 };

typedef struct Reader { Str user, group; } Reader;       /* of "acls": either may be absent */

typedef struct Observed {
    Str url;                    /* as given */
    Str vault_url;              /* https://host[:port] */
    Str base_url;               /* https://host[:port]/secrets/<name> */
    Str pinned;                 /* the version that pinVersion holds to; absent: newer versions are followed, whatever the URL says */
    Str vault, name;            /* first label of the host, and the secret's name */
    Str store_dir;              /* absolute */
    Str link_name;              /* "<vault>.<name>" or customSymbolicLinkName */
    Reader *acls;               /* none unless aclEnabled */
    size_t acl_count;
    unsigned files;             /* FileKinds */
    Str owner, group;           /* names or numbers; absent: the process's */
    mode_t mode;                /* of the files */
    int64_t keep_versions;
    Str pkcs12_password_file;   /* absent: the empty password */
    char mark[17];              /* of how its files are made (kinds, mode, owner, group, readers, password): differs when they have to be made again */
    bool must_remake;           /* they were made by other settings; set and cleared by the agent */
} Observed;

typedef struct Hook {
    Str words[HOOK_WORDS_MAX];  /* argv; word_count 0: no hook */
    size_t word_count;
    Str user;                   /* absent: the process's */
    int64_t timeout_s;
} Hook;

typedef struct CertSettings {
    int64_t poll_s;
    int64_t jitter_s;           /* a poll comes up to this much earlier */
    bool require_initial_sync;
    Observed *observed;
    size_t observed_count;
    SignIn sign_in;
    int64_t initial_backoff_ms; /* first pause between tries of the initial sync */
    bool push;                  /* false: polls only */
    bool clean_up;              /* what is no longer observed goes from disk */
    Str proxy, ca_file;         /* absent: none; the system's */
    Str metrics_listen, metrics_file;   /* absent: none; scrape.h says what an address is */
    Hook hook;
    Str notes[NOTES_MAX];       /* what was accepted but is not as it looks, one sentence each */
    size_t note_count;
} CertSettings;

/* ERR_BAD_INPUT with the extension's own words ("not an object", "not a string") and the field. */
bool settings_read(Arena *arena, Str text, CertSettings *out, Err *err) MUST_CHECK;
