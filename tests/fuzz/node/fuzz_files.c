/* fuzz_files.c - a file command, as it comes from outside, over a root full of links: what lies beside the root is neither shown nor touched. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "node/commands/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/vaultyard-fuzz-files-XXXXXX";
static const char secret[] = "the-secret-beside-the-root";

static void clean_up(void)
{
    Err err = { 0 };
    if (!dir_remove_tree(dir, &err))
        abort();
}

static void put_file(const char *name, const char *content)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content) || close(fd) != 0)
        abort();
}

/* What an earlier command deleted comes back; what is there stays. */
static void fill_root(void)
{
    static const char *const links[][2] = {
        { "../outside", "root/up" }, { "../outside/secret", "root/up-file" }, { "/", "root/top" }, { "/proc/self/root", "root/magic" },
        { "sub", "root/in" }, { "loop", "root/loop" }, { "../../../outside", "root/sub/deeper/out" }, { "../..", "root/sub/deeper/above" },
    };
    (void)mkdir("root", 0700), (void)mkdir("root/sub", 0700), (void)mkdir("root/sub/deeper", 0700);
    put_file("root/plain", "plain");
    put_file("root/sub/file", "file");
    for (size_t i = 0; i < COUNT_OF(links); i++)
        (void)!symlink(links[i][0], links[i][1]);
}

static void set_up(void)
{
    static bool is_done;
    if (is_done)
        return;
    is_done = true;
    if (!mkdtemp(dir) || atexit(clean_up) != 0 || chdir(dir) != 0 || mkdir("outside", 0700) != 0)
        abort();
    put_file("outside/secret", secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
    AUTO(buf_done_auto) Buf body = { 0 };
    const JsonVal *command;
    JsonWriter w;
    FileAsk ask;
    FileAnswer answer;
    Err err = { 0 };
    Str left;
    set_up();
    if (!json_parse(arena, (Str){ (const char *)data, size }, JSON_STRICT, &command, &err) || !files_ask_read(command, &ask, &err))
        return 0;
    fill_root();
    files_do(arena, "root", &ask, &answer);
    buf_init(&body, 16 << 20);
    json_begin(&w, &body);
    files_answer_write(arena, &answer, &w);
    if (!json_end(&w, &err) || (answer.data.ptr && memmem(answer.data.ptr, answer.data.len, secret, sizeof secret - 1)))
        abort();
    for (size_t i = 0; i < answer.count; i++)
        if (!files_path_is_good(answer.entries[i].path) || answer.entries[i].size == (int64_t)sizeof secret - 1)
            abort();
    if (!file_read(arena, "outside/secret", 100, &left, &err) || !str_eq(left, (Str){ secret, sizeof secret - 1 }))
        abort();
    return 0;
}
