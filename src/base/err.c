/* err.c - filling in an Err, and the one place where kinds become HTTP statuses. */
#include "base/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"

static size_t char_len(unsigned char lead) { return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

/* Texts are cut by bytes, here and by callers, and may quote what a client sent: half a character at the end goes, elsewhere
 * whatever is no UTF-8 becomes a '?'. */
static void mend_utf8(char *text)
{
    size_t end = strlen(text);
    for (size_t at = 0; at < end;) {
        size_t len = char_len((unsigned char)text[at]);
        if (at + len > end) {
            text[at] = '\0';
            return;
        }
        if (!str_is_utf8((Str){ text + at, len })) {
            text[at] = '?';
            len = 1;
        }
        at += len;
    }
}

FORMAT(5, 0) static void err_fill(Err *err, ErrCode code, const char *name, const char *inner, const char *fmt, va_list args)
{
    *err = (Err){ .code = code, .name = name, .inner = inner };
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);     /* a cut sentence is still a sentence */
    mend_utf8(err->text);
}

bool err_set(Err *err, ErrCode code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_fill(err, code, NULL, NULL, fmt, args);
    va_end(args);
    return false;
}

bool err_named(Err *err, ErrCode code, const char *name, const char *inner, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_fill(err, code, name, inner, fmt, args);
    va_end(args);
    return false;
}

bool err_field(Err *err, const char *field, const char *fmt, ...)
{
    char target[sizeof err->target];
    (void)snprintf(target, sizeof target, "%s", field);          /* field may lie in *err */
    va_list args;
    va_start(args, fmt);
    err_fill(err, ERR_BAD_INPUT, NULL, NULL, fmt, args);
    va_end(args);
    memcpy(err->target, target, sizeof target);
    return false;
}

bool err_errno(Err *err, const char *fmt, ...)
{
    int number = errno;
    va_list args;
    va_start(args, fmt);
    err_fill(err, ERR_INTERNAL, NULL, NULL, fmt, args);
    va_end(args);
    size_t len = strlen(err->text);
    char reason[128];
    (void)snprintf(err->text + len, sizeof err->text - len, ": %s", strerror_r(number, reason, sizeof reason));
    return false;
}

bool err_too_big(Err *err)
{
    return err_set(err, ERR_TOO_LARGE, "the request needs more memory than one request may use; send less at once");
}

int err_http_status(ErrCode code)
{
    switch (code) {
    case ERR_NONE:            return 0;
    case ERR_BAD_INPUT:       return 400;
    case ERR_UNAUTHENTICATED: return 401;
    case ERR_DENIED:          return 403;
    case ERR_NOT_FOUND:       return 404;
    case ERR_BAD_METHOD:      return 405;
    case ERR_CONFLICT:        return 409;
    case ERR_LENGTH_REQUIRED: return 411;
    case ERR_PRECONDITION:    return 412;
    case ERR_TOO_LARGE:       return 413;
    case ERR_BAD_RANGE:       return 416;
    case ERR_THROTTLED:       return 429;
    case ERR_INTERNAL:        return 500;
    case ERR_NOT_BUILT:       return 501;
    case ERR_UNAVAILABLE:     return 503;
    }
    return 500;
}
