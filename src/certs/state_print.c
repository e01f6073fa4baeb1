/* state_print.c - `vaultyard-certs status`. */
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include "base/file.h"
#include "certs/state.h"

enum { STATE_MAX_BYTES = 4 * 1024 * 1024 };

static const char *const usual_places[] = {
    "/var/lib/vaultyard-certs/state.json",
    "/var/lib/waagent/Microsoft.Azure.KeyVault.KeyVaultForLinux-*/status/state.json",
};

static void put_cell(FILE *to, Str text, int width)
{
    text = text.len ? str_slice(text, 0, (size_t)width) : STR("-");
    (void)fprintf(to, STR_FMT "%*s", STR_ARG(text), width + 2 - (int)text.len, "");
}

static bool print_certificate(const JsonVal *c, FILE *to)
{
    bool is_current = json_bool(json_get(c, "isCurrent"), false);
    Str why = json_str(json_get(c, "lastError"));
    put_cell(to, is_current ? STR("current") : STR("FAILED"), 8);
    put_cell(to, json_str(json_get(c, "version")), 12);
    put_cell(to, json_str(json_get(c, "expires")), 20);
    put_cell(to, json_str(json_get(c, "lastSuccess")), 20);
    (void)fprintf(to, STR_FMT "/" STR_FMT "\n", STR_ARG(json_str(json_get(c, "directory"))), STR_ARG(json_str(json_get(c, "link"))));
    if (why.len)
        (void)fprintf(to, "          " STR_FMT "; next try " STR_FMT "\n", STR_ARG(why), STR_ARG(json_str(json_get(c, "nextTry"))));
    return is_current;
}

static bool print_state(const JsonVal *root, FILE *to)
{
    const JsonVal *list = json_get(root, "certificates"), *hook = json_get(root, "hook");
    pid_t pid = (pid_t)json_int(json_get(root, "pid"), 0);
    bool runs = pid > 0 && (kill(pid, 0) == 0 || errno == EPERM), good = runs;
    (void)fprintf(to, "agent %s, process %d, state of " STR_FMT ", next poll " STR_FMT ", vaults listened to: %lld\n", runs ? "runs" : "DOES NOT RUN", (int)pid,
                  STR_ARG(json_str(json_get(root, "written"))), STR_ARG(json_str(json_get(root, "nextPoll"))), (long long)json_int(json_get(root, "vaultsListenedTo"), 0));
    Str refused = json_str(json_get(root, "settingsError"));
    if (refused.len)
        (void)fprintf(to, "SETTINGS: what the file says now is not used: " STR_FMT "\n", STR_ARG(refused));
    good = good && !refused.len;
    if (json_count(list))
        (void)fprintf(to, "STATE     VERSION       EXPIRES               LAST SUCCESS          LINK\n");
    for (size_t i = 0; i < json_count(list); i++)
        good = print_certificate(json_at(list, i), to) && good;
    if (hook) {
        bool pending = json_bool(json_get(hook, "pending"), false), succeeded = json_bool(json_get(hook, "succeeded"), false);
        Str result = json_str(json_get(hook, "result"));
        (void)fprintf(to, "hook " STR_FMT "%s" STR_FMT "%s\n", STR_ARG(result.len ? result : STR("has not run")), json_get(hook, "ended") && result.len ? ", " : "",
                      STR_ARG(json_str(json_get(hook, "ended"))), pending ? "; it is to run" : "");
        if (result.len && !succeeded)
            (void)fprintf(to, STR_FMT "\n", STR_ARG(json_str(json_get(hook, "output"))));
        good = good && !pending;
    }
    return good;
}

static int print_file(Arena *arena, const char *path, FILE *to)
{
    const JsonVal *root;
    Str text;
    Err err = { 0 };
    if (!file_read(arena, path, STATE_MAX_BYTES, &text, &err) || !json_parse(arena, text, JSON_STRICT, &root, &err)) {
        (void)fprintf(to, "no state: %s\n", err.text);
        return 2;
    }
    return print_state(root, to) ? 0 : 1;
}

int state_print(const char *path, FILE *to)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(8 * STATE_MAX_BYTES);
    if (!arena)
        return 2;
    if (path)
        return print_file(arena, path, to);
    glob_t found = { 0 };
    int worst = -1;
    for (size_t i = 0; i < COUNT_OF(usual_places); i++)
        if (glob(usual_places[i], i ? GLOB_APPEND : 0, NULL, &found) == GLOB_NOSPACE)
            worst = 2;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int code = print_file(arena, found.gl_pathv[i], to);
        worst = code > worst ? code : worst;
    }
    globfree(&found);
    if (worst >= 0)
        return worst;
    (void)fprintf(to, "no state: neither %s nor %s; name the file\n", usual_places[0], usual_places[1]);
    return 2;
}
