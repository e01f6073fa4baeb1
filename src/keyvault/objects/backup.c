/* backup.c - writing an object into a sealed text, and reading it back. */
#include "keyvault/objects/backup.h"
#include "base/encode.h"
#include "keyvault/objects/bundle_out.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/objects/feed.h"
#include "keyvault/keys/hsm_key.h"
#include "keyvault/keys/key_policy.h"
#include "keyvault/keys/key_rotation.h"

enum { FORMAT_NUMBER = 1, BACKUP_ARENA_BYTES = 64 << 20 };

static size_t kinds_of(KvKind kind, KvKind out[3])
{
    out[0] = kind;
    out[1] = KV_KEY;
    out[2] = KV_SECRET;
    return kind == KV_CERTIFICATE ? 3 : 1;
}

/* Of the site's scope: no vault's key, which goes with its vault. */
static SealPlace backup_place(const KeyVault *kv, Arena *arena)
{
    return (SealPlace){ str_printf(arena, "tenant:" STR_FMT, STR_ARG(kv->site->tenant_id)), "kv_backup", STR("object"), "backup" };
}

/* ---- backup ---- */

typedef struct Backup {
    Req   *req;
    KvKind kind;
    Arena *arena;                       /* of its own: larger than a request's, wiped by scope */
    Buf   *plain;
    Str    sealed;                      /* base64url */
} Backup;

/* A key in the token is in the backup as the token wrapped it. */
static bool refuse_unwrapped(const Backup *backup, Bytes kept, Str version, Err *err)
{
    if (!hsm_kept_id(backup->arena, kept).ptr || hsm_kept_is_wrapped(kept))
        return true;
    return err_named(err, ERR_DENIED, "Forbidden", NULL, "The hardware module of this site lets no key out, not even wrapped, so version " STR_FMT " cannot be backed up here.",
                     STR_ARG(version));
}

static bool write_versions(Backup *backup, Txn *txn, JsonWriter *w, KvKind kind, Str name_key, Err *err)
{
    KeyVault *kv = backup->req->ctx;
    const Vault *vault = req_vault(backup->req);
    AUTO(rows_free_auto) Rows *rows = NULL;
    int64_t count = 0;
    if (!txn_query(txn, &rows, err, "SELECT " VERSION_COLUMNS " FROM kv_version WHERE vault = ?1 AND kind = ?2 AND name_key = ?3 AND pending = 0 ORDER BY ordinal",
                   db_text(vault->id), db_int(kind), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        VersionRow row;
        AUTO(secret_free_auto) Secret *value = NULL;
        if (count++ == BACKUP_VERSIONS_MAX)
            return err_named(err, ERR_DENIED, "Forbidden", NULL, "The %s has more than %d versions; a backup holds no more.", kind_word(kind), BACKUP_VERSIONS_MAX);
        if (!version_of_row(kv, txn, backup->arena, vault, kind, name_key, rows, 0, &row, err) ||
            !version_value(kv, txn, backup->arena, vault, kind, name_key, row.version, &value, err))
            return false;
        if (value && kind == KV_KEY && !refuse_unwrapped(backup, secret_bytes(value), row.version, err))
            return false;
        const Attributes *attributes = &row.attributes;
        json_open(w, NULL);
        json_put_str(w, "version", row.version);
        json_put_bool(w, "enabled", attributes->enabled);
        if (attributes->nbf_s.set)
            json_put_int(w, "nbf", attributes->nbf_s.value);
        if (attributes->exp_s.set)
            json_put_int(w, "exp", attributes->exp_s.value);
        json_put_int(w, "created", attributes->created_ms);
        json_put_int(w, "updated", attributes->updated_ms);
        json_put_value(w, "doc", row.doc);
        if (value) {
            Str text = base64_encode(backup->arena, secret_bytes(value));
            json_put_str(w, "value", text);
            secret_wipe((void *)(uintptr_t)text.ptr, text.len);
        }
        json_close(w);
    }
    return err->code == ERR_NONE;
}

static bool write_objects(Backup *backup, Txn *txn, JsonWriter *w, Str name, Err *err)
{
    const Vault *vault = req_vault(backup->req);
    KvKind kinds[3];
    size_t count = kinds_of(backup->kind, kinds);
    json_open_array(w, "objects");
    for (size_t i = 0; i < count; i++) {
        ObjectRow object;
        bool found;
        if (!object_find(txn, backup->arena, vault, kinds[i], name, &object, &found, err))
            return false;
        if (!found)                     /* a certificate without a finished version */
            continue;
        json_open(w, NULL);
        json_put_int(w, "kind", kinds[i]);
        json_put_bool(w, "managed", object.is_managed);
        json_open_array(w, "versions");
        if (!write_versions(backup, txn, w, kinds[i], object.name_key, err))
            return false;
        json_close_array(w);
        json_close(w);
    }
    json_close_array(w);
    return true;
}

static bool refuse_managed(const ObjectRow *object, KvKind kind, Err *err)
{
    return !object->is_managed || err_named(err, ERR_DENIED, "Forbidden", NULL, "The %s " STR_FMT " belongs to the certificate of the same name; back up the certificate.",
                                            kind_word(kind), STR_ARG(object->name));
}

static bool backup_txn(Txn *txn, void *ctx, Err *err)
{
    Backup *backup = ctx;
    Req *req = backup->req;
    KeyVault *kv = req->ctx;
    const Vault *vault = req_vault(req);
    ObjectRow object;
    VersionRow current;
    CertPolicy policy;
    Bytes sealed;
    JsonWriter w;
    RotationPolicy rotation;
    bool has_policy = false, has_rotation = false;
    if (!object_require(kv, txn, backup->arena, vault, backup->kind, req->params[0], STR(""), &object, &current, err) ||
        !refuse_managed(&object, backup->kind, err) ||
        (backup->kind == KV_CERTIFICATE && !policy_find(kv, txn, backup->arena, vault, object.name, &policy, &has_policy, err)) ||
        (backup->kind == KV_KEY && !rotation_policy_find(kv, txn, backup->arena, vault, object.name, &rotation, &has_rotation, err)))
        return false;
    buf_reset(backup->plain);
    json_begin(&w, backup->plain);
    json_open(&w, NULL);
    json_put_int(&w, "format", FORMAT_NUMBER);
    json_put_int(&w, "kind", backup->kind);
    json_put_str(&w, "subscription", vault->subscription);
    json_put_str(&w, "name", object.name);
    if (has_policy) {
        cert_policy_write(&w, "policy", &policy, STR_NONE);
        json_put_int(&w, "policyCreated", policy.created_ms);
        json_put_int(&w, "policyUpdated", policy.updated_ms);
    }
    if (has_rotation)
        rotation_policy_write(&w, "rotation", STR_NONE, &rotation);
    if (!write_objects(backup, txn, &w, object.name, err))
        return false;
    json_close(&w);
    if (backup->plain->failed)
        return err_set(err, ERR_TOO_LARGE, "The versions of this %s are larger than a backup may be, %d bytes.", kind_word(backup->kind), BACKUP_MAX_BYTES);
    if (!json_end(&w, err) || !seal_put(kv->site->seal, txn, backup_place(kv, backup->arena), buf_bytes(backup->plain), backup->arena, &sealed, err))
        return false;
    backup->sealed = base64url_encode(backup->arena, sealed);
    return backup->sealed.ptr || err_too_big(err);
}

static bool backup_object(Req *req, Reply *reply, KvKind kind, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(BACKUP_ARENA_BYTES);
    AUTO(buf_done_auto) Buf plain = { 0 };
    Backup backup = { .req = req, .kind = kind, .arena = arena, .plain = &plain };
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!object_name_check(req->params[0], err))
        return false;
    buf_init(&plain, BACKUP_MAX_BYTES);
    bool good = plane_write(req, object_url(req->ctx, req->arena, req_vault(req), kind, req->params[0], STR("")), 200, backup_txn, &backup, err);
    if (plain.ptr)
        secret_wipe(plain.ptr, plain.len);
    if (!good)
        return false;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "value", backup.sealed);
    json_close(&reply->json);
    return json_end(&reply->json, err);
}

/* ---- restore ---- */

typedef struct Restore {
    Req   *req;
    KvKind kind;
    Arena *arena;
    Bytes  sealed;
    Str    plain, name;
    const JsonVal *root;
    ObjectRow  object;                  /* what is answered */
    VersionRow current;
    CertPolicy policy;
    KeyMade   *keys;                    /* of the versions whose key is in a token, in their order: each is there again, under another id */
    size_t     key_count, next_key;
} Restore;

static bool not_a_backup(const Restore *restore, Err *err)
{
    (void)err_field(err, "value", "The backup blob in value is damaged, of another kind than a %s, or was not made by this service.", kind_word(restore->kind));
    err->name = "BadParameter";
    return false;
}

static bool open_txn(Txn *txn, void *ctx, Err *err)
{
    Restore *restore = ctx;
    KeyVault *kv = restore->req->ctx;
    return seal_get_text(kv->site->seal, txn, backup_place(kv, restore->arena), restore->sealed, restore->arena, &restore->plain, err) ||
           not_a_backup(restore, err);
}

static bool open_backup(Restore *restore, Err *err)
{
    Req *req = restore->req;
    KeyVault *kv = req->ctx;
    const JsonVal *body;
    Err ignored;
    if (str_empty(req->body) || !json_parse(restore->arena, req->body, JSON_STRICT, &body, err))
        return str_empty(req->body) ? err_field(err, "value", "A body with the member value, as the backup answered it, is needed.") : false;
    Str value = json_str(json_get(body, "value"));
    if (str_empty(value))
        return err_field(err, "value", "value is needed: the text that the backup answered");
    if (!base64url_decode(restore->arena, value, &restore->sealed, &ignored))
        return not_a_backup(restore, err);
    if (!store_read(kv->site->store, open_txn, restore, err))
        return false;
    if (!json_parse(restore->arena, restore->plain, JSON_STRICT, &restore->root, err))
        return err_set(err, ERR_INTERNAL, "a backup that opens holds no JSON");
    restore->name = json_str(json_get(restore->root, "name"));
    if (json_int(json_get(restore->root, "format"), 0) != FORMAT_NUMBER || json_int(json_get(restore->root, "kind"), 0) != (int64_t)restore->kind)
        return not_a_backup(restore, err);
    if (!str_eq(json_str(json_get(restore->root, "subscription")), req_vault(req)->subscription))
        return err_named(err, ERR_BAD_INPUT, "BadParameter", NULL, "The backup of the %s " STR_FMT " was made in another subscription; it can be restored into vaults of "
                         "that subscription only.", kind_word(restore->kind), STR_ARG(restore->name));
    return true;
}

/* Nothing of this name may be there, in any state: a restore replaces nothing. */
static bool require_free(const Restore *restore, Txn *txn, Err *err)
{
    static const KvKind kinds[] = { KV_CERTIFICATE, KV_KEY, KV_SECRET };
    const Vault *vault = req_vault(restore->req);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        ObjectRow object;
        bool found;
        if (!object_find(txn, restore->arena, vault, kinds[i], restore->name, &object, &found, err))
            return false;
        /* A key and a secret may share a name, unless one of them is a certificate's. */
        bool is_other = kinds[i] != restore->kind && restore->kind != KV_CERTIFICATE && kinds[i] != KV_CERTIFICATE;
        if (!found || is_other)
            continue;
        if (object.deleted_ms)
            return object_is_deleted(err, kinds[i], object.name);
        return err_named(err, ERR_CONFLICT, "Conflict", NULL, "A %s with the name " STR_FMT " already exists in this vault; a backup is restored under its own name, "
                         "which must be free.", kind_word(kinds[i]), STR_ARG(object.name));
    }
    return true;
}

static OptInt opt_int(const JsonVal *v) { return (OptInt){ .set = json_kind(v) == JSON_INT, .value = json_int(v, 0) }; }

static bool put_token_version(Restore *restore, Txn *txn, VersionNew *version, Err *err)
{
    version->value = secret_bytes(restore->keys[restore->next_key++].kept);
    return arena_ok(restore->arena) ? version_put(restore->req->ctx, txn, restore->arena, req_vault(restore->req), version, err) : err_too_big(err);
}

static bool put_version(Restore *restore, Txn *txn, KvKind kind, bool is_managed, const JsonVal *json, Err *err)
{
    Str value = json_str(json_get(json, "value"));
    VersionNew version = {
        .kind = kind, .name = restore->name, .version = json_str(json_get(json, "version")), .is_managed = is_managed,
        .doc_json = json_text(restore->arena, json_get(json, "doc")),
        .attributes = { .enabled = json_bool(json_get(json, "enabled"), false), .nbf_s = opt_int(json_get(json, "nbf")), .exp_s = opt_int(json_get(json, "exp")),
                        .created_ms = json_int(json_get(json, "created"), 0), .updated_ms = json_int(json_get(json, "updated"), 0) },
    };
    if (value.ptr && !base64_decode(restore->arena, value, &version.value, err))
        return false;
    if (kind == KV_KEY && hsm_kept_id(restore->arena, version.value).ptr)
        return restore->next_key < restore->key_count ? put_token_version(restore, txn, &version, err)
                                                      : err_set(err, ERR_INTERNAL, "a key of a backup is not in the token");
    if (!arena_ok(restore->arena))
        return err_too_big(err);
    if (value.ptr && !version.value.ptr)
        version.value.ptr = (const uint8_t *)"";                     /* an empty secret is not one without a value */
    bool good = version_put(restore->req->ctx, txn, restore->arena, req_vault(restore->req), &version, err);
    if (version.value.len)
        secret_wipe((void *)(uintptr_t)version.value.ptr, version.value.len);
    return good;
}

static bool put_objects(Restore *restore, Txn *txn, Err *err)
{
    Req *req = restore->req;
    const JsonVal *objects = json_get(restore->root, "objects");
    for (size_t i = 0; i < json_count(objects); i++) {
        const JsonVal *object = json_at(objects, i), *versions = json_get(object, "versions");
        KvKind kind = (KvKind)json_int(json_get(object, "kind"), 0);
        size_t count = json_count(versions);
        for (size_t v = 0; v < count; v++)
            if (!put_version(restore, txn, kind, json_bool(json_get(object, "managed"), false), json_at(versions, v), err))
                return false;
        if (count && !feed_add(txn, req_vault(req), kind, restore->name, json_str(json_get(json_at(versions, count - 1), "version")), FEED_NEW_VERSION, req->now_ms, err))
            return false;
    }
    return true;
}

static bool put_rotation(Restore *restore, Txn *txn, Err *err)
{
    KeyVault *kv = restore->req->ctx;
    const Vault *vault = req_vault(restore->req);
    const JsonVal *doc = json_get(restore->root, "rotation");
    RotationPolicy policy;
    if (!doc)
        return true;
    if (!rotation_policy_read(doc, 0, &policy, err))
        return false;
    policy.created_ms = json_int(json_path(doc, "attributes.created"), 0) * 1000;
    policy.updated_ms = json_int(json_path(doc, "attributes.updated"), 0) * 1000;
    return rotation_policy_put(kv, txn, restore->arena, vault, restore->name, &policy, err) &&
           key_rotation_schedule(kv, txn, restore->arena, vault, restore->name, err);
}

static bool put_policy(Restore *restore, Txn *txn, Err *err)
{
    KeyVault *kv = restore->req->ctx;
    const Vault *vault = req_vault(restore->req);
    if (restore->kind != KV_CERTIFICATE)
        return put_rotation(restore, txn, err);
    restore->policy = cert_policy_defaults();
    if (!cert_policy_read(restore->arena, json_get(restore->root, "policy"), "policy", &restore->policy, err))
        return false;
    restore->policy.created_ms = json_int(json_get(restore->root, "policyCreated"), 0);
    restore->policy.updated_ms = json_int(json_get(restore->root, "policyUpdated"), 0);
    return policy_put(kv, txn, restore->arena, vault, restore->name, &restore->policy, err) &&
           certificate_resume(kv, txn, restore->arena, vault, restore->name, err);      /* what became due meanwhile is done at once */
}

static bool restore_txn(Txn *txn, void *ctx, Err *err)
{
    Restore *restore = ctx;
    restore->next_key = 0;
    return require_free(restore, txn, err) && put_objects(restore, txn, err) && put_policy(restore, txn, err) &&
           object_require(restore->req->ctx, txn, restore->arena, req_vault(restore->req), restore->kind, restore->name, STR(""), &restore->object, &restore->current, err);
}

static bool reply_restored(const Restore *restore, Reply *reply, Err *err)
{
    Req *req = restore->req;
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    bundle_write(w, req->ctx, restore->arena, req_vault(req), restore->kind, &restore->object, &restore->current, BUNDLE_WHOLE);
    if (restore->kind == KV_CERTIFICATE)
        cert_policy_write(w, "policy", &restore->policy, object_part_url(req->ctx, restore->arena, req_vault(req), KV_CERTIFICATE, restore->name, "policy"));
    json_close(w);
    return arena_ok(restore->arena) ? json_end(w, err) : err_too_big(err);
}

/* The read values of all versions; the transaction may have run more than once before. */
static void wipe_values(const Restore *restore)
{
    const JsonVal *objects = json_get(restore->root, "objects");
    for (size_t i = 0; i < json_count(objects); i++) {
        const JsonVal *versions = json_get(json_at(objects, i), "versions");
        for (size_t v = 0; v < json_count(versions); v++) {
            Str value = json_str(json_get(json_at(versions, v), "value"));
            if (value.len)
                secret_wipe((void *)(uintptr_t)value.ptr, value.len);
        }
    }
}

/* ---- keys in a token, before the transaction ---- */

static bool free_txn(Txn *txn, void *ctx, Err *err) { return require_free(ctx, txn, err); }

static bool restore_keys(Restore *restore, Err *err)
{
    Req *req = restore->req;
    KeyVault *kv = req->ctx;
    const JsonVal *objects = json_get(restore->root, "objects");
    restore->keys = ARENA_ARRAY(restore->arena, KeyMade, BACKUP_VERSIONS_MAX);
    if (!restore->keys)
        return err_too_big(err);
    for (size_t i = 0; i < json_count(objects); i++) {
        const JsonVal *versions = json_get(json_at(objects, i), "versions");
        for (size_t v = 0; json_int(json_get(json_at(objects, i), "kind"), 0) == KV_KEY && v < json_count(versions); v++) {
            const JsonVal *version = json_at(versions, v);
            Bytes kept = { 0 };
            if (key_place_of_doc(json_get(version, "doc")) != PLACE_TOKEN)
                continue;
            if (!restore->key_count && !store_read(kv->site->store, free_txn, restore, err))       /* nothing comes into the token for a name that is taken */
                return false;
            if (restore->key_count == BACKUP_VERSIONS_MAX || !base64_decode(restore->arena, json_str(json_get(version, "value")), &kept, err) ||
                !hsm_kept_id(restore->arena, kept).ptr)
                return not_a_backup(restore, err);
            if (!hsm_restore(kv, req_vault(req), kept, &restore->keys[restore->key_count], err))
                return false;
            restore->key_count++;
        }
    }
    return true;
}

static bool restore_object(Req *req, Reply *reply, KvKind kind, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(BACKUP_ARENA_BYTES);
    Restore restore = { .req = req, .kind = kind, .arena = arena };
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    bool good = open_backup(&restore, err) && restore_keys(&restore, err) &&
                plane_write(req, object_url(req->ctx, req->arena, req_vault(req), kind, restore.name, STR("")), 200, restore_txn, &restore, err) &&
                reply_restored(&restore, reply, err);
    for (size_t i = 0; i < restore.key_count; i++) {
        restore.keys[i].is_stored = good;       /* what is let go while its row is there stays: the row names it */
        key_made_done(&restore.keys[i]);
    }
    wipe_values(&restore);
    if (restore.plain.ptr)
        secret_wipe((void *)(uintptr_t)restore.plain.ptr, restore.plain.len);
    return good;
}

bool secret_backup(Req *req, Reply *reply, Err *err) { return backup_object(req, reply, KV_SECRET, err); }
bool key_backup(Req *req, Reply *reply, Err *err) { return backup_object(req, reply, KV_KEY, err); }
bool certificate_backup(Req *req, Reply *reply, Err *err) { return backup_object(req, reply, KV_CERTIFICATE, err); }
bool secret_restore(Req *req, Reply *reply, Err *err) { return restore_object(req, reply, KV_SECRET, err); }
bool key_restore(Req *req, Reply *reply, Err *err) { return restore_object(req, reply, KV_KEY, err); }
bool certificate_restore(Req *req, Reply *reply, Err *err) { return restore_object(req, reply, KV_CERTIFICATE, err); }
