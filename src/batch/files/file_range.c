/* file_range.c - ranges of bytes. */
#include "batch/files/file_range.h"

static bool refuse(Err *err, const char *header)
{
    return err_named(err, ERR_BAD_INPUT, "InvalidHeaderValue", NULL, "%s: must be one range such as bytes=0-99, bytes=100- or bytes=-50", header);
}

bool file_range_parse(Str text, const char *header, FileRange *out, Err *err)
{
    Str rest = str_trim(text), unit;
    Err wrong = { 0 };
    *out = (FileRange){ .first = 0, .last = -1 };
    if (str_empty(rest))
        return true;
    unit = str_cut(&rest, '=');
    if (!str_eq_nocase(unit, STR("bytes")) || !rest.ptr)
        return refuse(err, header);
    Str first = str_cut(&rest, '-'), last = rest;
    if (!last.ptr || (str_empty(first) && str_empty(last)) ||
        (!str_empty(first) && !str_to_int64(first, 0, INT64_MAX - 1, &out->first, &wrong)) || (!str_empty(last) && !str_to_int64(last, 0, INT64_MAX - 1, &out->last, &wrong)))
        return refuse(err, header);
    if (str_empty(first))
        out->first = -1;
    if (out->first >= 0 && out->last >= 0 && out->last < out->first)
        return refuse(err, header);
    out->is_given = true;
    return true;
}

bool file_range_apply(const FileRange *range, int64_t size, int64_t *from, int64_t *count, Err *err)
{
    int64_t first = range->first, last = range->last >= 0 && range->last < size ? range->last : size - 1;
    if (first < 0) {
        first = range->last < size ? size - range->last : 0;
        last = size - 1;
    }
    if (range->is_given && (first >= size || (range->first < 0 && range->last == 0)))
        return err_named(err, ERR_BAD_RANGE, "InvalidRange", NULL, "The range begins behind the end of the file, which has %lld bytes.", (long long)size);
    *from = first;
    *count = last - first + 1;
    return true;
}
