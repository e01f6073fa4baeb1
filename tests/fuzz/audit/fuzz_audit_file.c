/* Whatever the file holds, its lines are given one after the other, without a gap, to its end. The first byte of the input
 * says how often the rest is repeated, so that files grow past the reader's window. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "audit/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool next_to_each_other(void *ctx, LineKind kind, const Line *line, int64_t offset, int64_t len)
{
    int64_t *expected = ctx;
    if (offset != *expected || len <= 0 || (kind == LINE_SOUND) != (line != NULL) || (line && line->record.len >= (size_t)len))
        abort();
    *expected += len;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    char path[] = "/tmp/vaultyard-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        abort();
    int64_t written = 0, walked = 0;
    for (int i = 0; i <= data[0]; i++) {
        if (write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
            abort();
        written += (int64_t)size - 1;
    }
    Err err;
    if (!reads_file_walk(path, next_to_each_other, &walked, &err) || walked != written)
        abort();
    (void)close(fd);
    (void)unlink(path);
    return 0;
}
