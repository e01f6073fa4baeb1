#include "../cm.h"
#include <unistd.h>
#include "base/buf.h"
#include "certs/log_form.h"

static Buf line;

static Str written(LogLevel level, const char *event, const LogField *fields, size_t count)
{
    buf_reset(&line);
    log_form_write(&line, level, event, fields, count);
    return buf_str(&line);
}

static int set_up(void **state) { (void)state; buf_init(&line, 65536); return 0; }
static int tear_down(void **state) { (void)state; buf_done(&line); return 0; }

static void test_a_line_reads_as_the_extensions(void **state)
{
    (void)state;
    LogField fields[] = { log_cstr("url", "https://v.vault.x/secrets/a"), log_cstr("version", "0123") };
    Str got = written(LOG_INFO, "certs.installed", fields, 2);
    assert_int_equal(got.ptr[4], '-');
    assert_int_equal(got.ptr[10], ' ');
    assert_str(str_slice(got, 19, got.len), ": info [CertificateManager]\tretrieved 'https://v.vault.x/secrets/a'; most recent version is '0123' (certs.installed)");
    got = written(LOG_ERROR, "certs.settings_unusable", (LogField[]){ log_cstr("error", "not an object") }, 1);
    assert_str(str_slice(got, 19, got.len), ": error [CertificateManagementConfiguration]\tnot an object (certs.settings_unusable)");
}

static void test_what_no_sentence_uses_is_not_lost(void **state)
{
    (void)state;
    Str got = written(LOG_INFO, "certs.started", (LogField[]){ log_int("observed", 3), log_cstr("odd", "a b") }, 2);
    assert_true(str_ends(got, STR(" observed=3 odd=\"a b\" (certs.started)")));
    got = written(LOG_WARN, "http.trouble", (LogField[]){ log_cstr("error", "x") }, 1);
    assert_str(str_slice(got, 19, got.len), ": warn [Global]\thttp.trouble error=x");
}

static void test_no_value_forges_a_line(void **state)
{
    (void)state;
    LogField fields[] = { log_cstr("url", "u"), log_cstr("error", "a\n2026-01-01 00:00:00: info [Global]\tall is well\x1b[0m") };
    Str got = written(LOG_WARN, "certs.sync_failed", fields, 2);
    for (size_t i = 0; i < got.len; i++)
        assert_true((unsigned char)got.ptr[i] >= ' ' || got.ptr[i] == '\t');
    assert_null(memchr(memchr(got.ptr, '\t', got.len) + 1, '\t', got.len - 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line_reads_as_the_extensions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_no_sentence_uses_is_not_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_value_forges_a_line, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
