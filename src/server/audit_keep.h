/* audit_keep.h - `serve --audit-keep`: audit records older than that are removed by background work, in real time (audit/trim.h). */
#pragma once
#include "keyvault/keyvault.h"

enum { AUDIT_KEEP_LEAST_DEV_MS = 1000 };
#define AUDIT_KEEP_LEAST_MS 86400000LL

typedef struct AuditKeep { int64_t keep_ms; Site *site; KeyVault *kv; } AuditKeep;      /* keep_ms 0: for ever */

/* "90d", "P90D". NULL: for ever. ERR_BAD_INPUT names the option; less than a day is for a development server alone. */
bool audit_keep_read(const char *text, bool is_dev, AuditKeep *out, Err *err) MUST_CHECK;
/* Registers the work and schedules it, or takes it away that a start before this one left. Before runner_start; `keep` stays where it is. */
bool audit_keep_apply(AuditKeep *keep, Site *site, KeyVault *kv, Err *err) MUST_CHECK;
