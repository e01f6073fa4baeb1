/* cert_policy.h - certificate policies: read from bodies, checked, stored, and turned into what is issued and when it renews.
 *
 * One policy serves all versions of a certificate (Key Vault REST documentation, "CertificatePolicy"). Texts lie in the
 * arena of the value they were read from. */
#pragma once
#include "crypto/certificates/cert.h"
#include "json/write.h"

typedef struct LifetimeAction {
    bool   is_auto_renew;               /* else e-mail to the contacts */
    OptInt percentage;                  /* 1-99 of the version's lifetime */
    OptInt days_before;                 /* exactly one of both is set */
} LifetimeAction;

enum { LIFETIME_ACTIONS_MAX = 2, VALIDITY_MONTHS_MAX = 1200, SUBJECT_MAX_CHARS = 200, NOT_BEFORE_LEAD_MS = 600 * 1000 };

typedef struct CertPolicy {
    bool    is_exportable, reuses_key;
    Str     kty, crv;                   /* "RSA" or "EC", in the token with "-HSM"; crv absent for RSA */
    int64_t key_size;
    Str     content_type;               /* CONTENT_PFX or CONTENT_PEM */
    Str     subject;
    CertNames emails, dns_names, upns, uris, ips;
    CertNames ekus, key_usage;
    int64_t validity_months;
    LifetimeAction actions[LIFETIME_ACTIONS_MAX];
    size_t  action_count;
    bool    has_actions;                /* given, if only as an empty list */
    Str     issuer, cty;
    OptBool cert_transparency;
    bool    is_enabled;
    int64_t created_ms, updated_ms;
} CertPolicy;

#define CONTENT_PFX STR("application/x-pkcs12")
#define CONTENT_PEM STR("application/x-pem-file")
#define ISSUER_SELF STR("Self")
#define ISSUER_UNKNOWN STR("Unknown")

CertPolicy cert_policy_defaults(void);
/* The members that `json` has replace those of *io; `where` is their place in the body ("policy"). Then the whole is checked
 * and what has no value gets its default. ERR_BAD_INPUT names the field; *io is changed on success only. */
bool cert_policy_read(Arena *arena, const JsonVal *json, const char *where, CertPolicy *io, Err *err) MUST_CHECK;
/* `id` absent: as stored. */
void cert_policy_write(JsonWriter *w, const char *name, const CertPolicy *policy, Str id);

bool    cert_policy_is_hsm(const CertPolicy *policy);
bool    cert_policy_key(const CertPolicy *policy, KeySpec *out, Err *err) MUST_CHECK;
/* What a version made at now_ms contains: valid from ten minutes before, for validity_months of the calendar. */
CertSpec cert_policy_spec(const CertPolicy *policy, int64_t now_ms);
/* When a version valid within not_before..not_after is to be renewed; false: never by itself. */
bool    cert_policy_due(const CertPolicy *policy, int64_t not_before_ms, int64_t not_after_ms, int64_t *due_ms);
bool    cert_policy_mail_due(const CertPolicy *policy, int64_t not_before_ms, int64_t not_after_ms, int64_t *due_ms);    /* likewise, when contacts are told */
/* Key operations that the X.509 usages stand for ("About certificates", key usage flags), as a JSON array in the arena. */
Str     cert_policy_key_ops(Arena *arena, const CertPolicy *policy);
int64_t months_later(int64_t ms, int64_t months);                             /* by the calendar, UTC; the 31st becomes the month's last day */
