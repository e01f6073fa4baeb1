/* world.h - one tenant for a fuzz target's life, in a temporary directory that goes when the process ends. */
#pragma once
#include "identity/parts.h"

Identity *world_identity(void);         /* made at the first call; aborts when it cannot be */
const Bootstrap *world_bootstrap(void);
