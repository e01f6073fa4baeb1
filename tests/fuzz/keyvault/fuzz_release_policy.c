/* fuzz_release_policy.c - the rules of release policies: what is accepted can be asked, and says no to a token without claims unless it asks for none. */
#include <assert.h>
#include "base/encode.h"
#include "keyvault/keys/release_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str claims_text = STR("{\"a\":{\"b\":[1,\"c\",true,null,1.5]},\"n\":5,\"t\":\"text\",\"f\":false}");
    AUTO(arena_free_auto) Arena *arena = arena_new(16 << 20);
    const JsonVal *body, *stored, *rules, *claims;
    Str policy = STR_NONE, again = STR_NONE;
    Err err = { 0 };
    if (!arena)
        return 0;
    Str text = str_printf(arena, "{\"release_policy\":{\"data\":\"" STR_FMT "\"}}", STR_ARG(base64url_encode(arena, (Bytes){ data, size })));
    if (!text.ptr || !json_parse(arena, text, JSON_STRICT, &body, &err) || !release_policy_read(arena, body, &policy, &err))
        return 0;
    bool read = json_parse(arena, policy, JSON_STRICT, &stored, &err) && release_policy_rules(arena, stored, &rules, &err) && json_parse(arena, claims_text, JSON_STRICT, &claims, &err);
    assert(read);
    /* What is stored is a policy again, and the same. */
    Str wrapped = str_printf(arena, "{\"release_policy\":" STR_FMT "}", STR_ARG(policy));
    read = json_parse(arena, wrapped, JSON_STRICT, &body, &err) && release_policy_read(arena, body, &again, &err);
    assert(read && str_eq(policy, again));
    Str authority = json_str(json_get(json_at(json_get_nocase(rules, "anyOf"), 0), "authority"));
    bool allows = release_policy_allows(rules, authority, claims);
    assert(!allows || release_policy_trusts(rules, authority));
    return 0;
}
