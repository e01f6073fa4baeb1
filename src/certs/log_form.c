/* log_form.c - events as sentences. */
#include "certs/log_form.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"

/* {name} is the field of that name; fields that a sentence does not use stand behind it. */
static const struct { const char *event, *component, *says; } sentences[] = {
    { "certs.started",              "Global",                             "Starting vaultyard-certs " VAULTYARD_VERSION },
    { "certs.not_started",          "Global",                             "cannot start: {error}" },
    { "certs.cannot_wait",          "Global",                             "cannot go on: {error}" },
    { "certs.status_not_written",   "VMExtension",                        "cannot write the status: {error}" },
    { "certs.state_not_written",    "VMExtension",                        "cannot write the state: {error}" },
    { "certs.metrics_served",       "Global",                             "metrics are served at {at}" },
    { "certs.metrics_not_served",   "Global",                             "{error}" },
    { "certs.settings_unusable",    "CertificateManagementConfiguration", "{error}" },
    { "certs.settings_refused",     "CertificateManagementConfiguration", "the changed settings cannot be used, the former stay: {error}" },
    { "certs.settings_applied",     "CertificateManagementConfiguration", "changed settings are in use" },
    { "certs.files_not_watched", "CertificateManagementConfiguration", "the settings file is looked at every {looked_at_every_s} s instead of being watched: {error}" },
    { "certs.installed",            "CertificateManager",                 "retrieved '{url}'; most recent version is '{version}'" },
    { "certs.sync_failed",          "CertificateManager",                 "could not bring '{url}' up to date: {error}" },
    { "certs.not_cleaned_up",       "CertificateManager",                 "cannot remove what is no longer observed: {error}" },
    { "certs.hook_ended",           "CertificateManager",                 "the hook ended: {result}" },
    { "certs.listening",            "CertificateManager",                 "listening for changes of {vault}" },
    { "certs.feed_lost",            "CertificateManager",                 "cannot listen for changes of {vault}, polls go on" },
    { "certs.feed_gone",            "CertificateManager",                 "{vault} no longer tells its changes, polls go on" },
    { "certs.feed_interrupted",     "CertificateManager",                 "listening to {vault} was interrupted and is tried again" },
};

static bool is_journal;

static const LogField *field_named(const LogField *fields, size_t count, Str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(str_from(fields[i].name), name))
            return &fields[i];
    return NULL;
}

static void put_sentence(Buf *line, Str says, const LogField *fields, size_t count, uint64_t *used)
{
    while (says.ptr) {
        log_put_text(line, str_cut(&says, '{'));
        if (!says.ptr)
            return;
        const LogField *field = field_named(fields, count, str_cut(&says, '}'));
        if (!field)
            continue;
        *used |= 1u << (field - fields);
        if (field->kind == LOG_FIELD_INT)
            buf_printf(line, "%lld", (long long)field->num);
        else
            log_put_text(line, str_slice(field->str, 0, 2048));
    }
}

void log_form_write(Buf *line, LogLevel level, const char *event, const LogField *fields, size_t count)
{
    static const struct { const char *name; int priority; } levels[] = { { "debug", 7 }, { "info", 6 }, { "warn", 4 }, { "error", 3 } };     /* sd-daemon(3) */
    char now[40];
    uint64_t used = 0;
    size_t i = 0;
    time_format(real_now_ms(), 0, now, sizeof now);                    /* 2021-03-03T23:12:23Z */
    if (is_journal)
        buf_printf(line, "<%d>", levels[level].priority);
    while (i < COUNT_OF(sentences) && strcmp(sentences[i].event, event) != 0)
        i++;
    bool known = i < COUNT_OF(sentences);
    buf_printf(line, "%.10s %.8s: %s [%s]\t", now, now + 11, levels[level].name, known ? sentences[i].component : "Global");
    put_sentence(line, str_from(known ? sentences[i].says : event), fields, count, &used);
    for (size_t k = 0; k < count; k++)
        if (!(used >> k & 1) && !(fields[k].kind == LOG_FIELD_STR && fields[k].str.len == 0)) {
            buf_put_char(line, ' ');
            log_put_field(line, &fields[k]);
        }
    if (known)
        buf_printf(line, " (%s)", event);
}

void log_form_setup(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char mine[64];
    if (stream && fstat(STDERR_FILENO, &st) == 0) {
        (void)snprintf(mine, sizeof mine, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        is_journal = strcmp(stream, mine) == 0;
    }
    log_set_form(log_form_write);
}
