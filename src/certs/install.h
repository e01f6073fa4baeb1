/* install.h - putting a certificate with its key on disk, so that a reader sees the old or the new one, whole.
 *
 * <store>/<vault>.<name>.<version>.<nbf>.<exp>.PEM (root only; times are Unix seconds of the certificate), then the link
 * <store>/<link name> moves to it by rename(2). Order in the file: leaf, issuers, private key last. The two newest files
 * stay, older ones go. */
#pragma once
#include "certs/fetch.h"

/* The version that the link points to; absent if none. */
Str  installed_version(Arena *arena, const Observed *observed);

/* *changed: the link moved. On false everything is as it was. */
bool install_certificate(Arena *arena, const Observed *observed, const Fetched *fetched, bool *changed, Err *err) MUST_CHECK;
