/* metadata.h - the node's metadata address: http://169.254.169.254/metadata/identity/oauth2/token for the pool's identities, nothing else.
 *
 * Behaviour: "Use managed identities to acquire an access token" (IMDS). The answer and the choice of identity are the control plane's. */
#pragma once
#include "node/control.h"

typedef struct Metadata Metadata;

/* Brings up loopback with the address and listens on port 80. The card is borrowed. */
bool metadata_start(const NodeCard *card, Metadata **out, Err *err) MUST_CHECK;
void metadata_stop(Metadata *metadata);
