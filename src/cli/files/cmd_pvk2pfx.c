/* cmd_pvk2pfx.c - a key (.pvk) and its certificate (.cer, .spc) in one .pfx, by the command line of Windows' pvk2pfx.
 *
 * https://learn.microsoft.com/windows-hardware/drivers/devtest/pvk2pfx: without -po the .pfx gets the password of the .pvk.
 * That tool has no -po without a value; here it asks, so that the password stays out of the argument list. */
#include <sys/stat.h>
#include "base/encode.h"
#include "base/file.h"
#include "cli/files/keyfile.h"
#include "cli/password.h"
#include "cli/run.h"
#include "crypto/bundles/bundle.h"

enum { SPC_BYTES_MAX = 1024 * 1024 };

static bool check_files(Cli *cli, const char *pvk, const char *spc, const char *pfx, Err *err)
{
    struct stat st;

    if (keyfile_same(pfx, pvk) || keyfile_same(pfx, spc))
        return cli_usage(cli, err, "-pfx: %s is one of the files to read", pfx);
    if (!arg_flag(cli, "--force") && lstat(pfx, &st) == 0)
        return err_set(err, ERR_CONFLICT, "%s exists already; -f overwrites it", pfx);
    return true;
}

static bool cert_fits(Bytes der, const KeyRef *key)
{
    AUTO(key_free_auto) KeyRef *of_cert = NULL;
    Err ignored = { 0 };
    return cert_public_key(der, &of_cert, &ignored) && key_same_public(of_cert, key);
}

/* The certificate of the key first; a .spc may hold others of its chain. */
static bool read_certs(Cli *cli, const char *spc, const char *pvk, const KeyRef *key, Bundle *bundle, Err *err)
{
    Err inner = { 0 };
    Str file;

    if (!file_read(cli->arena, spc, SPC_BYTES_MAX, &file, err))
        return false;
    if (!bundle_read_certs(cli->arena, bytes_of(file), bundle, &inner))
        return err_set(err, inner.code, "%s: %s", spc, inner.text);
    for (size_t i = 0; i < bundle->count; i++) {
        Bytes der = bundle->certs[i];
        if (!cert_fits(der, key))
            continue;
        for (; i > 0; i--)
            bundle->certs[i] = bundle->certs[i - 1];
        bundle->certs[0] = der;
        return true;
    }
    return err_set(err, ERR_BAD_INPUT, "no certificate in %s belongs to the key in %s", spc, pvk);
}

/* -po with a value, -po alone, no -po. */
static bool pfx_password(Cli *cli, const char *pfx, Secret **of_pvk, Secret **out, Err *err)
{
    Str given = arg(cli, "--po"), question = str_printf(cli->arena, "Password for %s: ", pfx);

    if (!question.ptr)
        return err_too_big(err);
    if (!arg_given(cli, "--po")) {
        *out = TAKE(*of_pvk);
        return true;
    }
    if (!given.ptr)
        return password_ask_new(question.ptr, "The same again: ", out, err);
    *out = secret_copy(bytes_of(given));
    return *out ? true : err_set(err, ERR_INTERNAL, "out of memory");
}

static bool report(Cli *cli, const char *pfx, const Bundle *bundle, Err *err)
{
    CertInfo info;

    if (!cert_read(cli->arena, bundle->certs[0], &info, err))
        return false;
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "pfx", str_from(pfx));
    json_put_str(&cli->w, "subject", info.subject);
    json_put_str(&cli->w, "thumbprint", str_upper(cli->arena, hex_encode(cli->arena, (Bytes){ info.sha1, sizeof info.sha1 })));
    json_put_int(&cli->w, "certificates", (int64_t)bundle->count);
    json_close(&cli->w);
    return true;
}

bool run_pvk2pfx(Cli *cli, Err *err)
{
    const char *pvk = arg(cli, "--pvk").ptr, *spc = arg(cli, "--spc").ptr, *pfx = arg(cli, "--pfx").ptr;
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *of_pvk = NULL, *password = NULL, *content = NULL;
    AUTO(bundle_done_auto) Bundle bundle = { 0 };

    if (!check_files(cli, pvk, spc, pfx, err) || !keyfile_read(cli, pvk, arg(cli, "--pi"), &key, &of_pvk, err) || !read_certs(cli, spc, pvk, key, &bundle, err)
        || !pfx_password(cli, pfx, &of_pvk, &password, err))
        return false;
    bundle.key = TAKE(key);
    if (secret_bytes(password).len == 0)
        cli_note("warning: %s has no password; whoever has the file has the key", pfx);
    if (!bundle_write_pfx(&bundle, str_of(secret_bytes(password)), &content, err))
        return false;
    return (arg_flag(cli, "--force") ? file_replace(pfx, secret_bytes(content), 0600, (uid_t)-1, (gid_t)-1, err) : file_create(pfx, secret_bytes(content), 0600, err))
        && report(cli, pfx, &bundle, err);
}
