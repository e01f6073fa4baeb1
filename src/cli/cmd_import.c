/* cmd_import.c - a certificate made elsewhere into a vault.
 *
 * The file is opened here first: whoever has a bad .pfx learns at once what is wrong with it, and nothing is sent. */
#include "base/clock.h"
#include "cli/object.h"
#include "cli/pfxfile.h"
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

bool run_certificate_import(Cli *cli, Err *err)
{
    AUTO(pfxfile_done_auto) PfxFile file = { 0 };
    AUTO(body_done_auto) Body body = { 0 };
    Str base, text, given = STR_NONE;
    const JsonVal *policy = NULL;
    Answer answer;
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
    body_begin(&body);
    json_open(&body.w, NULL);
    pfxfile_put(cli, &body.w, &file);
    if (policy)
        policy_to_wire(&body.w, "policy", policy);
    if (!put_attributes(cli, &body.w, "--disabled", true, false, err) || !put_tags(cli, &body.w, err))
        return false;
    json_close(&body.w);
    if (!body_end(&body, &text, err) || !call_service(cli, "POST", to_vault(cli), versioned(cli, base, "/import"), text, &answer, err))
        return false;
    shape_certificate(cli, &cli->w, answer.json);
    return true;
}
