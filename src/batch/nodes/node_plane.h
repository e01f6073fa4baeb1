/* node_plane.h - what the handlers of the nodes' plane share. */
#pragma once
#include "batch/nodes/node.h"
#include "http/route.h"

/* The node as it was when its credential was checked: Caller.plane_data. */
typedef struct NodeCaller { Node node; bool is_new; Str account_arm_id; } NodeCaller;

bool node_bad_credential(Err *err);                                                     /* 401 NodeCredentialInvalid; always false */
bool node_first_use(Txn *txn, const NodeCaller *caller, Err *err) MUST_CHECK;          /* a new credential was used: the one before and the join token end */
/* Calls that write nothing themselves end the join token all the same. */
bool node_note_first_use(Batch *batch, const NodeCaller *caller, Err *err) MUST_CHECK;

Handler node_lease;                                                                     /* node_lease.c */
Handler node_token;                                                                     /* node_token.c */
Handler node_commands;                                                                  /* node_commands.c */
Handler node_run_report;                                                                /* run_plane.c */
