/* deleted.h - soft deletion: delete, and get, recover and purge of what is deleted, for all three kinds.
 *
 * Deletion is always soft; a deleted object keeps its name until it is recovered, purged, or its retention ends. */
#pragma once
#include "keyvault/objects/object.h"
#include "keyvault/plane.h"

#define WORK_PURGE "keyvault.purge"

bool secret_delete(Req *req, Reply *reply, Err *err);
bool key_delete(Req *req, Reply *reply, Err *err);
bool certificate_delete(Req *req, Reply *reply, Err *err);                    /* its key and secret along */
bool secret_get_deleted(Req *req, Reply *reply, Err *err);
bool key_get_deleted(Req *req, Reply *reply, Err *err);
bool certificate_get_deleted(Req *req, Reply *reply, Err *err);
bool secret_recover(Req *req, Reply *reply, Err *err);
bool key_recover(Req *req, Reply *reply, Err *err);
bool certificate_recover(Req *req, Reply *reply, Err *err);
bool secret_purge(Req *req, Reply *reply, Err *err);
bool key_purge(Req *req, Reply *reply, Err *err);
bool certificate_purge(Req *req, Reply *reply, Err *err);

RunnerFn object_purge_run;              /* at the end of the retention; ctx is the KeyVault */
