/* test_migrations.c - databases of former schemas, made by the migrations of their time and filled, are taken over whole. */
#include <sqlite3.h>
#include "store/schema.h"
#include "store_fixture.h"

static void run(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", text, sql);
}

/* A database as the program of that schema left it, with what `fill` puts in. */
static void make_former(Place *place, int64_t version, const char *const *fill)
{
    sqlite3 *db = NULL;
    char sql[64];
    place_make(place);
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    run(db, "PRAGMA journal_mode = WAL");
    for (int64_t number = 1; number <= version; number++)
        for (const char *const *const *part = schema_migrations[number - 1]; *part; part++)
            for (const char *const *statement = *part; *statement; statement++)
                run(db, *statement);
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version);
    run(db, sql);
    run(db, "PRAGMA application_id = 1448694340");      /* "VYRD" */
    for (; *fill; fill++)
        run(db, *fill);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static const char *const vaults_7[] = {
    "INSERT INTO kv_vault (id, name_key, resource_key, subscription, group_key, revision, feed_number, deleted_ms, purge_ms, sealed)"
    " VALUES ('v1', 'one', '/one', 's', 'g', 3, 2, 0, 0, x'01'), ('v2', 'two', '/two', 's', 'g', 1, 0, 7, 8, x'02')",
    "INSERT INTO kv_object (vault, kind, name_key, name, current, version_count, managed, deleted_ms, purge_ms)"
    " VALUES ('v1', 1, 'a', 'A', 'ver2', 2, 0, 0, 0)",
    "INSERT INTO kv_version (vault, kind, name_key, version, ordinal, pending, enabled, nbf_ms, exp_ms, created_ms, updated_ms, doc, value)"
    " VALUES ('v1', 1, 'a', 'ver1', 1, 0, 1, NULL, NULL, 10, 11, x'0102', x'0304'), ('v1', 1, 'a', 'ver2', 2, 0, 0, 5, 6, 12, 13, x'05', NULL)",
    "INSERT INTO kv_feed (vault, number, kind, name, version, change, time_ms) VALUES ('v1', 1, 1, 'A', 'ver1', 1, 10), ('v1', 2, 1, 'A', 'ver2', 1, 12)",
    "INSERT INTO kv_event_subscription (vault, name_key, id, cursor, sealed) VALUES ('v1', 'hook', 'id', 1, x'06')",
    "INSERT INTO audit_record (number, time_ms, record, mac) VALUES (1, 10, '{}', x'07')",
    NULL
};

static void test_vaults_of_schema_7_are_taken_over(void **state)
{
    (void)state;
    Place place;
    make_former(&place, 7, vaults_7);
    place_open(&place);
    assert_int_equal(read_int(place.store, "PRAGMA user_version"), schema_latest);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM kv_vault WHERE id = 'v1' AND name_key = 'one' AND revision = 3 AND deleted_ms = 0 AND sealed = x'01'"
                              " OR id = 'v2' AND deleted_ms = 7 AND purge_ms = 8 AND sealed = x'02'"), 2);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM kv_object WHERE current = 'ver2' AND version_count = 2"), 1);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM kv_version WHERE version = 'ver1' AND ordinal = 1 AND enabled = 1 AND created_ms = 10 AND updated_ms = 11"
                              " AND doc = x'0102' AND value = x'0304' OR version = 'ver2' AND nbf_ms = 5 AND exp_ms = 6 AND value IS NULL"), 2);
    assert_int_equal(read_int(place.store, "SELECT MAX(number) FROM kv_feed WHERE vault = 'v1'"), 2);
    assert_int_equal(read_int(place.store, "SELECT cursor FROM kv_event_subscription"), 1);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM audit_record WHERE record = '{}' AND mac = x'07'"), 1);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM pragma_foreign_key_check"), 0);
    place_done(&place);
}

/* Taken over or new, it is the same schema. */
static void test_a_former_database_ends_with_the_schema_of_a_new_one(void **state)
{
    (void)state;
    static const char *const nothing[] = { NULL };
    for (int64_t version = 1; version < schema_latest; version++) {
        Place former, new;
        make_former(&former, version, nothing);
        place_open(&former);
        place_make(&new);
        place_open(&new);
        static const char shape[] = "SELECT SUM(length(name || sql)) FROM sqlite_schema WHERE sql IS NOT NULL";
        assert_int_equal(read_int(former.store, shape), read_int(new.store, shape));
        place_done(&former);
        place_done(&new);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vaults_of_schema_7_are_taken_over),
        cmocka_unit_test(test_a_former_database_ends_with_the_schema_of_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
