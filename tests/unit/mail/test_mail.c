/* test_mail.c - messages as they are sent, and addresses that are none. Sending is tested against a server in tests/system/test_contacts.py. */
#include "../cm.h"
#include "base/encode.h"
#include "mail/mail.h"

static Arena *arena;
static Err err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(4 << 20);
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static Str composed(Str subject, Str text)
{
    static const Str to[] = { { "a@example.com", 13 }, { "b@example.com", 13 } };
    MailRelay relay = { .from = STR("vault@example.org") };
    MailMessage message = { .to = to, .to_count = 2, .subject = subject, .text = text, .id = STR("0123"), .time_ms = INT64_C(1767225600000) };
    Str out;
    if (!mail_compose(arena, &relay, &message, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static void expect_line(Str message, const char *line)
{
    size_t at;
    if (!str_find(message, str_printf(arena, "%s\r\n", line), &at))
        fail_msg("no line '%s' in:\n" STR_FMT, line, STR_ARG(message));
}

static void test_headers_are_those_of_the_standards(void **state)
{
    (void)state;
    Str message = composed(STR("plain words"), STR("text\n"));
    expect_line(message, "Date: Thu, 1 Jan 2026 00:00:00 +0000");
    expect_line(message, "From: Vaultyard <vault@example.org>");
    expect_line(message, "To: <a@example.com>,\r\n <b@example.com>");
    expect_line(message, "Subject: plain words");
    expect_line(message, "Message-ID: <0123@example.org>");
    expect_line(message, "Auto-Submitted: auto-generated");
}

static void test_what_is_not_ascii_is_encoded_in_short_lines(void **state)
{
    (void)state;
    Str subject = STR("Zertifikat l\xC3\xA4uft ab: \xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6\xC3\xBC\r\nBcc: evil@example.com"), read = STR("");
    char *text = arena_alloc(arena, 5000);
    memset(text, 'x', 5000);
    Str message = composed(subject, (Str){ text, 5000 });
    size_t at;
    assert_false(str_find(message, STR("\nBcc:"), &at));        /* a line break in a name begins no header */
    for (Str rest = message; rest.ptr;) {
        Str line = str_cut(&rest, '\n');
        assert_true(line.len <= 79);
    }
    assert_true(str_find(message, STR("Subject: "), &at));
    for (Str rest = str_slice(message, at, message.len); str_find(rest, STR("=?UTF-8?B?"), &at);) {
        size_t end;
        Bytes word;
        rest = str_slice(rest, at + 10, rest.len);
        assert_true(str_find(rest, STR("?="), &end));
        assert_true(base64_decode(arena, str_slice(rest, 0, end), &word, &err));
        assert_true(str_is_utf8(str_of(word)));
        read = str_printf(arena, STR_FMT STR_FMT, STR_ARG(read), STR_ARG(str_of(word)));
    }
    assert_true(str_eq(read, subject));
}

static void test_addresses_that_could_end_a_command_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "a", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a,b@c", "\"a\"@b", "a@b>", "a\x01@b" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(mail_address_is_plain(str_from(bad[i])));
    assert_true(mail_address_is_plain(STR("ops+vault@example.com")) && mail_address_is_plain(STR("j\xC3\xBCrgen@example.com")));
    Str to[] = { STR("a@b\nc") };
    MailRelay relay = { .from = STR("v@example.org") };
    MailMessage message = { .to = to, .to_count = 1, .subject = STR("s"), .text = STR("t"), .id = STR("1") };
    Str out;
    assert_false(mail_compose(arena, &relay, &message, &out, &err));
    message.to_count = 0;
    assert_false(mail_compose(arena, &relay, &message, &out, &err));
}

static void test_relay_that_is_not_there_is_named(void **state)
{
    (void)state;
    Str to[] = { STR("a@example.com") };
    MailRelay relay = { .host = "127.0.0.1", .port = 1, .tls = MAIL_PLAIN, .from = STR("v@example.org") };
    MailMessage message = { .to = to, .to_count = 1, .subject = STR("s"), .text = STR("t"), .id = STR("1") };
    size_t refused;
    assert_false(mail_send(&relay, arena, &message, &refused, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_are_those_of_the_standards),
        cmocka_unit_test(test_what_is_not_ascii_is_encoded_in_short_lines),
        cmocka_unit_test(test_addresses_that_could_end_a_command_are_none),
        cmocka_unit_test(test_relay_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
