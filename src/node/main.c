/* main.c - `vaultyard-node`: process 1 of a node, or its agent. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "base/secret.h"
#include "node/agent.h"
#include "node/runs/keep.h"

int main(int argc, char **argv)
{
    const char *verb = argc >= 2 ? argv[1] : "";
    if (strcmp(verb, "--version") == 0)
        return puts("vaultyard-node " VAULTYARD_VERSION) < 0;
    bool is_keeper = strcmp(verb, "keep") == 0 && argc == 4;
    if (!is_keeper && (argc != 2 || (strcmp(verb, "init") != 0 && strcmp(verb, "agent") != 0))) {
        (void)fputs("usage: vaultyard-node init               process 1 of a node: keeps the agent running\n"
                    "       vaultyard-node agent              the agent itself; reads /run/vaultyard/join.json\n"
                    "       vaultyard-node keep RUN DIR       waits for one run; started by the agent, its files below DIR\n", stderr);
        return 2;
    }
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0) {
        perror("vaultyard-node: /proc/self/exe");
        return 1;
    }
    program[len] = '\0';
    process_harden();
    log_setup(LOG_INFO, LOG_KEY_VALUE, "vaultyard-node");
    if (is_keeper)
        return node_keep(argv[2], argv[3]);
    return strcmp(verb, "init") == 0 ? node_supervise(program) : node_agent_run(dirname(program));
}
