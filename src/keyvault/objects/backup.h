/* backup.h - backup and restore of secrets, keys and certificates: an object with all its versions as one opaque text.
 *
 * The text is sealed by the site, not by the vault: it outlives the vault it came from, opens nowhere else, and any changed byte shows.
 * It goes back into any vault of the same subscription ("Azure Key Vault backup and restore": same subscription and geography; all
 * locations of a site are one geography), under its own name, which must be free there, deleted objects included. A certificate brings its
 * key, its secret and its policy along. */
#pragma once
#include "keyvault/plane.h"

enum { BACKUP_VERSIONS_MAX = 500, BACKUP_MAX_BYTES = 4 << 20, RESTORE_BODY_MAX = 8 << 20 };

bool secret_backup(Req *req, Reply *reply, Err *err);
bool key_backup(Req *req, Reply *reply, Err *err);
bool certificate_backup(Req *req, Reply *reply, Err *err);
bool secret_restore(Req *req, Reply *reply, Err *err);
bool key_restore(Req *req, Reply *reply, Err *err);
bool certificate_restore(Req *req, Reply *reply, Err *err);
