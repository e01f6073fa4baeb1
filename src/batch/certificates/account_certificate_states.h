/* account_certificate_states.h - the states of an account's certificate, and every move between them. A move that is not listed is refused.
 *
 * Numbers are stored: never reuse one. */
#pragma once
#include "base/str.h"

typedef enum CertificateState {
    CERTIFICATE_ACTIVE = 1,         /* pools may refer to it */
    CERTIFICATE_DELETING,           /* its deletion was asked for and not decided yet */
    CERTIFICATE_DELETE_FAILED,      /* a pool refers to it, or a node has it */
    CERTIFICATE_GONE,               /* never stored: the row goes */
    CERTIFICATE_STATE_COUNT
} CertificateState;

typedef enum CertificateEvent {
    CERTIFICATE_DELETE = 1,         /* somebody asks for its deletion */
    CERTIFICATE_CANCEL,             /* somebody wants to keep it after all */
    CERTIFICATE_IN_USE,             /* the deletion found pools or nodes */
    CERTIFICATE_UNUSED,             /* it found none */
    CERTIFICATE_EVENT_COUNT
} CertificateEvent;

/* false: the move is not listed, *to is untouched. */
bool certificate_move(CertificateState from, CertificateEvent on, CertificateState *to);
const char *certificate_state_name(CertificateState state);             /* "deletefailed", as the data plane has it */
const char *certificate_provisioning_name(CertificateState state);      /* "Failed", as Resource Manager has it */
