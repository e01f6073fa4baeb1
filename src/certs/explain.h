/* explain.h - `vaultyard-certs check FILE`: what a settings file means, in sentences. */
#pragma once
#include "base/arena.h"
#include <stdio.h>

/* 0: usable, 2: not; either way `to` says why. Reads the file and nothing else: no vault is asked, nothing is written. */
int settings_explain(const char *path, FILE *to);
