/* file_range.h - the part of a file that a request asks for: ocp-range, or Range (RFC 9110 section 14.1.2). */
#pragma once
#include "base/str.h"

typedef struct FileRange { bool is_given; int64_t first, last; } FileRange;     /* first -1: the last `last` bytes; last -1: to the end */

/* "bytes=0-99", "bytes=100-", "bytes=-50"; absent: all. ERR_BAD_INPUT InvalidHeaderValue when it is none of these. */
bool file_range_parse(Str text, const char *header, FileRange *out, Err *err) MUST_CHECK;
/* Of a file of `size`: *from and *count. ERR_BAD_RANGE InvalidRange when it begins behind the end. */
bool file_range_apply(const FileRange *range, int64_t size, int64_t *from, int64_t *count, Err *err) MUST_CHECK;
