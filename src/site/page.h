/* page.h - $top, $skiptoken and nextLink of Resource Manager's lists. */
#pragma once
#include "site/site.h"

typedef struct SitePage { Str after; int64_t limit; } SitePage;         /* after: the key of the last row of the page before; absent on the first */

/* ERR_BAD_INPUT: InvalidTopInQueryString, InvalidSkipToken. */
bool site_page_read(const Req *req, int64_t limit_max, SitePage *out, Err *err) MUST_CHECK;
void site_page_next(const Site *site, const Req *req, JsonWriter *w, Str last_key);            /* writes member nextLink: call it when more rows follow */
