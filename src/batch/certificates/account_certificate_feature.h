/* account_certificate_feature.h - the life of the account certificates as a feature of this site.
 *
 * Azure retired them on 29 February 2024; a site of ours decides for itself. An administrator (an Owner of some subscription) sets the
 * state, or the time (object time) from which they are retired: GET and PUT /providers/Vaultyard.Batch/certificateFeature.
 *   enabled    they work
 *   retiring   they work; each use is answered with a header and logged. So is a new site
 *   retired    no certificate is added, no pool made with references and no references changed (400 CertificateRetired); reading and
 *              deleting go on, nodes that run keep what they have, nodes that start get none */
#pragma once
#include "batch/batch.h"

typedef enum FeatureState { FEATURE_ENABLED = 1, FEATURE_RETIRING, FEATURE_RETIRED } FeatureState;

typedef struct CertificateFeature {
    FeatureState state;                     /* what holds now */
    FeatureState set;                       /* what was set */
    int64_t retires_ms;                     /* 0: no date was set */
} CertificateFeature;

bool certificate_feature(Txn *txn, int64_t now_ms, CertificateFeature *out, Err *err) MUST_CHECK;

/* ERR_BAD_INPUT CertificateRetired; `what` is what was asked for ("a certificate cannot be added"). */
bool certificate_feature_require(Txn *txn, int64_t now_ms, const char *what, Err *err) MUST_CHECK;

/* Certificates were used successfully: while they retire, the reply says so ("azure-deprecating", as Azure's REST guidelines name the header),
 * and so does the log when it was a change. `subject`: the account or pool, for the log. */
void certificate_feature_tell(const Batch *batch, Req *req, Reply *reply, Str subject);
