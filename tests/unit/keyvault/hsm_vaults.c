#include "hsm_vaults.h"
#include "keyvault/keys/hsm_key.h"

Answer at(const char *vault, const char *method, const char *path, const char *body)
{
    return call(method, text("%s.vault", vault), text("%s" API, path), fix.owner.vault_token, body);
}

/* A name alone: its current version. */
const char *op(const char *key, const char *operation) { return text("/keys/%s%s/%s", key, strchr(key, '/') ? "" : "/", operation); }

Answer prem(const char *method, const char *path, const char *body) { return at("prem", method, path, body); }

Answer put_vault(const char *name, const char *sku)
{
    Str tenant = fix.site.tenant_id;
    return arm_call("PUT", text(VAULTS "%s", name), text("{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" STR_FMT "\",\"sku\":{\"family\":\"A\",\"name\":\"%s\"},\"accessPolicies\":[{\"tenantId\":\""
                    STR_FMT "\",\"objectId\":\"" STR_FMT "\",\"permissions\":{\"keys\":[\"all\"],\"secrets\":[\"all\"],\"certificates\":[\"all\"]}}]}}", STR_ARG(tenant), sku,
                    STR_ARG(tenant), STR_ARG(fix.owner.principal.object_id)));
}

const char *created(const char *vault, const char *name, const char *body)
{
    Answer answer = at(vault, "POST", text("/keys/%s/create", name), body);
    expect_status(&answer, 200);
    Str kid = text_at(&answer, "key.kid");
    return text(STR_FMT, STR_ARG(str_slice(kid, kid.len - 32, kid.len)));
}

void remove_for_good(const char *vault, const char *name)
{
    Answer answer = at(vault, "DELETE", text("/keys/%s", name), NULL);
    expect_status(&answer, 200);
    answer = at(vault, "DELETE", text("/deletedkeys/%s", name), NULL);
    expect_status(&answer, 204);
}

/* What is destroyed by background work is gone from the token, and nothing else is. */
void expect_in_token(size_t keys)
{
    (void)run_due(WORK_HSM);
    assert_int_equal(softhsm_private_keys(TOKEN) + softhsm_secret_keys(TOKEN), keys);
    assert_int_equal(count_of("SELECT count(*) FROM kv_hsm_key"), keys);
}

const char digest32[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", digest48[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v",
                  digest64[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw";

void expect_signs(const char *vault, const char *key, const char *alg, const char *digest)
{
    Answer answer = at(vault, "POST", op(key, "sign"), text("{\"alg\":\"%s\",\"value\":\"%s\"}", alg, digest));
    expect_status(&answer, 200);
    Str signature = text_at(&answer, "value");
    answer = at(vault, "POST", op(key, "verify"), text("{\"alg\":\"%s\",\"digest\":\"%s\",\"value\":\"" STR_FMT "\"}", alg, digest, STR_ARG(signature)));
    expect_status(&answer, 200);
    assert_true(json_bool(json_get(answer.json, "value"), false));
}

int hsm_set_up(void **state)
{
    softhsm_setup();
    softhsm_token(TOKEN);
    fixture_hsm = softhsm_open(TOKEN);
    if (fixture_set_up(state) != 0)
        return -1;
    Answer answer = put_vault("prem", "premium");
    expect_status(&answer, 201);
    return 0;
}

int hsm_tear_down(void **state)
{
    int done = fixture_tear_down(state);
    p11_close(fixture_hsm);
    return done;
}
