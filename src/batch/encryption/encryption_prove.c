/* encryption_prove.c - the proofs under way, shared by the request that waits and the runner thread that asks. */
#include "batch/encryption/encryption_prove.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/id.h"
#include "batch/accounts/account_vault.h"
#include "batch/parts.h"

enum { PROOF_ARENA = 256 * 1024 };

struct KeyProof {
    KeyProof *next;
    _Atomic int users;              /* the list or the runner, and the request */
    Arena *arena;                   /* all texts below */
    Batch *batch;
    Str id, account_name;
    bool is_of_vault;               /* not of a key: identifier is the vault's id */
    KeyName key;
    Str identifier;
    const Str *principals;
    size_t principal_count;
    int64_t until_mono_ms;
    /* set once by the runner, before is_done */
    WrappedKey wrapped;
    Secret *data_key;
    Err err;
    _Atomic bool is_done;
};

struct KeyProofs { pthread_mutex_t mutex; KeyProof *first; };

KeyProofs *key_proofs_new(void)
{
    KeyProofs *proofs = calloc(1, sizeof *proofs);
    if (proofs)
        proofs->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return proofs;
}

static void proof_release(void *arg)
{
    KeyProof *proof = arg;
    if (!proof || atomic_fetch_sub(&proof->users, 1) > 1)
        return;
    secret_free(proof->data_key);
    arena_free(proof->arena);           /* which the proof lies in */
}

void key_proofs_free(KeyProofs *proofs)
{
    if (!proofs)
        return;
    for (KeyProof *proof; (proof = proofs->first);) {
        proofs->first = proof->next;
        proof_release(proof);
    }
    free(proofs);
}

static void proofs_add(KeyProofs *proofs, KeyProof *proof)
{
    atomic_fetch_add(&proof->users, 1);
    (void)pthread_mutex_lock(&proofs->mutex);
    proof->next = proofs->first;
    proofs->first = proof;
    (void)pthread_mutex_unlock(&proofs->mutex);
}

/* Out of the list: its reference is the caller's now. NULL: gone with a server before this one. */
static KeyProof *proofs_take(KeyProofs *proofs, Str id)
{
    KeyProof *found = NULL;
    (void)pthread_mutex_lock(&proofs->mutex);
    for (KeyProof **at = &proofs->first; *at && !found; at = found ? at : &(*at)->next) {
        if (!str_eq((*at)->id, id))
            continue;
        found = *at;
        *at = found->next;
    }
    (void)pthread_mutex_unlock(&proofs->mutex);
    return found;
}

/* -- the request's side -- */

static Str park_key(Arena *arena, const KeyProof *proof) { return str_printf(arena, "batch.key.proof:" STR_FMT, STR_ARG(proof->id)); }

static bool schedule_txn(Txn *txn, void *ctx, Err *err)
{
    const KeyProof *proof = ctx;
    return runner_schedule(proof->batch->site->runner, txn, WORK_KEY_PROOF, proof->id, real_now_ms(), err);
}

static KeyProof *proof_make(Batch *batch, Str account_name, const EncryptionIn *in, const Str *principals, size_t count)
{
    Arena *arena = arena_new(PROOF_ARENA);
    KeyProof *proof = arena ? ARENA_NEW(arena, KeyProof) : NULL;
    Str *copies = proof ? ARENA_ARRAY(arena, Str, count) : NULL;
    for (size_t i = 0; copies && i < count; i++)
        copies[i] = str_dup(arena, principals[i]);
    if (proof)
        *proof = (KeyProof){
            .users = 1, .arena = arena, .batch = batch, .id = guid_new(arena), .account_name = str_dup(arena, account_name),
            .key = { str_dup(arena, in->key.vault), str_dup(arena, in->key.name), in->key.version.ptr ? str_dup(arena, in->key.version) : STR_NONE },
            .identifier = str_dup(arena, in->identifier), .principals = copies, .principal_count = count, .until_mono_ms = mono_now_ms() + PROOF_MS,
        };
    if (proof && arena_ok(arena))
        return proof;
    arena_free(arena);
    return NULL;
}

static bool proof_start(Batch *batch, Req *req, Reply *reply, KeyProof *proof, KeyProof **out, Err *err)
{
    if (!proof)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!arena_defer(req->arena, proof_release, proof))
        return err_too_big(err);
    reply_park(req, reply, park_key(req->arena, proof), PROOF_MS);
    proofs_add(batch->proofs, proof);
    if (!store_write(batch->site->store, schedule_txn, proof, err)) {
        proof_release(proofs_take(batch->proofs, proof->id));
        return false;
    }
    *out = proof;
    return true;
}

bool key_proof_start(Batch *batch, Req *req, Reply *reply, Str account_name, const EncryptionIn *in, const Str *principals, size_t count, KeyProof **out, Err *err)
{
    return proof_start(batch, req, reply, proof_make(batch, account_name, in, principals, count), out, err);
}

bool vault_proof_start(Batch *batch, Req *req, Reply *reply, Str account_name, Str vault, Str vault_id, Str principal, KeyProof **out, Err *err)
{
    EncryptionIn in = { .identifier = vault_id, .key = { .vault = vault, .name = STR("") } };
    KeyProof *proof = proof_make(batch, account_name, &in, &principal, 1);
    if (proof)
        proof->is_of_vault = true;
    return proof_start(batch, req, reply, proof, out, err);
}

static bool refuse_vault(const KeyProof *proof, Err *err)
{
    if (key_is_silent(&proof->err))
        return err_set(err, ERR_UNAVAILABLE, "the key vault could not be tried, and nothing was changed: %s. Try again.", proof->err.text);
    return account_vault_invalid(err, "The specified Key Vault " STR_FMT " does not have the Batch Service in access policies: %s. Give the service principal "
                                 STR_FMT " the secret permissions get, list, set, delete and recover. Nothing was changed.",
                                 STR_ARG(proof->identifier), proof->err.text, STR_ARG(BATCH_SERVICE_APP_ID));
}

/* The vault's answer as an error of the request: the identity's fault or the key's. */
static bool refuse(const KeyProof *proof, Err *err)
{
    bool is_identity = proof->err.code == ERR_DENIED;
    if (key_is_silent(&proof->err))
        return err_set(err, ERR_UNAVAILABLE, "the key could not be tried, and nothing was changed: %s. Try again.", proof->err.text);
    err_named(err, ERR_BAD_INPUT, is_identity ? "KeyVaultAccessDenied" : "InvalidEncryptionKey", NULL,
              "properties.encryption.keyVaultProperties.keyIdentifier: %s.%s Nothing was changed.", proof->err.text,
              is_identity ? " Give the account's identity the key permissions get, wrapKey and unwrapKey on the vault." : "");
    (void)snprintf(err->target, sizeof err->target, "properties.encryption.keyVaultProperties.keyIdentifier");
    return false;
}

bool key_proof_result(Batch *batch, Req *req, Reply *reply, KeyProof *proof, bool *done, WrappedKey *out, Err *err)
{
    *done = false;
    if (!atomic_load(&proof->is_done))
        reply_park(req, reply, park_key(req->arena, proof), proof->until_mono_ms - mono_now_ms());
    if (atomic_load(&proof->is_done)) {
        reply_park_cancel(req, reply);
        if (proof->err.code != ERR_NONE)
            return proof->is_of_vault ? refuse_vault(proof, err) : refuse(proof, err);
        *out = proof->wrapped;
        *done = true;
        return true;
    }
    if (!req->park_ended)
        return true;
    reply_park_cancel(req, reply);
    proof_release(proofs_take(batch->proofs, proof->id));
    return err_set(err, ERR_UNAVAILABLE, "the vault '" STR_FMT "' did not answer in time; nothing was changed. Try again.", STR_ARG(proof->key.vault));
}

/* -- the runner's side -- */

static bool prove(KeyProof *proof, Arena *arena, Err *err)
{
    WrappedKey wrapped;
    for (size_t i = 0; i < proof->principal_count; i++) {
        KeyCalls calls;
        *err = (Err){ 0 };
        if (proof->is_of_vault)
            return key_calls_begin(proof->batch, arena, proof->principals[i], &calls, err) && vault_secrets_check(&calls, proof->key.vault, err);
        if (!key_calls_begin(proof->batch, arena, proof->principals[i], &calls, err) || !key_prove(&calls, &proof->key, &wrapped, &proof->data_key, err)) {
            if (err->code != ERR_DENIED)
                return false;
            continue;                   /* another identity of the account may be the one that has the access */
        }
        wrapped.identifier = proof->identifier;
        wrapped.pinned = proof->key.version.ptr != NULL;
        wrapped.key = (KeyName){ proof->key.vault, proof->key.name, str_dup(proof->arena, wrapped.key.version) };
        wrapped.wrapped = bytes_of(str_dup(proof->arena, str_of(wrapped.wrapped)));
        wrapped.principal_id = proof->principals[i];
        proof->wrapped = wrapped;
        return arena_ok(proof->arena) || err_set(err, ERR_INTERNAL, "out of memory");
    }
    return false;
}

bool batch_key_proof_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    Batch *batch = ctx;
    KeyProof *proof = proofs_take(batch->proofs, job->key);
    (void)now_ms, (void)err;
    *again_ms = 0;
    if (!proof)
        return true;                    /* its request went with a server before this one, or gave up */
    Err failed = { 0 };
    if (!prove(proof, arena, &failed))
        proof->err = failed;
    atomic_store(&proof->is_done, true);
    http_wake(batch->site->http, park_key(arena, proof));
    proof_release(proof);
    return true;
}
