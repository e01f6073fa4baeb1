/* main.c - `vaultyard-certs`: keeps certificates of a vault current on this machine's disk. */
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/secret.h"
#include "certs/agent.h"
#include "certs/explain.h"
#include "certs/log_form.h"
#include "certs/state.h"

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: vaultyard-certs --settings FILE [--status FILE] [--state FILE] [--metrics FILE] [--ca FILE] [--clock FILE] [--once | --dry-run]\n"
                      "       vaultyard-certs check FILE\n"
                      "       vaultyard-certs status [STATE]\n"
                      "Keeps the certificates that the settings of the Key Vault extension observe current on disk.\n"
                      "  --settings FILE   the extension's settings (secretsManagementSettings, authenticationSettings)\n"
                      "  --status FILE     where the extension's status is written\n"
                      "  --state FILE      where state.json is written; else beside the status\n"
                      "  --metrics FILE    a text file for Prometheus, written after each round\n"
                      "  --ca FILE         certificates to trust instead of the system's\n"
                      "  --clock FILE      milliseconds to add to poll times, for development\n"
                      "  --once            one round, then end: 0 all is current, 1 something failed, 2 unusable settings\n"
                      "  --dry-run         one round that asks the vaults and says what would change; nothing is written\n"
                      "  check FILE        what a settings file means, and what in it is ignored: 0 usable, 2 not\n"
                      "  status [STATE]    a table of what the agent keeps: 0 all is current, 1 something is not, 2 no state was found\n");
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    CertAgentConfig config = { 0 };
    const struct { const char *name; const char **value; } options[] = {
        { "--settings", &config.settings_path }, { "--status", &config.status_path }, { "--state", &config.state_path },
        { "--metrics", &config.metrics_path }, { "--ca", &config.ca_file }, { "--clock", &config.clock_path },
    };
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return settings_explain(argv[2], stdout);
    if (argc >= 2 && argc <= 3 && strcmp(argv[1], "status") == 0)
        return state_print(argc == 3 ? argv[2] : NULL, stdout);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout);
        if (strcmp(argv[i], "--version") == 0)
            return puts("vaultyard-certs " VAULTYARD_VERSION) < 0;
        bool dry = strcmp(argv[i], "--dry-run") == 0, known = dry || strcmp(argv[i], "--once") == 0;
        config.once = config.once || known;
        config.dry_run = config.dry_run || dry;
        for (size_t k = 0; k < COUNT_OF(options) && !known; k++)
            if (strcmp(argv[i], options[k].name) == 0 && i + 1 < argc) {
                *options[k].value = argv[++i];
                known = true;
            }
        if (!known)
            return usage(stderr);
    }
    if (!config.settings_path)
        return usage(stderr);
    process_harden();
    log_setup(LOG_INFO, LOG_KEY_VALUE, "vaultyard-certs");
    log_form_setup();
    return cert_agent_run(&config);
}
