/* test_id.c - random identifiers: no two alike, in no thread and no child. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../cm.h"
#include "base/id.h"

enum { THREADS = 4, EACH = 5000 };
typedef struct Id { uint8_t bytes[16]; } Id;

static void *draw(void *out)
{
    Id *ids = out;
    for (int i = 0; i < EACH; i++)
        random_fill(ids[i].bytes, sizeof ids[i].bytes);
    return NULL;
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, sizeof(Id)); }

static void all_differ(Id *ids, size_t count)
{
    qsort(ids, count, sizeof *ids, by_bytes);
    for (size_t i = 1; i < count; i++)
        assert_true(by_bytes(&ids[i - 1], &ids[i]) != 0);
}

static void test_no_two_are_alike_in_any_thread(void **state)
{
    (void)state;
    static Id ids[THREADS * EACH];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw, ids + (size_t)i * EACH), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    all_differ(ids, COUNT_OF(ids));
}

/* What the parent had in stock is not what the child gives out. */
static void test_a_child_draws_others_than_its_parent(void **state)
{
    (void)state;
    static Id ids[3 * 40];
    size_t count = 0;
    random_fill(ids[count++].bytes, sizeof(Id));
    for (int child = 0; child < 2; child++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            Id drawn[40];
            for (size_t i = 0; i < COUNT_OF(drawn); i++)
                random_fill(drawn[i].bytes, sizeof drawn[i].bytes);
            _exit(write(ends[1], drawn, sizeof drawn) == (ssize_t)sizeof drawn ? 0 : 1);
        }
        assert_int_equal(close(ends[1]), 0);
        assert_int_equal(read(ends[0], &ids[count], 40 * sizeof(Id)), 40 * sizeof(Id));
        assert_int_equal(close(ends[0]), 0);
        count += 40;
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    while (count < COUNT_OF(ids))
        random_fill(ids[count++].bytes, sizeof(Id));
    all_differ(ids, count);
}

static void test_any_length_is_filled(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 600; len += len < 40 ? 1 : 140) {
        uint8_t bytes[601] = { 0 };
        bool any = len < 8;                              /* eight zeros come once in 2^64 */
        random_fill(bytes, len);
        for (size_t i = 0; i < len; i++)
            any = any || bytes[i];
        assert_true(any);
        assert_int_equal(bytes[len], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_two_are_alike_in_any_thread),
        cmocka_unit_test(test_a_child_draws_others_than_its_parent),
        cmocka_unit_test(test_any_length_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
