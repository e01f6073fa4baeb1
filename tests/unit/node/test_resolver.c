#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../cm.h"
#include "node/network/dns.h"
#include "node/network/resolver.h"

static const Str domains[] = { { "corp.example", 12 }, { "vault.azure.net", 15 } };

/* A question as the C library asks it: one name, recursion desired. */
static size_t question(uint8_t out[DNS_MESSAGE_MAX], const char *name, unsigned type)
{
    memcpy(out, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    size_t at = 12;
    for (Str rest = str_from(name); rest.ptr && rest.len;) {
        Str label = str_cut(&rest, '.');
        out[at++] = (uint8_t)label.len;
        memcpy(out + at, label.ptr, label.len);
        at += label.len;
    }
    out[at++] = 0;
    const uint8_t end[] = { 0, (uint8_t)type, 0, 1 };
    memcpy(out + at, end, sizeof end);
    return at + sizeof end;
}

typedef struct Seen { size_t len; unsigned rcode, answers; uint8_t data[16]; size_t data_len; } Seen;

static Seen ask(const char *name, unsigned type)
{
    uint8_t query[DNS_MESSAGE_MAX], out[DNS_MESSAGE_MAX];
    size_t query_len = question(query, name, type);
    Seen seen = { .len = dns_answer(domains, COUNT_OF(domains), query, query_len, out) };
    assert_true(seen.len >= query_len);
    assert_memory_equal(out, query, 2);
    assert_memory_equal(out + 12, query + 12, query_len - 12);
    seen.rcode = out[3] & 0x0F;
    seen.answers = out[7];
    if (seen.answers) {
        seen.data_len = out[query_len + 11];
        assert_int_equal(query_len + 12 + seen.data_len, seen.len);
        memcpy(seen.data, out + query_len + 12, seen.data_len);
    }
    return seen;
}

static void test_names_of_the_site_lead_to_the_loopback(void **state)
{
    (void)state;
    static const char *const ours[] = { "corp.example", "kv1.vault.corp.example", "KV1.Vault.AZURE.net", "vault.azure.net" };
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        Seen v4 = ask(ours[i], 1), v6 = ask(ours[i], 28), mx = ask(ours[i], 15);
        assert_int_equal(v4.answers, 1);
        assert_int_equal(v4.data_len, 4);
        assert_memory_equal(v4.data, "\x7f\x00\x00\x01", 4);
        assert_int_equal(v6.data_len, 16);
        assert_memory_equal(v6.data, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
        assert_int_equal(mx.rcode, 0);
        assert_int_equal(mx.answers, 0);
    }
}

static void test_there_are_no_other_names(void **state)
{
    (void)state;
    static const char *const foreign[] = { "example", "xcorp.example", "corp.example.org", "azure.net", "xvault.azure.net", "localhost", "a" };
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        Seen seen = ask(foreign[i], 1);
        assert_int_equal(seen.rcode, 3);
        assert_int_equal(seen.answers, 0);
    }
}

static void test_what_is_no_question_gets_an_error_or_nothing(void **state)
{
    (void)state;
    uint8_t query[DNS_MESSAGE_MAX], out[DNS_MESSAGE_MAX];
    size_t len = question(query, "corp.example", 1);
    for (size_t cut = 0; cut < 12; cut++)
        assert_int_equal(dns_answer(domains, 2, query, cut, out), 0);
    for (size_t cut = 12; cut < len; cut++) {
        assert_int_equal(dns_answer(domains, 2, query, cut, out), 12);
        assert_int_equal(out[3] & 0x0F, 1);
    }
    query[5] = 2;                               /* two questions */
    assert_int_equal(dns_answer(domains, 2, query, len, out), 12);
    assert_int_equal(out[3] & 0x0F, 1);
    query[5] = 1;
    query[2] = 0x28;                            /* an update */
    assert_int_equal(dns_answer(domains, 2, query, len, out), 12);
    assert_int_equal(out[3] & 0x0F, 4);
    query[2] = 0x81;                            /* an answer: answering it would go on for ever */
    assert_int_equal(dns_answer(domains, 2, query, len, out), 0);
}

static void test_it_answers_over_udp_and_survives_an_empty_datagram(void **state)
{
    (void)state;
    Resolver *resolver;
    Err err = { 0 };
    const JsonVal *list;
    Arena *arena = arena_new(64 * 1024);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t at_len = sizeof at;
    int probe = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(probe, (struct sockaddr *)&at, at_len), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&at, &at_len), 0);
    assert_false(resolver_start(ntohs(at.sin_port), &resolver, &err));        /* taken */
    (void)close(probe);
    assert_true(resolver_start(ntohs(at.sin_port), &resolver, &err));
    assert_true(json_parse(arena, STR("[\"corp.example\", \"\", 7]"), JSON_STRICT, &list, &err));
    resolver_set_domains(resolver, list);
    resolver_set_domains(resolver, NULL);

    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    uint8_t query[DNS_MESSAGE_MAX], out[DNS_MESSAGE_MAX];
    assert_int_equal(connect(fd, (struct sockaddr *)&at, at_len), 0);
    assert_int_equal(send(fd, "", 0, 0), 0);
    size_t len = question(query, "kv.vault.corp.example", 1);
    assert_int_equal(send(fd, query, len, 0), (int)len);
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&ready, 1, 60000), 1);
    assert_int_equal(recv(fd, out, sizeof out, 0), (int)len + 16);
    (void)close(fd);
    resolver_stop(resolver);
    resolver_stop(NULL);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_the_site_lead_to_the_loopback),
        cmocka_unit_test(test_there_are_no_other_names),
        cmocka_unit_test(test_what_is_no_question_gets_an_error_or_nothing),
        cmocka_unit_test(test_it_answers_over_udp_and_survives_an_empty_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
