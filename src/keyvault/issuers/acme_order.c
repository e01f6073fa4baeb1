/* acme_order.c - see acme_order.h. */
#include "keyvault/issuers/acme_order.h"
#include "base/encode.h"
#include "keyvault/certificates/cert_issue.h"
#include "keyvault/issuers/acme_challenge.h"
#include "keyvault/objects/feed.h"

enum { STEPS_MAX = 40, DOC_MAX_BYTES = 16 << 10, WAIT_LEAST_MS = 1000, WAIT_MOST_MS = 60 * 1000, LIMITED_MS = 60 * 1000, BUDGET_MS = 5 * 60 * 1000 };     /* BUDGET: of one run, well within the runner's lease whatever hooks take */
static const int64_t ORDER_LIFE_MS = 24 * 3600 * 1000LL;

typedef enum Outcome { WAITS = 1, ISSUED, FAILED } Outcome;

typedef struct Order {
    KeyVault   *kv;
    Arena      *arena;
    Str         work_key, name_key;
    int64_t     real_ms, until_mono_ms;
    /* read */
    Vault       vault;
    bool        has_vault, is_wanted, has_issuer;
    Str         name;
    PendingRow  pending;
    CertPolicy  policy;
    KeyRef     *key;
    Issuer      issuer;
    AcmeIssuer  acme;
    AcmeAccountRow account;
    Str         order_url;
    int64_t     started_ms;             /* 0: there is no row yet */
    AcmeAnswer *answers;
    size_t      answer_count;
    /* done */
    Outcome     outcome;
    int64_t     wait_ms;
    Bytes       chain[ACME_CHAIN_MAX];
    size_t      chain_count;
    CertMaterial material;
    Str         details, error_text;
    bool        registered_again, ordered_again;
} Order;

static void order_done(Order *order)
{
    key_free(order->key);
    key_free(order->account.key);
    cert_material_done(&order->material);
}
DEFINE_AUTO_DONE(Order, order_done)

/* ---- the row ---- */

static SealPlace order_place(const Order *order)
{
    return (SealPlace){ order->vault.scope, "kv_acme_order", str_printf(order->arena, STR_FMT "/" STR_FMT, STR_ARG(order->vault.id), STR_ARG(order->name_key)), "doc" };
}

static bool row_put(Order *order, Txn *txn, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Bytes sealed;
    buf_init(&text, DOC_MAX_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "url", order->order_url);
    json_close(&w);
    return json_end(&w, err) && seal_put(order->kv->site->seal, txn, order_place(order), buf_bytes(&text), order->arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_acme_order (vault, name_key, request_id, started_ms, doc) VALUES (?1, ?2, ?3, ?4, ?5)"
                    " ON CONFLICT (vault, name_key) DO UPDATE SET request_id = excluded.request_id, started_ms = excluded.started_ms, doc = excluded.doc",
                    db_text(order->vault.id), db_text(order->name_key), db_text(order->pending.request_id), db_int(order->started_ms), db_blob(sealed));
}

/* One of an earlier operation does not count. */
static bool row_find(Order *order, Txn *txn, Err *err)
{
    const JsonVal *doc;
    Str text;
    AUTO(rows_free_auto) Rows *rows = NULL;
    order->started_ms = 0;
    order->order_url = STR_NONE;
    if (!txn_query(txn, &rows, err, "SELECT started_ms, doc FROM kv_acme_order WHERE vault = ?1 AND name_key = ?2 AND request_id = ?3", db_text(order->vault.id),
                   db_text(order->name_key), db_text(order->pending.request_id)))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    if (!seal_get_text(order->kv->site->seal, txn, order_place(order), row_blob(rows, 1), order->arena, &text, err) || !json_parse(order->arena, text, JSON_STRICT, &doc, err))
        return false;
    order->started_ms = row_int(rows, 0);
    order->order_url = json_str(json_get(doc, "url"));
    return true;
}

/* ---- reading ---- */

static bool read_wanted(Order *order, Txn *txn, Err *err)
{
    Str rest = order->work_key, vault_id = str_cut(&rest, '/');
    ObjectRow object;
    bool found;
    order->name_key = rest;
    order->is_wanted = false;
    if (!vault_by_id(order->kv, txn, order->arena, vault_id, &order->vault, &order->has_vault, err))
        return false;
    if (!order->has_vault || order->vault.deleted_ms)
        return true;
    if (!object_find(txn, order->arena, &order->vault, KV_CERTIFICATE, rest, &object, &found, err))
        return false;
    if (!found || object.deleted_ms)
        return true;
    order->name = object.name;
    if (!pending_find(order->kv, txn, order->arena, &order->vault, rest, &order->pending, &found, err))
        return false;
    order->is_wanted = found && pending_is_in_progress(&order->pending);
    return true;
}

static bool read_issuer(Order *order, Txn *txn, Err *err)
{
    Err why = { 0 };
    order->has_issuer = false;
    if (!issuer_find(order->kv, txn, order->arena, &order->vault, order->pending.issuer, &order->issuer, &order->has_issuer, err))
        return false;
    order->has_issuer = order->has_issuer && order->issuer.is_enabled && issuer_is_acme(&order->issuer);
    if (!order->has_issuer) {
        order->error_text = str_printf(order->arena, "the issuer '" STR_FMT "' was deleted or disabled meanwhile", STR_ARG(order->pending.issuer));
        return true;
    }
    order->has_issuer = issuer_acme_read(order->kv, order->arena, &order->issuer, &order->acme, &why);
    if (!order->has_issuer)
        order->error_text = str_dup(order->arena, str_from(why.text));
    key_free(TAKE(order->account.key));
    return issuer_acme_account(order->kv, txn, order->arena, &order->vault, order->issuer.name, &order->account, err);
}

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Order *order = ctx;
    bool found;
    if (!read_wanted(order, txn, err))
        return false;
    if (order->has_vault && !acme_answers_find(order->kv, txn, order->arena, &order->vault, order->name_key, &order->answers, &order->answer_count, err))
        return false;
    if (!order->is_wanted)
        return true;
    if (!policy_find(order->kv, txn, order->arena, &order->vault, order->name_key, &order->policy, &found, err) || !row_find(order, txn, err) || !read_issuer(order, txn, err))
        return false;
    if (!found)
        return err_set(err, ERR_INTERNAL, "certificate " STR_FMT " has no policy", STR_ARG(order->name_key));
    key_free(TAKE(order->key));
    return pending_key(order->kv, txn, order->arena, &order->vault, order->name_key, &order->key, err);
}

/* ---- writing, while the operation is still the one that was read ---- */

typedef struct Write { Order *order; bool (*fn)(Order *order, Txn *txn, Err *err); bool is_stale; } Write;

static bool write_txn(Txn *txn, void *ctx, Err *err)
{
    Write *write = ctx;
    Order *order = write->order;
    Str request_id = order->pending.request_id;
    if (!read_wanted(order, txn, err))
        return false;
    write->is_stale = !order->is_wanted || !str_eq(order->pending.request_id, request_id);
    return write->is_stale || write->fn(order, txn, err);
}

/* *went_on false: cancelled, deleted or replaced meanwhile. */
static bool order_write(Order *order, bool (*fn)(Order *order, Txn *txn, Err *err), bool *went_on, Err *err)
{
    Write write = { order, fn, false };
    if (!store_write(order->kv->site->store, write_txn, &write, err))
        return false;
    *went_on = !write.is_stale;
    return true;
}

static bool put_account(Order *order, Txn *txn, Err *err)
{
    return issuer_acme_put_url(order->kv, txn, order->arena, &order->vault, order->issuer.name, order->account.url, err);
}

static bool put_answer(Order *order, Txn *txn, Err *err)
{
    return acme_answer_put(order->kv, txn, order->arena, &order->vault, order->name_key, &order->answers[order->answer_count], err);
}

/* The key stays sealed under the operation until it ends. */
static bool put_pending(Order *order, Txn *txn, bool keeps_key, Err *err)
{
    AUTO(secret_free_auto) Secret *kept = NULL;
    if (keeps_key && !key_kept(order->key, &kept, err))
        return false;
    return pending_put(order->kv, txn, order->arena, &order->vault, order->name, &order->pending, kept ? secret_bytes(kept) : (Bytes){ 0 }, err);
}

static bool put_details(Order *order, Txn *txn, Err *err)
{
    order->pending.details = order->details;
    return put_pending(order, txn, true, err);
}

static bool put_result(Order *order, Txn *txn, Err *err)
{
    KeyVault *kv = order->kv;
    int64_t now_ms = clock_now_ms(kv->site->clock);
    bool is_issued = order->outcome == ISSUED;
    order->pending.status = is_issued ? PENDING_COMPLETED : PENDING_FAILED;
    order->pending.details = STR_NONE;
    order->pending.error_code = is_issued ? STR_NONE : STR("CertificateRequestFailed");
    order->pending.error_text = is_issued ? STR_NONE : order->error_text;
    return put_pending(order, txn, false, err) &&
           (!is_issued || certificate_publish(kv, txn, order->arena, &order->vault, order->name, &order->material, &order->policy, order->pending.is_enabled, now_ms, err)) &&
           certificate_renew_later(kv, txn, order->arena, &order->vault, order->name, &order->policy, !is_issued, now_ms, err);
}

/* ---- steps ---- */

static AcmeAnswer *answer_for(Order *order, Str token)
{
    for (size_t i = 0; i < order->answer_count; i++)
        if (str_eq(order->answers[i].token, token))
            return &order->answers[i];
    return NULL;
}

/* The answer is stored, then given, then the authority is told to look. */
static bool prove(Order *order, AcmeClient *client, const AcmeAuthorization *authorization, bool *went_on, Err *err)
{
    AcmeAnswer *answer = answer_for(order, authorization->token);
    Str key_authorization;
    if (!answer) {
        AcmeAnswer *longer = ARENA_ARRAY(order->arena, AcmeAnswer, order->answer_count + 1);
        if (!longer)
            return err_too_big(err);
        if (!acme_key_authorization(order->arena, order->account.key, authorization->token, &key_authorization, err))
            return false;
        for (size_t i = 0; i < order->answer_count; i++)
            longer[i] = order->answers[i];
        answer = &longer[order->answer_count];
        *answer = (AcmeAnswer){ order->acme.challenge, authorization->name.text, authorization->token,
                                str_eq(order->acme.challenge, ACME_DNS) ? acme_dns_value(order->arena, key_authorization) : key_authorization };
        order->answers = longer;
        if (!order_write(order, put_answer, went_on, err))
            return false;
        if (!*went_on)
            return true;
        order->answer_count++;
    }
    return acme_answer_present(order->kv->acme, order->arena, answer, err) && acme_challenge_ready(client, authorization->challenge_url, err);
}

/* What a pending order waits for. *refused: which name the authority does not believe, and why. */
static bool prove_all(Order *order, AcmeClient *client, const AcmeOrder *state, bool *went_on, Err *err)
{
    for (size_t i = 0; i < state->count && *went_on && mono_now_ms() < order->until_mono_ms; i++) {
        AcmeAuthorization authorization;
        if (!acme_authorization(client, state->authorizations[i], order->acme.challenge, &authorization, err))
            return false;
        if (authorization.state == ACME_VALID || authorization.state == ACME_INVALID)
            continue;                       /* of an invalid one the order tells next */
        if (!authorization.token.ptr)
            return err_set(err, ERR_BAD_INPUT, "the ACME server does not offer " STR_FMT " for " STR_FMT, STR_ARG(order->acme.challenge), STR_ARG(authorization.name.text));
        if (authorization.challenge == ACME_PENDING && !prove(order, client, &authorization, went_on, err))
            return false;
    }
    return true;
}

/* Why an order came to nothing: the authorizations know more than the order. */
static void explain(Order *order, AcmeClient *client, const AcmeOrder *state)
{
    order->error_text = state->error.ptr ? str_printf(order->arena, "the ACME server refuses: " STR_FMT, STR_ARG(state->error)) : STR("the ACME server refuses the order and does not say why");
    for (size_t i = 0; i < state->count; i++) {
        AcmeAuthorization authorization;
        Err ignored = { 0 };
        if (!acme_authorization(client, state->authorizations[i], order->acme.challenge, &authorization, &ignored))
            return;
        if (authorization.state == ACME_INVALID) {
            order->error_text = str_printf(order->arena, "the ACME server does not believe in the name " STR_FMT " (" STR_FMT "): " STR_FMT, STR_ARG(authorization.name.text),
                                           STR_ARG(order->acme.challenge), STR_ARG(authorization.error.ptr ? authorization.error : STR("it does not say why")));
            return;
        }
    }
}

static bool take_chain(Order *order, AcmeClient *client, const AcmeOrder *state, Err *err)
{
    AUTO(key_free_auto) KeyRef *certified = NULL;
    if (!acme_download(client, state, order->chain, &order->chain_count, err) || !cert_public_key(order->chain[0], &certified, err))
        return false;
    if (!key_same_public(certified, order->key))
        return err_set(err, ERR_BAD_INPUT, "the ACME server's certificate is for another key than the request's");
    return cert_material_make(order->arena, order->key, order->chain, order->chain_count, (ChainOrder){ .keeps = order->pending.keeps_order }, &order->policy, order->pending.version, order->pending.tags_json, &order->material, err);
}

static bool need_account(Order *order, AcmeClient *client, bool *went_on, Err *err)
{
    AcmeAccount account = { order->acme.emails, order->acme.email_count, order->acme.eab_id, order->acme.eab_key };
    return order->account.url.ptr || (acme_register(client, &account, &order->account.url, err) && order_write(order, put_account, went_on, err));
}

static bool need_order(Order *order, AcmeClient *client, AcmeOrder *state, bool *went_on, Err *err)
{
    AcmeName names[ACME_NAMES_MAX];
    size_t count;
    if (order->order_url.ptr)
        return acme_order_look(client, order->order_url, state, err);
    if (!issuer_acme_names(order->arena, &order->policy, order->acme.challenge, names, &count, err) || !acme_order(client, names, count, state, err))
        return false;
    order->order_url = state->url;
    return order_write(order, row_put, went_on, err);
}

/* Patience grows with the age of the order unless the authority says how long. */
static int64_t wait_of(const Order *order, const AcmeClient *client)
{
    int64_t wait = acme_retry_ms(client), age = (order->real_ms - order->started_ms) / 8;
    if (!wait)
        wait = age < WAIT_MOST_MS ? age : WAIT_MOST_MS;
    return wait < WAIT_LEAST_MS ? WAIT_LEAST_MS : wait;
}

static bool walk(Order *order, AcmeClient *client, bool *went_on, Err *err)
{
    AcmeOrder state;
    bool was_told = false;
    if (!need_account(order, client, went_on, err))
        return false;
    for (int steps = 0; *went_on && steps < STEPS_MAX; steps++) {
        Bytes csr;
        if (!need_order(order, client, &state, went_on, err))
            return false;
        if (!*went_on)
            return true;
        switch (state.state) {
        case ACME_PENDING:
            if (was_told)
                goto wait;
            if (!prove_all(order, client, &state, went_on, err))
                return false;
            was_told = true;
            break;
        case ACME_READY:
            if (!base64_decode(order->arena, order->pending.csr, &csr, err) || !acme_finalize(client, &state, csr, &state, err))
                return false;
            break;
        case ACME_PROCESSING:
            goto wait;
        case ACME_VALID:
            order->outcome = ISSUED;
            return take_chain(order, client, &state, err);
        case ACME_INVALID:
            order->outcome = FAILED;
            explain(order, client, &state);
            return true;
        }
    }
wait:
    order->outcome = WAITS;
    order->wait_ms = wait_of(order, client);
    return true;
}

/* Accounts and orders that the authority has forgotten are made anew, once a run. */
static bool forget_what_is_gone(Order *order, const Err *why)
{
    bool no_account = why->name && strcmp(why->name, ACME_NO_ACCOUNT) == 0 && !order->registered_again;
    bool no_order = why->name && strcmp(why->name, ACME_GONE) == 0 && order->order_url.ptr && !order->ordered_again;
    order->registered_again = order->registered_again || no_account;
    order->ordered_again = order->ordered_again || no_order;
    if (no_account)
        order->account.url = STR_NONE;
    if (no_account || no_order)
        order->order_url = STR_NONE;
    return no_account || no_order;
}

static bool drive(Order *order, bool *went_on, Err *err)
{
    AUTO(acme_close_auto) AcmeClient *client = NULL;
    AcmeConfig config = { order->kv->acme->ca_file, order->kv->acme->proxy, order->acme.directory, order->account.key, order->account.url };
    if (!acme_open(order->arena, &config, &client, err))
        return false;
    if (walk(order, client, went_on, err))
        return true;
    if (forget_what_is_gone(order, err)) {
        *err = (Err){ 0 };
        return drive(order, went_on, err);
    }
    order->outcome = 0;
    if (err->code == ERR_THROTTLED)
        order->wait_ms = acme_retry_ms(client) ? acme_retry_ms(client) : LIMITED_MS;
    return false;
}

/* ---- the work ---- */

typedef struct Cleanup { const Order *order; Str token; } Cleanup;        /* token absent: the order itself */

static bool cleanup_txn(Txn *txn, void *ctx, Err *err)
{
    const Cleanup *cleanup = ctx;
    const Order *order = cleanup->order;
    if (cleanup->token.ptr)
        return acme_answer_erase(txn, &order->vault, order->name_key, cleanup->token, err);
    return txn_exec(txn, NULL, err, "DELETE FROM kv_acme_order WHERE vault = ?1 AND name_key = ?2", db_text(order->vault.id), db_text(order->name_key));
}

/* Takes back what was given, also of an operation that is no more: one by one, so that what was done stays done. */
static bool clean_up(Order *order, int64_t *again_ms, Err *err)
{
    Store *store = order->kv->site->store;
    Cleanup cleanup = { order, STR_NONE };
    if (!order->has_vault)
        return true;
    for (size_t i = 0; i < order->answer_count; i++) {
        if (mono_now_ms() > order->until_mono_ms) {
            *again_ms = real_now_ms() + WAIT_LEAST_MS;
            return true;
        }
        cleanup.token = order->answers[i].token;
        if ((order->kv->acme && !acme_answer_cleanup(order->kv->acme, order->arena, &order->answers[i], err)) || !store_write(store, cleanup_txn, &cleanup, err))
            return false;
    }
    cleanup.token = STR_NONE;
    return store_write(store, cleanup_txn, &cleanup, err);
}

/* Of a failed run: over for good, to be looked at later, or false: the runner's to repeat. */
static bool after_failure(Order *order, bool *went_on, Err *err)
{
    Str why = str_dup(order->arena, str_from(err->text));
    bool is_over = err->code == ERR_BAD_INPUT || order->real_ms - order->started_ms > ORDER_LIFE_MS;
    if (err->code == ERR_INTERNAL)
        return false;
    order->outcome = is_over ? FAILED : WAITS;
    order->error_text = why;
    order->details = str_printf(order->arena, "The last attempt failed and will be repeated: " STR_FMT, STR_ARG(why));
    if (is_over)
        return true;
    Err ignored = { 0 };
    if (!str_eq(order->details, order->pending.details) && !order_write(order, put_details, went_on, &ignored)) {
        *err = ignored;
        return false;
    }
    return err->code == ERR_THROTTLED;
}

static bool begin(Order *order, bool *went_on, Err *err)
{
    if (order->started_ms)
        return true;
    order->started_ms = order->real_ms;
    return order_write(order, row_put, went_on, err);
}

static bool work(Order *order, bool *went_on, Err *err)
{
    if (!order->has_issuer) {
        order->outcome = FAILED;
        return true;
    }
    return begin(order, went_on, err) && (!*went_on || drive(order, went_on, err) || after_failure(order, went_on, err));
}

bool acme_order_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    AUTO(order_done_auto) Order order = { .kv = kv, .arena = arena, .work_key = job->key, .real_ms = now_ms, .until_mono_ms = mono_now_ms() + BUDGET_MS };
    bool went_on = true;
    *again_ms = 0;
    if (!store_read(kv->site->store, read_txn, &order, err))
        return false;
    if (order.is_wanted && !work(&order, &went_on, err))
        return false;
    if (order.is_wanted && went_on && order.outcome != WAITS && !order_write(&order, put_result, &went_on, err))
        return false;
    if (order.is_wanted && went_on && order.outcome == WAITS) {
        *again_ms = real_now_ms() + order.wait_ms;
        return true;
    }
    if (order.outcome == ISSUED && went_on)
        feed_wake(kv, &order.vault);
    /* A version that is there does not wait for a hook that fails: that is what the runner repeats. */
    return clean_up(&order, again_ms, err);
}
