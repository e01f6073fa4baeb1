/* fuzz_blobs.c - a page of blobs that was read has good names and no more than were asked for. */
#include <stdlib.h>
#include "node/runs/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    BlobPage page;
    Err err = { 0 };
    if (!blob_page_read(arena, (Str){ (const char *)data, size }, &page, &err))
        return err.code != ERR_BAD_INPUT && err.code != ERR_TOO_LARGE ? abort(), 0 : 0;
    if (page.count > BLOB_PAGE_SIZE)
        abort();
    for (size_t i = 0; i < page.count; i++)
        if (!page.names[i].len || !str_is_utf8(page.names[i]) || !container_blob_url(arena, STR("https://a/c?sig=x"), page.names[i]).ptr)
            abort();
    return 0;
}
