/* sim.h - the rotation simulation: the agent's own code (src/certs and what it stands on) against a clock, vaults and a disk that fail.
 *
 * The seam is where the agent meets the world, so its code knows nothing of it: http/client.h is implemented by sim_http.c, and the linker
 * leads the system calls that change a disk or tell the time to sim_disk.c (ld's --wrap). The disk itself is a real directory in memory.
 * A machine is killed by refusing each call from one on: whatever the agent still does leaves no trace, which is what a kill is.
 * Machines meet only at vaults, whose lives are computed beforehand, so one machine is simulated after the other, all ten years of it. */
#pragma once
#include "base/arena.h"
#include "crypto/bundles/bundle.h"

enum { CERTS_A_MACHINE = 5, VAULTS = 20, VAULT_FIRST = 10 /* in names */, KEYS = 4, WINDOWS_MAX = 512, VERSIONS_MAX = 256, EVENTS_MAX = 2 * VERSIONS_MAX, KILLS_MAX = 256 };
#define MINUTE_MS (60 * (int64_t)1000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define SIM_BEGIN_MS 1795305600000             /* 2026-11-22 */

typedef enum Fault {
    FAULT_REFUSED = 0, FAULT_500, FAULT_HUNG,                   /* of a vault: nobody there, errors, no answer */
    FAULT_NETWORK, FAULT_TOKEN, FAULT_TOKEN_BAD, FAULT_PERMISSION,    /* of a machine: cut off, no tokens, tokens that vaults refuse, permission taken away */
    FAULT_FULL, FAULT_READ_ONLY, FAULT_DENIED,                  /* of its disk */
    FAULT_CLOCK, FAULT_OFF, FAULT_COUNT                         /* its clock is wrong by `arg` ms; switched off */
} Fault;
typedef struct Window { Fault fault; int vault; int64_t from_ms, to_ms, arg; } Window;      /* vault -1: of the machine */

/* ---- chance: one seed, one life ---- */
uint64_t chance(uint64_t *state);
int64_t  chance_between(uint64_t *state, int64_t least, int64_t most);

/* ---- sim_vault.c ---- */
typedef struct Version { char id[33]; int64_t made_ms, lost_ms, nbf_ms, exp_ms; Str leaf_pem, secret_json; } Version;   /* lost_ms 0: the vault never forgets it */
typedef struct Event { int64_t at_ms; int version; } Event;     /* from then on this version is current */
typedef struct SimCert { int vault; char name[32]; Version versions[VERSIONS_MAX]; int version_count; Event events[EVENTS_MAX]; int event_count; } SimCert;
typedef struct SimVault { bool has_feed; Window windows[64]; int window_count; int64_t restores_ms[16]; int64_t restore_back_ms[16]; int restore_count; } SimVault;

void vaults_make(uint64_t seed, int64_t end_ms);
const SimVault *vault_of(int index);
/* renews_ms: when the first version is followed by the next one; 0: by chance. */
void cert_live(SimCert *cert, uint64_t *state, int64_t renews_ms, int64_t end_ms);      /* fills all versions and events; their content is made when asked for */
const Version *cert_current(const SimCert *cert, int64_t now_ms);
Str  version_secret(SimCert *cert, int version);                        /* the body of GET /secrets/name */
Str  key_pem(int version);                                              /* from a pool; two versions next to each other never share one */
void cert_forget(SimCert *cert);

/* ---- sim_memo.c ---- */
void memo_forget(void);                                                 /* with the machine whose secrets were parsed */

/* ---- sim_disk.c ---- */
typedef struct Machine {
    int number;
    uint64_t state, agent_state;        /* of chance: what happens to it; what it draws itself, so that an agent that draws otherwise meets the same faults */
    int64_t now_ms, end_ms;             /* true time */
    Window windows[WINDOWS_MAX];
    int window_count;
    SimCert certs[CERTS_A_MACHINE];
    char dir[128];
    bool is_dead;                       /* killed, switched off or at the end of time: nothing it does counts */
    int64_t kill_in_calls;              /* -1: not */
    int64_t calls, requests, kills, installs, checks;
    int64_t hour;                       /* counted within it, and the most of an hour: */
    int64_t hour_requests, hour_steps, hour_calls, most_requests, most_steps, most_calls;
    int64_t idle_steps;                 /* without any time passing */
    int64_t day_requests, most_calm_requests;      /* when the day began; the most of a day on which and before which nothing was wrong */
    int64_t up_since_ms;
    int64_t lag_worst_ms, back_worst_ms, expired_worst_ms;
    int64_t kills_ms[KILLS_MAX];
    int kill_count;
    int here[CERTS_A_MACHINE];          /* the version that readers see; -1: none yet */
} Machine;
extern Machine *sim;                    /* the one that is being simulated */

bool machine_suffers(const Machine *m, Fault fault, int vault, const Window **which);
void machine_go(Machine *m, int64_t to_ms);                             /* time passes; invariants of time are checked */
void machine_count(Machine *m, int64_t *of_hour, int64_t *most);        /* one more of these; no hot loop */
void machine_check_disk(Machine *m);                                    /* no torn or mismatched pair for any reader */
_Noreturn void sim_broken(const Machine *m, const char *fmt, ...) FORMAT(2, 3);
