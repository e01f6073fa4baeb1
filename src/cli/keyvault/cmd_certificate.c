/* cmd_certificate.c - certificates: made by a policy, downloaded, merged, deleted and recovered, backed up. */
#include "base/encode.h"
#include "cli/generic_update.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/shape.h"
#include "crypto/bundles/bundle.h"

enum { POLL_FIRST_MS = 100, POLL_MOST_MS = 2000 };

bool run_certificate_default_policy(Cli *cli, Err *err)
{
    /* What az prints, so that `vy keyvault certificate create -p "$(vy keyvault certificate get-default-policy)"` works alike. */
    static const char policy[] =
        "{\"issuerParameters\":{\"certificateTransparency\":null,\"name\":\"Self\"},"
        "\"keyProperties\":{\"curve\":null,\"exportable\":true,\"keySize\":2048,\"keyType\":\"RSA\",\"reuseKey\":true},"
        "\"lifetimeActions\":[{\"action\":{\"actionType\":\"AutoRenew\"},\"trigger\":{\"daysBeforeExpiry\":90}}],"
        "\"secretProperties\":{\"contentType\":\"application/x-pkcs12\"},"
        "\"x509CertificateProperties\":{\"keyUsage\":[\"cRLSign\",\"dataEncipherment\",\"digitalSignature\",\"keyEncipherment\",\"keyAgreement\",\"keyCertSign\"],"
        "\"subject\":\"CN=CLIGetDefaultPolicy\",\"validityInMonths\":12}}";

    static const char scaffold[] =
        "{\"issuerParameters\":{\"certificateTransparency\":null,\"certificateType\":\"(optional) DigiCert, GlobalSign or WoSign\",\"name\":\"Unknown, Self,"
        " or {IssuerName}\"},"
        "\"keyProperties\":{\"curve\":null,\"exportable\":true,\"keySize\":2048,\"keyType\":\"(optional) RSA or RSA-HSM (default RSA)\",\"reuseKey\":true},"
        "\"lifetimeActions\":[{\"action\":{\"actionType\":\"AutoRenew\"},\"trigger\":{\"daysBeforeExpiry\":90,\"lifetimePercentage\":null}}],"
        "\"secretProperties\":{\"contentType\":\"application/x-pkcs12 or application/x-pem-file\"},"
        "\"x509CertificateProperties\":{\"ekus\":[\"1.3.6.1.5.5.7.3.1\"],\"keyUsage\":[\"cRLSign\",\"dataEncipherment\",\"digitalSignature\",\"keyEncipherment\","
        "\"keyAgreement\",\"keyCertSign\"],\"subject\":\"C=US, ST=WA, L=Redmond, O=Contoso, OU=Contoso HR, CN=www.contoso.com\","
        "\"subjectAlternativeNames\":{\"dnsNames\":[\"hr.contoso.com\",\"m.contoso.com\"],\"emails\":[\"hello@contoso.com\"],\"upns\":[]},\"validityInMonths\":24}}";

    (void)err;
    json_put_raw(&cli->w, NULL, arg_flag(cli, "--scaffold") ? (Str){ scaffold, sizeof scaffold - 1 } : (Str){ policy, sizeof policy - 1 });
    return true;
}

bool read_policy(Cli *cli, const JsonVal **policy, Err *err)
{
    Err inner = { 0 };
    Str text;

    if (!text_arg(cli, "--policy", &text, err))
        return false;
    if (!json_parse(cli->arena, text, JSON_STRICT, policy, &inner) || json_kind(*policy) != JSON_OBJECT)
        return cli_usage(cli, err, "--policy is no JSON object%s%s; `vy keyvault certificate get-default-policy` prints one to start from", inner.text[0] ? ": " : "", inner.text);
    return true;
}

/* Waits for the operation to end, as az does, and says on a terminal what it waits for. */
static bool pending_end(Cli *cli, Str base, const JsonVal **operation, Err *err)
{
    AUTO(progress_end_auto) Progress progress = progress_begin(cli);
    int64_t wait_ms = POLL_FIRST_MS;

    while (str_eq(json_str(json_get(*operation, "status")), STR("inProgress"))) {
        Answer answer;
        Str details = json_str(json_get(*operation, "status_details"));
        progress_wait(&progress, str_empty(details) ? STR("Running") : details, wait_ms);
        wait_ms = wait_ms * 2 < POLL_MOST_MS ? wait_ms * 2 : POLL_MOST_MS;
        if (!call_service(cli, "GET", to_vault(cli), versioned(cli, base, "/pending"), STR_NONE, &answer, err))
            return false;
        *operation = answer.json;
        /* A request for someone else's signature waits for a merge, which may take days. */
        if (str_eq_nocase(json_str(json_path(answer.json, "issuer.name")), STR("Unknown")))
            return true;
    }
    return true;
}

/* --validity counts before what the policy says. */
static bool set_validity(Cli *cli, const JsonVal **policy, Err *err)
{
    Str months = arg(cli, "--validity");
    int64_t number;

    if (!months.ptr)
        return true;
    if (!str_to_int64(months, 1, 1200, &number, &(Err){ 0 }))
        return cli_usage(cli, err, "--validity: '" STR_FMT "' is no number of months", STR_ARG(months));
    return generic_update_set(cli, policy, json_get(*policy, "x509_props") ? "x509_props.validity_months" : "x509CertificateProperties.validityInMonths", months, err);
}

bool run_certificate_create(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *policy;
    Answer answer;
    Str base, text;

    if (!read_policy(cli, &policy, err) || !set_validity(cli, &policy, err) || !object_base(cli, "certificates", false, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    policy_to_wire(&body.w, "policy", policy);
    if (!put_attributes(cli, &body.w, "--disabled", true, false, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_vault(cli), versioned(cli, base, "/create"), text, &answer, err) ||
        !pending_end(cli, base, &answer.json, err))
        return false;
    shape_operation(cli, &cli->w, answer.json);
    if (str_eq(json_str(json_get(answer.json, "status")), STR("failed")))
        return err_set(err, ERR_INTERNAL, "the certificate was not made: " STR_FMT, STR_ARG(json_str(json_path(answer.json, "error.message"))));
    return true;
}

bool run_certificate_pending(Cli *cli, Err *err)
{
    Str base;

    if (!object_base(cli, "certificates", false, &base, err))
        return false;
    return call_shown(cli, "GET", to_vault(cli), versioned(cli, base, "/pending"), STR_NONE, shape_operation, err);
}

bool run_certificate_show(Cli *cli, Err *err) { return object_show(cli, "certificates", shape_certificate, err); }
bool run_certificate_list(Cli *cli, Err *err) { return object_list(cli, arg_flag(cli, "--include-pending") ? "certificates?includePending=true" : "certificates", shape_certificate, err); }
bool run_certificate_versions(Cli *cli, Err *err) { return object_versions(cli, "certificates", shape_certificate, err); }
bool run_certificate_delete(Cli *cli, Err *err) { return object_delete(cli, "certificates", shape_certificate, err); }

static bool patch_policy(Cli *cli, Str base, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    const JsonVal *policy;
    Answer answer;
    Str text;

    if (!read_policy(cli, &policy, err))
        return false;
    body_begin(&body);
    policy_to_wire(&body.w, NULL, policy);
    return body_end(&body, &text, err) && call_service(cli, "PATCH", to_vault(cli), versioned(cli, base, "/policy"), text, &answer, err);
}

bool run_certificate_attributes(Cli *cli, Err *err)
{
    const char *const *tags;
    Str base;

    if (!arg(cli, "--policy").ptr)
        return object_patch(cli, "certificates", false, shape_certificate, err);
    if (!object_base(cli, "certificates", false, &base, err) || !patch_policy(cli, base, err))
        return false;
    return arg(cli, "--enabled").ptr || arg_list(cli, "--tags", &tags) > 0 ? object_patch(cli, "certificates", false, shape_certificate, err)
                                                                           : object_show(cli, "certificates", shape_certificate, err);
}

/* ---- download ---- */

bool run_certificate_download(Cli *cli, Err *err)
{
    Answer answer;
    Bytes der;
    Str base;
    bool as_der = false;
    if (!pem_or_der_arg(cli, &as_der, err) || !object_base(cli, "certificates", true, &base, err) ||
        !call_service(cli, "GET", to_vault(cli), versioned(cli, base, ""), STR_NONE, &answer, err))
        return false;
    if (str_empty(json_str(json_get(answer.json, "cer"))))
        return err_set(err, ERR_NOT_FOUND, "this certificate is not made yet; `vy keyvault certificate pending show` says how far it is");
    if (!base64_decode(cli->arena, json_str(json_get(answer.json, "cer")), &der, err))
        return false;
    return write_new_file(cli, as_der ? der : bytes_of(pem_of_cert(cli->arena, der)), 0644, false, err);
}

/* ---- requests that wait ---- */

bool run_certificate_pending_merge(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    AUTO(bundle_done_auto) Bundle chain = { 0 };
    Str base, file;
    Err why = { 0 };
    char *path = str_to_cstr(cli->arena, arg(cli, "--file"), err);
    if (!path || !read_input(cli, path, &file, err))
        return false;
    if (!bundle_read_certs(cli->arena, bytes_of(file), &chain, &why))
        return err_set(err, why.code, "%s: %s", path, why.text);
    if (!object_base(cli, "certificates", false, &base, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open_array(&body.w, "x5c");
    for (size_t i = 0; i < chain.count; i++)
        json_put_str(&body.w, NULL, base64_encode(cli->arena, chain.certs[i]));
    json_close_array(&body.w);
    if (!put_attributes(cli, &body.w, "--disabled", true, false, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "POST", to_vault(cli), versioned(cli, base, "/pending/merge"), &body, shape_certificate, err);
}

bool run_certificate_pending_delete(Cli *cli, Err *err)
{
    Str base;
    if (!object_base(cli, "certificates", false, &base, err))
        return false;
    return call_shown(cli, "DELETE", to_vault(cli), versioned(cli, base, "/pending"), STR_NONE, shape_operation, err);
}

/* ---- what was deleted, backup ---- */

bool run_certificate_list_deleted(Cli *cli, Err *err) { return object_list(cli, arg_flag(cli, "--include-pending") ? "deletedcertificates?includePending=true" : "deletedcertificates", shape_certificate, err); }
bool run_certificate_show_deleted(Cli *cli, Err *err) { return object_show(cli, "deletedcertificates", shape_certificate, err); }
bool run_certificate_recover(Cli *cli, Err *err) { return object_recover(cli, "deletedcertificates", shape_certificate, err); }
bool run_certificate_purge(Cli *cli, Err *err) { return object_purge(cli, "deletedcertificates", err); }
bool run_certificate_backup(Cli *cli, Err *err) { return object_backup(cli, "certificates", err); }
bool run_certificate_restore(Cli *cli, Err *err) { return object_restore(cli, "certificates", shape_certificate, err); }
