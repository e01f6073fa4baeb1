/* init.c - `vaultyard init`: everything a new site needs, or nothing. */
#include <stdio.h>
#include "access/access.h"
#include "arm/arm.h"
#include "base/file.h"
#include "base/log.h"
#include "identity/identity.h"
#include "server/admin.h"
#include "server/authority.h"
#include "server/command.h"
#include "server/names.h"
#include "server/parts.h"

enum { INIT_ARENA_BYTES = 4 * 1024 * 1024 };

typedef struct Contents {
    Arena *arena;
    const DataDir *data;
    Site *site;
    Access *access;
    Bootstrap bootstrap;
    Str subscription_id, ca_pem;
} Contents;

static bool make_tenant(Txn *txn, void *ctx, Err *err)
{
    Contents *c = ctx;
    if (!authority_create(c->site->seal, txn, c->arena, c->data->id, real_now_ms(), &c->ca_pem, err) ||
        !identity_bootstrap(c->site->seal, txn, c->arena, STR("Vaultyard"), &c->bootstrap, err))
        return false;
    c->site->tenant_id = c->bootstrap.tenant_id;
    return arm_bootstrap(c->site, txn, c->arena, STR("Vaultyard"), &c->subscription_id, err);
}

static bool make_owner(Txn *txn, void *ctx, Err *err)
{
    Contents *c = ctx;
    Str scope = str_printf(c->arena, "/subscriptions/" STR_FMT, STR_ARG(c->subscription_id));
    return access_assign(c->access, txn, c->arena, scope, c->bootstrap.admin_object_id, ROLE_OWNER, STR_NONE, err);
}

/* The store, its root key, the tenant and its owner; runs as the service user, whose files these are. */
static bool make_store(Contents *c, Err *err)
{
    Identity *identity = NULL;
    Parts parts = { 0 };
    char *root_file = datadir_path(c->arena, c->data, "store/root.key");
    if (!root_file)
        return err_too_big(err);
    bool made = seal_make_root_file(root_file, err) && parts_open(c->arena, c->data, &parts, err);
    c->site = &parts.site;
    made = made && store_write(parts.site.store, make_tenant, c, err);
    made = made && identity_open(&parts.site, &identity, err) && access_open(&parts.site, identity, &c->access, err) &&
           store_write(parts.site.store, make_owner, c, err);
    access_close(c->access);
    parts_stop(&parts);
    identity_close(identity);
    parts_close(&parts);
    return made;
}

static bool make_all(Arena *arena, DataDir *data, Err *err)
{
    Contents contents = { .arena = arena, .data = data };
    Err ignored;
    if (!datadir_as_service(data, err))
        return false;
    bool made = make_store(&contents, err);
    made = datadir_as_self(made ? err : &ignored) && made;
    char *ca_path = datadir_path(arena, data, "ca.pem");
    if (!made || !ca_path)
        return false;
    data->tenant_id = contents.bootstrap.tenant_id;
    Admin admin = { contents.subscription_id, contents.bootstrap.admin_app_id, contents.bootstrap.admin_secret };
    return file_replace(ca_path, bytes_of(contents.ca_pem), 0644, (uid_t)-1, (gid_t)-1, err) && admin_write(data, &admin, err) &&
           datadir_write(data, err);
}

/* The site that the options ask for. ERR_BAD_INPUT names the option. */
static bool read_wanted(Arena *arena, const char *domain, const char *location, const char *port_text, const char *const *names, int name_count, bool is_public,
                        DataDir *out, Err *err)
{
    HttpAlias *aliases = ARENA_ARRAY(arena, HttpAlias, NAMES_MAX);
    int64_t port;
    Err ignored;
    *out = (DataDir){ .domain = str_from(domain), .location = arm_location_normal(arena, str_from(location)), .aliases = aliases };
    if (!aliases || !out->location.ptr)
        return err_too_big(err);
    if (!str_to_int64(str_from(port_text), 0, 65535, &port, &ignored))
        return err_set(err, ERR_BAD_INPUT, "--port takes a number up to 65535, not '%s'", port_text);
    if (!name_is_sound(out->domain) || !name_is_sound(out->location))
        return err_set(err, ERR_BAD_INPUT, "--domain and --location take lower-case host names");
    out->port = (int)port;
    for (int i = 0; i < name_count; i++)
        if (!names_add(arena, str_from(names[i]), out->domain, aliases, &out->alias_count, err))
            return false;
    return !is_public || names_add_public(arena, out->domain, aliases, &out->alias_count, err);
}

int command_init(int argc, char **argv)
{
    const char *dir = NULL, *domain = "vaultyard.localhost", *port_text = NULL, *location = "local", *user = "vaultyard", *names[NAMES_MAX], *flag = NULL;
    int counts[7] = { 0 };
    const Option options[] = {
        { "--data-dir", false, &dir, &counts[0], 1 }, { "--domain", false, &domain, &counts[1], 1 }, { "--port", false, &port_text, &counts[2], 1 },
        { "--location", false, &location, &counts[3], 1 }, { "--user", false, &user, &counts[4], 1 }, { "--name", false, names, &counts[5], NAMES_MAX },
        { "--public-names", true, &flag, &counts[6], 1 },
    };
    if (!options_read("init", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    AUTO(arena_free_auto) Arena *arena = arena_new(INIT_ARENA_BYTES);
    Err err = { 0 };
    DataDir wanted = { 0 }, data = { 0 };
    if (!arena)
        return command_fail("init", "out of memory");
    if (!dir || !read_wanted(arena, domain, location, port_text ? port_text : counts[6] ? "443" : "8443", names, counts[5], counts[6], &wanted, &err)) {
        (void)command_fail("init", !dir ? "--data-dir is needed" : err.text);
        return EXIT_USAGE;
    }
    log_setup(LOG_WARN, LOG_KEY_VALUE, "vaultyard");
    if (!datadir_create(arena, dir, &wanted, user, &data, &err))
        return command_fail("init", err.text);
    if (!make_all(arena, &data, &err)) {
        datadir_undo(&data);
        return command_fail("init", err.text);
    }
    (void)printf("made a site in " STR_FMT "\n  next: vaultyard serve --data-dir " STR_FMT "\n  then: VY_ADMIN=" STR_FMT "/admin.json vy account show\n",
                 STR_ARG(data.dir), STR_ARG(data.dir), STR_ARG(data.dir));
    return 0;
}
