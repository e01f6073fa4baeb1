/* attributes.h - what every object has: enabled, nbf, exp, created, updated, recovery level, and tags.
 *
 * Wire times are IntDate: whole seconds since 1970 (Key Vault REST documentation, "Data types"). */
#pragma once
#include "keyvault/vaults/vault.h"

typedef struct Attributes {
    bool    enabled;
    OptInt  nbf_s, exp_s;
    int64_t created_ms, updated_ms;
    OptBool exportable;                 /* of keys alone: from their document when they are shown, in no row */
} Attributes;

enum { TAGS_MAX = 15, TAG_CHARS_OBJECT = 512, TAG_CHARS_KEY = 256 };

/* Member "attributes" of a body into *io; what is absent or null keeps its value. ERR_BAD_INPUT names the field. */
bool attributes_read(const JsonVal *body, Attributes *io, Err *err) MUST_CHECK;
void attributes_write(JsonWriter *w, const Vault *vault, const Attributes *attributes);     /* member "attributes" */
Str  recovery_level(const Vault *vault);                                                    /* "Recoverable+Purgeable", ... */

/* Member "tags" of a body as JSON text: *tags_json stays as it was when the member is absent or null. */
bool tags_read(Arena *arena, const JsonVal *body, size_t chars_max, Str *tags_json, Err *err) MUST_CHECK;

size_t utf8_chars(Str text);                                                                /* code points */
