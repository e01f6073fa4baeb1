/* main.c - `vaultyard`: finds the command and runs it. */
#include <stdio.h>
#include <string.h>
#include "server/command.h"

static const Command commands[] = {
    { "init", "--data-dir DIR [--domain NAME] [--port N] [--location NAME] [--user NAME] [--name PART=HOST]... [--public-names]", "make a new site: private CA, tenant, subscription, administrator", command_init },
    { "serve", "--data-dir DIR [--listen ADDR:PORT]... [--dev] [--no-host] [--throttle on|off] [--audit-logs DIR] [--audit-keep DURATION] [--key-check SECONDS] [--node-egress on|rules|off] [--node-egress-allow ADDRESS/BITS[:PORT]]... [--webhook-ca FILE] [--attestation-ca FILE] [--issuer-ca FILE] [--acme-directory URL]... [--acme-http-listen ADDR:PORT]... [--acme-hook PROGRAM] [--acme-ca-file FILE] [--acme-proxy URL] [--hsm-module PATH --hsm-token LABEL --hsm-pin-file FILE] [--smtp-relay HOST:PORT --smtp-from ADDRESS] [--smtp-tls starttls|implicit|off] [--smtp-user NAME --smtp-password-file FILE] [--smtp-ca-file FILE] [--log-json] [--verbose]", "run the control plane", command_serve },
    { "host", "--data-dir DIR [--runtime runc|crun] [--image DIR] [--keep]", "run the privileged part that makes local nodes (root)", command_host },
    { "host-guard", "--data-dir DIR", "what serve runs beside itself as root: starts a host again that was killed with its keeper", command_host_guard },
    { "clean", "--data-dir DIR", "remove every trace of local nodes from this machine (root)", command_clean },
    { "audit verify", "--data-dir DIR", "check the audit records' hash chains, and say what was trimmed", command_audit_verify },
    { "routes", "--data-dir DIR [--tabs]", "list every route, its permission, and whether it is built", command_routes },
};

static int print_help(FILE *to)
{
    (void)fprintf(to, "vaultyard " VAULTYARD_VERSION " - key vault, identities and Batch pools on machines of your own\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        (void)fprintf(to, "  vaultyard %s %s\n      %s\n", commands[i].name, commands[i].usage, commands[i].help);
    (void)fprintf(to, "\nFirst: vaultyard init --data-dir DIR;  then: vaultyard serve --data-dir DIR;  then: VY_ADMIN=DIR/admin.json vy --help\n");
    return to == stdout ? 0 : EXIT_USAGE;
}

/* How many of the arguments the command's name takes; 0 if it is another command. */
static int name_words(const char *name, int argc, char **argv)
{
    int words = 0;
    for (const char *at = name;; at++, words++) {
        const char *end = strchrnul(at, ' ');
        size_t len = (size_t)(end - at);
        if (words >= argc || strlen(argv[words]) != len || memcmp(argv[words], at, len) != 0)
            return 0;
        at = end;
        if (!*at)
            return words + 1;
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return print_help(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return print_help(stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)
        return puts("vaultyard " VAULTYARD_VERSION) < 0;

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        int words = name_words(commands[i].name, argc - 1, argv + 1);
        if (!words)
            continue;
        if (argc > 1 + words && strcmp(argv[1 + words], "--help") == 0) {
            (void)printf("vaultyard %s %s\n  %s\n", commands[i].name, commands[i].usage, commands[i].help);
            return 0;
        }
        return commands[i].run(argc - 1 - words, argv + 1 + words);
    }
    (void)fprintf(stderr, "vaultyard: '%s' is no command; see: vaultyard --help\n", argv[1]);
    return EXIT_USAGE;
}
