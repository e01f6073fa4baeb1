/* test_key_release.c - exportable keys: released to whom the policy's authority attests what the policy asks, and to nobody else; random bytes. */
#include "base/encode.h"
#include "crypto/certificates/cert.h"
#include "crypto/keys/key_transfer.h"
#include "crypto/jwt.h"
#include "fixture.h"
#include "http/client.h"
#include "keyvault/keys/release_policy.h"
#include "keyvault/vaults/vault.h"

#define AUTHORITY "https://attest.example"
#define RULES     "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"" AUTHORITY "/\",\"allOf\":[{\"claim\":\"x-ms-isolation-tee.x-ms-attestation-type\",\"equals\":\"sevsnpvm\"}]}]}"
#define TEE       "\"x-ms-isolation-tee\":{\"x-ms-attestation-type\":\"sevsnpvm\"}"

/* The authority and the attested party. */
static struct { KeyRef *key, *other, *party; bool is_down, gives_certificates; int asked; } world;

static Str base64url(Str value) { return base64url_encode(fix.arena, bytes_of(value)); }

static Str jwk(const KeyRef *key, const char *more)
{
    KeyPublic parts;
    must(key_public(fix.arena, key, &parts, &fix_err));
    return str_from(text("{\"kty\":\"RSA\",\"n\":\"" STR_FMT "\",\"e\":\"" STR_FMT "\"%s}", STR_ARG(base64url_encode(fix.arena, parts.n)), STR_ARG(base64url_encode(fix.arena, parts.e)), more));
}

static Str list_of_keys(void)
{
    if (!world.gives_certificates)
        return str_from(text("{\"keys\":[" STR_FMT "," STR_FMT "]}", STR_ARG(jwk(world.other, ",\"kid\":\"other\"")), STR_ARG(jwk(world.key, ",\"kid\":\"k1\""))));
    CertSpec spec = { .subject = STR("CN=authority"), .path_length = -1, .not_after_ms = real_now_ms() + 86400000 };
    Bytes der;
    must(cert_self_sign(fix.arena, world.key, &spec, &der, &fix_err));
    return str_from(text("{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k1\",\"x5c\":[\"" STR_FMT "\"]}]}", STR_ARG(base64_encode(fix.arena, der))));
}

static bool authority(KeyVault *kv, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err)
{
    (void)kv, (void)arena;
    world.asked++;
    if (world.is_down)
        return err_set(err, ERR_UNAVAILABLE, "nobody is there");
    *out = (HttpAnswer){ .status = 200 };
    if (str_eq(call->url, STR(AUTHORITY "/.well-known/openid-configuration")))
        out->body = STR("{\"jwks_uri\":\"" AUTHORITY "/certs\"}");
    else if (str_eq(call->url, STR(AUTHORITY "/certs")))
        out->body = list_of_keys();
    else
        out->status = 404;
    return true;
}

static Str token_by(const KeyRef *key, const char *header, const char *issuer, int64_t exp_s, const char *claims)
{
    Str token;
    must(jwt_sign(fix.arena, key, SIGN_RS256, str_from(header),
                  str_from(text("{\"iss\":\"%s\",\"exp\":%lld,%s,\"x-ms-runtime\":{\"keys\":[" STR_FMT "]}}", issuer, (long long)exp_s, claims,
                                STR_ARG(jwk(world.party, ",\"kid\":\"mine\",\"key_ops\":[\"encrypt\"]")))), &token, &fix_err));
    return token;
}

static int64_t soon(void) { return real_now_ms() / 1000 + 600; }
static Str good_token(void) { return token_by(world.key, "\"kid\":\"k1\"", AUTHORITY, soon(), TEE); }

static const char *policy(const char *rules, bool immutable)
{
    return text("{\"contentType\":\"application/json; charset=utf-8\",\"data\":\"" STR_FMT "\",\"immutable\":%s}", STR_ARG(base64url(str_from(rules))), immutable ? "true" : "false");
}

static Answer make(const char *name, const char *kty, const char *rules)
{
    return vault_call("POST", text("/keys/%s/create", name), text("{\"kty\":\"%s\",\"attributes\":{\"exportable\":true},\"release_policy\":%s}", kty, policy(rules, false)));
}

static Answer release(const char *name, Str token, const char *more)
{
    return vault_call("POST", text("/keys/%s//release", name), text("{\"target\":\"" STR_FMT "\"%s}", STR_ARG(token), more));
}

/* The released key, as whoever was attested opens it; the statement is signed by the certificate that it carries. */
static const JsonVal *open_statement(const Answer *answer, TransferAlg alg, Secret **material)
{
    Jwt jws;
    Bytes der, blob, sealed;
    const JsonVal *transfer;
    AUTO(key_free_auto) KeyRef *signer = NULL;
    expect_status(answer, 200);
    must(jwt_parse(fix.arena, text_at(answer, "value"), &jws, &fix_err));
    must(base64_decode(fix.arena, json_str(json_at(json_get(jws.header, "x5c"), 0)), &der, &fix_err));
    must(cert_public_key(der, &signer, &fix_err));
    must(jwt_check(&jws, signer, &fix_err));
    assert_null(json_get(jws.claims, "aud"));
    must(base64url_decode(fix.arena, json_str(json_path(jws.claims, "response.key.key.key_hsm")), &blob, &fix_err));
    must(json_parse(fix.arena, str_of(blob), JSON_STRICT, &transfer, &fix_err));
    assert_str(json_str(json_path(transfer, "header.kid")), "mine");
    assert_true(str_eq(json_str(json_path(transfer, "header.enc")), transfer_alg_name(alg)));
    must(base64url_decode(fix.arena, json_str(json_get(transfer, "ciphertext")), &sealed, &fix_err));
    must(key_transfer_unwrap(world.party, alg, sealed, material, &fix_err));
    return jws.claims;
}

static void test_an_attested_party_gets_the_key_itself(void **state)
{
    (void)state;
    static const struct { const char *enc; TransferAlg alg; } rows[] = {
        { "", TRANSFER_CKM_RSA_AES_KEY_WRAP }, { ",\"enc\":\"CKM_RSA_AES_KEY_WRAP\"", TRANSFER_CKM_RSA_AES_KEY_WRAP },
        { ",\"enc\":\"RSA_AES_KEY_WRAP_256\",\"nonce\":\"n-1\"", TRANSFER_RSA_AES_KEY_WRAP_256 }, { ",\"enc\":\"RSA_AES_KEY_WRAP_384\"", TRANSFER_RSA_AES_KEY_WRAP_384 },
    };
    Answer made = make("ec", "EC", RULES);
    expect_status(&made, 200);
    assert_true(json_bool(json_path(made.json, "attributes.exportable"), false));
    assert_str(text_at(&made, "release_policy.contentType"), "application/json; charset=utf-8");
    assert_true(str_eq(text_at(&made, "release_policy.data"), base64url(STR(RULES))));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(secret_free_auto) Secret *material = NULL;
        AUTO(key_free_auto) KeyRef *key = NULL;
        KeyPublic parts;
        Answer answer = release("ec", good_token(), rows[i].enc);
        const JsonVal *statement = open_statement(&answer, rows[i].alg, &material);
        must(key_from_pkcs8(secret_bytes(material), &key, &fix_err) && key_public(fix.arena, key, &parts, &fix_err));
        assert_true(str_eq(base64url_encode(fix.arena, parts.x), text_at(&made, "key.x")));
        assert_true(str_eq(json_str(json_path(statement, "request.kid")), text_at(&made, "key.kid")));
        assert_true(str_eq(json_str(json_path(statement, "response.key.key.kid")), text_at(&made, "key.kid")));
        assert_true(str_eq(json_str(json_path(statement, "response.key.release_policy.data")), base64url(STR(RULES))));
        if (i == 2)
            assert_str(json_str(json_path(statement, "request.nonce")), "n-1");
    }
}

static void test_symmetric_keys_and_expired_ones_are_released(void **state)
{
    (void)state;
    Answer made = vault_call("PUT", "/keys/sym", text("{\"key\":{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODw\"},\"attributes\":{\"exportable\":true,\"exp\":1000000000},\"release_policy\":%s}", policy(RULES, false)));
    expect_status(&made, 200);
    AUTO(secret_free_auto) Secret *material = NULL;
    world.gives_certificates = true;                        /* as Azure Attestation lists its keys */
    Answer answer = release("sym", good_token(), "");
    world.gives_certificates = false;
    (void)open_statement(&answer, TRANSFER_CKM_RSA_AES_KEY_WRAP, &material);
    assert_true(str_eq(base64url_encode(fix.arena, secret_bytes(material)), STR("AAECAwQFBgcICQoLDA0ODw")));
}

static void test_next_versions_stay_exportable(void **state)
{
    (void)state;
    Answer made = make("kept", "EC", RULES), rotated = vault_call("POST", "/keys/kept/rotate", NULL);
    expect_status(&made, 200);
    expect_status(&rotated, 200);
    assert_true(str_eq(text_at(&rotated, "release_policy.data"), base64url(STR(RULES))));
    Answer again = vault_call("POST", "/keys/kept/create", "{\"kty\":\"EC\",\"attributes\":{\"exportable\":true}}");
    expect_status(&again, 200);
    assert_true(str_eq(text_at(&again, "release_policy.data"), base64url(STR(RULES))));
    Answer released = release("kept", good_token(), "");
    expect_status(&released, 200);
    Answer tagged = vault_call("PATCH", "/keys/kept/", "{\"tags\":{\"a\":\"b\"}}");
    assert_true(str_eq(text_at(&tagged, "release_policy.data"), base64url(STR(RULES))));
    Answer listed = vault_call("GET", "/keys/kept/versions", NULL);
    assert_true(json_bool(json_path(json_at(json_get(listed.json, "value"), 0), "attributes.exportable"), false));
}

static void test_who_is_not_attested_gets_nothing(void **state)
{
    (void)state;
    Answer made = make("guarded", "EC", RULES);
    expect_status(&made, 200);
    const struct { Str token; int status; const char *code, *inner, *word; } cases[] = {
        { token_by(world.key, "\"kid\":\"k1\"", "https://other.example", soon(), TEE),                      403, "Forbidden", "ForbiddenByPolicy", "issuer" },
        { token_by(world.key, "\"kid\":\"k1\"", AUTHORITY ".evil.example", soon(), TEE),                    403, "Forbidden", "ForbiddenByPolicy", "issuer" },
        { token_by(world.key, "\"kid\":\"k1\"", AUTHORITY, real_now_ms() / 1000 - 600, TEE),                403, "Forbidden", "ForbiddenByPolicy", "expired" },
        { token_by(world.key, "\"kid\":\"k1\"", AUTHORITY, soon(), "\"nbf\":4000000000," TEE),              403, "Forbidden", "ForbiddenByPolicy", "not yet valid" },
        { token_by(world.party, "\"kid\":\"k1\"", AUTHORITY, soon(), TEE),                                  403, "Forbidden", "ForbiddenByPolicy", "has signed it" },
        { token_by(world.key, "\"kid\":\"k9\"", AUTHORITY, soon(), TEE),                                    403, "Forbidden", "ForbiddenByPolicy", "has signed it" },
        { token_by(world.key, "\"kid\":\"other\"", AUTHORITY, soon(), TEE),                                 403, "Forbidden", "ForbiddenByPolicy", "has signed it" },
        { token_by(world.key, "\"kid\":\"k1\"", AUTHORITY, soon(), "\"x-ms-isolation-tee\":{\"x-ms-attestation-type\":\"sgx\"}"), 403, "Forbidden", "ForbiddenByPolicy", "conditions" },
        { token_by(world.key, "\"kid\":\"k1\"", AUTHORITY, soon(), "\"x-ms-isolation-tee.x-ms-attestation-type\":\"sevsnpvm\""), 403, "Forbidden", "ForbiddenByPolicy", "conditions" },
        { STR("a.b"),                                                                                       400, "BadParameter", NULL, "target" },
        { STR(""),                                                                                          400, "BadParameter", NULL, "target" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = release("guarded", cases[i].token, "");
        expect_error(&answer, cases[i].status, cases[i].code, cases[i].inner, cases[i].word);
    }
    Str without_key;
    must(jwt_sign(fix.arena, world.key, SIGN_RS256, STR("\"kid\":\"k1\""), str_from(text("{\"iss\":\"" AUTHORITY "\",\"exp\":%lld," TEE "}", (long long)soon())), &without_key, &fix_err));
    Answer nobody = release("guarded", without_key, "");
    expect_error(&nobody, 403, "Forbidden", "ForbiddenByPolicy", "x-ms-runtime.keys");
    world.is_down = true;
    Answer down = release("guarded", good_token(), "");
    world.is_down = false;
    expect_error(&down, 503, "ServiceUnavailable", NULL, "nobody is there");
    Answer enc = release("guarded", good_token(), ",\"enc\":\"RSA-OAEP\"");
    expect_error(&enc, 400, "BadParameter", NULL, "enc");
}

static void test_only_exportable_and_enabled_keys_are_released(void **state)
{
    (void)state;
    int asked = world.asked;
    Answer plain = vault_call("POST", "/keys/plain/create", "{\"kty\":\"EC\"}");
    assert_false(json_bool(json_path(plain.json, "attributes.exportable"), true));
    Answer refused = release("plain", good_token(), "");
    expect_error(&refused, 403, "Forbidden", "ForbiddenByPolicy", "not exportable");
    Answer made = make("off", "EC", RULES), off = vault_call("PATCH", "/keys/off/", "{\"attributes\":{\"enabled\":false}}");
    expect_status(&made, 200);
    expect_status(&off, 200);
    refused = release("off", good_token(), "");
    expect_error(&refused, 403, "Forbidden", "KeyDisabled", "disabled");
    Answer missing = release("none-such", good_token(), "");
    expect_error(&missing, 404, "KeyNotFound", NULL, "none-such");
    assert_int_equal(world.asked, asked);                   /* nobody was asked for any of them */
}

static void test_policies_are_refused_by_what_is_wrong(void **state)
{
    (void)state;
    static const struct { const char *rules, *word; } cases[] = {
        { "[]", "version" },                                                                   { "{\"anyOf\":[]}", "version" },
        { "{\"version\":\"2.0\",\"anyOf\":[]}", "version" },                                   { "{\"version\":\"1.0.0\",\"anyOf\":[]}", "1 to 20 authorities" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"http://a\",\"allOf\":[{\"claim\":\"a\",\"equals\":1}]}]}", "https://" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\"}]}", "anyOf or allOf" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":[]}]}", "anyOf or allOf" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":[{\"claim\":\"a\"}]}]}", "exactly one of" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":[{\"claim\":\"a\",\"equals\":1,\"less\":2}]}]}", "exactly one of" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":[{\"claim\":\"a\",\"less\":\"b\"}]}]}", "no number" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":[{\"claim\":\"a\",\"exists\":\"b\"}]}]}", "neither true nor false" },
        { "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://a\",\"allOf\":[{\"claim\":\"\",\"equals\":1}]}]}", "claim" },
        { "not json", "JSON" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer answer = make("never", "EC", cases[i].rules);
        expect_error(&answer, 400, "BadParameter", NULL, cases[i].word);
    }
    static const struct { const char *body, *word; } bodies[] = {
        { "{\"kty\":\"EC\",\"attributes\":{\"exportable\":true}}",                                           "first version" },
        { "{\"kty\":\"EC\",\"attributes\":{\"exportable\":true},\"release_policy\":{}}",                     "data" },
        { "{\"kty\":\"EC\",\"attributes\":{\"exportable\":true},\"release_policy\":{\"data\":\"!\"}}",       "base64url" },
        { "{\"kty\":\"EC\",\"attributes\":{\"exportable\":true},\"release_policy\":7}",                      "release_policy" },
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        Answer answer = vault_call("POST", "/keys/never/create", bodies[i].body);
        expect_error(&answer, 400, "BadParameter", NULL, bodies[i].word);
    }
    Answer lone = vault_call("POST", "/keys/never/create", text("{\"kty\":\"EC\",\"release_policy\":%s}", policy(RULES, false)));
    expect_error(&lone, 400, "BadParameter", NULL, "exportable");
    Answer none = vault_call("GET", "/keys/never", NULL);
    expect_error(&none, 404, "KeyNotFound", NULL, "never");
}

static void test_an_immutable_policy_stays(void **state)
{
    (void)state;
    static const char other[] = "{\"version\":\"1.0.0\",\"anyOf\":[{\"authority\":\"https://b.example\",\"anyOf\":[{\"claim\":\"a\",\"exists\":true}]}]}";
    Answer made = make("moving", "EC", RULES);
    expect_status(&made, 200);
    Answer changed = vault_call("PATCH", "/keys/moving/", text("{\"release_policy\":%s}", policy(other, true)));
    expect_status(&changed, 200);
    assert_true(json_bool(json_path(changed.json, "release_policy.immutable"), false));
    Answer refused = vault_call("PATCH", "/keys/moving/", text("{\"release_policy\":%s}", policy(RULES, true)));
    expect_error(&refused, 403, "Forbidden", "ForbiddenByPolicy", "immutable");
    refused = vault_call("PATCH", "/keys/moving/", text("{\"release_policy\":%s}", policy(other, false)));
    expect_error(&refused, 403, "Forbidden", "ForbiddenByPolicy", "immutable");
    Answer same = vault_call("PATCH", "/keys/moving/", text("{\"release_policy\":%s}", policy(other, true)));
    expect_status(&same, 200);
    refused = vault_call("PATCH", "/keys/moving/", "{\"attributes\":{\"exportable\":false}}");
    expect_error(&refused, 400, "BadParameter", NULL, "decided when a key is made");
    Answer plain = vault_call("PATCH", "/keys/plain/", text("{\"release_policy\":%s}", policy(RULES, false)));
    expect_error(&plain, 400, "BadParameter", NULL, "not");
}

static void test_each_operator_compares_as_it_says(void **state)
{
    (void)state;
    static const struct { const char *condition; bool holds; } rows[] = {
        { "{\"claim\":\"n\",\"equals\":5}", true },              { "{\"claim\":\"n\",\"equals\":\"5\"}", false },      { "{\"claim\":\"n\",\"notEquals\":6}", true },
        { "{\"claim\":\"n\",\"less\":6}", true },                { "{\"claim\":\"n\",\"less\":5}", false },            { "{\"claim\":\"n\",\"lessOrEquals\":5}", true },
        { "{\"claim\":\"n\",\"greater\":4.5}", true },           { "{\"claim\":\"n\",\"greaterOrEquals\":5.1}", false }, { "{\"claim\":\"b\",\"equals\":true}", true },
        { "{\"claim\":\"b\",\"equals\":\"true\"}", true },       { "{\"claim\":\"t\",\"equals\":false}", true },       { "{\"claim\":\"o.p\",\"equals\":\"q\"}", true },
        { "{\"claim\":\"o\",\"exists\":true}", true },           { "{\"claim\":\"o.z\",\"exists\":false}", true },     { "{\"claim\":\"z\",\"exists\":true}", false },
        { "{\"claim\":\"z\",\"notEquals\":1}", false },          { "{\"claim\":\"s\",\"less\":9}", false },            { "{\"claim\":\"s\",\"equals\":\"TEXT\"}", false },
        { "{\"anyOf\":[{\"claim\":\"z\",\"equals\":1},{\"claim\":\"n\",\"equals\":5}]}", true },
        { "{\"allOf\":[{\"claim\":\"z\",\"equals\":1},{\"claim\":\"n\",\"equals\":5}]}", false },
    };
    const JsonVal *claims, *rules;
    must(json_parse(fix.arena, STR("{\"n\":5,\"b\":true,\"t\":\"false\",\"s\":\"text\",\"o\":{\"p\":\"q\"}}"), JSON_STRICT, &claims, &fix_err));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        must(json_parse(fix.arena, str_from(text("{\"anyOf\":[{\"authority\":\"https://A.example/\",\"allOf\":[%s]}]}", rows[i].condition)), JSON_STRICT, &rules, &fix_err));
        if (release_policy_allows(rules, STR("https://a.example"), claims) != rows[i].holds)
            fail_msg("%s", rows[i].condition);
        assert_false(release_policy_allows(rules, STR("https://a.example.org"), claims));
    }
}

static void test_random_bytes_are_as_many_as_asked_for(void **state)
{
    (void)state;
    Answer one = vault_call("POST", "/rng", "{\"count\":1}"), most = vault_call("POST", "/rng", "{\"count\":128}"), other = vault_call("POST", "/rng", "{\"count\":128}");
    expect_status(&one, 200);
    assert_int_equal(text_at(&one, "value").len, 2);
    assert_int_equal(text_at(&most, "value").len, 171);
    assert_false(str_eq(text_at(&most, "value"), text_at(&other, "value")));
    static const char *const bad[] = { "{}", "{\"count\":0}", "{\"count\":129}", "{\"count\":-1}", "{\"count\":\"9\"}" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        Answer answer = vault_call("POST", "/rng", bad[i]);
        expect_error(&answer, 400, "BadParameter", NULL, "count");
    }
}

static int set_up(void **state)
{
    KeySpec rsa = { .kind = KEY_RSA, .rsa_bits = 2048 };
    if (fixture_set_up(state) != 0)
        return -1;
    must(key_generate(rsa, &world.key, &fix_err) && key_generate(rsa, &world.other, &fix_err) && key_generate(rsa, &world.party, &fix_err));
    fix.kv->ask_authority = authority;
    return 0;
}

static int tear_down(void **state)
{
    key_free(world.key);
    key_free(world.other);
    key_free(world.party);
    return fixture_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_attested_party_gets_the_key_itself),
        cmocka_unit_test(test_symmetric_keys_and_expired_ones_are_released),
        cmocka_unit_test(test_next_versions_stay_exportable),
        cmocka_unit_test(test_who_is_not_attested_gets_nothing),
        cmocka_unit_test(test_only_exportable_and_enabled_keys_are_released),
        cmocka_unit_test(test_policies_are_refused_by_what_is_wrong),
        cmocka_unit_test(test_an_immutable_policy_stays),
        cmocka_unit_test(test_each_operator_compares_as_it_says),
        cmocka_unit_test(test_random_bytes_are_as_many_as_asked_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
