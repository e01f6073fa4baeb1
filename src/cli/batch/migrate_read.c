/* migrate_read.c - the state of a migration, as the services tell it. */
#include "base/encode.h"
#include "cli/batch/migrate.h"
#include "cli/keyvault/object.h"
#include "cli/profile.h"
#include "cli/run.h"

#define IDENTITY_VERSION "2023-01-31"
#define ROLES_VERSION    "2022-04-01"
#define DATA_VERSION     "2022-10-01.16.0"
#define SECRETS_USER     "4633458b-17de-408a-b874-0445c86b69e6"       /* Key Vault Secrets User */

static bool fetch(Cli *cli, Str audience, Str url, Answer *out, bool *found, Err *err)
{
    *found = call_service(cli, "GET", audience, url, STR_NONE, out, err);
    if (*found || err->code != ERR_NOT_FOUND)
        return *found;
    *err = (Err){ 0 };
    return true;
}

Str migrate_data_url(Migration *m, Str path)
{
    return str_printf(m->cli->arena, STR_FMT STR_FMT "?api-version=" DATA_VERSION, STR_ARG(m->base), STR_ARG(path));
}

Str migrate_mark_of(const JsonVal *metadata, const char *name)
{
    for (size_t i = 0; i < json_count(metadata); i++) {
        if (str_eq(json_str(json_get(json_at(metadata, i), "name")), str_from(name)))
            return json_str(json_get(json_at(metadata, i), "value"));
    }
    return STR_NONE;
}

/* ---- lists ---- */

typedef struct Collect { const JsonVal **items; size_t count, room; } Collect;

static bool collect_visit(Cli *cli, void *ctx, const JsonVal *item, bool *done, Err *err)
{
    Collect *c = ctx;

    (void)done;
    if (c->count == c->room) {
        const JsonVal **more = ARENA_ARRAY(cli->arena, const JsonVal *, c->room ? c->room * 2 : 64);
        if (!more)
            return err_too_big(err);
        if (c->count > 0)
            memcpy(more, c->items, c->count * sizeof *more);
        c->items = more;
        c->room = c->room ? c->room * 2 : 64;
    }
    c->items[c->count++] = item;
    return true;
}

static bool collect(Cli *cli, Str audience, Str url, const JsonVal ***items, size_t *count, Err *err)
{
    Collect c = { 0 };

    if (!call_each(cli, audience, url, collect_visit, &c, err))
        return false;
    *items = c.items;
    *count = c.count;
    return true;
}

/* A server without jobs has none to move. */
static bool collect_jobs(Migration *m, const char *path, const JsonVal ***items, size_t *count, Err *err)
{
    *count = 0;
    if (collect(m->cli, to_batch(m->cli), migrate_data_url(m, str_from(path)), items, count, err))
        return true;
    if (err->code != ERR_NOT_BUILT)
        return false;
    *err = (Err){ 0 };
    *count = 0;
    return true;
}

/* ---- account, vault, identity ---- */

static bool read_account(Migration *m, Err *err)
{
    Cli *cli = m->cli;
    Str name = arg(cli, "--name"), group = arg(cli, "--resource-group"), id, endpoint;
    Answer answer;

    if (group.ptr)
        id = str_printf(cli->arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/Microsoft.Batch/batchAccounts/" STR_FMT, STR_ARG(cli->profile.subscription),
                        STR_ARG(percent_encode(cli->arena, group)), STR_ARG(percent_encode(cli->arena, name)));
    else if (!find_resource(cli, "Microsoft.Batch/batchAccounts", name, &id, err))
        return false;
    if (!call_service(cli, "GET", to_arm(cli), arm_url(cli, id, BATCH_ARM_VERSION), STR_NONE, &answer, err))
        return false;
    m->account_id = json_str(json_get(answer.json, "id"));
    m->location = json_str(json_get(answer.json, "location"));
    endpoint = json_str(json_path(answer.json, "properties.accountEndpoint"));
    if (!host_is_below(endpoint, cli->profile.batch_suffix))          /* tokens for Batch go to this site's accounts only */
        return err_set(err, ERR_UNAVAILABLE, "the account's address '" STR_FMT "' is not one of this site", STR_ARG(endpoint));
    m->base = str_printf(cli->arena, "https://" STR_FMT, STR_ARG(endpoint));
    Str rest = m->account_id, segment;
    while (rest.ptr) {
        segment = str_cut(&rest, '/');
        if (str_eq_nocase(segment, STR("resourceGroups")) && rest.ptr)
            m->group = str_cut(&rest, '/');
    }
    return true;
}

static bool policy_gives_get(const JsonVal *policies, Str principal)
{
    for (size_t i = 0; i < json_count(policies); i++) {
        const JsonVal *secrets = json_path(json_at(policies, i), "permissions.secrets");
        for (size_t s = 0; str_eq_nocase(json_str(json_get(json_at(policies, i), "objectId")), principal) && s < json_count(secrets); s++) {
            if (str_eq_nocase(json_str(json_at(secrets, s)), STR("get")) || str_eq_nocase(json_str(json_at(secrets, s)), STR("all")))
                return true;
        }
    }
    return false;
}

static bool role_is_given(Migration *m, Err *err)
{
    Str filter = percent_encode(m->cli->arena, str_printf(m->cli->arena, "principalId eq '" STR_FMT "'", STR_ARG(m->principal_id)));
    Str path = str_printf(m->cli->arena, STR_FMT "/providers/Microsoft.Authorization/roleAssignments?$filter=" STR_FMT, STR_ARG(m->vault_id), STR_ARG(filter));
    const JsonVal **items;
    size_t count;

    if (!collect(m->cli, to_arm(m->cli), arm_url(m->cli, path, ROLES_VERSION), &items, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        m->has_access = m->has_access || str_ends_nocase(json_str(json_path(items[i], "properties.roleDefinitionId")), STR(SECRETS_USER));
    return true;
}

static bool read_vault(Migration *m, Err *err)
{
    Cli *cli = m->cli;
    Str id = m->vault_name;
    Answer answer;

    if (!str_starts(id, STR("/")) && !find_resource(cli, "Microsoft.KeyVault/vaults", m->vault_name, &id, err)) {
        return err->code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, "there is no vault '" STR_FMT "' that you may see; make it first: vy keyvault create -n NAME -g GROUP -l LOCATION",
                                                    STR_ARG(m->vault_name)) : false;
    }
    if (!call_service(cli, "GET", to_arm(cli), arm_url(cli, id, MIGRATE_KV_ARM), STR_NONE, &answer, err))
        return false;
    m->vault_id = json_str(json_get(answer.json, "id"));
    m->vault_url = vault_base(cli, json_str(json_get(answer.json, "name")));
    m->vault_has_roles = json_bool(json_path(answer.json, "properties.enableRbacAuthorization"), false);
    m->has_access = m->principal_id.ptr && !m->vault_has_roles && policy_gives_get(json_path(answer.json, "properties.accessPolicies"), m->principal_id);
    return !m->principal_id.ptr || !m->vault_has_roles || role_is_given(m, err);
}

static bool read_identity(Migration *m, Err *err)
{
    Answer answer;
    bool found;

    m->identity_id = str_starts(m->identity_name, STR("/")) ? m->identity_name :
                     str_printf(m->cli->arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" STR_FMT,
                                STR_ARG(m->cli->profile.subscription), STR_ARG(m->group), STR_ARG(m->identity_name));
    m->principal_id = m->client_id = STR_NONE;
    if (!fetch(m->cli, to_arm(m->cli), arm_url(m->cli, m->identity_id, IDENTITY_VERSION), &answer, &found, err))
        return false;
    if (!found)
        return true;
    m->identity_id = json_str(json_get(answer.json, "id"));
    m->principal_id = json_str(json_path(answer.json, "properties.principalId"));
    m->client_id = json_str(json_path(answer.json, "properties.clientId"));
    return true;
}

/* ---- certificates and pools ---- */

static void find_file(Migration *m, MigrateCert *cert)
{
    for (size_t i = 0; i < m->file_count && !cert->is_cer; i++) {
        Str thumbprint = hex_encode(m->cli->arena, (Bytes){ m->files[i].leaf.sha1, sizeof m->files[i].leaf.sha1 });
        if (str_eq_nocase(thumbprint, cert->thumbprint)) {
            cert->file = &m->files[i];
            cert->path = m->paths[i];
        }
    }
}

static bool read_certificates(Migration *m, Err *err)
{
    Str url = arm_url(m->cli, str_printf(m->cli->arena, STR_FMT "/certificates", STR_ARG(m->account_id)), BATCH_ARM_VERSION);
    const JsonVal **items;

    if (!collect(m->cli, to_arm(m->cli), url, &items, &m->cert_count, err))
        return false;
    m->certs = ARENA_ARRAY(m->cli->arena, MigrateCert, m->cert_count + 1);
    for (size_t i = 0; m->certs && i < m->cert_count; i++) {
        const JsonVal *p = json_get(items[i], "properties");
        MigrateCert *cert = &m->certs[i];
        cert->thumbprint = str_lower(m->cli->arena, json_str(json_get(p, "thumbprint")));
        cert->name = str_printf(m->cli->arena, "batch-" STR_FMT, STR_ARG(cert->thumbprint));
        cert->is_cer = str_eq_nocase(json_str(json_get(p, "format")), STR("Cer"));
        cert->public_data = json_str(json_get(p, "publicData"));
        cert->state = json_str(json_get(p, "provisioningState"));
        find_file(m, cert);
    }
    return arena_ok(m->cli->arena) || err_too_big(err);
}

/* .../certificates/sha1-<thumbprint> */
MigrateCert *migrate_cert_of(Migration *m, const JsonVal *reference)
{
    Str last = STR_NONE;

    for (Str rest = json_str(json_get(reference, "id")); rest.ptr;)
        last = str_cut(&rest, '/');
    for (size_t i = 0; i < m->cert_count; i++) {
        if (str_ends_nocase(last, m->certs[i].thumbprint) && last.len == m->certs[i].thumbprint.len + strlen("sha1-"))
            return &m->certs[i];
    }
    return NULL;
}

static const JsonVal *pool_named(const Migration *m, Str id)
{
    for (size_t i = 0; i < m->all_count; i++) {
        if (str_eq_nocase(json_str(json_get(m->all_pools[i], "name")), id))
            return m->all_pools[i];
    }
    return NULL;
}

static bool is_asked_for(const Migration *m, Str id)
{
    for (size_t i = 0; i < m->only_count; i++) {
        if (str_eq_nocase(str_from(m->only[i]), id))
            return true;
    }
    return m->only_count == 0;
}

static Str old_of(const JsonVal *pool) { return migrate_mark_of(json_path(pool, "properties.metadata"), MIGRATE_MARK); }

static const JsonVal *clone_of(const Migration *m, Str id)
{
    for (size_t i = 0; i < m->all_count; i++) {
        if (str_eq_nocase(old_of(m->all_pools[i]), id))
            return m->all_pools[i];
    }
    return NULL;
}

static void add_pool(Migration *m, Str id, const JsonVal *old, const JsonVal *clone)
{
    Str new_id = clone ? json_str(json_get(clone, "name")) : str_printf(m->cli->arena, STR_FMT "-" STR_FMT, STR_ARG(id), STR_ARG(m->suffix));
    const JsonVal *references = json_path(old, "properties.certificates");

    m->pools[m->pool_count++] = (MigratePool){ .id = id, .new_id = new_id, .old = old, .new_pool = clone };
    for (size_t i = 0; i < json_count(references); i++) {
        MigrateCert *cert = migrate_cert_of(m, json_at(references, i));
        if (cert)
            cert->is_used = true;
    }
}

static void hold_certificates(Migration *m, const JsonVal *pool)
{
    const JsonVal *references = json_path(pool, "properties.certificates");

    for (size_t i = 0; i < m->pool_count; i++) {
        if (m->pools[i].old == pool)
            return;
    }
    for (size_t i = 0; i < json_count(references); i++) {
        MigrateCert *cert = migrate_cert_of(m, json_at(references, i));
        if (cert)
            cert->is_held = true;
    }
}

/* Old pools with references, and the new ones of those that are gone, whose jobs may not be through yet. */
static bool read_pools(Migration *m, Err *err)
{
    Str url = arm_url(m->cli, str_printf(m->cli->arena, STR_FMT "/pools", STR_ARG(m->account_id)), BATCH_ARM_VERSION);

    if (!collect(m->cli, to_arm(m->cli), url, &m->all_pools, &m->all_count, err))
        return false;
    m->pool_count = 0;
    if (!(m->pools = ARENA_ARRAY(m->cli->arena, MigratePool, m->all_count + 1)))
        return err_too_big(err);
    for (size_t i = 0; i < m->only_count; i++) {
        Str id = str_from(m->only[i]);
        if (!pool_named(m, id) && !clone_of(m, id))
            return err_set(err, ERR_NOT_FOUND, "--pool-id: the account has no pool '" STR_FMT "'", STR_ARG(id));
    }
    for (size_t i = 0; i < m->all_count; i++) {
        Str id = json_str(json_get(m->all_pools[i], "name")), old = old_of(m->all_pools[i]);
        if (json_count(json_path(m->all_pools[i], "properties.certificates")) > 0 && is_asked_for(m, id))
            add_pool(m, id, m->all_pools[i], clone_of(m, id));
        else if (old.ptr && !pool_named(m, old) && is_asked_for(m, old))
            add_pool(m, old, NULL, m->all_pools[i]);
    }
    for (size_t i = 0; i < m->all_count; i++)
        hold_certificates(m, m->all_pools[i]);
    return arena_ok(m->cli->arena) || err_too_big(err);
}

/* In the vault already? Its current version may be a renewed one, so the tag tells, not the thumbprint. */
static bool read_moved(Migration *m, MigrateCert *cert, Err *err)
{
    Str url = versioned(m->cli, str_printf(m->cli->arena, STR_FMT "/%s/" STR_FMT, STR_ARG(m->vault_url), cert->is_cer ? "secrets" : "certificates", STR_ARG(cert->name)),
                        cert->is_cer ? "/versions" : "");
    Answer answer;
    bool found;

    if (!fetch(m->cli, to_vault(m->cli), url, &answer, &found, err))
        return false;
    cert->is_moved = found && (!cert->is_cer || json_count(json_get(answer.json, "value")) > 0);
    return true;
}

bool migrate_read(Migration *m, Err *err)
{
    if (!cli_profile(m->cli, err) || !read_account(m, err) || !read_identity(m, err) || !read_vault(m, err) || !read_certificates(m, err) || !read_pools(m, err) ||
        !collect_jobs(m, "/jobs", &m->jobs, &m->job_count, err) || !collect_jobs(m, "/jobschedules", &m->schedules, &m->schedule_count, err))
        return false;
    for (size_t i = 0; i < m->cert_count; i++) {
        if ((m->certs[i].is_used || m->drops_certificates) && !read_moved(m, &m->certs[i], err))
            return false;
    }
    return true;
}
