/* keyfile.c - reading a .pvk that the command line names. */
#include "cli/files/keyfile.h"
#include <sys/stat.h>
#include "base/file.h"
#include "cli/password.h"
#include "crypto/bundles/pvk.h"

enum { PVK_BYTES_MAX = 64 * 1024 };

static bool find_password(Cli *cli, const char *path, Str given, bool is_needed, Secret **out, Err *err)
{
    Str question = str_printf(cli->arena, "Password of %s: ", path);

    if (!question.ptr)
        return err_too_big(err);
    if (is_needed && !given.ptr)
        return password_ask(question.ptr, out, err);
    *out = is_needed ? secret_copy(bytes_of(given)) : secret_new(0);
    return *out ? true : err_set(err, ERR_INTERNAL, "out of memory");
}

static bool read_key(Cli *cli, const char *path, Bytes pvk, Str given, KeyRef **key, Secret **password, Err *err)
{
    AUTO(secret_free_auto) Secret *found = NULL;
    Err inner = { 0 };

    if (!find_password(cli, path, given, pvk_is_encrypted(pvk), &found, err))
        return false;
    if (!pvk_read(pvk, str_of(secret_bytes(found)), key, &inner))
        return err_set(err, inner.code, "%s: %s", path, inner.text);
    *password = TAKE(found);
    return true;
}

bool keyfile_read(Cli *cli, const char *path, Str given, KeyRef **key, Secret **password, Err *err)
{
    Str text;

    if (!file_read(cli->arena, path, PVK_BYTES_MAX, &text, err))
        return false;
    bool done = read_key(cli, path, bytes_of(text), given, key, password, err);
    secret_wipe((char *)(uintptr_t)text.ptr, text.len);    /* it may be a plain key, and an arena is not the place for one */
    return done;
}

bool keyfile_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return strcmp(a, b) == 0 || (stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino);
}
