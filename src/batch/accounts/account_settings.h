/* account_settings.h - "properties" of an account: what may be asked, what is kept. */
#pragma once
#include "batch/shape.h"

/* Checks and keeps as JSON. now: the stored settings, or absent for a new account. ERR_BAD_INPUT, ERR_NOT_BUILT. */
bool account_settings_read(Arena *arena, const JsonVal *properties, Str now, Str *settings, Err *err) MUST_CHECK;
/* publicNetworkAccess, allowedAuthenticationModes, poolAllocationMode and keyVaultReference into the open object. */
void account_settings_write(Arena *arena, Str settings, JsonWriter *w);
/* Of the key vault that a UserSubscription account was made with; absent for others. */
bool account_settings_vault(Arena *arena, Str settings, Str *id, Str *url, Err *err) MUST_CHECK;
