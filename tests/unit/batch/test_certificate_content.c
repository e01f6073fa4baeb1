#include "../cm.h"
#include "base/encode.h"
#include "batch/certificates/account_certificate_content.h"
#include "batch/certificates/account_certificate_states.h"
#include "crypto/bundles/bundle.h"
#include "uploads.h"

static Arena *arena;
static Upload one, other;

static CertificateIn pfx_of(const Upload *upload)
{
    return (CertificateIn){ .thumbprint = upload->thumbprint, .algorithm = STR("sha1"), .format = STR("pfx"), .data = upload->pfx, .password = STR("pw") };
}

static CertificateIn cer_of(const Upload *upload)
{
    return (CertificateIn){ .thumbprint = upload->thumbprint, .algorithm = STR("sha1"), .format = STR("cer"), .data = upload->cer };
}

static CertificateContent read_good(CertificateIn in)
{
    CertificateContent content;
    Err err = { 0 };
    if (!certificate_content_read(arena, &in, "", &content, &err))
        fail_msg("%s", err.text);
    return content;
}

static void refuse(CertificateIn in, const char *code, const char *field, const char *words)
{
    CertificateContent content;
    Err err = { 0 };
    size_t at;
    assert_false(certificate_content_read(arena, &in, "", &content, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_string_equal(err.name, code);
    assert_string_equal(err.target, field);
    if (!str_find(str_from(err.text), str_from(words), &at))
        fail_msg("'%s' does not say '%s'", err.text, words);
}

static void test_a_pfx_opens_with_its_password(void **state)
{
    (void)state;
    Bytes file;
    Err err = { 0 };
    CertificateContent content = read_good(pfx_of(&one));
    assert_true(base64_decode(arena, one.pfx, &file, &err));
    assert_int_equal(content.format, CERTIFICATE_PFX);
    assert_true(str_eq(content.thumbprint, one.thumbprint));
    assert_true(str_eq(str_of(content.material), str_of(file)));        /* as it came: it opens with the customer's password */
    assert_true(str_eq(content.password, STR("pw")));
    assert_true(str_eq(base64_encode(arena, content.der), one.cer));
}

static void test_a_cer_is_read_from_der_and_from_pem_text(void **state)
{
    (void)state;
    CertificateIn in = cer_of(&one);
    CertificateContent der = read_good(in);
    in.data = one.pem;
    CertificateContent pem = read_good(in);
    assert_true(str_eq(str_of(der.material), str_of(pem.material)));
    assert_null(der.password.ptr);
}

static void test_a_key_beside_a_cer_is_not_kept(void **state)
{
    (void)state;
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    AUTO(secret_free_auto) Secret *pem = NULL;
    Bytes file;
    size_t at;
    Err err = { 0 };
    assert_true(base64_decode(arena, one.pfx, &file, &err) && bundle_read_pfx(arena, file, STR("pw"), &bundle, &err) && bundle_write_pem(&bundle, true, &pem, &err));
    CertificateIn in = cer_of(&one);
    in.data = base64_encode(arena, secret_bytes(pem));
    CertificateContent content = read_good(in);
    assert_false(str_find(str_of(content.material), STR("PRIVATE"), &at));
    assert_true(str_eq(base64_encode(arena, content.material), one.cer));
}

static void test_thumbprints_compare_without_case_and_spaces(void **state)
{
    (void)state;
    CertificateIn in = pfx_of(&one);
    in.thumbprint = str_printf(arena, " " STR_FMT " " STR_FMT, STR_ARG(str_upper(arena, str_slice(one.thumbprint, 0, 6))), STR_ARG(str_slice(one.thumbprint, 6, 40)));
    assert_true(str_eq(read_good(in).thumbprint, one.thumbprint));
    in.thumbprint = STR_NONE;                           /* Resource Manager has it in the name */
    in.format = STR_NONE;
    assert_true(str_eq(read_good(in).thumbprint, one.thumbprint));
}

static void test_a_wrong_thumbprint_is_said(void **state)
{
    (void)state;
    CertificateIn in = pfx_of(&one);
    in.thumbprint = other.thumbprint;
    refuse(in, "InvalidPropertyValue", "thumbprint", one.thumbprint.ptr);
    in.thumbprint = STR("abc");
    refuse(in, "InvalidPropertyValue", "thumbprint", "40 hex digits");
    in.thumbprint = str_printf(arena, STR_FMT "0", STR_ARG(one.thumbprint));
    refuse(in, "InvalidPropertyValue", "thumbprint", "40 hex digits");
    in.thumbprint = STR("zz00000000000000000000000000000000000000");
    refuse(in, "InvalidPropertyValue", "thumbprint", "40 hex digits");
    in = cer_of(&one);
    in.thumbprint = other.thumbprint;
    refuse(in, "InvalidPropertyValue", "thumbprint", "is not the thumbprint");
}

static void test_a_wrong_password_is_said(void **state)
{
    (void)state;
    CertificateIn in = pfx_of(&one);
    in.password = STR("PW");
    refuse(in, "InvalidPropertyValue", "password", "does not open");
    in.password = STR("");
    refuse(in, "InvalidPropertyValue", "password", "does not open");
    in.password = STR_NONE;
    refuse(in, "MissingRequiredProperty", "password", "required for a .pfx");
    in = cer_of(&one);
    in.password = STR("pw");
    refuse(in, "InvalidPropertyValue", "password", "left out for a .cer");
}

static void test_data_that_is_no_such_file_is_said(void **state)
{
    (void)state;
    CertificateIn in = pfx_of(&one);
    in.data = one.cer;
    refuse(in, "InvalidPropertyValue", "data", "no .pfx");
    in.data = STR("!!!");
    refuse(in, "InvalidPropertyValue", "data", "base64");
    in.data = STR("");
    refuse(in, "MissingRequiredProperty", "data", "required");
    in = cer_of(&one);
    in.data = one.pfx;
    refuse(in, "InvalidPropertyValue", "data", "a .pfx is uploaded as pfx");
    in.data = str_slice(one.cer, 0, one.cer.len / 8 * 4);
    refuse(in, "InvalidPropertyValue", "data", "no certificate");
    in.data = base64_encode(arena, bytes_of(STR("a certificate that is no certificate")));
    refuse(in, "InvalidPropertyValue", "data", "no certificate");
    in = cer_of(&one);
    in.format = STR("p7b");
    refuse(in, "InvalidPropertyValue", "certificateFormat", "neither pfx nor cer");
    in = cer_of(&one);
    in.algorithm = STR("sha256");
    refuse(in, "InvalidPropertyValue", "thumbprintAlgorithm", "sha1");
}

static void test_several_certificates_are_no_cer(void **state)
{
    (void)state;
    Bytes a, b;
    Err err = { 0 };
    CertificateIn in = cer_of(&one);
    assert_true(base64_decode(arena, one.pem, &a, &err) && base64_decode(arena, other.pem, &b, &err));
    in.data = base64_encode(arena, bytes_of(str_printf(arena, STR_FMT STR_FMT, STR_ARG(str_of(a)), STR_ARG(str_of(b)))));
    refuse(in, "InvalidPropertyValue", "data", "holds 2 certificates");
}

static void test_more_than_ten_kilobytes_are_refused(void **state)
{
    (void)state;
    uint8_t *big = arena_alloc(arena, CERTIFICATE_DATA_MAX + 1);
    CertificateIn in = pfx_of(&one);
    memset(big, '0', CERTIFICATE_DATA_MAX + 1);
    in.data = base64_encode(arena, (Bytes){ big, CERTIFICATE_DATA_MAX + 1 });
    refuse(in, "InvalidPropertyValue", "data", "10 KB");
    in.data = base64_encode(arena, (Bytes){ big, CERTIFICATE_DATA_MAX });
    refuse(in, "InvalidPropertyValue", "data", "no .pfx");
}

/* Every pair is either in this list or refused; the list is written again here, so that a move cannot slip in. */
static void test_state_moves_that_are_not_listed_are_refused(void **state)
{
    static const struct { CertificateState from; CertificateEvent on; CertificateState to; } allowed[] = {
        { CERTIFICATE_ACTIVE, CERTIFICATE_DELETE, CERTIFICATE_DELETING }, { CERTIFICATE_DELETING, CERTIFICATE_IN_USE, CERTIFICATE_DELETE_FAILED },
        { CERTIFICATE_DELETING, CERTIFICATE_UNUSED, CERTIFICATE_GONE }, { CERTIFICATE_DELETE_FAILED, CERTIFICATE_DELETE, CERTIFICATE_DELETING },
        { CERTIFICATE_DELETE_FAILED, CERTIFICATE_CANCEL, CERTIFICATE_ACTIVE },
    };
    (void)state;
    for (int from = 0; from <= CERTIFICATE_STATE_COUNT; from++) {
        for (int on = 0; on <= CERTIFICATE_EVENT_COUNT; on++) {
            CertificateState to = 0, wanted = 0;
            for (size_t i = 0; i < COUNT_OF(allowed); i++)
                if ((int)allowed[i].from == from && (int)allowed[i].on == on)
                    wanted = allowed[i].to;
            assert_int_equal(certificate_move((CertificateState)from, (CertificateEvent)on, &to), wanted != 0);
            assert_int_equal(to, wanted);
        }
    }
    assert_string_equal(certificate_state_name(CERTIFICATE_DELETE_FAILED), "deletefailed");
    assert_string_equal(certificate_provisioning_name(CERTIFICATE_DELETE_FAILED), "Failed");
}

static int setup(void **state)
{
    (void)state;
    arena = arena_new(16 << 20);
    one = upload_make(arena, "one");
    other = upload_make(arena, "other");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pfx_opens_with_its_password),
        cmocka_unit_test(test_a_cer_is_read_from_der_and_from_pem_text),
        cmocka_unit_test(test_a_key_beside_a_cer_is_not_kept),
        cmocka_unit_test(test_thumbprints_compare_without_case_and_spaces),
        cmocka_unit_test(test_a_wrong_thumbprint_is_said),
        cmocka_unit_test(test_a_wrong_password_is_said),
        cmocka_unit_test(test_data_that_is_no_such_file_is_said),
        cmocka_unit_test(test_several_certificates_are_no_cer),
        cmocka_unit_test(test_more_than_ten_kilobytes_are_refused),
        cmocka_unit_test(test_state_moves_that_are_not_listed_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
