/* list.h - lists of objects, of versions, and of deleted objects, for all three kinds. */
#pragma once
#include "keyvault/plane.h"

bool secret_list(Req *req, Reply *reply, Err *err);
bool key_list(Req *req, Reply *reply, Err *err);
bool certificate_list(Req *req, Reply *reply, Err *err);                      /* includePending=true shows those without a first version */
bool secret_list_versions(Req *req, Reply *reply, Err *err);
bool key_list_versions(Req *req, Reply *reply, Err *err);
bool certificate_list_versions(Req *req, Reply *reply, Err *err);
bool secret_list_deleted(Req *req, Reply *reply, Err *err);
bool key_list_deleted(Req *req, Reply *reply, Err *err);
bool certificate_list_deleted(Req *req, Reply *reply, Err *err);
