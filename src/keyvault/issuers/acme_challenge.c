/* acme_challenge.c - see acme_challenge.h. */
#include "keyvault/issuers/acme_challenge.h"
#include "base/exec.h"

enum { DOC_MAX_BYTES = 8 << 10, ANSWERS_MAX = ACME_NAMES_MAX * 2, SAID_MAX = 300 };

/* ---- rows ---- */

static SealPlace place(Arena *arena, Str scope, Str vault_id, Str name_key, Str token)
{
    return (SealPlace){ scope, "kv_acme_challenge", str_printf(arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(vault_id), STR_ARG(name_key), STR_ARG(token)), "doc" };
}

typedef struct AnswerDoc { Str kind, name, answer; } AnswerDoc;
static const JsonField doc_fields[] = {
    JSON_FIELD(AnswerDoc, kind,   "kind",   JSON_REQUIRED),
    JSON_FIELD(AnswerDoc, name,   "name",   JSON_REQUIRED),
    JSON_FIELD(AnswerDoc, answer, "answer", JSON_REQUIRED),
};

bool acme_answer_put(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, const AcmeAnswer *answer, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Bytes sealed;
    buf_init(&text, DOC_MAX_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "kind", answer->kind);
    json_put_str(&w, "name", answer->name);
    json_put_str(&w, "answer", answer->answer);
    json_close(&w);
    return json_end(&w, err) &&
           seal_put(kv->site->seal, txn, place(arena, vault->scope, vault->id, name_key, answer->token), buf_bytes(&text), arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_acme_challenge (token, vault, name_key, doc) VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT (token, vault, name_key) DO UPDATE SET doc = excluded.doc",
                    db_text(answer->token), db_text(vault->id), db_text(name_key), db_blob(sealed));
}

static bool answer_of(KeyVault *kv, Txn *txn, Arena *arena, SealPlace where, Bytes sealed, AcmeAnswer *out, Err *err)
{
    const JsonVal *root;
    AnswerDoc doc = { 0 };
    Str text;
    if (!seal_get_text(kv->site->seal, txn, where, sealed, arena, &text, err) || !json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, "kv_acme_challenge", doc_fields, COUNT_OF(doc_fields), &doc, err))
        return false;
    out->kind = doc.kind;
    out->name = doc.name;
    out->answer = doc.answer;
    return true;
}

bool acme_answers_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, Str name_key, AcmeAnswer **out, size_t *count, Err *err)
{
    AcmeAnswer *answers = ARENA_ARRAY(arena, AcmeAnswer, ANSWERS_MAX);
    size_t n = 0;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!answers)
        return err_too_big(err);
    if (!txn_query(txn, &rows, err, "SELECT token, doc FROM kv_acme_challenge WHERE vault = ?1 AND name_key = ?2 ORDER BY token", db_text(vault->id), db_text(name_key)))
        return false;
    *err = (Err){ 0 };
    while (n < ANSWERS_MAX && rows_next(rows, err)) {
        answers[n].token = str_dup(arena, row_text(rows, 0));
        if (!answer_of(kv, txn, arena, place(arena, vault->scope, vault->id, name_key, answers[n].token), row_blob(rows, 1), &answers[n], err))
            return false;
        n++;
    }
    *out = answers;
    *count = n;
    return err->code == ERR_NONE && (arena_ok(arena) || err_too_big(err));
}

bool acme_answer_erase(Txn *txn, const Vault *vault, Str name_key, Str token, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM kv_acme_challenge WHERE token = ?1 AND vault = ?2 AND name_key = ?3", db_text(token), db_text(vault->id), db_text(name_key));
}

/* ---- the hook ---- */

static Str last_line(Str said)
{
    Str last = STR("");
    for (Str rest = said; rest.ptr;) {
        Str line = str_trim(str_cut(&rest, '\n'));
        if (line.len > 0)
            last = line;
    }
    return str_slice(last, 0, SAID_MAX);
}

static bool hook_run(const AcmeSettings *settings, Arena *arena, const char *verb, const AcmeAnswer *answer, Err *err)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LANG=C.UTF-8";
    char *const environment[] = { path, lang, NULL };
    bool is_dns = str_eq(answer->kind, ACME_DNS);
    Str words[] = { str_from(settings->hook), str_from(verb), answer->kind, answer->name,
                    is_dns ? str_printf(arena, "_acme-challenge." STR_FMT, STR_ARG(answer->name)) : answer->token, answer->answer };
    char *argv[COUNT_OF(words) + 1] = { 0 };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!(argv[i] = str_to_cstr(arena, words[i], err)))
            return err->code == ERR_NONE ? err_too_big(err) : false;
    ExecResult ran;
    Err why = { 0 };
    if (!exec_run(argv, environment, ACME_HOOK_MS, &ran, &why))
        return err_set(err, ERR_UNAVAILABLE, "the hook for ACME challenges cannot run: %s", why.text);
    Str said = last_line(ran.err.len ? buf_str(&ran.err) : buf_str(&ran.out));
    bool good = !ran.timed_out && ran.exit_code == 0;
    if (!good)
        (void)err_set(err, ERR_UNAVAILABLE, "the hook for ACME challenges %s (%s " STR_FMT " " STR_FMT ")%s" STR_FMT, ran.timed_out ? "took too long" : "failed", verb,
                      STR_ARG(answer->kind), STR_ARG(answer->name), said.len && str_is_utf8(said) ? ": " : "", STR_ARG(str_is_utf8(said) ? said : STR("")));
    exec_result_done(&ran);
    return good;
}

static bool is_served(const AcmeSettings *settings, const AcmeAnswer *answer) { return settings->serves_http && str_eq(answer->kind, ACME_HTTP); }

bool acme_answer_present(const AcmeSettings *settings, Arena *arena, const AcmeAnswer *answer, Err *err)
{
    if (is_served(settings, answer))
        return true;
    return settings->hook ? hook_run(settings, arena, "present", answer, err)
                          : err_set(err, ERR_UNAVAILABLE, "this site cannot answer " STR_FMT " any more (serve --acme-hook)", STR_ARG(answer->kind));
}

bool acme_answer_cleanup(const AcmeSettings *settings, Arena *arena, const AcmeAnswer *answer, Err *err)
{
    return is_served(settings, answer) || !settings->hook || hook_run(settings, arena, "cleanup", answer, err);
}

/* ---- http-01, served ---- */

typedef struct Asked { KeyVault *kv; Arena *arena; Str token; AcmeAnswer answer; bool found; } Asked;

static bool asked_txn(Txn *txn, void *ctx, Err *err)
{
    Asked *asked = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT vault, name_key, doc FROM kv_acme_challenge WHERE token = ?1", db_text(asked->token)))
        return false;
    *err = (Err){ 0 };
    while (!asked->found && rows_next(rows, err)) {
        Str vault = str_dup(asked->arena, row_text(rows, 0)), name_key = str_dup(asked->arena, row_text(rows, 1));
        Str scope = str_printf(asked->arena, "vault:" STR_FMT, STR_ARG(vault));
        if (!answer_of(asked->kv, txn, asked->arena, place(asked->arena, scope, vault, name_key, asked->token), row_blob(rows, 2), &asked->answer, err))
            return false;
        asked->found = str_eq(asked->answer.kind, ACME_HTTP);
    }
    return err->code == ERR_NONE;
}

static bool challenge_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Asked asked = { .kv = kv, .arena = req->arena, .token = req_param(req, "token") };
    if (!store_read(kv->site->store, asked_txn, &asked, err))
        return false;
    if (!asked.found)
        return err_set(err, ERR_NOT_FOUND, "no such challenge");
    reply->content_type = STR("application/octet-stream");          /* RFC 8555 section 8.3 */
    buf_put_str(&reply->body, asked.answer.answer);
    return true;
}

static void challenge_error(void *ctx, const Req *req, Reply *reply, const Err *err)
{
    (void)ctx, (void)req;
    json_open(&reply->json, NULL);
    json_put_str(&reply->json, "message", err->code == ERR_INTERNAL ? STR("the server failed; see its log") : str_from(err->text));
    json_close(&reply->json);
}

static const Route challenge_routes[] = {
    { METHOD_GET, "/.well-known/acme-challenge/{token}", NULL, NULL, PERM_PUBLIC, WHERE_INLINE, BODY_NONE, 0, challenge_get, "AcmeChallengeGet" },
};

bool keyvault_mount_challenges(KeyVault *kv, HttpServer *plain, Err *err)
{
    static const Plane plane = { .name = "acme", .host_pattern = "", .default_content_type = "application/json; charset=utf-8", .write_error = challenge_error };
    return http_mount(plain, &plane, challenge_routes, COUNT_OF(challenge_routes), kv, err);
}
