/* Anyone who reaches the metrics' address may send anything; a request is judged as a whole, whatever comes behind its head. */
#include <stdlib.h>
#include "certs/scrape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str text = { (const char *)data, size };
    ScrapeAddress address;
    Err err = { 0 };
    size_t at;
    int status = scrape_judge(text);
    if (status == 200 && !str_starts(text, STR("GET ")))
        abort();
    if (str_find(text, STR("\r\n\r\n"), &at) && scrape_judge(str_slice(text, 0, at + 4)) != status)
        abort();
    if (scrape_address(text, &address, &err) && (address.len > sizeof address.to || !address.to.ss_family))
        abort();
    return 0;
}
