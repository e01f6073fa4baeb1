#include "world.h"
#include "uploads.h"

static World world;
static Upload one, other;

#define ARM_CERTS "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/certificates"

static Str body_of(const Upload *upload)
{
    return str_printf(world.arena, "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"data\":\"" STR_FMT "\",\"certificateFormat\":\"pfx\",\"password\":\"pw\"}",
                      STR_ARG(upload->thumbprint), STR_ARG(upload->pfx));
}

static Answer add(const Upload *upload) { return data_call(&world, "POST", "/certificates", body_of(upload)); }

static Answer of_one(const char *method, const Upload *upload, const char *rest)
{
    return data_call(&world, method, str_printf(world.arena, "/certificates(thumbprintAlgorithm=sha1,thumbprint=" STR_FMT ")%s", STR_ARG(upload->thumbprint), rest).ptr,
                     strcmp(method, "POST") == 0 ? STR("") : STR_NONE);
}

static Answer arm_of_one(const char *method, const Upload *upload, const char *rest, Str body)
{
    return arm_call(&world, method, str_printf(world.arena, ARM_CERTS "/SHA1-" STR_FMT "%s", STR_ARG(upload->thumbprint), rest).ptr, body);
}

static Str refs_of(const Upload *upload)
{
    return str_printf(world.arena, "[{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\"}]", STR_ARG(upload->thumbprint));
}

static Answer add_pool(const char *id, int nodes, Str refs)
{
    return data_call(&world, "POST", "/pools", str_printf(world.arena,
        "{\"id\":\"%s\",\"vmSize\":\"standard_d2s_v3\",\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\",\"offer\":\"0001-com-ubuntu-server-jammy\","
        "\"sku\":\"22_04-lts\",\"version\":\"latest\"},\"nodeAgentSKUId\":\"batch.node.ubuntu 22.04\"},\"targetDedicatedNodes\":%d,\"certificateReferences\":" STR_FMT "}",
        id, nodes, STR_ARG(refs)));
}

static void expect_text(const Answer *answer, const char *path, const char *wanted)
{
    Str text = answer_text(answer, path);
    if (!str_eq(text, str_from(wanted)))
        fail_msg("%s is '" STR_FMT "', wanted '%s'", path, STR_ARG(text), wanted);
}

static int64_t rows(void) { return read_int(world.site.store, "SELECT COUNT(*) FROM batch_certificate"); }

/* -- add, read -- */

static void test_a_certificate_is_added_and_shown_without_its_key(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer added = add(&one);
    expect_status(added, 201);
    assert_int_equal(added.body.len, 0);
    assert_true(str_starts(answer_header(&added, "ETag"), STR("0x")));
    Answer got = of_one("GET", &one, "");
    expect_status(got, 200);
    expect_text(&got, "state", "active");
    expect_text(&got, "thumbprintAlgorithm", "sha1");
    assert_true(str_eq(answer_text(&got, "thumbprint"), one.thumbprint));
    assert_true(str_eq(answer_text(&got, "publicData"), one.cer));
    assert_true(str_ends(answer_text(&got, "url"), str_printf(world.arena, "/certificates(thumbprintAlgorithm=sha1,thumbprint=" STR_FMT ")", STR_ARG(one.thumbprint))));
    assert_null(json_get(got.json, "previousState"));
    assert_null(json_get(got.json, "data"));
    assert_null(json_get(got.json, "password"));
    Answer upper = data_call(&world, "GET", str_printf(world.arena, "/certificates(thumbprintAlgorithm=SHA1,thumbprint=" STR_FMT ")", STR_ARG(str_upper(world.arena, one.thumbprint))).ptr, STR_NONE);
    expect_status(upper, 200);
    expect_error(of_one("GET", &other, ""), 404, "CertificateNotFound");
    expect_error(data_call(&world, "GET", "/certificates(thumbprintAlgorithm=sha256,thumbprint=00)", STR_NONE), 400, "InvalidInput");
    expect_error(data_call(&world, "GET", "/certificates(thumbprintAlgorithm=sha1,thumbprint=xyz)", STR_NONE), 404, "CertificateNotFound");
}

static void test_material_is_sealed_at_rest(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_certificate WHERE instr(material, x'06092a864886f70d0107') > 0"), 0);      /* the OID of PKCS #7 data, in each .pfx */
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_certificate WHERE instr(public_der, 'one') > 0 OR instr(CAST(password AS TEXT), 'pw') > 0"), 0);
    assert_int_equal(read_int(world.site.store, "SELECT length(password) > 2 FROM batch_certificate"), 1);
}

static void test_refused_uploads_change_nothing(void **state)
{
    (void)state;
    make_account(&world, "acct");
    const struct { Str body; int status; const char *code, *property; } cases[] = {
        { STR("{}"), 400, "InvalidInput", NULL },
        { STR("[]"), 400, "InvalidInput", NULL },
        { str_printf(world.arena, "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"data\":\"" STR_FMT "\",\"password\":\"wrong\"}", STR_ARG(one.thumbprint), STR_ARG(one.pfx)),
          400, "InvalidPropertyValue", "password" },
        { str_printf(world.arena, "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"data\":\"" STR_FMT "\",\"password\":\"pw\"}", STR_ARG(other.thumbprint), STR_ARG(one.pfx)),
          400, "InvalidPropertyValue", "thumbprint" },
        { str_printf(world.arena, "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"data\":\"aGVsbG8=\",\"certificateFormat\":\"cer\"}", STR_ARG(one.thumbprint)),
          400, "InvalidPropertyValue", "data" },
        { str_printf(world.arena, "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"data\":\"" STR_FMT "\",\"passwort\":\"pw\"}", STR_ARG(one.thumbprint), STR_ARG(one.pfx)),
          400, "InvalidInput", "passwort" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer refused = data_call(&world, "POST", "/certificates", cases[i].body);
        expect_error(refused, cases[i].status, cases[i].code);
        if (cases[i].property)
            assert_true(str_eq(json_str(json_get(json_at(json_get(refused.json, "values"), 0), "value")), str_from(cases[i].property)));
    }
    assert_int_equal(rows(), 0);
    Str url = STR("acct.westus2.batch/certificates?api-version=2022-10-01.16.0");
    expect_error(world_call(&world, "POST", world.batch_reader_token, url, body_of(&one)), 403, "InsufficientAccountPermissions");
    expect_status(world_call(&world, "GET", world.batch_reader_token, url, STR_NONE), 200);
    assert_int_equal(rows(), 0);
    expect_status(add(&one), 201);
    expect_error(add(&one), 409, "CertificateExists");
    expect_error(world_call(&world, "GET", world.batch_token, STR("acct.westus2.batch/certificates?api-version=2025-06-01.21.0"), STR_NONE), 400, "UnsupportedRequestVersion");
}

static void test_certificates_are_listed_in_pages_and_filtered(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Upload third = upload_make(world.arena, "third");
    expect_status(add(&one), 201);
    expect_status(add(&other), 201);
    expect_status(add(&third), 201);
    Answer all = data_call(&world, "GET", "/certificates", STR_NONE);
    assert_int_equal(json_count(json_get(all.json, "value")), 3);
    Answer page = data_call(&world, "GET", "/certificates?maxresults=2", STR_NONE);
    assert_int_equal(json_count(json_get(page.json, "value")), 2);
    Str next = json_str(json_get(page.json, "odata.nextLink"));
    size_t at;
    assert_true(str_find(next, STR("/certificates?"), &at));
    Answer rest = world_call(&world, "GET", world.batch_token, str_printf(world.arena, "acct.westus2.batch" STR_FMT, STR_ARG(str_slice(next, at, next.len))), STR_NONE);
    assert_int_equal(json_count(json_get(rest.json, "value")), 1);
    assert_null(json_get(rest.json, "odata.nextLink"));
    expect_status(of_one("DELETE", &one, ""), 202);
    Answer deleting = data_call(&world, "GET", "/certificates?$filter=state%20eq%20'deleting'&$select=thumbprint", STR_NONE);
    assert_int_equal(json_count(json_get(deleting.json, "value")), 1);
    assert_true(str_eq(json_str(json_get(json_at(json_get(deleting.json, "value"), 0), "thumbprint")), one.thumbprint));
    expect_error(data_call(&world, "GET", "/certificates?$filter=publicData%20eq%20'x'", STR_NONE), 400, "InvalidQueryParameterValue");
}

/* -- delete -- */

static void test_an_unused_certificate_goes(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_error(of_one("POST", &one, "/canceldelete"), 409, "CertificateStateActive");
    expect_status(of_one("DELETE", &one, ""), 202);
    Answer deleting = of_one("GET", &one, "");
    expect_text(&deleting, "state", "deleting");
    expect_text(&deleting, "previousState", "active");
    expect_error(of_one("DELETE", &one, ""), 409, "CertificateBeingDeleted");
    expect_error(of_one("POST", &one, "/canceldelete"), 409, "CertificateBeingDeleted");
    expect_error(add(&one), 409, "CertificateBeingDeleted");
    expect_error(add_pool("p", 0, refs_of(&one)), 409, "InvalidCertificateReferences");
    world_work(&world);
    expect_error(of_one("GET", &one, ""), 404, "CertificateNotFound");
    expect_error(of_one("DELETE", &one, ""), 404, "CertificateNotFound");
    expect_status(add(&one), 201);
}

static void test_a_certificate_in_use_stays_and_says_by_whom(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add_pool("Pool-A", 0, refs_of(&one)), 201);
    expect_status(add_pool("b", 0, refs_of(&one)), 201);
    expect_status(of_one("DELETE", &one, ""), 202);
    world_work(&world);
    Answer failed = of_one("GET", &one, "");
    expect_text(&failed, "state", "deletefailed");
    expect_text(&failed, "previousState", "deleting");
    expect_text(&failed, "deleteCertificateError.code", "PoolsReferencingCertificate");
    expect_text(&failed, "deleteCertificateError.message", "The specified certificate is being used by the below mentioned pool(s)");
    const JsonVal *value = json_at(json_path(failed.json, "deleteCertificateError.values"), 0);
    assert_true(str_eq(json_str(json_get(value, "name")), STR("Pools")));
    assert_true(str_eq(json_str(json_get(value, "value")), STR("b, Pool-A")));
    expect_error(add(&one), 409, "CertificateExists");
    expect_error(add_pool("c", 0, refs_of(&one)), 409, "InvalidCertificateReferences");

    expect_status(of_one("POST", &one, "/canceldelete"), 204);
    Answer kept = of_one("GET", &one, "");
    expect_text(&kept, "state", "active");
    expect_text(&kept, "previousState", "deletefailed");
    assert_null(json_get(kept.json, "deleteCertificateError"));
    expect_error(of_one("POST", &one, "/canceldelete"), 409, "CertificateStateActive");

    /* Asked again after the pools are gone, without a cancel between. */
    expect_status(of_one("DELETE", &one, ""), 202);
    world_work(&world);
    expect_status(data_call(&world, "DELETE", "/pools/Pool-A", STR_NONE), 202);
    expect_status(data_call(&world, "PATCH", "/pools/b", STR("{\"certificateReferences\":[]}")), 200);
    world_work(&world);
    expect_status(of_one("DELETE", &one, ""), 202);
    world_work(&world);
    expect_error(of_one("GET", &one, ""), 404, "CertificateNotFound");
}

static void test_an_account_takes_its_certificates_along(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add_pool("p", 1, refs_of(&one)), 201);
    expect_status(arm_call(&world, "DELETE", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct", STR_NONE), 202);
    world_work(&world);
    assert_int_equal(rows(), 0);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool_certificate"), 0);
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_account"), 0);
}

/* -- Resource Manager -- */

static Str arm_body(const Upload *upload)
{
    return str_printf(world.arena, "{\"properties\":{\"data\":\"" STR_FMT "\",\"password\":\"pw\"}}", STR_ARG(upload->pfx));
}

static void test_resource_manager_has_the_same_certificates(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer made = arm_of_one("PUT", &one, "", arm_body(&one));
    expect_status(made, 200);
    expect_text(&made, "type", "Microsoft.Batch/batchAccounts/certificates");
    assert_true(str_eq(answer_text(&made, "name"), str_printf(world.arena, "sha1-" STR_FMT, STR_ARG(one.thumbprint))));
    assert_true(str_ends(answer_text(&made, "id"), str_printf(world.arena, "/batchAccounts/acct/certificates/sha1-" STR_FMT, STR_ARG(one.thumbprint))));
    expect_text(&made, "properties.provisioningState", "Succeeded");
    expect_text(&made, "properties.format", "Pfx");
    assert_true(str_eq(answer_text(&made, "properties.publicData"), one.cer));
    assert_null(json_path(made.json, "properties.password"));
    assert_null(json_path(made.json, "properties.data"));
    assert_true(str_eq(answer_header(&made, "ETag"), answer_text(&made, "etag")));
    expect_status(of_one("GET", &one, ""), 200);

    Str cer = str_printf(world.arena, "{\"properties\":{\"format\":\"Cer\",\"data\":\"" STR_FMT "\",\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"SHA1\"}}",
                         STR_ARG(other.cer), STR_ARG(str_upper(world.arena, other.thumbprint)));
    Answer second = arm_of_one("PUT", &other, "", cer);
    expect_status(second, 200);
    expect_text(&second, "properties.format", "Cer");
    Answer list = arm_call(&world, "GET", ARM_CERTS "?maxresults=1", STR_NONE);
    assert_int_equal(json_count(json_get(list.json, "value")), 1);
    assert_non_null(answer_text(&list, "nextLink").ptr);
    Answer all = arm_call(&world, "GET", ARM_CERTS, STR_NONE);
    assert_int_equal(json_count(json_get(all.json, "value")), 2);
    expect_error(arm_call(&world, "GET", ARM_CERTS "?$filter=x", STR_NONE), 501, "NotImplemented");
    expect_error(world_call(&world, "PUT", world.reader_token, str_printf(world.arena, "management/subscriptions/" STR_FMT ARM_CERTS "/SHA1-" STR_FMT "?api-version=2024-07-01",
                            STR_ARG(world.subscription), STR_ARG(one.thumbprint)), arm_body(&one)), 403, "AuthorizationFailed");
}

static void test_resource_managers_refusals_change_nothing(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer refused = arm_of_one("PUT", &other, "", arm_body(&one));
    expect_error(refused, 400, "InvalidPropertyValue");
    expect_text(&refused, "error.target", "properties.thumbprint");
    refused = arm_of_one("PUT", &one, "", str_printf(world.arena, "{\"properties\":{\"data\":\"" STR_FMT "\",\"password\":\"x\"}}", STR_ARG(one.pfx)));
    expect_text(&refused, "error.target", "properties.password");
    refused = arm_of_one("PUT", &one, "", str_printf(world.arena, "{\"properties\":{\"data\":\"" STR_FMT "\",\"password\":\"pw\",\"thumbprint\":\"" STR_FMT "\"}}", STR_ARG(one.pfx), STR_ARG(other.thumbprint)));
    expect_text(&refused, "error.target", "properties.thumbprint");
    expect_error(arm_of_one("PUT", &one, "", STR("{\"properties\":{\"dta\":\"\"}}")), 400, "InvalidRequestBody");
    expect_error(arm_of_one("PUT", &one, "", STR("{\"property\":{}}")), 400, "InvalidRequestBody");
    expect_error(arm_of_one("PUT", &one, "", STR("{}")), 400, "MissingRequiredProperty");
    expect_error(arm_of_one("PUT", &one, "", STR("{\"properties\":{}}")), 400, "MissingRequiredProperty");
    expect_error(arm_call(&world, "PUT", ARM_CERTS "/mycert", arm_body(&one)), 400, "InvalidPropertyValue");
    expect_error(arm_call(&world, "PUT", ARM_CERTS "/SHA256-00", arm_body(&one)), 400, "InvalidPropertyValue");
    expect_error(arm_of_one("PATCH", &one, "", arm_body(&one)), 404, "CertificateNotFound");
    expect_error(arm_of_one("GET", &one, "", STR_NONE), 404, "CertificateNotFound");
    expect_error(arm_of_one("POST", &one, "/cancelDelete", STR("")), 404, "CertificateNotFound");
    expect_status(arm_of_one("DELETE", &one, "", STR_NONE), 204);
    assert_int_equal(rows(), 0);
}

static void test_etags_guard_a_certificate(void **state)
{
    (void)state;
    make_account(&world, "acct");
    Answer made = arm_of_one("PUT", &one, "", arm_body(&one));
    Str etag = answer_header(&made, "ETag"), url = str_printf(world.arena, "management/subscriptions/" STR_FMT ARM_CERTS "/SHA1-" STR_FMT "?api-version=2021-01-01",
                                                              STR_ARG(world.subscription), STR_ARG(one.thumbprint));
    HttpHeader match = { "If-Match", etag }, none = { "If-None-Match", STR("*") };
    expect_error(world_call_with(&world, "PUT", world.admin_token, url, arm_body(&one), &none, 1), 412, "PreconditionFailed");
    Answer changed = world_call_with(&world, "PATCH", world.admin_token, url, arm_body(&one), &match, 1);
    expect_status(changed, 200);
    assert_false(str_eq(answer_header(&changed, "ETag"), etag));
    expect_error(world_call_with(&world, "PATCH", world.admin_token, url, arm_body(&one), &match, 1), 412, "PreconditionFailed");
    Answer same = world_call(&world, "PATCH", world.admin_token, url, STR("{\"properties\":{}}"));
    expect_status(same, 200);
    assert_true(str_eq(answer_header(&same, "ETag"), answer_header(&changed, "ETag")));
}

static Answer poll(const Answer *accepted)
{
    Str location = answer_header(accepted, "Location");
    size_t at;
    assert_true(str_find(location, STR("/subscriptions/"), &at));
    return world_call(&world, "GET", world.admin_token, str_printf(world.arena, "management" STR_FMT, STR_ARG(str_slice(location, at, location.len))), STR_NONE);
}

static void test_resource_manager_deletes_and_cancels(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(arm_of_one("PUT", &one, "", arm_body(&one)), 200);
    expect_status(add_pool("p", 0, refs_of(&one)), 201);
    Answer accepted = arm_of_one("DELETE", &one, "", STR_NONE), again = arm_of_one("DELETE", &one, "", STR_NONE);
    expect_status(accepted, 202);
    expect_status(again, 202);
    assert_true(str_eq(answer_header(&accepted, "Location"), answer_header(&again, "Location")));
    expect_status(poll(&accepted), 202);
    Answer deleting = arm_of_one("GET", &one, "", STR_NONE);
    expect_text(&deleting, "properties.provisioningState", "Deleting");
    world_work(&world);
    expect_error(poll(&accepted), 409, "PoolsReferencingCertificate");
    Answer failed = arm_of_one("GET", &one, "", STR_NONE);
    expect_text(&failed, "properties.provisioningState", "Failed");
    expect_text(&failed, "properties.previousProvisioningState", "Deleting");
    expect_text(&failed, "properties.deleteCertificateError.target", "BatchAccount");
    const JsonVal *detail = json_at(json_path(failed.json, "properties.deleteCertificateError.details"), 0);
    assert_true(str_eq(json_str(json_get(detail, "code")), STR("Pools")) && str_eq(json_str(json_get(detail, "message")), STR("p")));
    Answer kept = arm_of_one("POST", &one, "/cancelDelete", STR(""));
    expect_status(kept, 200);
    expect_text(&kept, "properties.provisioningState", "Succeeded");
    expect_error(arm_of_one("POST", &one, "/cancelDelete", STR("")), 409, "CertificateStateActive");
    expect_status(data_call(&world, "DELETE", "/pools/p", STR_NONE), 202);
    world_work(&world);
    accepted = arm_of_one("DELETE", &one, "", STR_NONE);
    world_work(&world);
    expect_status(poll(&accepted), 200);
    expect_status(arm_of_one("DELETE", &one, "", STR_NONE), 204);
}

/* -- references -- */

static void test_references_are_kept_and_shown_on_both_planes(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add(&other), 201);
    Str refs = str_printf(world.arena, "[{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"SHA1\",\"storeLocation\":\"LocalMachine\",\"storeName\":\"Root\",\"visibility\":[\"Task\",\"starttask\"]},"
                          "{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\"}]", STR_ARG(str_upper(world.arena, one.thumbprint)), STR_ARG(other.thumbprint));
    expect_status(add_pool("p", 0, refs), 201);
    Answer pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    const JsonVal *first = json_at(json_get(pool.json, "certificateReferences"), 0), *second = json_at(json_get(pool.json, "certificateReferences"), 1);
    assert_true(str_eq(json_str(json_get(first, "thumbprint")), one.thumbprint));
    assert_true(str_eq(json_str(json_get(first, "storeLocation")), STR("localmachine")) && str_eq(json_str(json_get(first, "storeName")), STR("Root")));
    assert_int_equal(json_count(json_get(first, "visibility")), 2);
    assert_true(str_eq(json_str(json_at(json_get(first, "visibility"), 0)), STR("starttask")));
    assert_true(str_eq(json_str(json_get(second, "storeLocation")), STR("currentuser")) && str_eq(json_str(json_get(second, "storeName")), STR("My")));
    assert_int_equal(json_count(json_get(second, "visibility")), 3);

    Answer arm = arm_call(&world, "GET", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/pools/p", STR_NONE);
    const JsonVal *same = json_at(json_path(arm.json, "properties.certificates"), 0);
    assert_true(str_ends(json_str(json_get(same, "id")), str_printf(world.arena, "/batchAccounts/acct/certificates/sha1-" STR_FMT, STR_ARG(one.thumbprint))));
    assert_true(str_eq(json_str(json_get(same, "storeLocation")), STR("LocalMachine")));
    assert_true(str_eq(json_str(json_at(json_get(same, "visibility"), 1)), STR("Task")));

    /* What Resource Manager shows can be sent to it again, and changes nothing. */
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, 65536);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    json_put_value(&w, "properties", json_get(arm.json, "properties"));
    json_close(&w);
    must(json_end(&w, E));
    Answer again = arm_call(&world, "PUT", "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/pools/p", buf_str(&buf));
    expect_status(again, 200);
    assert_true(json_same(json_path(again.json, "properties.certificates"), json_path(arm.json, "properties.certificates")));
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool_certificate"), 2);
}

static void test_bad_references_are_refused_and_named(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    static const struct { const char *more, *code, *property; } cases[] = {
        { ",\"storeLocation\":\"remotemachine\"", "InvalidPropertyValue", "certificateReferences[0].storeLocation" },
        { ",\"storeName\":\"\"", "InvalidPropertyValue", "certificateReferences[0].storeName" },
        { ",\"storeName\":1", "InvalidPropertyValue", "certificateReferences[0].storeName" },
        { ",\"visibility\":\"task\"", "InvalidPropertyValue", "certificateReferences[0].visibility" },
        { ",\"visibility\":[\"job\"]", "InvalidPropertyValue", "certificateReferences[0].visibility" },
        { ",\"visibility\":[\"task\",\"Task\"]", "InvalidPropertyValue", "certificateReferences[0].visibility" },
        { ",\"visible\":[\"task\"]", "InvalidRequestBody", "certificateReferences[0].visible" },
        { "},{\"thumbprintAlgorithm\":\"sha1\"", "MissingRequiredProperty", "certificateReferences[1].thumbprint" },
        { "},{\"thumbprint\":\"ab\",\"thumbprintAlgorithm\":\"sha1\"", "InvalidPropertyValue", "certificateReferences[1].thumbprint" },
        { "},{\"thumbprint\":\"ab\",\"thumbprintAlgorithm\":\"sha2\"", "InvalidPropertyValue", "certificateReferences[1].thumbprintAlgorithm" },
        { "},7,{\"x\":0", "InvalidPropertyValue", "certificateReferences[1]" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Answer refused = add_pool("p", 0, str_printf(world.arena, "[{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\"%s}]", STR_ARG(one.thumbprint), cases[i].more));
        expect_error(refused, 400, cases[i].code);
        Str property = json_str(json_get(json_at(json_get(refused.json, "values"), 0), "value"));
        if (!str_eq(property, str_from(cases[i].property)))
            fail_msg("%s: " STR_FMT, cases[i].more, STR_ARG(property));
    }
    expect_error(add_pool("p", 0, STR("{}")), 400, "InvalidPropertyValue");
    Str twice = str_printf(world.arena, "[{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\"},{\"thumbprint\":\"" STR_FMT "\",\"thumbprintAlgorithm\":\"sha1\",\"storeName\":\"my\"}]",
                           STR_ARG(one.thumbprint), STR_ARG(one.thumbprint));
    expect_error(add_pool("p", 0, twice), 400, "InvalidPropertyValue");

    Answer absent = add_pool("p", 0, refs_of(&other));
    expect_error(absent, 409, "InvalidCertificateReferences");
    size_t at;
    assert_true(str_find(json_str(json_path(absent.json, "message.value")), other.thumbprint, &at));
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool"), 0);
}

static void test_resource_manager_references_are_ids_of_the_same_account(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    Str account = str_printf(world.arena, "/subscriptions/" STR_FMT "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts", STR_ARG(world.subscription));
    const struct { Str id; int status; } cases[] = {
        { str_printf(world.arena, STR_FMT "/Acct/certificates/SHA1-" STR_FMT, STR_ARG(account), STR_ARG(str_upper(world.arena, one.thumbprint))), 200 },
        { str_printf(world.arena, STR_FMT "/acct2/certificates/SHA1-" STR_FMT, STR_ARG(account), STR_ARG(one.thumbprint)), 400 },
        { str_printf(world.arena, "SHA1-" STR_FMT, STR_ARG(one.thumbprint)), 400 },
        { str_printf(world.arena, STR_FMT "/acct/certificates/SHA1-" STR_FMT, STR_ARG(account), STR_ARG(other.thumbprint)), 409 },
        { STR(""), 400 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Str body = str_printf(world.arena, "{\"properties\":{\"vmSize\":\"STANDARD_DS2_V2\",\"deploymentConfiguration\":{\"virtualMachineConfiguration\":{\"imageReference\":{\"publisher\":\"canonical\","
                              "\"offer\":\"ubuntuserver\",\"sku\":\"18.04-lts\"},\"nodeAgentSkuId\":\"batch.node.ubuntu 18.04\"}},\"certificates\":[{\"id\":\"" STR_FMT "\",\"visibility\":[\"Task\"]}]}}", STR_ARG(cases[i].id));
        Answer answer = arm_call(&world, "PUT", str_printf(world.arena, "/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts/acct/pools/p%d", (int)i).ptr, body);
        if (answer.status != cases[i].status)
            fail_msg("%d: " STR_FMT, (int)i, STR_ARG(answer.body));
    }
}

static void test_references_change_by_patch_and_update_properties(void **state)
{
    (void)state;
    make_account(&world, "acct");
    expect_status(add(&one), 201);
    expect_status(add(&other), 201);
    expect_status(add_pool("p", 0, refs_of(&one)), 201);
    Answer patched = data_call(&world, "PATCH", "/pools/p", STR("{\"metadata\":[{\"name\":\"a\",\"value\":\"b\"}]}"));
    expect_status(patched, 200);
    Answer pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_int_equal(json_count(json_get(pool.json, "certificateReferences")), 1);
    expect_status(data_call(&world, "PATCH", "/pools/p", str_printf(world.arena, "{\"certificateReferences\":" STR_FMT "}", STR_ARG(refs_of(&other)))), 200);
    pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_true(str_eq(json_str(json_get(json_at(json_get(pool.json, "certificateReferences"), 0), "thumbprint")), other.thumbprint));
    assert_int_equal(json_count(json_get(pool.json, "metadata")), 1);

    Answer refused = data_call(&world, "POST", "/pools/p/updateproperties", STR("{\"certificateReferences\":[],\"metadata\":[]}"));
    expect_error(refused, 400, "MissingRequiredProperty");
    expect_error(data_call(&world, "POST", "/pools/p/updateproperties", STR("{\"certificateReferences\":[],\"metadata\":[],\"applicationPackageReferences\":[],\"vmSize\":\"x\"}")), 400, "InvalidRequestBody");
    Answer updated = data_call(&world, "POST", "/pools/p/updateproperties", str_printf(world.arena,
        "{\"certificateReferences\":" STR_FMT ",\"metadata\":[],\"applicationPackageReferences\":[]}", STR_ARG(refs_of(&one))));
    expect_status(updated, 204);
    pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_true(str_eq(json_str(json_get(json_at(json_get(pool.json, "certificateReferences"), 0), "thumbprint")), one.thumbprint));
    assert_int_equal(json_count(json_get(pool.json, "metadata")), 0);
    expect_status(data_call(&world, "PATCH", "/pools/p", STR("{\"certificateReferences\":[]}")), 200);
    pool = data_call(&world, "GET", "/pools/p", STR_NONE);
    assert_null(json_get(pool.json, "certificateReferences"));
    assert_int_equal(read_int(world.site.store, "SELECT COUNT(*) FROM batch_pool_certificate"), 0);
}

static int setup(void **state) { (void)state; world_open(&world); one = upload_make(world.arena, "one"); other = upload_make(world.arena, "other"); return 0; }
static int teardown(void **state) { (void)state; world_close(&world); return 0; }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_certificate_is_added_and_shown_without_its_key),
        TEST(test_material_is_sealed_at_rest),
        TEST(test_refused_uploads_change_nothing),
        TEST(test_certificates_are_listed_in_pages_and_filtered),
        TEST(test_an_unused_certificate_goes),
        TEST(test_a_certificate_in_use_stays_and_says_by_whom),
        TEST(test_an_account_takes_its_certificates_along),
        TEST(test_resource_manager_has_the_same_certificates),
        TEST(test_resource_managers_refusals_change_nothing),
        TEST(test_etags_guard_a_certificate),
        TEST(test_resource_manager_deletes_and_cancels),
        TEST(test_references_are_kept_and_shown_on_both_planes),
        TEST(test_bad_references_are_refused_and_named),
        TEST(test_resource_manager_references_are_ids_of_the_same_account),
        TEST(test_references_change_by_patch_and_update_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
