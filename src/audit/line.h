/* line.h - one line of reads.log, written and read. Private to audit/ (and to its fuzz target). */
#pragma once
#include "audit/chain.h"

enum { LINE_MAX_BYTES = RECORD_MAX + 256 };

typedef struct Line { ChainPoint point; Str record; } Line;

/* What comes before the record; LINE_TAIL comes after it. */
enum { LINE_HEAD_MAX = 128 };
size_t line_head(const ChainPoint *point, char out[LINE_HEAD_MAX]);
#define LINE_TAIL "}\n"

/* `text` without its line break. Only what line_head writes is taken; line->record lies in `text`. */
bool line_parse(Str text, Line *line);
