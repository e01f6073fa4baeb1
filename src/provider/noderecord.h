/* noderecord.h - node.json: what a node is, as the host remembers it. */
#pragma once
#include "provider/provider.h"

typedef struct NodeRecord { NodeSpec spec; uint32_t first_id; } NodeRecord;

/* Durable when it returns true. The file is root's, 0600: it holds the join document. */
bool node_record_write(const char *path, const NodeRecord *record, Err *err) MUST_CHECK;
bool node_record_read(Arena *arena, const char *path, NodeRecord *out, Err *err) MUST_CHECK;    /* ERR_NOT_FOUND when absent */
