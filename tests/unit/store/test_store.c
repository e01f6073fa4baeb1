#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "item_table.h"

static bool insert_item(Txn *txn, void *id, Err *err)
{
    return txn_exec(txn, NULL, err, "INSERT INTO item (id) VALUES (?1)", db_int(*(int64_t *)id));
}

static bool insert_then_fail(Txn *txn, void *id, Err *err)
{
    if (!insert_item(txn, id, err))
        return false;
    return err_set(err, ERR_PRECONDITION, "changed my mind");
}

/* ---- values and statements ---- */

static bool put_values(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    int64_t changed = -1;
    bool good = txn_exec(txn, &changed, err, "INSERT INTO item (id, name, body) VALUES (?1, ?2, ?3), (?4, ?5, ?6)",
                         db_int(INT64_MAX), db_text(STR("n\0l")), db_blob(bytes_of(STR("\x00\xff"))),
                         db_int(INT64_MIN), db_text(STR("")), db_blob(bytes_of(STR(""))));
    return good && changed == 2 && txn_exec(txn, &changed, err, "INSERT INTO item (id, name, body) VALUES (?1, ?2, ?3)",
                                            db_int(0), db_text(STR_NONE), db_null());
}

static bool check_values(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    assert_true(txn_query(txn, &rows, err, "SELECT id, name, body FROM item ORDER BY id"));
    assert_true(rows_next(rows, err));
    assert_true(row_int(rows, 0) == INT64_MIN);
    assert_false(row_is_null(rows, 1));
    assert_true(row_text(rows, 1).ptr && row_text(rows, 1).len == 0);
    assert_true(row_blob(rows, 2).ptr && row_blob(rows, 2).len == 0);
    assert_true(rows_next(rows, err));
    assert_int_equal(row_int(rows, 0), 0);
    assert_true(row_is_null(rows, 1));
    assert_null(row_text(rows, 1).ptr);
    assert_null(row_blob(rows, 2).ptr);
    assert_true(rows_next(rows, err));
    assert_true(row_int(rows, 0) == INT64_MAX);
    assert_true(str_eq(row_text(rows, 1), STR("n\0l")));
    assert_true(str_eq(str_of(row_blob(rows, 2)), STR("\x00\xff")));
    assert_false(rows_next(rows, err));
    assert_int_equal(err->code, ERR_NONE);
    assert_false(rows_next(rows, err));
    return true;
}

static void test_values_come_back_as_they_went_in(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    must(store_write(place.store, put_values, NULL, E));
    must(store_read(place.store, check_values, NULL, E));
    place_done(&place);
}

static const char nested_sql[] = "SELECT id FROM item WHERE id >= ?1 ORDER BY id";

static bool query_inside_itself(Txn *txn, void *ctx, Err *err)
{
    int64_t *pairs = ctx;
    AUTO(rows_free_auto) Rows *outer = NULL;
    *err = (Err){ 0 };
    assert_true(txn_query(txn, &outer, err, nested_sql, db_int(0)));
    while (rows_next(outer, err)) {
        AUTO(rows_free_auto) Rows *inner = NULL;
        assert_true(txn_query(txn, &inner, err, nested_sql, db_int(row_int(outer, 0))));
        while (rows_next(inner, err))
            ++*pairs;
    }
    return err->code == ERR_NONE;
}

static void test_the_same_statement_runs_inside_itself(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    for (int64_t id = 0; id < 10; id++)
        must(store_write(place.store, insert_item, &id, E));
    for (int round = 0; round < 2; round++) {
        int64_t pairs = 0;
        must(store_read(place.store, query_inside_itself, &pairs, E));
        assert_int_equal(pairs, 55);
    }
    place_done(&place);
}

static bool conflict_is_an_answer(Txn *txn, void *ctx, Err *err)
{
    int64_t one = 1, two = 2;
    Err conflict = { 0 };
    (void)ctx;
    assert_true(insert_item(txn, &one, err));
    assert_false(insert_item(txn, &one, &conflict));
    assert_int_equal(conflict.code, ERR_CONFLICT);
    return insert_item(txn, &two, err);
}

static void test_broken_key_is_a_conflict_and_the_function_may_go_on(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    must(store_write(place.store, conflict_is_an_answer, NULL, E));
    assert_int_equal(items(place.store), 2);
    place_done(&place);
}

static bool swallow_an_error(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    int64_t id = 1;
    Err swallowed = { 0 };
    if (!insert_item(txn, &id, err))
        return false;
    assert_false(txn_exec(txn, NULL, &swallowed, "INSERT INTO item (id, name) VALUES (2, 3), (4, x'00')"));   /* STRICT refuses a blob */
    assert_int_equal(swallowed.code, ERR_INTERNAL);
    return true;
}

static void test_a_failed_statement_cannot_be_overlooked(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    Err err = { 0 };
    assert_false(store_write(place.store, swallow_an_error, NULL, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_int_equal(items(place.store), 0);
    place_done(&place);
}

/* ---- group commit ---- */

enum { WRITERS = 64 };
typedef struct Job { Store *store; int64_t id; bool wants_failure, good; Err err; pthread_t thread; } Job;

static void *run_job(void *arg)
{
    Job *job = arg;
    job->good = store_write(job->store, job->wants_failure ? insert_then_fail : insert_item, &job->id, &job->err);
    return NULL;
}

/* Holds the writer thread inside a transaction, so that what is queued meanwhile shares the next one. */
typedef struct Gate { Store *store; sem_t entered, open; pthread_t thread; bool good; } Gate;

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        continue;
}

static bool stand_in_gate(Txn *txn, void *ctx, Err *err)
{
    Gate *gate = ctx;
    (void)txn, (void)err;
    (void)sem_post(&gate->entered);
    wait_for(&gate->open);
    return true;
}

static void *hold_writer(void *arg)
{
    Gate *gate = arg;
    Err err;
    gate->good = store_write(gate->store, stand_in_gate, gate, &err);
    return NULL;
}

static void gate_close(Gate *gate, Store *store)
{
    *gate = (Gate){ .store = store };
    assert_int_equal(sem_init(&gate->entered, 0, 0), 0);
    assert_int_equal(sem_init(&gate->open, 0, 0), 0);
    assert_int_equal(pthread_create(&gate->thread, NULL, hold_writer, gate), 0);
    wait_for(&gate->entered);
}

static void gate_open_when_queued(Gate *gate, int count)
{
    while (store_stats(gate->store).queue_depth < count + 1)
        sched_yield();
    assert_int_equal(sem_post(&gate->open), 0);
    assert_int_equal(pthread_join(gate->thread, NULL), 0);
    assert_true(gate->good);
    assert_int_equal(sem_destroy(&gate->entered), 0);
    assert_int_equal(sem_destroy(&gate->open), 0);
}

static void run_together(Store *store, Job *jobs, int count)
{
    Gate gate;
    gate_close(&gate, store);
    for (int i = 0; i < count; i++) {
        jobs[i].store = store;
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]), 0);
    }
    gate_open_when_queued(&gate, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
}

static void test_64_writers_share_a_commit(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    static Job jobs[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        jobs[i] = (Job){ .id = i };
    StoreStats before = store_stats(place.store);
    run_together(place.store, jobs, WRITERS);
    StoreStats after = store_stats(place.store);
    for (int i = 0; i < WRITERS; i++)
        assert_true(jobs[i].good);
    assert_int_equal(after.writes - before.writes, WRITERS + 1);
    assert_int_equal(after.commits - before.commits, 2);      /* the gate's and theirs */
    assert_int_equal(after.queue_depth, 0);
    assert_int_equal(items(place.store), WRITERS);
    place_done(&place);
}

static void test_a_failing_function_rolls_back_alone(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    static Job jobs[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        jobs[i] = (Job){ .id = i, .wants_failure = i % 3 == 0 };
    run_together(place.store, jobs, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(jobs[i].good, i % 3 != 0);
        if (i % 3 == 0)
            assert_str(str_from(jobs[i].err.text), "changed my mind");
    }
    assert_int_equal(items(place.store), WRITERS - (WRITERS + 2) / 3);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM item WHERE id % 3 = 0"), 0);
    assert_int_equal(store_stats(place.store).write_failures, (WRITERS + 2) / 3);
    place_done(&place);
}

static bool break_deferred_key(Txn *txn, void *ctx, Err *err)
{
    return txn_exec(txn, NULL, err, "INSERT INTO part (item) VALUES (?1)", db_int(*(int64_t *)ctx));
}

static void *run_breaker(void *arg)
{
    Job *job = arg;
    job->good = store_write(job->store, break_deferred_key, &job->id, &job->err);
    return NULL;
}

static void test_a_failed_commit_is_told_to_all_and_changes_nothing(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    /* Our schema has no deferred keys, for this very reason; here they make COMMIT itself fail. */
    write_sql(place.store, "CREATE TABLE part (item INTEGER NOT NULL PRIMARY KEY REFERENCES item DEFERRABLE INITIALLY DEFERRED) STRICT");
    Gate gate;
    gate_close(&gate, place.store);
    Job good = { .store = place.store, .id = 1 }, breaker = { .store = place.store, .id = 77 };
    assert_int_equal(pthread_create(&good.thread, NULL, run_job, &good), 0);
    assert_int_equal(pthread_create(&breaker.thread, NULL, run_breaker, &breaker), 0);
    gate_open_when_queued(&gate, 2);
    assert_int_equal(pthread_join(good.thread, NULL), 0);
    assert_int_equal(pthread_join(breaker.thread, NULL), 0);

    assert_false(breaker.good);
    assert_false(good.good);
    assert_int_equal(good.err.code, ERR_INTERNAL);
    assert_int_equal(items(place.store), 0);
    must(store_write(place.store, insert_item, &good.id, E));      /* and the store goes on */
    assert_int_equal(items(place.store), 1);
    place_done(&place);
}

static bool insert_large(Txn *txn, void *id, Err *err)
{
    return txn_exec(txn, NULL, err, "INSERT INTO item (id, body) VALUES (?1, zeroblob(1048576))", db_int(*(int64_t *)id));
}

static void test_a_full_disk_fails_the_write_and_nothing_else(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    int64_t id = 1;
    must(store_write(place.store, insert_item, &id, E));

    struct rlimit was, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = (struct rlimit){ .rlim_cur = 256 * 1024, .rlim_max = was.rlim_max };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    Err err = { 0 };
    id = 2;
    bool good = store_write(place.store, insert_large, &id, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    (void)signal(SIGXFSZ, handler);

    assert_false(good);
    assert_true(err.code == ERR_INTERNAL || err.code == ERR_UNAVAILABLE);
    assert_int_equal(items(place.store), 1);
    must(store_write(place.store, insert_large, &id, E));
    assert_int_equal(items(place.store), 2);
    place_done(&place);
}

/* ---- after the commit ---- */

typedef struct Seen { Store *store; int64_t visible[4]; int64_t numbers[4]; int count; } Seen;

static void see(void *ctx, int64_t number)
{
    Seen *seen = ctx;
    Count count = { .sql = "SELECT COUNT(*) FROM item" };
    Err err;
    seen->visible[seen->count] = store_read(seen->store, run_count, &count, &err) ? count.value : -1;
    seen->numbers[seen->count++] = number;
}

static bool insert_and_watch(Txn *txn, void *ctx, Err *err)
{
    int64_t id = 5;
    txn_after_commit(txn, see, ctx, 7);
    txn_after_commit(txn, see, ctx, 8);
    return insert_item(txn, &id, err);
}

static bool watch_and_fail(Txn *txn, void *ctx, Err *err)
{
    txn_after_commit(txn, see, ctx, 9);
    return err_set(err, ERR_DENIED, "no");
}

static void test_after_commit_runs_after_the_commit_and_before_the_answer(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    Seen seen = { .store = place.store };
    must(store_write(place.store, insert_and_watch, &seen, E));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.numbers[0], 7);
    assert_int_equal(seen.numbers[1], 8);
    assert_int_equal(seen.visible[0], 1);      /* another connection sees the row: it is committed */

    Err err;
    assert_false(store_write(place.store, watch_and_fail, &seen, &err));
    assert_int_equal(seen.count, 2);
    assert_false(store_write(place.store, insert_and_watch, &seen, &err));      /* id 5 again */
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(seen.count, 2);
    place_done(&place);
}

/* ---- readers ---- */

typedef struct Snapshot { Store *store; int64_t before, after, nested; } Snapshot;

static bool read_around_a_write(Txn *txn, void *ctx, Err *err)
{
    Snapshot *snapshot = ctx;
    int64_t id = 1;
    Count count = { .sql = "SELECT COUNT(*) FROM item" };
    if (!run_count(txn, &count, err))
        return false;
    snapshot->before = count.value;
    if (!store_write(snapshot->store, insert_item, &id, err) || !run_count(txn, &count, err))
        return false;
    snapshot->after = count.value;
    snapshot->nested = items(snapshot->store);
    return true;
}

static void test_readers_see_one_snapshot(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    Snapshot snapshot = { .store = place.store, .before = -1, .after = -1, .nested = -1 };
    must(store_read(place.store, read_around_a_write, &snapshot, E));
    assert_int_equal(snapshot.before, 0);
    assert_int_equal(snapshot.after, 0);
    assert_int_equal(snapshot.nested, 0);      /* a read inside a read shares the snapshot */
    assert_int_equal(items(place.store), 1);
    place_done(&place);
}

static void *count_in_thread(void *store)
{
    Count count = { .sql = "SELECT COUNT(*) FROM item" };
    Err err;
    return (void *)(intptr_t)(store_read(store, run_count, &count, &err) ? count.value : -1);
}

static void test_each_thread_reads_on_its_own_connection(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    int64_t id = 1;
    must(store_write(place.store, insert_item, &id, E));
    for (int round = 0; round < 50; round++) {         /* ended threads give their connection back */
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, count_in_thread, place.store), 0);
        for (int i = 0; i < 4; i++) {
            void *found;
            assert_int_equal(pthread_join(threads[i], &found), 0);
            assert_int_equal((intptr_t)found, 1);
        }
    }
    place_done(&place);
}

static void test_the_log_is_bounded(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    for (int64_t id = 0; id < 60; id++) {
        must(store_write(place.store, insert_large, &id, E));
        assert_int_equal(items(place.store), id + 1);
    }
    char path[sizeof place.path + 4];
    (void)snprintf(path, sizeof path, "%s-wal", place.path);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_true(about.st_size < 40 << 20);
    place_close(&place);
    assert_int_not_equal(stat(path, &about), 0);       /* all of it is in the database */
    place_done(&place);
}

/* ---- kill -9 ---- */

typedef struct Storm { Store *store; int64_t first; int acks; } Storm;

static void *write_and_tell(void *arg)
{
    Storm *storm = arg;
    for (int64_t id = storm->first;; id++) {
        Err err;
        if (!store_write(storm->store, insert_item, &id, &err) || write(storm->acks, &id, sizeof id) != sizeof id)
            abort();
    }
}

static void storm_forever(const char *path, int acks)
{
    enum { STORMERS = 8 };
    static Storm storms[STORMERS];
    pthread_t thread;
    Err err;
    Store *store;
    if (!store_open(path, &store, &err))
        abort();
    for (int i = 0; i < STORMERS; i++) {
        storms[i] = (Storm){ .store = store, .first = (int64_t)(i + 1) << 32, .acks = acks };
        if (pthread_create(&thread, NULL, write_and_tell, &storms[i]) != 0)
            abort();
    }
    for (;;)
        (void)pause();
}

static void test_kill_9_loses_nothing_acknowledged(void **state)
{
    (void)state;
    Place place;
    open_with_items(&place);
    static int64_t acked[1 << 20];
    size_t count = 0;
    for (int round = 1; round <= 3; round++) {
        place_close(&place);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(ends[0]);
            storm_forever(place.path, ends[1]);
        }
        (void)close(ends[1]);
        size_t enough = count + 100 * (size_t)round;
        for (int64_t id; count < COUNT_OF(acked) && read(ends[0], &id, sizeof id) == sizeof id;) {
            acked[count++] = id;
            if (count == enough)
                assert_int_equal(kill(child, SIGKILL), 0);      /* in the middle of the others' writes */
        }
        (void)close(ends[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(count >= enough);

        place_open(&place);
        for (size_t i = 0; i < count; i++) {
            char sql[96];
            (void)snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM item WHERE id = %lld", (long long)acked[i]);
            if (read_int(place.store, sql) != 1)
                fail_msg("item %lld was acknowledged and is gone", (long long)acked[i]);
        }
        write_sql(place.store, "DELETE FROM item");
        count = 0;
    }
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_9_loses_nothing_acknowledged),      /* first: it forks, while no other thread is there */
        cmocka_unit_test(test_values_come_back_as_they_went_in),
        cmocka_unit_test(test_the_same_statement_runs_inside_itself),
        cmocka_unit_test(test_broken_key_is_a_conflict_and_the_function_may_go_on),
        cmocka_unit_test(test_a_failed_statement_cannot_be_overlooked),
        cmocka_unit_test(test_64_writers_share_a_commit),
        cmocka_unit_test(test_a_failing_function_rolls_back_alone),
        cmocka_unit_test(test_a_failed_commit_is_told_to_all_and_changes_nothing),
        cmocka_unit_test(test_a_full_disk_fails_the_write_and_nothing_else),
        cmocka_unit_test(test_after_commit_runs_after_the_commit_and_before_the_answer),
        cmocka_unit_test(test_readers_see_one_snapshot),
        cmocka_unit_test(test_each_thread_reads_on_its_own_connection),
        cmocka_unit_test(test_the_log_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
