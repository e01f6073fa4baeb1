/* certificate.h - handlers of /certificates. */
#pragma once
#include "keyvault/plane.h"

bool certificate_create(Req *req, Reply *reply, Err *err);                    /* 202 with the operation */
bool certificate_get(Req *req, Reply *reply, Err *err);
bool certificate_update(Req *req, Reply *reply, Err *err);
bool certificate_policy_get(Req *req, Reply *reply, Err *err);
bool certificate_policy_update(Req *req, Reply *reply, Err *err);
bool certificate_pending_get(Req *req, Reply *reply, Err *err);               /* cert_pending.c */
bool certificate_pending_update(Req *req, Reply *reply, Err *err);
bool certificate_pending_delete(Req *req, Reply *reply, Err *err);
bool certificate_pending_merge(Req *req, Reply *reply, Err *err);             /* cert_merge.c */
bool certificate_import(Req *req, Reply *reply, Err *err);
