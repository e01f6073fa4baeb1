/* cmd_batch_certificate.c - certificates of a Batch account, in az's words of the time when it had them, and their life as a feature of the site.
 *
 * The file is opened here first: a wrong password is asked about again before anything is sent, and the thumbprint need not be typed. */
#include "base/encode.h"
#include "base/file.h"
#include "cli/batch/batch.h"
#include "cli/files/pfxfile.h"
#include "cli/input.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

#define FEATURE         "/providers/Vaultyard.Batch/certificateFeature"
#define FEATURE_VERSION "2024-01-01"

enum { CER_BYTES_MAX = 1024 * 1024 };

static Str certificate_path(Cli *cli, Str thumbprint, const char *rest)
{
    return str_printf(cli->arena, "/certificates(thumbprintAlgorithm=sha1,thumbprint=" STR_FMT ")%s", STR_ARG(percent_encode(cli->arena, thumbprint)), rest);
}

/* ---- the file ---- */

typedef struct Upload { PfxFile pfx; Str cer, thumbprint; } Upload;        /* cer absent: a .pfx */

static Str thumbprint_of(Cli *cli, const CertInfo *info) { return hex_encode(cli->arena, (Bytes){ info->sha1, sizeof info->sha1 }); }

/* A certificate alone: .cer, .crt (DER or PEM). *is_cer false: it is something else. */
static bool read_cer(Cli *cli, const char *path, Upload *out, bool *is_cer, Err *err)
{
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    CertInfo info;
    Err not_one = { 0 };
    size_t at;

    if (!file_read(cli->arena, path, CER_BYTES_MAX, &out->cer, err))
        return false;
    *is_cer = bundle_read_certs(cli->arena, bytes_of(out->cer), &bundle, &not_one) && bundle.count > 0;
    if (!*is_cer)
        return true;
    if (str_find(out->cer, STR("PRIVATE KEY-----"), &at))
        return err_set(err, ERR_BAD_INPUT, "%s holds a private key as PEM; make a .pfx of it: openssl pkcs12 -export -in %s -out certificate.pfx", path, path);
    if (!cert_read(cli->arena, bundle.certs[0], &info, err))
        return false;
    out->thumbprint = thumbprint_of(cli, &info);
    return true;
}

static bool read_upload(Cli *cli, const char *path, Upload *out, Err *err)
{
    Str given = STR_NONE;
    bool is_cer;

    if (!read_cer(cli, path, out, &is_cer, err))
        return false;
    if (is_cer)
        return !arg(cli, "--password").ptr || cli_usage(cli, err, "--password: %s is a certificate without a private key, which has no password", path);
    out->cer = STR_NONE;
    if (arg(cli, "--password").ptr) {
        if (!text_arg(cli, "--password", &given, err))
            return false;
        given = arg(cli, "--password").ptr == given.ptr ? given : str_trim(given);      /* a file's or a line's end is not part of it */
    }
    if (!pfxfile_read(cli, path, given, &out->pfx, err))
        return false;
    out->thumbprint = thumbprint_of(cli, &out->pfx.leaf);
    return true;
}

static bool put_upload(Cli *cli, Body *body, const Upload *upload, Str thumbprint, Str *text, Err *err)
{
    Str data = base64_encode(cli->arena, bytes_of(upload->cer.ptr ? upload->cer : upload->pfx.file));

    body_begin(body);
    json_open(&body->w, NULL);
    json_put_str(&body->w, "thumbprint", thumbprint);
    json_put_str(&body->w, "thumbprintAlgorithm", STR("sha1"));
    json_put_str(&body->w, "data", data);
    json_put_str(&body->w, "certificateFormat", upload->cer.ptr ? STR("cer") : STR("pfx"));
    if (!upload->cer.ptr)
        json_put_str(&body->w, "password", str_of(secret_bytes(upload->pfx.password)));
    json_close(&body->w);
    if (data.ptr)
        secret_wipe((void *)(uintptr_t)data.ptr, data.len);     /* the arena's copy; the body is wiped with itself */
    return body_end(body, text, err);
}

/* ---- certificates ---- */

static bool create(Cli *cli, const char *path, Upload *upload, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str thumbprint = arg(cli, "--thumbprint"), text;
    Answer answer;

    if (!read_upload(cli, path, upload, err))
        return false;
    return put_upload(cli, &body, upload, thumbprint.ptr ? thumbprint : upload->thumbprint, &text, err) &&
           batch_call(cli, "POST", STR("/certificates"), text, &answer, err) && batch_show(cli, certificate_path(cli, upload->thumbprint, ""), err);
}

bool run_batch_certificate_create(Cli *cli, Err *err)
{
    char *path = str_to_cstr(cli->arena, arg(cli, "--certificate-file"), err);
    Upload upload = { 0 };

    if (!path)
        return false;
    bool done = create(cli, path, &upload, err);
    pfxfile_done(&upload.pfx);
    return done;
}

bool run_batch_certificate_list(Cli *cli, Err *err)
{
    Str filter = arg(cli, "--filter");
    return batch_list(cli, filter.ptr ? str_printf(cli->arena, "/certificates?$filter=" STR_FMT, STR_ARG(percent_encode(cli->arena, filter))) : STR("/certificates"), err);
}

bool run_batch_certificate_show(Cli *cli, Err *err) { return batch_show(cli, certificate_path(cli, arg(cli, "--thumbprint"), ""), err); }

bool run_batch_certificate_cancel(Cli *cli, Err *err)
{
    Answer answer;
    return batch_call(cli, "POST", certificate_path(cli, arg(cli, "--thumbprint"), "/canceldelete"), STR_NONE, &answer, err) && run_batch_certificate_show(cli, err);
}

/* az has the cancelling as delete --abort. */
bool run_batch_certificate_delete(Cli *cli, Err *err)
{
    Answer answer;

    if (arg_flag(cli, "--abort"))
        return run_batch_certificate_cancel(cli, err);
    return cli_confirm(cli, "delete this certificate", err) && batch_call(cli, "DELETE", certificate_path(cli, arg(cli, "--thumbprint"), ""), STR_NONE, &answer, err);
}

/* ---- the feature ---- */

static bool feature_call(Cli *cli, const char *method, Str body, Err *err)
{
    if (!cli_profile(cli, err))
        return false;
    return call_shown(cli, method, to_arm(cli), arm_url(cli, STR(FEATURE), FEATURE_VERSION), body, shape_flat, err);
}

bool run_batch_certificate_feature_show(Cli *cli, Err *err) { return feature_call(cli, "GET", STR_NONE, err); }

bool run_batch_certificate_feature_set(Cli *cli, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str state = arg(cli, "--state"), text;
    int64_t from_s = 0;

    if (!state.ptr && !arg(cli, "--retirement-date").ptr)
        return cli_usage(cli, err, "what shall hold? Give --state, --retirement-date, or both");
    if (arg(cli, "--retirement-date").ptr && !time_arg(cli, "--retirement-date", &from_s, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "properties");
    json_put_str(&body.w, "state", state.ptr ? state : STR("retiring"));
    if (arg(cli, "--retirement-date").ptr)
        json_put_time(&body.w, "retirementDate", from_s * 1000);
    json_close(&body.w);
    json_close(&body.w);
    return body_end(&body, &text, err) && feature_call(cli, "PUT", text, err);
}
