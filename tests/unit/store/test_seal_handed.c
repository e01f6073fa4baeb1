#include <pthread.h>
#include <stdatomic.h>
#include "base/id.h"
#include "sealed_fixture.h"

/* -- the calls under test, each in a transaction of its own -- */

typedef struct Handed { Sealed *s; Str scope; const Secret *key; bool fails, locked; } Handed;

static bool do_rewrap(Txn *txn, void *ctx, Err *err)
{
    Handed *h = ctx;
    return seal_scope_rewrap(h->s->seal, txn, h->scope, h->key, err) && (!h->fails || err_set(err, ERR_CONFLICT, "undone"));
}

static bool do_unlock(Txn *txn, void *ctx, Err *err)
{
    Handed *h = ctx;
    return seal_scope_unlock(h->s->seal, txn, h->scope, h->key, err);
}

static bool do_is_locked(Txn *txn, void *ctx, Err *err)
{
    Handed *h = ctx;
    return seal_scope_is_locked(h->s->seal, txn, h->scope, &h->locked, err);
}

static Secret *new_key(void)
{
    Secret *key = secret_new(SEAL_HANDED_KEY_SIZE);
    assert_non_null(key);
    random_fill(secret_ptr(key), SEAL_HANDED_KEY_SIZE);
    return key;
}

static void rewrap(Sealed *s, const Secret *key)
{
    Handed h = { .s = s, .scope = home.scope, .key = key };
    must(store_write(s->place.store, do_rewrap, &h, E));
}

static void unlock(Sealed *s, const Secret *key)
{
    Handed h = { .s = s, .scope = home.scope, .key = key };
    must(store_read(s->place.store, do_unlock, &h, E));
}

static ErrCode unlock_fails(Sealed *s, Str scope, const Secret *key)
{
    Handed h = { .s = s, .scope = scope, .key = key };
    Err err = { 0 };
    assert_false(store_read(s->place.store, do_unlock, &h, &err));
    return err.code;
}

static ErrCode rewrap_fails(Sealed *s, Str scope, const Secret *key)
{
    Handed h = { .s = s, .scope = scope, .key = key };
    Err err = { 0 };
    assert_false(store_write(s->place.store, do_rewrap, &h, &err));
    return err.code;
}

static bool is_locked(Sealed *s)
{
    Handed h = { .s = s, .scope = home.scope };
    must(store_read(s->place.store, do_is_locked, &h, E));
    return h.locked;
}

static void is_denied(Sealed *s, Bytes sealed)
{
    Err err = { 0 };
    Call call = { .s = s, .place = home, .sealed = sealed, .in = bytes_of(STR("x")), .arena = s->arena };
    assert_true(is_locked(s));
    assert_false(store_read(s->place.store, do_get, &call, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_string_equal(err.name, "AccountIsDisabled");
    assert_null(call.secret);
    assert_false(seal_get_kept(s->seal, home, sealed, &call.secret));
    assert_false(store_read(s->place.store, do_get_text, &call, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_false(store_write(s->place.store, do_put, &call, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_string_equal(err.name, "AccountIsDisabled");
}

static void reopen(Sealed *s)
{
    sealed_close(s);
    sealed_open(s);
}

/* -- claims -- */

static void test_a_handed_key_takes_over_and_moves_no_data(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Bytes before = put(&s, home, STR("s3cret"));
    rewrap(&s, key);
    assert_false(is_locked(&s));
    Bytes after = put(&s, home, STR("n3w"));
    opens(&s, home, before, STR("s3cret"));
    opens(&s, home, after, STR("n3w"));
    assert_memory_equal(before.ptr, after.ptr, 9);          /* the same scope key sealed both */
    sealed_done(&s);
}

static void test_files_and_root_key_alone_do_not_open_it(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    rewrap(&s, key);
    reopen(&s);
    is_denied(&s, sealed);
    unlock(&s, key);
    assert_false(is_locked(&s));
    opens(&s, home, sealed, STR("s3cret"));
    opens(&s, home, put(&s, home, STR("n3w")), STR("n3w"));
    sealed_done(&s);
}

static void test_lock_drops_what_is_in_memory(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    SealPlace other = home;
    other.scope = STR("vault:v2");
    sealed_make(&s);
    create(&s, home.scope);
    create(&s, other.scope);
    Bytes sealed = put(&s, home, STR("s3cret")), others = put(&s, other, STR("theirs"));
    rewrap(&s, key);
    opens(&s, home, sealed, STR("s3cret"));
    seal_scope_lock(s.seal, home.scope);
    is_denied(&s, sealed);
    seal_scope_lock(s.seal, home.scope);                    /* again is fine */
    is_denied(&s, sealed);
    opens(&s, other, others, STR("theirs"));
    unlock(&s, key);
    opens(&s, home, sealed, STR("s3cret"));
    sealed_done(&s);
}

static void test_only_the_right_key_unlocks(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key(), *wrong = new_key(), *small = secret_new(16);
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    assert_int_equal(unlock_fails(&s, home.scope, key), ERR_CONFLICT);          /* the root key wraps it */
    assert_int_equal(unlock_fails(&s, STR("vault:none"), key), ERR_NOT_FOUND);
    rewrap(&s, key);
    reopen(&s);
    assert_int_equal(unlock_fails(&s, home.scope, wrong), ERR_BAD_INPUT);
    assert_int_equal(unlock_fails(&s, home.scope, small), ERR_BAD_INPUT);
    is_denied(&s, sealed);
    unlock(&s, key);
    assert_int_equal(unlock_fails(&s, home.scope, wrong), ERR_BAD_INPUT);       /* and what is open stays open */
    opens(&s, home, sealed, STR("s3cret"));
    sealed_done(&s);
}

static void test_another_handed_key_ends_the_one_before(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *first = new_key(), *second = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    rewrap(&s, first);
    rewrap(&s, second);
    opens(&s, home, sealed, STR("s3cret"));
    seal_scope_lock(s.seal, home.scope);
    assert_int_equal(unlock_fails(&s, home.scope, first), ERR_BAD_INPUT);
    unlock(&s, second);
    opens(&s, home, sealed, STR("s3cret"));
    sealed_done(&s);
}

static void test_back_to_the_root_key(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    rewrap(&s, key);
    rewrap(&s, NULL);
    opens(&s, home, sealed, STR("s3cret"));
    reopen(&s);
    assert_false(is_locked(&s));
    opens(&s, home, sealed, STR("s3cret"));
    rewrap(&s, key);                                        /* and there again */
    seal_scope_lock(s.seal, home.scope);
    is_denied(&s, sealed);
    sealed_done(&s);
}

static void test_a_rewrap_that_is_rolled_back_changes_nothing(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key(), *other = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Bytes sealed = put(&s, home, STR("s3cret"));
    Handed h = { .s = &s, .scope = home.scope, .key = key, .fails = true };
    Err err = { 0 };
    assert_false(store_write(s.place.store, do_rewrap, &h, &err));
    reopen(&s);
    opens(&s, home, sealed, STR("s3cret"));
    rewrap(&s, key);
    h.key = other;
    assert_false(store_write(s.place.store, do_rewrap, &h, &err));
    opens(&s, home, sealed, STR("s3cret"));
    reopen(&s);
    assert_int_equal(unlock_fails(&s, home.scope, other), ERR_BAD_INPUT);
    unlock(&s, key);
    opens(&s, home, sealed, STR("s3cret"));
    sealed_done(&s);
}

static void test_a_locked_scope_is_not_rewrapped(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key(), *other = new_key(), *small = secret_new(31);
    sealed_make(&s);
    create(&s, home.scope);
    assert_int_equal(rewrap_fails(&s, home.scope, small), ERR_BAD_INPUT);
    assert_int_equal(rewrap_fails(&s, STR("vault:none"), key), ERR_NOT_FOUND);
    rewrap(&s, key);
    seal_scope_lock(s.seal, home.scope);
    assert_int_equal(rewrap_fails(&s, home.scope, other), ERR_DENIED);
    assert_int_equal(rewrap_fails(&s, home.scope, NULL), ERR_DENIED);
    unlock(&s, key);
    sealed_done(&s);
}

static void test_a_key_made_later_is_wrapped_alike(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Bytes before = put(&s, home, STR("s3cret"));
    rewrap(&s, key);
    write_sql(s.place.store, "UPDATE scope_key SET uses = 2147483648");
    for (int i = 1; i < SEAL_RESERVED; i++)
        (void)put(&s, home, STR("0ld"));       /* what was reserved before */
    Bytes after = put(&s, home, STR("n3w"));
    assert_int_equal(read_int(s.place.store, "SELECT COUNT(*) FROM scope_key WHERE wrapped_by LIKE 'handed:%' AND scope = 'vault:v1'"), 2);
    reopen(&s);
    is_denied(&s, before);
    is_denied(&s, after);
    unlock(&s, key);
    opens(&s, home, before, STR("s3cret"));
    opens(&s, home, after, STR("n3w"));
    rewrap(&s, NULL);
    assert_int_equal(read_int(s.place.store, "SELECT COUNT(*) FROM scope_key WHERE wrapped_by = 'root' AND scope = 'vault:v1'"), 2);
    sealed_done(&s);
}

static void test_no_file_keeps_the_wrapping_before(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    bool done = false;
    sealed_make(&s);
    create(&s, home.scope);
    (void)put(&s, home, STR("s3cret"));
    Call by_root = { .arena = s.arena }, by_key = { .arena = s.arena };
    must(store_read(s.place.store, copy_wrapped, &by_root, E));
    rewrap(&s, key);
    must(store_read(s.place.store, copy_wrapped, &by_key, E));
    assert_true(is_in_file(&s, "-wal", by_root.sealed));    /* why a scrub is needed */
    must(store_scrub(s.place.store, &done, E));
    assert_true(done);
    assert_false(is_in_file(&s, "-wal", by_root.sealed));
    assert_false(is_in_file(&s, "", by_root.sealed));
    assert_true(is_in_file(&s, "", by_key.sealed));
    write_sql(s.place.store, "CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY) STRICT");
    assert_false(is_in_file(&s, "-wal", by_root.sealed));
    sealed_done(&s);
}

static bool scrub_in_reader(Txn *txn, void *ctx, Err *err)
{
    Sealed *s = ctx;
    Count count = { .sql = "SELECT COUNT(*) FROM scope_key" };
    bool done = true;
    AUTO(secret_free_auto) Secret *key = new_key();
    assert_true(run_count(txn, &count, err));               /* the snapshot begins */
    rewrap(s, key);
    must(store_scrub(s->place.store, &done, E));
    assert_false(done);
    return true;
}

static void test_a_scrub_tells_when_a_reader_is_in_the_way(void **state)
{
    (void)state;
    Sealed s;
    bool done = false;
    sealed_make(&s);
    create(&s, home.scope);
    must(store_read(s.place.store, scrub_in_reader, &s, E));
    must(store_scrub(s.place.store, &done, E));
    assert_true(done);
    sealed_done(&s);
}

/* -- readers -- */

typedef struct Snapshot { Sealed *s; Bytes sealed; const Secret *first, *second; } Snapshot;

static bool read_across_rewraps(Txn *txn, void *ctx, Err *err)
{
    Snapshot *snapshot = ctx;
    Sealed *s = snapshot->s;
    Call call = { .s = s, .place = home, .sealed = snapshot->sealed, .arena = s->arena };
    assert_true(do_get(txn, &call, err));
    secret_free(TAKE(call.secret));
    rewrap(s, snapshot->first);
    rewrap(s, snapshot->second);
    for (int i = 0; i <= SEAL_CACHE_KEYS; i++) {            /* pushes the key out of the cache */
        SealPlace other = home;
        other.scope = str_printf(s->arena, "vault:other%d", i);
        create(s, other.scope);
        (void)put(s, other, STR("x"));
    }
    assert_true(do_get(txn, &call, err));
    assert_true(str_eq(str_of(secret_bytes(call.secret)), STR("s3cret")));
    secret_free(call.secret);
    return true;
}

static void test_a_reader_goes_on_while_the_key_is_rewrapped(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *zeroth = new_key(), *first = new_key(), *second = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Snapshot snapshot = { .s = &s, .sealed = put(&s, home, STR("s3cret")), .first = first, .second = second };
    must(store_read(s.place.store, read_across_rewraps, &snapshot, E));
    rewrap(&s, NULL);
    rewrap(&s, zeroth);
    sealed_done(&s);
}

static bool read_across_lock(Txn *txn, void *ctx, Err *err)
{
    Snapshot *snapshot = ctx;
    Sealed *s = snapshot->s;
    Call call = { .s = s, .place = home, .sealed = snapshot->sealed, .arena = s->arena };
    assert_true(do_get(txn, &call, err));                   /* the root key wraps it in this snapshot */
    secret_free(TAKE(call.secret));
    rewrap(s, snapshot->first);
    seal_scope_lock(s->seal, home.scope);
    assert_false(do_get(txn, &call, err));
    assert_int_equal(err->code, ERR_DENIED);
    return true;
}

static void test_a_snapshot_from_before_does_not_get_round_a_lock(void **state)
{
    (void)state;
    Sealed s;
    AUTO(secret_free_auto) Secret *key = new_key();
    sealed_make(&s);
    create(&s, home.scope);
    Snapshot snapshot = { .s = &s, .sealed = put(&s, home, STR("s3cret")), .first = key };
    must(store_read(s.place.store, read_across_lock, &snapshot, E));
    is_denied(&s, snapshot.sealed);
    sealed_done(&s);
}

typedef struct Reading { Sealed *s; Bytes sealed; _Atomic bool stop; _Atomic int64_t opened, denied; } Reading;

static void *read_loop(void *arg)
{
    Reading *reading = arg;
    while (!atomic_load(&reading->stop)) {
        Err err = { 0 };
        Call call = { .s = reading->s, .place = home, .sealed = reading->sealed };
        if (store_read(reading->s->place.store, do_get, &call, &err)) {
            assert_true(str_eq(str_of(secret_bytes(call.secret)), STR("s3cret")));
            secret_free(call.secret);
            atomic_fetch_add(&reading->opened, 1);
        } else {
            assert_int_equal(err.code, ERR_DENIED);
            atomic_fetch_add(&reading->denied, 1);
        }
    }
    return NULL;
}

static void test_rewrap_lock_and_unlock_while_others_read(void **state)
{
    (void)state;
    Sealed s;
    pthread_t threads[2];
    sealed_make(&s);
    create(&s, home.scope);
    Reading reading = { .s = &s, .sealed = put(&s, home, STR("s3cret")) };
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_loop, &reading), 0);
    for (int i = 0; i < 40; i++) {
        AUTO(secret_free_auto) Secret *key = new_key();
        rewrap(&s, key);
        if (i % 4 == 3) {
            seal_scope_lock(s.seal, home.scope);
            is_denied(&s, reading.sealed);
            unlock(&s, key);
        }
        opens(&s, home, reading.sealed, STR("s3cret"));
    }
    while (atomic_load(&reading.opened) == 0)
        sched_yield();
    atomic_store(&reading.stop, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    sealed_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_handed_key_takes_over_and_moves_no_data),
        cmocka_unit_test(test_files_and_root_key_alone_do_not_open_it),
        cmocka_unit_test(test_lock_drops_what_is_in_memory),
        cmocka_unit_test(test_only_the_right_key_unlocks),
        cmocka_unit_test(test_another_handed_key_ends_the_one_before),
        cmocka_unit_test(test_back_to_the_root_key),
        cmocka_unit_test(test_a_rewrap_that_is_rolled_back_changes_nothing),
        cmocka_unit_test(test_a_locked_scope_is_not_rewrapped),
        cmocka_unit_test(test_a_key_made_later_is_wrapped_alike),
        cmocka_unit_test(test_no_file_keeps_the_wrapping_before),
        cmocka_unit_test(test_a_scrub_tells_when_a_reader_is_in_the_way),
        cmocka_unit_test(test_a_reader_goes_on_while_the_key_is_rewrapped),
        cmocka_unit_test(test_a_snapshot_from_before_does_not_get_round_a_lock),
        cmocka_unit_test(test_rewrap_lock_and_unlock_while_others_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
