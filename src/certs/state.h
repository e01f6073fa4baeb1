/* state.h - what the agent knows, for people and programs: state.json, a text file for Prometheus, a table, and systemd's notification.
 *
 * state.json is replaced whole after each round and hook. It is also the agent's own memory: a change whose hook had not succeeded when the
 * process ended is in it before the link moves, so the next process runs the hook. docs/certificate-agent.md describes its members. */
#pragma once
#include <stdio.h>
#include "certs/hook.h"

/* What is known of one observed certificate. Times are real ms, 0: never. */
typedef struct Tracked {
    bool    is_due, is_failed;
    char    mark[sizeof ((Observed *)0)->mark];                  /* of the settings that its files were made by; "": not known */
    char    version[72];                /* "": none on disk as far as this process knows */
    int64_t not_before_ms, not_after_ms;
    int64_t success_ms, try_ms, failing_since_ms, retry_ms;      /* retry_ms: when it is tried again, while it fails */
    int64_t retry_by_ms;                /* the same in mono time, which decides */
    int     tries;                      /* failures in a row */
    int     pauses;                     /* of them those after which the pause grew; 0 again when the vault is heard of */
    bool    is_unreached;               /* the last failed since the vault gave no (good) answer */
    char    reason[sizeof ((Err *)0)->text];
} Tracked;

typedef struct StateView {
    const CertSettings *settings;
    const Tracked *tracked;             /* one an observed certificate */
    const HookRun *hook;
    int64_t started_ms, now_ms, next_poll_ms;        /* real */
    bool is_synced;
    size_t listening;                   /* vaults with a request on their change feed */
    const char *scraped_at;             /* where the metrics are served; NULL: nowhere */
    int64_t settings_ms;                /* real: when the settings at work were read */
    const char *settings_error;         /* why those that the file has now are not; "": they are */
    const Observed *left; size_t left_count;     /* to be cleaned up */
} StateView;

/* What the state file of the process before tells the next one. Of observed: base_url, vault, name, store_dir, link_name, mark. */
typedef struct StateBefore { bool hook_is_pending; Observed *observed; size_t observed_count; } StateBefore;

bool state_write(const char *path, const StateView *view, Err *err) MUST_CHECK;
void metrics_put(Buf *text, const StateView *view);                                      /* Prometheus text format */
bool metrics_write(const char *path, const StateView *view, Err *err) MUST_CHECK;        /* for a textfile collector */
void state_read(Arena *arena, const char *path, StateBefore *out);                       /* no file, or none of ours: nothing is told */

/* `vaultyard-certs status`. path NULL: the extension's usual places. 0: all is current, 1: something is not or no agent runs, 2: there is no state. */
int state_print(const char *path, FILE *to);

void notify_systemd(const char *text);                                                   /* sd_notify(3); nothing without NOTIFY_SOCKET */
