#include "../cm.h"
#include <stdio.h>
#include "base/arena.h"
#include "base/file.h"
#include "batch/pools/pool_body.h"
#include "batch/pools/pool_check.h"

static Arena *arena;

static const JsonVal *document(void)
{
    Str text;
    Err err = { 0 };
    const JsonVal *root;
    if (!file_read(arena, TEST_DATA "/rotation-pool.json", 1 << 20, &text, &err) || !json_parse(arena, text, JSON_TRAILING_COMMAS, &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static const JsonVal *parsed(const char *text)
{
    Err err = { 0 };
    const JsonVal *root;
    if (!json_parse(arena, str_from(text), JSON_TRAILING_COMMAS, &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static Str written(Spelling to, Str body)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&buf, 1 << 20);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    pool_write_document(arena, to, body, &w);
    json_close(&w);
    assert_true(json_end(&w, &err));
    return str_dup(arena, buf_str(&buf));
}

/* From the document's start: Enable automatic certificate rotation in a Batch pool, 2021-03-23. */
static void test_the_documents_body_is_read(void **state)
{
    (void)state;
    PoolSpec spec;
    PoolExtension *extensions;
    size_t count;
    Err err = { 0 };
    if (!pool_read_arm(arena, json_get(document(), "properties"), POOL_CREATE, NULL, &spec, &err))
        fail_msg("%s", err.text);
    assert_str(spec.vm_size, "STANDARD_DS2_V2");
    assert_int_equal(spec.target, 1);
    assert_int_equal(spec.target_low, 0);
    assert_int_equal(spec.resize_timeout_ms, 15 * 60 * 1000);
    assert_int_equal(spec.slots, 1);
    assert_true(pool_extensions(arena, spec.body, &extensions, &count, &err));
    assert_int_equal(count, 1);
    assert_str(extensions[0].name, "KVExtensions");
    assert_str(extensions[0].type, "KeyVaultForLinux");
    assert_str(extensions[0].type_handler_version, "1.0");
    assert_true(extensions[0].needs_first_sync);
    assert_str(json_str(json_path(extensions[0].settings, "secretsManagementSettings.pollingIntervalInS")), "300");
}

static void test_what_was_given_is_shown_again_on_both_planes(void **state)
{
    (void)state;
    PoolSpec spec;
    Err err = { 0 };
    assert_true(pool_read_arm(arena, json_get(document(), "properties"), POOL_CREATE, NULL, &spec, &err));
    const JsonVal *arm = parsed(written(SPELL_ARM, spec.body).ptr), *data = parsed(written(SPELL_DATA, spec.body).ptr);
    const JsonVal *in = json_path(document(), "properties.deploymentConfiguration.virtualMachineConfiguration");
    const JsonVal *out = json_path(arm, "deploymentConfiguration.virtualMachineConfiguration");
    assert_true(json_same(json_get(in, "imageReference"), json_get(out, "imageReference")));
    assert_true(json_same(json_get(json_at(json_get(in, "extensions"), 0), "settings"), json_get(json_at(json_get(out, "extensions"), 0), "settings")));
    assert_null(json_get(json_at(json_get(out, "extensions"), 0), "protectedSettings"));
    assert_str(json_str(json_path(arm, "taskSchedulingPolicy.nodeFillType")), "Pack");
    assert_str(json_str(json_path(data, "taskSchedulingPolicy.nodeFillType")), "pack");
    assert_str(json_str(json_path(data, "virtualMachineConfiguration.nodeAgentSKUId")), "batch.node.ubuntu 18.04");
    Str settings = json_str(json_get(json_at(json_path(data, "virtualMachineConfiguration.extensions"), 0), "settings"));
    assert_true(json_same(parsed(str_dup(arena, settings).ptr), json_get(json_at(json_get(in, "extensions"), 0), "settings")));
}

#define MACHINE "\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"Canonical\"," \
    "\"offer\":\"UbuntuServer\",\"sku\":\"18.04-LTS\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"%s}}"

static void refused(const char *properties, ErrCode code, const char *name, const char *target)
{
    PoolSpec spec;
    Err err = { 0 };
    if (pool_read_arm(arena, parsed(properties), POOL_CREATE, NULL, &spec, &err))
        fail_msg("accepted: %s", properties);
    if (err.code != code || strcmp(err.name, name) != 0 || strcmp(err.target, target) != 0 || !strstr(err.text, target))
        fail_msg("%s\n  gave %d %s at '%s': %s", properties, err.code, err.name, err.target, err.text);
}

static const char *machine(const char *more)
{
    Str text = str_printf(arena, "{\"vmSize\":\"STANDARD_D4\"," MACHINE "}", more);
    return str_to_cstr(arena, text, NULL);
}

static const char *with(const char *more)
{
    Str text = str_printf(arena, "{\"vmSize\":\"STANDARD_D4\"," MACHINE ",%s}", "", more);
    return str_to_cstr(arena, text, NULL);
}

static void test_a_misspelt_property_is_named(void **state)
{
    (void)state;
    refused(with("\"vmsize\":\"x\""), ERR_BAD_INPUT, "InvalidRequestBody", "properties.vmsize");
    refused(with("\"scaleSettings\":{\"fixedscale\":{}}"), ERR_BAD_INPUT, "InvalidRequestBody", "properties.scaleSettings.fixedscale");
    refused(with("\"scaleSettings\":{\"fixedScale\":{\"targetDedicated\":1}}"), ERR_BAD_INPUT, "InvalidRequestBody",
            "properties.scaleSettings.fixedScale.targetDedicated");
    refused(machine(",\"extension\":[]"), ERR_BAD_INPUT, "InvalidRequestBody",
            "properties.deploymentConfiguration.virtualMachineConfiguration.extension");
    refused(machine(",\"extensions\":[{\"name\":\"a\",\"type\":\"KeyVaultForLinux\",\"publisher\":\"Microsoft.Azure.KeyVault\",\"setings\":{}}]"),
            ERR_BAD_INPUT, "InvalidRequestBody", "properties.deploymentConfiguration.virtualMachineConfiguration.extensions[0].setings");
}

static void test_wrong_values_name_their_field(void **state)
{
    (void)state;
    refused(with("\"scaleSettings\":{\"fixedScale\":{\"targetDedicatedNodes\":-1}}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.scaleSettings.fixedScale.targetDedicatedNodes");
    refused(with("\"scaleSettings\":{\"fixedScale\":{\"targetDedicatedNodes\":\"1\"}}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.scaleSettings.fixedScale.targetDedicatedNodes");
    refused(with("\"scaleSettings\":{\"fixedScale\":{\"targetDedicatedNodes\":1001}}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.scaleSettings.fixedScale.targetDedicatedNodes");
    refused(with("\"scaleSettings\":{\"fixedScale\":{\"resizeTimeout\":\"PT4M59S\"}}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.scaleSettings.fixedScale.resizeTimeout");
    refused(with("\"scaleSettings\":{\"fixedScale\":{\"resizeTimeout\":15}}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.scaleSettings.fixedScale.resizeTimeout");
    refused(with("\"taskSlotsPerNode\":0"), ERR_BAD_INPUT, "InvalidPropertyValue", "properties.taskSlotsPerNode");
    refused(with("\"taskSlotsPerNode\":257"), ERR_BAD_INPUT, "InvalidPropertyValue", "properties.taskSlotsPerNode");
    refused(with("\"taskSchedulingPolicy\":{\"nodeFillType\":\"Stack\"}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.taskSchedulingPolicy.nodeFillType");
    refused(with("\"taskSchedulingPolicy\":{}"), ERR_BAD_INPUT, "MissingRequiredProperty", "properties.taskSchedulingPolicy.nodeFillType");
    refused(with("\"metadata\":[{\"name\":\"a\"}]"), ERR_BAD_INPUT, "MissingRequiredProperty", "properties.metadata[0].value");
    refused(with("\"metadata\":{}"), ERR_BAD_INPUT, "InvalidPropertyValue", "properties.metadata");
    refused("{\"vmSize\":\"STANDARD_D4\"}", ERR_BAD_INPUT, "MissingRequiredProperty", "properties.deploymentConfiguration");
    refused("{\"vmSize\":4}", ERR_BAD_INPUT, "InvalidPropertyValue", "properties.vmSize");
}

static void test_what_is_not_built_says_so(void **state)
{
    (void)state;
    refused(with("\"scaleSettings\":{\"autoScale\":{\"formula\":\"$TargetDedicatedNodes=1\"}}"), ERR_NOT_BUILT, "NotImplemented", "properties.scaleSettings.autoScale");
    refused(with("\"startTask\":{}"), ERR_BAD_INPUT, "MissingRequiredProperty", "properties.startTask.commandLine");
    refused(with("\"startTask\":{\"commandLine\":\"true\",\"resourceFiles\":[{\"httpUrl\":\"http://x/y\",\"filePath\":\"../y\"}]}"), ERR_BAD_INPUT, "InvalidPropertyValue",
            "properties.startTask.resourceFiles[0].filePath");
    static const struct { const char *file, *code, *field; } files[] = {
        { "{}", "InvalidPropertyValue", "" },                                                           { "{\"filePath\":\"y\"}", "InvalidPropertyValue", "" },
        { "{\"httpUrl\":\"http://x/y\"}", "MissingRequiredProperty", ".filePath" },                   { "{\"httpUrl\":\"ftp://x/y\",\"filePath\":\"y\"}", "InvalidPropertyValue", ".httpUrl" },
        { "{\"httpUrl\":\"http://x/y\",\"filePath\":\"y\",\"storageContainerUrl\":\"http://x/c\"}", "InvalidPropertyValue", "" },
        { "{\"httpUrl\":\"http://x/y\",\"filePath\":\"y\",\"blobPrefix\":\"a\"}", "InvalidPropertyValue", ".blobPrefix" },
        { "{\"storageContainerUrl\":\"c\"}", "InvalidPropertyValue", ".storageContainerUrl" },
        { "{\"storageContainerUrl\":\"http://x/c\",\"filePath\":\"../y\"}", "InvalidPropertyValue", ".filePath" },
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char body[512], field[128];
        (void)snprintf(body, sizeof body, "\"startTask\":{\"commandLine\":\"true\",\"resourceFiles\":[%s]}", files[i].file);
        (void)snprintf(field, sizeof field, "properties.startTask.resourceFiles[0]%s", files[i].field);
        refused(with(body), ERR_BAD_INPUT, files[i].code, field);
    }
    refused(with("\"startTask\":{\"commandLine\":\"true\",\"resourceFiles\":[{\"autoStorageContainerName\":\"c\"}]}"), ERR_NOT_BUILT, "NotImplemented",
            "properties.startTask.resourceFiles[0].autoStorageContainerName");
    refused(with("\"userAccounts\":[{\"name\":\"root\",\"password\":\"x\"}]"), ERR_BAD_INPUT, "InvalidPropertyValue", "properties.userAccounts[0].name");
    refused(with("\"userAccounts\":[{\"name\":\"bob\"}]"), ERR_BAD_INPUT, "MissingRequiredProperty", "properties.userAccounts[0].password");
    refused(with("\"networkConfiguration\":{\"subnetId\":\"/subscriptions/x\"}"), ERR_NOT_BUILT, "NotImplemented", "properties.networkConfiguration.subnetId");
    refused(with("\"mountConfiguration\":[{}]"), ERR_NOT_BUILT, "NotImplemented", "properties.mountConfiguration");
    refused("{\"vmSize\":\"x\",\"deploymentConfiguration\":{\"cloudServiceConfiguration\":{\"osFamily\":\"5\"}}}", ERR_BAD_INPUT,
            "InvalidPropertyValue", "properties.deploymentConfiguration.cloudServiceConfiguration");
}

#define IMAGE(publisher, offer, sku, agent) "{\"vmSize\":\"x\",\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":" \
    "{\"publisher\":\"" publisher "\",\"offer\":\"" offer "\",\"sku\":\"" sku "\"},\"nodeAgentSkuId\":\"" agent "\"}}}"
#define VM "properties.deploymentConfiguration.virtualMachineConfiguration."

static void test_windows_is_refused_honestly(void **state)
{
    (void)state;
    refused(IMAGE("MicrosoftWindowsServer", "WindowsServer", "2019-datacenter", "batch.node.windows amd64"), ERR_NOT_BUILT, "NotImplemented", VM "imageReference.offer");
    refused(IMAGE("canonical", "ubuntuserver", "18.04-lts", "batch.node.windows amd64"), ERR_NOT_BUILT, "NotImplemented", VM "nodeAgentSkuId");
    refused(machine(",\"extensions\":[{\"name\":\"a\",\"type\":\"KeyVaultForWindows\",\"publisher\":\"Microsoft.Azure.KeyVault\"}]"),
            ERR_NOT_BUILT, "NotImplemented", VM "extensions[0].type");
}

static void test_images_and_agents_must_fit(void **state)
{
    (void)state;
    refused(IMAGE("canonical", "ubuntuserver", "18.04-lts", "batch.node.ubuntu 22.04"), ERR_BAD_INPUT, "InvalidPropertyValue", VM "nodeAgentSkuId");
    refused(IMAGE("canonical", "ubuntuserver", "17.10", "batch.node.ubuntu 18.04"), ERR_BAD_INPUT, "InvalidPropertyValue", VM "imageReference");
    refused(IMAGE("openlogic", "centos", "7.2", "batch.node.centos 7"), ERR_BAD_INPUT, "InvalidPropertyValue", VM "imageReference");
    PoolSpec spec;
    Err err = { 0 };
    for (const NodeImage *image = node_images; image->publisher; image++) {
        Str text = str_printf(arena, "{\"vmSize\":\"x\",\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":"
                                     "{\"publisher\":\"%s\",\"offer\":\"%s\",\"sku\":\"%s-gen2\",\"version\":\"latest\"},\"nodeAgentSkuId\":\"%s\"}}}",
                              image->publisher, image->offer, image->sku, image->agent);
        if (!pool_read_arm(arena, parsed(str_to_cstr(arena, text, &err)), POOL_CREATE, NULL, &spec, &err))
            fail_msg("%s", err.text);
    }
}

static void test_extensions_are_checked(void **state)
{
    (void)state;
    refused(machine(",\"extensions\":[{\"name\":\"a\",\"type\":\"CustomScript\",\"publisher\":\"Microsoft.Azure.Extensions\"}]"),
            ERR_BAD_INPUT, "InvalidPropertyValue", VM "extensions[0].type");
#define KV(name, more) "{\"name\":\"" name "\",\"type\":\"KeyVaultForLinux\",\"publisher\":\"Microsoft.Azure.KeyVault\"" more "}"
    refused(machine(",\"extensions\":[" KV("a", "") "," KV("A", "") "]"), ERR_BAD_INPUT, "InvalidPropertyValue", VM "extensions[1].name");
    refused(machine(",\"extensions\":[" KV("a/../b", "") "]"), ERR_BAD_INPUT, "InvalidPropertyValue", VM "extensions[0].name");
    refused(machine(",\"extensions\":[" KV("a", ",\"settings\":\"x\"") "]"), ERR_BAD_INPUT, "InvalidPropertyValue", VM "extensions[0].settings");
    refused(machine(",\"extensions\":[" KV("a", ",\"protectedSettings\":{\"k\":\"v\"}") "]"), ERR_BAD_INPUT, "InvalidPropertyValue",
            VM "extensions[0].protectedSettings");
    refused(machine(",\"extensions\":[" KV("a", ",\"provisionAfterExtensions\":[\"b\"]") "]"), ERR_BAD_INPUT, "InvalidPropertyValue",
            VM "extensions[0].provisionAfterExtensions");
    refused(machine(",\"extensions\":[{\"type\":\"KeyVaultForLinux\",\"publisher\":\"Microsoft.Azure.KeyVault\"}]"), ERR_BAD_INPUT,
            "MissingRequiredProperty", VM "extensions[0].name");
}

static PoolSpec created(void)
{
    PoolSpec spec;
    Err err = { 0 };
    assert_true(pool_read_arm(arena, json_get(document(), "properties"), POOL_CREATE, NULL, &spec, &err));
    return spec;
}

static void unchangeable(PoolChange change, const char *properties, const char *target)
{
    PoolSpec now = created(), out;
    Err err = { 0 };
    if (pool_read_arm(arena, parsed(properties), change, &now, &out, &err))
        fail_msg("accepted: %s", properties);
    assert_string_equal(err.name, "PropertyCannotBeUpdated");
    assert_string_equal(err.target, target);
}

static void test_extension_settings_cannot_be_changed(void **state)
{
    (void)state;
    unchangeable(POOL_PATCH, "{" "\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
                 "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\",\"version\":\"latest\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"}}}",
                 "properties.deploymentConfiguration");
    unchangeable(POOL_PATCH, "{\"vmSize\":\"STANDARD_D8\"}", "properties.vmSize");
    unchangeable(POOL_PATCH, "{\"taskSlotsPerNode\":2}", "properties.taskSlotsPerNode");
    unchangeable(POOL_PATCH, "{\"taskSchedulingPolicy\":{\"nodeFillType\":\"Spread\"}}", "properties.taskSchedulingPolicy");
    unchangeable(POOL_REPLACE, machine(""), "properties.deploymentConfiguration");
}

static void test_the_same_document_again_changes_nothing(void **state)
{
    (void)state;
    PoolSpec now = created(), out;
    Err err = { 0 };
    if (!pool_read_arm(arena, json_get(document(), "properties"), POOL_REPLACE, &now, &out, &err))
        fail_msg("%s", err.text);
    assert_true(str_eq(now.body, out.body));
    assert_int_equal(out.target, 1);
}

static void test_patch_changes_only_what_is_given(void **state)
{
    (void)state;
    PoolSpec now = created(), out, again;
    Err err = { 0 };
    assert_true(pool_read_arm(arena, parsed("{\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}]}"), POOL_PATCH, &now, &out, &err));
    assert_false(out.sets_scale);
    assert_int_equal(out.target, 1);
    assert_true(pool_read_arm(arena, parsed("{\"scaleSettings\":{\"fixedScale\":{\"targetDedicatedNodes\":3}}}"), POOL_PATCH, &out, &again, &err));
    assert_true(again.sets_scale);
    assert_int_equal(again.target, 3);
    const JsonVal *kept = parsed(written(SPELL_DATA, again.body).ptr);
    assert_str(json_str(json_get(json_at(json_get(kept, "metadata"), 0), "value")), "b");
    assert_str(json_str(json_path(kept, "virtualMachineConfiguration.nodeAgentSKUId")), "batch.node.ubuntu 18.04");
}

/* Recorded from the Azure command line, version 2.45. */
static void test_the_command_lines_pool_is_read_on_the_data_plane(void **state)
{
    (void)state;
    PoolSpec spec;
    Err err = { 0 };
    const char *body = "{\"id\":\"pool1\",\"vmSize\":\"standard_d2s_v3\",\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
        "\"offer\":\"0001-com-ubuntu-server-jammy\",\"sku\":\"22_04-lts\",\"version\":\"latest\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 22.04\"},"
        "\"targetDedicatedNodes\":1,\"certificateReferences\":[]}";
    if (!pool_read_data(arena, parsed(body), POOL_CREATE, NULL, &spec, &err))
        fail_msg("%s", err.text);
    assert_int_equal(spec.target, 1);
    assert_false(pool_read_data(arena, parsed("{\"id\":\"p\",\"vmSize\":\"x\",\"nodeAgentSkuId\":1}"), POOL_CREATE, NULL, &spec, &err));
    assert_string_equal(err.name, "InvalidRequestBody");
    assert_false(pool_read_data(arena, parsed("{\"id\":\"p\",\"identity\":{}}"), POOL_CREATE, NULL, &spec, &err));
    assert_string_equal(err.target, "identity");
    assert_false(pool_read_data(arena, parsed("{\"id\":\"p\",\"enableAutoScale\":true,\"vmSize\":\"x\"}"), POOL_CREATE, NULL, &spec, &err));
    assert_int_equal(err.code, ERR_NOT_BUILT);
    assert_false(pool_read_data(arena, parsed("{\"displayName\":\"x\"}"), POOL_PATCH, &spec, &spec, &err));
    assert_string_equal(err.target, "displayName");
}

static void test_settings_as_text_are_settings(void **state)
{
    (void)state;
    PoolSpec spec;
    PoolExtension *extensions;
    size_t count;
    Err err = { 0 };
#define DATA_POOL(settings) "{\"id\":\"p\",\"vmSize\":\"x\",\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\"," \
        "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 18.04\",\"extensions\":[" \
        KV("a", ",\"protectedSettings\":\"{}\",\"settings\":" settings) "]}}"
    assert_true(pool_read_data(arena, parsed(DATA_POOL("\"{\\\"a\\\":{\\\"b\\\":1}}\"")), POOL_CREATE, NULL, &spec, &err));
    assert_true(pool_extensions(arena, spec.body, &extensions, &count, &err));
    assert_int_equal(json_int(json_path(extensions[0].settings, "a.b"), 0), 1);
    assert_false(pool_read_data(arena, parsed(DATA_POOL("\"{a\"")), POOL_CREATE, NULL, &spec, &err));
    assert_string_equal(err.target, "virtualMachineConfiguration.extensions[0].settings");
    assert_false(pool_read_data(arena, parsed(DATA_POOL("\"[]\"")), POOL_CREATE, NULL, &spec, &err));
}

static void test_resize_wants_a_target(void **state)
{
    (void)state;
    PoolSpec now = created(), out;
    Err err = { 0 };
    assert_true(pool_read_resize(arena, parsed("{\"targetDedicatedNodes\":4,\"nodeDeallocationOption\":\"taskcompletion\"}"), &now, &out, &err));
    assert_int_equal(out.target, 4);
    assert_str(out.deallocation, "TaskCompletion");
    assert_false(pool_read_resize(arena, parsed("{\"resizeTimeout\":\"PT5M\"}"), &now, &out, &err));
    assert_string_equal(err.name, "MissingRequiredProperty");
    assert_false(pool_read_resize(arena, parsed("{\"targetDedicatedNodes\":4,\"x\":1}"), &now, &out, &err));
}

static void test_durations_are_written_as_the_service_does(void **state)
{
    (void)state;
    assert_str(duration_text(arena, 15 * 60 * 1000), "PT15M");
    assert_str(duration_text(arena, 90 * 60 * 1000), "PT1H30M");
    assert_str(duration_text(arena, (86400 + 30) * 1000), "P1DT30S");
    assert_str(duration_text(arena, 86400 * 1000), "P1D");
    assert_str(duration_text(arena, 0), "PT0S");
}

static void test_a_small_arena_fails_cleanly(void **state)
{
    (void)state;
    const JsonVal *properties = json_get(document(), "properties");
    for (size_t limit = 0; limit < 16384; limit += 256) {
        AUTO(arena_free_auto) Arena *small = arena_new(limit);
        PoolSpec spec;
        Err err = { 0 };
        if (!pool_read_arm(small, properties, POOL_CREATE, NULL, &spec, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
    }
}

static int setup(void **state)
{
    (void)state;
    arena = arena_new(16 << 20);
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_documents_body_is_read),
        TEST(test_what_was_given_is_shown_again_on_both_planes),
        TEST(test_a_misspelt_property_is_named),
        TEST(test_wrong_values_name_their_field),
        TEST(test_what_is_not_built_says_so),
        TEST(test_windows_is_refused_honestly),
        TEST(test_images_and_agents_must_fit),
        TEST(test_extensions_are_checked),
        TEST(test_extension_settings_cannot_be_changed),
        TEST(test_the_same_document_again_changes_nothing),
        TEST(test_patch_changes_only_what_is_given),
        TEST(test_the_command_lines_pool_is_read_on_the_data_plane),
        TEST(test_settings_as_text_are_settings),
        TEST(test_resize_wants_a_target),
        TEST(test_durations_are_written_as_the_service_does),
        TEST(test_a_small_arena_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
