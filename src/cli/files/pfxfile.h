/* pfxfile.h - a certificate with its private key that the command line names: .pfx, or PEM. */
#pragma once
#include "cli/command.h"
#include "crypto/bundles/bundle.h"

typedef struct PfxFile {
    Bundle   bundle;                /* the key and its certificates, leaf first */
    CertInfo leaf;
    Str      file;                  /* as read; wiped by pfxfile_done */
    Secret  *password;              /* the one that opens it, possibly empty */
    bool     is_pem;
} PfxFile;
void pfxfile_done(PfxFile *file);
DEFINE_AUTO_DONE(PfxFile, pfxfile_done)

/* `given`: the password, as far as the command line has one; absent: none is tried, then asked for on the terminal.
 * false: the file is not there, is no such file, the password is wrong, there is no private key in it, or key and certificate do not
 * belong together; err->text says which, and how to mend it. */
bool pfxfile_read(Cli *cli, const char *path, Str given, PfxFile *out, Err *err) MUST_CHECK;

/* Members "value" and "pwd" of an import. */
void pfxfile_put(Cli *cli, JsonWriter *w, const PfxFile *file);
