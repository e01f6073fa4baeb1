/* input.h - values of options as bodies want them, and bodies on their way out. */
#pragma once
#include "cli/call.h"

/* A body under construction: wiped when it goes, since secrets travel in some. */
typedef struct Body { Buf buf; JsonWriter w; } Body;
void body_begin(Body *body);
void body_done(Body *body);
DEFINE_AUTO_DONE(Body, body_done)
bool body_end(Body *body, Str *text, Err *err) MUST_CHECK;                /* text lies in the body */
/* Ends it, sends it, and shows the answer (call_shown). */
bool body_send(Cli *cli, const char *method, Str resource, Str url, Body *body, Shape *shape, Err *err) MUST_CHECK;

/* --tags a=b c=d as member "tags"; nothing if not given. ERR_BAD_INPUT and cli->is_usage on one without '='. */
bool put_tags(Cli *cli, JsonWriter *w, Err *err) MUST_CHECK;
/* The same, and always this one, with its value unless --tags has another for it. */
bool put_tags_and(Cli *cli, JsonWriter *w, const char *one, Str its_value, Err *err) MUST_CHECK;
/* "2030-01-01T00:00:00Z" or "2030-01-01" to seconds. */
bool time_arg(Cli *cli, const char *option, int64_t *seconds, Err *err) MUST_CHECK;
bool bool_arg(Cli *cli, const char *option, bool *value, Err *err) MUST_CHECK;
/* The value of an option, or with "@file" that file, or with "-" standard input. */
bool text_arg(Cli *cli, const char *option, Str *text, Err *err) MUST_CHECK;
bool read_input(Cli *cli, const char *path, Str *text, Err *err) MUST_CHECK;   /* a file, or "-" */
