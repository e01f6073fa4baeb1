/* container.h - what lies in a storage container: the addresses and pages of List Blobs (Azure Storage, REST reference "List Blobs"). */
#pragma once
#include "base/arena.h"

enum { BLOB_PAGE_SIZE = 1000 };

typedef struct BlobPage {
    Str *names; size_t count;           /* of blobs, not of directories of a hierarchical namespace */
    Str next_marker;                    /* of the next page; "": this is the last */
} BlobPage;

/* `container` is the container's URL; its query (a shared access signature) goes with every address. Absent when the arena is full. */
Str container_list_url(Arena *arena, Str container, Str prefix, Str marker);
Str container_blob_url(Arena *arena, Str container, Str blob);

/* ERR_BAD_INPUT: this is no page of blobs. */
bool blob_page_read(Arena *arena, Str xml, BlobPage *out, Err *err) MUST_CHECK;
