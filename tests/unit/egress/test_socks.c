/* test_socks.c - the client's messages of SOCKS 5, whole, in pieces and wrong. */
#include "../cm.h"
#include <stdio.h>
#include "egress/socks.h"

#define BYTES(...) ((Bytes){ (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })

static void test_a_greeting_says_whether_it_goes_without_a_password(void **state)
{
    size_t used = 0;
    bool without = false;
    (void)state;
    assert_int_equal(socks_read_greeting(BYTES(5, 2, 2, 0, 99), &used, &without), SOCKS_READ);
    assert_true(used == 4 && without);
    assert_int_equal(socks_read_greeting(BYTES(5, 1, 2), &used, &without), SOCKS_READ);
    assert_true(used == 3 && !without);
    assert_int_equal(socks_read_greeting(BYTES(5, 0), &used, &without), SOCKS_READ);
    assert_false(without);
    assert_int_equal(socks_read_greeting(BYTES(4, 1, 0, 80), &used, &without), SOCKS_WRONG);
    assert_int_equal(socks_read_greeting(BYTES('G', 'E', 'T'), &used, &without), SOCKS_WRONG);
    assert_int_equal(socks_read_greeting(BYTES(5), &used, &without), SOCKS_MORE);
    assert_int_equal(socks_read_greeting(BYTES(5, 3, 0, 0), &used, &without), SOCKS_MORE);
}

static void test_requests_are_read_whole_and_wanted_when_cut(void **state)
{
    static const uint8_t v4[] = { 5, 1, 0, 1, 127, 0, 0, 1, 0x27, 0x10 }, name[] = { 5, 1, 0, 3, 4, 'h', 'o', 's', 't', 1, 0xbb },
                         v6[] = { 5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80 };
    static const Bytes all[] = { { v4, sizeof v4 }, { name, sizeof name }, { v6, sizeof v6 } };
    SocksRequest request;
    size_t used;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (size_t len = 0; len <= all[i].len; len++)
            assert_int_equal(socks_read_request((Bytes){ all[i].ptr, len }, &used, &request), len < all[i].len ? SOCKS_MORE : SOCKS_READ);
    assert_int_equal(socks_read_request(all[0], &used, &request), SOCKS_READ);
    assert_true(IN6_IS_ADDR_V4MAPPED(&request.address) && request.address.s6_addr[12] == 127 && request.port == 10000 && !request.name[0] && used == sizeof v4);
    assert_int_equal(socks_read_request(all[1], &used, &request), SOCKS_READ);
    assert_true(strcmp(request.name, "host") == 0 && request.port == 443 && request.command == SOCKS_CONNECT && used == sizeof name);
    assert_int_equal(socks_read_request(all[2], &used, &request), SOCKS_READ);
    assert_true(IN6_IS_ADDR_LOOPBACK(&request.address) && request.port == 80);
}

static void test_names_and_addresses_that_are_none_are_told(void **state)
{
    SocksRequest request;
    size_t used;
    uint8_t longest[4 + 1 + 255 + 2] = { 5, 1, 0, 3, 255 };
    (void)state;
    memset(longest + 5, 'a', 255);
    assert_int_equal(socks_read_request((Bytes){ longest, sizeof longest }, &used, &request), SOCKS_READ);
    assert_true(request.has_bad_address && !request.name[0]);
    longest[4] = SOCKS_NAME_MAX;
    assert_int_equal(socks_read_request((Bytes){ longest, sizeof longest }, &used, &request), SOCKS_READ);
    assert_true(!request.has_bad_address && strlen(request.name) == SOCKS_NAME_MAX);
    const Bytes bad[] = { BYTES(5, 1, 0, 3, 0, 0, 80), BYTES(5, 1, 0, 3, 2, 'a', 0, 0, 80), BYTES(5, 1, 0, 3, 3, 'a', ' ', 'b', 0, 80), BYTES(5, 1, 0, 3, 1, '\n', 0, 80),
                          BYTES(5, 1, 0, 3, 1, 0xc3, 0, 80), BYTES(5, 1, 0, 2, 0), BYTES(5, 1, 0, 0, 0) };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(socks_read_request(bad[i], &used, &request), SOCKS_READ);
        assert_true(request.has_bad_address);
    }
    assert_int_equal(socks_read_request(BYTES(5, 2, 0, 1, 1, 2, 3, 4, 0, 80), &used, &request), SOCKS_READ);
    assert_int_equal(request.command, 2);
    assert_int_equal(socks_read_request(BYTES(4, 1, 0, 1, 1, 2, 3, 4, 0, 80), &used, &request), SOCKS_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_greeting_says_whether_it_goes_without_a_password),
        cmocka_unit_test(test_requests_are_read_whole_and_wanted_when_cut),
        cmocka_unit_test(test_names_and_addresses_that_are_none_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
