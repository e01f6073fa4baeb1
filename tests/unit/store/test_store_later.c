/* test_store_later.c - writes without a thread that waits, and what runs once before a commit. */
#include <semaphore.h>
#include "store_fixture.h"

enum { MANY = 200 };

typedef struct Later { Place *place; int64_t id; bool wants_refusal, wants_failure; bool is_over, good; Err err; sem_t *over; bool was_seen; } Later;

static bool insert(Txn *txn, void *ctx, Err *err)
{
    const Later *later = ctx;
    return (!later->wants_refusal || err_set(err, ERR_DENIED, "not you")) &&
           txn_exec(txn, NULL, err, "INSERT INTO item (id) VALUES (?1)", db_int(later->id)) &&
           (!later->wants_failure || err_set(err, ERR_PRECONDITION, "changed my mind"));
}

/* Another connection sees the row when we are told that it is durable. */
static void over(void *ctx, bool good)
{
    Later *later = ctx;
    Count count = { .sql = "SELECT COUNT(*) FROM item" };
    Err err;
    later->good = good;
    later->was_seen = later->over && store_read(later->place->store, run_count, &count, &err) && count.value > 0;
    later->is_over = true;
    if (later->over)
        assert_int_equal(sem_post(later->over), 0);
}

static void open_with_items(Place *place)
{
    place_make(place);
    place_open(place);
    write_sql(place->store, "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, of INTEGER REFERENCES item DEFERRABLE INITIALLY DEFERRED) STRICT");
}

static void test_each_is_told_once_durable_or_why_not(void **state)
{
    (void)state;
    Place place;
    static Later laters[MANY];
    sem_t all;
    open_with_items(&place);
    assert_int_equal(sem_init(&all, 0, 0), 0);
    int64_t commits = store_stats(place.store).commits;
    for (int i = 0; i < MANY; i++) {
        laters[i] = (Later){ .place = &place, .id = i + 1, .wants_failure = i % 3 == 2, .over = &all };
        must(store_write_later(place.store, insert, &laters[i], &laters[i].err, over));
    }
    for (int i = 0; i < MANY; i++)
        while (sem_wait(&all) != 0)
            continue;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(laters[i].good, i % 3 != 2);
        if (laters[i].good)
            assert_true(laters[i].was_seen);
        else
            assert_str(str_from(laters[i].err.text), "changed my mind");
    }
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM item"), MANY - MANY / 3);
    assert_true(store_stats(place.store).commits - commits <= MANY);
    assert_true(store_commits(place.store) == store_stats(place.store).commits);
    assert_int_equal(sem_destroy(&all), 0);
    place_done(&place);
}

static void test_closing_finishes_what_was_begun(void **state)
{
    (void)state;
    Place place;
    static Later laters[MANY];
    open_with_items(&place);
    for (int i = 0; i < MANY; i++) {
        laters[i] = (Later){ .place = &place, .id = i + 1 };
        must(store_write_later(place.store, insert, &laters[i], &laters[i].err, over));
    }
    place_close(&place);
    for (int i = 0; i < MANY; i++)
        assert_true(laters[i].is_over && laters[i].good);
    place_open(&place);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM item"), MANY);
    place_done(&place);
}

/* ---- once before the commit ---- */

static int sums;
static bool sum_fails;

static bool sum(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    sums++;
    if (sum_fails)
        return err_set(err, ERR_DENIED, "no sum");
    return txn_exec(txn, NULL, err, "UPDATE total SET n = (SELECT COUNT(*) FROM item)");
}

typedef struct Summed { Later later; bool is_first; } Summed;

static bool insert_summed(Txn *txn, void *ctx, Err *err)
{
    Summed *summed = ctx;
    txn_before_commit(txn, sum, NULL, &summed->is_first);
    txn_before_commit(txn, sum, NULL, NULL);
    return insert(txn, &summed->later, err);
}

typedef struct Hold { sem_t runs, gate; } Hold;

static bool hold(Txn *txn, void *ctx, Err *err)
{
    (void)txn, (void)err;
    Hold *it = ctx;
    assert_int_equal(sem_post(&it->runs), 0);
    while (sem_wait(&it->gate) != 0)
        continue;
    return true;
}

static void nothing(void *ctx, bool good) { (void)ctx; assert_true(good); }
static void summed_over(void *ctx, bool good) { over(&((Summed *)ctx)->later, good); }

/* `count` in one transaction, since the writer is held up until all are queued. */
static void write_together(Place *place, StoreFn *fn, void *all, size_t size, int count, void (*is_over)(void *ctx, bool good))
{
    Hold held;
    sem_t done;
    Err err;
    assert_int_equal(sem_init(&held.runs, 0, 0) | sem_init(&held.gate, 0, 0) | sem_init(&done, 0, 0), 0);
    must(store_write_later(place->store, hold, &held, &err, nothing));
    while (sem_wait(&held.runs) != 0)
        continue;
    for (int i = 0; i < count; i++) {
        Later *later = (Later *)((char *)all + (size_t)i * size);      /* what each begins with */
        later->over = &done;
        must(store_write_later(place->store, fn, later, &later->err, is_over));
    }
    assert_int_equal(sem_post(&held.gate), 0);
    for (int i = 0; i < count; i++)
        while (sem_wait(&done) != 0)
            continue;
    assert_int_equal(sem_destroy(&held.runs) | sem_destroy(&held.gate) | sem_destroy(&done), 0);
}

static void test_before_commit_runs_once_for_all_and_forgets_who_failed(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    Place place;
    static Summed all[COUNT];
    open_with_items(&place);
    write_sql(place.store, "CREATE TABLE total (n INTEGER NOT NULL) STRICT");
    write_sql(place.store, "INSERT INTO total (n) VALUES (-1)");
    for (int i = 0; i < COUNT; i++)
        all[i] = (Summed){ .later = { .place = &place, .id = i + 1, .wants_failure = i < 3 } };
    sums = 0;
    write_together(&place, insert_summed, all, sizeof all[0], COUNT, summed_over);
    assert_int_equal(sums, 1);
    assert_int_equal(read_int(place.store, "SELECT n FROM total"), COUNT - 3);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(all[i].is_first, i <= 3);         /* the three before it failed, and their wish with them */

    Summed failing = { .later = { .place = &place, .id = 900, .wants_failure = true } };
    write_together(&place, insert_summed, &failing, sizeof failing, 1, summed_over);
    assert_false(failing.later.good);
    assert_int_equal(sums, 1);
    place_done(&place);
}

static void test_its_failure_costs_all_their_changes(void **state)
{
    (void)state;
    enum { COUNT = 5 };
    Place place;
    static Summed all[COUNT];
    open_with_items(&place);
    for (int i = 0; i < COUNT; i++)
        all[i] = (Summed){ .later = { .place = &place, .id = i + 1 } };
    sum_fails = true;
    write_together(&place, insert_summed, all, sizeof all[0], COUNT, summed_over);
    sum_fails = false;
    for (int i = 0; i < COUNT; i++) {
        assert_false(all[i].later.good);
        assert_str(str_from(all[i].later.err.text), "no sum");
    }
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM item"), 0);
    place_done(&place);
}

/* ---- run once more, because one failed half-way ---- */

typedef struct Noted { Later later; int runs, told; int64_t epoch; } Noted;

static void tell(void *ctx, int64_t number)
{
    (void)number;
    ((Noted *)ctx)->told++;
}

static bool insert_noted(Txn *txn, void *ctx, Err *err)
{
    Noted *noted = ctx;
    noted->runs++;
    noted->epoch = txn_epoch(txn);
    txn_after_commit(txn, tell, noted, 0);
    return insert(txn, &noted->later, err);
}

static void noted_over(void *ctx, bool good) { over(&((Noted *)ctx)->later, good); }

static void test_what_runs_again_is_told_once_and_has_changed_once(void **state)
{
    (void)state;
    enum { COUNT = 20, FAILS = 7 };
    Place place;
    static Noted all[COUNT];
    open_with_items(&place);
    for (int i = 0; i < COUNT; i++)
        all[i] = (Noted){ .later = { .place = &place, .id = i + 1, .wants_failure = i == FAILS } };
    write_together(&place, insert_noted, all, sizeof all[0], COUNT, noted_over);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(all[i].later.good, i != FAILS);
        assert_int_equal(all[i].told, i == FAILS ? 0 : 1);
        assert_int_equal(all[i].runs, i <= FAILS ? 2 : 1);
        /* What one remembers holds for the next, unless something between them was undone. */
        assert_int_equal(all[i].epoch == all[0].epoch, i <= FAILS);
    }
    assert_true(all[FAILS + 1].epoch == all[COUNT - 1].epoch);
    assert_int_equal(read_int(place.store, "SELECT COUNT(*) FROM item"), COUNT - 1);

    static Noted refused[COUNT];                          /* fails before it has changed anything: nobody runs again */
    for (int i = 0; i < COUNT; i++)
        refused[i] = (Noted){ .later = { .place = &place, .id = 100 + i, .wants_refusal = i == FAILS } };
    write_together(&place, insert_noted, refused, sizeof refused[0], COUNT, noted_over);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(refused[i].runs, 1);
        assert_int_equal(refused[i].told, i == FAILS ? 0 : 1);
        assert_true(refused[i].epoch == refused[0].epoch);
    }
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_told_once_durable_or_why_not),
        cmocka_unit_test(test_closing_finishes_what_was_begun),
        cmocka_unit_test(test_before_commit_runs_once_for_all_and_forgets_who_failed),
        cmocka_unit_test(test_its_failure_costs_all_their_changes),
        cmocka_unit_test(test_what_runs_again_is_told_once_and_has_changed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
