/* account_certificate.c - rows of batch_certificate. */
#include "batch/certificates/account_certificate.h"
#include "batch/parts.h"

#define COLUMNS "account_id, thumbprint, format, state, state_ms, previous_state, previous_ms, public_der, material, password, delete_error, etag, operation, changed_ms"

static Str work_key(Arena *arena, Str account_id, Str thumbprint) { return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(account_id), STR_ARG(thumbprint)); }
const char *account_certificate_format_name(CertificateFormat format) { return format == CERTIFICATE_CER ? "Cer" : "Pfx"; }

static Bytes blob_of(Arena *arena, Rows *rows, int column) { return row_is_null(rows, column) ? (Bytes){ NULL, 0 } : bytes_of(str_dup(arena, str_of(row_blob(rows, column)))); }

static bool from_row(Arena *arena, Rows *rows, void *into, Err *err)
{
    AccountCertificate *out = into;
    *out = (AccountCertificate){
        .account_id = row_text_kept(arena, rows, 0), .thumbprint = row_text_kept(arena, rows, 1), .format = (CertificateFormat)row_int(rows, 2),
        .state = (CertificateState)row_int(rows, 3), .state_ms = row_int(rows, 4), .previous = (CertificateState)row_int(rows, 5), .previous_ms = row_int(rows, 6),
        .public_der = blob_of(arena, rows, 7), .material = blob_of(arena, rows, 8), .password = blob_of(arena, rows, 9), .delete_error = row_text_kept(arena, rows, 10),
        .etag = row_int(rows, 11), .operation = row_text_kept(arena, rows, 12), .changed_ms = row_int(rows, 13),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool account_certificate_find(Txn *txn, Arena *arena, Str account_id, Str thumbprint, AccountCertificate *out, bool *found, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM batch_certificate WHERE account_id = ?1 AND thumbprint = ?2", db_text(account_id), db_text(thumbprint)) &&
           rows_one(rows, arena, from_row, out, found, err);
}

bool account_certificate_require(Txn *txn, Arena *arena, Str account_id, Str thumbprint, AccountCertificate *out, Err *err)
{
    Str known;
    bool found = false;
    if (certificate_thumbprint(arena, thumbprint, &known) && !account_certificate_find(txn, arena, account_id, known, out, &found, err))
        return false;
    return found || err_named(err, ERR_NOT_FOUND, "CertificateNotFound", NULL, "The specified certificate does not exist: 'sha1-" STR_FMT "'.",
                              STR_ARG(str_slice(thumbprint, 0, 80)));
}

bool account_certificate_list(Txn *txn, Arena *arena, Str account_id, Str after, int64_t limit, AccountCertificate **out, size_t *count, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    return txn_query(txn, &rows, err, "SELECT " COLUMNS " FROM batch_certificate WHERE account_id = ?1 AND thumbprint > ?2 ORDER BY thumbprint LIMIT ?3",
                   db_text(account_id), db_text(after.ptr ? after : STR("")), db_int(limit)) &&
           rows_all(rows, arena, from_row, (size_t)limit, out, count, err);
}

/* -- sealed columns -- */

static SealPlace place(Arena *arena, Str account_id, Str thumbprint, const char *column)
{
    return (SealPlace){ .scope = account_scope(arena, account_id), .table = "batch_certificate", .row = work_key(arena, account_id, thumbprint), .column = column };
}

typedef struct Sealed { Bytes public_der, material, password; } Sealed;

static bool seal_content(const Site *site, Txn *txn, Arena *arena, Str account_id, const CertificateContent *content, Sealed *out, Err *err)
{
    *out = (Sealed){ 0 };
    return seal_put(site->seal, txn, place(arena, account_id, content->thumbprint, "public_der"), content->der, arena, &out->public_der, err) &&
           seal_put(site->seal, txn, place(arena, account_id, content->thumbprint, "material"), content->material, arena, &out->material, err) &&
           (!content->password.ptr ||
            seal_put(site->seal, txn, place(arena, account_id, content->thumbprint, "password"), bytes_of(content->password), arena, &out->password, err));
}

bool account_certificate_public_open(const Site *site, Txn *txn, Arena *arena, const AccountCertificate *certificate, Bytes *der, Err *err)
{
    Str text;
    if (!seal_get_text(site->seal, txn, place(arena, certificate->account_id, certificate->thumbprint, "public_der"), certificate->public_der, arena, &text, err))
        return false;
    *der = bytes_of(text);
    return true;
}

bool account_certificate_material_open(const Site *site, Txn *txn, Arena *arena, const AccountCertificate *certificate, Secret **material, Secret **password, Err *err)
{
    AUTO(secret_free_auto) Secret *file = NULL;
    AUTO(secret_free_auto) Secret *opened = NULL;
    if (!seal_get(site->seal, txn, place(arena, certificate->account_id, certificate->thumbprint, "material"), certificate->material, &file, err) ||
        (certificate->password.ptr &&
         !seal_get(site->seal, txn, place(arena, certificate->account_id, certificate->thumbprint, "password"), certificate->password, &opened, err)))
        return false;
    *material = TAKE(file);
    *password = TAKE(opened);
    return true;
}

/* -- things that happen -- */

static bool being_deleted(Str thumbprint, Err *err)
{
    return err_named(err, ERR_CONFLICT, "CertificateBeingDeleted", NULL, "The specified certificate is marked for deletion: 'sha1-" STR_FMT "'.", STR_ARG(thumbprint));
}

bool account_certificate_insert(const Site *site, Txn *txn, Arena *arena, Str account_id, const CertificateContent *content, int64_t now_ms, Err *err)
{
    AccountCertificate before;
    Sealed sealed;
    bool found;
    if (!account_certificate_find(txn, arena, account_id, content->thumbprint, &before, &found, err))
        return false;
    if (found && before.state == CERTIFICATE_DELETING)
        return being_deleted(content->thumbprint, err);
    if (found)
        return err_named(err, ERR_CONFLICT, "CertificateExists", NULL, "The specified certificate already exists: 'sha1-" STR_FMT "'.", STR_ARG(content->thumbprint));
    return seal_content(site, txn, arena, account_id, content, &sealed, err) &&
           txn_exec(txn, NULL, err,
                    "INSERT INTO batch_certificate (account_id, thumbprint, format, state, state_ms, previous_state, previous_ms, public_der, material, password,"
                    " delete_error, etag, operation, changed_ms) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7, ?8, NULL, ?9, NULL, ?5)",
                    db_text(account_id), db_text(content->thumbprint), db_int(content->format), db_int(CERTIFICATE_ACTIVE), db_int(now_ms),
                    db_blob(sealed.public_der), db_blob(sealed.material), db_blob(sealed.password), db_int(etag_next(now_ms, 0)));
}

bool account_certificate_replace(const Site *site, Txn *txn, Arena *arena, const AccountCertificate *before, const CertificateContent *content, int64_t now_ms, Err *err)
{
    Sealed sealed;
    if (before->state == CERTIFICATE_DELETING)
        return being_deleted(before->thumbprint, err);
    return seal_content(site, txn, arena, before->account_id, content, &sealed, err) &&
           txn_exec(txn, NULL, err,
                    "UPDATE batch_certificate SET format = ?3, public_der = ?4, material = ?5, password = ?6, etag = ?7, changed_ms = ?8 WHERE account_id = ?1 AND thumbprint = ?2",
                    db_text(before->account_id), db_text(before->thumbprint), db_int(content->format), db_blob(sealed.public_der), db_blob(sealed.material),
                    db_blob(sealed.password), db_int(etag_next(now_ms, before->etag)), db_int(now_ms));
}

static bool refuse_move(const AccountCertificate *certificate, Err *err)
{
    switch (certificate->state) {
    case CERTIFICATE_ACTIVE:
        return err_named(err, ERR_CONFLICT, "CertificateStateActive", NULL, "The specified certificate is active: no deletion of 'sha1-" STR_FMT "' has failed.",
                         STR_ARG(certificate->thumbprint));
    case CERTIFICATE_DELETE_FAILED:
        return err_named(err, ERR_CONFLICT, "CertificateDeleteFailed", NULL, "The deletion of the certificate 'sha1-" STR_FMT "' has failed; cancel it, or delete it again.",
                         STR_ARG(certificate->thumbprint));
    default:
        return being_deleted(certificate->thumbprint, err);
    }
}

bool account_certificate_apply(Txn *txn, const AccountCertificate *certificate, CertificateEvent event, Str error_json, int64_t now_ms, CertificateState *now, Err *err)
{
    CertificateState to;
    if (!certificate_move(certificate->state, event, &to))
        return refuse_move(certificate, err);
    *now = to;
    if (to == CERTIFICATE_GONE)
        return txn_exec(txn, NULL, err, "DELETE FROM batch_certificate WHERE account_id = ?1 AND thumbprint = ?2", db_text(certificate->account_id), db_text(certificate->thumbprint));
    return txn_exec(txn, NULL, err,
                    "UPDATE batch_certificate SET state = ?3, state_ms = ?4, previous_state = ?5, previous_ms = ?6, delete_error = ?7, operation = NULL, etag = ?8, changed_ms = ?4"
                    " WHERE account_id = ?1 AND thumbprint = ?2",
                    db_text(certificate->account_id), db_text(certificate->thumbprint), db_int(to), db_int(now_ms), db_int(certificate->state),
                    db_int(certificate->state_ms), db_text(event == CERTIFICATE_IN_USE ? error_json : STR_NONE), db_int(etag_next(now_ms, certificate->etag)));
}

bool account_certificate_delete_begin(Batch *batch, Txn *txn, Arena *arena, const AccountCertificate *certificate, Str operation, int64_t now_ms, Err *err)
{
    CertificateState now;
    return account_certificate_apply(txn, certificate, CERTIFICATE_DELETE, STR_NONE, now_ms, &now, err) &&
           txn_exec(txn, NULL, err, "UPDATE batch_certificate SET operation = ?3 WHERE account_id = ?1 AND thumbprint = ?2",
                    db_text(certificate->account_id), db_text(certificate->thumbprint), db_text(operation)) &&
           runner_schedule(batch->site->runner, txn, WORK_CERTIFICATE, work_key(arena, certificate->account_id, certificate->thumbprint), real_now_ms(), err);
}
