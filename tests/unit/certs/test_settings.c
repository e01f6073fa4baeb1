#include "../cm.h"
#include <stdlib.h>
#include <unistd.h>
#include "certs/explain.h"
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
    assert_str(s.sign_in.msi_endpoint, "http://169.254.169.254/metadata/identity/oauth2/token");
    assert_str(s.sign_in.msi_client_id, "b9f6dd56-d2d6-4967-99d7-8062d56fd84c");
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

/* A settings text around one entry of observedCertificates, members of secretsManagementSettings, and members beside it. */
static bool reads_parts(const char *entry, const char *secrets, const char *beside, CertSettings *out, Err *err)
{
    return reads(str_printf(arena, "{\"secretsManagementSettings\":{\"observedCertificates\":[%s]%s}%s}", entry, secrets, beside).ptr, out, err);
}

static const char plain_entry[] = "\"https://v.vault.x/secrets/a\"";

static bool has_note(const CertSettings *s, const char *part)
{
    size_t at;
    for (size_t i = 0; i < s->note_count; i++)
        if (str_find(s->notes[i], str_from(part), &at))
            return true;
    return false;
}

static void test_a_version_in_the_url_is_followed_unless_pinned(void **state)
{
    (void)state;
    CertSettings s;
    Err err;
    assert_true(reads_parts("\"https://v.vault.x/secrets/a/0123456789abcdef0123456789abcdef\"", "", "", &s, &err));
    assert_null(s.observed[0].pinned.ptr);
    assert_true(has_note(&s, "newer versions are followed"));
    assert_true(reads_parts("\"https://v.vault.x/secrets/a/0123456789abcdef0123456789abcdef\",\"https://v.vault.x/secrets/b\"", "", ",\"vaultyard\":{\"pinVersion\":true}", &s, &err));
    assert_str(s.observed[0].pinned, "0123456789abcdef0123456789abcdef");
    assert_null(s.observed[1].pinned.ptr);
    assert_true(reads_parts("{\"url\":\"https://v.vault.x/secrets/a/aa\",\"vaultyard\":{\"pinVersion\":false}}", "", ",\"vaultyard\":{\"pinVersion\":true}", &s, &err));
    assert_null(s.observed[0].pinned.ptr);
    assert_false(reads_parts("{\"url\":\"https://v.vault.x/secrets/a\",\"vaultyard\":{\"pinVersion\":true}}", "", "", &s, &err));
    assert_string_equal(err.target, "vaultyard.pinVersion");
}

static void test_acls_count_only_when_enabled(void **state)
{
    (void)state;
    static const char entry[] = "{\"url\":\"https://v.vault.x/secrets/a\",\"certificateStoreLocation\":\"/c/\",\"acls\":[{\"user\":\"www-data\"},{\"user\":\"a\",\"group\":\"b\"}]}";
    CertSettings s;
    Err err;
    assert_true(reads_parts(entry, ",\"aclEnabled\":true", "", &s, &err));
    assert_int_equal(s.observed[0].acl_count, 2);
    assert_str(s.observed[0].acls[1].group, "b");
    assert_str(s.observed[0].store_dir, "/c");
    assert_true(reads_parts(entry, "", "", &s, &err));
    assert_int_equal(s.observed[0].acl_count, 0);
    assert_true(has_note(&s, "aclEnabled"));
    assert_true(reads_parts(entry, ",\"aclEnabled\":\"True\"", "", &s, &err));
    assert_int_equal(s.observed[0].acl_count, 2);
}

static void test_windows_settings_are_named_and_ignored(void **state)
{
    (void)state;
    CertSettings s;
    Err err;
    assert_true(reads_parts("{\"url\":\"https://v.vault.x/secrets/a\",\"certificateStoreLocation\":\"LocalMachine\",\"certificateStoreName\":\"MY\",\"keyExportable\":true,"
                            "\"accounts\":[\"Network Service\"]}", ",\"linkOnRenewal\":\"false\",\"certificateStoreName\":\"\",\"pollingIntervalInS\":120",
                            ",\"loggingSettings\":{\"logger\":\"fluentd\"},\"loggngSettings\":{}", &s, &err));
    assert_str(s.observed[0].store_dir, "/var/lib/waagent/Microsoft.Azure.KeyVault.Store");
    static const char *const said[] = { "certificateStoreName is for Windows", "keyExportable is for Windows", "accounts is for Windows", "linkOnRenewal is for Windows",
                                        "store of Windows", "pollingIntervalInS is a number", "loggingSettings is accepted", "loggngSettings is not a setting" };
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (!has_note(&s, said[i]))
            fail_msg("not said: %s", said[i]);
}

static void test_misplaced_authentication_is_used_and_said(void **state)
{
    (void)state;
    CertSettings s;
    Err err;
    assert_true(reads_parts(plain_entry, ",\"authenticationSettings\":{\"msiClientId\":\"c1\"}", "", &s, &err));
    assert_str(s.sign_in.msi_client_id, "c1");
    assert_true(has_note(&s, "authenticationSettings is inside secretsManagementSettings"));
    assert_true(reads_parts(plain_entry, "", ",\"msiClientId\":\"c2\"", &s, &err));
    assert_str(s.sign_in.msi_client_id, "c2");
    assert_true(has_note(&s, "not inside authenticationSettings"));
    assert_true(reads("{\"runtimeSettings\":[{\"handlerSettings\":{\"publicSettings\":{\"secretsManagementSettings\":{\"observedCertificates\":[]}},"
                      "\"authenticationSettings\":{\"msiObjectId\":\"o1\"}}}]}", &s, &err));
    assert_str(s.sign_in.msi_object_id, "o1");
    assert_true(has_note(&s, "inside handlerSettings"));
    assert_true(reads_parts(plain_entry, "", "", &s, &err));
    assert_true(has_note(&s, "authenticationSettings is missing"));
    assert_false(reads_parts(plain_entry, "", ",\"authenticationSettings\":\"c\"", &s, &err));
    assert_string_equal(err.target, "authenticationSettings");
}

static void test_own_settings_hold_for_all_and_for_one(void **state)
{
    (void)state;
    CertSettings s;
    Err err;
    assert_true(reads_parts("\"https://v.vault.x/secrets/a\",{\"url\":\"https://v.vault.x/secrets/b\",\"vaultyard\":{\"files\":[\"pkcs12\"],\"mode\":\"400\","
                            "\"keepVersions\":2,\"pkcs12PasswordFile\":\"/p\"}}", ",\"pollingIntervalInS\":\"60\"",
                            ",\"vaultyard\":{\"hook\":{\"command\":[\"/bin/systemctl\",\"reload\",\"nginx\"],\"user\":\"root\",\"timeoutSeconds\":5},"
                            "\"files\":[\"pem\",\"key\"],\"owner\":\"root\",\"group\":\"ssl-cert\",\"mode\":\"0640\",\"keepVersions\":5,\"jitterSeconds\":3,"
                            "\"proxy\":\"http://p:1\",\"caFile\":\"/ca.pem\",\"initialSyncBackoffMs\":7,\"push\":false}", &s, &err));
    assert_int_equal(s.observed[0].files, FILE_PEM | FILE_KEY);
    assert_int_equal(s.observed[0].mode, 0640);
    assert_int_equal(s.observed[0].keep_versions, 5);
    assert_str(s.observed[0].group, "ssl-cert");
    assert_int_equal(s.observed[1].files, FILE_PKCS12);
    assert_int_equal(s.observed[1].mode, 0400);
    assert_int_equal(s.observed[1].keep_versions, 2);
    assert_str(s.observed[1].group, "ssl-cert");
    assert_str(s.observed[1].pkcs12_password_file, "/p");
    assert_int_equal(s.hook.word_count, 3);
    assert_str(s.hook.words[2], "nginx");
    assert_int_equal(s.hook.timeout_s, 5);
    assert_int_equal(s.jitter_s, 3);
    assert_int_equal(s.initial_backoff_ms, 7);
    assert_str(s.proxy, "http://p:1");
    assert_str(s.ca_file, "/ca.pem");
    assert_false(s.push);
    assert_true(reads_parts(plain_entry, "", ",\"vaultyard\":{\"hook\":{\"command\":\"a && b\"}}", &s, &err));
    assert_str(s.hook.words[0], "/bin/sh");
    assert_str(s.hook.words[2], "a && b");
}

static void test_unusable_own_settings_are_named(void **state)
{
    (void)state;
    static const struct { const char *own, *target; } cases[] = {
        { "3", "vaultyard" },
        { "{\"hok\":{}}", "vaultyard.hok" },
        { "{\"hook\":\"x\"}", "vaultyard.hook" },
        { "{\"hook\":{}}", "vaultyard.hook.command" },
        { "{\"hook\":{\"command\":[]}}", "vaultyard.hook.command" },
        { "{\"hook\":{\"command\":[\"systemctl\"]}}", "vaultyard.hook.command" },
        { "{\"hook\":{\"command\":[\"/bin/true\",1]}}", "vaultyard.hook.command" },
        { "{\"hook\":{\"command\":\"x\",\"timeoutSeconds\":0}}", "vaultyard.hook.timeoutSeconds" },
        { "{\"hook\":{\"command\":\"x\",\"user\":\"a:b\"}}", "vaultyard.hook.user" },
        { "{\"files\":[]}", "vaultyard.files" },
        { "{\"files\":[\"pfx\"]}", "vaultyard.files" },
        { "{\"files\":\"pem\"}", "vaultyard.files" },
        { "{\"mode\":640}", "vaultyard.mode" },
        { "{\"mode\":\"0644\"}", "vaultyard.mode" },
        { "{\"mode\":\"0700\"}", "vaultyard.mode" },
        { "{\"mode\":\"rw-\"}", "vaultyard.mode" },
        { "{\"mode\":\"0040\"}", "vaultyard.mode" },
        { "{\"owner\":\"a b\"}", "vaultyard.owner" },
        { "{\"keepVersions\":1}", "vaultyard.keepVersions" },
        { "{\"jitterSeconds\":3600}", "vaultyard.jitterSeconds" },
        { "{\"jitterSeconds\":-1}", "vaultyard.jitterSeconds" },
        { "{\"initialSyncBackoffMs\":0}", "vaultyard.initialSyncBackoffMs" },
        { "{\"caFile\":\"ca.pem\"}", "vaultyard.caFile" },
        { "{\"proxy\":\"proxy:3128\"}", "vaultyard.proxy" },
        { "{\"pkcs12PasswordFile\":\"p\"}", "vaultyard.pkcs12PasswordFile" },
        { "{\"cleanUp\":\"yes\"}", "vaultyard.cleanUp" },
        { "{\"metrics\":\"127.0.0.1:9477\"}", "vaultyard.metrics" },
        { "{\"metrics\":{\"port\":9477}}", "vaultyard.metrics.port" },
        { "{\"metrics\":{\"listen\":\"localhost:9477\"}}", "vaultyard.metrics.listen" },
        { "{\"metrics\":{\"listen\":\"\"}}", "vaultyard.metrics.listen" },
        { "{\"metrics\":{\"file\":\"certs.prom\"}}", "vaultyard.metrics.file" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CertSettings s;
        Err err;
        if (reads_parts(plain_entry, "", str_printf(arena, ",\"vaultyard\":%s", cases[i].own).ptr, &s, &err) || strcmp(err.target, cases[i].target) != 0)
            fail_msg("%s: target '%s' text '%s'", cases[i].own, err.target, err.text);
    }
    CertSettings s;
    Err err;
    assert_false(reads_parts("{\"url\":\"https://v.vault.x/secrets/a\",\"vaultyard\":{\"hook\":{}}}", "", "", &s, &err));     /* one hook for all */
    assert_false(reads_parts("\"https://v.vault.x/secrets/a\",{\"url\":\"https://v.vault.x/secrets/b\",\"customSymbolicLinkName\":\"v.a.d\"}", "", "", &s, &err));
    assert_false(reads_parts("{\"url\":\"https://v.vault.x/secrets/a\",\"acls\":[{}]}", ",\"aclEnabled\":true", "", &s, &err));
    assert_string_equal(err.target, "acls");
    assert_false(reads("{\"runtimeSettings\":[{\"handlerSettings\":{\"publicSettings\":\"{}\"}}]}", &s, &err));
    assert_non_null(strstr(err.text, "escaped them once too often"));
}

static void test_check_says_what_a_file_means(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    char path[] = "/tmp/vaultyard-check-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, document, sizeof document - 1), sizeof document - 1);
    FILE *to = open_memstream(&text, &size);
    assert_int_equal(settings_explain(path, to), 0);
    (void)fflush(to);
    static const char *const said[] = { "every 300 s", "client id b9f6dd56", "its newest version", "/var/lib/waagent/Microsoft.Azure.KeyVault/testkvwestus2s.authcertforumatesting",
                                        "when every certificate is there" };
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (!strstr(text, said[i]))
            fail_msg("'%s' is not in:\n%s", said[i], text);
    assert_int_equal(ftruncate(fd, 5), 0);
    assert_int_equal(settings_explain(path, to), 2);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(settings_explain(path, to), 2);
    (void)fclose(to);
    assert_non_null(strstr(text, "cannot be used"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_documents_settings_are_read, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_objects_and_strings_may_mix, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_unusable_settings_are_named, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_a_version_in_the_url_is_followed_unless_pinned, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_acls_count_only_when_enabled, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_windows_settings_are_named_and_ignored, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_misplaced_authentication_is_used_and_said, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_own_settings_hold_for_all_and_for_one, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_unusable_own_settings_are_named, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(test_check_says_what_a_file_means, make_arena, drop_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
