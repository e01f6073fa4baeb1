#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sealed_fixture.h"

static void test_sealed_values_open_in_their_place(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    Bytes a = put(&s, home, STR("s3cret")), b = put(&s, home, STR("s3cret")), empty = put(&s, home, STR(""));
    assert_int_equal(a.len, 6 + SEAL_OVERHEAD);
    assert_false(str_eq(str_of(a), str_of(b)));
    opens(&s, home, a, STR("s3cret"));
    opens(&s, home, empty, STR(""));
    sealed_close(&s);
    sealed_open(&s);
    opens(&s, home, a, STR("s3cret"));
    opens(&s, home, b, STR("s3cret"));
    sealed_done(&s);
}

static void test_a_value_does_not_open_in_another_place(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    create(&s, STR("vault:v2"));
    Bytes sealed = put(&s, home, STR("s3cret"));
    SealPlace other = home;
    other.scope = STR("vault:v2");
    stays_shut(&s, other, sealed);
    other = home, other.table = "kv_key";
    stays_shut(&s, other, sealed);
    other = home, other.row = STR("v1/name/2");
    stays_shut(&s, other, sealed);
    other = home, other.column = "tags";
    stays_shut(&s, other, sealed);
    other = home, other.table = "kv_secretv", other.row = STR("1/name/1");      /* the same letters, cut elsewhere */
    stays_shut(&s, other, sealed);
    opens(&s, home, sealed, STR("s3cret"));
    sealed_done(&s);
}

static void test_no_byte_can_change_and_none_be_missing(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    for (size_t i = 0; i < sealed.len; i++) {
        uint8_t changed[6 + SEAL_OVERHEAD];
        memcpy(changed, sealed.ptr, sizeof changed);
        changed[i] ^= 1;
        stays_shut(&s, home, (Bytes){ changed, sizeof changed });
        stays_shut(&s, home, (Bytes){ sealed.ptr, i });
    }
    sealed_done(&s);
}

static void test_scopes_are_made_once_and_destroyed_for_good(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    assert_int_equal(put_fails(&s, home), ERR_NOT_FOUND);
    create(&s, home.scope);
    Call again = { .s = &s, .place = home };
    Err err = { 0 };
    assert_false(store_write(s.place.store, do_create, &again, &err));
    assert_int_equal(err.code, ERR_CONFLICT);

    Bytes old = put(&s, home, STR("old"));
    destroy(&s, home.scope);
    destroy(&s, home.scope);
    stays_shut(&s, home, old);
    assert_int_equal(put_fails(&s, home), ERR_NOT_FOUND);
    create(&s, home.scope);
    Bytes new = put(&s, home, STR("new"));
    stays_shut(&s, home, old);
    opens(&s, home, new, STR("new"));
    sealed_close(&s);
    sealed_open(&s);
    stays_shut(&s, home, old);
    opens(&s, home, new, STR("new"));
    sealed_done(&s);
}

static bool create_put_and_fail(Txn *txn, void *ctx, Err *err)
{
    if (!do_create(txn, ctx, err) || !do_put(txn, ctx, err))
        return false;
    return err_set(err, ERR_DENIED, "no");
}

static void test_a_key_that_was_rolled_back_seals_nothing(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    Call call = { .s = &s, .place = home, .in = bytes_of(STR("x")), .arena = s.arena };
    Err err;
    assert_false(store_write(s.place.store, create_put_and_fail, &call, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(put_fails(&s, home), ERR_NOT_FOUND);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("kept"));
    sealed_close(&s);
    sealed_open(&s);
    opens(&s, home, sealed, STR("kept"));
    sealed_done(&s);
}

static void test_a_worn_key_is_followed_by_a_new_one(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    Bytes first = put(&s, home, STR("first"));
    for (int i = 1; i < SEAL_RESERVED; i++)
        (void)put(&s, home, STR("more"));
    assert_int_equal(read_int(s.place.store, "SELECT uses FROM scope_key"), SEAL_RESERVED);
    (void)put(&s, home, STR("one more"));
    assert_int_equal(read_int(s.place.store, "SELECT uses FROM scope_key"), 2 * SEAL_RESERVED);
    write_sql(s.place.store, "UPDATE scope_key SET uses = 2147483648 - 256");
    sealed_close(&s);                          /* and the uses that were reserved with it */
    sealed_open(&s);
    Bytes last = put(&s, home, STR("last"));
    for (int i = 1; i < SEAL_RESERVED; i++)
        (void)put(&s, home, STR("more"));
    assert_int_equal(read_int(s.place.store, "SELECT MAX(generation) FROM scope_key"), 1);
    Bytes next = put(&s, home, STR("next")), after = put(&s, home, STR("after"));
    assert_int_equal(read_int(s.place.store, "SELECT MAX(generation) FROM scope_key"), 2);
    assert_memory_equal(first.ptr, last.ptr, 9);
    assert_memory_not_equal(last.ptr, next.ptr, 9);
    assert_memory_equal(next.ptr, after.ptr, 9);
    sealed_close(&s);
    sealed_open(&s);
    opens(&s, home, first, STR("first"));
    opens(&s, home, last, STR("last"));
    opens(&s, home, next, STR("next"));
    destroy(&s, home.scope);
    stays_shut(&s, home, first);
    stays_shut(&s, home, next);
    sealed_done(&s);
}

enum { SCOPES = SEAL_CACHE_KEYS + 50, READERS = 4 };
static char scope_names[SCOPES][16];
static Bytes scope_values[SCOPES];

static SealPlace place_of(int i)
{
    SealPlace place = home;
    place.scope = str_from(scope_names[i]);
    return place;
}

static void *read_all_scopes(void *arg)
{
    Sealed *s = arg;
    for (int i = 0; i < 3 * SCOPES; i++) {
        int at = i * 7 % SCOPES;
        Err err;
        Call call = { .s = s, .place = place_of(at), .sealed = scope_values[at] };
        if (!store_read(s->place.store, do_get, &call, &err))
            return (void *)"refused";
        bool right = str_eq(str_of(secret_bytes(call.secret)), str_from(scope_names[at]));
        secret_free(call.secret);
        if (!right)
            return (void *)"another value";
    }
    return NULL;
}

static void test_more_scopes_than_the_cache_holds(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    for (int i = 0; i < SCOPES; i++) {
        (void)snprintf(scope_names[i], sizeof scope_names[i], "vault:%d", i);
        create(&s, str_from(scope_names[i]));
        scope_values[i] = put(&s, place_of(i), str_from(scope_names[i]));
    }
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_scopes, &s), 0);
    for (int i = 0; i < READERS; i++) {
        void *trouble;
        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
    }
    sealed_done(&s);
}

static void test_a_scope_key_moved_to_another_scope_does_not_unwrap(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    write_sql(s.place.store, "UPDATE scope_key SET scope = 'vault:v2'");
    sealed_close(&s);
    sealed_open(&s);
    SealPlace other = home;
    other.scope = STR("vault:v2");
    stays_shut(&s, other, sealed);
    stays_shut(&s, home, sealed);
    sealed_done(&s);
}

static void test_files_hold_no_plain_value_and_no_destroyed_key(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    write_sql(s.place.store, "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, sealed BLOB) STRICT");
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("a value that must not be readable"));
    assert_null(memmem(sealed.ptr, sealed.len, "readable", 8));
    Call call = { .arena = s.arena };
    must(store_read(s.place.store, copy_wrapped, &call, E));
    assert_true(is_in_file(&s, "-wal", call.sealed));
    destroy(&s, home.scope);
    sealed_close(&s);
    assert_false(is_in_file(&s, "", call.sealed));
    assert_false(is_in_file(&s, "-wal", call.sealed));
    sealed_open(&s);
    sealed_done(&s);
}

static void test_a_full_arena_is_a_clean_refusal(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("0123456789abcdef0123456789abcdef"));
    for (size_t limit = 0; limit <= 64; limit += 16) {
        AUTO(arena_free_auto) Arena *small = arena_new(limit);
        Call call = { .s = &s, .place = home, .in = bytes_of(STR("0123456789abcdef0123456789abcdef")), .sealed = sealed, .arena = small };
        Err err = { 0 };
        if (!store_write(s.place.store, do_put, &call, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
        call.sealed = sealed;
        if (!store_read(s.place.store, do_get_text, &call, &err))
            assert_int_equal(err.code, ERR_TOO_LARGE);
        else
            assert_str(call.text, "0123456789abcdef0123456789abcdef");
    }
    sealed_done(&s);
}

/* ---- the root key's file ---- */

static void refuses(Sealed *s, const char *root, ErrCode code, const char *words)
{
    Err err = { 0 };
    Seal *seal = NULL;
    assert_false(seal_open(s->place.store, root, &seal, &err));
    assert_int_equal(err.code, code);
    size_t at;
    if (!str_find(str_from(err.text), str_from(words), &at))
        fail_msg("'%s' does not say '%s'", err.text, words);
}

static void test_a_wrong_or_unsafe_root_key_is_refused(void **state)
{
    (void)state;
    Sealed s;
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    seal_close(TAKE(s.seal));

    char other[128];
    (void)snprintf(other, sizeof other, "%s/other.key", s.place.dir);
    refuses(&s, other, ERR_NOT_FOUND, "does not exist");
    must(seal_make_root_file(other, E));
    refuses(&s, other, ERR_BAD_INPUT, "is not the one that this database was sealed with");
    assert_int_equal(chmod(s.root, 0640), 0);
    refuses(&s, s.root, ERR_BAD_INPUT, "chmod 600");
    assert_int_equal(chmod(s.root, 0600), 0);
    assert_int_equal(truncate(other, 39), 0);
    refuses(&s, other, ERR_BAD_INPUT, "is not a root key");
    must(file_replace(other, bytes_of(STR("vyroot2\n0123456789abcdef0123456789abcdef")), 0600, (uid_t)-1, (gid_t)-1, E));
    refuses(&s, other, ERR_BAD_INPUT, "is not a root key");
    refuses(&s, s.place.dir, ERR_BAD_INPUT, "is not a root key");

    must(seal_open(s.place.store, s.root, &s.seal, E));
    opens(&s, home, sealed, STR("s3cret"));
    write_sql(s.place.store, "DELETE FROM meta WHERE name = 'root_check'");
    refuses(&s, s.root, ERR_BAD_INPUT, "check value");
    sealed_done(&s);
}

static void test_a_root_key_is_private_and_never_overwritten(void **state)
{
    (void)state;
    Sealed s;
    mode_t was = umask(0);
    sealed_make(&s);
    struct stat about;
    assert_int_equal(stat(s.root, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    Err err = { 0 };
    assert_false(seal_make_root_file(s.root, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    sealed_close(&s);
    sealed_open(&s);
    (void)umask(was);
    sealed_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_values_open_in_their_place),
        cmocka_unit_test(test_a_value_does_not_open_in_another_place),
        cmocka_unit_test(test_no_byte_can_change_and_none_be_missing),
        cmocka_unit_test(test_scopes_are_made_once_and_destroyed_for_good),
        cmocka_unit_test(test_a_key_that_was_rolled_back_seals_nothing),
        cmocka_unit_test(test_a_worn_key_is_followed_by_a_new_one),
        cmocka_unit_test(test_more_scopes_than_the_cache_holds),
        cmocka_unit_test(test_a_scope_key_moved_to_another_scope_does_not_unwrap),
        cmocka_unit_test(test_files_hold_no_plain_value_and_no_destroyed_key),
        cmocka_unit_test(test_a_full_arena_is_a_clean_refusal),
        cmocka_unit_test(test_a_wrong_or_unsafe_root_key_is_refused),
        cmocka_unit_test(test_a_root_key_is_private_and_never_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
