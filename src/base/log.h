/* log.h - one line an event, key=value or JSON, to standard error. Tools return an Err; edges log it once.
 *
 * Event names are stable and greppable ("job.lease_expired"). Values are escaped. No secret has a type that fits. */
#pragma once
#include "base/str.h"

typedef enum LogLevel { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } LogLevel;   /* warn: off, and we go on; error: someone should look */
typedef enum LogFormat { LOG_KEY_VALUE, LOG_JSON } LogFormat;

typedef struct LogField { const char *name; enum { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_INT } kind; Str str; int64_t num; } LogField;

static inline LogField log_str(const char *name, Str v) { return (LogField){ .name = name, .kind = LOG_FIELD_STR, .str = v }; }
static inline LogField log_cstr(const char *name, const char *v) { return log_str(name, str_from(v)); }
static inline LogField log_int(const char *name, int64_t v) { return (LogField){ .name = name, .kind = LOG_FIELD_INT, .num = v }; }

void log_setup(LogLevel least, LogFormat format, const char *program);
/* A form of the program's own in place of the two: writes the line but for its end. Values come from outside: use log_put_text or log_put_field. */
typedef struct Buf Buf;                                                        /* base/buf.h */
typedef void LogForm(Buf *line, LogLevel level, const char *event, const LogField *fields, size_t count);
void log_set_form(LogForm *form);
void log_put_text(Buf *line, Str value);                                       /* as it is but for control characters, so it forges no line */
void log_put_field(Buf *line, const LogField *field);                          /* name=value, quoted if need be */
void log_write(LogLevel level, const char *event, const LogField *fields, size_t count);
#define log_event(level, event, ...) \
    log_write((level), (event), (LogField[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }, \
              sizeof((LogField[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } }) / sizeof(LogField) - 1)
