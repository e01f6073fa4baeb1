/* cmd_certificate.c - certificates that come and go: download, requests that wait for a signature, what was deleted, backup. */
#include "base/encode.h"
#include "cli/batch/shape.h"
#include "cli/keyvault/object.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "crypto/bundles/bundle.h"

enum { CHAIN_FILE_MAX = 1 << 20 };

bool run_certificate_download(Cli *cli, Err *err)
{
    Answer answer;
    Bytes der;
    Str base, encoding = arg(cli, "--encoding");
    bool as_der = str_eq_nocase(encoding, STR("DER"));
    if (encoding.ptr && !as_der && !str_eq_nocase(encoding, STR("PEM")))
        return cli_usage(cli, err, "--encoding: '" STR_FMT "' is neither PEM nor DER", STR_ARG(encoding));
    if (!object_base(cli, "certificates", true, &base, err) || !call_service(cli, "GET", to_vault(cli), versioned(cli, base, ""), STR_NONE, &answer, err))
        return false;
    if (str_empty(json_str(json_get(answer.json, "cer"))))
        return err_set(err, ERR_NOT_FOUND, "this certificate is not made yet; `vy keyvault certificate pending show` says how far it is");
    if (!base64_decode(cli->arena, json_str(json_get(answer.json, "cer")), &der, err))
        return false;
    return write_new_file(cli, as_der ? der : bytes_of(pem_of_cert(cli->arena, der)), 0644, err);
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
