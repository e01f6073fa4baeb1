/* host_probe.c - the host process and the local provider as commands, for system tests of nodes without a server.
 *
 *   host_probe host DATA_DIR BIN_DIR COMMAND...      host_run with COMMAND as process 1 of nodes
 *   host_probe launch DATA_DIR BIN_DIR COMMAND...    host_launch of the above
 *   host_probe clean DATA_DIR
 *   host_probe hello DATA_DIR INSTANCE_ID            the rest asks the host as serve does, and prints JSON or nothing
 *   host_probe start DATA_DIR NODE_ID HOST_NAME VM_SIZE JOIN_JSON
 *   host_probe restart DATA_DIR NODE_ID HOST_NAME VM_SIZE JOIN_JSON
 *   host_probe stop DATA_DIR NODE_ID
 *   host_probe list DATA_DIR
 * Exit code 1: failed, "<code> <target or ->: <text>" on standard error. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/log.h"
#include "provider/host.h"
#include "provider/local.h"

static bool run_host(int argc, char **argv, Err *err)
{
    (void)argc;
    log_setup(LOG_INFO, LOG_KEY_VALUE, "host");
    HostConfig config = { .data_dir = argv[0], .bin_dir = argv[1], .node_command = (const char *const *)(uintptr_t)(argv + 2) };
    return host_run(&config, err);
}

static bool run_launch(int argc, char **argv, Err *err)
{
    char self[PATH_MAX];
    const char *command[64] = { self, "host" };
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0 || argc > 60)
        return err_set(err, ERR_INTERNAL, "cannot find this program");
    self[len] = '\0';
    for (int i = 0; i < argc; i++)
        command[2 + i] = argv[i];
    return host_launch(argv[0], command, err);
}

static bool run_clean(int argc, char **argv, Err *err)
{
    (void)argc;
    return host_clean(argv[0], err);
}

static bool run_hello(int argc, char **argv, Err *err)
{
    (void)argc;
    AUTO(provider_local_free_auto) Provider *provider = provider_local_new(argv[0]);
    return provider_local_hello(provider, str_from(argv[1]), err);
}

static NodeSpec spec_of(char **argv)
{
    return (NodeSpec){ .node_id = str_from(argv[1]), .host_name = str_from(argv[2]), .account = STR("acct"), .pool = STR("pool"),
                       .vm_size = str_from(argv[3]), .join_json = str_from(argv[4]) };
}

static bool run_start(int argc, char **argv, Err *err)
{
    (void)argc;
    AUTO(provider_local_free_auto) Provider *provider = provider_local_new(argv[0]);
    NodeSpec spec = spec_of(argv);
    return provider->node_start(provider->self, &spec, err);
}

static bool run_restart(int argc, char **argv, Err *err)
{
    (void)argc;
    AUTO(provider_local_free_auto) Provider *provider = provider_local_new(argv[0]);
    NodeSpec spec = spec_of(argv);
    return provider->node_restart(provider->self, &spec, err);
}

static bool run_stop(int argc, char **argv, Err *err)
{
    (void)argc;
    AUTO(provider_local_free_auto) Provider *provider = provider_local_new(argv[0]);
    return provider->node_stop(provider->self, str_from(argv[1]), err);
}

static bool run_list(int argc, char **argv, Err *err)
{
    (void)argc;
    AUTO(provider_local_free_auto) Provider *provider = provider_local_new(argv[0]);
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 24);
    static const char *const runs[] = { [NODE_RUN_ABSENT] = "absent", [NODE_RUN_RUNNING] = "running", [NODE_RUN_STOPPED] = "stopped" };
    NodeStatus *nodes;
    size_t count;
    if (!provider->node_list(provider->self, arena, &nodes, &count, err))
        return false;
    printf("{");
    for (size_t i = 0; i < count; i++)
        printf("%s\"" STR_FMT "\":\"%s\"", i ? "," : "", STR_ARG(nodes[i].node_id), runs[nodes[i].run]);
    printf("}\n");
    return true;
}

static const struct { const char *name; int least_args; bool (*run)(int argc, char **argv, Err *err); } commands[] = {
    { "host", 3, run_host }, { "launch", 3, run_launch }, { "clean", 1, run_clean }, { "hello", 2, run_hello },
    { "start", 5, run_start }, { "restart", 5, run_restart }, { "stop", 2, run_stop }, { "list", 1, run_list },
};

int main(int argc, char **argv)
{
    Err err = { 0 };
    for (size_t i = 0; argc >= 2 && i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0 || argc - 2 < commands[i].least_args)
            continue;
        if (commands[i].run(argc - 2, argv + 2, &err))
            return 0;
        (void)fprintf(stderr, "%d %s: %s\n", (int)err.code, err.target[0] ? err.target : "-", err.text);
        return 1;
    }
    (void)fprintf(stderr, "usage: host_probe host|launch|clean|hello|start|restart|stop|list DATA_DIR ...\n");
    return 2;
}
