/* journal.c - what a node knows of its runs, on disk. */
#include "node/runs/journal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

enum { ENTRY_BYTES_MAX = 8 << 20, PATH_BYTES = 4096 };

static const char *const names[] = { "run.json", "lock", "poke", "alive", "stop.json", "launched", "end.json", "told", "drop" };

static const char *path_of(const NodePlaces *places, Str run_id, JournalFile file, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/" STR_FMT "/%s", places->runs_dir, STR_ARG(run_id), names[file]);
    return path;
}

static const char *dir_of(const NodePlaces *places, Str run_id, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/" STR_FMT, places->runs_dir, STR_ARG(run_id));
    return path;
}

char *journal_path(const NodePlaces *places, Arena *arena, Str run_id, JournalFile file)
{
    char path[PATH_BYTES];
    return (char *)str_dup(arena, str_from(path_of(places, run_id, file, path))).ptr;
}

bool journal_has(const NodePlaces *places, Str run_id, JournalFile file)
{
    char path[PATH_BYTES];
    return access(path_of(places, run_id, file, path), F_OK) == 0;
}

bool journal_put(const NodePlaces *places, Str run_id, JournalFile file, Str content, Err *err)
{
    char path[PATH_BYTES];
    return file_replace(path_of(places, run_id, file, path), bytes_of(content), 0600, (uid_t)-1, (gid_t)-1, err);
}

bool journal_get(const NodePlaces *places, Arena *arena, Str run_id, JournalFile file, Str *content, Err *err)
{
    char path[PATH_BYTES];
    return file_read(arena, path_of(places, run_id, file, path), ENTRY_BYTES_MAX, content, err);
}

static bool make_tools(const NodePlaces *places, Str run_id, Err *err)
{
    static const JournalFile fifos[] = { JOURNAL_POKE, JOURNAL_ALIVE };
    char path[PATH_BYTES];
    for (size_t i = 0; i < COUNT_OF(fifos); i++)
        if (mkfifo(path_of(places, run_id, fifos[i], path), 0600) < 0 && errno != EEXIST)
            return err_errno(err, "cannot make %s", path);
    AUTO(fd_close) int lock = open(path_of(places, run_id, JOURNAL_LOCK, path), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return lock >= 0 || err_errno(err, "cannot make %s", path);
}

bool journal_add(const NodePlaces *places, Str run_id, const JsonVal *run, const RunNode *node, int slot, int64_t now_ms, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    char dir[PATH_BYTES];
    buf_init(&text, ENTRY_BYTES_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_int(&w, "slot", slot);
    json_put_int(&w, "acceptedMs", now_ms);
    json_put_str(&w, "nodeId", node->node_id);
    json_put_str(&w, "account", node->account);
    json_put_str(&w, "accountUrl", node->account_url);
    json_put_str(&w, "pool", node->pool);
    json_put_bool(&w, "dedicated", node->is_dedicated);
    json_put_value(&w, "run", run);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    if (journal_has(places, run_id, JOURNAL_RUN))
        return err_set(err, ERR_CONFLICT, "the run is known already");
    if (mkdir(dir_of(places, run_id, dir), 0700) < 0 && errno != EEXIST)
        return err_errno(err, "cannot make %s", dir);
    return make_tools(places, run_id, err) && dir_sync(places->runs_dir, err) && journal_put(places, run_id, JOURNAL_RUN, buf_str(&text), err);
}

typedef struct EntryIn { int64_t slot, accepted_ms; Str node_id, account, account_url, pool; bool dedicated; const JsonVal *run; } EntryIn;
static const JsonField entry_fields[] = {
    JSON_FIELD(EntryIn, slot,    "slot",    JSON_REQUIRED), JSON_FIELD(EntryIn, accepted_ms, "acceptedMs", JSON_REQUIRED),
    JSON_FIELD(EntryIn, node_id, "nodeId",  JSON_OPTIONAL), JSON_FIELD(EntryIn, account,     "account",    JSON_OPTIONAL),
    JSON_FIELD(EntryIn, account_url, "accountUrl", JSON_OPTIONAL), JSON_FIELD(EntryIn, pool, "pool",       JSON_OPTIONAL),
    JSON_FIELD(EntryIn, dedicated, "dedicated", JSON_OPTIONAL), JSON_FIELD(EntryIn, run,     "run",        JSON_REQUIRED),
};

bool journal_read(const NodePlaces *places, Arena *arena, Str run_id, RunEntry *out, Err *err)
{
    Str text;
    const JsonVal *root;
    EntryIn in = { .node_id = STR(""), .account = STR(""), .account_url = STR(""), .pool = STR("") };
    *out = (RunEntry){ 0 };
    if (!journal_get(places, arena, run_id, JOURNAL_RUN, &text, err))
        return false;
    if (!json_parse(arena, text, JSON_STRICT, &root, err) || !json_read(root, "", entry_fields, COUNT_OF(entry_fields), &in, err)) {
        err->code = ERR_INTERNAL;       /* our own file */
        return false;
    }
    out->slot = in.slot >= 0 && in.slot < USER_SLOTS ? (int)in.slot : USER_SLOTS - 1;
    out->accepted_ms = in.accepted_ms;
    out->node = (RunNode){ in.node_id, in.account, in.account_url, in.pool, in.dedicated };
    return runspec_read(arena, in.run, &out->spec, err);
}

bool journal_put_stop(const NodePlaces *places, Str run_id, const RunStop *stop, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, 64 * 1024);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "code", stop->code);
    json_put_str(&w, "message", stop->message);
    json_put_bool(&w, "atOnce", stop->at_once);
    json_close(&w);
    return json_end(&w, err) && journal_put(places, run_id, JOURNAL_STOP, buf_str(&text), err);
}

bool journal_get_stop(const NodePlaces *places, Arena *arena, Str run_id, RunStop *out, Err *err)
{
    static const JsonField fields[] = {
        JSON_FIELD(RunStop, code, "code", JSON_REQUIRED), JSON_FIELD(RunStop, message, "message", JSON_OPTIONAL), JSON_FIELD(RunStop, at_once, "atOnce", JSON_OPTIONAL),
    };
    Str text;
    const JsonVal *root;
    *out = (RunStop){ .message = STR("") };
    return journal_get(places, arena, run_id, JOURNAL_STOP, &text, err) && json_parse(arena, text, JSON_STRICT, &root, err) &&
           json_read(root, "", fields, COUNT_OF(fields), out, err);
}

bool journal_forget(const NodePlaces *places, Str run_id, Err *err)
{
    char path[PATH_BYTES];
    /* run.json first: half a directory must not look like a run that was never started. */
    if (unlink(path_of(places, run_id, JOURNAL_RUN, path)) < 0 && errno != ENOENT)
        return err_errno(err, "cannot remove %s", path);
    if (access(dir_of(places, run_id, path), F_OK) < 0 && errno == ENOENT)
        return true;
    return dir_sync(path, err) && dir_remove_tree(path, err);
}

bool journal_walk(const NodePlaces *places, bool (*each)(void *ctx, Str run_id, Err *err), void *ctx, Err *err)
{
    DIR *dir = opendir(places->runs_dir);
    if (!dir)
        return err_errno(err, "cannot list %s", places->runs_dir);
    bool done = true;
    for (struct dirent *entry; done && (entry = readdir(dir));) {
        Str run_id = str_from(entry->d_name);
        char path[PATH_BYTES];
        if (str_eq(run_id, STR(".")) || str_eq(run_id, STR("..")))
            continue;
        if (run_id_is_good(run_id) && journal_has(places, run_id, JOURNAL_RUN))
            done = each(ctx, run_id, err);
        else
            done = dir_remove_tree(dir_of(places, run_id, path), err);
    }
    (void)closedir(dir);
    return done;
}
