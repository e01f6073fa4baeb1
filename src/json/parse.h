/* parse.h - the text of a JSON document as a tree of jansson values. Private to json/: everything else reads by read.h, which says what is refused. */
#pragma once
#include "base/str.h"

/* *root: a json_t, the caller's to json_decref. Besides it no copy of what the text says is left behind. */
bool json_tree_parse(Str text, bool takes_trailing_commas, int depth_max, void **root, Err *err) MUST_CHECK;
