/* host_commands.c - `vaultyard host` and `vaultyard clean`. */
#include <stddef.h>
#include "base/attr.h"
#include "base/log.h"
#include "base/secret.h"
#include "provider/host.h"
#include "server/command.h"

int command_host(int argc, char **argv)
{
    const char *dir = NULL, *runtime = NULL, *image = NULL;
    int counts[3] = { 0 };
    const Option options[] = {
        { "--data-dir", false, &dir, &counts[0], 1 }, { "--runtime", false, &runtime, &counts[1], 1 }, { "--image", false, &image, &counts[2], 1 },
    };
    if (!options_read("host", argc, argv, options, COUNT_OF(options)))
        return EXIT_USAGE;
    if (!dir) {
        (void)command_fail("host", "--data-dir is needed");
        return EXIT_USAGE;
    }
    process_harden();
    log_setup(LOG_INFO, LOG_KEY_VALUE, "vaultyard-host");
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
