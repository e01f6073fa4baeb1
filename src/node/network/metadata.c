/* metadata.c - the metadata address, as a plain HTTP plane of its own. */
#include "node/network/metadata.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/file.h"
#include "http/server.h"

#define METADATA_ADDRESS "169.254.169.254"
enum { CONTROLS_MAX = 4 };

struct Metadata {
    const NodeCard *card;
    Plane plane;
    HttpServer *http;
    pthread_mutex_t lock;
    Control *idle[CONTROLS_MAX];        /* connections not in use; guarded by lock */
    size_t idle_count;
};

static bool set_flags(int fd, const char *name, short flags)
{
    struct ifreq request = { 0 };
    memcpy(request.ifr_name, name, strlen(name) + 1);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return false;
    request.ifr_flags |= flags;
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static bool set_address(int fd, const char *name, unsigned long call, const char *address)
{
    struct ifreq request = { 0 };
    struct sockaddr_in in = { .sin_family = AF_INET };
    memcpy(request.ifr_name, name, strlen(name) + 1);
    (void)inet_pton(AF_INET, address, &in.sin_addr);
    memcpy(&request.ifr_addr, &in, sizeof in);
    return ioctl(fd, call, &request) == 0;
}

/* A local route wins over any other, so the machine's own metadata service cannot be meant. */
static bool bring_up_address(Err *err)
{
    AUTO(fd_close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !set_flags(fd, "lo", IFF_UP) || !set_address(fd, "lo:imds", SIOCSIFADDR, METADATA_ADDRESS) ||
        !set_address(fd, "lo:imds", SIOCSIFNETMASK, "255.255.255.255"))
        return err_errno(err, "cannot give loopback the address " METADATA_ADDRESS);
    return true;
}

static Control *control_borrow(Metadata *metadata, Err *err)
{
    Control *control = NULL;
    pthread_mutex_lock(&metadata->lock);
    if (metadata->idle_count)
        control = metadata->idle[--metadata->idle_count];
    pthread_mutex_unlock(&metadata->lock);
    if (!control && !control_new(metadata->card, &control, err))
        return NULL;
    return control;
}

static void control_return(Metadata *metadata, Control *control)
{
    pthread_mutex_lock(&metadata->lock);
    if (metadata->idle_count < CONTROLS_MAX) {
        metadata->idle[metadata->idle_count++] = control;
        control = NULL;
    }
    pthread_mutex_unlock(&metadata->lock);
    control_free(control);
}

static bool reject(Err *err, const char *why) { return err_set(err, ERR_BAD_INPUT, "%s", why); }

static bool token_get(Req *req, Reply *reply, Err *err)
{
    Metadata *metadata = req->ctx;
    Str resource = req_query(req, "resource");
    if (!str_eq_nocase(req_header(req, "Metadata"), STR("true")))
        return reject(err, "Required metadata header not specified");
    if (req_header(req, "X-Forwarded-For").ptr)          /* a proxy stands between: what asks is not this node */
        return reject(err, "Required metadata header not specified or not correct");
    if (!req->api_version.len)
        return reject(err, "Required query variable 'api-version' not specified");
    if (!resource.len)
        return reject(err, "Required query variable 'resource' is missing");

    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    buf_init(&body, 16 * 1024);
    json_begin(&w, &body);
    json_open(&w, NULL);
    json_put_str(&w, "resource", resource);
    json_put_str(&w, "clientId", req_query(req, "client_id"));
    json_put_str(&w, "objectId", req_query(req, "object_id"));
    Str resource_id = req_query(req, "msi_res_id");
    json_put_str(&w, "resourceId", resource_id.ptr ? resource_id : req_query(req, "mi_res_id"));
    json_close(&w);
    if (!json_end(&w, err))
        return false;

    Control *control = control_borrow(metadata, err);
    if (!control)
        return false;
    HttpAnswer answer = { 0 };
    bool got = control_call(control, req->arena, STR("/v1/identity/token"), buf_str(&body), 20000, &answer, err);
    control_return(metadata, control);
    if (!got && err->code != ERR_BAD_INPUT)
        return err_set(err, ERR_UNAVAILABLE, "%s", err->text);
    *err = (Err){ 0 };
    reply->status = answer.status;
    buf_put_str(&reply->body, answer.body);
    return true;
}

static void write_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx;
    (void)req;
    bool bad = err->code == ERR_BAD_INPUT;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "error", bad ? STR("invalid_request") : err->code == ERR_NOT_FOUND ? STR("not_found") : STR("temporarily_unavailable"));
    json_put_str(&reply->json, "error_description", err->code == ERR_INTERNAL ? STR("the node's agent failed; see its log") : str_from(err->text));
    json_close(&reply->json);
}

static const Route routes[] = {
    { METHOD_GET, "/metadata/identity/oauth2/token", NULL, NULL, PERM_PUBLIC, WHERE_WORKER, BODY_NONE, 0, token_get, "IdentityToken" },
};

bool metadata_start(const NodeCard *card, Metadata **out, Err *err)
{
    Metadata *metadata = calloc(1, sizeof *metadata);
    if (!metadata)
        return err_set(err, ERR_INTERNAL, "out of memory");
    metadata->card = card;
    metadata->plane = (Plane){ .name = "metadata", .host_pattern = "", .default_content_type = "application/json; charset=utf-8", .write_error = write_error };
    (void)pthread_mutex_init(&metadata->lock, NULL);
    HttpConfig config = { .base_domain = STR(METADATA_ADDRESS), .io_threads = 1, .worker_threads = 2, .plain = true };
    int port;
    if (!bring_up_address(err) || !http_new(&config, &metadata->http, err) ||
        !http_mount(metadata->http, &metadata->plane, routes, COUNT_OF(routes), metadata, err) ||
        !http_listen_tcp(metadata->http, METADATA_ADDRESS, 80, &port, err) || !http_start(metadata->http, err)) {
        metadata_stop(metadata);
        return false;
    }
    *out = metadata;
    return true;
}

void metadata_stop(Metadata *metadata)
{
    if (!metadata)
        return;
    if (metadata->http)
        http_stop(metadata->http, 500);
    for (size_t i = 0; i < metadata->idle_count; i++)
        control_free(metadata->idle[i]);
    (void)pthread_mutex_destroy(&metadata->lock);
    free(metadata);
}
