/* account_certificate_node.h - certificates on their way to the nodes of pools that refer to them (docs/node-protocol.md).
 *
 * A node asks once after each start of its machine, by a lease without "certificates", and keeps what it was given until its machine starts
 * again; all other leases tell what it has. What a node was given or tells is kept, so that a certificate in use is not deleted. */
#pragma once
#include "batch/certificates/account_certificate_content.h"
#include "batch/certificates/account_certificate_refs.h"
#include "batch/nodes/node.h"

typedef struct CertificatesLease {
    bool asks;
    const JsonVal *held;                    /* thumbprints, when it does not ask */
    struct { CertificateRef ref; CertificateFormat format; Secret *material, *password; } given[CERTIFICATE_REFS_MAX];
    size_t given_count;
} CertificatesLease;
void certificates_lease_done(CertificatesLease *lease);                 /* wipes */
DEFINE_AUTO_DONE(CertificatesLease, certificates_lease_done)

/* "certificates" of a lease's body: absent, or an array of thumbprints. ERR_BAD_INPUT. */
bool certificates_lease_read(const JsonVal *body, CertificatesLease *out, Err *err) MUST_CHECK;
/* In the lease's transaction, which may run again: opens what is to be given (nothing once the feature is retired) and keeps who has what. */
bool certificates_lease(const Batch *batch, Txn *txn, const Req *req, const Account *account, const Node *node, const Pool *pool, CertificatesLease *lease, Err *err) MUST_CHECK;
/* Member "certificates" of the answer, when the node asked. */
void certificates_lease_write(Arena *arena, const CertificatesLease *lease, JsonWriter *w);

/* "certificateReferences" of a node on the data plane: what it has. */
bool certificates_of_node_write(Txn *txn, Str node_id, JsonWriter *w, Err *err) MUST_CHECK;
