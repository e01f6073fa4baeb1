/* agent.h - the node agent: joins, holds the lease, runs extensions, serves the metadata address, relays the site's ports. */
#pragma once

/* Runs until SIGTERM; the exit code. program_dir: where vaultyard-certs lies. */
int node_agent_run(const char *program_dir);
/* Process 1 of a node: keeps an agent running, adopts and reaps what is left behind, ends everything on SIGTERM. */
int node_supervise(const char *program);
