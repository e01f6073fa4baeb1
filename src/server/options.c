/* options.c - what commands share: their options, how they fail, which program they are of. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "server/command.h"

static const Option *option_find(const Option *options, int count, const char *name, size_t len)
{
    for (int i = 0; i < count; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

bool options_read(const char *command, int argc, char **argv, const Option *options, int option_count)
{
    for (int i = 0; i < argc; i++) {
        const char *name = argv[i], *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const Option *option = option_find(options, option_count, name, len);
        if (!option) {
            (void)fprintf(stderr, "vaultyard %s: '%s' is not understood; see: vaultyard %s --help\n", command, name, command);
            return false;
        }
        if (*option->count >= option->max) {
            (void)fprintf(stderr, "vaultyard %s: %s is given too often\n", command, option->name);
            return false;
        }
        const char *value = option->is_flag ? "" : equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value || (option->is_flag && equals) || (!option->is_flag && !*value)) {
            (void)fprintf(stderr, "vaultyard %s: %s %s\n", command, option->name, option->is_flag ? "takes no value" : "needs a value");
            return false;
        }
        option->values[(*option->count)++] = value;
    }
    return true;
}

bool command_program(char path[PATH_MAX], Err *err)
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (len <= 0)
        return err_errno(err, "cannot find this program");
    path[len] = '\0';
    return true;
}

int command_fail(const char *command, const char *text)
{
    (void)fprintf(stderr, "vaultyard %s: %s\n", command, text);
    return 1;
}
