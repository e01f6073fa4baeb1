/* cmd_import.c - a certificate made elsewhere into a vault.
 *
 * The file is opened here first: whoever has a bad .pfx learns at once what is wrong with it, and nothing is sent. */
#include "base/clock.h"
#include "cli/files/pfxfile.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/run.h"
#include "cli/shape.h"

static bool check_dates(const char *path, const PfxFile *file, Err *err)
{
    char when[32];

    if (file->leaf.not_after_ms > real_now_ms())
        return true;
    time_format(file->leaf.not_after_ms, 0, when, sizeof when);
    return err_set(err, ERR_BAD_INPUT, "%s: the certificate '" STR_FMT "' expired at %s, and a vault takes none that has", path, STR_ARG(file->leaf.subject), when);
}

static bool has_oid(Str file, const char *oid)
{
    size_t at;
    return str_find(file, str_from(oid), &at);
}

/* What is taken and will hurt later. */
static void note_weaknesses(Cli *cli, const char *path, const PfxFile *file)
{
    static const char rc2_40[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x06", rc2_128[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x05";     /* RFC 7292 appendix C */
    const Bundle *bundle = &file->bundle;
    CertInfo last;
    Err ignored;
    size_t end = 0;
    while (end + 1 < bundle->count && cert_is_issued_by(bundle->certs[end], bundle->certs[end + 1]))
        end++;
    if (cert_read(cli->arena, bundle->certs[end], &last, &ignored) && !last.is_self_issued && !last.is_ca)
        cli_note("note: %s: the issuer '" STR_FMT "' of its certificate is not in the file; servers that use it will not send a whole chain. Add the issuer's certificate unless all clients have it",
                 path, STR_ARG(last.issuer));
    if (end + 1 < bundle->count)
        cli_note("note: %s: %zu of its certificates do not belong to the chain of the first", path, bundle->count - end - 1);
    if (!file->is_pem && (has_oid(file->file, rc2_40) || has_oid(file->file, rc2_128)))
        cli_note("note: %s is encrypted with RC2, which anyone can break; keep it no longer than you must, and write such files with AES-256", path);
}

bool run_certificate_import(Cli *cli, Err *err)
{
    AUTO(pfxfile_done_auto) PfxFile file = { 0 };
    AUTO(body_done_auto) Body body = { 0 };
    Str base, given = STR_NONE;
    const JsonVal *policy = NULL;
    char *path;

    if (!(path = str_to_cstr(cli->arena, arg(cli, "--file"), err)))
        return false;
    if (arg(cli, "--password").ptr) {
        if (!text_arg(cli, "--password", &given, err))
            return false;
        given = arg(cli, "--password").ptr == given.ptr ? given : str_trim(given);      /* a file's or a line's end is not part of it */
    }
    if (arg(cli, "--policy").ptr && !read_policy(cli, &policy, err))
        return false;
    if (!pfxfile_read(cli, path, given, &file, err) || !check_dates(path, &file, err) || !object_base(cli, "certificates", false, &base, err))
        return false;
    note_weaknesses(cli, path, &file);
    body_begin(&body);
    json_open(&body.w, NULL);
    pfxfile_put(cli, &body.w, &file);
    if (policy)
        policy_to_wire(&body.w, "policy", policy);
    if (!put_attributes(cli, &body.w, "--disabled", true, false, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    return body_send(cli, "POST", to_vault(cli), versioned(cli, base, "/import"), &body, shape_certificate, err);
}
