/* nodework.h - the steps of making, starting and removing one node. The caller sees to it that one node has one caller (nodes.c). */
#pragma once
#include "provider/noderecord.h"
#include "provider/nodes.h"

/* Directory, id range, root file system, then the record. On false nothing is left of it. */
bool node_make(const NodesSetup *setup, const NodeSpec *spec, NodeRecord *out, Err *err) MUST_CHECK;

/* The disk of a stopped node, with what we own of it written again, and the record with it. */
bool node_refresh(const NodesSetup *setup, const NodeRecord *record, Err *err) MUST_CHECK;

/* Starts its container. *pidfd (>= 0) is its first process. On false no process of it is left. */
bool node_launch(const NodesSetup *setup, const NodeRecord *record, int *pidfd, Err *err) MUST_CHECK;

/* Gets hold of a running container's first process, if it really is one of the node's: else *pidfd is -1. */
void node_adopt(const NodesSetup *setup, Str node_id, pid_t pid, int *pidfd);

/* Kills what runs of it and removes container and control groups; its disk stays. Fine if there is nothing. */
bool node_clear(const NodesSetup *setup, Str node_id, Err *err) MUST_CHECK;

/* node_clear, then its disk, record and id range (0: none). Fine if there is nothing. */
bool node_remove(const NodesSetup *setup, Str node_id, uint32_t first_id, Err *err) MUST_CHECK;

bool node_record_load(const NodesSetup *setup, Arena *arena, Str node_id, NodeRecord *out, Err *err) MUST_CHECK;
