/* agent.h - the certificate agent: keeps what is observed current on disk until it is told to stop. */
#pragma once
#include "base/arena.h"

typedef struct CertAgentConfig {
    const char *settings_path;      /* the settings file */
    const char *status_path;        /* N.status; NULL: none is written */
    const char *state_path;         /* state.json; NULL: beside status_path, and none without that */
    const char *metrics_path;       /* for Prometheus; NULL: none */
    const char *ca_file;            /* NULL: the system's */
    const char *clock_path;         /* development shift of object time for poll timers; NULL: none */
    bool once;                      /* one round, then end */
    bool dry_run;                   /* with once: the round says what it would change and writes nothing */
} CertAgentConfig;

/* Ends with SIGTERM or SIGINT, or after one round with `once`. The exit code: 0 all is current, 1 something could not be
 * brought up to date, 2 the settings are unusable. */
int cert_agent_run(const CertAgentConfig *config);
