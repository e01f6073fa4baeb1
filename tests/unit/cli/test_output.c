/* test_output.c - the five ways to print a result, and az's shapes. */
#include "../cm.h"
#include "../parsed.h"
#include "cli/output.h"
#include "cli/shape.h"

static Arena *arena;

static Str printed(OutputFormat format, const char *json, const char *columns)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    buf_init(&out, 1 << 20);
    output_write(&out, format, json_of(arena, json), columns);
    assert_false(out.failed);
    return str_dup(arena, buf_str(&out));
}

static void test_json_is_indented_and_keeps_its_order(void **state)
{
    (void)state;
    assert_str(printed(OUTPUT_JSON, "{\"b\":1,\"a\":[{\"x\":null},true],\"e\":{},\"l\":[],\"s\":\"q\\\"\\n\"}", NULL),
               "{\n  \"b\": 1,\n  \"a\": [\n    {\n      \"x\": null\n    },\n    true\n  ],\n  \"e\": {},\n  \"l\": [],\n  \"s\": \"q\\\"\\n\"\n}\n");
    assert_str(printed(OUTPUT_JSON, "false", NULL), "false\n");
}

static void test_tables_take_their_columns_and_widths(void **state)
{
    (void)state;
    assert_str(printed(OUTPUT_TABLE, "[{\"name\":\"a\",\"p\":{\"on\":true}},{\"name\":\"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f long\",\"p\":{\"on\":false}},{\"p\":null}]", "Name=name On=p.on"),
               "Name       On\n---------  -----\na          true\n\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f long  false\n           \n");
    assert_str(printed(OUTPUT_TABLE, "{\"a\":1,\"deep\":{\"x\":1},\"b\":\"two\",\"none\":null}", NULL), "A  B\n-  ---\n1  two\n");
    assert_str(printed(OUTPUT_TABLE, "[]", "Name=name"), "");
    assert_str(printed(OUTPUT_TABLE, "{\"value\":[{\"a\":1}],\"nextLink\":\"x\"}", NULL), "A\n-\n1\n");
    assert_str(printed(OUTPUT_TABLE, "true", NULL), "Result\n------\ntrue\n");
}

static void test_tables_pass_no_control_characters_to_a_terminal(void **state)
{
    (void)state;
    assert_str(printed(OUTPUT_TABLE, "[{\"a\":\"x\\u001b[31m\\u0007\\u009b\\ty\"}]", NULL), "A\n-----------\nx [31m    y\n");
}

static void test_tables_of_a_query_have_the_columns_that_it_made(void **state)
{
    (void)state;
    assert_str(printed(OUTPUT_TABLE, "[{\"n\":\"a\",\"x.y\":null},{\"x.y\":2,\"late\":true}]", ""), "N  X.y  Late\n-  ---  ----\na       \n   2    true\n");
    assert_str(printed(OUTPUT_TABLE, "[{\"n\":1,\"deep\":null},{\"n\":2,\"deep\":[1]}]", ""), "N\n-\n1\n2\n");
    assert_str(printed(OUTPUT_TABLE, "[[\"a\",1],[\"b\"],[\"c\",null,true]]", ""), "Column1  Column2  Column3\n-------  -------  -------\na        1        \nb                 \nc                 true\n");
    assert_str(printed(OUTPUT_TABLE, "[\"a\",1,null]", ""), "Result\n------\na\n1\n\n");
    assert_str(printed(OUTPUT_TABLE, "\"a\"", ""), "Result\n------\na\n");
    assert_str(printed(OUTPUT_TABLE, "{\"value\":[1],\"n\":1}", ""), "N\n-\n1\n");
    assert_str(printed(OUTPUT_TABLE, "[{\"a\\u001b[31m\":1}]", ""), "A [31m\n------\n1\n");
}

static void test_tsv_has_a_line_an_item(void **state)
{
    (void)state;
    assert_str(printed(OUTPUT_TSV, "[{\"a\":\"x\",\"b\":null,\"c\":{},\"d\":true},{\"a\":\"y\"}]", NULL), "x\tNone\t\ttrue\ny\n");
    assert_str(printed(OUTPUT_TSV, "\"alone\"", NULL), "alone\n");
    assert_str(printed(OUTPUT_NONE, "\"alone\"", NULL), "");
}

static void test_formats_are_known_by_name(void **state)
{
    OutputFormat format;
    (void)state;
    assert_true(output_format_parse(STR("TABLE"), &format));
    assert_int_equal(format, OUTPUT_TABLE);
    assert_false(output_format_parse(STR("yaml"), &format));
    assert_false(output_format_parse(STR(""), &format));
}

static Str shaped(Shape *shape, const char *json)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    JsonWriter w;
    Cli cli = { .arena = arena };
    Err err = { 0 };
    buf_init(&out, 1 << 20);
    json_begin(&w, &out);
    shape(&cli, &w, json_of(arena, json));
    assert_true(json_end(&w, &err));
    return str_dup(arena, buf_str(&out));
}

static void test_resources_are_flattened_with_their_group(void **state)
{
    (void)state;
    assert_str(shaped(shape_flat, "{\"id\":\"/subscriptions/s/resourcegroups/g1/providers/x/y/z\",\"name\":\"z\",\"properties\":{\"clientId\":\"c\",\"name\":\"other\"}}"),
               "{\"id\":\"/subscriptions/s/resourcegroups/g1/providers/x/y/z\",\"name\":\"z\",\"clientId\":\"c\",\"resourceGroup\":\"g1\"}");
    assert_str(shaped(shape_resource, "{\"id\":\"/subscriptions/s\"}"), "{\"id\":\"/subscriptions/s\"}");
}

static void test_times_are_readable_and_names_beside_ids(void **state)
{
    (void)state;
    const JsonVal *secret = json_of(arena, str_printf(arena, STR_FMT, STR_ARG(shaped(shape_secret,
        "{\"value\":\"v\",\"id\":\"https://v.vault.x:8443/secrets/s1/abc\",\"attributes\":{\"enabled\":true,\"exp\":1893456000,\"created\":1700000000}}"))).ptr);
    assert_str(json_str(json_path(secret, "attributes.expires")), "2030-01-01T00:00:00+00:00");
    assert_int_equal(json_kind(json_path(secret, "attributes.notBefore")), JSON_NULL);
    assert_str(json_str(json_get(secret, "name")), "s1");
    assert_str(json_str(json_get(secret, "value")), "v");
    const JsonVal *certificate = json_of(arena, shaped(shape_certificate, "{\"id\":\"https://v.x/certificates/c1/1\",\"x5t\":\"ZMzqZRQCcT_qqc6_PN3NwmDkI-g\",\"cer\":\"AA==\"}").ptr);
    assert_str(json_str(json_get(certificate, "x509ThumbprintHex")), "64CCEA651402713FEAA9CEBF3CDDCDC260E423E8");
    assert_str(json_str(json_get(certificate, "name")), "c1");
}

static Str policy(bool to_wire, const char *json)
{
    AUTO(buf_done_auto) Buf out = { 0 };
    JsonWriter w;
    Err err = { 0 };
    buf_init(&out, 1 << 20);
    json_begin(&w, &out);
    (to_wire ? policy_to_wire : policy_from_wire)(&w, NULL, json_of(arena, json));
    assert_true(json_end(&w, &err));
    return str_dup(arena, buf_str(&out));
}

static void test_policies_change_their_names_both_ways(void **state)
{
    static const char az[] = "{\"issuerParameters\":{\"name\":\"Self\"},\"keyProperties\":{\"exportable\":true,\"keySize\":2048,\"keyType\":\"RSA\",\"reuseKey\":false},"
                             "\"lifetimeActions\":[{\"action\":{\"actionType\":\"AutoRenew\"},\"trigger\":{\"daysBeforeExpiry\":30}}],"
                             "\"x509CertificateProperties\":{\"subjectAlternativeNames\":{\"dnsNames\":[\"a\"]},\"subject\":\"CN=a\",\"validityInMonths\":12}}";
    static const char wire[] = "{\"issuer\":{\"name\":\"Self\"},\"key_props\":{\"exportable\":true,\"key_size\":2048,\"kty\":\"RSA\",\"reuse_key\":false},"
                               "\"lifetime_actions\":[{\"action\":{\"action_type\":\"AutoRenew\"},\"trigger\":{\"days_before_expiry\":30}}],"
                               "\"x509_props\":{\"sans\":{\"dns_names\":[\"a\"]},\"subject\":\"CN=a\",\"validity_months\":12}}";
    (void)state;
    assert_str(policy(true, az), wire);
    assert_str(policy(false, wire), az);
    assert_str(policy(true, wire), wire);                       /* a policy in the service's names goes as it is */
    assert_str(policy(true, "{\"keyProperties\":{\"curve\":null},\"surprise\":1}"), "{\"key_props\":{},\"surprise\":1}");
}

static int make_arena(void **state)
{
    (void)state;
    arena = arena_new(16 << 20);
    return arena ? 0 : -1;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_free(TAKE(arena));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_indented_and_keeps_its_order), cmocka_unit_test(test_tables_take_their_columns_and_widths),
        cmocka_unit_test(test_tables_pass_no_control_characters_to_a_terminal), cmocka_unit_test(test_tsv_has_a_line_an_item),
        cmocka_unit_test(test_tables_of_a_query_have_the_columns_that_it_made),
        cmocka_unit_test(test_formats_are_known_by_name), cmocka_unit_test(test_resources_are_flattened_with_their_group),
        cmocka_unit_test(test_times_are_readable_and_names_beside_ids), cmocka_unit_test(test_policies_change_their_names_both_ways),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
