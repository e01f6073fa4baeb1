/* file_agent.h - an agent on a thread of its own that does file commands over a directory, as vaultyard-node does them. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "world.h"

typedef struct FileAgent {
    World *world;
    char credential[128];
    char root[96];
    _Atomic bool stopping, is_mute;         /* is_mute: takes commands and does not answer */
    _Atomic int done;
    pthread_t thread;
    char spoilt[256];                       /* not empty: answered to the next command in place of its result, once */
} FileAgent;

void file_agent_start(FileAgent *agent, World *world, Str credential);      /* root is made */
void file_agent_stop(FileAgent *agent);                                     /* root goes */
void file_agent_put(const FileAgent *agent, const char *path, const void *bytes, size_t size);      /* directories are made */
