/* key.h - handlers of /keys: the entries of certificates, and keys of their own. */
#pragma once
#include "crypto/key.h"
#include "keyvault/object.h"
#include "keyvault/plane.h"

bool key_create(Req *req, Reply *reply, Err *err);
bool key_get(Req *req, Reply *reply, Err *err);
bool key_update(Req *req, Reply *reply, Err *err);

/* key_crypto.c; encryption and wrapping are the same operation under two permissions. */
bool key_encrypt_op(Req *req, Reply *reply, Err *err);
bool key_decrypt_op(Req *req, Reply *reply, Err *err);
bool key_wrap_op(Req *req, Reply *reply, Err *err);
bool key_unwrap_op(Req *req, Reply *reply, Err *err);
bool key_sign_op(Req *req, Reply *reply, Err *err);
bool key_verify_op(Req *req, Reply *reply, Err *err);

/* The document of a key version: public parts as a JWK, operations, tags. */
bool key_doc_make(Arena *arena, const KeyRef *key, Str key_ops_json, Str tags_json, Str *doc, Err *err) MUST_CHECK;
