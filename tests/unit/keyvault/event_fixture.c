/* event_fixture.c - see event_fixture.h. */
#include "event_fixture.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"

typedef struct Make { Str id; const char *doc; } Make;

static bool make_txn(Txn *txn, void *ctx, Err *err)
{
    Make *make = ctx;
    Bytes sealed;
    Str vault = vault_id_of("vlt");
    SealPlace place = { str_printf(fix.arena, "vault:" STR_FMT, STR_ARG(vault)), "kv_event_subscription", make->id, "sealed" };
    return txn_exec(txn, NULL, err, "DELETE FROM kv_event_delivery") && txn_exec(txn, NULL, err, "DELETE FROM kv_event_subscription") &&
           seal_put(fix.site.seal, txn, place, bytes_of(str_from(make->doc)), fix.arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_event_subscription (vault, name_key, id, cursor, sealed)"
                    " VALUES (?1, 's', ?2, COALESCE((SELECT MAX(number) FROM kv_feed WHERE vault = ?1), 0), ?3)",
                    db_text(vault), db_text(make->id), db_blob(sealed));
}

Str event_subscribe(const char *endpoint, int tries_max, int ttl_minutes)
{
    Make make = { STR("0123456789abcdef0123456789abcdef"),
                  text("{\"name\":\"s\",\"endpoint\":\"%s\",\"begins\":\"\",\"ends\":\"\",\"caseSensitive\":false,\"triesMax\":%d,\"ttlMinutes\":%d}", endpoint, tries_max, ttl_minutes) };
    must(store_write(fix.site.store, make_txn, &make, &fix_err));
    return make.id;
}

void event_set_secret(const char *name)
{
    Answer answer = vault_call("PUT", text("/secrets/%s", name), "{\"value\":\"v\"}");
    expect_status(&answer, 200);
}

/* ---- the webhook ---- */

/* Head and body of the next request; NULL: the client is gone. The caller frees it. */
static char *read_request(int fd)
{
    AUTO(buf_done_auto) Buf all = { 0 };
    size_t at, wanted = SIZE_MAX;
    char c;
    buf_init(&all, 1 << 20);
    while (all.len < wanted && recv(fd, &c, 1, 0) == 1) {
        buf_put_char(&all, c);
        if (wanted != SIZE_MAX || !str_ends(buf_str(&all), STR("\r\n\r\n")))
            continue;
        int64_t length = 0;
        Err ignored = { 0 };
        if (str_find(buf_str(&all), STR("Content-Length: "), &at)) {
            Str rest = str_slice(buf_str(&all), at + 16, all.len);
            (void)!str_to_int64(str_trim(str_cut(&rest, '\n')), 0, 1 << 20, &length, &ignored);
        }
        wanted = all.len + (size_t)length;
    }
    return all.len == wanted ? strndup(all.ptr, all.len) : NULL;
}

typedef struct Connection { Hook *hook; int fd; } Connection;

static void *connection_main(void *arg)
{
    Connection connection = *(Connection *)arg;
    Hook *hook = connection.hook;
    free(arg);
    for (char *request; (request = read_request(connection.fd));) {
        char answer[400];
        pthread_mutex_lock(&hook->lock);
        if (hook->count == HOOK_ANSWERS_MAX)
            abort();
        hook->asked[hook->count++] = request;
        hook->open++;
        hook->most_open = hook->open > hook->most_open ? hook->open : hook->most_open;
        pthread_cond_broadcast(&hook->changed);
        while (hook->is_held)
            pthread_cond_wait(&hook->changed, &hook->lock);
        int len = snprintf(answer, sizeof answer, "HTTP/1.1 %d Said\r\n%sContent-Length: 0\r\n\r\n", hook->status, hook->headers);
        bool hangs_up = hook->hangs_up;
        hook->open--;                                               /* before the answer is out: after it the next may come */
        pthread_mutex_unlock(&hook->lock);
        if (hangs_up || send(connection.fd, answer, (size_t)len, MSG_NOSIGNAL) != len)
            break;
    }
    (void)shutdown(connection.fd, SHUT_RDWR);
    return NULL;
}

static void *hook_main(void *arg)
{
    Hook *hook = arg;
    for (int fd; (fd = accept(hook->fd, NULL, NULL)) >= 0 || errno == EINTR;) {
        Connection *connection = malloc(sizeof *connection);
        if (fd < 0 || !connection || hook->connection_count == HOOK_CONNECTIONS_MAX)
            abort();
        *connection = (Connection){ hook, fd };
        hook->connections[hook->connection_count] = fd;
        if (pthread_create(&hook->threads[hook->connection_count++], NULL, connection_main, connection) != 0)
            abort();
    }
    return NULL;
}

void hook_open(Hook *hook)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof where;
    *hook = (Hook){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .status = 200 };
    pthread_mutex_init(&hook->lock, NULL);
    pthread_cond_init(&hook->changed, NULL);
    assert_int_equal(bind(hook->fd, (struct sockaddr *)&where, len), 0);
    assert_int_equal(listen(hook->fd, HOOK_CONNECTIONS_MAX), 0);
    assert_int_equal(getsockname(hook->fd, (struct sockaddr *)&where, &len), 0);
    hook->port = ntohs(where.sin_port);
    assert_int_equal(pthread_create(&hook->thread, NULL, hook_main, hook), 0);
}

void hook_close(Hook *hook)
{
    hook_hold(hook, false);
    (void)shutdown(hook->fd, SHUT_RDWR);
    (void)pthread_join(hook->thread, NULL);
    for (size_t i = 0; i < hook->connection_count; i++) {
        (void)shutdown(hook->connections[i], SHUT_RDWR);
        (void)pthread_join(hook->threads[i], NULL);
        (void)close(hook->connections[i]);
    }
    (void)close(hook->fd);
    for (size_t i = 0; i < HOOK_ANSWERS_MAX; i++)
        free(hook->asked[i]);
    pthread_cond_destroy(&hook->changed);
    pthread_mutex_destroy(&hook->lock);
}

void hook_answer(Hook *hook, int status, const char *headers)
{
    pthread_mutex_lock(&hook->lock);
    hook->status = status;
    hook->hangs_up = false;
    (void)snprintf(hook->headers, sizeof hook->headers, "%s", headers);
    pthread_mutex_unlock(&hook->lock);
}

void hook_hang_up(Hook *hook)
{
    pthread_mutex_lock(&hook->lock);
    hook->hangs_up = true;
    pthread_mutex_unlock(&hook->lock);
}

void hook_hold(Hook *hook, bool is_held)
{
    pthread_mutex_lock(&hook->lock);
    hook->is_held = is_held;
    pthread_cond_broadcast(&hook->changed);
    pthread_mutex_unlock(&hook->lock);
}

void hook_wait(Hook *hook, size_t count)
{
    struct timespec until;
    int result = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&hook->lock);
    while (hook->count < count && result == 0)
        result = pthread_cond_timedwait(&hook->changed, &hook->lock, &until);
    size_t came = hook->count;
    pthread_mutex_unlock(&hook->lock);
    if (came < count)
        fail_msg("%zu requests came, %zu were waited for", came, count);
}

Str hook_asked(Hook *hook, size_t i)
{
    pthread_mutex_lock(&hook->lock);
    Str asked = i < hook->count ? str_from(hook->asked[i]) : STR_NONE;
    pthread_mutex_unlock(&hook->lock);
    if (!asked.ptr)
        fail_msg("request %zu did not come", i);
    return asked;
}

const char *hook_url(const Hook *hook) { return text("http://127.0.0.1:%d/hook", hook->port); }
