/* A line that is taken is exactly what we would write for what was read from it; what a trim asks of its record reads within it. */
#include <stdlib.h>
#include "audit/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str text = { (const char *)data, size };
    Line line;
    if (!line_parse(text, &line))
        return 0;
    char head[LINE_HEAD_MAX];
    size_t len = line_head(&line.point, head);
    Str tail = { LINE_TAIL, sizeof LINE_TAIL - 2 };      /* without the line break */
    if (text.len != len + line.record.len + tail.len || !str_starts(text, (Str){ head, len }) || !str_ends(text, tail) || line.record.ptr != text.ptr + len)
        abort();
    int64_t time_ms;
    bool has_time = record_time(line.record, &time_ms), is_cut = chain_names(line.record, STR("AuditTrimmed"));
    if ((has_time || is_cut) && line.record.len < 20)
        abort();
    return 0;
}
