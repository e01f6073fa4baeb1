/* account_certificate_feature.c - the life of the account certificates, kept in the store's meta table. */
#include "batch/certificates/account_certificate_feature.h"
#include "base/log.h"
#include "batch/parts.h"

#define FEATURE_META "batch.certificate_feature"
#define FEATURE_ID   "/providers/Vaultyard.Batch/certificateFeature"
#define INSTEAD      "use the Key Vault extension of pools, https://learn.microsoft.com/azure/batch/batch-certificate-migration-guide"

enum { BODY_MAX = 16 * 1024, STORED_MAX = 4096 };

static const char *const names[] = { [FEATURE_ENABLED] = "enabled", [FEATURE_RETIRING] = "retiring", [FEATURE_RETIRED] = "retired" };

static bool state_parse(Str name, FeatureState *out)
{
    for (int state = FEATURE_ENABLED; state <= FEATURE_RETIRED; state++) {
        if (str_eq_nocase(name, str_from(names[state]))) {
            *out = (FeatureState)state;
            return true;
        }
    }
    return false;
}

bool certificate_feature(Txn *txn, int64_t now_ms, CertificateFeature *out, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    AUTO(arena_free_auto) Arena *arena = arena_new(STORED_MAX * 8);
    CertificateFeature feature = { .set = FEATURE_RETIRING };
    const JsonVal *stored;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!txn_query(txn, &rows, err, "SELECT value FROM meta WHERE name = ?1", db_text(STR(FEATURE_META))))
        return false;
    *err = (Err){ 0 };
    if (rows_next(rows, err)) {
        if (!json_parse(arena, str_dup(arena, str_of(row_blob(rows, 0))), JSON_STRICT, &stored, err))
            return false;
        if (!state_parse(json_str(json_get(stored, "state")), &feature.set))
            return err_set(err, ERR_INTERNAL, "the stored state of the certificate feature is not understood");
        feature.retires_ms = json_int(json_get(stored, "retiresMs"), 0);
    }
    if (err->code != ERR_NONE)
        return false;
    feature.state = feature.retires_ms != 0 && now_ms >= feature.retires_ms ? FEATURE_RETIRED : feature.set;
    *out = feature;
    return true;
}

bool certificate_feature_require(Txn *txn, int64_t now_ms, const char *what, Err *err)
{
    CertificateFeature feature;
    if (!certificate_feature(txn, now_ms, &feature, err))
        return false;
    return feature.state != FEATURE_RETIRED ||
           err_named(err, ERR_BAD_INPUT, "CertificateRetired", NULL, "The account certificates feature is retired: %s; " INSTEAD, what);
}

/* -- telling -- */

typedef struct Look { int64_t now_ms; CertificateFeature feature; } Look;

static bool look_txn(Txn *txn, void *ctx, Err *err)
{
    Look *look = ctx;
    return certificate_feature(txn, look->now_ms, &look->feature, err);
}

void certificate_feature_tell(const Batch *batch, Req *req, Reply *reply, Str subject)
{
    Look look = { .now_ms = req->now_ms };
    Err ignored = { 0 };                                /* what was asked for is done already */
    if (!store_read(batch->site->store, look_txn, &look, &ignored) || look.feature.state != FEATURE_RETIRING)
        return;
    Str from = look.feature.retires_ms ? str_printf(req->arena, " and will be retired on " STR_FMT, STR_ARG(time_str(req->arena, look.feature.retires_ms, 0))) : STR("");
    reply_header(reply, STR("azure-deprecating"), str_printf(req->arena, "Batch account certificates are being retired" STR_FMT "; " INSTEAD, STR_ARG(from)));
    if (req->method != METHOD_GET && req->method != METHOD_HEAD)
        log_event(LOG_WARN, "batch.certificates_retiring", log_cstr("operation", req->route->operation), log_str("subject", subject), log_str("request", req->request_id));
}

/* -- reading and setting -- */

static bool reply_feature(Req *req, Reply *reply, const CertificateFeature *feature, Err *err)
{
    JsonWriter *w = &reply->json;
    (void)req;
    json_open(w, NULL);
    json_put_str(w, "id", STR(FEATURE_ID));
    json_put_str(w, "name", STR("certificateFeature"));
    json_put_str(w, "type", STR("Vaultyard.Batch/certificateFeature"));
    json_open(w, "properties");
    json_put_str(w, "state", str_from(names[feature->state]));
    if (feature->set != feature->state)
        json_put_str(w, "stateBefore", str_from(names[feature->set]));
    if (feature->retires_ms)
        json_put_time(w, "retirementDate", feature->retires_ms);
    json_close(w);
    json_close(w);
    return json_end(w, err);
}

static bool feature_get(Req *req, Reply *reply, Err *err)
{
    Batch *batch = req->ctx;
    Look look = { .now_ms = req->now_ms };
    return arm_require_in_some_subscription(batch->arm, req, STR("Microsoft.Batch/batchAccounts/read"), err) &&
           store_read(batch->site->store, look_txn, &look, err) && reply_feature(req, reply, &look.feature, err);
}

typedef struct Set { Batch *batch; Req *req; CertificateFeature feature; } Set;

static bool set_txn(Txn *txn, void *ctx, Err *err)
{
    Set *set = ctx;
    Str text = str_printf(set->req->arena, "{\"state\":\"%s\",\"retiresMs\":%lld}", names[set->feature.set], (long long)set->feature.retires_ms);
    return (text.ptr || err_too_big(err)) &&
           txn_exec(txn, NULL, err, "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2", db_text(STR(FEATURE_META)), db_blob(bytes_of(text))) &&
           certificate_feature(txn, set->req->now_ms, &set->feature, err) && arm_audit(set->batch->arm, txn, set->req, STR(FEATURE_ID), 200, err);
}

static bool refuse(Err *err, const char *field, const char *text)
{
    return err_field(err, field, "properties.%s: %s", field, text);
}

static bool read_feature(const JsonVal *body, CertificateFeature *out, Err *err)
{
    typedef struct FeatureIn { const JsonVal *properties; Str id, name, type; } FeatureIn;
    typedef struct PropertiesIn { Str state, date; const JsonVal *before; } PropertiesIn;
    static const JsonField top[] = {
        JSON_FIELD(FeatureIn, properties, "properties", JSON_REQUIRED), JSON_FIELD(FeatureIn, id, "id", JSON_OPTIONAL),
        JSON_FIELD(FeatureIn, name, "name", JSON_OPTIONAL), JSON_FIELD(FeatureIn, type, "type", JSON_OPTIONAL),
    };
    static const JsonField properties[] = {
        JSON_FIELD(PropertiesIn, state, "state", JSON_REQUIRED), JSON_FIELD(PropertiesIn, date, "retirementDate", JSON_OPTIONAL),
        JSON_FIELD(PropertiesIn, before, "stateBefore", JSON_OPTIONAL),             /* what was read can be sent again */
    };
    FeatureIn in = { 0 };
    PropertiesIn asked = { 0 };
    Err wrong = { 0 };
    *out = (CertificateFeature){ 0 };
    if (!json_read_exact(body, "", top, COUNT_OF(top), &in, err) || !json_read_exact(in.properties, "properties", properties, COUNT_OF(properties), &asked, err))
        return false;
    if (!state_parse(asked.state, &out->set))
        return refuse(err, "state", "must be enabled, retiring or retired");
    if (!str_empty(asked.date) && !time_parse(asked.date, &out->retires_ms, &wrong))
        return refuse(err, "retirementDate", "must be a time such as \"2030-01-31T00:00:00Z\"");
    if (!str_empty(asked.date) && out->retires_ms <= 0)
        return refuse(err, "retirementDate", "must be after 1970");
    return true;
}

static bool feature_put(Req *req, Reply *reply, Err *err)
{
    Set set = { .batch = req->ctx, .req = req };
    const JsonVal *body;
    /* Who may assign roles is an owner. */
    if (!arm_require_in_some_subscription(set.batch->arm, req, STR("Microsoft.Authorization/roleAssignments/write"), err) ||
        !req_object(req, &body, err) || !read_feature(body, &set.feature, err) || !store_write(set.batch->site->store, set_txn, &set, err))
        return false;
    req->audited = true;
    log_event(LOG_INFO, "batch.certificate_feature_set", log_cstr("state", names[set.feature.state]), log_int("retires_ms", set.feature.retires_ms));
    return reply_feature(req, reply, &set.feature, err);
}

const Route certificate_feature_routes[] = {
    { METHOD_GET, FEATURE_ID, NULL, NULL, PERM_TOKEN, WHERE_INLINE, BODY_NONE,         0,        feature_get, "CertificateFeatureGet" },
    { METHOD_PUT, FEATURE_ID, NULL, NULL, PERM_TOKEN, WHERE_WORKER, BODY_JSON_LENIENT, BODY_MAX, feature_put, "CertificateFeatureSet" },
};
const size_t certificate_feature_route_count = COUNT_OF(certificate_feature_routes);
