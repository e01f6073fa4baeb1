/* resource.c - the resource files of a run. */
#include "node/runs/resource.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/secret.h"
#include "node/commands/files.h"
#include "node/runs/container.h"

enum {
    PAUSE_FIRST_MS = 250, MODE_MASK = 0777, TOKEN_KEPT_MS = 60 * 1000,
    ANSWER_BYTES_MAX = 8 * 1024 * 1024,     /* a page of a container's blobs with the longest names; bodies of files are not kept */
    CALL_ARENA = 32 * 1024 * 1024
};

struct Fetcher {
    const NodeCard *card;
    HttpClient *http;
    Control *control;                   /* made when the first identity is needed */
    char *token_of, *token;             /* the header for one identity, kept for a while: a container has many blobs */
    int64_t token_until_ms;             /* monotonic */
    _Atomic bool cancelled;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

bool fetcher_new(const NodeCard *card, const char *proxy, Fetcher **out, Err *err)
{
    Fetcher *fetcher = calloc(1, sizeof *fetcher);
    HttpClientConfig config = { .user_agent = "vaultyard-node/" VAULTYARD_VERSION, .proxy = proxy, .timeout_ms = RESOURCE_SILENCE_MS, .reply_max_bytes = ANSWER_BYTES_MAX };
    if (!fetcher)
        return err_set(err, ERR_INTERNAL, "out of memory");
    fetcher->card = card;
    (void)pthread_mutex_init(&fetcher->lock, NULL);
    (void)pthread_cond_init(&fetcher->changed, NULL);
    if (!http_client_new(&config, &fetcher->http, err)) {
        fetcher_free(fetcher);
        return false;
    }
    *out = fetcher;
    return true;
}

static void token_forget(Fetcher *fetcher)
{
    free(TAKE(fetcher->token_of));
    if (fetcher->token)
        secret_wipe(fetcher->token, strlen(fetcher->token));
    free(TAKE(fetcher->token));
}

void fetcher_free(Fetcher *fetcher)
{
    if (!fetcher)
        return;
    http_client_free(fetcher->http);
    control_free(fetcher->control);
    token_forget(fetcher);
    (void)pthread_cond_destroy(&fetcher->changed);
    (void)pthread_mutex_destroy(&fetcher->lock);
    free(fetcher);
}

void fetcher_cancel(Fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    atomic_store(&fetcher->cancelled, true);
    http_client_cancel(fetcher->http);
    if (fetcher->control)
        control_cancel(fetcher->control);
    pthread_cond_broadcast(&fetcher->changed);
    pthread_mutex_unlock(&fetcher->lock);
}

static void pause_between(Fetcher *fetcher, int tries)
{
    int64_t until = real_now_ms() + ((int64_t)PAUSE_FIRST_MS << tries);
    struct timespec due = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_mutex_lock(&fetcher->lock);
    while (!atomic_load(&fetcher->cancelled) && pthread_cond_timedwait(&fetcher->changed, &fetcher->lock, &due) == 0)
        continue;
    pthread_mutex_unlock(&fetcher->lock);
}

static bool fail(RunFailure *failure, bool is_service, const char *code, Str message)
{
    *failure = (RunFailure){ .is_service = is_service, .code = str_from(code), .message = message };
    return false;
}

static bool fail_errno(RunFailure *failure, Arena *arena, const char *code, const char *what, Str path)
{
    char text[128];
    const char *reason = strerror_r(errno, text, sizeof text);
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    return fail(failure, true, is_full ? "DiskFull" : code, str_printf(arena, "%s '" STR_FMT "': %s", what, STR_ARG(str_slice(path, 0, 400)), reason));
}

/* -- the place of the file -- */

static int open_below(int dir, const char *name, uint64_t flags)
{
    struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

/* "./a//b" is a/b; a path that leads up or from the top is none. */
static Str plain_path(Arena *arena, Str path)
{
    Str plain = STR("");
    if (str_starts(path, STR("/")))
        return STR_NONE;
    for (Str rest = path; rest.ptr;) {
        Str segment = str_cut(&rest, '/');
        if (segment.len && !str_eq(segment, STR(".")))
            plain = str_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(plain), plain.len ? "/" : "", STR_ARG(segment));
    }
    return plain.len && !str_ends(path, STR("/")) && files_path_is_good(plain) ? plain : STR_NONE;
}

/* The directory of the file, made as far as it is missing, owned by the task's user; *name is the last segment. */
static bool open_directory(Arena *arena, int wd_fd, const RunUser *user, Str path, int *out, const char **name, RunFailure *failure)
{
    size_t from = 0;
    AUTO(fd_close) int dir = open_below(wd_fd, ".", O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < path.len && dir >= 0; i++) {
        if (path.ptr[i] != '/')
            continue;
        const char *upto = str_dup(arena, str_slice(path, 0, i)).ptr, *segment = str_dup(arena, str_slice(path, from, i)).ptr;
        bool is_new = segment && mkdirat(dir, segment, 0750) == 0;
        if (!upto || (!is_new && errno != EEXIST))
            return fail_errno(failure, arena, "ResourceDirectoryCreateFailed", "cannot make a directory of", path);
        fd_close(&dir);
        dir = open_below(wd_fd, upto, O_RDONLY | O_DIRECTORY);      /* from the top each time: a link may lead sideways, not out */
        if (dir >= 0 && is_new && user->switches && fchown(dir, user->uid, user->gid) < 0)
            return fail_errno(failure, arena, "ResourceDirectoryCreateFailed", "cannot hand over a directory of", path);
        from = i + 1;
    }
    if (dir < 0)
        return fail_errno(failure, arena, "ResourceDirectoryCreateFailed", "cannot open the directory of", path);
    *out = dir;
    *name = str_dup(arena, str_slice(path, from, path.len)).ptr;
    dir = -1;
    return true;
}

/* -- one call -- */

typedef struct Body { int fd; int error; Fetcher *fetcher; int64_t last_ms; } Body;

static bool write_piece(void *ctx, Bytes piece)
{
    Body *body = ctx;
    body->last_ms = mono_now_ms();
    while (piece.len) {
        ssize_t done = write(body->fd, piece.ptr, piece.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            body->error = errno;
            return false;
        }
        piece = (Bytes){ piece.ptr + done, piece.len - (size_t)done };
    }
    return !atomic_load(&body->fetcher->cancelled);
}

static Str host_of(Str url)
{
    size_t at;
    Str rest = str_find(url, STR("://"), &at) ? str_slice(url, at + 3, url.len) : url;
    for (size_t i = 0; i < rest.len; i++)
        if (strchr("/?#", rest.ptr[i]))
            return str_slice(rest, 0, i);
    return rest;
}

static bool is_web_url(Str url) { return str_starts_nocase(url, STR("http://")) || str_starts_nocase(url, STR("https://")); }

/* Without query and fragment: a shared access signature is a secret. */
static Str shown(Str url)
{
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] == '?' || url.ptr[i] == '#')
            return str_slice(url, 0, i);
    return url;
}

/* The address that a redirect names; absent if it is none. Only whole addresses and absolute paths. */
static Str redirected(Arena *arena, Str from, const HttpAnswer *answer)
{
    Str to = http_answer_header(answer, "Location");
    bool is_one = answer->status == 301 || answer->status == 302 || answer->status == 303 || answer->status == 307 || answer->status == 308;
    if (!is_one || is_web_url(to))
        return is_one ? to : STR_NONE;
    if (!str_starts(to, STR("/")) || str_starts(to, STR("//")))
        return STR_NONE;
    Str host = host_of(from);
    return str_printf(arena, STR_FMT STR_FMT, STR_ARG(((Str){ from.ptr, (size_t)(host.ptr - from.ptr) + host.len })), STR_ARG(to));
}

/* true: an answer with another status than a redirect came, 2xx with its body in the file; without a file it is in the answer. */
static bool get(Fetcher *fetcher, Arena *arena, Str url, Str token, Body *body, HttpAnswer *answer, Err *err)
{
    Str first_host = host_of(url);
    for (int hops = 0; hops <= RESOURCE_REDIRECTS_MAX; hops++) {
        HttpHeader headers[] = { { "x-ms-version", STR("2020-10-02") }, { "Authorization", token } };
        bool with_token = token.ptr && str_eq_nocase(host_of(url), first_host);
        HttpCall call = { .method = "GET", .url = url, .headers = headers, .header_count = with_token ? 2 : 0,
                          .sink = body->fd >= 0 ? write_piece : NULL, .sink_ctx = body };
        if (body->fd >= 0 && (ftruncate(body->fd, 0) < 0 || lseek(body->fd, 0, SEEK_SET) < 0))
            return err_errno(err, "cannot begin the file");
        body->last_ms = mono_now_ms();
        if (!http_call(fetcher->http, arena, &call, answer, err))
            return false;
        url = redirected(arena, url, answer);
        if (!url.ptr)
            return true;
    }
    return err_set(err, ERR_CONFLICT, "more than %d redirects", RESOURCE_REDIRECTS_MAX);
}

/* -- identity -- */

static bool get_control(Fetcher *fetcher, Err *err)
{
    Control *control = NULL;
    if (fetcher->control)
        return true;
    if (!fetcher->card)
        return err_set(err, ERR_UNAVAILABLE, "this node has no identities");
    if (!control_load(fetcher->card, err) || !control_new(fetcher->card, &control, err))
        return false;
    pthread_mutex_lock(&fetcher->lock);
    fetcher->control = control;
    pthread_mutex_unlock(&fetcher->lock);
    return true;
}

static bool ask_token(Fetcher *fetcher, Arena *arena, const RunResource *resource, Str *header, Err *err)
{
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    HttpAnswer answer = { 0 };
    const JsonVal *root;
    buf_init(&body, 16 * 1024);
    json_begin(&w, &body);
    json_open(&w, NULL);
    json_put_str(&w, "resource", STR("https://storage.azure.com/"));
    json_put_str(&w, "clientId", resource->client_id);
    json_put_str(&w, "resourceId", resource->resource_id);
    json_close(&w);
    if (!json_end(&w, err) || !get_control(fetcher, err) ||
        !control_call(fetcher->control, arena, STR("/v1/identity/token"), buf_str(&body), 20000, &answer, err) ||
        !json_parse(arena, answer.body, JSON_STRICT, &root, err))
        return false;
    Str token = json_str(json_get(root, "access_token"));
    *header = str_printf(arena, "Bearer " STR_FMT, STR_ARG(token));
    return token.len > 0 || err_set(err, ERR_UNAVAILABLE, "the control plane gave no token");
}

static bool get_token(Fetcher *fetcher, Arena *arena, const RunResource *resource, Str *header, Err *err)
{
    Str who = str_printf(arena, STR_FMT "\n" STR_FMT, STR_ARG(resource->client_id), STR_ARG(resource->resource_id));
    if (fetcher->token && mono_now_ms() < fetcher->token_until_ms && str_eq(who, str_from(fetcher->token_of))) {
        *header = str_from(fetcher->token);
        return true;
    }
    if (!ask_token(fetcher, arena, resource, header, err))
        return false;
    token_forget(fetcher);
    fetcher->token_of = strdup(who.ptr ? who.ptr : "");
    fetcher->token = strdup(header->ptr);
    fetcher->token_until_ms = mono_now_ms() + TOKEN_KEPT_MS;
    if (!fetcher->token_of || !fetcher->token)
        token_forget(fetcher);              /* then it is asked for each time */
    return true;
}

/* -- one call, as often as it takes -- */

static Str url_of(const RunResource *resource) { return resource->url.ptr ? resource->url : resource->container_url; }

typedef enum Verdict { FETCHED = 1, FAILED, TRY_AGAIN } Verdict;

/* What stood against it, in the service's words; the same for the last of several tries. */
static Verdict judge(Fetcher *fetcher, Arena *arena, bool answered, int status, const Body *body, const Err *err, const RunResource *resource, RunFailure *failure)
{
    if (body->error) {
        errno = body->error;
        (void)fail_errno(failure, arena, "ResourceFileWriteFailed", "cannot write", resource->file_path);
        return FAILED;
    }
    if (atomic_load(&fetcher->cancelled)) {
        (void)fail(failure, true, "BlobDownloadMiscError", STR("the download was ended"));
        return FAILED;
    }
    if (!answered && err->name && strcmp(err->name, HTTP_PROXY_REFUSED) == 0) {
        (void)fail(failure, false, "BlobAccessDenied", str_printf(arena, "the server does not let nodes reach '" STR_FMT "' (vaultyard serve --node-egress)", STR_ARG(host_of(shown(url_of(resource))))));
        return FAILED;
    }
    if (!answered) {
        bool is_silence = mono_now_ms() - body->last_ms >= RESOURCE_SILENCE_MS;
        (void)fail(failure, true, is_silence ? "BlobDownloadTimedOut" : "BlobDownloadMiscError", str_dup(arena, str_from(err->text)));
        return err->code == ERR_UNAVAILABLE ? TRY_AGAIN : FAILED;
    }
    if (status / 100 == 2)
        return FETCHED;
    if (status == 404 || status == 410)
        (void)fail(failure, false, "BlobNotFound", resource->url.ptr ? STR("The specified Azure Blob is not found while attempting to download an Azure Blob")
                                                                     : STR("The specified Azure Blob container is not found while attempting to list its blobs"));
    else if (status == 401 || status == 403)
        (void)fail(failure, false, "BlobAccessDenied", STR("Access for the specified Azure Blob is denied while attempting to download an Azure Blob"));
    else
        (void)fail(failure, true, "BlobDownloadMiscError", str_printf(arena, "the server answered status %d", status));
    failure_detail(failure, "HttpStatusCode", str_printf(arena, "%d", status));
    return status == 408 || status == 429 || status >= 500 ? TRY_AGAIN : FAILED;
}

/* Gets `url` for the resource until it is there or cannot be; with `fd` -1 *page is what the last answer had. */
static bool get_again(Fetcher *fetcher, Arena *arena, const RunResource *resource, Str url, int fd, Arena *page_arena, BlobPage *page, RunFailure *failure)
{
    for (int tries = 0;; tries++) {
        AUTO(arena_free_auto) Arena *call_arena = arena_new(CALL_ARENA);
        Body body = { .fd = fd, .fetcher = fetcher, .last_ms = mono_now_ms() };
        HttpAnswer answer = { 0 };
        Err err = { 0 };
        Str token = STR_NONE;
        if (!call_arena)
            return fail(failure, true, "BlobDownloadMiscError", STR("out of memory"));
        bool answered = (!resource->has_identity || get_token(fetcher, call_arena, resource, &token, &err));
        if (!answered && err.code == ERR_BAD_INPUT)
            return fail(failure, false, "BlobAccessDenied", str_printf(arena, "no token for the identity: %s", err.text));
        answered = answered && get(fetcher, call_arena, url, token, &body, &answer, &err);
        Verdict verdict = judge(fetcher, arena, answered, answer.status, &body, &err, resource, failure);
        if (verdict == FETCHED && page && !blob_page_read(page_arena, answer.body, page, &err))
            return fail(failure, true, "BlobDownloadMiscError", str_dup(arena, str_from(err.text)));
        if (verdict != TRY_AGAIN || tries + 1 == RESOURCE_TRIES)
            return verdict == FETCHED;
        pause_between(fetcher, tries);
    }
}

/* Under another name until all of it is there: a program that runs stays whole, and half a file is never taken for one. */
static bool fetch_into(Fetcher *fetcher, Arena *arena, int dir, const char *name, const RunUser *user, const RunResource *resource, RunFailure *failure)
{
    char part[64];
    uint64_t unique;
    random_fill(&unique, sizeof unique);
    (void)snprintf(part, sizeof part, ".%016llx.part", (unsigned long long)unique);
    AUTO(fd_close) int fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(failure, arena, "ResourceFileCreateFailed", "cannot make", resource->file_path);
    bool done = get_again(fetcher, arena, resource, resource->url, fd, NULL, NULL, failure);
    if (done && ((user->switches && fchown(fd, user->uid, user->gid) < 0) || fchmod(fd, resource->mode & MODE_MASK) < 0 || renameat(dir, part, dir, name) < 0))
        done = fail_errno(failure, arena, "ResourceFileCreateFailed", "cannot put in place", resource->file_path);
    if (!done)
        (void)unlinkat(dir, part, 0);
    return done;
}

static bool fetch_file(Fetcher *fetcher, Arena *arena, int wd_fd, const RunUser *user, const RunResource *resource, RunFailure *failure)
{
    AUTO(fd_close) int dir = -1;
    const char *name = NULL;
    Str path = plain_path(arena, resource->file_path);
    bool done = path.ptr ? open_directory(arena, wd_fd, user, path, &dir, &name, failure) && name && fetch_into(fetcher, arena, dir, name, user, resource, failure)
                         : fail(failure, false, "ResourceFileCreateFailed", str_printf(arena, "'" STR_FMT "' is no path below the working directory", STR_ARG(str_slice(resource->file_path, 0, 400))));
    if (!done) {
        failure_detail(failure, "BlobSource", shown(resource->url));
        failure_detail(failure, "FilePath", resource->file_path);
    }
    return done;
}

/* The failure's texts for as long as the run has its arena. */
static void keep_failure(RunFailure *failure, Arena *arena)
{
    failure->message = str_dup(arena, failure->message);
    for (size_t i = 0; i < failure->detail_count; i++)
        failure->details[i].value = str_dup(arena, failure->details[i].value);
}

/* A blob whose name ends with a slash stands for a directory, as some tools make them. */
static bool fetch_page(Fetcher *fetcher, Arena *arena, int wd_fd, const RunUser *user, const RunResource *container, const BlobPage *page, RunFailure *failure)
{
    for (size_t i = 0; i < page->count; i++) {
        AUTO(arena_free_auto) Arena *blob_arena = arena_new(CALL_ARENA);
        RunResource blob = *container;
        if (str_ends(page->names[i], STR("/")))
            continue;
        if (!blob_arena)
            return fail(failure, true, "BlobDownloadMiscError", STR("out of memory"));
        blob.url = container_blob_url(blob_arena, container->container_url, page->names[i]);
        blob.file_path = str_printf(blob_arena, STR_FMT "%s" STR_FMT, STR_ARG(container->file_path), container->file_path.len ? "/" : "", STR_ARG(page->names[i]));
        if (!blob.url.ptr || !blob.file_path.ptr || !fetch_file(fetcher, blob_arena, wd_fd, user, &blob, failure)) {
            keep_failure(failure, arena);
            return false;
        }
    }
    return true;
}

static bool fetch_container(Fetcher *fetcher, Arena *arena, int wd_fd, const RunUser *user, const RunResource *container, RunFailure *failure)
{
    for (Str marker = STR("");;) {
        AUTO(arena_free_auto) Arena *page_arena = arena_new(CALL_ARENA);
        BlobPage page;
        Str url = page_arena ? container_list_url(page_arena, container->container_url, container->blob_prefix, marker) : STR_NONE;
        if (!url.ptr)
            return fail(failure, true, "BlobDownloadMiscError", STR("out of memory"));
        if (!get_again(fetcher, arena, container, url, -1, page_arena, &page, failure)) {
            failure_detail(failure, "BlobSource", shown(container->container_url));
            return false;
        }
        if (!fetch_page(fetcher, arena, wd_fd, user, container, &page, failure))
            return false;
        if (!page.next_marker.len)
            return true;
        if (str_eq(marker, page.next_marker))
            return fail(failure, true, "BlobDownloadMiscError", STR("the list of the container's blobs does not go on"));
        marker = str_dup(arena, page.next_marker);
    }
}

bool fetch_resource(Fetcher *fetcher, Arena *arena, int wd_fd, const RunUser *user, const RunResource *resource, RunFailure *failure)
{
    if (!is_web_url(url_of(resource)))
        (void)fail(failure, false, "BlobDownloadMiscError", STR("a resource file comes from an http or https URL"));
    else if (resource->url.ptr ? fetch_file(fetcher, arena, wd_fd, user, resource, failure) : fetch_container(fetcher, arena, wd_fd, user, resource, failure))
        return true;
    return failure->code.ptr ? false : fail(failure, true, "BlobDownloadMiscError", STR("out of memory"));
}
