/* health.c - the server answers, so it is alive; it is mounted only when everything is open, so it is ready.
 * Metrics are each subject's own; here they are put together. */
#include "server/health.h"

static bool health_get(Req *req, Reply *reply, Err *err)
{
    (void)req;
    (void)err;
    reply->content_type = STR("text/plain; charset=utf-8");
    buf_put_str(&reply->body, STR("ok\n"));
    return true;
}

static bool metrics_get(Req *req, Reply *reply, Err *err)
{
    Health *health = req->ctx;
    reply->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    return batch_metrics(health->batch, req, &reply->body, err);
}

static bool health_authenticate(void *ctx, Req *req, Reply *reply, Err *err)
{
    Health *health = ctx;
    const Str *audiences;
    size_t count = audiences_of(health->site, req->arena, "management", &audiences);
    if (token_verify(health->identity, req, audiences, count, &req->caller, err))
        return true;
    if (err->code == ERR_UNAUTHENTICATED)
        reply_header(reply, STR("WWW-Authenticate"), str_printf(req->arena, "Bearer authorization_uri=\"" STR_FMT "\"", STR_ARG(site_authority(health->site, req->arena))));
    return false;
}

static void health_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx;
    (void)req;
    json_open(&reply->json, NULL);
    json_open(&reply->json, "error");
    json_put_str(&reply->json, "code", err->code == ERR_UNAUTHENTICATED ? STR("AuthenticationFailed") : err->code == ERR_INTERNAL ? STR("InternalServerError") :
                 err->code == ERR_NOT_FOUND ? STR("NotFound") : STR("BadRequest"));
    json_put_str(&reply->json, "message", err->code == ERR_INTERNAL ? STR("the server failed; see its log") : str_from(err->text));
    json_close(&reply->json);
    json_close(&reply->json);
}

static const Route health_routes[] = {
    { METHOD_GET, "/healthz", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, health_get, "Healthz" },
    { METHOD_GET, "/readyz",  NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, health_get, "Readyz"  },
    { METHOD_GET, "/metrics", NULL, NULL, PERM_TOKEN,  WHERE_WORKER, BODY_NONE, 0, metrics_get, "Metrics" },
};

bool health_mount(Health *health, HttpServer *server, Err *err)
{
    health->plane = (Plane){ .name = "health", .host_pattern = "", .default_content_type = "application/json; charset=utf-8", .ctx = health,
                             .authenticate = health_authenticate, .write_error = health_error };
    return http_mount(server, &health->plane, health_routes, COUNT_OF(health_routes), health, err);
}
