/* format.h - vsnprintf for the formats that requests are full of: texts and whole numbers, without libc's detour by way of a stream. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

/* As vsnprintf: what it answers, what it writes, the NUL at the end. %s, %.*s, %c, %d, %u, %ld, %lu, %lld, %llu, %zu and %% are done here;
 * a format with anything else goes to libc whole. */
int text_format(char *out, size_t size, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
int text_print(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));      /* as snprintf */
