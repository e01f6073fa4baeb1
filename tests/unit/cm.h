/* cm.h - cmocka with what it wants included first. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/str.h"

/* Two texts are equal; prints both when not. */
#define assert_str(actual, wanted) do { Str a_ = (actual), w_ = str_from(wanted); \
    if (!str_eq(a_, w_)) fail_msg("got '" STR_FMT "', wanted '" STR_FMT "'", STR_ARG(a_), STR_ARG(w_)); } while (0)

/* A text has this part; prints both when not. */
static inline bool str_has(Str text, const char *part) { size_t at; return str_find(text, str_from(part), &at); }
#define assert_has(text, part) do { Str t_ = (text); const char *p_ = (part); \
    if (!str_has(t_, p_)) fail_msg("'%s' is not in '" STR_FMT "'", p_, STR_ARG(t_)); } while (0)

/* A test that cannot run has not passed. */
static inline void needs_root(void) { if (geteuid() != 0) fail_msg("this test needs root: scripts/test runs it so"); }
#define AS_ROOT(name) static void name##_as_root(void **state) { needs_root(); name(state); }
