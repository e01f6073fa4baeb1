/* pool_check.h - what of a pool's machine we can give: images, node agents, extensions. */
#pragma once
#include "batch/shape.h"

typedef struct NodeImage { const char *publisher, *offer, *sku, *agent; } NodeImage;
extern const NodeImage node_images[];           /* ended by a row of NULLs; all are Linux, and all are our one node image */

/* The virtualMachineConfiguration after it was read, and as it came in (`given`, for what is not kept). `where` prefixes names in
 * messages. Windows and custom images: ERR_NOT_BUILT; unknown ones, foreign agents, extensions we cannot run: ERR_BAD_INPUT. */
bool pool_check_machine(const JsonVal *machine, const JsonVal *given, Spelling spelling, const char *where, Err *err) MUST_CHECK;
