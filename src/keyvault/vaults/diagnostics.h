/* diagnostics.h - diagnostic settings of vaults: where their audit log goes besides the chain that proves it.
 *
 * Microsoft.Insights/diagnosticSettings as an extension resource of the vault. The destination is a storage account in name: its logs go where the
 * service would put them, below the directory that the server is given (`serve --audit-logs DIR`), one JSON record a line:
 *     DIR/<account>/insights-logs-auditevent/resourceId=<ID IN CAPITALS>/y=2026/m=11/d=22/h=10/m=00/PT1H.json
 * Records come from the audit's own streams, from a place kept in the store, so that none is lost; after a kill some may be there twice. At the
 * latest LOGS_EVERY_MS after they were made. Other destinations are refused with 501.
 * Source: Azure Monitor REST documentation 2021-05-01-preview, DiagnosticSettings; "Azure Key Vault logging". */
#pragma once
#include "keyvault/vaults/vault.h"

#define WORK_LOGS "keyvault.logs"
#define LOGS_KEY  STR("all")
enum { LOGS_EVERY_MS = 5000, LOGS_NAME_MAX = 260 };

typedef struct Diagnostic { Str name, storage_id; bool audit_enabled; } Diagnostic;

/* `properties` of a PUT. ERR_BAD_INPUT names the field, ERR_NOT_BUILT what is not served. Needs no store. */
bool diagnostic_read(const JsonVal *properties, Diagnostic *out, Err *err) MUST_CHECK;
Str  diagnostic_account(Str storage_id);          /* the account's name; absent: no id of a storage account */

extern const Route diagnostic_routes[];
extern const size_t diagnostic_route_count;

RunnerFn diagnostic_logs_run;                     /* diagnostic_logs.c; ctx is the KeyVault */
