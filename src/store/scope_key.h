/* scope_key.h - the keys of scopes: made, wrapped, found by id, kept a while. Private to store/. */
#pragma once
#include "store/root_key.h"
#include "store/seal.h"

typedef struct ScopeKeys ScopeKeys;   /* the cache; any thread */
typedef struct ScopeKey ScopeKey;     /* one key in use: given back with scope_key_release */

ScopeKeys *scope_keys_new(RootKey root);                     /* takes root.wrap; NULL: out of memory (it was freed) */
void scope_keys_free(ScopeKeys *keys);

const Secret *scope_key_secret(const ScopeKey *key);
Str scope_key_scope(const ScopeKey *key);
void scope_key_release(ScopeKeys *keys, ScopeKey *key);      /* NULL is fine */

bool scope_key_make(ScopeKeys *keys, Txn *txn, Str scope, int64_t *id, Err *err) MUST_CHECK;                       /* the first one, wrapped by the root key; ERR_CONFLICT: there is one */
bool scope_key_use(ScopeKeys *keys, Txn *txn, Str scope, ScopeKey **out, int64_t *id, Err *err) MUST_CHECK;        /* the newest, counted; ERR_NOT_FOUND: none */
bool scope_key_find(ScopeKeys *keys, Txn *txn, int64_t id, ScopeKey **out, Err *err) MUST_CHECK;                   /* NULL: there is none */
ScopeKey *scope_key_kept(ScopeKeys *keys, int64_t id);       /* one that is in memory, or NULL */
bool scope_key_remove_all(ScopeKeys *keys, Txn *txn, Str scope, Err *err) MUST_CHECK;

/* What seal.h says of seal_scope_rewrap, _unlock, _lock and _is_locked. */
bool scope_key_rewrap(ScopeKeys *keys, Txn *txn, Str scope, const Secret *handed, Err *err) MUST_CHECK;
bool scope_key_unlock(ScopeKeys *keys, Txn *txn, Str scope, const Secret *handed, Err *err) MUST_CHECK;
void scope_key_lock(ScopeKeys *keys, Str scope);
bool scope_key_is_locked(ScopeKeys *keys, Txn *txn, Str scope, bool *locked, Err *err) MUST_CHECK;
