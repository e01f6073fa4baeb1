/* sharedkey.h - "Authorization: SharedKey account:signature" of the Batch data plane.
 *
 * Signed: the method, twelve headers (a line each, empty when absent), the ocp-* headers sorted, the account and path as sent, and
 * the query parameters sorted by name with decoded values. Source: "Authenticate via Shared Key" of the Batch REST reference; the
 * vectors in the tests were recorded from az and @azure/batch. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

typedef struct SignedHeader { Str name, value; } SignedHeader;
typedef struct SignedRequest {
    Str method, path, query;                /* as sent, query without '?' */
    Str account;
    const SignedHeader *headers;            /* any order; names in any case */
    size_t header_count;
} SignedRequest;

/* "account:signature" after "SharedKey ". ERR_UNAUTHENTICATED with the form that is wanted. */
bool sharedkey_parse(Arena *arena, Str authorization, Str *account, Bytes *signature, Err *err) MUST_CHECK;

/* What is signed. ERR_BAD_INPUT: a query that cannot be decoded. */
bool sharedkey_text(Arena *arena, const SignedRequest *request, Str *out, Err *err) MUST_CHECK;

/* Constant time. */
bool sharedkey_verify(Bytes key, Str text, Bytes signature);
