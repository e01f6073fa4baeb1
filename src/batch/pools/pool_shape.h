/* pool_shape.h - the members of a pool, for both planes and all versions from 2021-01-01 and 2022-10-01.16.0 on.
 *
 * Source: Azure/azure-rest-api-specs, specification/batch, BatchManagement.json 2021-01-01 to 2024-07-01 and BatchService.json
 * 2022-10-01.16.0 and 2024-07-01.20.0. What these tables keep is the pool's sealed document; sizes and targets lie in columns. */
#pragma once
#include "batch/shape.h"

extern const ShapeField pool_fields[];                      /* "properties" of a pool; the top of one on the data plane */
extern const ShapeField fixed_scale_fields[];
extern const ShapeField virtual_machine_fields[];
extern const ShapeField extension_fields[];
extern const char *const deallocation_words[];

enum { POOL_NODES_MAX = 1000, RESIZE_TIMEOUT_MIN_MS = 5 * 60 * 1000, RESIZE_TIMEOUT_USUAL_MS = 15 * 60 * 1000 };
