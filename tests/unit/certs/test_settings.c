#include "../cm.h"
#include "certs/settings.h"

static Arena *arena;
static int make_arena(void **state) { (void)state; arena = arena_new(1 << 20); return arena ? 0 : -1; }
static int drop_arena(void **state) { (void)state; arena_free(arena); return 0; }

static bool reads(const char *text, CertSettings *out, Err *err)
{
    *err = (Err){ 0 };
    return settings_read(arena, str_from(text), out, err);
}

/* The settings of "Enable automatic certificate rotation in a Batch pool", in the machine agent's wrapper. */
static const char document[] =
    "{\"runtimeSettings\":[{\"handlerSettings\":{\"publicSettings\":{\"secretsManagementSettings\":{\"pollingIntervalInS\":\"300\","
    "\"certificateStoreLocation\":\"/var/lib/waagent/Microsoft.Azure.KeyVault\",\"requireInitialSync\":true,\"observedCertificates\":["
    "\"https://testkvwestus2s.vault.azure.net/secrets/authcertforumatesting/8f5f3f491afd48cb99286ba2aacd39af\"]},"
    "\"authenticationSettings\":{\"msiEndpoint\":\"http://169.254.169.254/metadata/identity\",\"msiClientId\":\"b9f6dd56-d2d6-4967-99d7-8062d56fd84c\"}},"
    "\"protectedSettings\":null,\"protectedSettingsCertThumbprint\":null}}]}";

static void test_the_documents_settings_are_read(void **state)
{
    (void)state;
    CertSettings s;
    Err err;
    assert_true(reads(document, &s, &err));
    assert_int_equal(s.poll_s, 300);
    assert_true(s.require_initial_sync);
    assert_int_equal(s.observed_count, 1);
    assert_str(s.observed[0].base_url, "https://testkvwestus2s.vault.azure.net/secrets/authcertforumatesting");
    assert_str(s.observed[0].link_name, "testkvwestus2s.authcertforumatesting");
    assert_str(s.observed[0].store_dir, "/var/lib/waagent/Microsoft.Azure.KeyVault");
    assert_str(s.msi_endpoint, "http://169.254.169.254/metadata/identity/oauth2/token");
    assert_str(s.msi_client_id, "b9f6dd56-d2d6-4967-99d7-8062d56fd84c");
}

static void test_objects_and_strings_may_mix(void **state)
{
    (void)state;
    CertSettings s;
    Err err;
    assert_true(reads("{\"secretsManagementSettings\":{\"observedCertificates\":[\"https://V.vault.x:8443/secrets/a\","
                      "{\"url\":\"https://v.vault.x:8443/secrets/b\",\"certificateStoreLocation\":\"/etc/certs\",\"customSymbolicLinkName\":\"site\",\"keyExportable\":true}]}}", &s, &err));
    assert_int_equal(s.poll_s, POLL_DEFAULT_S);
    assert_str(s.observed[0].vault, "v");
    assert_str(s.observed[0].store_dir, "/var/lib/waagent/Microsoft.Azure.KeyVault.Store");
    assert_str(s.observed[1].store_dir, "/etc/certs");
    assert_str(s.observed[1].link_name, "site");
}

static void test_unusable_settings_are_named(void **state)
{
    (void)state;
    static const struct { const char *text, *target; } cases[] = {
        { "{\"runtimeSettings\":[]}", "publicSettings" },
        { "{}", "secretsManagementSettings" },
        { "{\"secretsManagementSettings\":{}}", "observedCertificates" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[1]}}", "observedCertificates" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[],\"pollingIntervalInS\":\"soon\"}}", "pollingIntervalInS" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[],\"pollingIntervalInS\":\"0\"}}", "pollingIntervalInS" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[\"http://v.vault.x/secrets/a\"]}}", "observedCertificates" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[\"https://v.vault.x/certificates/a\"]}}", "observedCertificates" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[\"https://v.vault.x/secrets/../x\"]}}", "observedCertificates" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[\"https://v.vault.x/secrets/a\"],\"certificateStoreLocation\":\"relative\"}}", "certificateStoreLocation" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[\"https://v.vault.x/secrets/a\"],\"certificateStoreLocation\":\"/a/../b\"}}", "certificateStoreLocation" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[\"https://v.vault.x/secrets/a\",\"https://v.vault.x/secrets/a\"]}}", "observedCertificates" },
        { "{\"secretsManagementSettings\":{\"observedCertificates\":[{\"url\":\"https://v.vault.x/secrets/a\",\"customSymbolicLinkName\":\"../a\"}]}}", "customSymbolicLinkName" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CertSettings s;
        Err err;
        if (reads(cases[i].text, &s, &err) || strcmp(err.target, cases[i].target) != 0)
            fail_msg("%s: target '%s' text '%s'", cases[i].text, err.target, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_documents_settings_are_read, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_objects_and_strings_may_mix, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_unusable_settings_are_named, make_arena, drop_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
