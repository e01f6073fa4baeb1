/* test_diagnostic_logs.c - audit records into the files that settings ask for: each once, in its place, and none lost when a file cannot be written. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../parsed.h"
#include "base/clock.h"
#include "base/file.h"
#include "fixture.h"
#include "keyvault/vaults/diagnostics.h"

#define HOUR INT64_C(3600000)
#define SETTING(vault, name) VAULTS vault "/providers/Microsoft.Insights/diagnosticSettings/" name
#define STORE "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/"

static const char *dir;                     /* of this test's files; each test has one of its own, and other names of secrets */
static const char *part;                    /* what found_file looks for in paths */
static Str found_text;
static size_t found_files;

static int in_own_directory(void **state)
{
    (void)state;
    static int number;
    dir = text("%s/logs-%d", fix.dir, ++number);
    assert_int_equal(mkdir(dir, 0700), 0);
    keyvault_log_to(fix.kv, dir);
    return 0;
}

static void set(const char *path, const char *account)
{
    Answer answer = arm_call("PUT", path, text("{\"properties\":{\"storageAccountId\":\"" STORE "%s\",\"logs\":[{\"category\":\"AuditEvent\",\"enabled\":true}]}}", account));
    expect_status(&answer, 200);
}

static void get_secret(const char *name)
{
    Answer answer = vault_call("GET", text("/secrets/%s", name), NULL);
    expect_status(&answer, 404);
}

/* As the runner would; then *again_ms. */
static bool runs(int64_t *again_ms)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
    RunnerJob job = { .kind = STR(WORK_LOGS), .key = LOGS_KEY, .attempt = 1 };
    *again_ms = 0;
    fix_err = (Err){ 0 };
    return diagnostic_logs_run(fix.kv, arena, &job, real_now_ms(), again_ms, &fix_err);
}

static int without_settings(void **state)
{
    (void)state;
    int64_t again_ms;
    static const char *const all[] = { SETTING("vlt", "one"), SETTING("vlt", "two"), SETTING("other", "one") };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        (void)arm_call("DELETE", all[i], NULL);
    return runs(&again_ms) ? 0 : -1;
}

static void runs_well(void)
{
    int64_t again_ms, now_ms = real_now_ms();
    if (!runs(&again_ms))
        fail_msg("%s", fix_err.text);
    assert_true(again_ms >= now_ms + LOGS_EVERY_MS);
}

static int found_file(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)walk;
    Str content;
    if (kind != FTW_F || !strstr(path, part))
        return 0;
    assert_int_equal(info->st_mode & 0777, 0640);
    assert_true(str_ends(str_from(path), STR("/m=00/PT1H.json")));
    must(file_read(fix.arena, path, 8 << 20, &content, &fix_err));
    found_text = str_printf(fix.arena, STR_FMT STR_FMT, STR_ARG(found_text), STR_ARG(content));
    found_files++;
    return 0;
}

/* The lines of all files whose path has this. */
static Str lines_in(const char *where)
{
    part = where;
    found_text = STR("");
    found_files = 0;
    assert_int_equal(nftw(dir, found_file, 16, FTW_PHYS), 0);
    return found_text;
}

/* How many of the lines are records of a request for this secret. */
static size_t records_of(Str lines, const char *secret)
{
    size_t count = 0;
    for (Str rest = lines; rest.len;) {
        Str line = str_cut(&rest, '\n');
        const JsonVal *record = json_of(fix.arena, str_printf(fix.arena, STR_FMT "%c", STR_ARG(line), '\0').ptr);
        size_t at;
        assert_non_null(json_get(record, "time"));
        count += str_find(line, str_printf(fix.arena, "/secrets/%s", secret), &at);
    }
    return count;
}

static size_t in_account(const char *account, const char *secret) { return records_of(lines_in(text("/%s/", account)), secret); }

static void test_each_request_is_there_once_however_often_it_runs(void **state)
{
    (void)state;
    int64_t again_ms;
    set(SETTING("vlt", "one"), "first");
    get_secret("once-a");
    assert_int_equal(in_account("first", "once-a"), 0);
    runs_well();
    assert_int_equal(in_account("first", "once-a"), 1);
    runs_well();
    get_secret("once-b");
    runs_well();
    runs_well();
    assert_int_equal(in_account("first", "once-a"), 1);
    assert_int_equal(in_account("first", "once-b"), 1);
    assert_true(runs(&again_ms) && again_ms > 0);
}

static void test_a_record_lies_in_the_directory_of_its_vault_and_hour(void **state)
{
    (void)state;
    set(SETTING("vlt", "one"), "placed");
    int64_t before = real_now_ms();
    get_secret("in-place");
    int64_t after = real_now_ms();
    runs_well();
    size_t seen = 0;
    for (int64_t at = before; at / HOUR <= after / HOUR; at += HOUR) {
        Str time = time_str(fix.arena, at, 0);
        Str id = str_upper(fix.arena, str_printf(fix.arena, "/subscriptions/" STR_FMT VAULTS "vlt", STR_ARG(fix.subscription)));
        seen += records_of(lines_in(text("/placed/insights-logs-auditevent/resourceId=" STR_FMT "/y=%.4s/m=%.2s/d=%.2s/h=%.2s/m=00/", STR_ARG(id), time.ptr, time.ptr + 5, time.ptr + 8, time.ptr + 11)),
                           "in-place");
    }
    assert_int_equal(seen, 1);
}

static void test_what_was_before_the_setting_and_what_is_of_others_is_not_there(void **state)
{
    (void)state;
    Answer other = make_vault("other", "");
    assert_in_range(other.status, 200, 201);
    get_secret("too-early");
    set(SETTING("vlt", "one"), "mine");
    get_secret("mine");
    other = call("GET", "other.vault", "/secrets/theirs" API, fix.owner.vault_token, NULL);
    expect_status(&other, 404);
    runs_well();
    assert_int_equal(in_account("mine", "mine"), 1);
    assert_int_equal(in_account("mine", "too-early"), 0);
    assert_int_equal(records_of(lines_in("/"), "theirs"), 0);
}

static void test_every_setting_gets_its_own(void **state)
{
    (void)state;
    set(SETTING("vlt", "one"), "left");
    set(SETTING("vlt", "two"), "right");
    set(SETTING("other", "one"), "left");
    get_secret("both");
    Answer other = call("GET", "other.vault", "/secrets/one-only" API, fix.owner.vault_token, NULL);
    expect_status(&other, 404);
    runs_well();
    assert_int_equal(in_account("left", "both"), 1);
    assert_int_equal(in_account("right", "both"), 1);
    assert_int_equal(in_account("left", "one-only"), 1);
    assert_int_equal(in_account("right", "one-only"), 0);
}

static void test_without_a_directory_nothing_is_lost(void **state)
{
    (void)state;
    int64_t again_ms;
    set(SETTING("vlt", "one"), "later");
    get_secret("kept-back");
    keyvault_log_to(fix.kv, NULL);
    Answer refused = arm_call("PUT", SETTING("vlt", "two"), "{\"properties\":{\"storageAccountId\":\"" STORE "abc\",\"logs\":[{\"category\":\"AuditEvent\",\"enabled\":true}]}}");
    expect_status(&refused, 501);
    assert_false(runs(&again_ms));
    assert_int_equal(fix_err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(fix_err.text, "--audit-logs"));
    keyvault_log_to(fix.kv, dir);
    runs_well();
    assert_int_equal(in_account("later", "kept-back"), 1);
}

/* Nothing of the service's is written through a link that somebody put there, and what could not be written is, once it can. */
static void test_a_link_in_the_place_of_a_file_is_not_followed_and_nothing_is_lost(void **state)
{
    (void)state;
    int64_t again_ms, from = real_now_ms();
    const char *victim = text("%s/victim", dir);
    const char *links[2];
    int fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0 && close(fd) == 0);
    set(SETTING("vlt", "one"), "linked");
    Str id = str_upper(fix.arena, str_printf(fix.arena, "/subscriptions/" STR_FMT VAULTS "vlt", STR_ARG(fix.subscription)));
    for (int i = 0; i < 2; i++) {                                   /* this hour and the next, whichever the request will be in */
        Str time = time_str(fix.arena, from + i * HOUR, 0);
        const char *place = text("%s/linked/insights-logs-auditevent/resourceId=" STR_FMT "/y=%.4s/m=%.2s/d=%.2s/h=%.2s/m=00", dir, STR_ARG(id), time.ptr, time.ptr + 5, time.ptr + 8, time.ptr + 11);
        links[i] = text("%s/PT1H.json", place);
        must(dir_make(place, 0750, &fix_err));
        assert_int_equal(symlink(victim, links[i]), 0);
    }
    get_secret("through-a-link");
    assert_false(runs(&again_ms));
    assert_false(runs(&again_ms));
    struct stat info;
    assert_int_equal(stat(victim, &info), 0);
    assert_int_equal(info.st_size, 0);
    assert_int_equal(unlink(links[0]) + unlink(links[1]) + unlink(victim), 0);
    runs_well();
    assert_int_equal(in_account("linked", "through-a-link"), 1);
}

static void test_the_last_setting_gone_ends_the_work_and_the_next_one_begins_anew(void **state)
{
    (void)state;
    int64_t again_ms;
    set(SETTING("vlt", "one"), "ending");
    assert_int_equal(count_of("SELECT count(*) FROM kv_diagnostic_place"), 1);
    Answer gone = arm_call("DELETE", SETTING("vlt", "one"), NULL);
    expect_status(&gone, 200);
    get_secret("unwatched");
    assert_true(runs(&again_ms));
    assert_int_equal(again_ms, 0);
    assert_int_equal(count_of("SELECT count(*) FROM kv_diagnostic_place"), 0);      /* nothing is held back for nobody */
    get_secret("unwatched");
    set(SETTING("vlt", "one"), "ending");
    get_secret("watched");
    runs_well();
    assert_int_equal(in_account("ending", "unwatched"), 0);
    assert_int_equal(in_account("ending", "watched"), 1);
}

static void test_more_than_one_round_of_records_arrives_whole_and_in_order(void **state)
{
    (void)state;
    enum { MANY = 1100, FIRST = 1000 };                             /* a round takes 500 */
    set(SETTING("vlt", "one"), "many");
    for (int i = 0; i < MANY; i++)
        get_secret(text("many-%d", FIRST + i));
    runs_well();
    size_t found = 0, steps_back = 0, at;
    int64_t number, last = -1;
    for (Str rest = lines_in("/many/"); rest.len;) {
        Str line = str_cut(&rest, '\n');
        if (!str_find(line, STR("/secrets/many-"), &at))
            continue;
        must(str_to_int64(str_slice(line, at + 14, at + 18), FIRST, FIRST + MANY - 1, &number, &fix_err));
        steps_back += number <= last;
        last = number;
        found++;
    }
    assert_int_equal(found, MANY);
    assert_true(steps_back < found_files);                          /* two files if the hour ended meanwhile, and they come in any order */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, in_own_directory, without_settings)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_request_is_there_once_however_often_it_runs),
        TEST(test_a_record_lies_in_the_directory_of_its_vault_and_hour),
        TEST(test_what_was_before_the_setting_and_what_is_of_others_is_not_there),
        TEST(test_every_setting_gets_its_own),
        TEST(test_without_a_directory_nothing_is_lost),
        TEST(test_a_link_in_the_place_of_a_file_is_not_followed_and_nothing_is_lost),
        TEST(test_the_last_setting_gone_ends_the_work_and_the_next_one_begins_anew),
        TEST(test_more_than_one_round_of_records_arrives_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
