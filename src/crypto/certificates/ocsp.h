/* ocsp.h - OCSP (RFC 6960): what relying parties ask about certificates of one authority, and answers that it or a responder of its own signs.
 *
 * A request is at most OCSP_REQUEST_MAX bytes and asks for at most OCSP_ASKED_MAX certificates; a nonce (RFC 9654) of 1 to 128 bytes comes
 * back. Signatures of requests are optional in the RFC and say nothing to us: what is answered is for everybody. */
#pragma once
#include "crypto/certificates/cert.h"

enum { OCSP_REQUEST_MAX = 16 * 1024, OCSP_ASKED_MAX = 32 };

typedef enum CertStanding { STANDING_UNKNOWN = 0, STANDING_GOOD, STANDING_REVOKED } CertStanding;
typedef struct OcspAsked {
    Str serial_hex;                     /* as CertInfo has it; absent: of another authority, or no serial of ours: stays unknown */
    CertStanding standing;              /* the caller fills this in */
    int64_t revoked_ms;                 /* of a revoked one */
} OcspAsked;

typedef struct OcspRequest {
    OcspAsked asked[OCSP_ASKED_MAX];
    size_t count;                       /* at least 1 */
    struct ocsp_request_st *message;    /* crypto/'s own */
} OcspRequest;

/* *out is the caller's to ocsp_request_done; its texts lie in the arena. ERR_BAD_INPUT: not one whole request, or over the limits. */
bool ocsp_read(Arena *arena, Bytes der, Bytes ca_der, OcspRequest *out, Err *err) MUST_CHECK;
void ocsp_request_done(OcspRequest *request);
DEFINE_AUTO_DONE(OcspRequest, ocsp_request_done)

/* The answer, signed by the authority or by a responder that it certified for that (section 4.2.2.2), whose certificate then comes along. thisUpdate and
 * producedAt are now_ms. */
bool ocsp_answer(Arena *arena, const OcspRequest *request, const KeyRef *key, Bytes signer_der, int64_t now_ms, int64_t next_ms, Bytes *der, Err *err) MUST_CHECK;
/* What answers a request that gets no signed answer: it could not be read, or nobody may answer for the authority (section 2.3). */
typedef enum OcspRefusal { OCSP_MALFORMED = 1, OCSP_UNAUTHORIZED = 6 } OcspRefusal;
bool ocsp_refuse(Arena *arena, OcspRefusal refusal, Bytes *der, Err *err) MUST_CHECK;
