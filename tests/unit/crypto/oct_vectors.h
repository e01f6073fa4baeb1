/* oct_vectors.h - the published vectors of symmetric keys, for keys wherever they are: in this process or in a token. */
#pragma once
#include "crypto/keys/key_oct.h"

/* Where keys are. One is there at a time: `take` makes it of these octets, `leave` is its end. */
typedef struct OctPlace {
    KeyRef *(*take)(Bytes octets);
    void (*leave)(KeyRef *key);
} OctPlace;

/* Each: what is published comes out, opens again, and with one byte changed anywhere, or a byte too few, does not. */
void oct_wraps_as_published(const OctPlace *place);     /* RFC 3394 and RFC 5649 */
void oct_cbc_as_published(const OctPlace *place);       /* SP 800-38A, and the same with padding */
void oct_gcm_as_published(const OctPlace *place);       /* the specification's and CAVP's, which are opened alone: our initialisation vectors are random */

void same(Bytes a, Bytes b);                            /* fails the test where they differ */
CipherAlg alg_of(Str name);
void opens(const KeyRef *key, CipherAlg alg, const CipherText *text, Bytes plain);
void refuses(const KeyRef *key, CipherAlg alg, const CipherText *text);     /* in the one text for all causes */
