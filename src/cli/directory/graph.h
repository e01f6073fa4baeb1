/* graph.h - calls to Graph that the directory's commands share. */
#pragma once
#include "cli/input.h"

Str graph_url(Cli *cli, Str path);                                                  /* https://graph.../v1.0/<path> */
Str graph_filter_url(Cli *cli, const char *collection, const char *before, Str text, const char *after);      /* collection?$filter=<before>'text'<after> */
bool graph_post(Cli *cli, Str url, Body *body, Answer *answer, Err *err) MUST_CHECK;
bool graph_first(Cli *cli, Str url, const JsonVal **item, Err *err) MUST_CHECK;     /* of a list; NULL: it is empty */
