/* batch.h - calls to one Batch account's own address; whose it is, the options say: --account-name, --account-endpoint, or the environment. */
#pragma once
#include "cli/call.h"

bool batch_url(Cli *cli, Str path, Str *url, Err *err) MUST_CHECK;                  /* path may hold a query of its own */
bool batch_show(Cli *cli, Str path, Err *err) MUST_CHECK;                           /* GET, as the result */
bool batch_list(Cli *cli, Str path, Err *err) MUST_CHECK;                           /* all pages */
bool batch_call(Cli *cli, const char *method, Str path, Str body, Answer *out, Err *err) MUST_CHECK;
