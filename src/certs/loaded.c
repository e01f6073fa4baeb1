/* loaded.c - from a settings file to clients, and from one settings file to the next. */
#include "certs/loaded.h"
#include <stdlib.h>
#include "base/file.h"

enum { SETTINGS_MAX_BYTES = 1024 * 1024 };

static bool make(const CertAgentConfig *config, Loaded *loaded, bool *is_unusable, Err *err)
{
    CertSettings *settings = &loaded->settings;
    if (!file_read(loaded->arena, config->settings_path, SETTINGS_MAX_BYTES, &loaded->text, err) || !settings_read(loaded->arena, loaded->text, settings, err) ||
        !sign_in_complete(loaded->arena, &settings->sign_in, err)) {
        *is_unusable = true;
        return false;
    }
    /* What the command line says goes first: it is what somebody typed just now. */
    const char *ca_file = config->ca_file ? config->ca_file : settings->ca_file.ptr ? str_to_cstr(loaded->arena, settings->ca_file, err) : NULL;
    const char *proxy = settings->proxy.ptr ? str_to_cstr(loaded->arena, settings->proxy, err) : NULL;
    loaded->metrics_path = config->metrics_path ? config->metrics_path : settings->metrics_file.ptr ? str_to_cstr(loaded->arena, settings->metrics_file, err) : NULL;
    loaded->tracked = ARENA_ARRAY(loaded->arena, Tracked, settings->observed_count + 1);
    if (!arena_ok(loaded->arena) || !loaded->tracked)
        return err_too_big(err);
    return fetcher_new(ca_file, proxy, &loaded->fetcher, err) && looks_new(loaded->fetcher, settings, ca_file, proxy, &loaded->looks, err) &&
           (config->once || listeners_new(loaded->fetcher, settings, ca_file, proxy, &loaded->listeners, err));
}

bool loaded_new(const CertAgentConfig *config, Loaded **out, bool *is_unusable, Err *err)
{
    Loaded *loaded = calloc(1, sizeof *loaded);
    *is_unusable = false;
    if (loaded)
        loaded->arena = arena_new(6 * SETTINGS_MAX_BYTES);
    if (!loaded || !loaded->arena) {
        free(loaded);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    if (!make(config, loaded, is_unusable, err)) {
        loaded_free(loaded);
        return false;
    }
    *out = loaded;
    return true;
}

void loaded_free(Loaded *loaded)
{
    if (!loaded)
        return;
    listeners_done(&loaded->listeners);
    looks_done(&loaded->looks);
    fetcher_free(loaded->fetcher);
    arena_free(loaded->arena);
    free(loaded);
}

bool loaded_text_is(const Loaded *loaded, const char *path, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(2 * SETTINGS_MAX_BYTES);
    Str text;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return file_read(arena, path, SETTINGS_MAX_BYTES, &text, err) && str_eq(text, loaded->text);
}

static bool leave(Loaded *loaded, const Observed *list, size_t count, Err *err)
{
    if (!loaded->settings.clean_up || count == 0)
        return true;
    Observed *all = ARENA_ARRAY(loaded->arena, Observed, loaded->left_count + count);
    if (!all)
        return err_too_big(err);
    if (loaded->left_count)
        memcpy(all, loaded->left, loaded->left_count * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        const Observed *was = &list[i];
        Observed *now = &all[loaded->left_count + i];
        *now = (Observed){ .base_url = str_dup(loaded->arena, was->base_url), .vault = str_dup(loaded->arena, was->vault), .name = str_dup(loaded->arena, was->name),
                           .store_dir = str_dup(loaded->arena, was->store_dir), .link_name = str_dup(loaded->arena, was->link_name) };
    }
    if (!arena_ok(loaded->arena))
        return err_too_big(err);
    loaded->left = all;
    loaded->left_count += count;
    return true;
}

/* Files stay as they were made until settings say otherwise; what people changed by hand is theirs. */
static void compare(Observed *now, const char *made_by) { now->must_remake = made_by[0] && strcmp(made_by, now->mark) != 0; }

bool loaded_carry(Loaded *loaded, const Loaded *former, Err *err)
{
    for (size_t i = 0; i < loaded->settings.observed_count; i++) {
        Observed *now = &loaded->settings.observed[i];
        for (size_t k = 0; k < former->settings.observed_count; k++) {
            const Observed *was = &former->settings.observed[k];
            if (str_eq(now->vault_url, was->vault_url) && str_eq(now->name, was->name) && str_eq(now->pinned, was->pinned) &&
                str_eq(now->store_dir, was->store_dir) && str_eq(now->link_name, was->link_name))
                loaded->tracked[i] = former->tracked[k];
        }
        compare(now, loaded->tracked[i].mark);
    }
    listeners_carry(&loaded->listeners, &former->listeners);
    return fetcher_carry(loaded->fetcher, former->fetcher, err) && leave(loaded, former->left, former->left_count, err) && leave(loaded, former->settings.observed, former->settings.observed_count, err);
}

bool loaded_remember(Loaded *loaded, const StateBefore *before, Err *err)
{
    for (size_t i = 0; i < loaded->settings.observed_count; i++) {
        Observed *now = &loaded->settings.observed[i];
        for (size_t k = 0; k < before->observed_count; k++) {
            const Observed *was = &before->observed[k];
            if (str_eq(now->base_url, was->base_url) && str_eq(now->store_dir, was->store_dir) && str_eq(now->link_name, was->link_name))
                memcpy(loaded->tracked[i].mark, was->mark, sizeof was->mark);
        }
        compare(now, loaded->tracked[i].mark);
    }
    return leave(loaded, before->observed, before->observed_count, err);
}
