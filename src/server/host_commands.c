/* host_commands.c - `vaultyard host` and `vaultyard clean`. */
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/attr.h"
#include "base/log.h"
#include "base/secret.h"
#include "provider/host.h"
#include "server/command.h"

/* The same command without --keep, kept running. */
static int keep(int argc, char **argv)
{
    enum { ARGS_MAX = 16 };
    const char *again[ARGS_MAX] = { NULL, "host" };
    int count = 2;
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return command_fail("host", "cannot find this program");
    program[len] = '\0';
    again[0] = program;
    for (int i = 0; i < argc && count < ARGS_MAX - 1; i++)
        if (strcmp(argv[i], "--keep") != 0)
            again[count++] = argv[i];
    again[count] = NULL;
    return host_keep(again);
}

int command_host(int argc, char **argv)
{
    const char *dir = NULL, *runtime = NULL, *image = NULL, *flag = NULL;
    int counts[4] = { 0 };
    const Option options[] = {
        { "--data-dir", false, &dir, &counts[0], 1 }, { "--runtime", false, &runtime, &counts[1], 1 }, { "--image", false, &image, &counts[2], 1 },
        { "--keep", true, &flag, &counts[3], 1 },
    };
    if (!options_read("host", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    if (!dir) {
        (void)command_fail("host", "--data-dir is needed");
        return EXIT_USAGE;
    }
    log_setup(LOG_INFO, LOG_KEY_VALUE, "vaultyard-host");
    if (counts[3])
        return keep(argc, argv);
    process_harden();
    HostConfig config = { .data_dir = dir, .runtime = runtime, .image_dir = image };
    Err err = { 0 };
    return host_run(&config, &err) ? 0 : command_fail("host", err.text);
}

int command_clean(int argc, char **argv)
{
    const char *dir = NULL;
    int count = 0;
    const Option options[] = { { "--data-dir", false, &dir, &count, 1 } };
    if (!options_read("clean", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    if (!dir) {
        (void)command_fail("clean", "--data-dir is needed");
        return EXIT_USAGE;
    }
    log_setup(LOG_WARN, LOG_KEY_VALUE, "vaultyard");
    Err err = { 0 };
    return host_clean(dir, &err) ? 0 : command_fail("clean", err.text);
}
