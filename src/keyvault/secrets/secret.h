/* secret.h - handlers of /secrets. */
#pragma once
#include "keyvault/objects/object.h"
#include "keyvault/plane.h"

enum { SECRET_VALUE_MAX_BYTES = 25600, CONTENT_TYPE_MAX_CHARS = 255 };

bool secret_set(Req *req, Reply *reply, Err *err);
bool secret_get(Req *req, Reply *reply, Err *err);
bool secret_update(Req *req, Reply *reply, Err *err);

/* The document of a secret's version. */
Str secret_doc(Arena *arena, Str content_type, Str tags_json);
