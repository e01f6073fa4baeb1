/* vmsize.h - how much machine a vmSize is: cores and memory of the sizes that Batch pools commonly name.
 *
 * Figures: learn.microsoft.com/azure/virtual-machines/sizes. Names compare without case, with or without "Standard_". */
#pragma once
#include "base/str.h"

typedef struct VmSize { int cores; int64_t memory_bytes; } VmSize;

bool vm_size_find(Str name, VmSize *out);               /* false: not a size that local nodes can have */
