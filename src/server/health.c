/* health.c - the server answers, so it is alive; it is mounted only when everything is open, so it is ready. */
#include "server/health.h"

static bool health_get(Req *req, Reply *reply, Err *err)
{
    (void)req;
    (void)err;
    reply->content_type = STR("text/plain; charset=utf-8");
    buf_put_str(&reply->body, STR("ok\n"));
    return true;
}

static void health_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx;
    (void)req;
    json_open(&reply->json, NULL);
    json_open(&reply->json, "error");
    json_put_str(&reply->json, "code", STR("NotFound"));
    json_put_str(&reply->json, "message", err->code == ERR_INTERNAL ? STR("the server failed; see its log") : str_from(err->text));
    json_close(&reply->json);
    json_close(&reply->json);
}

static const Route health_routes[] = {
    { METHOD_GET, "/healthz", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, health_get, "Healthz" },
    { METHOD_GET, "/readyz",  NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, health_get, "Readyz"  },
};

bool health_mount(HttpServer *server, Err *err)
{
    static const Plane plane = { .name = "health", .host_pattern = "", .default_content_type = "application/json; charset=utf-8", .write_error = health_error };
    return http_mount(server, &plane, health_routes, COUNT_OF(health_routes), NULL, err);
}
