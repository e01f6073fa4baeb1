/* log.c - one line an event, written with a single write(2) so that lines of threads never mix. */
#include "base/log.h"
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"

enum { LINE_MAX_BYTES = 16 * 1024 };

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_KEY_VALUE;
static const char *program_name = "vaultyard";
static LogForm *_Atomic own_form;

void log_setup(LogLevel least, LogFormat format, const char *program)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&line_format, (int)format);
    program_name = program;
}

/* Quoted, with control characters and quotes as \uXXXX or \", so that no value can forge a line or a field. */
static void put_quoted(Buf *line, Str text)
{
    buf_put_char(line, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            buf_put_char(line, '\\');
            buf_put_char(line, (char)c);
        } else if (c < 0x20 || c == 0x7F) {
            buf_printf(line, "\\u%04x", c);
        } else {
            buf_put_char(line, (char)c);
        }
    }
    buf_put_char(line, '"');
}

static bool is_plain(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return text.len > 0;
}

void log_set_form(LogForm *form) { atomic_store(&own_form, form); }

void log_put_text(Buf *line, Str value)
{
    for (size_t i = 0; i < value.len; i++)
        buf_put_char(line, (unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7F ? ' ' : value.ptr[i]);
}

void log_put_field(Buf *line, const LogField *field)
{
    buf_printf(line, "%s=", field->name);
    if (field->kind == LOG_FIELD_INT)
        buf_printf(line, "%lld", (long long)field->num);
    else if (is_plain(field->str))
        buf_put_str(line, field->str);
    else
        put_quoted(line, str_slice(field->str, 0, 2048));
}

static void send_line(Buf *line)
{
    if (!line->failed && write(STDERR_FILENO, line->ptr, line->len) < 0) {
        /* Nowhere left to say it. */
    }
    buf_done(line);
}

void log_write(LogLevel level, const char *event, const LogField *fields, size_t count)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    if ((int)level < atomic_load(&least_level))
        return;
    bool json = atomic_load(&line_format) == LOG_JSON;
    LogForm *form = atomic_load(&own_form);
    char now[40];
    time_format(real_now_ms(), 3, now, sizeof now);

    Buf line;
    buf_init(&line, LINE_MAX_BYTES);
    if (form) {
        form(&line, level, event, fields, count);
        buf_put_char(&line, '\n');
        send_line(&line);
        return;
    }
    buf_printf(&line, json ? "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"event\":\"%s\"" : "%s %s %s %s", now, names[level],
               program_name, event);
    for (size_t i = 0; i < count; i++) {
        const LogField *field = &fields[i];
        if (!json) {
            buf_put_char(&line, ' ');
            log_put_field(&line, field);
            continue;
        }
        buf_printf(&line, ",\"%s\":", field->name);
        if (field->kind == LOG_FIELD_INT)
            buf_printf(&line, "%lld", (long long)field->num);
        else
            put_quoted(&line, str_slice(field->str, 0, 2048));
    }
    buf_put_str(&line, json ? STR("}\n") : STR("\n"));
    send_line(&line);
}
