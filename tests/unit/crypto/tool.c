/* tool.c - the openssl command as a second opinion. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../cm.h"
#include "base/file.h"

static char folder[64];

static void folder_remove(void)
{
    Err err;
    if (!dir_remove_tree(folder, &err))
        (void)fprintf(stderr, "%s\n", err.text);
}

const char *tool_folder(void)
{
    if (!*folder) {
        (void)snprintf(folder, sizeof folder, "/tmp/vaultyard-crypto-XXXXXX");
        if (!mkdtemp(folder))
            fail_msg("no temporary folder");
        (void)atexit(folder_remove);
    }
    return folder;
}

void tool_write(const char *name, Bytes content)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", tool_folder(), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.ptr, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

Bytes tool_read(Arena *arena, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", tool_folder(), name);
    Str content;
    Err err;
    if (!file_read(arena, path, 1 << 20, &content, &err))
        fail_msg("%s", err.text);
    return bytes_of(content);
}

bool tool_openssl(Arena *arena, Str *out, const char *args, ...)
{
    char given[1024], command[1400];
    va_list list;
    va_start(list, args);
    int len = vsnprintf(given, sizeof given, args, list);
    va_end(list);
    assert_true(len > 0 && (size_t)len < sizeof given);
    (void)snprintf(command, sizeof command, "cd %s && openssl %s >printed 2>&1", tool_folder(), given);
    int status = system(command);
    if (out)
        *out = str_of(tool_read(arena, "printed"));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool tool_without_modules(bool (*claim)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(setenv("OPENSSL_MODULES", "/nonexistent", 1) == 0 && claim() ? 0 : 1);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
