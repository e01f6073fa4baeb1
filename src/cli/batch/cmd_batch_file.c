/* cmd_batch_file.c - files of tasks and of nodes: listed, described, downloaded, deleted. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/batch/batch.h"
#include "cli/run.h"

enum { PROGRESS_MS = 500 };

/* Of a task with --job-id and --task-id, or of a node with --pool-id and --node-id: the command's own options tell which. */
static bool has_option(const Cli *cli, const char *name)
{
    for (const Option *option = cli->args.command->options; option->names; option++)
        if (strcmp(option->names, name) == 0)
            return true;
    return false;
}

static Str files_path(Cli *cli, Str rest)
{
    bool is_task = has_option(cli, "--job-id");
    Str first = percent_encode(cli->arena, arg(cli, is_task ? "--job-id" : "--pool-id")), second = percent_encode(cli->arena, arg(cli, is_task ? "--task-id" : "--node-id"));
    return str_printf(cli->arena, is_task ? "/jobs/" STR_FMT "/tasks/" STR_FMT "/files" STR_FMT : "/pools/" STR_FMT "/nodes/" STR_FMT "/files" STR_FMT, STR_ARG(first),
                      STR_ARG(second), STR_ARG(rest));
}

static Str file_path(Cli *cli, const char *query)
{
    Str file = arg(cli, "--file-path");
    return files_path(cli, str_printf(cli->arena, "/" STR_FMT "%s", STR_ARG(percent_encode(cli->arena, file)), query));
}

bool run_file_list(Cli *cli, Err *err)
{
    Str filter = arg(cli, "--filter");
    Str query = str_printf(cli->arena, "?recursive=%s", arg_flag(cli, "--recursive") ? "true" : "false");

    if (filter.ptr)
        query = str_printf(cli->arena, STR_FMT "&$filter=" STR_FMT, STR_ARG(query), STR_ARG(percent_encode(cli->arena, filter)));
    return batch_list(cli, files_path(cli, query), err);
}

bool run_file_show(Cli *cli, Err *err)
{
    static const struct { const char *header, *name; } texts[] = {
        { "Content-Type", "contentType" }, { "ocp-creation-time", "creationTime" }, { "Last-Modified", "lastModified" }, { "ocp-batch-file-mode", "fileMode" },
        { "ocp-batch-file-url", "url" },
    };
    Answer answer;
    int64_t length = 0;
    Str url;

    if (!batch_url(cli, file_path(cli, ""), &url, err))
        return false;
    if (!call_service(cli, "HEAD", to_batch(cli), url, STR_NONE, &answer, err))
        return err->code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, "there is no file '" STR_FMT "' (or no such job, task, pool or node)", STR_ARG(arg(cli, "--file-path"))) : false;
    if (!str_to_int64(answer_header(&answer, "Content-Length"), 0, INT64_MAX, &length, &(Err){ 0 }))
        length = 0;                                        /* a directory has none */
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "name", arg(cli, "--file-path"));
    json_put_int(&cli->w, "contentLength", length);
    json_put_bool(&cli->w, "isDirectory", str_eq_nocase(answer_header(&answer, "ocp-batch-file-isdirectory"), STR("true")));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        json_put_str(&cli->w, texts[i].name, answer_header(&answer, texts[i].header));
    json_close(&cli->w);
    return true;
}

bool run_file_delete(Cli *cli, Err *err)
{
    Answer answer;
    Str url;
    return cli_confirm(cli, "delete this file from the node", err) && batch_url(cli, file_path(cli, arg_flag(cli, "--recursive") ? "?recursive=true" : ""), &url, err) &&
           call_service(cli, "DELETE", to_batch(cli), url, STR_NONE, &answer, err);
}

/* ---- download ---- */

typedef struct Download { int fd; uint64_t bytes; int64_t told_ms; bool tells, told; int error; } Download;

static bool take(void *ctx, Bytes piece)
{
    Download *download = ctx;
    while (piece.len > 0) {
        ssize_t wrote = write(download->fd, piece.ptr, piece.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            download->error = errno;
            return false;
        }
        piece = (Bytes){ piece.ptr + wrote, piece.len - (size_t)wrote };
        download->bytes += (uint64_t)wrote;
    }
    if (download->tells && mono_now_ms() - download->told_ms >= PROGRESS_MS) {
        (void)fprintf(stderr, "\r%.1f MiB", (double)download->bytes / (1024 * 1024));
        download->told_ms = mono_now_ms();
        download->told = true;
    }
    return true;
}

/* A directory takes the file's own name. */
static bool destination(Cli *cli, char **path, Err *err)
{
    Str given = arg(cli, "--destination"), name = arg(cli, "--file-path"), rest = name;
    struct stat st;

    if (!(*path = str_to_cstr(cli->arena, given, err)))
        return false;
    if (stat(*path, &st) < 0 || !S_ISDIR(st.st_mode))
        return true;
    while (rest.ptr)
        name = str_cut(&rest, '/');
    *path = str_to_cstr(cli->arena, str_printf(cli->arena, STR_FMT "/" STR_FMT, STR_ARG(given), STR_ARG(name)), err);
    return *path != NULL;
}

/* Beside its place until it is whole. */
static bool download_to(Cli *cli, Str url, const char *path, Err *err)
{
    char *part = str_to_cstr(cli->arena, str_printf(cli->arena, "%s.part", path), err);
    if (!part)
        return false;
    AUTO(fd_close) int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    Download download = { .fd = fd, .told_ms = mono_now_ms(), .tells = isatty(STDERR_FILENO) };
    Answer answer;
    if (fd < 0)
        return err_set(err, ERR_BAD_INPUT, "--destination: cannot write %s: %s", part, strerror(errno));
    cli->sink = take;
    cli->sink_ctx = &download;
    bool is_whole = call_service(cli, "GET", to_batch(cli), url, STR_NONE, &answer, err);
    cli->sink = NULL;
    if (download.told)
        (void)fprintf(stderr, "\r%.1f MiB\n", (double)download.bytes / (1024 * 1024));
    if (download.error)
        (void)err_set(err, ERR_INTERNAL, "cannot write %s: %s", part, strerror(download.error));
    if (is_whole && (fsync(fd) < 0 || rename(part, path) < 0))
        is_whole = err_set(err, ERR_INTERNAL, "cannot write %s: %s", path, strerror(errno));
    if (!is_whole)
        (void)unlink(part);                                /* half a file is no file */
    return is_whole;
}

bool run_file_download(Cli *cli, Err *err)
{
    char *path;
    Str url;
    return destination(cli, &path, err) && batch_url(cli, file_path(cli, ""), &url, err) && download_to(cli, url, path, err);
}
