#include "../cm.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/file.h"
#include "certs/state.h"

static const int64_t NOW_MS = 1614813143000;            /* 2021-03-03T23:12:23Z */
static char base[] = "/tmp/vaultyard-state-XXXXXX";
static Arena *arena;
static Observed observed[2];
static Tracked tracked[2];
static CertSettings settings;
static HookRun hook;
static StateView view;

static int set_up(void **state)
{
    (void)state;
    memcpy(base + sizeof base - 7, "XXXXXX", 6);
    arena = arena_new(1 << 20);
    observed[0] = (Observed){ .base_url = STR("https://v.vault.x/secrets/a"), .vault = STR("v"), .name = STR("a"), .store_dir = STR("/c"), .link_name = STR("v.a") };
    observed[1] = (Observed){ .base_url = STR("https://v.vault.x/secrets/b"), .vault = STR("v"), .name = STR("b"), .store_dir = STR("/c"), .link_name = STR("odd\"name\\") };
    tracked[0] = (Tracked){ .version = "0123456789abcdef0123456789abcdef", .not_before_ms = NOW_MS, .not_after_ms = NOW_MS + 86400000, .success_ms = NOW_MS, .try_ms = NOW_MS };
    tracked[1] = (Tracked){ .is_failed = true, .try_ms = NOW_MS, .failing_since_ms = NOW_MS - 1000, .retry_ms = NOW_MS + 5000, .reason = "may not get the \"secret\"" };
    settings = (CertSettings){ .observed = observed, .observed_count = 2 };
    hook_init(&hook);
    view = (StateView){ .settings = &settings, .tracked = tracked, .hook = &hook, .started_ms = NOW_MS, .now_ms = NOW_MS, .next_poll_ms = NOW_MS + 60000,
                        .listening = 1, .settings_error = "" };
    return mkdtemp(base) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    bool gone = dir_remove_tree(base, &err);
    arena_free(arena);
    return !gone;
}

static const char *file(const char *name) { return str_printf(arena, "%s/%s", base, name).ptr; }

static const JsonVal *written(void)
{
    Err err = { 0 };
    Str text;
    const JsonVal *root;
    assert_true(state_write(file("state.json"), &view, &err));
    assert_true(file_read(arena, file("state.json"), 65536, &text, &err));
    assert_true(json_parse(arena, text, JSON_STRICT, &root, &err));
    return root;
}

static void test_each_certificate_says_how_it_stands(void **state)
{
    (void)state;
    const JsonVal *list = json_get(written(), "certificates"), *good = json_at(list, 0), *bad = json_at(list, 1);
    assert_true(json_bool(json_get(good, "isCurrent"), false));
    assert_str(json_str(json_get(good, "expires")), "2021-03-04T23:12:23Z");
    assert_str(json_str(json_get(good, "nextTry")), "2021-03-03T23:13:23Z");
    assert_null(json_get(good, "lastError"));
    assert_false(json_bool(json_get(bad, "isCurrent"), true));
    assert_str(json_str(json_get(bad, "lastError")), "may not get the \"secret\"");
    assert_str(json_str(json_get(bad, "nextTry")), "2021-03-03T23:12:28Z");
    assert_int_equal(json_kind(json_get(bad, "lastSuccess")), JSON_NULL);
    assert_null(json_get(written(), "hook"));
}

static bool hook_is_pending(const char *path)
{
    StateBefore before;
    state_read(arena, path, &before);
    return before.hook_is_pending;
}

static void test_a_hook_that_is_owed_is_remembered(void **state)
{
    (void)state;
    assert_false(hook_is_pending(file("state.json")));             /* no file */
    settings.hook.word_count = 1;
    (void)written();
    assert_false(hook_is_pending(file("state.json")));
    hook_ask(&hook, STR("/c/v.a"));
    (void)written();
    assert_true(hook_is_pending(file("state.json")));
    Err err = { 0 };
    assert_true(file_replace(file("state.json"), bytes_of(STR("{\"hook\":{\"pending\":tr")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_false(hook_is_pending(file("state.json")));             /* not ours */
}

static int printed(const char *name, const char *wanted)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    int code = state_print(file(name), to);
    (void)fclose(to);
    if (!strstr(text, wanted))
        fail_msg("'%s' is not in:\n%s", wanted, text);
    free(text);
    return code;
}

static void test_what_was_observed_is_remembered_unless_it_leads_elsewhere(void **state)
{
    (void)state;
    StateBefore before;
    Observed gone = { .base_url = STR("https://v.vault.x/secrets/old"), .vault = STR("v"), .name = STR("old"), .store_dir = STR("/c"), .link_name = STR("v.old") };
    view.left = &gone;
    view.left_count = 1;
    assert_int_equal(json_count(json_get(written(), "leaving")), 1);
    state_read(arena, file("state.json"), &before);
    assert_int_equal(before.observed_count, 3);
    assert_str(before.observed[1].link_name, "odd\"name\\");
    assert_str(before.observed[2].name, "old");
    Err err = { 0 };
    static const char odd[] = "{\"certificates\":[{\"vault\":\"v\",\"name\":\"a\",\"directory\":\"/c\",\"link\":\"../a\"},{\"vault\":\"v\",\"name\":\"a\",\"directory\":\"c\",\"link\":\"a\"},"
                              "{\"vault\":\"..\",\"name\":\"a\",\"directory\":\"/c\",\"link\":\"a\"},{\"vault\":\"v\",\"directory\":\"/c\",\"link\":\"a\"},7],\"leaving\":\"x\"}";
    assert_true(file_replace(file("state.json"), bytes_of(str_from(odd)), 0600, (uid_t)-1, (gid_t)-1, &err));
    state_read(arena, file("state.json"), &before);
    assert_int_equal(before.observed_count, 0);
    state_read(arena, file("none.json"), &before);
    assert_int_equal(before.observed_count, 0);
}

static void test_settings_that_are_not_used_are_said_everywhere(void **state)
{
    (void)state;
    assert_null(json_get(written(), "settingsError"));
    tracked[1] = tracked[0];
    view.settings_error = "the changed settings cannot be used, the former stay: not an object";
    assert_str(json_str(json_get(written(), "settingsError")), view.settings_error);
    assert_int_equal(printed("state.json", "SETTINGS: what the file says now is not used: the changed settings"), 1);
    Buf text;
    size_t at;
    buf_init(&text, 65536);
    metrics_put(&text, &view);
    assert_true(str_find(buf_str(&text), STR("\nvaultyard_certs_settings_current 0\n"), &at));
    buf_reset(&text);
    view.settings_error = "";
    metrics_put(&text, &view);
    assert_true(str_find(buf_str(&text), STR("\nvaultyard_certs_settings_current 1\n"), &at));
    buf_done(&text);
}

static void test_metrics_are_in_the_text_format(void **state)
{
    (void)state;
    Err err = { 0 };
    Str text;
    size_t at;
    assert_true(metrics_write(file("certs.prom"), &view, &err));
    assert_true(file_read(arena, file("certs.prom"), 65536, &text, &err));
    static const char *const lines[] = {
        "# TYPE vaultyard_certs_current gauge\n", "vaultyard_certs_current{vault=\"v\",name=\"a\",link=\"v.a\"} 1\n",
        "vaultyard_certs_current{vault=\"v\",name=\"b\",link=\"odd\\\"name\\\\\"} 0\n",
        "vaultyard_certs_expiry_timestamp_seconds{vault=\"v\",name=\"a\",link=\"v.a\"} 1614899543\n", "vaultyard_certs_vaults_listened_to 1\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (!str_find(text, str_from(lines[i]), &at))
            fail_msg("no line %s", lines[i]);
    assert_false(metrics_write("/nonexistent/certs.prom", &view, &err));
}

static void test_status_is_a_table_with_an_exit_code(void **state)
{
    (void)state;
    assert_int_equal(printed("none.json", "does not exist"), 2);
    (void)written();
    assert_int_equal(printed("state.json", "may not get the \"secret\"; next try 2021-03-03T23:12:28Z"), 1);
    tracked[1] = tracked[0];
    (void)written();
    assert_int_equal(printed("state.json", "agent runs"), 0);
    settings.hook.word_count = 1;
    hook_ask(&hook, STR("/c/v.a"));
    (void)written();
    assert_int_equal(printed("state.json", "it is to run"), 1);
    Err err = { 0 };
    assert_true(file_replace(file("state.json"), bytes_of(STR("{\"pid\":-1}")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_int_equal(printed("state.json", "DOES NOT RUN"), 1);
    assert_true(file_replace(file("state.json"), bytes_of(STR("nonsense")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_int_equal(printed("state.json", "no state"), 2);
}

static void test_systemd_is_told(void **state)
{
    (void)state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char got[64] = "";
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", base);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    notify_systemd("READY=1");                                           /* nobody asked: nothing is sent */
    assert_int_equal(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), -1);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    notify_systemd("READY=1");
    assert_int_equal(recv(fd, got, sizeof got - 1, 0), 7);
    assert_string_equal(got, "READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1), 0);
    notify_systemd("READY=1");
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_certificate_says_how_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hook_that_is_owed_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_observed_is_remembered_unless_it_leads_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings_that_are_not_used_are_said_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_are_in_the_text_format, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_status_is_a_table_with_an_exit_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_systemd_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
