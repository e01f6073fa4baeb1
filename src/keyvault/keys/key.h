/* key.h - handlers of /keys: the entries of certificates, and keys of their own. */
#pragma once
#include "keyvault/keys/key_place.h"
#include "keyvault/plane.h"

bool key_create(Req *req, Reply *reply, Err *err);
bool key_import(Req *req, Reply *reply, Err *err);       /* key_import.c */
bool key_get(Req *req, Reply *reply, Err *err);
bool key_update(Req *req, Reply *reply, Err *err);

/* hsm_transfer.c: the key of a transfer blob, in the token. ERR_BAD_INPUT names the member; ERR_DENIED: not wrapped for a key exchange key. */
bool key_import_transfer(Req *req, Str key_hsm, KeyKind kind, KeyMade *out, Err *err) MUST_CHECK;

/* key_crypto.c; encryption and wrapping are the same operation under two permissions. */
bool key_encrypt_op(Req *req, Reply *reply, Err *err);
bool key_decrypt_op(Req *req, Reply *reply, Err *err);
bool key_wrap_op(Req *req, Reply *reply, Err *err);
bool key_unwrap_op(Req *req, Reply *reply, Err *err);
bool key_sign_op(Req *req, Reply *reply, Err *err);
bool key_verify_op(Req *req, Reply *reply, Err *err);

/* The document of a key version: public parts as a JWK, operations, tags. */
bool key_doc_make(Arena *arena, const KeyRef *key, Str key_ops_json, Str tags_json, Str *doc, Err *err) MUST_CHECK;
/* The same of an exportable key; release_json absent: it is not. */
bool key_doc_make_exportable(Arena *arena, const KeyRef *key, Str key_ops_json, Str tags_json, Str release_json, Str *doc, Err *err) MUST_CHECK;

/* What create, import and rotate share (key.c). Member `name` ("key_ops") of `holder` as JSON text with canonical names; *ops_json stays as it was
 * when it is absent. */
bool key_ops_read(Arena *arena, const JsonVal *holder, const char *name, KeyKind kind, Str *ops_json, Err *err) MUST_CHECK;
Str  key_ops_default(Arena *arena, KeyKind kind);
typedef struct KeyNew { KeyMade *made; Str ops_json, tags_json, release_json; Attributes attributes; } KeyNew;      /* release_json absent: not exportable */
/* Members "release_policy" and attributes.exportable of a body that makes a version: both, or neither. A further version of an exportable key may leave the
 * policy out, and then has that of the current one. */
bool key_release_read(Req *req, const JsonVal *body, KeyPlace place, Str *release_json, Err *err) MUST_CHECK;
/* A new version of req's {name} with the bundle as the answer; the key stays the caller's to let go. */
bool key_store_new(Req *req, Reply *reply, const KeyNew *in, Err *err) MUST_CHECK;
bool key_reply(Req *req, Reply *reply, const ObjectRow *object, const VersionRow *row, Err *err) MUST_CHECK;
