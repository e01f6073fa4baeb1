/* fuzz_event_subscription.c - bodies of event subscriptions, put and then patched. */
#include "keyvault/events/subscription.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 << 20);
    const JsonVal *json;
    Err err = { 0 };
    EventSubscription subscription = { 0 };
    if (!arena || !json_parse(arena, (Str){ (const char *)data, size }, JSON_TRAILING_COMMAS, &json, &err))
        return 0;
    bool wants = event_subscription_read(json, false, &subscription, &err) && event_subscription_read(json, true, &subscription, &err) &&
                 event_subscription_wants(&subscription, STR("Microsoft.KeyVault.SecretExpired"), STR("name"));
    (void)wants;
    return 0;
}
