/* err.h - one error: a kind, the service's own code for it, and one sentence.
 *
 * An error is described once, where it is understood, and passed up unchanged. Only http/ turns kinds into HTTP
 * statuses, and only ERR_INTERNAL text is kept from the client. */
#pragma once
#include <stdbool.h>
#include "base/attr.h"

typedef enum ErrCode {
    ERR_NONE = 0,
    ERR_BAD_INPUT,          /* 400 */
    ERR_UNAUTHENTICATED,    /* 401 */
    ERR_DENIED,             /* 403 */
    ERR_NOT_FOUND,          /* 404 */
    ERR_BAD_METHOD,         /* 405 */
    ERR_CONFLICT,           /* 409 */
    ERR_LENGTH_REQUIRED,    /* 411 */
    ERR_PRECONDITION,       /* 412 */
    ERR_TOO_LARGE,          /* 413 */
    ERR_BAD_RANGE,          /* 416 */
    ERR_THROTTLED,          /* 429 */
    ERR_INTERNAL,           /* 500: the text goes to the log, the client gets the request id */
    ERR_NOT_BUILT,          /* 501: the real service has it, we do not yet */
    ERR_UNAVAILABLE         /* 503 */
} ErrCode;

typedef struct Err {
    ErrCode code;
    const char *name;       /* the service's code, e.g. "SecretNotFound"; static; NULL: the plane's default for `code` */
    const char *inner;      /* Key Vault's innererror.code; static; NULL: none */
    char target[128];       /* the field or parameter at fault; "" if none */
    char text[1024];        /* one sentence for a person: what is wrong and what mends it */
} Err;

bool err_set(Err *err, ErrCode code, const char *fmt, ...) FORMAT(3, 4);                     /* always returns false */
bool err_named(Err *err, ErrCode code, const char *name, const char *inner, const char *fmt, ...) FORMAT(5, 6); /* always false */
bool err_field(Err *err, const char *field, const char *fmt, ...) FORMAT(3, 4);              /* ERR_BAD_INPUT about one field; always false */
bool err_errno(Err *err, const char *fmt, ...) FORMAT(2, 3);                                 /* ERR_INTERNAL, ": <strerror(errno)>" appended; always false */
bool err_too_big(Err *err);                                                                  /* ERR_TOO_LARGE: the request's arena limit; always false */
int  err_http_status(ErrCode code);                                                          /* 0 for ERR_NONE */
