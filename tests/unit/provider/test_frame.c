/* test_frame.c - messages between serve and host: whole, in pieces, cut off, too large, too late; and sockets that nobody answers. */
#include "../cm.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/file.h"
#include "provider/frame.h"

enum { MAX_BYTES = 4 << 20, LONG_MS = 120 * 1000 };

typedef struct Pair { int ours, theirs; Arena *arena; Err err; } Pair;

static Pair pair_make(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (Pair){ .ours = fds[0], .theirs = fds[1], .arena = arena_new(16 << 20) };
}

static void pair_done(Pair *pair)
{
    fd_close(&pair->ours);
    fd_close(&pair->theirs);
    arena_free(pair->arena);
}

static void put(const Pair *pair, const char *bytes, size_t len) { assert_int_equal(send(pair->theirs, bytes, len, 0), len); }

static bool receive(Pair *pair, size_t max_bytes, Str *out)
{
    pair->err = (Err){ 0 };
    return frame_receive(pair->ours, -1, pair->arena, max_bytes, mono_now_ms() + LONG_MS, out, &pair->err);
}

static void test_messages_come_whole_and_one_by_one(void **state)
{
    Str got;
    Err err = { 0 };
    (void)state;
    Pair pair = pair_make();
    assert_true(frame_send(pair.theirs, STR("first"), mono_now_ms() + LONG_MS, &err));
    assert_true(frame_send(pair.theirs, STR("second"), mono_now_ms() + LONG_MS, &err));
    put(&pair, "\0\0\0\1x", 5);
    assert_true(receive(&pair, MAX_BYTES, &got));
    assert_str(got, "first");
    assert_true(receive(&pair, MAX_BYTES, &got));
    assert_str(got, "second");
    assert_true(receive(&pair, MAX_BYTES, &got));
    assert_str(got, "x");
    pair_done(&pair);
}

/* More than a socket holds: either side waits for the other. */
static void *send_large(void *arg)
{
    const Pair *pair = arg;
    static char text[MAX_BYTES];
    Err err = { 0 };
    memset(text, 'y', sizeof text);
    return frame_send(pair->theirs, (Str){ text, sizeof text }, mono_now_ms() + LONG_MS, &err) ? NULL : (void *)(uintptr_t)1;
}

static void test_a_message_larger_than_the_socket_comes_in_pieces(void **state)
{
    pthread_t thread;
    void *failed;
    Str got;
    (void)state;
    Pair pair = pair_make();
    assert_int_equal(pthread_create(&thread, NULL, send_large, &pair), 0);
    assert_true(receive(&pair, MAX_BYTES, &got));
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(got.len, MAX_BYTES);
    assert_int_equal(got.ptr[MAX_BYTES - 1], 'y');
    pair_done(&pair);
}

static void test_lengths_that_cannot_be_are_refused_before_anything_is_kept(void **state)
{
    static const struct { const char head[5]; size_t max_bytes; } rows[] = {
        { "\0\0\0\0", 100 }, { "\0\0\0\x65", 100 }, { "\xff\xff\xff\xff", MAX_BYTES }, { "\x7f\xff\xff\xff", MAX_BYTES },
    };
    Str got = STR("untouched");
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Pair pair = pair_make();
        put(&pair, rows[i].head, 4);
        assert_false(receive(&pair, rows[i].max_bytes, &got));
        assert_int_equal(pair.err.code, ERR_TOO_LARGE);
        pair_done(&pair);
    }
    assert_str(got, "untouched");
}

static void test_a_message_beyond_the_arena_is_a_clean_refusal(void **state)
{
    Str got;
    Err err = { 0 };
    (void)state;
    Pair pair = pair_make();
    AUTO(arena_free_auto) Arena *small = arena_new(64);
    put(&pair, "\0\0\x10\0", 4);
    assert_false(frame_receive(pair.ours, -1, small, MAX_BYTES, mono_now_ms() + LONG_MS, &got, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    pair_done(&pair);
}

static void test_a_peer_may_leave_between_messages_but_not_within_one(void **state)
{
    static const struct { const char *bytes; size_t len; bool good; } rows[] = {
        { "", 0, true }, { "\0\0", 2, false }, { "\0\0\0\5", 4, false }, { "\0\0\0\5abcd", 8, false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Str got = STR("untouched");
        Pair pair = pair_make();
        if (rows[i].len)
            put(&pair, rows[i].bytes, rows[i].len);
        fd_close(&pair.theirs);
        assert_int_equal(receive(&pair, MAX_BYTES, &got), rows[i].good);
        assert_int_equal(pair.err.code, rows[i].good ? ERR_NONE : ERR_UNAVAILABLE);
        if (rows[i].good)
            assert_null(got.ptr);
        pair_done(&pair);
    }
}

static void test_who_is_woken_leaves_unless_a_message_has_begun(void **state)
{
    int wake[2];
    Str got = STR("untouched");
    Err err = { 0 };
    (void)state;
    Pair pair = pair_make();
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "w", 1), 1);
    assert_true(frame_receive(pair.ours, wake[0], pair.arena, MAX_BYTES, mono_now_ms() + LONG_MS, &got, &err));
    assert_null(got.ptr);
    assert_true(frame_send(pair.theirs, STR("here"), mono_now_ms() + LONG_MS, &err));
    assert_true(frame_receive(pair.ours, wake[0], pair.arena, MAX_BYTES, mono_now_ms() + LONG_MS, &got, &err));
    assert_str(got, "here");
    fd_close(&wake[0]);
    fd_close(&wake[1]);
    pair_done(&pair);
}

static void test_time_runs_out(void **state)
{
    Str got;
    Err err = { 0 };
    (void)state;
    Pair pair = pair_make();
    put(&pair, "\0\0\0\5ab", 6);
    assert_false(frame_receive(pair.ours, -1, pair.arena, MAX_BYTES, mono_now_ms() + 20, &got, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    static char text[MAX_BYTES];                            /* nobody reads it */
    err = (Err){ 0 };
    assert_false(frame_send(pair.ours, (Str){ text, sizeof text }, mono_now_ms() + 20, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    fd_close(&pair.theirs);
    err = (Err){ 0 };
    assert_false(frame_send(pair.ours, STR("x"), mono_now_ms() + LONG_MS, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    pair_done(&pair);
}

/* ---- sockets ---- */

static void test_a_socket_is_found_however_long_its_directory_and_replaces_a_leftover(void **state)
{
    char top[] = "/tmp/vaultyard-frame-XXXXXX", dir[300];
    int listening = -1, again = -1, fd = -1;
    struct stat about = { 0 };
    Err err = { 0 };
    (void)state;
    assert_non_null(mkdtemp(top));
    (void)snprintf(dir, sizeof dir, "%s/%0200d", top, 7);   /* sun_path has 108 bytes */
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_false(socket_connect(dir, "s", &fd, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_true(socket_listen(dir, "s", (uid_t)-1, (gid_t)-1, 0660, &listening, &err));
    assert_true(socket_connect(dir, "s", &fd, &err));
    fd_close(&fd);
    fd_close(&listening);
    assert_false(socket_connect(dir, "s", &fd, &err));      /* its file is there, and nobody behind it */
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_true(socket_listen(dir, "s", (uid_t)-1, (gid_t)-1, 0600, &again, &err));
    assert_true(socket_connect(dir, "s", &fd, &err));
    (void)snprintf(dir + strlen(dir), 3, "/s");
    assert_int_equal(stat(dir, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    fd_close(&fd);
    fd_close(&again);
    assert_true(dir_remove_tree(top, &err));
}

static void test_what_cannot_be_a_socket_is_said(void **state)
{
    static char name[200];
    int fd = -1;
    Err err = { 0 };
    (void)state;
    memset(name, 'n', sizeof name - 1);
    assert_false(socket_connect("/nonexistent", "s", &fd, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_false(socket_listen("/nonexistent", "s", (uid_t)-1, (gid_t)-1, 0600, &fd, &err));
    assert_false(socket_connect("/tmp", name, &fd, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_whole_and_one_by_one),
        cmocka_unit_test(test_a_message_larger_than_the_socket_comes_in_pieces),
        cmocka_unit_test(test_lengths_that_cannot_be_are_refused_before_anything_is_kept),
        cmocka_unit_test(test_a_message_beyond_the_arena_is_a_clean_refusal),
        cmocka_unit_test(test_a_peer_may_leave_between_messages_but_not_within_one),
        cmocka_unit_test(test_who_is_woken_leaves_unless_a_message_has_begun),
        cmocka_unit_test(test_time_runs_out),
        cmocka_unit_test(test_a_socket_is_found_however_long_its_directory_and_replaces_a_leftover),
        cmocka_unit_test(test_what_cannot_be_a_socket_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
