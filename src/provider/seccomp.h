/* seccomp.h - the system calls that nothing in a node may make. */
#pragma once
#include "json/write.h"

/* Writes the member "seccomp" of an OCI configuration (config-linux.md, section Seccomp). */
void seccomp_write(JsonWriter *w);
