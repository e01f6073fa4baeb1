/* sim_main.c - machines, the invariants of time, and what is printed.
 *
 *   rotation_sim --seed N --dir DIR [--first M] [--count M] [--years Y] [--log]
 *
 * What must hold after each step: a reader sees one version whole (machine_check_disk); no machine holds an expired certificate for longer than one
 * retry interval while a valid one could be had; what could be had is had, by push within seconds, by polls within one; after trouble with vault,
 * network or tokens a vault with a feed is heard again within a minute, mostly within seconds; few requests, wake-ups and
 * writes an hour, next to none on a day when nothing is wrong. */
#include "sim.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "certs/agent.h"

enum { REQUESTS_AN_HOUR_MAX = 1500, STEPS_AN_HOUR_MAX = 2000, CALLS_AN_HOUR_MAX = 6000, IDLE_STEPS_MAX = 1000, REQUESTS_A_CALM_DAY_MAX = 60, CALLS_A_REQUEST_MAX = 3,
       FILE_BYTES = 64 * 1024 };
/* The agent's longest pause between tries, and what the calls of a round may take beside it. */
#define RETRY_LIMIT_MS (15 * MINUTE_MS + 3 * MINUTE_MS)
#define PUSH_LIMIT_MS (5 * (int64_t)1000)
#define POLL_MS (12 * HOUR_MS)
#define CALM_MS (20 * MINUTE_MS)              /* after which an agent is done with what went wrong */

static uint64_t seed;

void sim_broken(const Machine *m, const char *fmt, ...)
{
    char text[1000], when[40];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    time_format(m->now_ms, 3, when, sizeof when);
    sim = NULL;
    (void)printf("BROKEN seed %llu machine %d at %s: %s\n", (unsigned long long)seed, m->number, when, text);
    for (int i = 0; i < m->window_count; i++)
        if (m->windows[i].from_ms <= m->now_ms && m->windows[i].to_ms > m->now_ms - 2 * DAY_MS)
            (void)printf("  fault %d of vault %d, %lld s to %lld s from now\n", m->windows[i].fault, m->windows[i].vault, (long long)(m->windows[i].from_ms - m->now_ms) / 1000,
                         (long long)(m->windows[i].to_ms - m->now_ms) / 1000);
    (void)fflush(stdout);
    exit(1);
}

/* The windows that `now` lies in; found once for as long as they stay the same. */
static const Window *const *windows_of_now(const Machine *m, int *count)
{
    static const Machine *of;
    static int number, found;
    static int64_t from_ms, until_ms;
    static const Window *windows[WINDOWS_MAX];
    if (of != m || number != m->number || m->now_ms < from_ms || m->now_ms >= until_ms) {
        of = m;
        number = m->number;
        from_ms = m->now_ms;
        until_ms = INT64_MAX;
        found = 0;
        for (int i = 0; i < m->window_count; i++) {
            const Window *w = &m->windows[i];
            bool is_now = w->from_ms <= m->now_ms && m->now_ms < w->to_ms;
            int64_t changes_ms = is_now ? w->to_ms : w->from_ms;
            if (is_now)
                windows[found++] = w;
            if (changes_ms > m->now_ms && changes_ms < until_ms)
                until_ms = changes_ms;
        }
    }
    *count = found;
    return windows;
}

bool machine_suffers(const Machine *m, Fault fault, int vault, const Window **which)
{
    int count;
    const Window *const *windows = windows_of_now(m, &count);
    for (int i = 0; i < count; i++)
        if (windows[i]->fault == fault && windows[i]->vault == vault) {
            if (which)
                *which = windows[i];
            return true;
        }
    return false;
}

/* ---- the disk as a reader sees it ---- */

static bool is_file_of(const char *path, Str begins, Str ends)
{
    static char bytes[FILE_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;
    if (fd >= 0)
        (void)close(fd);
    Str text = { bytes, size > 0 ? (size_t)size : 0 };
    return size > 0 && str_starts(text, begins) && str_ends(text, ends);
}

static int version_of_target(const SimCert *cert, const char *target)
{
    const char *base = strrchr(target, '/');
    for (int i = 0; i < cert->version_count; i++)
        if (base && strstr(base, cert->versions[i].id))
            return i;
    return -1;
}

static bool has_directory(const Machine *m) { return m->number % 2 == 1; }

void machine_check_disk(Machine *m)
{
    m->checks++;
    for (int i = 0; i < CERTS_A_MACHINE; i++) {
        char link[300], target[PATH_MAX], path[400];
        SimCert *cert = &m->certs[i];
        (void)snprintf(link, sizeof link, "%s/store/v%d.%s%s", m->dir, VAULT_FIRST + cert->vault, cert->name, has_directory(m) ? ".d" : "");
        ssize_t len = readlink(link, target, sizeof target - 1);
        if (len <= 0 && m->here[i] < 0)
            continue;
        if (len <= 0)
            sim_broken(m, "the link %s is gone", link);
        target[len] = '\0';
        int version = version_of_target(cert, target);
        if (version < 0)
            sim_broken(m, "%s leads to %s, which is no version", link, target);
        Str leaf = cert->versions[version].leaf_pem, key = key_pem(version);
        (void)snprintf(path, sizeof path, "%s%s", link, has_directory(m) ? "/fullchain.pem" : "");
        if (!is_file_of(path, leaf, has_directory(m) ? STR("-----END CERTIFICATE-----\n") : key))
            sim_broken(m, "%s is torn or of another version", path);
        (void)snprintf(path, sizeof path, "%s/key.pem", link);
        if (has_directory(m) && !is_file_of(path, key, key))
            sim_broken(m, "%s does not belong to the certificate beside it", path);
        m->installs += m->here[i] != version;
        m->here[i] = version;
    }
}

/* ---- time ---- */

/* Since when nothing stands between this machine and a certificate of this vault, at `at_ms`; INT64_MAX: something does. */
static int64_t undisturbed_since_ms(const Machine *m, int vault, int64_t at_ms)
{
    int64_t since_ms = m->up_since_ms;
    for (int i = 0; i < m->window_count; i++) {
        const Window *w = &m->windows[i];
        if ((w->vault != -1 && w->vault != vault) || w->from_ms >= at_ms)
            continue;
        if (w->to_ms > at_ms)
            return INT64_MAX;
        since_ms = w->to_ms > since_ms ? w->to_ms : since_ms;
    }
    return since_ms;
}

/* When a fault of this kind is over, how long a certificate of a vault with a feed may still be behind. That a vault, a network or tokens are back is
 * found out by asking: an agent that gets no answer asks at least every 10 s (and may just have begun to wait for one), one that gets an error at
 * least every minute. That a disk or a clock is right again nobody tells. */
static const int64_t back_limits_ms[FAULT_COUNT] = {
    [FAULT_REFUSED] = 15 * 1000, [FAULT_500] = 75 * 1000, [FAULT_HUNG] = 60 * 1000, [FAULT_NETWORK] = 30 * 1000, [FAULT_TOKEN] = 75 * 1000, [FAULT_TOKEN_BAD] = 75 * 1000,
    [FAULT_PERMISSION] = 75 * 1000, [FAULT_FULL] = RETRY_LIMIT_MS, [FAULT_READ_ONLY] = RETRY_LIMIT_MS, [FAULT_DENIED] = RETRY_LIMIT_MS, [FAULT_CLOCK] = RETRY_LIMIT_MS,
    [FAULT_OFF] = 15 * 1000,
};

static int64_t back_limit_ms(const Machine *m, int vault, int64_t since_ms)
{
    int64_t limit_ms = back_limits_ms[FAULT_OFF];
    for (int i = 0; i < m->window_count; i++) {
        const Window *w = &m->windows[i];
        bool counts = (w->vault == -1 || w->vault == vault) && w->from_ms <= since_ms && w->to_ms > since_ms - CALM_MS;
        if (counts && back_limits_ms[w->fault] > limit_ms)
            limit_ms = back_limits_ms[w->fault];
    }
    return limit_ms;
}

/* The last that stood in the way, until since_ms, was a permission, for so long that the agent had nothing left to do but to wait for it. */
static bool is_permission_given(const Machine *m, int vault, int64_t since_ms)
{
    bool was_refused = false;
    if (m->up_since_ms > since_ms - CALM_MS)
        return false;
    for (int i = 0; i < m->window_count; i++) {
        const Window *w = &m->windows[i];
        if ((w->vault != -1 && w->vault != vault) || w->to_ms <= since_ms - CALM_MS || w->from_ms > since_ms)
            continue;
        if (w->fault != FAULT_PERMISSION || w->to_ms != since_ms || w->from_ms > since_ms - CALM_MS)
            return false;
        was_refused = true;
    }
    return was_refused;
}

static void check_certificate(Machine *m, int i, int64_t at_ms)
{
    const SimCert *cert = &m->certs[i];
    const Version *wanted = cert_current(cert, at_ms), *here = m->here[i] >= 0 ? &cert->versions[m->here[i]] : NULL;
    if (wanted->exp_ms <= at_ms)
        return;
    /* A version that the vault lost to a backup, newer and good, is to stay. */
    if (here == wanted || (here && here->lost_ms && here->lost_ms <= at_ms && here->exp_ms > at_ms && here->nbf_ms > wanted->nbf_ms))
        return;
    int64_t since_ms = undisturbed_since_ms(m, cert->vault, at_ms);
    if (since_ms == INT64_MAX)
        return;
    int64_t offered_ms = 0;
    for (int e = 0; e < cert->event_count && cert->events[e].at_ms <= at_ms; e++)
        offered_ms = cert->events[e].at_ms;
    int64_t begins_ms = offered_ms > since_ms ? offered_ms : since_ms;
    /* The one kept from before a restore is given up when it ends. */
    if (here && here->lost_ms && here->exp_ms > begins_ms && here->nbf_ms > wanted->nbf_ms)
        begins_ms = here->exp_ms;
    int64_t late_ms = at_ms - begins_ms;
    bool pushed = vault_of(cert->vault)->has_feed, calm = offered_ms - since_ms > CALM_MS || is_permission_given(m, cert->vault, since_ms);
    int64_t limit_ms = pushed ? calm ? PUSH_LIMIT_MS : back_limit_ms(m, cert->vault, since_ms) : POLL_MS + RETRY_LIMIT_MS;
    if (pushed && here && here->lost_ms)
        limit_ms = RETRY_LIMIT_MS;
    if (late_ms > limit_ms)
        sim_broken(m, "certificate %d of vault %d (%s) is not current for %lld s, allowed are %lld", i, cert->vault, pushed ? "push" : "polls", (long long)late_ms / 1000,
                   (long long)limit_ms / 1000);
    if (pushed && calm && late_ms > m->lag_worst_ms)
        m->lag_worst_ms = late_ms;
    if (pushed && !calm && limit_ms < RETRY_LIMIT_MS && late_ms > m->back_worst_ms)
        m->back_worst_ms = late_ms;
    if (!here || here->exp_ms > at_ms)
        return;
    int64_t expired_ms = at_ms - (here->exp_ms > begins_ms ? here->exp_ms : begins_ms);
    if (expired_ms > RETRY_LIMIT_MS)
        sim_broken(m, "certificate %d of vault %d has expired, and a valid one could be had for %lld s", i, cert->vault, (long long)expired_ms / 1000);
    if (expired_ms > m->expired_worst_ms)
        m->expired_worst_ms = expired_ms;
}

void machine_count(Machine *m, int64_t *of_hour, int64_t *most)
{
    if (m->now_ms / HOUR_MS != m->hour) {
        m->hour = m->now_ms / HOUR_MS;
        m->hour_requests = m->hour_steps = m->hour_calls = 0;
    }
    if (++*of_hour > *most)
        *most = *of_hour;
}

static void check_heat(const Machine *m)
{
    if (m->most_requests > REQUESTS_AN_HOUR_MAX || m->most_steps > STEPS_AN_HOUR_MAX || m->most_calls > CALLS_AN_HOUR_MAX)
        sim_broken(m, "%lld requests, %lld wake-ups, %lld calls that change the disk within an hour", (long long)m->most_requests, (long long)m->most_steps,
                   (long long)m->most_calls);
    if (m->idle_steps > IDLE_STEPS_MAX)
        sim_broken(m, "the agent spins: %lld times it waited for no time at all", (long long)m->idle_steps);
}

/* A day is over. When nothing is wrong, an agent asks at its polls and after renewals, and is otherwise silent. */
static void check_calm(Machine *m, int64_t from_ms)
{
    int64_t begins_ms = from_ms / DAY_MS * DAY_MS, requests = m->requests - m->day_requests;
    bool is_calm = true;
    m->day_requests = m->requests;
    for (int i = 0; i < CERTS_A_MACHINE && is_calm; i++)
        is_calm = undisturbed_since_ms(m, m->certs[i].vault, from_ms) < begins_ms - DAY_MS;
    if (is_calm && requests > m->most_calm_requests)
        m->most_calm_requests = requests;
    if (m->most_calm_requests > REQUESTS_A_CALM_DAY_MAX)
        sim_broken(m, "%lld requests on a day when nothing was wrong", (long long)m->most_calm_requests);
}

void machine_go(Machine *m, int64_t to_ms)
{
    int64_t from_ms = m->now_ms;
    machine_count(m, &m->hour_steps, &m->most_steps);
    m->idle_steps = to_ms > from_ms ? 0 : m->idle_steps + 1;
    check_heat(m);
    to_ms = to_ms > m->end_ms ? m->end_ms : to_ms < from_ms ? from_ms : to_ms;
    for (int i = 0; i < m->window_count; i++)
        if (m->windows[i].fault == FAULT_OFF && m->windows[i].from_ms > from_ms && m->windows[i].from_ms < to_ms)
            to_ms = m->windows[i].from_ms;
    /* Where nothing is disturbed at the end of the step, or at the beginning of what disturbs it. */
    for (int i = 0; i < CERTS_A_MACHINE; i++)
        check_certificate(m, i, to_ms);
    for (int i = 0; i < m->window_count; i++)
        if (m->windows[i].from_ms > from_ms && m->windows[i].from_ms < to_ms)
            for (int k = 0; k < CERTS_A_MACHINE; k++)
                check_certificate(m, k, m->windows[i].from_ms);
    for (int i = 0; i < m->kill_count; i++)
        if (m->kills_ms[i] > from_ms && m->kills_ms[i] <= to_ms)
            m->kill_in_calls = chance_between(&m->state, 0, 60);
    m->now_ms = to_ms;
    if (to_ms / DAY_MS != from_ms / DAY_MS)
        check_calm(m, from_ms);
    if (to_ms >= m->end_ms || machine_suffers(m, FAULT_OFF, -1, NULL))
        m->is_dead = true;
}

/* ---- a machine's life ---- */

/* Its first hours, until after which it does not poll again, are without tokens, permission or network; then something is renewed. */
static bool begins_in_trouble(const Machine *m) { return m->number % 4 == 0; }

static void add_windows(Machine *m)
{
    if (begins_in_trouble(m))
        m->windows[m->window_count++] = (Window){ (Fault)chance_between(&m->state, FAULT_NETWORK, FAULT_PERMISSION), -1, SIM_BEGIN_MS - HOUR_MS,
                                                  SIM_BEGIN_MS + chance_between(&m->state, HOUR_MS, 5 * HOUR_MS), 0 };
    for (int i = 0; i < 36; i++) {
        Window w = { .fault = (Fault)chance_between(&m->state, FAULT_NETWORK, FAULT_OFF), .vault = -1, .from_ms = chance_between(&m->state, SIM_BEGIN_MS, m->end_ms - 8 * DAY_MS) };
        w.to_ms = w.from_ms + (chance(&m->state) % 12 ? chance_between(&m->state, 1000, 3 * HOUR_MS) : chance_between(&m->state, 3 * HOUR_MS, 5 * DAY_MS));
        if (w.fault == FAULT_CLOCK)
            w.arg = chance(&m->state) % 3 ? chance_between(&m->state, -DAY_MS, DAY_MS) : chance_between(&m->state, -700, 700) * DAY_MS;
        if (m->window_count < WINDOWS_MAX && w.to_ms < m->end_ms - 2 * DAY_MS)
            m->windows[m->window_count++] = w;
    }
    for (int i = 0; i < CERTS_A_MACHINE; i++) {
        const SimVault *vault = vault_of(m->certs[i].vault);
        bool known = i > 0 && m->certs[i - 1].vault == m->certs[i].vault;
        for (int k = 0; k < vault->window_count && !known && m->window_count < WINDOWS_MAX; k++)
            m->windows[m->window_count++] = vault->windows[k];
    }
    /* What was announced and is being fetched when its vault goes, most of the time for moments: nothing tells of it a second time. */
    for (int i = 0; i < CERTS_A_MACHINE; i++) {
        const SimCert *cert = &m->certs[i];
        for (int e = 0; e < cert->event_count && m->window_count < WINDOWS_MAX; e++) {
            static const Fault faults[] = { FAULT_REFUSED, FAULT_500, FAULT_HUNG, FAULT_NETWORK };
            Window w = { .fault = faults[chance(&m->state) % COUNT_OF(faults)], .from_ms = cert->events[e].at_ms + chance_between(&m->state, 1, 30) };
            w.vault = w.fault == FAULT_NETWORK ? -1 : cert->vault;
            w.to_ms = w.from_ms + (chance(&m->state) % 3 ? chance_between(&m->state, 100, 10 * 1000) : chance_between(&m->state, 10 * 1000, HOUR_MS));
            if (chance(&m->state) % 2 && w.from_ms > SIM_BEGIN_MS && w.to_ms < m->end_ms - 2 * DAY_MS)
                m->windows[m->window_count++] = w;
        }
    }
    for (int i = 0; i < 60; i++)
        m->kills_ms[m->kill_count++] = chance_between(&m->state, SIM_BEGIN_MS, m->end_ms - 2 * DAY_MS);
    /* An agent that begins while something is wrong has seen nothing else. */
    for (int i = 0; i < m->window_count && m->kill_count < KILLS_MAX; i++)
        if (chance(&m->state) % 2)
            m->kills_ms[m->kill_count++] = chance_between(&m->state, m->windows[i].from_ms, m->windows[i].to_ms);
}

static void add_certificates(Machine *m)
{
    for (int i = 0; i < CERTS_A_MACHINE; i++) {
        SimCert *cert = &m->certs[i];
        cert->vault = (i < 3 ? m->number : m->number + 7) % VAULTS;
        (void)snprintf(cert->name, sizeof cert->name, "c%d-%d", m->number, i);
        m->here[i] = -1;
        cert_live(cert, &m->state, i == 0 && begins_in_trouble(m) ? SIM_BEGIN_MS + chance_between(&m->state, 6 * HOUR_MS, 11 * HOUR_MS) : 0, m->end_ms);
        /* The moments before a renewal, and those at it, are when a kill tells most. */
        for (int k = 0; k < 4 && cert->event_count > 0; k++)
            m->kills_ms[m->kill_count++] = cert->events[chance(&m->state) % (uint64_t)cert->event_count].at_ms;
    }
}

static void write_settings(const Machine *m, const char *path)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    Err err = { 0 };
    buf_init(&text, 16384);
    buf_printf(&text, "{\"secretsManagementSettings\":{\"pollingIntervalInS\":\"%lld\",\"certificateStoreLocation\":\"%s/store\",\"observedCertificates\":[", (long long)POLL_MS / 1000, m->dir);
    for (int i = 0; i < CERTS_A_MACHINE; i++)
        buf_printf(&text, "%s\"https://v%d.vault.sim/secrets/%s\"", i ? "," : "", VAULT_FIRST + m->certs[i].vault, m->certs[i].name);
    buf_printf(&text, "]},\"authenticationSettings\":{\"msiEndpoint\":\"http://169.254.169.254/metadata/identity\"}%s}",
               has_directory(m) ? ",\"vaultyard\":{\"files\":[\"fullchain\",\"key\"]}" : "");
    if (text.failed || !file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, &err))
        sim_broken(m, "cannot write %s: %s", path, err.text);
}

static void live(Machine *m)
{
    char settings[200], status[200];
    Err err = { 0 };
    (void)snprintf(settings, sizeof settings, "%s/settings.json", m->dir);
    (void)snprintf(status, sizeof status, "%s/1.status", m->dir);
    if (mkdir(m->dir, 0700) < 0)
        sim_broken(m, "cannot make %s: %s", m->dir, strerror(errno));
    write_settings(m, settings);
    while (m->now_ms < m->end_ms) {
        const Window *off;
        if (machine_suffers(m, FAULT_OFF, -1, &off)) {
            m->now_ms = off->to_ms;
            continue;
        }
        m->is_dead = false;
        m->up_since_ms = m->now_ms;
        sim = m;
        int code = cert_agent_run(&(CertAgentConfig){ .settings_path = settings, .status_path = status });
        if (!m->is_dead)
            sim_broken(m, "the agent ended by itself with %d", code);
        m->kill_in_calls = -1;
        sim = NULL;
        if (m->now_ms < m->end_ms)
            m->now_ms += chance_between(&m->state, 1000, 20 * MINUTE_MS);
    }
    if (m->calls > CALLS_A_REQUEST_MAX * m->requests)
        sim_broken(m, "%lld calls that change the disk, %lld requests: it writes for nothing", (long long)m->calls, (long long)m->requests);
    if (!dir_remove_tree(m->dir, &err))
        sim_broken(m, "%s", err.text);
}

int main(int argc, char **argv)
{
    const char *dir = NULL;
    int64_t values[] = { 1, 0, 200, 10 };
    static const char *const names[] = { "--seed", "--first", "--count", "--years" };
    bool logs = false;
    Err err = { 0 };
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        if (strcmp(argv[i], "--log") == 0) {
            logs = true;
            continue;
        }
        if (i + 1 == argc)
            return 2;
        if (strcmp(argv[i], "--dir") == 0) {
            dir = argv[++i];
            continue;
        }
        while (k < COUNT_OF(names) && strcmp(argv[i], names[k]) != 0)
            k++;
        if (k == COUNT_OF(names) || !str_to_int64(str_from(argv[i + 1]), 0, INT32_MAX, &values[k], &err))
            return 2;
        i++;
    }
    if (!dir)
        return 2;
    seed = (uint64_t)values[0];
    log_setup(logs ? LOG_INFO : LOG_ERROR, LOG_KEY_VALUE, "agent");
    if (!logs && !freopen("/dev/null", "w", stderr))
        return 3;
    int64_t end_ms = SIM_BEGIN_MS + values[3] * 365 * DAY_MS, requests = 0, calls = 0, kills = 0, installs = 0, checks = 0, most = 0, calm = 0, steps = 0, writes = 0, lag = 0, back = 0, expired = 0;
    vaults_make(seed, end_ms);
    for (int64_t n = values[1]; n < values[1] + values[2]; n++) {
        static Machine machine;
        machine = (Machine){ .number = (int)n, .state = seed * 7919 + (uint64_t)n * 104729 + 1, .agent_state = seed + (uint64_t)n, .now_ms = SIM_BEGIN_MS, .end_ms = end_ms, .kill_in_calls = -1 };
        (void)snprintf(machine.dir, sizeof machine.dir, "%s/m%lld", dir, (long long)n);
        add_certificates(&machine);
        add_windows(&machine);
        live(&machine);
        if (machine.calls < 1000 || machine.installs < CERTS_A_MACHINE * values[3])
            sim_broken(&machine, "the machine did next to nothing: %lld calls, %lld installations", (long long)machine.calls, (long long)machine.installs);
        for (int i = 0; i < CERTS_A_MACHINE; i++)
            cert_forget(&machine.certs[i]);
        memo_forget();
        requests += machine.requests, calls += machine.calls, kills += machine.kills, installs += machine.installs, checks += machine.checks;
        most = machine.most_requests > most ? machine.most_requests : most;
        calm = machine.most_calm_requests > calm ? machine.most_calm_requests : calm;
        steps = machine.most_steps > steps ? machine.most_steps : steps;
        writes = machine.most_calls > writes ? machine.most_calls : writes;
        lag = machine.lag_worst_ms > lag ? machine.lag_worst_ms : lag;
        back = machine.back_worst_ms > back ? machine.back_worst_ms : back;
        expired = machine.expired_worst_ms > expired ? machine.expired_worst_ms : expired;
    }
    (void)printf("machines %lld years %lld installs %lld kills %lld disk_calls %lld checks %lld requests %lld most_requests_an_hour %lld most_requests_a_calm_day %lld most_wakeups_an_hour %lld most_disk_calls_an_hour %lld worst_push_ms %lld worst_back_ms %lld worst_expired_s %lld\n",
                 (long long)values[2], (long long)values[3], (long long)installs, (long long)kills, (long long)calls, (long long)checks, (long long)requests, (long long)most,
                 (long long)calm, (long long)steps, (long long)writes, (long long)lag, (long long)back, (long long)expired / 1000);
    return 0;
}
