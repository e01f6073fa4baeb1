/* cmd_makecert.c - a self-signed certificate and its key in files, by the command line of Windows' makecert.
 *
 * The flags are those of https://learn.microsoft.com/windows/win32/seccrypto/makecert as far as they make sense without the
 * certificate stores of Windows. Keys and digests that nobody accepts any more (1024 bits, MD5, SHA-1) are refused. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/files/keyfile.h"
#include "cli/password.h"
#include "cli/run.h"
#include "crypto/bundles/pvk.h"
#include "crypto/certificates/cert.h"

enum { KEY_BITS_USUAL = 2048 };
static const char LAST_DAY[] = "2039-12-31T23:59:59Z";     /* the tool's default */

typedef struct Order { Str output, key_file; bool key_exists; int64_t bits; CertSpec spec; } Order;

/* ---- the command line ---- */

static bool refuse_others(Cli *cli, Err *err)
{
    static const struct { const char *option, *why; } others[] = {
        { "--ss",   "certificate stores and key containers of Windows do not exist here; --sv names the file of the key" },
        { "--ic",   "certificates signed by another one are not made here; -r makes one that is signed by itself" },
        { "--eku",  "this makecert does not have it; it makes self-signed certificates with -sv -n -b -e -r -pe -a -len" },
        { "--nscp", "this makecert does not have it; it makes self-signed certificates with -sv -n -b -e -r -pe -a -len" },
    };

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const char *typed = arg_typed(cli, others[i].option);
        if (typed)
            return cli_usage(cli, err, "%s: %s", typed, others[i].why);
    }
    if (!arg_given(cli, "--sv"))
        return cli_usage(cli, err, "-sv FILE.pvk is needed: the file of the key, which is made if there is none");
    if (!arg_given(cli, "--name"))
        return cli_usage(cli, err, "-n NAME is needed, for example -n \"CN=batch.example.org\"");
    if (!arg_flag(cli, "--self-signed"))
        return cli_usage(cli, err, "-r is needed: without it the certificate would be signed by the test root of Windows, which does not exist here");
    return true;
}

/* "09/23/2019": month, day, year; a day begins at midnight UTC. */
static bool parse_date(Cli *cli, const char *option, const char *name, int64_t *ms, Err *err)
{
    Str rest = arg(cli, option), month = str_cut(&rest, '/'), day = str_cut(&rest, '/');
    int64_t m = 0, d = 0, y = 0;
    Err inner = { 0 };
    char text[32], back[32] = "";

    while (month.len > 1 && month.ptr[0] == '0')
        month = str_slice(month, 1, month.len);
    while (day.len > 1 && day.ptr[0] == '0')
        day = str_slice(day, 1, day.len);
    bool sound = str_to_int64(month, 1, 12, &m, &inner) && str_to_int64(day, 1, 31, &d, &inner) && str_to_int64(rest, 1950, 9999, &y, &inner);
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", (int)y, (int)m, (int)d);
    if (sound && time_parse(str_from(text), ms, &inner))
        time_format(*ms, 0, back, sizeof back);            /* 02/30 comes back as a day of March */
    return strcmp(text, back) == 0 || cli_usage(cli, err, "%s: '" STR_FMT "' is no date; write month/day/year like 09/23/2030", name, STR_ARG(arg(cli, option)));
}

static bool parse_dates(Cli *cli, CertSpec *spec, Err *err)
{
    spec->not_before_ms = real_now_ms();
    if (!time_parse(str_from(LAST_DAY), &spec->not_after_ms, err))
        return false;
    return (!arg_given(cli, "--begin") || parse_date(cli, "--begin", "-b", &spec->not_before_ms, err))
        && (!arg_given(cli, "--end") || parse_date(cli, "--end", "-e", &spec->not_after_ms, err));
}

static bool parse_algorithm(Cli *cli, CertSpec *spec, Err *err)
{
    static const struct { Str name; int bits; } digests[] = { { { "sha256", 6 }, 256 }, { { "sha384", 6 }, 384 }, { { "sha512", 6 }, 512 } };
    Str wanted = arg(cli, "--algorithm");

    spec->digest_bits = 256;
    for (size_t i = 0; i < COUNT_OF(digests); i++) {
        if (str_eq_nocase(wanted, digests[i].name)) {
            spec->digest_bits = digests[i].bits;
            return true;
        }
    }
    if (str_eq_nocase(wanted, STR("sha1")) || str_eq_nocase(wanted, STR("md5")))
        return cli_usage(cli, err, "-a: signatures with " STR_FMT " are accepted nowhere any more; use sha256, sha384 or sha512", STR_ARG(wanted));
    return !wanted.ptr || cli_usage(cli, err, "-a: '" STR_FMT "' is none of sha256, sha384, sha512", STR_ARG(wanted));
}

static bool parse_length(Cli *cli, int64_t *bits, Err *err)
{
    Str wanted = arg(cli, "--len");
    Err inner = { 0 };

    *bits = KEY_BITS_USUAL;
    if (!wanted.ptr || (str_to_int64(wanted, 1, INT32_MAX, bits, &inner) && (*bits == 2048 || *bits == 3072 || *bits == 4096)))
        return true;
    return cli_usage(cli, err, "-len: '" STR_FMT "' is none of 2048, 3072, 4096", STR_ARG(wanted));
}

static bool parse_order(Cli *cli, Order *order, Err *err)
{
    struct stat st;

    *order = (Order){ .output = str_from(cli->args.positional), .spec = { .path_length = -1 } };
    if (!refuse_others(cli, err) || !parse_dates(cli, &order->spec, err) || !parse_algorithm(cli, &order->spec, err) || !parse_length(cli, &order->bits, err))
        return false;
    order->spec.subject = arg(cli, "--name");
    order->key_file = arg(cli, "--sv");
    order->key_exists = lstat(order->key_file.ptr, &st) == 0;
    if (keyfile_same(order->output.ptr, order->key_file.ptr))
        return cli_usage(cli, err, "the certificate and its key cannot both be %s", order->output.ptr);
    Err inner = { 0 };
    return cert_spec_check(&order->spec, &inner) || cli_usage(cli, err, "-n: %s", inner.text);
}

/* ---- the key ---- */

static bool make_key(Cli *cli, const Order *order, KeyRef **key, Secret **pvk, Err *err)
{
    AUTO(secret_free_auto) Secret *password = NULL;
    Str question = str_printf(cli->arena, "Password for the new key %s (empty: none): ", order->key_file.ptr);
    KeySpec spec = { .kind = KEY_RSA, .rsa_bits = (int)order->bits };

    if (!question.ptr)
        return err_too_big(err);
    return password_ask_new(question.ptr, "The same again: ", &password, err) && key_generate(spec, key, err)
        && pvk_write(*key, str_of(secret_bytes(password)), pvk, err);
}

static bool use_key(Cli *cli, const Order *order, KeyRef **key, Err *err)
{
    AUTO(secret_free_auto) Secret *password = NULL;

    if (!keyfile_read(cli, order->key_file.ptr, STR_NONE, key, &password, err))
        return false;
    KeySpec spec = key_spec(*key);
    if (arg_given(cli, "--len") && spec.rsa_bits != order->bits)
        return cli_usage(cli, err, "-len: the key in %s has %d bits", order->key_file.ptr, spec.rsa_bits);
    cli_note("using the key in %s", order->key_file.ptr);
    return true;
}

/* ---- the files ---- */

/* Both or, if the second fails, none. */
static bool write_files(const Order *order, const Secret *pvk, Bytes der, Err *err)
{
    if (pvk && !file_create(order->key_file.ptr, secret_bytes(pvk), 0600, err))
        return false;
    if (file_replace(order->output.ptr, der, 0644, (uid_t)-1, (gid_t)-1, err))
        return true;
    if (pvk)
        (void)unlink(order->key_file.ptr);
    return false;
}

static bool report(Cli *cli, const Order *order, Bytes der, Err *err)
{
    CertInfo info;

    if (!cert_read(cli->arena, der, &info, err))
        return false;
    json_open(&cli->w, NULL);
    json_put_str(&cli->w, "certificate", order->output);
    json_put_str(&cli->w, "key", order->key_file);
    json_put_str(&cli->w, "subject", info.subject);
    json_put_str(&cli->w, "thumbprint", str_upper(cli->arena, hex_encode(cli->arena, (Bytes){ info.sha1, sizeof info.sha1 })));
    json_put_str(&cli->w, "notBefore", time_str(cli->arena, info.not_before_ms, 0));
    json_put_str(&cli->w, "notAfter", time_str(cli->arena, info.not_after_ms, 0));
    json_close(&cli->w);
    return true;
}

bool run_makecert(Cli *cli, Err *err)
{
    AUTO(key_free_auto) KeyRef *key = NULL;
    AUTO(secret_free_auto) Secret *pvk = NULL;
    Order order;
    Bytes der;

    if (!parse_order(cli, &order, err))
        return false;
    if (order.spec.not_after_ms <= order.spec.not_before_ms)
        cli_note("warning: the certificate ends at " STR_FMT ", which is not after its start; whoever checks its dates will refuse it",
                 STR_ARG(time_str(cli->arena, order.spec.not_after_ms, 0)));
    if (!(order.key_exists ? use_key(cli, &order, &key, err) : make_key(cli, &order, &key, &pvk, err)))
        return false;
    return cert_self_sign(cli->arena, key, &order.spec, &der, err) && write_files(&order, pvk, der, err) && report(cli, &order, der, err);
}
