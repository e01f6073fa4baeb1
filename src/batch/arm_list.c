/* arm_list.c - what the lists of an account's pools and certificates in Resource Manager ask for. */
#include <stdio.h>
#include "batch/parts.h"

bool batch_arm_page_read(const Req *req, int64_t limit_max, ArmPage *out, Err *err)
{
    static const char *const not_built[] = { "$filter", "$select" };
    Str most = req_query(req, "maxresults");
    for (size_t i = 0; i < COUNT_OF(not_built); i++) {
        if (str_empty(req_query(req, not_built[i])))
            continue;
        err_named(err, ERR_NOT_BUILT, "NotImplemented", NULL, "%s is not available for this list; leave it out, or list on the account's own endpoint", not_built[i]);
        (void)snprintf(err->target, sizeof err->target, "%s", not_built[i]);
        return false;
    }
    if (!arm_page_read(req, limit_max, out, err))
        return false;
    return str_empty(most) || str_to_int64(most, 1, limit_max, &out->limit, err) ||
           err_field(err, "maxresults", "maxresults: must be within 1 and %lld", (long long)limit_max);
}
