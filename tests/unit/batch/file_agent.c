/* file_agent.c - see file_agent.h. The work itself is the node's (node/commands/files.c), called in file_agent_do.c. */
#include "file_agent.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "base/file.h"

void file_agent_do(Arena *arena, const char *root, const JsonVal *command, JsonWriter *w);

static HttpAnswer call(FileAgent *agent, HttpClient *client, Arena *arena, const char *method, Str path, Str body)
{
    HttpHeader headers[] = { { "Content-Type", STR("application/json") }, { "Authorization", str_printf(arena, "Bearer %s", agent->credential) } };
    HttpCall request = { .method = method, .url = str_printf(arena, "http://nodes.vaultyard.localhost:%d" STR_FMT, agent->world->site.names.port, STR_ARG(path)),
                         .headers = headers, .header_count = 2, .body = body };
    HttpAnswer answer = { 0 };
    Err err = { 0 };
    if (!http_call(client, arena, &request, &answer, &err))
        answer.status = 0;
    return answer;
}

static void do_command(FileAgent *agent, HttpClient *client, Arena *arena, const JsonVal *command)
{
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    buf_init(&body, 8 << 20);
    json_begin(&w, &body);
    if (!str_eq(json_str(json_get(command, "kind")), STR("file")) || atomic_load(&agent->is_mute))
        return;
    Str path = str_printf(arena, "/v1/commands/" STR_FMT "/result", STR_ARG(json_str(json_get(command, "id"))));
    if (agent->spoilt[0]) {
        Str text = str_dup(arena, str_from(agent->spoilt));
        agent->spoilt[0] = '\0';
        if (call(agent, client, arena, "POST", path, text).status == 204)
            return;
    }
    file_agent_do(arena, agent->root, command, &w);
    if (call(agent, client, arena, "POST", path, buf_str(&body)).status == 204)
        atomic_fetch_add(&agent->done, 1);
}

static void *agent_main(void *arg)
{
    FileAgent *agent = arg;
    AUTO(http_client_free_auto) HttpClient *client = NULL;
    HttpClientConfig config = { .user_agent = "agent", .timeout_ms = 60000 };
    char cursor[64] = "";
    Err err = { 0 };
    if (!http_client_new(&config, &client, &err))
        return NULL;
    while (!atomic_load(&agent->stopping)) {
        AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
        const JsonVal *answer;
        HttpAnswer got = call(agent, client, arena, "GET", str_printf(arena, "/v1/commands?after=%s", cursor), STR_NONE);
        if (got.status != 200 || !json_parse(arena, got.body, JSON_STRICT, &answer, &err))
            return NULL;
        Str next = json_str(json_get(answer, "cursor"));
        (void)snprintf(cursor, sizeof cursor, STR_FMT, STR_ARG(next));
        for (size_t i = 0; i < json_count(json_get(answer, "commands")); i++)
            do_command(agent, client, arena, json_at(json_get(answer, "commands"), i));
    }
    return NULL;
}

void file_agent_start(FileAgent *agent, World *world, Str credential)
{
    *agent = (FileAgent){ .world = world };
    (void)snprintf(agent->credential, sizeof agent->credential, STR_FMT, STR_ARG(credential));
    (void)snprintf(agent->root, sizeof agent->root, "/tmp/batch-files-XXXXXX");
    (void)umask(022);                                       /* as on a node, whatever ours is */
    assert_non_null(mkdtemp(agent->root));
    assert_int_equal(pthread_create(&agent->thread, NULL, agent_main, agent), 0);
}

void file_agent_stop(FileAgent *agent)
{
    Err err = { 0 };
    atomic_store(&agent->stopping, true);
    batch_refresh_nodes(agent->world->batch);
    assert_int_equal(pthread_join(agent->thread, NULL), 0);
    assert_true(dir_remove_tree(agent->root, &err));
}

void file_agent_put(const FileAgent *agent, const char *path, const void *bytes, size_t size)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s/%s", agent->root, path);
    for (char *slash = strchr(full + strlen(agent->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}
