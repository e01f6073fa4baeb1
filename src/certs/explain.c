/* explain.c - settings in sentences. */
#include "certs/explain.h"
#include "base/file.h"
#include "certs/settings.h"

enum { SETTINGS_MAX_BYTES = 1024 * 1024 };

static void say_identity(Arena *arena, const SignIn *s, FILE *to)
{
    bool managed = s->kind == SIGN_IN_MANAGED;
    (void)fprintf(to, "signs in   as " STR_FMT ", %s " STR_FMT "\n", STR_ARG(sign_in_name(arena, s)), managed ? "by" : "at", STR_ARG(managed ? s->msi_endpoint : s->authority));
}

static void say_observed(const Observed *o, FILE *to)
{
    static const struct { FileKind kind; const char *name; } names[] = {
        { FILE_CERT, "cert.pem" }, { FILE_CHAIN, "chain.pem" }, { FILE_FULLCHAIN, "fullchain.pem" }, { FILE_KEY, "key.pem" }, { FILE_PKCS12, "cert.p12" },
    };
    (void)fprintf(to, "keeps      " STR_FMT ", %s" STR_FMT "\n", STR_ARG(o->base_url), o->pinned.len ? "held to version " : "its newest version", STR_ARG(o->pinned));
    if (o->files & FILE_PEM)
        (void)fprintf(to, "           at " STR_FMT "/" STR_FMT "\n", STR_ARG(o->store_dir), STR_ARG(o->link_name));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (o->files & names[i].kind)
            (void)fprintf(to, "           at " STR_FMT "/" STR_FMT ".d/%s\n", STR_ARG(o->store_dir), STR_ARG(o->link_name), names[i].name);
    (void)fprintf(to, "           mode %04o, owner " STR_FMT ", group " STR_FMT ", %lld versions are kept\n", (unsigned)o->mode, STR_ARG(o->owner.len ? o->owner : STR("as started")),
                  STR_ARG(o->group.len ? o->group : STR("as started")), (long long)o->keep_versions);
    for (size_t i = 0; i < o->acl_count; i++)
        (void)fprintf(to, "           readable for%s" STR_FMT "%s" STR_FMT "\n", o->acls[i].user.len ? " user " : "", STR_ARG(o->acls[i].user),
                      o->acls[i].group.len ? " group " : "", STR_ARG(o->acls[i].group));
}

int settings_explain(const char *path, FILE *to)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(4 * SETTINGS_MAX_BYTES);
    CertSettings s;
    Str text;
    Err err = { 0 };
    if (!arena)
        return 2;
    if (!file_read(arena, path, SETTINGS_MAX_BYTES, &text, &err) || !settings_read(arena, text, &s, &err) ||
        !sign_in_complete(arena, &s.sign_in, &err)) {
        (void)fprintf(to, "%s cannot be used: %s%s%s\n", path, err.target[0] ? err.target : "", err.target[0] ? ": " : "", err.text);
        return 2;
    }
    (void)fprintf(to, "polls      every %lld s, up to %lld s earlier by chance%s\n", (long long)s.poll_s, (long long)s.jitter_s,
                  s.push ? "; a vault that offers a change feed is also listened to" : "");
    say_identity(arena, &s.sign_in, to);
    if (s.proxy.len)
        (void)fprintf(to, "proxy      " STR_FMT " to vaults\n", STR_ARG(s.proxy));
    if (s.ca_file.len)
        (void)fprintf(to, "trusts     " STR_FMT "\n", STR_ARG(s.ca_file));
    if (s.metrics_listen.len)
        (void)fprintf(to, "tells      metrics at " STR_FMT "%s\n", STR_ARG(s.metrics_listen), str_starts(s.metrics_listen, STR("unix:")) ? "" : "/metrics, to whoever can connect");
    if (s.metrics_file.len)
        (void)fprintf(to, "tells      metrics in " STR_FMT "\n", STR_ARG(s.metrics_file));
    (void)fprintf(to, "is ready   %s\n", s.require_initial_sync ? "when every certificate is there (25 tries)" : "as soon as it polls");
    for (size_t i = 0; i < s.observed_count; i++)
        say_observed(&s.observed[i], to);
    if (s.observed_count == 0)
        (void)fprintf(to, "keeps      nothing: observedCertificates is empty\n");
    (void)fprintf(to, "cleans up  %s\n", s.clean_up ? "what is no longer observed, once all that is observed is current" : "nothing: what is no longer observed stays on disk");
    if (s.hook.word_count) {
        (void)fprintf(to, "then runs ");
        for (size_t i = 0; i < s.hook.word_count; i++)
            (void)fprintf(to, " " STR_FMT, STR_ARG(s.hook.words[i]));
        (void)fprintf(to, "\n           as %s" STR_FMT ", at most %lld s\n", s.hook.user.len ? "user " : "the agent's user", STR_ARG(s.hook.user), (long long)s.hook.timeout_s);
    }
    for (size_t i = 0; i < s.note_count; i++)
        (void)fprintf(to, "note       " STR_FMT "\n", STR_ARG(s.notes[i]));
    return 0;
}
