/* test_opening.c - which files the store opens, and for whom. */
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include "item_table.h"

static void test_a_second_process_is_refused_with_the_pid(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    Err err = { 0 };
    Store *second = NULL;
    assert_false(store_open(place.path, &second, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld:", (long)getpid());
    size_t at;
    assert_true(str_find(str_from(err.text), str_from(pid), &at));
    place_close(&place);
    place_open(&place);
    assert_int_equal(items(place.store), 0);
    place_done(&place);
}

static void change_outside(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void refuse_to_open(const char *path, const char *words)
{
    Err err = { 0 };
    Store *store = NULL;
    assert_false(store_open(path, &store, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    size_t at;
    if (!str_find(str_from(err.text), str_from(words), &at))
        fail_msg("'%s' does not say '%s'", err.text, words);
}

static void test_a_newer_schema_is_refused(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    place_close(&place);
    change_outside(place.path, "PRAGMA user_version = 1000");
    refuse_to_open(place.path, "newer version");
    place_done(&place);
}

static void test_foreign_files_are_refused_unchanged(void **state)
{
    (void)state;
    Place place;
    place_make(&place);
    change_outside(place.path, "CREATE TABLE theirs (a)");
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    Str before, after;
    must(file_read(arena, place.path, 1 << 20, &before, E));
    refuse_to_open(place.path, "another program");
    must(file_read(arena, place.path, 1 << 20, &after, E));
    assert_true(str_eq(before, after));

    must(file_replace(place.path, bytes_of(STR("this is a letter to a friend, and it is long enough")), 0600, (uid_t)-1, (gid_t)-1, E));
    refuse_to_open(place.path, "not a database");
    place_done(&place);
}

static void test_the_files_are_private(void **state)
{
    (void)state;
    Place place;
    mode_t was = umask(0);
    open_with_items(&place);
    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[sizeof place.path + 8];
        struct stat about;
        (void)snprintf(path, sizeof path, "%s%s", place.path, suffixes[i]);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_mode & 0777, 0600);
    }
    (void)umask(was);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_process_is_refused_with_the_pid),
        cmocka_unit_test(test_a_newer_schema_is_refused),
        cmocka_unit_test(test_foreign_files_are_refused_unchanged),
        cmocka_unit_test(test_the_files_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
