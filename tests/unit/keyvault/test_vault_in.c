/* test_vault_in.c - bodies of vault PUT and PATCH, attributes and tags: what is taken, what is refused and by what name. */
#include <stdio.h>
#include "../cm.h"
#include "../parsed.h"
#include "keyvault/objects/attributes.h"
#include "keyvault/objects/ids.h"
#include "keyvault/vaults/vault_in.h"

#define TENANT "11111111-2222-4333-8444-555555555555"
#define WHO    "aaaaaaaa-0000-4000-8000-000000000001"
#define POLICY "{\"tenantId\":\"" TENANT "\",\"objectId\":\"" WHO "\",\"permissions\":{\"secrets\":[\"get\"]}}"
#define SKU    "\"sku\":{\"family\":\"A\",\"name\":\"standard\"}"
#define PUT(more) "{\"location\":\"West US 2\",\"properties\":{\"tenantId\":\"" TENANT "\"," SKU ",\"accessPolicies\":[]" more "}}"

static Arena *arena;
static int set_up(void **state) { (void)state; return (arena = arena_new(1 << 20)) ? 0 : -1; }
static int tear_down(void **state) { (void)state; arena_free(arena); return 0; }

static const JsonVal *parsed(const char *text) { return json_of(arena, text); }

static VaultIn taken(const char *text, VaultBody kind)
{
    VaultIn in;
    Err err = { 0 };
    if (!vault_in_read(arena, parsed(text), kind, STR(TENANT), STR("2023-07-01"), &in, &err))
        fail_msg("refused: %s", err.text);
    return in;
}

static void refused(const char *text, VaultBody kind, ErrCode code, const char *name, const char *field)
{
    VaultIn in;
    Err err = { 0 };
    if (vault_in_read(arena, parsed(text), kind, STR(TENANT), STR("2023-07-01"), &in, &err))
        fail_msg("accepted: %s", text);
    assert_int_equal(err.code, code);
    if (name)
        assert_string_equal(err.name ? err.name : "", name);
    if (!strstr(err.text, field))
        fail_msg("for %s: '%s' does not name %s", text, err.text, field);
}

static void test_the_body_of_az_is_taken(void **state)
{
    (void)state;
    VaultIn in = taken("{\"location\":\"westus2\",\"properties\":{\"tenantId\":\"" TENANT "\"," SKU ",\"accessPolicies\":[" POLICY "],\"enableSoftDelete\":true,"
                       "\"softDeleteRetentionInDays\":90,\"networkAcls\":{\"bypass\":\"AzureServices\",\"defaultAction\":\"Allow\"}}}", VAULT_PUT);
    Vault vault = { .name = STR("v") };
    Err err = { 0 };
    assert_true(vault_in_apply_new(&in, &vault, &err));
    assert_str(vault.location, "westus2");
    assert_str(vault.sku, "standard");
    assert_int_equal(vault.retention_days, 90);
    assert_false(vault.purge_protection);
    assert_int_equal(json_count(vault.policies), 1);
}

static void test_location_has_one_form(void **state)
{
    (void)state;
    assert_str(taken(PUT(""), VAULT_PUT).location, "westus2");
}

static void test_bad_bodies_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { const char *text; ErrCode code; const char *name, *field; } cases[] = {
        { "{\"properties\":{}}",                                                                          ERR_BAD_INPUT, "LocationRequired", "location" },
        { "{\"location\":\"x\"}",                                                                         ERR_BAD_INPUT, "BadRequest", "properties" },
        { "{\"location\":\"x\",\"properties\":{" SKU ",\"accessPolicies\":[]}}",                          ERR_BAD_INPUT, "BadRequest", "tenantId" },
        { "{\"location\":\"x\",\"properties\":{\"tenantId\":\"" WHO "\"," SKU ",\"accessPolicies\":[]}}", ERR_BAD_INPUT, "BadRequest", "tenantId" },
        { "{\"location\":\"x\",\"properties\":{\"tenantId\":\"" TENANT "\",\"accessPolicies\":[]}}",      ERR_BAD_INPUT, "BadRequest", "sku" },
        { "{\"location\":\"x\",\"properties\":{\"tenantId\":\"" TENANT "\"," SKU "}}",                    ERR_BAD_INPUT, "BadRequest", "accessPolicies" },
        { "{\"location\":\"x\",\"properties\":{\"tenantId\":\"" TENANT "\",\"sku\":{\"family\":\"B\",\"name\":\"standard\"},\"accessPolicies\":[]}}", ERR_BAD_INPUT, "BadRequest", "family" },
        { "{\"location\":\"x\",\"properties\":{\"tenantId\":\"" TENANT "\",\"sku\":{\"family\":\"A\",\"name\":\"gold\"},\"accessPolicies\":[]}}", ERR_BAD_INPUT, "BadRequest", "sku.name" },
        { "{\"location\":\"x\",\"properties\":{\"tenantId\":\"" TENANT "\"," SKU ",\"accessPolicies\":{}}}", ERR_BAD_INPUT, "BadRequest", "accessPolicies" },
        { PUT(",\"softDeleteRetentionInDays\":6"),         ERR_BAD_INPUT, "BadRequest", "softDeleteRetentionInDays" },
        { PUT(",\"softDeleteRetentionInDays\":91"),        ERR_BAD_INPUT, "BadRequest", "softDeleteRetentionInDays" },
        { PUT(",\"softDeleteRetentionInDays\":\"90\""),    ERR_BAD_INPUT, NULL,         "softDeleteRetentionInDays" },
        { PUT(",\"enableSoftDelete\":false"),              ERR_BAD_INPUT, "BadRequest", "enableSoftDelete" },
        { PUT(",\"enablePurgeProtection\":false"),         ERR_BAD_INPUT, "BadRequest", "enablePurgeProtection" },
        { PUT(",\"networkAcls\":{\"defaultAction\":\"Maybe\"}"), ERR_BAD_INPUT, "BadRequest", "defaultAction" },
        { PUT(",\"networkAcls\":[]"),                      ERR_BAD_INPUT, "BadRequest", "networkAcls" },
        { PUT(",\"publicNetworkAccess\":\"Perhaps\""),    ERR_BAD_INPUT, "BadRequest", "publicNetworkAccess" },
        { PUT(",\"createMode\":\"clone\""),                ERR_BAD_INPUT, "BadRequest", "createMode" },
        { PUT(",\"enabledForDeployment\":\"yes\""),        ERR_BAD_INPUT, NULL,         "enabledForDeployment" },
        { "{\"location\":\"x\",\"tags\":[],\"properties\":{}}", ERR_BAD_INPUT, NULL,    "tags" },
        { "{\"location\":\"x\",\"properties\":7}",         ERR_BAD_INPUT, NULL,         "properties" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused(cases[i].text, VAULT_PUT, cases[i].code, cases[i].name, cases[i].field);
}

static Vault existing(void)
{
    VaultIn in = taken(PUT(",\"softDeleteRetentionInDays\":7"), VAULT_PUT);
    Vault vault = { .name = STR("v"), .group = STR("g") };
    Err err = { 0 };
    assert_true(vault_in_apply_new(&in, &vault, &err));
    return vault;
}

static void test_what_may_not_change_is_refused(void **state)
{
    (void)state;
    Vault vault = existing();
    Err err = { 0 };
    VaultIn in = taken("{\"properties\":{\"softDeleteRetentionInDays\":8}}", VAULT_PATCH);
    assert_false(vault_in_apply(&in, VAULT_PATCH, &vault, &err));
    assert_non_null(strstr(err.text, "softDeleteRetentionInDays"));
    in = taken("{\"location\":\"eastus\",\"properties\":{\"tenantId\":\"" TENANT "\"," SKU ",\"accessPolicies\":[]}}", VAULT_PUT);
    assert_false(vault_in_apply(&in, VAULT_PUT, &vault, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(err.name, "InvalidResourceLocation");
    in = taken("{\"properties\":{\"softDeleteRetentionInDays\":7}}", VAULT_PATCH);
    assert_true(vault_in_apply(&in, VAULT_PATCH, &vault, &err));
}

static void test_purge_protection_stays_on(void **state)
{
    (void)state;
    Vault vault = existing();
    Err err = { 0 };
    VaultIn in = taken("{\"properties\":{\"enablePurgeProtection\":true}}", VAULT_PATCH);
    assert_true(vault_in_apply(&in, VAULT_PATCH, &vault, &err));
    in = taken(PUT(",\"softDeleteRetentionInDays\":7"), VAULT_PUT);
    assert_true(vault_in_apply(&in, VAULT_PUT, &vault, &err));
    assert_true(vault.purge_protection);
}

static void test_recovery_levels(void **state)
{
    (void)state;
    static const struct { int days; bool is_protected; const char *level; } rows[] = {
        { 90, false, "Recoverable+Purgeable" },           { 90, true, "Recoverable" },
        { 7, false,  "CustomizedRecoverable+Purgeable" }, { 89, true, "CustomizedRecoverable" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Vault vault = { .retention_days = rows[i].days, .purge_protection = rows[i].is_protected };
        assert_str(recovery_level(&vault), rows[i].level);
    }
}

static void test_vault_names(void **state)
{
    (void)state;
    static const char *const good[] = { "abc", "BatchVault", "a-b-c", "v12345678901234567890123" };
    static const char *const wrong[] = { "", "ab", "1ab", "-ab", "ab-", "a--b", "a_b", "a.b", "v1234567890123456789012345", "a b", "\xc3\xa4" "bc" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(vault_name_is_valid(str_from(good[i])));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (vault_name_is_valid(str_from(wrong[i])))
            fail_msg("'%s' is no vault name", wrong[i]);
}

static void test_object_names(void **state)
{
    (void)state;
    Err err = { 0 };
    char longest[129];
    memset(longest, 'a', sizeof longest);
    assert_true(object_name_check((Str){ longest, 127 }, &err));
    assert_false(object_name_check((Str){ longest, 128 }, &err));
    assert_true(object_name_check(STR("A-0"), &err));
    static const char *const wrong[] = { "", "a_b", "a.b", "a b", "a/b", "caf\xc3\xa9" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(object_name_check(str_from(wrong[i]), &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.name, "BadParameter");
        assert_non_null(strstr(err.text, "The request URI contains an invalid name: "));
    }
}

static bool attributes_taken(const char *text, Attributes *io)
{
    Err err = { 0 };
    bool taken_ok = attributes_read(parsed(text), io, &err);
    if (!taken_ok)
        assert_int_equal(err.code, ERR_BAD_INPUT);
    return taken_ok;
}

static void test_attributes_keep_what_is_not_named(void **state)
{
    (void)state;
    Attributes attributes = { .enabled = true, .exp_s = { true, 500 } };
    assert_true(attributes_taken("{}", &attributes));
    assert_true(attributes_taken("{\"attributes\":null}", &attributes));
    assert_true(attributes_taken("{\"attributes\":{\"enabled\":false,\"created\":1,\"recoveryLevel\":\"x\"}}", &attributes));
    assert_false(attributes.enabled);
    assert_int_equal(attributes.exp_s.value, 500);
    assert_true(attributes_taken("{\"attributes\":{\"nbf\":100,\"exp\":101}}", &attributes));
    assert_int_equal(attributes.nbf_s.value, 100);
}

static void test_bad_attributes_are_refused(void **state)
{
    (void)state;
    Attributes attributes = { .enabled = true, .nbf_s = { true, 100 } };
    static const char *const wrong[] = {
        "{\"attributes\":[]}", "{\"attributes\":{\"enabled\":\"yes\"}}", "{\"attributes\":{\"exp\":-1}}", "{\"attributes\":{\"exp\":\"2030-01-01\"}}",
        "{\"attributes\":{\"exp\":99}}", "{\"attributes\":{\"exp\":100}}", "{\"attributes\":{\"exp\":253402300800}}", "{\"attributes\":{\"exp\":1e30}}",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (attributes_taken(wrong[i], &attributes))
            fail_msg("accepted: %s", wrong[i]);
    assert_false(attributes.exp_s.set);
}

static bool tags_taken(const char *text, size_t max, Str *tags)
{
    Err err = { 0 };
    bool taken_ok = tags_read(arena, parsed(text), max, tags, &err);
    if (!taken_ok) {
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, "tags");
    }
    return taken_ok;
}

static void test_tags_have_limits(void **state)
{
    (void)state;
    Str tags = STR_NONE;
    assert_true(tags_taken("{}", 512, &tags));
    assert_null(tags.ptr);
    assert_true(tags_taken("{\"tags\":{\"a\":\"b\"}}", 512, &tags));
    assert_str(tags, "{\"a\":\"b\"}");
    static const char *const wrong[] = { "{\"tags\":[]}", "{\"tags\":{\"a\":1}}", "{\"tags\":{\"a\":null}}", "{\"tags\":{\"\":\"b\"}}" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(tags_taken(wrong[i], 512, &tags));
    /* 16 of them; and a value one character too long, in two-byte characters */
    char many[400] = "{\"tags\":{", value[64];
    for (int i = 0; i < 16; i++) {
        (void)snprintf(value, sizeof value, "%s\"t%d\":\"v\"", i ? "," : "", i);
        (void)strncat(many, value, sizeof many - strlen(many) - 1);
    }
    (void)strncat(many, "}}", sizeof many - strlen(many) - 1);
    assert_false(tags_taken(many, 512, &tags));
    assert_true(tags_taken("{\"tags\":{\"a\":\"\xc3\xa4\xc3\xa4\xc3\xa4\"}}", 3, &tags));
    assert_false(tags_taken("{\"tags\":{\"a\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"}}", 3, &tags));
    assert_false(tags_taken("{\"tags\":{\"abcd\":\"b\"}}", 3, &tags));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_body_of_az_is_taken),
        cmocka_unit_test(test_location_has_one_form),
        cmocka_unit_test(test_bad_bodies_are_refused_by_name),
        cmocka_unit_test(test_what_may_not_change_is_refused),
        cmocka_unit_test(test_purge_protection_stays_on),
        cmocka_unit_test(test_recovery_levels),
        cmocka_unit_test(test_vault_names),
        cmocka_unit_test(test_object_names),
        cmocka_unit_test(test_attributes_keep_what_is_not_named),
        cmocka_unit_test(test_bad_attributes_are_refused),
        cmocka_unit_test(test_tags_have_limits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
