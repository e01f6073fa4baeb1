/* account_certificate_states.c - the transition table of an account's certificate. */
#include "batch/certificates/account_certificate_states.h"

static const struct { CertificateState from; CertificateEvent on; CertificateState to; } moves[] = {
    { CERTIFICATE_ACTIVE,        CERTIFICATE_DELETE, CERTIFICATE_DELETING      },
    { CERTIFICATE_DELETING,      CERTIFICATE_IN_USE, CERTIFICATE_DELETE_FAILED },
    { CERTIFICATE_DELETING,      CERTIFICATE_UNUSED, CERTIFICATE_GONE          },
    { CERTIFICATE_DELETE_FAILED, CERTIFICATE_DELETE, CERTIFICATE_DELETING      },     /* tried again */
    { CERTIFICATE_DELETE_FAILED, CERTIFICATE_CANCEL, CERTIFICATE_ACTIVE        },
};

bool certificate_move(CertificateState from, CertificateEvent on, CertificateState *to)
{
    for (size_t i = 0; i < COUNT_OF(moves); i++) {
        if (moves[i].from == from && moves[i].on == on) {
            *to = moves[i].to;
            return true;
        }
    }
    return false;
}

static const struct { const char *data, *arm; } names[CERTIFICATE_STATE_COUNT] = {
    [CERTIFICATE_ACTIVE] = { "active", "Succeeded" },
    [CERTIFICATE_DELETING] = { "deleting", "Deleting" },
    [CERTIFICATE_DELETE_FAILED] = { "deletefailed", "Failed" },
};

const char *certificate_state_name(CertificateState state) { return names[state].data; }
const char *certificate_provisioning_name(CertificateState state) { return names[state].arm; }
