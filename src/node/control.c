/* control.c - calls to the control plane, through the Unix socket that is mounted into the node. */
#include "node/control.h"
#include <pthread.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/secret.h"
#include "node/boot.h"

enum { CARD_MAX_BYTES = 64 * 1024, CREDENTIAL_MAX_BYTES = 4096 };

struct Control { HttpClient *http; Str base_url; Arena *arena; };

static pthread_mutex_t credential_lock = PTHREAD_MUTEX_INITIALIZER;
static Secret *credential;                      /* guarded by credential_lock */

typedef struct CardIn { int64_t version, port; Str node_id, host_name, token, domain, socket, ca_file; } CardIn;
static const JsonField card_fields[] = {
    JSON_FIELD(CardIn, version, "version", JSON_REQUIRED),     JSON_FIELD(CardIn, node_id, "nodeId", JSON_REQUIRED),
    JSON_FIELD(CardIn, host_name, "hostName", JSON_REQUIRED),  JSON_FIELD(CardIn, token, "joinToken", JSON_REQUIRED),
    JSON_FIELD(CardIn, domain, "domain", JSON_REQUIRED),       JSON_FIELD(CardIn, port, "port", JSON_REQUIRED),
    JSON_FIELD(CardIn, socket, "socket", JSON_OPTIONAL),       JSON_FIELD(CardIn, ca_file, "caFile", JSON_OPTIONAL),
};

bool node_card_read(Arena *arena, const NodePlaces *places, NodeCard *out, Err *err)
{
    const char *path = places->join_file;
    Str text;
    const JsonVal *root;
    CardIn in = { 0 };
    if (!file_read(arena, path, CARD_MAX_BYTES, &text, err) || !json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, "", card_fields, COUNT_OF(card_fields), &in, err))
        return false;
    if (in.version != 1 || in.port < 1 || in.port > 65535)
        return err_set(err, ERR_BAD_INPUT, "%s is of a version this agent does not know", path);
    NodeCard card = { .places = places, .node_id = in.node_id, .host_name = in.host_name, .join_token = in.token, .domain = in.domain, .port = (int)in.port };
    card.socket = in.socket.len ? str_to_cstr(arena, in.socket, err) : NULL;
    card.ca_file = in.ca_file.len ? str_to_cstr(arena, in.ca_file, err) : NULL;
    if (err->code)
        return false;
    *out = card;
    return true;
}

bool control_new(const NodeCard *card, Control **out, Err *err)
{
    Control *control = calloc(1, sizeof *control);
    HttpClientConfig config = { .ca_file = card->ca_file, .unix_socket = card->socket, .user_agent = "vaultyard-node/" VAULTYARD_VERSION,
                                .connect_timeout_ms = 5000, .timeout_ms = 30000, .reply_max_bytes = 4 * 1024 * 1024 };
    if (control)
        control->arena = arena_new(4096);
    if (!control || !control->arena) {
        free(control);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    control->base_url = str_printf(control->arena, "https://nodes." STR_FMT ":%d", STR_ARG(card->domain), card->port);
    if (!http_client_new(&config, &control->http, err)) {
        control_free(control);
        return false;
    }
    *out = control;
    return true;
}

void control_free(Control *control)
{
    if (!control)
        return;
    http_client_free(control->http);
    arena_free(control->arena);
    free(control);
}

static Str bearer(Arena *arena)
{
    pthread_mutex_lock(&credential_lock);
    Str header = credential ? str_printf(arena, "Bearer " STR_FMT, STR_ARG(str_of(secret_bytes(credential)))) : STR_NONE;
    pthread_mutex_unlock(&credential_lock);
    return header;
}

static void credential_set(Str text)
{
    pthread_mutex_lock(&credential_lock);
    secret_free(credential);
    credential = secret_copy(bytes_of(text));
    pthread_mutex_unlock(&credential_lock);
}

bool control_call(Control *control, Arena *arena, Str path, Str body, int timeout_ms, HttpAnswer *answer, Err *err)
{
    HttpHeader headers[2] = { { "Content-Type", STR("application/json") }, { "Authorization", bearer(arena) } };
    HttpCall call = {
        .method = body.ptr ? "POST" : "GET",
        .url = str_printf(arena, STR_FMT STR_FMT, STR_ARG(control->base_url), STR_ARG(path)),
        .headers = headers,
        .header_count = headers[1].value.ptr ? 2 : 1,
        .body = body,
        .timeout_ms = timeout_ms,
    };
    bool answered = http_call(control->http, arena, &call, answer, err);
    secret_wipe((void *)headers[1].value.ptr, headers[1].value.len);
    if (!answered)
        return false;
    if (answer->status >= 200 && answer->status < 300)
        return true;

    const JsonVal *root = NULL;
    Err ignored;
    if (!json_parse(arena, answer->body, JSON_STRICT, &root, &ignored))
        root = NULL;
    ErrCode code = answer->status == 401 ? ERR_UNAUTHENTICATED : answer->status == 400 ? ERR_BAD_INPUT : answer->status == 404 ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
    return err_set(err, code, "the control plane answered status %d: " STR_FMT, answer->status,
                   STR_ARG(str_slice(json_str(json_path(root, "error.message")), 0, 300)));
}

static bool join(Control *control, Arena *arena, const NodeCard *card, Err *err)
{
    AUTO(buf_done_auto) Buf body = { 0 };
    JsonWriter w;
    HttpAnswer answer;
    const JsonVal *root;
    Str boot;
    if (!boot_id_get(arena, NODE_BOOT_FILE, &boot, err))
        return false;
    buf_init(&body, 16 * 1024);
    json_begin(&w, &body);
    json_open(&w, NULL);
    json_put_str(&w, "nodeId", card->node_id);
    json_put_str(&w, "joinToken", card->join_token);
    json_put_str(&w, "agentVersion", STR(VAULTYARD_VERSION));
    json_put_str(&w, "bootId", boot);
    json_close(&w);
    if (!json_end(&w, err) || !control_call(control, arena, STR("/v1/join"), buf_str(&body), 10000, &answer, err) ||
        !json_parse(arena, answer.body, JSON_STRICT, &root, err))
        return false;
    Str text = json_str(json_get(root, "credential"));
    if (!text.len || text.len > CREDENTIAL_MAX_BYTES)
        return err_set(err, ERR_UNAVAILABLE, "the control plane's answer to join holds no credential");
    /* On disk before its first use: the join token ends with that. */
    if (!dir_make(card->places->state_dir, 0700, err) || !file_replace(card->places->credential_file, bytes_of(text), 0600, (uid_t)-1, (gid_t)-1, err))
        return false;
    credential_set(text);
    secret_wipe((void *)answer.body.ptr, answer.body.len);
    return true;
}

bool control_load(const NodeCard *card, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(256 * 1024);
    Str stored;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!file_read(arena, card->places->credential_file, CREDENTIAL_MAX_BYTES, &stored, err))
        return false;
    credential_set(stored);
    secret_wipe((void *)stored.ptr, stored.len);
    return true;
}

bool control_join(Control *control, const NodeCard *card, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(256 * 1024);
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (control_load(card, err))
        return true;
    if (err->code != ERR_NOT_FOUND)
        return false;
    *err = (Err){ 0 };
    return join(control, arena, card, err);
}

void control_cancel(Control *control) { http_client_cancel(control->http); }
