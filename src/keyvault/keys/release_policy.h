/* release_policy.h - release policies of exportable keys: read, checked, asked.
 *
 * {"version":"1.0.0","anyOf":[{"authority":"https://...","allOf":[{"claim":"a.b","equals":"c"}]}]}: who may attest, and what it must say.
 * Conditions are claims compared by equals, notEquals, less, lessOrEquals, greater, greaterOrEquals or exists, and anyOf and allOf of
 * conditions. A claim "a.b" is member b of the claim a. A claim that the token lacks meets no condition but "exists": false. Source: Key
 * Vault documentation, "Azure Key Vault secure key release policy grammar". */
#pragma once
#include "keyvault/objects/object.h"

enum { RELEASE_POLICY_MAX = 16 << 10, AUTHORITIES_MAX = 20 };
#define RELEASE_POLICY_TYPE STR("application/json; charset=utf-8")

/* Member "release_policy" of a body as JSON text of our own, with contentType, data and immutable; *policy_json stays as it was when it is
 * absent or null. ERR_BAD_INPUT names the field, also within the rules. */
bool release_policy_read(Arena *arena, const JsonVal *body, Str *policy_json, Err *err) MUST_CHECK;
/* What is stored may become what is wanted? ERR_DENIED: it is immutable. stored NULL: there is none. */
bool release_policy_may_change(Arena *arena, const JsonVal *stored, Str wanted_json, Err *err) MUST_CHECK;

/* The rules of a stored policy. */
bool release_policy_rules(Arena *arena, const JsonVal *stored, const JsonVal **rules, Err *err) MUST_CHECK;
bool release_policy_trusts(const JsonVal *rules, Str authority);                              /* it is named */
bool release_policy_allows(const JsonVal *rules, Str authority, const JsonVal *claims);       /* it is named, and what it says suffices */
