/* install.h - putting a certificate with its key on disk, so that a reader sees the old or the new one, whole.
 *
 * <store>/<vault>.<name>.<version>.<nbf>.<exp>.PEM (times are Unix seconds of the certificate), and the link <store>/<link name> to it, moved by
 * rename(2). Order in the file: leaf, issuers, private key last. Separate files lie in a directory <vault>.<name>.<version>.<nbf>.<exp> (cert.pem,
 * chain.pem, fullchain.pem, key.pem, cert.p12), which is complete before the link <store>/<link name>.d moves to it; so a reader who goes by one
 * link never sees files of two versions. Owner, mode and access lists are in place before a link moves. The newest versions stay
 * (keepVersions), older ones go; a failure anywhere leaves everything as it was. */
#pragma once
#include <stdio.h>
#include "certs/fetch.h"

typedef struct Installed { Str version; int64_t not_before_ms, not_after_ms; } Installed;      /* as the name says; version absent: none */

/* What the link points to, though it may be incomplete. */
Installed installed_read(Arena *arena, const Observed *observed);
/* The version whose files are all there, readable and owned as the settings say, and need not be made again; absent if none. */
Str  installed_version(Arena *arena, const Observed *observed);

/* Is it fit to be used at now_ms? The chain as given builds from the leaf on (certificates that are no part of it are dropped from *fetched), no
 * member but a root has expired. ERR_CONFLICT with the reason. A chain that ends before a root is fit: clients know roots. */
bool install_check(Arena *arena, const Observed *observed, Fetched *fetched, int64_t now_ms, Err *err) MUST_CHECK;

/* *changed: a link moved or files were made again. On false everything is as it was. */
bool install_certificate(Arena *arena, const Observed *observed, const Fetched *fetched, bool *changed, Err *err) MUST_CHECK;

/* Takes from disk what `left` had there and nobody of `observed` has: its links, if they are its own, and its files. plan: only says it there. */
bool install_remove(Arena *arena, const Observed *left, const Observed *observed, size_t count, FILE *plan, Err *err) MUST_CHECK;


/* Inside install: "<vault>.<name>.", and what the name of a file or directory that begins so tells; version absent: it is not one of ours. */
Str installed_prefix(Arena *arena, const Observed *observed);
Installed installed_parse(Str file, Str prefix);
