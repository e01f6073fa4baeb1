/* account_certificate_node.c - what nodes are given and have. */
#include "batch/certificates/account_certificate_node.h"
#include "base/encode.h"
#include "batch/certificates/account_certificate.h"
#include "batch/certificates/account_certificate_feature.h"
#include "batch/parts.h"

void certificates_lease_done(CertificatesLease *lease)
{
    for (size_t i = 0; i < lease->given_count; i++) {
        secret_free(lease->given[i].material);
        secret_free(lease->given[i].password);
    }
    lease->given_count = 0;
}

bool certificates_lease_read(const JsonVal *body, CertificatesLease *out, Err *err)
{
    const JsonVal *list = json_get(body, "certificates");
    *out = (CertificatesLease){ .asks = json_kind(list) <= JSON_NULL, .held = list };
    if (out->asks)
        return true;
    if (json_kind(list) != JSON_ARRAY || json_count(list) > CERTIFICATE_REFS_MAX)
        return err_field(err, "certificates", "certificates: must be an array of at most %d thumbprints", CERTIFICATE_REFS_MAX);
    for (size_t i = 0; i < json_count(list); i++)
        if (json_str(json_at(list, i)).len != THUMBPRINT_DIGITS)
            return err_field(err, "certificates", "certificates: must be thumbprints of %d hex digits", THUMBPRINT_DIGITS);
    return true;
}

/* -- giving -- */

static bool give(const Batch *batch, Txn *txn, Arena *arena, const Account *account, const CertificateRef *ref, CertificatesLease *lease, Err *err)
{
    AccountCertificate certificate;
    bool found;
    if (!account_certificate_find(txn, arena, account->id, ref->thumbprint, &certificate, &found, err))
        return false;
    if (!found)
        return true;                                    /* a pool's certificates cannot be deleted; nothing more can be done here */
    lease->given[lease->given_count].ref = *ref;
    lease->given[lease->given_count].format = certificate.format;
    if (!account_certificate_material_open(batch->site, txn, arena, &certificate, &lease->given[lease->given_count].material, &lease->given[lease->given_count].password, err))
        return false;
    lease->given_count++;
    return true;
}

static bool keep(Txn *txn, const Account *account, const Node *node, Str thumbprint, unsigned visibility, Err *err)
{
    return txn_exec(txn, NULL, err, "INSERT INTO batch_node_certificate (node_id, thumbprint, account_id, visibility) VALUES (?1, ?2, ?3, ?4)"
                                    " ON CONFLICT (node_id, thumbprint) DO UPDATE SET visibility = ?4",
                    db_text(node->id), db_text(thumbprint), db_text(account->id), db_int(visibility));
}

static bool forget_all(Txn *txn, const Node *node, Err *err)
{
    return txn_exec(txn, NULL, err, "DELETE FROM batch_node_certificate WHERE node_id = ?1", db_text(node->id));
}

/* Keys leave the server here, so it is written down. */
static bool audit_given(const Batch *batch, Txn *txn, const Req *req, const Account *account, const Node *node, Err *err)
{
    AuditRecord record = site_audit_record(batch->site, req, account->arm_id, 200, STR(""));
    record.operation = STR("NodeCertificatesGet");
    record.object_id = node->id;
    return audit_write(batch->site->audit, txn, &record, err);
}

static bool answer(const Batch *batch, Txn *txn, const Req *req, const Account *account, const Node *node, const Pool *pool, CertificatesLease *lease, Err *err)
{
    CertificateFeature feature;
    CertificateRef *refs;
    size_t count;
    Str body;
    certificates_lease_done(lease);                     /* of a run before */
    if (!certificate_feature(txn, req->now_ms, &feature, err) || !pool_body_open(batch->site, txn, req->arena, pool, &body, err) ||
        !certificate_refs_of(req->arena, body, &refs, &count, err) || !forget_all(txn, node, err))
        return false;
    for (size_t i = 0; i < count && feature.state != FEATURE_RETIRED; i++)
        if (!give(batch, txn, req->arena, account, &refs[i], lease, err))
            return false;
    for (size_t i = 0; i < lease->given_count; i++)
        if (!keep(txn, account, node, lease->given[i].ref.thumbprint, lease->given[i].ref.visibility, err))
            return false;
    return lease->given_count == 0 || audit_given(batch, txn, req, account, node, err);
}

/* -- told -- */

static bool is_told(const CertificatesLease *lease, Str thumbprint)
{
    for (size_t i = 0; i < json_count(lease->held); i++)
        if (str_eq_nocase(json_str(json_at(lease->held, i)), thumbprint))
            return true;
    return false;
}

typedef struct Kept { Str thumbprint; unsigned visibility; } Kept;

static bool read_kept(Txn *txn, Arena *arena, Str node_id, Kept *out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    *count = 0;
    if (!txn_query(txn, &rows, err, "SELECT thumbprint, visibility FROM batch_node_certificate WHERE node_id = ?1 ORDER BY thumbprint LIMIT ?2",
                   db_text(node_id), db_int(CERTIFICATE_REFS_MAX)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err))
        out[(*count)++] = (Kept){ .thumbprint = str_dup(arena, row_text(rows, 0)), .visibility = (unsigned)row_int(rows, 1) };
    return err->code == ERR_NONE && (arena_ok(arena) || err_too_big(err));
}

/* Mostly what is kept already. A certificate that the account does not have (the server's data were put back) is nobody's to hold. */
static bool note_held(Txn *txn, Arena *arena, const Account *account, const Node *node, const CertificatesLease *lease, Err *err)
{
    Kept kept[CERTIFICATE_REFS_MAX];
    size_t count, same = 0;
    if (!read_kept(txn, arena, node->id, kept, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        same += is_told(lease, kept[i].thumbprint);
    if (same == count && count == json_count(lease->held))
        return true;
    if (!forget_all(txn, node, err))
        return false;
    for (size_t i = 0; i < json_count(lease->held); i++) {
        Str thumbprint = str_lower(arena, json_str(json_at(lease->held, i)));
        AccountCertificate certificate;
        unsigned visibility = VISIBLE_ALL;
        bool found;
        for (size_t k = 0; k < count; k++)
            visibility = str_eq(kept[k].thumbprint, thumbprint) ? kept[k].visibility : visibility;
        if (!account_certificate_find(txn, arena, account->id, thumbprint, &certificate, &found, err) ||
            (found && !keep(txn, account, node, thumbprint, visibility, err)))
            return false;
    }
    return true;
}

bool certificates_lease(const Batch *batch, Txn *txn, const Req *req, const Account *account, const Node *node, const Pool *pool, CertificatesLease *lease, Err *err)
{
    return lease->asks ? answer(batch, txn, req, account, node, pool, lease, err) : note_held(txn, req->arena, account, node, lease, err);
}

/* -- out -- */

void certificates_lease_write(Arena *arena, const CertificatesLease *lease, JsonWriter *w)
{
    if (!lease->asks)
        return;
    json_open_array(w, "certificates");
    for (size_t i = 0; i < lease->given_count; i++) {
        Str data = base64_encode(arena, secret_bytes(lease->given[i].material));
        json_open(w, NULL);
        json_put_str(w, "thumbprint", lease->given[i].ref.thumbprint);
        json_put_str(w, "format", lease->given[i].format == CERTIFICATE_CER ? STR("cer") : STR("pfx"));
        certificate_visibility_write(lease->given[i].ref.visibility, w);
        json_put_str(w, "data", data);
        if (lease->given[i].password)
            json_put_str(w, "password", str_of(secret_bytes(lease->given[i].password)));
        json_close(w);
        secret_wipe((void *)(uintptr_t)data.ptr, data.len);         /* the arena's copy; the server wipes the reply */
    }
    json_close_array(w);
}

bool certificates_of_node_write(Txn *txn, Str node_id, JsonWriter *w, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    bool any = false;
    if (!txn_query(txn, &rows, err, "SELECT thumbprint, visibility FROM batch_node_certificate WHERE node_id = ?1 ORDER BY thumbprint", db_text(node_id)))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        if (!any)
            json_open_array(w, "certificateReferences");
        any = true;
        json_open(w, NULL);
        json_put_str(w, "thumbprint", row_text(rows, 0));
        json_put_str(w, "thumbprintAlgorithm", STR("sha1"));
        certificate_visibility_write((unsigned)row_int(rows, 1), w);
        json_close(w);
    }
    if (any)
        json_close_array(w);
    return err->code == ERR_NONE;
}
