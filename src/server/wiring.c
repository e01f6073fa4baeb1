/* wiring.c - what stands on what. */
#include "server/wiring.h"
#include "provider/local.h"

bool wiring_open(Arena *arena, const DataDir *data, int visible_port, bool is_dev, HttpServer *http, P11Token *hsm, Wiring *out, Err *err)
{
    *out = (Wiring){ 0 };
    Wiring *w = out;
    Site *site = &w->parts.site;
    char *data_dir = str_to_cstr(arena, data->dir, err), *socket = datadir_path(arena, data, "run/site/site.sock"), *ca_file = datadir_path(arena, data, "ca.pem");
    if (!socket || !ca_file)
        return err_too_big(err);
    if (!data_dir || !parts_open(arena, data, &w->parts, err))
        return false;
    site->names.port = visible_port;
    site->http = http;
    http_use_clock(http, site->clock);
    site->is_dev = is_dev;
    site->hsm = hsm;
    site->own_socket = socket;
    site->ca_file = ca_file;
    w->local = provider_local_new(data_dir);
    bool opened = (w->local || err_set(err, ERR_INTERNAL, "out of memory")) && authority_open(site->store, site->seal, &w->authority, err) &&
                  identity_open(site, &w->identity, err) && access_open(site, w->identity, &w->access, err) &&
                  arm_open(site, w->identity, w->access, &w->arm, err) &&
                  managedidentity_open(site, w->identity, w->arm, &w->identities, err) &&
                  keyvault_open(site, w->identity, w->access, w->arm, &w->keyvault, err) &&
                  batch_open(site, w->identity, w->access, w->arm, w->identities, &w->local, 1, &w->batch, err);
    w->health = (Health){ .site = site, .identity = w->identity, .batch = w->batch };
    bool mounted = opened && identity_mount(w->identity, http, err) && arm_mount(w->arm, http, err) &&
                   managedidentity_mount(w->identities, http, err) && keyvault_mount(w->keyvault, http, err) &&
                   batch_mount(w->batch, http, err) && health_mount(&w->health, http, err);
    if (!mounted)
        wiring_close(w);
    return mounted;
}

void wiring_close(Wiring *w)
{
    parts_stop(&w->parts);
    batch_close(w->batch);
    keyvault_close(w->keyvault);
    managedidentity_close(w->identities);
    arm_close(w->arm);
    access_close(w->access);
    identity_close(w->identity);
    authority_close(w->authority);
    provider_local_free(w->local);
    parts_close(&w->parts);
    *w = (Wiring){ 0 };
}
