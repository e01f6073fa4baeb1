/* ocsp.c - see ocsp.h. */
#include "crypto/certificates/ocsp.h"
#include <openssl/ocsp.h>
#include "crypto/certificates/cert_own.h"

DEFINE_AUTO_FREE(OCSP_BASICRESP, OCSP_BASICRESP_free)
DEFINE_AUTO_FREE(OCSP_RESPONSE, OCSP_RESPONSE_free)
DEFINE_AUTO_FREE(OCSP_CERTID, OCSP_CERTID_free)
DEFINE_AUTO_FREE(ASN1_TIME, ASN1_TIME_free)

enum { SERIAL_BYTES_MAX = 64, NONCE_FIELD_MAX = 128 + 3 };      /* the nonce's own tag and length (RFC 9654 section 2.1) */

void ocsp_request_done(OcspRequest *request)
{
    OCSP_REQUEST_free(request->message);
    *request = (OcspRequest){ 0 };
}

/* Names and keys are named by digests, of the client's choice (RFC 6960 section 4.1.1). */
static bool is_of(OCSP_CERTID *id, const X509 *ca, ASN1_INTEGER **serial)
{
    ASN1_OBJECT *algorithm = NULL;
    if (OCSP_id_get0_info(NULL, &algorithm, NULL, serial, id) != 1)
        return false;
    const Algorithms *fetched = algorithms();
    int nid = OBJ_obj2nid(algorithm);
    const EVP_MD *digest = nid == NID_sha1 ? fetched->sha1 : nid == NID_sha256 ? fetched->sha256 : nid == NID_sha384 ? fetched->sha384
                         : nid == NID_sha512 ? fetched->sha512 : NULL;
    AUTO(OCSP_CERTID_free_auto) OCSP_CERTID *ours = digest ? OCSP_cert_to_id(digest, NULL, ca) : NULL;
    return ours && OCSP_id_issuer_cmp(ours, id) == 0;
}

static bool read_asked(Arena *arena, OCSP_ONEREQ *one, const X509 *ca, OcspAsked *out, Err *err)
{
    ASN1_INTEGER *serial = NULL;
    if (!is_of(OCSP_onereq_get0_id(one), ca, &serial) || ASN1_STRING_length(serial) > SERIAL_BYTES_MAX)
        return true;
    return cert_serial_hex(arena, serial, &out->serial_hex) || err_too_big(err);
}

static bool nonce_is_fair(OCSP_REQUEST *message)
{
    int at = OCSP_REQUEST_get_ext_by_NID(message, NID_id_pkix_OCSP_Nonce, -1);
    if (at < 0)
        return true;
    int len = ASN1_STRING_length(X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(message, at)));
    return len > 0 && len <= NONCE_FIELD_MAX;
}

bool ocsp_read(Arena *arena, Bytes der, Bytes ca_der, OcspRequest *out, Err *err)
{
    AUTO(ocsp_request_done_auto) OcspRequest request = { 0 };
    AUTO(X509_free_auto) X509 *ca = cert_decode(ca_der);
    const unsigned char *at = der.ptr;
    if (!ca)
        return err_set(err, ERR_BAD_INPUT, "the issuer is not one whole certificate");
    if (der.len == 0 || der.len > OCSP_REQUEST_MAX)
        return err_set(err, ERR_BAD_INPUT, "an OCSP request has 1 to %d bytes", OCSP_REQUEST_MAX);
    request.message = d2i_OCSP_REQUEST(NULL, &at, (long)der.len);
    int count = request.message && at == der.ptr + der.len ? OCSP_request_onereq_count(request.message) : 0;
    bool is_fair = count > 0 && count <= OCSP_ASKED_MAX && nonce_is_fair(request.message);
    openssl_forget();
    if (!is_fair)
        return err_set(err, ERR_BAD_INPUT, "not one whole OCSP request (RFC 6960) for 1 to %d certificates", OCSP_ASKED_MAX);
    request.count = (size_t)count;
    for (size_t i = 0; i < request.count; i++)
        if (!read_asked(arena, OCSP_request_onereq_get0(request.message, (int)i), ca, &request.asked[i], err))
            return false;
    openssl_forget();
    *out = request;
    request = (OcspRequest){ 0 };       /* the caller's now */
    return true;
}

static bool add_standing(OCSP_BASICRESP *basic, const OcspRequest *request, size_t i, ASN1_TIME *now, ASN1_TIME *next)
{
    static const int statuses[] = { [STANDING_UNKNOWN] = V_OCSP_CERTSTATUS_UNKNOWN, [STANDING_GOOD] = V_OCSP_CERTSTATUS_GOOD,
                                    [STANDING_REVOKED] = V_OCSP_CERTSTATUS_REVOKED };
    const OcspAsked *asked = &request->asked[i];
    bool is_revoked = asked->standing == STANDING_REVOKED;
    AUTO(ASN1_TIME_free_auto) ASN1_TIME *when = is_revoked ? ASN1_GENERALIZEDTIME_set(NULL, asked->revoked_ms / 1000) : NULL;
    OCSP_CERTID *id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(request->message, (int)i));
    return (!is_revoked || when) && OCSP_basic_add1_status(basic, id, statuses[asked->standing], OCSP_REVOKED_STATUS_NOSTATUS, when, now, next);
}

/* OpenSSL stamps answers with the machine's time and offers no call for another. */
static bool set_produced_at(OCSP_BASICRESP *basic, int64_t now_ms)
{
    ASN1_GENERALIZEDTIME *produced = (ASN1_GENERALIZEDTIME *)(uintptr_t)OCSP_resp_get0_produced_at(basic);
    return ASN1_GENERALIZEDTIME_set(produced, now_ms / 1000) != NULL;
}

static bool keep_response(Arena *arena, int status, OCSP_BASICRESP *basic, Bytes *der, Err *err)
{
    AUTO(OCSP_RESPONSE_free_auto) OCSP_RESPONSE *response = OCSP_response_create(status, basic);
    unsigned char *encoded = NULL;
    int len = response ? i2d_OCSP_RESPONSE(response, &encoded) : -1;
    return cert_keep_der(arena, encoded, len, der, err);
}

/* Who asks has the authority's certificate, but not its responder's. */
static bool add_signer(OCSP_BASICRESP *basic, X509 *signer)
{
    return X509_NAME_cmp(X509_get_subject_name(signer), X509_get_issuer_name(signer)) == 0 || OCSP_basic_add1_cert(basic, signer) == 1;
}

bool ocsp_answer(Arena *arena, const OcspRequest *request, const KeyRef *key, Bytes signer_der, int64_t now_ms, int64_t next_ms, Bytes *der, Err *err)
{
    AUTO(X509_free_auto) X509 *signer = cert_decode(signer_der);
    AUTO(OCSP_BASICRESP_free_auto) OCSP_BASICRESP *basic = signer ? cert_ocsp_new(signer, key) : NULL;
    AUTO(ASN1_TIME_free_auto) ASN1_TIME *now = ASN1_GENERALIZEDTIME_set(NULL, now_ms / 1000);
    AUTO(ASN1_TIME_free_auto) ASN1_TIME *next = ASN1_GENERALIZEDTIME_set(NULL, next_ms / 1000);
    bool made = signer && basic && now && next;
    for (size_t i = 0; made && i < request->count; i++)
        made = add_standing(basic, request, i, now, next);
    made = made && OCSP_copy_nonce(basic, request->message) >= 0 && set_produced_at(basic, now_ms) && add_signer(basic, signer);
    if (!made)
        return openssl_failed(err, "making an OCSP answer");
    return cert_sign_ocsp(basic, signer, key, err) && keep_response(arena, OCSP_RESPONSE_STATUS_SUCCESSFUL, basic, der, err);
}

bool ocsp_refuse(Arena *arena, OcspRefusal refusal, Bytes *der, Err *err)
{
    return keep_response(arena, (int)refusal, NULL, der, err);
}
