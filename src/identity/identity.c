/* identity.c - the life of identity: made by `vaultyard init`, opened by `serve`, mounted on its two planes. */
#include <stdlib.h>
#include "base/id.h"
#include "identity/parts.h"

enum { IDENTITY_ARENA_BYTES = 64 * 1024, CACHED_TOKENS = 8192, CACHED_CLIENTS = 256 };

static const int64_t ADMIN_SECRET_MS = 2 * 365 * 24 * 3600 * (int64_t)1000;

Str identity_tenant_scope(Arena *arena, Str tenant_id) { return str_printf(arena, "tenant:" STR_FMT, STR_ARG(tenant_id)); }

/* ---- init ---- */

static bool insert_administrator(Seal *seal, Txn *txn, Arena *arena, Bootstrap *b, int64_t now_ms, Err *err)
{
    Str name = STR("Vaultyard administrator");
    Application application = { .object_id = guid_new(arena), .app_id = b->admin_app_id, .display_name = name, .created_ms = now_ms };
    PrincipalRow row = { .p = { .object_id = b->admin_object_id, .app_id = b->admin_app_id, .display_name = name, .kind = PRINCIPAL_APP,
                                .enabled = true },
                         .created_ms = now_ms };
    int64_t real = real_now_ms();
    Credential credential = { .app_id = b->admin_app_id, .holder_id = application.object_id, .label = STR("vaultyard init"), .start_ms = real,
                              .end_ms = real + ADMIN_SECRET_MS };
    return application_insert(seal, b->tenant_id, txn, arena, &application, err) && principal_insert(txn, arena, &row, err) &&
           credential_add_secret(seal, b->tenant_id, txn, arena, &credential, &b->admin_secret, err);
}

static bool insert_services(Txn *txn, Arena *arena, int64_t now_ms, Err *err)
{
    PrincipalRow row = { .p = { .object_id = guid_new(arena), .app_id = BATCH_SERVICE_APP_ID, .display_name = STR("Microsoft Azure Batch"), .kind = PRINCIPAL_APP,
                                .enabled = true },
                         .created_ms = now_ms };
    return principal_insert(txn, arena, &row, err);
}

bool identity_bootstrap(Seal *seal, Txn *txn, Arena *arena, Str tenant_name, Bootstrap *out, Err *err)
{
    Bootstrap b = { .tenant_id = guid_new(arena), .admin_app_id = guid_new(arena), .admin_object_id = guid_new(arena) };
    AUTO(key_free_auto) KeyRef *key = NULL;
    int64_t now = real_now_ms();
    Str kid;
    Str scope = identity_tenant_scope(arena, b.tenant_id);
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!seal_scope_create(seal, txn, scope, err) ||
        !txn_exec(txn, NULL, err, "INSERT INTO identity_tenant (id, display_name, admin_id, created_ms) VALUES (?1, ?2, ?3, ?4)",
                  db_text(b.tenant_id),
                  db_text(tenant_name), db_text(b.admin_object_id), db_int(now)) ||
        !insert_administrator(seal, txn, arena, &b, now, err) || !insert_services(txn, arena, now, err))
        return false;
    if (!key_generate((KeySpec){ .kind = KEY_RSA, .rsa_bits = 2048 }, &key, err) ||
        !signing_key_create(seal, txn, arena, b.tenant_id, key, now, now, &kid, err))
        return false;
    *out = b;
    return true;
}

typedef struct TenantFound { Arena *arena; Str id, admin_id; } TenantFound;

static bool read_tenant(Txn *txn, void *ctx, Err *err)
{
    TenantFound *found = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT id, admin_id FROM identity_tenant ORDER BY created_ms, id"))
        return false;
    if (!rows_next(rows, err))
        return err->code == ERR_NONE ? err_set(err, ERR_NOT_FOUND, "the store has no tenant yet: run vaultyard init") : false;
    found->id = str_dup(found->arena, row_text(rows, 0));
    found->admin_id = str_dup(found->arena, row_text(rows, 1));
    return arena_ok(found->arena) ? true : err_too_big(err);
}

bool identity_tenant(Store *store, Arena *arena, Str *tenant_id, Err *err)
{
    TenantFound found = { .arena = arena };
    if (!store_read(store, read_tenant, &found, err))
        return false;
    *tenant_id = found.id;
    return true;
}

/* ---- serve ---- */

static bool schedule_rotation(Txn *txn, void *ctx, Err *err)
{
    Identity *identity = ctx;
    return runner_schedule(identity->site->runner, txn, IDENTITY_WORK_ROTATE, identity->site->tenant_id, real_now_ms(), err);
}

static bool start(Identity *identity, Err *err)
{
    TenantFound tenant = { .arena = identity->arena };
    if (!store_read(identity->site->store, read_tenant, &tenant, err))
        return false;
    if (!str_eq(tenant.id, identity->site->tenant_id))
        return err_set(err, ERR_INTERNAL, "the site is set up for tenant " STR_FMT ", the store belongs to " STR_FMT,
                       STR_ARG(identity->site->tenant_id), STR_ARG(tenant.id));
    identity->admin_id = tenant.admin_id;
    if (!signing_load(identity, err))
        return false;
    runner_register(identity->site->runner, IDENTITY_WORK_ROTATE, RUNNER_REAL_TIME, signing_rotate, identity);
    return store_write(identity->site->store, schedule_rotation, identity, err);       /* at each start: it works out what is due itself */
}

bool identity_open(Site *site, Identity **out, Err *err)
{
    Identity *identity = calloc(1, sizeof *identity);
    if (!identity)
        return err_set(err, ERR_INTERNAL, "no memory for identity");
    identity->site = site;
    pthread_mutex_init(&identity->ring_lock, NULL);
    identity->arena = arena_new(IDENTITY_ARENA_BYTES);
    bool started = identity->arena ? cache_new(CACHED_TOKENS, &identity->tokens, err) && cache_new(CACHED_CLIENTS, &identity->clients, err) && issuers_new(&identity->issuers, err) && start(identity, err)
                                   : err_set(err, ERR_INTERNAL, "no memory for identity");
    if (!started) {
        identity_close(identity);
        return false;
    }
    *out = identity;
    return true;
}

void identity_close(Identity *identity)
{
    if (!identity)
        return;
    signing_release(identity, identity->ring);
    cache_free(identity->tokens);
    cache_free(identity->clients);
    issuers_free(identity->issuers);
    arena_free(identity->arena);
    pthread_mutex_destroy(&identity->ring_lock);
    free(identity);
}

bool identity_mount(Identity *identity, HttpServer *server, Err *err)
{
    return login_mount(identity, server, err) && graph_mount(identity, server, err);
}

void identity_set_issuer_ca(Identity *identity, const char *ca_file) { issuers_set_ca(identity->issuers, ca_file); }

void identity_set_directory_rule(Identity *identity, IdentityMayWrite *may_write, IdentityDropped *dropped, void *ctx)
{
    identity->may_write = may_write;
    identity->dropped = dropped;
    identity->rule_ctx = ctx;
}
