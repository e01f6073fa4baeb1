#include "../cm.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "node/commands/files.h"

static char dir[] = "/tmp/vaultyard-files-XXXXXX", root[64];
static Arena *arena;

static const char *at(const char *name) { return str_printf(arena, "%s/%s", dir, name).ptr; }

static void put(const char *name, const char *content)
{
    Err err = { 0 };
    assert_true(file_replace(at(name), bytes_of(str_from(content)), 0640, (uid_t)-1, (gid_t)-1, &err));
}

static FileAnswer ask(const char *op, const char *path)
{
    FileAnswer answer;
    files_do(arena, root, &(FileAsk){ .op = str_from(op), .path = str_from(path) }, &answer);
    return answer;
}

/* Paths with a slash behind directories, one after the other. */
static Str paths(FileAnswer answer)
{
    Str all = STR("");
    for (size_t i = 0; i < answer.count; i++)
        all = str_printf(arena, STR_FMT STR_FMT "%s ", STR_ARG(all), STR_ARG(answer.entries[i].path), answer.entries[i].is_directory ? "/" : "");
    return all;
}

static void test_a_list_is_sorted_and_goes_deep_when_asked(void **state)
{
    (void)state;
    FileAnswer answer;
    assert_str(paths(ask("list", "")), "a.txt out sub/ ");
    files_do(arena, root, &(FileAsk){ .op = STR("list"), .path = STR(""), .recursive = true }, &answer);
    assert_str(paths(answer), "a.txt out sub/ sub/b.txt sub/back sub/deep/ sub/deep/c.txt ");
    assert_false(answer.more);
    assert_str(paths(ask("list", "sub/deep")), "sub/deep/c.txt ");
}

static void test_a_list_comes_in_pages(void **state)
{
    (void)state;
    FileAnswer answer;
    FileAsk page = { .op = STR("list"), .path = STR(""), .recursive = true, .offset = { true, 2 }, .length = { true, 3 } };
    files_do(arena, root, &page, &answer);
    assert_str(paths(answer), "sub/ sub/b.txt sub/back ");
    assert_true(answer.more);
    page.offset.value = 6;
    files_do(arena, root, &page, &answer);
    assert_str(paths(answer), "sub/deep/c.txt ");
    assert_false(answer.more);
    page.offset.value = INT64_MAX;
    files_do(arena, root, &page, &answer);
    assert_true(answer.count == 0 && !answer.more && answer.error[0] == '\0');
}

static void test_a_read_gives_the_bytes_asked_for(void **state)
{
    (void)state;
    FileAnswer answer = ask("read", "a.txt");
    assert_str(str_of(answer.data), "0123456789");
    assert_true(answer.count == 1 && answer.entries[0].size == 10 && (answer.entries[0].mode & 0177777) == 0100640);
    files_do(arena, root, &(FileAsk){ .op = STR("read"), .path = STR("a.txt"), .offset = { true, 3 }, .length = { true, 4 } }, &answer);
    assert_str(str_of(answer.data), "3456");
    files_do(arena, root, &(FileAsk){ .op = STR("read"), .path = STR("a.txt"), .offset = { true, 8 }, .length = { true, 100 } }, &answer);
    assert_str(str_of(answer.data), "89");
    files_do(arena, root, &(FileAsk){ .op = STR("read"), .path = STR("a.txt"), .offset = { true, 10 } }, &answer);
    assert_true(answer.error[0] == '\0' && answer.data.len == 0);
}

static void test_links_inside_are_followed_and_links_outside_are_not(void **state)
{
    (void)state;
    assert_str(str_of(ask("read", "sub/back").data), "0123456789");
    assert_string_equal(ask("read", "out/secret").error, "InvalidPath");
    assert_string_equal(ask("list", "out").error, "InvalidPath");
    assert_string_equal(ask("delete", "out/secret").error, "InvalidPath");
    assert_int_equal(access(at("outside/secret"), F_OK), 0);
}

static void test_paths_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "/", "/etc/passwd", "..", "../outside/secret", "sub/../../outside", "sub//b.txt", "sub/", "./sub", "a\xff" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_string_equal(ask("stat", bad[i]).error, "InvalidPath");
    assert_string_equal(ask("move", "a.txt").error, "InvalidPath");
}

static void test_what_is_not_there_or_of_another_kind_is_said(void **state)
{
    (void)state;
    FileAnswer answer;
    assert_string_equal(ask("read", "none").error, "FileNotFound");
    assert_string_equal(ask("read", "a.txt/x").error, "FileNotFound");
    assert_string_equal(ask("read", "sub").error, "IsDirectory");
    assert_string_equal(ask("list", "a.txt").error, "NotDirectory");
    assert_string_equal(ask("delete", "none").error, "FileNotFound");
    files_do(arena, root, &(FileAsk){ .op = STR("read"), .path = STR("a.txt"), .offset = { true, -1 } }, &answer);
    assert_string_equal(answer.error, "InvalidRange");
}

static void test_a_fifo_is_not_read(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(at("root/fifo"), 0600), 0);
    assert_string_equal(ask("read", "fifo").error, "IOError");
    assert_string_equal(ask("delete", "fifo").error, "");
}

static void test_a_full_directory_is_deleted_only_with_what_it_holds(void **state)
{
    (void)state;
    FileAnswer answer;
    assert_string_equal(ask("delete", "sub").error, "IsDirectory");
    assert_string_equal(ask("delete", "").error, "InvalidPath");
    files_do(arena, root, &(FileAsk){ .op = STR("delete"), .path = STR("sub"), .recursive = true }, &answer);
    assert_string_equal(answer.error, "");
    assert_string_equal(ask("stat", "sub").error, "FileNotFound");
    files_do(arena, root, &(FileAsk){ .op = STR("delete"), .path = STR("out"), .recursive = true }, &answer);
    assert_string_equal(answer.error, "");
    assert_int_equal(access(at("outside/secret"), F_OK), 0);
    assert_str(paths(ask("list", "")), "a.txt ");
}

static void test_an_answer_is_written_as_the_protocol_says(void **state)
{
    (void)state;
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    Err err = { 0 };
    FileEntry entry = { .path = STR("a"), .size = 3, .modified_ms = 5, .mode = 0100640 };
    FileAnswer answer = { .entries = &entry, .count = 1, .data = { (const uint8_t *)"abc", 3 }, .error = "" };
    buf_init(&body, 4096);
    json_begin(&w, &body);
    files_answer_write(arena, &answer, &w);
    assert_true(json_end(&w, &err));
    assert_str(buf_str(&body), "{\"entries\":[{\"path\":\"a\",\"isDirectory\":false,\"size\":3,\"modifiedMs\":5,\"mode\":\"0100640\"}],\"more\":false,"
                               "\"data\":\"YWJj\",\"error\":\"\",\"message\":\"\"}");
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(64 << 20);
    if (!arena || !mkdtemp(dir) || mkdir(at("outside"), 0700) || mkdir(at("root"), 0700) || mkdir(at("root/sub"), 0700) || mkdir(at("root/sub/deep"), 0700))
        return -1;
    (void)snprintf(root, sizeof root, "%s/root", dir);
    put("outside/secret", "secret");
    put("root/a.txt", "0123456789");
    put("root/sub/b.txt", "b");
    put("root/sub/deep/c.txt", "c");
    return symlink("../outside", at("root/out")) || symlink("../a.txt", at("root/sub/back"));
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    bool gone = dir_remove_tree(dir, &err);
    arena_free(arena);
    return gone ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_is_sorted_and_goes_deep_when_asked),
        cmocka_unit_test(test_a_list_comes_in_pages),
        cmocka_unit_test(test_a_read_gives_the_bytes_asked_for),
        cmocka_unit_test(test_links_inside_are_followed_and_links_outside_are_not),
        cmocka_unit_test(test_paths_that_are_none_are_refused),
        cmocka_unit_test(test_what_is_not_there_or_of_another_kind_is_said),
        cmocka_unit_test(test_a_fifo_is_not_read),
        cmocka_unit_test(test_a_full_directory_is_deleted_only_with_what_it_holds),
        cmocka_unit_test(test_an_answer_is_written_as_the_protocol_says),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
