/* page.h - lists of the data plane in pages of at most 25 (maxresults 1-25; Key Vault REST documentation, "Get Secrets"). */
#pragma once
#include "keyvault/plane.h"

enum { PAGE_MAX = 25 };
typedef struct Page {
    Str after;                  /* the key that the page before ended with; empty on the first */
    int64_t limit;
    bool asks_pending;          /* includePending=true, which the next page asks for too; only lists of certificates have it */
} Page;

bool page_read(Req *req, bool may_ask_pending, Page *out, Err *err) MUST_CHECK;
/* Member nextLink: null, or the URL of the page after last_key. */
void page_write_next(const Req *req, const KeyVault *kv, JsonWriter *w, const Page *page, bool more, Str last_key);
