/* sim_http.c - http/client.h as a simulated network: the machine's calls reach its vaults and its metadata address, or what the faults of now leave of
 * them. A parked request waits for as long as nothing happens: a park of 55 s that ends empty and begins anew changes nothing, so those are left out. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "http/client.h"
#include "sim.h"

enum { LATENCY_MS = 40, PARK_MS = 55 * 1000, CONNECT_TIMEOUT_MS = 10000 };

struct HttpClient {
    bool is_begun, is_done;
    int64_t done_at_ms;
    int timeout_ms;
    Arena *arena;                       /* of the answer until it is taken */
    HttpAnswer answer;
    Err failed;                         /* code 0: the answer came */
    int vault;                          /* -1: the metadata address */
    int parked_vault;                   /* -1: not parked */
    int64_t parked_ms;
    bool is_refused;                    /* parked until the permission is given back, PARK_MS at most */
    struct HttpClient *next;
};
static HttpClient *clients;

bool http_client_new(const HttpClientConfig *config, HttpClient **out, Err *err)
{
    HttpClient *client = calloc(1, sizeof *client);
    if (!client)
        return err_set(err, ERR_INTERNAL, "out of memory");
    *client = (HttpClient){ .timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : 60000, .parked_vault = -1, .next = clients };
    clients = *out = client;
    return true;
}

static void call_over(HttpClient *client)
{
    arena_free(TAKE(client->arena));
    client->is_begun = client->is_done = client->is_refused = false;
    client->parked_vault = -1;
}

void http_client_free(HttpClient *client)
{
    if (!client)
        return;
    call_over(client);
    for (HttpClient **at = &clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    free(client);
}

void http_client_cancel(HttpClient *client) { (void)client; }
bool http_is_begun(const HttpClient *client) { return client->is_begun; }
bool http_is_done(const HttpClient *client) { return client->is_begun && client->is_done; }

Str http_answer_header(const HttpAnswer *answer, const char *name)
{
    return strcmp(name, "WWW-Authenticate") == 0 ? answer->raw_headers : STR_NONE;
}

static void answer(HttpClient *client, int status, Str body)
{
    client->answer = (HttpAnswer){ .status = status, .body = str_dup(client->arena, body) };
    if (status == 401)
        client->answer.raw_headers = STR("Bearer authorization=\"https://login.sim/t\", resource=\"https://vault.sim\"");
}

static void fails(HttpClient *client, int64_t after_ms, const char *why)
{
    (void)err_set(&client->failed, ERR_UNAVAILABLE, "%s", why);
    client->done_at_ms = sim->now_ms + after_ms;
}

/* ---- the vault's side ---- */

static SimCert *find_cert(int vault, Str name)
{
    for (int i = 0; i < CERTS_A_MACHINE; i++)
        if (sim->certs[i].vault == vault && str_eq(name, str_from(sim->certs[i].name)))
            return &sim->certs[i];
    return NULL;
}

static void secret_get(HttpClient *client, int vault, Str rest)
{
    Str name = str_cut(&rest, '/'), version = rest;
    SimCert *cert = find_cert(vault, name);
    if (!cert) {
        answer(client, 404, STR("{}"));
        return;
    }
    if (!version.len) {
        answer(client, 200, version_secret(cert, (int)(cert_current(cert, sim->now_ms) - cert->versions)));
        return;
    }
    for (int i = 0; i < cert->version_count; i++) {
        const Version *v = &cert->versions[i];
        if (str_eq(version, str_from(v->id)) && v->made_ms <= sim->now_ms && (!v->lost_ms || sim->now_ms < v->lost_ms)) {
            answer(client, 200, STR("{}"));
            return;
        }
    }
    answer(client, 404, STR("{}"));
}

static int history_of(const SimVault *vault, int64_t now_ms)
{
    int history = 0;
    for (int i = 0; i < vault->restore_count; i++)
        history += vault->restores_ms[i] <= now_ms;
    return history;
}

/* The cursor is "<history>-<time>". What came after it of this machine's certificates; false: nothing yet. */
static bool changes_body(HttpClient *client, int vault_index, Str cursor, Str *body)
{
    const SimVault *vault = vault_of(vault_index);
    int64_t history = -1, since_ms = 0, newest_ms = sim->now_ms;
    Err ignored;
    Str first = str_cut(&cursor, '-');
    bool known = str_to_int64(first, 0, 100, &history, &ignored) && str_to_int64(cursor, 0, INT64_MAX / 2, &since_ms, &ignored) && history == history_of(vault, sim->now_ms);
    AUTO(buf_done_auto) Buf text = { 0 };
    buf_init(&text, 64 * 1024);
    buf_printf(&text, "{\"value\":[");
    int count = 0;
    for (int i = 0; i < CERTS_A_MACHINE && known; i++)
        for (int e = 0; e < sim->certs[i].event_count && sim->certs[i].vault == vault_index; e++) {
            int64_t at_ms = sim->certs[i].events[e].at_ms;
            if (at_ms > since_ms && at_ms <= sim->now_ms)
                buf_printf(&text, "%s{\"name\":\"%s\",\"change\":\"newVersion\"}", count++ ? "," : "", sim->certs[i].name);
        }
    buf_printf(&text, "],\"cursor\":\"%d-%lld\",\"reset\":%s}", history_of(vault, sim->now_ms), (long long)newest_ms, known ? "false" : "true");
    *body = str_dup(client->arena, buf_str(&text));
    return count > 0 || !known;
}

/* When a parked request of this vault has something to say, or the vault goes away. */
static int64_t park_ends_ms(const HttpClient *client)
{
    const SimVault *vault = vault_of(client->parked_vault);
    int64_t ends_ms = INT64_MAX;
    for (int i = 0; i < CERTS_A_MACHINE; i++)
        for (int e = 0; e < sim->certs[i].event_count && sim->certs[i].vault == client->parked_vault; e++)
            if (sim->certs[i].events[e].at_ms > client->parked_ms && sim->certs[i].events[e].at_ms < ends_ms)
                ends_ms = sim->certs[i].events[e].at_ms;
    for (int i = 0; i < vault->restore_count; i++)
        if (vault->restores_ms[i] > client->parked_ms && vault->restores_ms[i] < ends_ms)
            ends_ms = vault->restores_ms[i];
    for (int i = 0; i < sim->window_count; i++) {
        const Window *w = &sim->windows[i];
        bool cuts = w->fault <= FAULT_PERMISSION && (w->vault == -1 || w->vault == client->parked_vault);
        if (cuts && w->from_ms > client->parked_ms && w->from_ms < ends_ms)
            ends_ms = w->from_ms;
        if (client->is_refused && w->fault == FAULT_PERMISSION && w->to_ms > client->parked_ms && w->to_ms < ends_ms)
            ends_ms = w->to_ms;
    }
    if (client->is_refused && ends_ms > client->parked_ms + PARK_MS)
        ends_ms = client->parked_ms + PARK_MS;
    return ends_ms;
}

static Str changes_cursor;              /* of the park that ends: only one is looked at at a time */

static void park(HttpClient *client, int vault, Str query)
{
    size_t at;
    bool has_after = str_find(query, STR("after="), &at);
    client->answer = (HttpAnswer){ .body = has_after ? str_dup(client->arena, str_slice(query, at + 6, query.len)) : STR_NONE };       /* for when the park ends */
    client->parked_vault = vault;
    client->parked_ms = sim->now_ms;
    client->done_at_ms = park_ends_ms(client);
}

static void cursor_now(HttpClient *client, int vault)
{
    answer(client, 200, str_printf(client->arena, "{\"value\":[],\"cursor\":\"%d-%lld\",\"reset\":false}", history_of(vault_of(vault), sim->now_ms), (long long)sim->now_ms));
}

static void vault_answers(HttpClient *client, int vault, Str path, Str query, Str bearer)
{
    Str token = str_slice(bearer, 7, bearer.len);
    int64_t issued_ms;
    size_t at;
    bool waits = str_find(query, STR("wait="), &at) && !str_find(query, STR("wait=0"), &at);
    Err ignored;
    if (machine_suffers(sim, FAULT_TOKEN_BAD, -1, NULL) || !str_to_int64(token, 0, INT64_MAX / 2, &issued_ms, &ignored) || sim->now_ms >= issued_ms + DAY_MS) {
        answer(client, 401, STR("{}"));
        return;
    }
    if (machine_suffers(sim, FAULT_PERMISSION, -1, NULL)) {
        client->is_refused = vault_of(vault)->has_feed && str_starts(path, STR("changes")) && waits;
        if (client->is_refused)
            park(client, vault, query);
        else
            answer(client, 403, STR("{\"error\":{\"message\":\"no\"}}"));
        return;
    }
    if (str_starts(path, STR("secrets/"))) {
        secret_get(client, vault, str_slice(path, 8, path.len));
        return;
    }
    Str body;
    if (!vault_of(vault)->has_feed) {
        answer(client, 404, STR("{}"));
        return;
    }
    bool has_after = str_find(query, STR("after="), &at);
    if (!has_after) {
        cursor_now(client, vault);
        return;
    }
    changes_cursor = str_slice(query, at + 6, query.len);
    if (changes_body(client, vault, changes_cursor, &body) || !waits)
        answer(client, 200, body);
    else
        park(client, vault, query);
}

static void end_park(HttpClient *client)
{
    int vault = client->parked_vault;
    Str cursor = client->answer.body, body;
    client->parked_vault = -1;
    if (machine_suffers(sim, FAULT_NETWORK, -1, NULL) || machine_suffers(sim, FAULT_REFUSED, vault, NULL) || machine_suffers(sim, FAULT_HUNG, vault, NULL))
        (void)err_set(&client->failed, ERR_UNAVAILABLE, "the connection was lost");
    else if (machine_suffers(sim, FAULT_500, vault, NULL))
        answer(client, 503, STR("{}"));
    else if (machine_suffers(sim, FAULT_PERMISSION, -1, NULL))
        answer(client, 403, STR("{}"));
    else if (!cursor.ptr)
        cursor_now(client, vault);
    else {
        (void)changes_body(client, vault, cursor, &body);
        answer(client, 200, body);
    }
}

/* ---- the machine's side ---- */

bool http_begin(HttpClient *client, Arena *arena, const HttpCall *call, Err *err)
{
    (void)arena;
    call_over(client);
    client->arena = arena_new(128 * 1024);
    if (!client->arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    sim->requests++;
    machine_count(sim, &sim->hour_requests, &sim->most_requests);
    client->is_begun = true;
    client->failed = (Err){ 0 };
    client->done_at_ms = sim->now_ms + LATENCY_MS;
    int limit_ms = call->timeout_ms ? call->timeout_ms : client->timeout_ms;
    Str rest = str_slice(call->url, 8, call->url.len), bearer = STR_NONE;
    for (size_t i = 0; i < call->header_count; i++)
        if (strcmp(call->headers[i].name, "Authorization") == 0)
            bearer = call->headers[i].value;
    client->vault = -1;
    if (str_starts(call->url, STR("http://"))) {
        if (machine_suffers(sim, FAULT_TOKEN, -1, NULL))
            answer(client, 400, STR("{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}"));
        else
            answer(client, 200, str_printf(client->arena, "{\"access_token\":\"%lld\",\"expires_in\":\"86399\"}", (long long)sim->now_ms));
        return true;
    }
    Str host = str_cut(&rest, '/'), path = str_cut(&rest, '?');
    int64_t vault = 0;
    if (!str_to_int64(str_slice(host, 1, 3), VAULT_FIRST, VAULT_FIRST + VAULTS - 1, &vault, err))
        return false;
    vault -= VAULT_FIRST;
    client->vault = (int)vault;
    if (machine_suffers(sim, FAULT_NETWORK, -1, NULL))
        fails(client, CONNECT_TIMEOUT_MS, "the vault could not be reached in time");
    else if (machine_suffers(sim, FAULT_REFUSED, (int)vault, NULL))
        fails(client, 1, "cannot connect (Connection refused)");
    else if (machine_suffers(sim, FAULT_HUNG, (int)vault, NULL))
        fails(client, limit_ms, "the vault did not answer");
    else if (machine_suffers(sim, FAULT_500, (int)vault, NULL))
        answer(client, chance(&sim->state) % 2 ? 500 : 429, STR("<html>"));
    else
        vault_answers(client, (int)vault, path, rest, bearer);
    return true;
}

bool http_end(HttpClient *client, Arena *arena, HttpAnswer *out, Err *err)
{
    bool came = client->failed.code == ERR_NONE && !sim->is_dead;
    if (!came && client->failed.code)
        *err = client->failed;
    else if (!came)
        (void)err_set(err, ERR_UNAVAILABLE, "dead");
    if (came)
        *out = (HttpAnswer){ .status = client->answer.status, .body = str_dup(arena, client->answer.body), .raw_headers = client->answer.raw_headers };
    call_over(client);
    return came;
}

static int64_t next_done_ms(void)
{
    int64_t next_ms = INT64_MAX;
    for (const HttpClient *c = clients; c; c = c->next)
        if (c->is_begun && !c->is_done && c->done_at_ms < next_ms)
            next_ms = c->done_at_ms;
    return next_ms;
}

/* What is on its way when the vault goes or the network is cut. */
static bool is_cut(const HttpClient *client)
{
    return client->vault >= 0 && !client->failed.code &&
           (machine_suffers(sim, FAULT_NETWORK, -1, NULL) || machine_suffers(sim, FAULT_REFUSED, client->vault, NULL) || machine_suffers(sim, FAULT_HUNG, client->vault, NULL));
}

static bool finish(void)
{
    bool any = false;
    for (HttpClient *c = clients; c; c = c->next)
        if (c->is_begun && !c->is_done && c->done_at_ms <= sim->now_ms) {
            if (c->parked_vault >= 0)
                end_park(c);
            else if (is_cut(c))
                (void)err_set(&c->failed, ERR_UNAVAILABLE, "the connection was lost");
            c->is_done = any = true;
        }
    return any;
}

bool http_wait(HttpClient *client, struct pollfd *fds, size_t count, int timeout_ms, Err *err)
{
    (void)client, (void)err;
    int64_t until_ms = timeout_ms < 0 ? INT64_MAX : sim->now_ms + timeout_ms, done_ms = next_done_ms();
    for (size_t i = 0; i < count; i++)
        fds[i].revents = 0;
    if (!finish() && !sim->is_dead)
        machine_go(sim, done_ms < until_ms ? done_ms : until_ms);
    (void)finish();
    if (sim->is_dead && count)
        fds[0].revents = POLLIN;                             /* the agent's signals: it ends, and nothing of what it does in ending counts */
    return true;
}

bool http_call(HttpClient *client, Arena *arena, const HttpCall *call, HttpAnswer *out, Err *err)
{
    if (!http_begin(client, arena, call, err))
        return false;
    while (!client->is_done && !sim->is_dead) {
        machine_go(sim, client->done_at_ms);
        (void)finish();
    }
    return http_end(client, arena, out, err);
}
