/* batch.h - calls to one Batch account's own address; whose it is, the options say: --account-name, --account-endpoint, or the environment. */
#pragma once
#include "cli/call.h"

bool batch_url(Cli *cli, Str path, Str *url, Err *err) MUST_CHECK;                  /* path may hold a query of its own */
bool batch_show(Cli *cli, Str path, Err *err) MUST_CHECK;                           /* GET, as the result */
bool batch_list(Cli *cli, Str path, Err *err) MUST_CHECK;                           /* all pages */
bool batch_call(Cli *cli, const char *method, Str path, Str body, Answer *out, Err *err) MUST_CHECK;
/* --json-file FILE or @FILE, - for standard input: an object or an array. */
bool batch_document(Cli *cli, Str *text, const JsonVal **document, Err *err) MUST_CHECK;
/* "a=b" values of an option as an array of {first: "a", second: "b"}; nothing if not given. */
bool batch_put_pairs(Cli *cli, JsonWriter *w, const char *option, const char *name, const char *first, const char *second, Err *err) MUST_CHECK;
/* A number of an option as a member; nothing if not given. */
bool batch_put_int(Cli *cli, JsonWriter *w, const char *option, const char *name, Err *err) MUST_CHECK;
