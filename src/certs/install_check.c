/* install_check.c - what is fit to be put on disk. */
#include "base/clock.h"
#include "certs/install.h"

static bool is_over(Arena *arena, const Observed *observed, const CertInfo *info, bool is_leaf, Err *err)
{
    return err_set(err, ERR_CONFLICT, "%s '" STR_FMT "' of the current version of '" STR_FMT "' in vault '" STR_FMT "' has expired on " STR_FMT
                   "; what is on disk stays until a valid one appears", is_leaf ? "the certificate" : "the issuer", STR_ARG(str_slice(info->subject, 0, 120)),
                   STR_ARG(observed->name), STR_ARG(observed->vault), STR_ARG(time_str(arena, info->not_after_ms, 0)));
}

bool install_check(Arena *arena, const Observed *observed, Fetched *fetched, int64_t now_ms, Err *err)
{
    Bundle *bundle = &fetched->bundle;
    if (fetched->leaf.not_after_ms <= now_ms)
        return is_over(arena, observed, &fetched->leaf, true, err);
    size_t linked = 1;
    while (linked < bundle->count && cert_is_issued_by(bundle->certs[linked - 1], bundle->certs[linked]))
        linked++;
    if (linked == 1 && bundle->count > 1 && !fetched->leaf.is_self_issued)
        return err_set(err, ERR_CONFLICT, "the chain of the current version of '" STR_FMT "' in vault '" STR_FMT "' does not build: none of the certificates beside it has "
                       "signed it; import it with its issuers", STR_ARG(observed->name), STR_ARG(observed->vault));
    for (size_t i = 1; i < linked; i++) {
        CertInfo issuer;
        if (!cert_read(arena, bundle->certs[i], &issuer, err))
            return false;
        if (!issuer.is_ca)
            return err_set(err, ERR_CONFLICT, "the chain of the current version of '" STR_FMT "' in vault '" STR_FMT "' does not build: '" STR_FMT "' is no authority",
                           STR_ARG(observed->name), STR_ARG(observed->vault), STR_ARG(str_slice(issuer.subject, 0, 120)));
        if (issuer.not_after_ms <= now_ms && !issuer.is_self_issued)        /* of a root clients use their own copy */
            return is_over(arena, observed, &issuer, false, err);
    }
    bundle->count = linked;
    return true;
}
