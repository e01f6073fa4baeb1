/* write.h - JSON out without a tree, straight into a Buf. Commas and escapes are the writer's; the caller checks once, at json_end. */
#pragma once
#include "base/buf.h"
#include "json/read.h"

typedef struct JsonWriter { Buf *buf; uint64_t is_array; uint64_t has_items; int depth; bool bad; } JsonWriter;

void json_begin(JsonWriter *w, Buf *buf);                             /* nothing is written yet */
/* `name` is the member's name inside an object and NULL inside an array or at the top. */
void json_open(JsonWriter *w, const char *name);                      /* { */
void json_close(JsonWriter *w);                                       /* } */
void json_open_array(JsonWriter *w, const char *name);                /* [ */
void json_close_array(JsonWriter *w);                                 /* ] */
void json_open_named(JsonWriter *w, Str name);                        /* { under a name made at run time */
void json_open_array_named(JsonWriter *w, Str name);                  /* [ likewise */
void json_put_str(JsonWriter *w, const char *name, Str value);        /* an absent Str is left out (null inside an array) */
void json_put_str_named(JsonWriter *w, Str name, Str value);
void json_put_int(JsonWriter *w, const char *name, int64_t value);
void json_put_real(JsonWriter *w, const char *name, double value);    /* shortest form that reads back the same */
void json_put_bool(JsonWriter *w, const char *name, bool value);
void json_put_null(JsonWriter *w, const char *name);
void json_put_value(JsonWriter *w, const char *name, const JsonVal *value);        /* a read value again, members in their order; NULL: left out */
void json_put_value_named(JsonWriter *w, Str name, const JsonVal *value);
void json_put_raw(JsonWriter *w, const char *name, Str json);         /* text that is already valid JSON */
void json_put_time(JsonWriter *w, const char *name, int64_t ms);      /* RFC 3339 with 7 fractional digits, as ARM and Batch write */
bool json_end(JsonWriter *w, Err *err) MUST_CHECK;                    /* everything closed and nothing refused; else ERR_INTERNAL */
Str  json_text(Arena *arena, const JsonVal *value);                   /* compact text of a read value; absent when the arena is full */
