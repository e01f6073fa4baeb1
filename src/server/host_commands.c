/* host_commands.c - `vaultyard host`, `vaultyard host-guard` and `vaultyard clean`. */
#include <limits.h>
#include <string.h>
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
    Err err;
    if (!command_program(program, &err))
        return command_fail("host", err.text);
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

/* "--data-dir DIR", the only option of some. false: said already. */
static bool read_dir(const char *command, int argc, char **argv, const char **dir)
{
    int count = 0;
    const Option options[] = { { "--data-dir", false, dir, &count, 1 } };
    *dir = NULL;
    if (!options_read(command, argc, argv, options, COUNT_OF(options)))
        return false;
    if (!*dir)
        (void)command_fail(command, "--data-dir is needed");
    return *dir != NULL;
}

int command_host_guard(int argc, char **argv)
{
    const char *dir;
    char program[PATH_MAX];
    Err err = { 0 };
    if (!read_dir("host-guard", argc, argv, &dir))
        return EXIT_USAGE;
    log_setup(LOG_INFO, LOG_KEY_VALUE, "vaultyard-host-guard");
    process_harden();
    if (!command_program(program, &err))
        return command_fail("host-guard", err.text);
    const char *const host_argv[] = HOST_COMMAND(program, dir);
    return host_guard(dir, host_argv, &err) ? 0 : command_fail("host-guard", err.text);
}

int command_clean(int argc, char **argv)
{
    const char *dir;
    if (!read_dir("clean", argc, argv, &dir))
        return EXIT_USAGE;
    log_setup(LOG_WARN, LOG_KEY_VALUE, "vaultyard");
    Err err = { 0 };
    return host_clean(dir, &err) ? 0 : command_fail("clean", err.text);
}
