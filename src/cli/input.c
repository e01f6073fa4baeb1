/* input.c - values of options as bodies want them: tags, times, files, standard input. */
#include "cli/input.h"
#include <errno.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"

enum { INPUT_MAX = 8 * 1024 * 1024 };

void body_begin(Body *body)
{
    buf_init(&body->buf, INPUT_MAX);
    json_begin(&body->w, &body->buf);
}

void body_done(Body *body)
{
    if (body->buf.ptr)
        secret_wipe(body->buf.ptr, body->buf.len);
    buf_done(&body->buf);
}

bool body_end(Body *body, Str *text, Err *err)
{
    if (!json_end(&body->w, err))
        return false;
    *text = buf_str(&body->buf);
    return true;
}

bool body_send(Cli *cli, const char *method, Str resource, Str url, Body *body, Shape *shape, Err *err)
{
    Str text;

    return body_end(body, &text, err) && call_shown(cli, method, resource, url, text, shape, err);
}

bool put_tags(Cli *cli, JsonWriter *w, Err *err) { return put_tags_and(cli, w, NULL, STR_NONE, err); }

bool put_tags_and(Cli *cli, JsonWriter *w, const char *one, Str its_value, Err *err)
{
    const char *const *values;
    size_t count = arg_list(cli, "--tags", &values);

    if (count == 0 && !one)
        return true;
    if (count == 1 && values[0][0] == '\0')
        count = 0;                                         /* --tags "" takes all away */
    json_open(w, "tags");
    for (size_t i = 0; i < count; i++) {
        Str rest = str_from(values[i]), name = str_cut(&rest, '=');
        if (str_empty(name))
            return cli_usage(cli, err, "--tags: '%s' is not of the form name=value", values[i]);
        json_put_str_named(w, name, rest.ptr ? rest : STR(""));
        if (one && str_eq(name, str_from(one)))
            one = NULL;
    }
    if (one)
        json_put_str(w, one, its_value);
    json_close(w);
    return true;
}

bool time_arg(Cli *cli, const char *option, int64_t *seconds, Err *err)
{
    Str text = arg(cli, option);
    int64_t ms;
    Err inner = { 0 };

    if (text.len == 10)
        text = str_printf(cli->arena, STR_FMT "T00:00:00Z", STR_ARG(text));
    if (!time_parse(text, &ms, &inner))
        return cli_usage(cli, err, "%s: '" STR_FMT "' is no time; write it like 2030-01-31T23:59:59Z", option, STR_ARG(text));
    *seconds = ms / 1000;
    return true;
}

bool bool_arg(Cli *cli, const char *option, bool *value, Err *err)
{
    Str text = arg(cli, option);

    if (str_empty(text) || str_eq_nocase(text, STR("true")) || str_eq_nocase(text, STR("false"))) {
        *value = !str_eq_nocase(text, STR("false"));
        return true;
    }
    return cli_usage(cli, err, "%s: '" STR_FMT "' is neither true nor false", option, STR_ARG(text));
}

static bool read_stdin(Cli *cli, Str *text, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    char chunk[8192];
    ssize_t got;

    buf_init(&buf, INPUT_MAX);
    while ((got = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "could not read standard input");
        buf_put(&buf, chunk, (size_t)got);
    }
    secret_wipe(chunk, sizeof chunk);
    *text = buf.failed ? STR_NONE : str_dup(cli->arena, buf_str(&buf));
    if (buf.ptr)
        secret_wipe(buf.ptr, buf.len);
    return text->ptr ? true : err_set(err, ERR_TOO_LARGE, "standard input is larger than %d bytes", INPUT_MAX);
}

bool read_input(Cli *cli, const char *path, Str *text, Err *err)
{
    return strcmp(path, "-") == 0 ? read_stdin(cli, text, err) : file_read(cli->arena, path, INPUT_MAX, text, err);
}

bool text_arg(Cli *cli, const char *option, Str *text, Err *err)
{
    Str value = arg(cli, option);
    char *path;

    if (str_eq(value, STR("-")))
        return read_stdin(cli, text, err);
    if (!str_starts(value, STR("@"))) {
        *text = value;
        return true;
    }
    if (!(path = str_to_cstr(cli->arena, str_slice(value, 1, value.len), err)))
        return false;
    if (read_input(cli, path, text, err))
        return true;
    return err->code == ERR_NOT_FOUND ? cli_usage(cli, err, "%s: there is no file %s", option, path) : false;
}
