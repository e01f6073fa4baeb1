#include "../cm.h"
#include "server/names.h"

#define DOMAIN STR("vaultyard.localhost")

static Arena *arena;

static int set_up(void **state) { (void)state; return !(arena = arena_new(64 * 1024)); }
static int tear_down(void **state) { (void)state; arena_free(arena); return 0; }

static void test_names_are_added(void **state)
{
    (void)state;
    HttpAlias names[NAMES_MAX];
    size_t count = 0;
    Err err = { 0 };
    assert_true(names_add(arena, STR("vault=keys.example.org"), DOMAIN, names, &count, &err));
    assert_true(names_add(arena, STR("portal=vaultyard.example.org"), DOMAIN, names, &count, &err));
    assert_int_equal(count, 2);
    assert_str(names[0].labels, "vault");
    assert_str(names[0].name, "keys.example.org");
    count = 0;
    assert_true(names_add_public(arena, DOMAIN, names, &count, &err));
    assert_int_equal(count, 5);
}

static void test_names_that_would_not_work_are_refused(void **state)
{
    (void)state;
    static const struct { const char *text, *word; } cases[] = {
        { "vault", "PART=HOST" }, { "=x.org", "no part" }, { "nodes=n.example.org", "no part" }, { "vault=", "host name" }, { "vault=A.org", "host name" },
        { "vault=a..b", "host name" }, { "vault=https://a.org", "host name" }, { "vault=a.org:443", "host name" }, { "vault=vaultyard.localhost", "domain" },
        { "vault=keys.vaultyard.localhost", "domain" }, { "vault=localhost", "domain" }, { "graph=b.org", "two names" }, { "login=graph.b.org", "overlap" },
        { "login=b.org", "overlap" }, { "login=org", "overlap" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HttpAlias names[NAMES_MAX];
        size_t count = 0, at;
        Err err = { 0 };
        assert_true(names_add(arena, STR("graph=b.org"), DOMAIN, names, &count, &err));
        if (names_add(arena, str_from(cases[i].text), DOMAIN, names, &count, &err))
            fail_msg("'%s' was taken", cases[i].text);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        if (!str_find(str_from(err.text), str_from(cases[i].word), &at))
            fail_msg("'%s' does not say '%s'", err.text, cases[i].word);
        assert_int_equal(count, 1);
    }
}

static void test_names_are_read_as_written(void **state)
{
    (void)state;
    HttpAlias names[NAMES_MAX];
    const HttpAlias *again;
    size_t count = 0, read;
    Err err = { 0 };
    Buf text = { 0 };
    JsonWriter w;
    const JsonVal *root;
    assert_true(names_add_public(arena, DOMAIN, names, &count, &err));
    buf_init(&text, 4096);
    json_begin(&w, &text);
    json_open(&w, NULL);
    names_write(&w, names, count);
    json_close(&w);
    assert_true(json_end(&w, &err) && json_parse(arena, buf_str(&text), JSON_STRICT, &root, &err));
    assert_true(names_read(arena, json_get(root, "names"), DOMAIN, &again, &read, &err));
    assert_int_equal(read, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(str_eq(again[i].labels, names[i].labels));
        assert_true(str_eq(again[i].name, names[i].name));
    }
    buf_done(&text);
    assert_true(names_read(arena, NULL, DOMAIN, &again, &read, &err));
    assert_int_equal(read, 0);
    static const char *const bad[] = { "[]", "{\"vault\": 1}", "{\"vault\": null}", "{\"valt\": \"a.org\"}", "\"x\"" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_true(json_parse(arena, str_from(bad[i]), JSON_STRICT, &root, &err));
        if (names_read(arena, root, DOMAIN, &again, &read, &err))
            fail_msg("%s was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names_are_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_that_would_not_work_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_are_read_as_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
