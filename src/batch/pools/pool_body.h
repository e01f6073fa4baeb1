/* pool_body.h - what a request asks of a pool, read from either plane and checked, and a pool's document written again.
 *
 * The document (PoolSpec.body) is JSON in Resource Manager's spelling (pool_shape.h); what queries and the reconciler need lies
 * beside it. Nothing here asks the store: names that must exist (identities, sizes) are checked by the callers. */
#pragma once
#include "batch/shape.h"

typedef struct PoolSpec {
    Str vm_size;
    int64_t target, target_low;             /* dedicated and low-priority nodes */
    int64_t resize_timeout_ms;
    Str deallocation;                       /* "Requeue" ...; empty: not given */
    int64_t slots;                          /* task slots of one node */
    Str body;                               /* the document */
    bool sets_scale;                        /* the request said something about the size */
    Str certificates_account;               /* whose certificates it refers to by Resource Manager's ids; absent: no id was given */
} PoolSpec;

typedef enum PoolChange {
    POOL_CREATE = 1,    /* everything as given, needed members must be there */
    POOL_REPLACE,       /* the same for a pool that exists: what cannot change must be the same (PropertyCannotBeUpdated) */
    POOL_PATCH,         /* only what is given changes */
    POOL_PROPERTIES     /* the data plane's updateproperties: as a patch, and what may be changed and is not given goes */
} PoolChange;

/* `properties` of a PUT or PATCH in Resource Manager. now: the pool as it is, NULL with POOL_CREATE. out lies in the arena. */
bool pool_read_arm(Arena *arena, const JsonVal *properties, PoolChange change, const PoolSpec *now, PoolSpec *out, Err *err) MUST_CHECK;
/* The body of POST /pools (POOL_CREATE) and PATCH /pools/{id} on the data plane. */
bool pool_read_data(Arena *arena, const JsonVal *object, PoolChange change, const PoolSpec *now, PoolSpec *out, Err *err) MUST_CHECK;
/* {targetDedicatedNodes, targetLowPriorityNodes, resizeTimeout, nodeDeallocationOption} of POST /pools/{id}/resize: at least one target. */
bool pool_read_resize(Arena *arena, const JsonVal *object, const PoolSpec *now, PoolSpec *out, Err *err) MUST_CHECK;

/* Members of the document into the open object: all but vmSize, scale and slots, which the caller writes from columns. */
void pool_write_document(Arena *arena, Spelling to, Str body, JsonWriter *w);

Str duration_text(Arena *arena, int64_t ms);                                /* "PT15M", "P1DT30S" */

/* Extensions of a document, in its order. */
typedef struct PoolExtension { Str name, publisher, type, type_handler_version; const JsonVal *settings, *all; bool needs_first_sync; } PoolExtension;
bool pool_extensions(Arena *arena, Str body, PoolExtension **out, size_t *count, Err *err) MUST_CHECK;
