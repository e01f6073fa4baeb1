/* test_tls.c - which certificate a name gets, which names and ciphers are refused, and that sessions resume. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "fixture.h"

static Fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL, false);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

typedef struct Ask {
    const char *name;                   /* SNI; NULL: none */
    const char *priorities;             /* NULL: GnuTLS's own */
    gnutls_datum_t *session;            /* in: resume it, when it has data; out: the session to resume */
} Ask;

typedef struct Got {
    bool is_good;
    int  alert;                         /* of a refused handshake; -1: closed without one */
    bool is_resumed;
    gnutls_protocol_t version;
    char serial[41];                    /* of the leaf */
    bool fits;                          /* the leaf is for the name, or for localhost when there was none */
    char alpn[16];
} Got;

static void read_leaf(gnutls_session_t session, const Ask *ask, Got *got)
{
    unsigned count;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (!chain)
        return;
    gnutls_x509_crt_t leaf;
    unsigned char serial[20];
    size_t size = sizeof serial;
    gnutls_x509_crt_init(&leaf);
    assert_int_equal(gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER), 0);
    assert_int_equal(gnutls_x509_crt_get_serial(leaf, serial, &size), 0);
    for (size_t i = 0; i < size; i++)
        snprintf(got->serial + 2 * i, 3, "%02x", serial[i]);
    bool is_named = ask->name && strcmp(ask->name, "localhost") != 0;
    got->fits = gnutls_x509_crt_check_hostname(leaf, is_named ? ask->name : "localhost") != 0;
    gnutls_x509_crt_deinit(leaf);
}

static void talk(gnutls_session_t session, const Ask *ask, Got *got)
{
    gnutls_datum_t alpn;
    char answer[1024];
    const char *request = "GET /healthz HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n";
    got->is_good = true;
    got->is_resumed = gnutls_session_is_resumed(session) != 0;
    got->version = gnutls_protocol_get_version(session);
    if (gnutls_alpn_get_selected_protocol(session, &alpn) == 0)
        snprintf(got->alpn, sizeof got->alpn, "%.*s", (int)alpn.size, alpn.data);
    read_leaf(session, ask, got);
    assert_int_equal(gnutls_record_send(session, request, strlen(request)), strlen(request));
    ssize_t len;
    do
        len = gnutls_record_recv(session, answer, sizeof answer - 1);
    while (len == GNUTLS_E_AGAIN);                  /* TLS 1.3 sends its tickets before */
    assert_true(len > 12);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    if (ask->session) {
        gnutls_free(ask->session->data);
        assert_int_equal(gnutls_session_get_data2(session, ask->session), 0);
    }
    gnutls_bye(session, GNUTLS_SHUT_WR);
}

static Got handshake(Ask ask)
{
    Got got = { .alert = -1 };
    gnutls_session_t session;
    gnutls_certificate_credentials_t trust;
    const gnutls_datum_t alpn[] = { { (unsigned char *)(uintptr_t)"h2", 2 }, { (unsigned char *)(uintptr_t)"http/1.1", 8 } };
    gnutls_certificate_allocate_credentials(&trust);
    assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT), 0);
    assert_int_equal(gnutls_priority_set_direct(session, ask.priorities ? ask.priorities : "NORMAL", NULL), 0);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
    gnutls_alpn_set_protocols(session, alpn, COUNT_OF(alpn), 0);
    if (ask.name)
        gnutls_server_name_set(session, GNUTLS_NAME_DNS, ask.name, strlen(ask.name));
    if (ask.session && ask.session->data)
        assert_int_equal(gnutls_session_set_data(session, ask.session->data, ask.session->size), 0);
    int fd = raw_connect(&fixture);
    gnutls_transport_set_int(session, fd);
    int code;
    do
        code = gnutls_handshake(session);
    while (code < 0 && !gnutls_error_is_fatal(code));
    if (code == 0)
        talk(session, &ask, &got);
    else if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
        got.alert = gnutls_alert_get(session);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(trust);
    close(fd);
    return got;
}

static void test_each_name_gets_its_own_leaf_from_the_cache(void **state)
{
    (void)state;
    Got v1 = handshake((Ask){ .name = "v1.vault.test.localhost" }), v2 = handshake((Ask){ .name = "v2.vault.test.localhost" });
    Got management = handshake((Ask){ .name = "management.test.localhost" }), again = handshake((Ask){ .name = "V1.Vault.test.localhost" });
    assert_true(v1.is_good && v1.fits && v2.is_good && v2.fits && management.is_good && management.fits && again.is_good);
    assert_string_not_equal(v1.serial, v2.serial);
    assert_string_equal(v1.serial, again.serial);
    assert_int_equal(fixture.leaves_made, 3);
    assert_int_equal(v1.version, GNUTLS_TLS1_3);
    assert_string_equal(v1.alpn, "http/1.1");
}

static void test_names_that_do_not_exist_get_the_alert_unrecognized_name(void **state)
{
    (void)state;
    static const char *const names[] = { "gone.vault.test.localhost", "test.localhost", "a.b.vault.test.localhost", "example.com", "vault.test.localhost", "x" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        Got tls13 = handshake((Ask){ .name = names[i] });
        Got tls12 = handshake((Ask){ .name = names[i], .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2" });
        assert_false(tls13.is_good || tls12.is_good);
        assert_int_equal(tls13.alert, GNUTLS_A_UNRECOGNIZED_NAME);
        assert_int_equal(tls12.alert, GNUTLS_A_UNRECOGNIZED_NAME);
    }
    assert_int_equal(fixture.leaves_made, 0);
}

static void test_name_that_went_away_is_refused_though_its_leaf_is_cached(void **state)
{
    (void)state;
    assert_true(handshake((Ask){ .name = "v1.vault.test.localhost" }).is_good);
    fixture.vault_gone = true;
    assert_int_equal(handshake((Ask){ .name = "v1.vault.test.localhost" }).alert, GNUTLS_A_UNRECOGNIZED_NAME);
}

static void test_no_name_and_localhost_get_the_default_leaf(void **state)
{
    (void)state;
    Got none = handshake((Ask){ 0 }), localhost = handshake((Ask){ .name = "localhost" });
    assert_true(none.is_good && none.fits && localhost.is_good && localhost.fits);
    assert_string_equal(none.serial, localhost.serial);
}

static void test_leaf_is_made_again_at_its_time_and_the_old_one_serves_when_that_fails(void **state)
{
    (void)state;
    fixture.renew_in_ms = -1;
    Got first = handshake((Ask){ .name = "v1.vault.test.localhost" });
    fixture.renew_in_ms = 3600 * 1000;
    Got second = handshake((Ask){ .name = "v1.vault.test.localhost" });
    assert_string_not_equal(first.serial, second.serial);
    assert_string_equal(second.serial, handshake((Ask){ .name = "v1.vault.test.localhost" }).serial);

    fixture.renew_in_ms = -1;
    Got old = handshake((Ask){ .name = "v2.vault.test.localhost" });
    fixture.leaf_fails = true;
    Got kept = handshake((Ask){ .name = "v2.vault.test.localhost" });
    assert_true(kept.is_good);
    assert_string_equal(old.serial, kept.serial);
    assert_int_equal(handshake((Ask){ .name = "x-1.vault.test.localhost" }).alert, GNUTLS_A_INTERNAL_ERROR);
}

static void test_dropped_leaf_is_made_again(void **state)
{
    (void)state;
    Got first = handshake((Ask){ .name = "v1.vault.test.localhost" });
    http_drop_leaf(fixture.server, STR("v1.vault.test.localhost"));
    http_drop_leaf(fixture.server, STR("never.there"));
    assert_string_not_equal(first.serial, handshake((Ask){ .name = "v1.vault.test.localhost" }).serial);
}

static void test_cache_of_leaves_is_bounded(void **state)
{
    (void)state;
    enum { NAMES = 530 };               /* the cache holds 512 */
    char name[64];
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "x-%d.vault.test.localhost", i);
        assert_true(handshake((Ask){ .name = name }).fits);
    }
    assert_int_equal(fixture.leaves_made, NAMES);
    assert_true(handshake((Ask){ .name = "x-529.vault.test.localhost" }).is_good);
    assert_int_equal(fixture.leaves_made, NAMES);
    assert_true(handshake((Ask){ .name = "x-0.vault.test.localhost" }).is_good);
    assert_int_equal(fixture.leaves_made, NAMES + 1);
}

static void test_only_tls_12_and_13_with_aead_suites(void **state)
{
    (void)state;
    static const char *const good[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305", "NORMAL:-GROUP-ALL:+GROUP-SECP384R1",
    };
    static const char *const bad[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.0", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CCM", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!handshake((Ask){ .name = "v1.vault.test.localhost", .priorities = good[i] }).is_good)
            fail_msg("%s was refused", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (handshake((Ask){ .name = "v1.vault.test.localhost", .priorities = bad[i] }).is_good)
            fail_msg("%s was accepted", bad[i]);
}

static void test_sessions_resume_by_ticket(void **state)
{
    (void)state;
    static const char *const versions[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        gnutls_datum_t session = { 0 };
        Ask ask = { .name = "v1.vault.test.localhost", .priorities = versions[i], .session = &session };
        assert_false(handshake(ask).is_resumed);
        assert_true(handshake(ask).is_resumed);
        assert_true(handshake(ask).is_resumed);
        gnutls_free(session.data);
    }
}

static ssize_t read_nothing(gnutls_transport_ptr_t fd, void *bytes, size_t size)
{
    (void)fd, (void)bytes, (void)size;
    errno = EAGAIN;
    return -1;
}

/* The first bytes of a ClientHello that never goes on, and a whole one whose client never answers. */
static int stall(bool with_hello)
{
    int fd = raw_connect(&fixture);
    if (!with_hello) {
        raw_send(fd, STR("\x16\x03\x01\x01\xa4\x01"));
        return fd;
    }
    gnutls_session_t session;
    gnutls_certificate_credentials_t trust;
    gnutls_certificate_allocate_credentials(&trust);
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    gnutls_priority_set_direct(session, "NORMAL", NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
    gnutls_server_name_set(session, GNUTLS_NAME_DNS, "v1.vault.test.localhost", 23);
    gnutls_transport_set_int(session, fd);
    char first;
    gnutls_transport_set_pull_function(session, read_nothing);
    assert_int_equal(gnutls_handshake(session), GNUTLS_E_AGAIN);
    assert_int_equal(recv(fd, &first, 1, MSG_PEEK), 1);     /* the server's part is here and stays unread */
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(trust);
    return fd;
}

static int64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void test_stalled_handshakes_cost_no_time_and_do_not_hold_up_stop(void **state)
{
    (void)state;
    enum { COUNT = 40, WATCH_MS = 300 };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = stall(i % 2);
    int64_t before = cpu_ms();
    usleep(WATCH_MS * 1000);                        /* an event loop that spins would use it all */
    assert_true(cpu_ms() - before < WATCH_MS / 3);
    assert_true(handshake((Ask){ .name = "v1.vault.test.localhost" }).is_good);
    int64_t from = mono_now_ms();
    http_stop(fixture.server, 60 * 1000);
    fixture.server = NULL;
    assert_true(mono_now_ms() - from < 30 * 1000);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

static void test_handshake_that_takes_too_long_is_ended(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    HttpConfig config = { .handshake_timeout_ms = 50 };
    fixture_start(&fixture, &config, false);
    for (int with_hello = 0; with_hello < 2; with_hello++) {
        char bytes[4096];
        ssize_t got;
        int fd = stall(with_hello);
        while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0)
            ;
        assert_true(got == 0 || errno == ECONNRESET);
        close(fd);
    }
    assert_true(handshake((Ask){ .name = "v1.vault.test.localhost" }).is_good);
}

static void test_other_protocols_on_the_tls_port_are_hung_up_on(void **state)
{
    (void)state;
    Arena *arena = arena_new(ARENA);
    int fd = raw_connect(&fixture);
    raw_send(fd, STR("GET / HTTP/1.1\r\nHost: management.test.localhost\r\n\r\n"));
    assert_false(str_starts(raw_read_all(arena, fd), STR("HTTP")));
    assert_true(handshake((Ask){ .name = "v1.vault.test.localhost" }).is_good);
    arena_free(arena);
}

#define ON_A_SERVER(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(test_each_name_gets_its_own_leaf_from_the_cache),
        ON_A_SERVER(test_names_that_do_not_exist_get_the_alert_unrecognized_name),
        ON_A_SERVER(test_name_that_went_away_is_refused_though_its_leaf_is_cached),
        ON_A_SERVER(test_no_name_and_localhost_get_the_default_leaf),
        ON_A_SERVER(test_leaf_is_made_again_at_its_time_and_the_old_one_serves_when_that_fails),
        ON_A_SERVER(test_dropped_leaf_is_made_again),
        ON_A_SERVER(test_cache_of_leaves_is_bounded),
        ON_A_SERVER(test_only_tls_12_and_13_with_aead_suites),
        ON_A_SERVER(test_sessions_resume_by_ticket),
        ON_A_SERVER(test_stalled_handshakes_cost_no_time_and_do_not_hold_up_stop),
        ON_A_SERVER(test_handshake_that_takes_too_long_is_ended),
        ON_A_SERVER(test_other_protocols_on_the_tls_port_are_hung_up_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
