/* acme_test.h - what the tests of an ACME client share: an account's key, and an arena for all of a group. */
#pragma once
#include "../cm.h"
#include "crypto/keys/key.h"

extern Arena *arena;
extern KeyRef *key;                     /* EC P-256 */
extern Err err;
#define must(call) do { err = (Err){ 0 }; if (!(call)) fail_msg("%s: %s", #call, err.text); } while (0)

int acme_test_set_up(void **state);
int acme_test_tear_down(void **state);
