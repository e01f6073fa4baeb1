/* output.h - a result as JSON, as a table, as tab-separated values. */
#pragma once
#include "base/buf.h"
#include "json/read.h"

typedef enum OutputFormat { OUTPUT_JSON = 1, OUTPUT_JSONC, OUTPUT_TSV, OUTPUT_TABLE, OUTPUT_NONE } OutputFormat;

bool output_format_parse(Str name, OutputFormat *out);
/* `columns` as in Command; NULL: the scalar members of the first item; "": what a query made, as it named or placed it. */
void output_write(Buf *out, OutputFormat format, const JsonVal *value, const char *columns);
