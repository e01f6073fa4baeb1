/* sim_vault.c - what each vault and each certificate goes through in ten years: renewals, outages, backups that are restored. */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/buf.h"
#include "json/write.h"

enum { CONTENT_BYTES = 64 * 1024 };

static SimVault vaults[VAULTS];
static Arena *forever;
static KeyRef *authority_key, *keys[KEYS];
static Bytes authority_der;
static Str key_texts[KEYS];

uint64_t chance(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;                 /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

int64_t chance_between(uint64_t *state, int64_t least, int64_t most) { return least + (int64_t)(chance(state) % (uint64_t)(most - least + 1)); }

static void must(bool good, const Err *err)
{
    if (!good) {
        (void)fprintf(stderr, "rotation_sim: %s\n", err->text);
        exit(3);
    }
}

static void make_keys(void)
{
    Err err = { 0 };
    CertSpec spec = { .subject = STR("CN=sim authority"), .is_ca = true, .path_length = -1, .not_before_ms = SIM_BEGIN_MS - 365 * DAY_MS, .not_after_ms = SIM_BEGIN_MS + 40 * 365 * DAY_MS };
    forever = arena_new(1 << 20);
    must(forever && key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &authority_key, &err) &&
         cert_self_sign(forever, authority_key, &spec, &authority_der, &err), &err);
    for (int i = 0; i < KEYS; i++) {
        AUTO(secret_free_auto) Secret *pem = NULL;
        must(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &keys[i], &err), &err);
        must(bundle_write_pem(&(Bundle){ .key = keys[i] }, false, &pem, &err), &err);
        key_texts[i] = str_dup(forever, str_of(secret_bytes(pem)));
    }
}

Str key_pem(int version) { return key_texts[version % KEYS]; }
const SimVault *vault_of(int index) { return &vaults[index]; }

void vaults_make(uint64_t seed, int64_t end_ms)
{
    make_keys();
    for (int v = 0; v < VAULTS; v++) {
        uint64_t state = seed * 1000003 + (uint64_t)v;
        SimVault *vault = &vaults[v];
        *vault = (SimVault){ .has_feed = v % 2 == 0 };
        for (int i = 0; i < 9; i++) {
            int64_t from = chance_between(&state, SIM_BEGIN_MS, end_ms - 3 * DAY_MS);
            /* Mostly hours, now and then days. */
            int64_t lasts = chance(&state) % 6 ? chance_between(&state, MINUTE_MS, 8 * HOUR_MS) : chance_between(&state, DAY_MS, 6 * DAY_MS);
            if (from + lasts > end_ms - 2 * DAY_MS)
                continue;
            vault->windows[vault->window_count++] = (Window){ (Fault)(chance(&state) % 3), v, from, from + lasts, 0 };
        }
        for (int i = 0; i < 2; i++) {
            vault->restores_ms[i] = SIM_BEGIN_MS + (end_ms - SIM_BEGIN_MS) / 3 * (i + 1) + chance_between(&state, -90, 90) * DAY_MS;
            vault->restore_back_ms[i] = chance_between(&state, HOUR_MS, 30 * DAY_MS);
            vault->restore_count++;
        }
    }
}

static int64_t when_up(const SimVault *vault, int64_t at_ms)
{
    for (int i = 0; i < vault->window_count; i++)
        if (vault->windows[i].from_ms <= at_ms && at_ms < vault->windows[i].to_ms)
            at_ms = vault->windows[i].to_ms;                    /* windows may overlap a little; a renewal in an outage harms nothing */
    return at_ms;
}

static void add_event(SimCert *cert, int64_t at_ms, int version)
{
    if (cert->event_count == EVENTS_MAX)
        abort();
    cert->events[cert->event_count++] = (Event){ at_ms, version };
}

static int add_version(SimCert *cert, uint64_t *state, int64_t at_ms, int64_t life_ms)
{
    if (cert->version_count == VERSIONS_MAX)
        abort();
    Version *v = &cert->versions[cert->version_count];
    *v = (Version){ .made_ms = at_ms, .nbf_ms = at_ms / 1000 * 1000 - 10 * MINUTE_MS, .exp_ms = at_ms / 1000 * 1000 + life_ms };
    (void)snprintf(v->id, sizeof v->id, "%016llx%016llx", (unsigned long long)chance(state), (unsigned long long)chance(state));
    add_event(cert, at_ms, cert->version_count);
    return cert->version_count++;
}

/* As the policy of the moment has it: people change it, and now and then a version lives for a day only, less than two polls. */
static int64_t next_life_ms(uint64_t *state, int64_t life_ms)
{
    static const int lives_days[] = { 90, 199, 365 };
    if (chance(state) % 40 == 0)
        return DAY_MS;
    return life_ms <= DAY_MS || chance(state) % 6 == 0 ? lives_days[chance(state) % COUNT_OF(lives_days)] * DAY_MS : life_ms;
}

void cert_live(SimCert *cert, uint64_t *state, int64_t renews_ms, int64_t end_ms)
{
    const SimVault *vault = &vaults[cert->vault];
    int64_t life_ms = next_life_ms(state, 0), at_ms = SIM_BEGIN_MS - chance_between(state, HOUR_MS, life_ms / 2);
    if (renews_ms)
        at_ms = renews_ms - life_ms * 4 / 5;
    int64_t pause_ms = HOUR_MS;
    int restored = 0, current = add_version(cert, state, at_ms, life_ms);
    for (;;) {
        const Version *v = &cert->versions[current];
        int64_t lasts_ms = v->exp_ms - v->made_ms, late_ms = lasts_ms / 10 < DAY_MS ? lasts_ms / 10 : DAY_MS;
        if (renews_ms && cert->version_count == 1)
            late_ms = 0;
        int64_t next_ms = when_up(vault, v->made_ms + lasts_ms * 4 / 5 + chance_between(state, 0, late_ms));
        next_ms = next_ms > at_ms ? next_ms : at_ms + pause_ms;
        if (restored < vault->restore_count && vault->restores_ms[restored] < next_ms) {
            int64_t when_ms = vault->restores_ms[restored], back_to_ms = when_ms - vault->restore_back_ms[restored];
            restored++;
            int older = current;
            while (older >= 0 && (cert->versions[older].made_ms > back_to_ms || cert->versions[older].lost_ms))
                older--;
            if (older < 0 || older == current || when_ms <= at_ms)
                continue;
            for (int i = 0; i < cert->version_count; i++)
                if (cert->versions[i].made_ms > back_to_ms && !cert->versions[i].lost_ms)
                    cert->versions[i].lost_ms = when_ms;
            add_event(cert, when_ms, older);
            current = older;
            at_ms = when_ms;
            pause_ms = chance(state) % 2 ? HOUR_MS : chance_between(state, HOUR_MS, 30 * DAY_MS);       /* somebody renews it by hand, some day */
            continue;
        }
        if (next_ms >= end_ms)
            return;
        at_ms = next_ms;
        pause_ms = HOUR_MS;
        life_ms = next_life_ms(state, life_ms);
        current = add_version(cert, state, at_ms, life_ms);
    }
}

const Version *cert_current(const SimCert *cert, int64_t now_ms)
{
    const Version *found = &cert->versions[0];
    for (int i = 0; i < cert->event_count && cert->events[i].at_ms <= now_ms; i++)
        found = &cert->versions[cert->events[i].version];
    return found;
}

/* Made once, when it is first asked for. */
Str version_secret(SimCert *cert, int version)
{
    Version *v = &cert->versions[version];
    if (v->secret_json.ptr)
        return v->secret_json;
    AUTO(arena_free_auto) Arena *arena = arena_new(CONTENT_BYTES);
    AUTO(secret_free_auto) Secret *pem = NULL;
    AUTO(buf_done_auto) Buf text = { 0 };
    KeyRef *key = keys[version % KEYS];
    Bundle bundle = { .key = key, .count = 2, .certs[1] = authority_der };
    CertSpec spec = { .subject = STR("CN=sim.example"), .path_length = -1, .not_before_ms = v->nbf_ms, .not_after_ms = v->exp_ms };
    JsonWriter w;
    Err err = { 0 };
    must(arena && cert_issue(arena, authority_key, authority_der, key, &spec, &bundle.certs[0], &err) && bundle_write_pem(&bundle, true, &pem, &err), &err);
    buf_init(&text, CONTENT_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "value", str_of(secret_bytes(pem)));
    json_put_str(&w, "contentType", STR("application/x-pem-file"));
    json_put_str(&w, "id", str_printf(arena, "https://v%d.vault.sim/secrets/%s/%s", VAULT_FIRST + cert->vault, cert->name, v->id));
    json_close(&w);
    must(json_end(&w, &err), &err);
    Str leaf = pem_of_cert(arena, bundle.certs[0]);
    v->leaf_pem = (Str){ strndup(leaf.ptr, leaf.len), leaf.len };
    v->secret_json = (Str){ strndup(buf_str(&text).ptr, buf_str(&text).len), buf_str(&text).len };
    if (!v->leaf_pem.ptr || !v->secret_json.ptr)
        abort();
    return v->secret_json;
}

void cert_forget(SimCert *cert)
{
    for (int i = 0; i < cert->version_count; i++) {
        free((void *)cert->versions[i].leaf_pem.ptr);
        free((void *)cert->versions[i].secret_json.ptr);
    }
}
