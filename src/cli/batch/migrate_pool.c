/* migrate_pool.c - the definition of a pool with the Key Vault extension where the old one had references to certificates.
 *
 * Pools cannot be updated in place ("these properties aren't updateable on the pool. You need to recreate pools"), so the old one's
 * whole definition is sent again under a new name, with the identity and the extension beside what it had. */
#include "cli/batch/migrate.h"
#include "cli/input.h"

/* What the service alone sets does not go back. */
static const char *const shown_only[] = {
    "certificates", "lastModified", "creationTime", "provisioningState", "provisioningStateTransitionTime", "allocationState", "allocationStateTransitionTime",
    "currentDedicatedNodes", "currentLowPriorityNodes", "resizeOperationStatus", "autoScaleRun", "currentNodeCommunicationMode", "metadata", "deploymentConfiguration",
};

static bool is_shown_only(Str name)
{
    for (size_t i = 0; i < COUNT_OF(shown_only); i++) {
        if (str_eq(name, str_from(shown_only[i])))
            return true;
    }
    return false;
}

static const JsonVal *machine_of(const MigratePool *pool) { return json_path(pool->old, "properties.deploymentConfiguration.virtualMachineConfiguration"); }

Str migrate_pool_problem(Migration *m, const MigratePool *pool)
{
    const JsonVal *machine = machine_of(pool), *extensions = json_get(machine, "extensions"), *references = json_path(pool->old, "properties.certificates");
    Str agent = str_lower(m->cli->arena, json_str(json_get(machine, "nodeAgentSkuId")));
    size_t at;

    if (!machine)
        return STR("it is a CloudServiceConfiguration pool, which has neither extensions nor identities; make it a VirtualMachineConfiguration pool first");
    if (str_find(agent, STR("windows"), &at))
        return STR("its nodes run Windows, whose extension (KeyVaultForWindows) has other settings; recreate it by hand");
    if (json_count(json_path(pool->old, "properties.userAccounts")) > 0)
        return STR("it has user accounts, whose passwords the service never gives back; recreate it by hand");
    for (size_t i = 0; i < json_count(extensions); i++) {
        if (str_starts_nocase(json_str(json_get(json_at(extensions, i), "type")), STR("KeyVaultFor")))
            return STR("it has the Key Vault extension already, beside its references; add the certificates to that by hand");
    }
    for (size_t i = 0; i < json_count(references); i++) {
        if (!migrate_cert_of(m, json_at(references, i)))
            return str_printf(m->cli->arena, "it refers to " STR_FMT ", which the account does not have", STR_ARG(json_str(json_get(json_at(references, i), "id"))));
    }
    return STR_NONE;
}

/* ---- the body ---- */

static Str or_later(Migration *m, Str value, const char *what)
{
    return value.ptr ? value : str_printf(m->cli->arena, "<%s of " STR_FMT ">", what, STR_ARG(m->identity_id));
}

static void put_extension(Migration *m, JsonWriter *w, const MigratePool *pool)
{
    const JsonVal *references = json_path(pool->old, "properties.certificates");

    json_open(w, NULL);
    json_put_str(w, "name", STR("KVExtensions"));
    json_put_str(w, "publisher", STR("Microsoft.Azure.KeyVault"));
    json_put_str(w, "type", STR("KeyVaultForLinux"));
    json_put_str(w, "typeHandlerVersion", STR("3.0"));
    json_put_bool(w, "autoUpgradeMinorVersion", true);
    json_open(w, "settings");
    json_open(w, "secretsManagementSettings");
    json_put_str(w, "pollingIntervalInS", STR("3600"));
    json_put_str(w, "certificateStoreLocation", m->store);
    json_put_bool(w, "requireInitialSync", true);
    json_open_array(w, "observedCertificates");
    for (size_t i = 0; i < json_count(references); i++) {
        const MigrateCert *cert = migrate_cert_of(m, json_at(references, i));
        if (cert && !cert->is_cer)
            json_put_str(w, NULL, str_printf(m->cli->arena, STR_FMT "/secrets/" STR_FMT, STR_ARG(m->vault_url), STR_ARG(cert->name)));
    }
    json_close_array(w);
    json_close(w);
    json_open(w, "authenticationSettings");
    json_put_str(w, "msiEndpoint", STR("http://169.254.169.254/metadata/identity"));
    json_put_str(w, "msiClientId", or_later(m, m->client_id, "client id"));
    json_close(w);
    json_close(w);
    json_close(w);
}

static bool has_private_keys(Migration *m, const MigratePool *pool)
{
    const JsonVal *references = json_path(pool->old, "properties.certificates");

    for (size_t i = 0; i < json_count(references); i++) {
        const MigrateCert *cert = migrate_cert_of(m, json_at(references, i));
        if (cert && !cert->is_cer)
            return true;
    }
    return false;
}

static void put_machine(Migration *m, JsonWriter *w, const MigratePool *pool)
{
    JsonWalk walk = { .object = machine_of(pool) };
    const JsonVal *value, *extensions = json_get(walk.object, "extensions");
    Str name;

    json_open(w, "deploymentConfiguration");
    json_open(w, "virtualMachineConfiguration");
    while (json_walk(&walk, &name, &value)) {
        if (!str_eq(name, STR("extensions")))
            json_put_value_named(w, name, value);
    }
    json_open_array(w, "extensions");
    for (size_t i = 0; i < json_count(extensions); i++)
        json_put_value(w, NULL, json_at(extensions, i));
    if (has_private_keys(m, pool))
        put_extension(m, w, pool);
    json_close_array(w);
    json_close(w);
    json_close(w);
}

static void put_metadata(JsonWriter *w, const MigratePool *pool)
{
    const JsonVal *metadata = json_path(pool->old, "properties.metadata");

    json_open_array(w, "metadata");
    for (size_t i = 0; i < json_count(metadata); i++)
        json_put_value(w, NULL, json_at(metadata, i));
    json_open(w, NULL);
    json_put_str(w, "name", STR(MIGRATE_MARK));
    json_put_str(w, "value", pool->id);
    json_close(w);
    json_close_array(w);
}

static void put_identity(Migration *m, JsonWriter *w, const MigratePool *pool)
{
    JsonWalk walk = { .object = json_path(pool->old, "identity.userAssignedIdentities") };
    const JsonVal *value;
    bool has_ours = false;
    Str id;

    json_open(w, "identity");
    json_put_str(w, "type", STR("UserAssigned"));
    json_open(w, "userAssignedIdentities");
    while (walk.object && json_walk(&walk, &id, &value)) {
        has_ours = has_ours || str_eq_nocase(id, m->identity_id);
        json_open_named(w, id);
        json_close(w);
    }
    if (!has_ours) {
        json_open_named(w, m->identity_id);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

bool migrate_pool_body(Migration *m, const MigratePool *pool, Str *body, Err *err)
{
    AUTO(body_done_auto) Body text = { 0 };
    JsonWriter *w = &text.w;
    JsonWalk walk = { .object = json_get(pool->old, "properties") };
    const JsonVal *value;
    Str name, made;

    body_begin(&text);
    json_open(w, NULL);
    put_identity(m, w, pool);
    json_open(w, "properties");
    while (json_walk(&walk, &name, &value)) {
        if (!is_shown_only(name))
            json_put_value_named(w, name, value);
    }
    put_machine(m, w, pool);
    put_metadata(w, pool);
    json_close(w);
    json_close(w);
    if (!body_end(&text, &made, err))
        return false;
    *body = str_dup(m->cli->arena, made);
    return body->ptr || err_too_big(err);
}

/* ---- the old paths ---- */

static bool is_visible_to_tasks(const JsonVal *reference)
{
    const JsonVal *visibility = json_get(reference, "visibility");

    for (size_t i = 0; i < json_count(visibility); i++) {
        if (!str_eq_nocase(json_str(json_at(visibility, i)), STR("starttask")))
            return true;
    }
    return json_count(visibility) == 0;
}

static Str vault_name(const Migration *m)
{
    Str host = str_slice(m->vault_url, strlen("https://"), m->vault_url.len);
    return str_cut(&host, '.');
}

/* Files as they lay under $AZ_BATCH_CERTIFICATES_DIR: sha1-<thumbprint>.pfx with its password beside it, .cer as it is. */
Str migrate_start_script(Migration *m, const MigratePool *pool)
{
    Arena *arena = m->cli->arena;
    const JsonVal *references = json_path(pool->old, "properties.certificates");
    Str text = STR("# in a start task with elevation level admin; tasks then set AZ_BATCH_CERTIFICATES_DIR=$AZ_BATCH_NODE_SHARED_DIR/certs\n"
                   "set -e\nd=$AZ_BATCH_NODE_SHARED_DIR/certs; mkdir -p \"$d\"; chmod 755 \"$d\"; umask 077\n");

    for (size_t i = 0; i < json_count(references); i++) {
        const MigrateCert *cert = migrate_cert_of(m, json_at(references, i));
        Str thumbprint = cert ? cert->thumbprint : STR_NONE;
        if (!cert)
            continue;
        if (cert->is_cer)
            text = str_printf(arena, STR_FMT "t=$(curl -fsS -H Metadata:true 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" STR_FMT
                              "&client_id=" STR_FMT "' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n"
                              "curl -fsS -H \"Authorization: Bearer $t\" '" STR_FMT "/secrets/" STR_FMT "?api-version=7.4' | sed 's/.*\"value\":\"\\([^\"]*\\)\".*/\\1/' | base64 -d"
                              " > \"$d/sha1-" STR_FMT ".cer\"\nchmod 644 \"$d/sha1-" STR_FMT ".cer\"\n",
                              STR_ARG(text), STR_ARG(to_vault(m->cli)), STR_ARG(or_later(m, m->client_id, "client id")), STR_ARG(m->vault_url), STR_ARG(cert->name),
                              STR_ARG(thumbprint), STR_ARG(thumbprint));
        else
            text = str_printf(arena, STR_FMT "openssl rand -hex 16 > \"$d/sha1-" STR_FMT ".pfx.pw\"\n"
                              "openssl pkcs12 -export -in " STR_FMT "/" STR_FMT "." STR_FMT " -out \"$d/sha1-" STR_FMT ".pfx\" -passout \"file:$d/sha1-" STR_FMT ".pfx.pw\"\n%s",
                              STR_ARG(text), STR_ARG(thumbprint), STR_ARG(m->store), STR_ARG(vault_name(m)), STR_ARG(cert->name), STR_ARG(thumbprint), STR_ARG(thumbprint),
                              is_visible_to_tasks(json_at(references, i))
                                  ? str_printf(arena, "chmod 644 \"$d/sha1-" STR_FMT ".pfx\" \"$d/sha1-" STR_FMT ".pfx.pw\"   # its visibility names tasks\n", STR_ARG(thumbprint),
                                               STR_ARG(thumbprint)).ptr
                                  : "");
    }
    return text;
}
