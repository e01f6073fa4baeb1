/* pfxfile.c - reading a .pfx or PEM file, and saying what is wrong with one before it is sent anywhere. */
#include "cli/files/pfxfile.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/password.h"

enum { PFX_BYTES_MAX = 1024 * 1024 };

void pfxfile_done(PfxFile *file)
{
    bundle_done(&file->bundle);
    secret_free(file->password);
    if (file->file.ptr)
        secret_wipe((void *)(uintptr_t)file->file.ptr, file->file.len);
    *file = (PfxFile){ 0 };
}

static bool open_with(Cli *cli, PfxFile *f, Str password, Err *err)
{
    return f->is_pem ? bundle_read_pem(cli->arena, f->file, &f->bundle, err) : bundle_read_pfx(cli->arena, bytes_of(f->file), password, &f->bundle, err);
}

/* Without a password given: none, and if that is what is wrong, the one typed. */
static bool open_bundle(Cli *cli, const char *path, Str given, PfxFile *f, Err *err)
{
    Str question = str_printf(cli->arena, "Password of %s: ", path);
    Err first = { 0 };

    if (!question.ptr)
        return err_too_big(err);
    f->password = given.ptr ? secret_copy(bytes_of(given)) : secret_new(0);
    if (!f->password)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (open_with(cli, f, str_of(secret_bytes(f->password)), &first))
        return true;
    if (given.ptr || f->is_pem || strcmp(first.target, "password") != 0) {
        *err = first;
        return false;
    }
    secret_free(TAKE(f->password));
    return password_ask(question.ptr, &f->password, err) && open_with(cli, f, str_of(secret_bytes(f->password)), err);
}

static bool explain(const char *path, const PfxFile *f, const Err *inner, Err *err)
{
    size_t at;

    if (!f->is_pem && strcmp(inner->target, "password") == 0)
        return err_set(err, ERR_BAD_INPUT, "%s: %s. Nothing was sent", path, inner->text);
    if (!f->is_pem && str_find(f->file, STR("-----BEGIN"), &at))
        return err_set(err, ERR_BAD_INPUT, "%s: %s (it has PEM text behind %zu other bytes; is it a download page?)", path, inner->text, at);
    return err_set(err, inner->code, "%s: %s", path, inner->text);
}

bool pfxfile_read(Cli *cli, const char *path, Str given, PfxFile *out, Err *err)
{
    AUTO(pfxfile_done_auto) PfxFile f = { 0 };
    Err inner = { 0 };

    if (!file_read(cli->arena, path, PFX_BYTES_MAX, &f.file, err))
        return false;
    if (f.file.len == 0)
        return err_set(err, ERR_BAD_INPUT, "%s is empty", path);
    f.is_pem = str_starts(str_trim(f.file), STR("-----BEGIN ")) || str_starts(f.file, STR("Bag Attributes"));
    if (!open_bundle(cli, path, given, &f, &inner))
        return explain(path, &f, &inner, err);
    if (!f.bundle.key)
        return err_set(err, ERR_BAD_INPUT, "%s has certificates but no private key; export it again with its key (on Windows: \"Yes, export the private key\")", path);
    if (f.bundle.count == 0)
        return err_set(err, ERR_BAD_INPUT, "%s has a private key but no certificate", path);
    if (!cert_read(cli->arena, f.bundle.certs[0], &f.leaf, err))
        return false;
    *out = f;
    f = (PfxFile){ 0 };                                    /* the caller's now */
    return true;
}

void pfxfile_put(Cli *cli, JsonWriter *w, const PfxFile *file)
{
    Str base64 = base64_encode(cli->arena, bytes_of(file->file));

    json_put_str(w, "value", base64);
    if (!file->is_pem)
        json_put_str(w, "pwd", str_of(secret_bytes(file->password)));
    if (base64.ptr)
        secret_wipe((void *)(uintptr_t)base64.ptr, base64.len);     /* the arena's copy; the body is wiped with itself */
}
