/* datadir.c - the data directory. */
#include "server/datadir.h"
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"
#include "server/names.h"

enum { CARD_MAX_BYTES = 64 * 1024 };

static bool directory_is_free(const char *dir, Err *err)
{
    DIR *entries = opendir(dir);
    if (!entries)
        return errno == ENOENT || err_errno(err, "cannot open %s", dir);
    bool is_free = true;
    for (struct dirent *entry; is_free && (entry = readdir(entries));)
        is_free = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(entries);
    if (!is_free)
        return err_set(err, ERR_CONFLICT, "%s is already in use; give an empty or a new directory", dir);
    return true;
}

/* The service user must be able to walk to its files: tried by a child that has become it. */
static bool service_can_enter(const DataDir *data, const char *dir, Err *err)
{
    pid_t child = fork();
    if (child < 0)
        return err_errno(err, "cannot start a process");
    if (child == 0) {
        Err ignored;
        _exit(datadir_drop_privileges(data, &ignored) && access(dir, W_OK | X_OK) == 0 ? 0 : 1);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_CONFLICT, "the service user cannot enter %s; each directory above it must be searchable (chmod o+x)", dir);
    return true;
}

static bool choose_user(const char *service_user, DataDir *out, Err *err)
{
    out->uid = geteuid();
    out->gid = getegid();
    if (out->uid != 0)
        return true;
    const struct passwd *entry = getpwnam(service_user);
    if (!entry)
        return err_set(err, ERR_NOT_FOUND, "there is no user '%s' to run the server as; make it with: useradd --system --no-create-home --shell /usr/sbin/nologin %s",
                       service_user, service_user);
    if (entry->pw_uid == 0)
        return err_set(err, ERR_BAD_INPUT, "the server must not run as root; give --user an unprivileged user");
    out->uid = entry->pw_uid;
    out->gid = entry->pw_gid;
    return true;
}

static bool make_part(Arena *arena, const DataDir *data, const char *below, mode_t mode, bool for_service, Err *err)
{
    char *path = datadir_path(arena, data, below);
    if (!path)
        return err_too_big(err);
    if (!dir_make(path, mode, err))
        return false;
    if (chmod(path, mode) < 0 || (for_service && geteuid() == 0 && chown(path, data->uid, data->gid) < 0))
        return err_errno(err, "cannot set the owner of %s", path);
    return true;
}

bool datadir_create(Arena *arena, const char *dir, const DataDir *wanted, const char *service_user, DataDir *out, Err *err)
{
    DataDir made = *wanted;
    made.id = hex_id_new(arena, 32);
    if (!choose_user(service_user, &made, err) || !directory_is_free(dir, err) || !dir_make(dir, 0755, err))
        return false;
    char absolute[PATH_MAX];
    if (!realpath(dir, absolute))
        return err_errno(err, "cannot resolve %s", dir);
    made.dir = str_dup(arena, str_from(absolute));
    if (!made.dir.ptr || !made.id.ptr)
        return err_too_big(err);
    static const struct { const char *below; mode_t mode; bool for_service; } parts[] = {
        { "", 0755, false }, { "store", 0700, true }, { "run", 0755, true }, { "run/site", 0755, true }, { "host", 0711, false },
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!make_part(arena, &made, parts[i].below, parts[i].mode, parts[i].for_service, err))
            return false;
    if (geteuid() == 0 && !service_can_enter(&made, datadir_path(arena, &made, "store"), err))
        return false;
    *out = made;
    return true;
}

void datadir_undo(const DataDir *data)
{
    static const char *const parts[] = { "instance.json", "admin.json", "ca.pem", "store", "run", "host" };
    AUTO(arena_free_auto) Arena *arena = arena_new(64 * 1024);
    for (size_t i = 0; arena && i < COUNT_OF(parts); i++) {
        char *path = datadir_path(arena, data, parts[i]);
        Err ignored;                                    /* the first failure has been said already */
        if (path && !dir_remove_tree(path, &ignored))
            continue;
    }
}

Names datadir_names(const DataDir *data)
{
    return (Names){ .domain = data->domain, .aliases = data->aliases, .alias_count = data->alias_count, .port = data->port, .location = data->location };
}

char *datadir_path(Arena *arena, const DataDir *data, const char *below)
{
    return (char *)str_printf(arena, STR_FMT "/%s", STR_ARG(data->dir), below).ptr;
}

bool datadir_write(const DataDir *data, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(CARD_MAX_BYTES);
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    buf_init(&text, CARD_MAX_BYTES);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_int(&w, "version", 1);
    json_put_str(&w, "instanceId", data->id);
    json_put_str(&w, "domain", data->domain);
    names_write(&w, data->aliases, data->alias_count);
    json_put_str(&w, "location", data->location);
    json_put_int(&w, "port", data->port);
    json_put_int(&w, "lastPort", data->last_port);
    json_put_int(&w, "uid", (int64_t)data->uid);
    json_put_int(&w, "gid", (int64_t)data->gid);
    json_put_str(&w, "tenantId", data->tenant_id);
    json_close(&w);
    char *path = arena ? datadir_path(arena, data, "instance.json") : NULL;
    if (!path)
        return err_too_big(err);
    return json_end(&w, err) && file_replace(path, buf_bytes(&text), 0644, (uid_t)-1, (gid_t)-1, err);
}

typedef struct Card { int64_t version, port, last_port, uid, gid; Str id, domain, location, tenant_id; const JsonVal *names; } Card;
static const JsonField card_fields[] = {
    JSON_FIELD(Card, version, "version", JSON_REQUIRED),   JSON_FIELD(Card, id, "instanceId", JSON_REQUIRED),
    JSON_FIELD(Card, domain, "domain", JSON_REQUIRED),     JSON_FIELD(Card, location, "location", JSON_REQUIRED),
    JSON_FIELD(Card, port, "port", JSON_REQUIRED),         JSON_FIELD(Card, last_port, "lastPort", JSON_REQUIRED),
    JSON_FIELD(Card, uid, "uid", JSON_REQUIRED),           JSON_FIELD(Card, names, "names", JSON_OPTIONAL),
    JSON_FIELD(Card, gid, "gid", JSON_REQUIRED),           JSON_FIELD(Card, tenant_id, "tenantId", JSON_REQUIRED),
};

bool datadir_read(Arena *arena, const char *dir, DataDir *out, Err *err)
{
    char absolute[PATH_MAX];
    if (!realpath(dir, absolute))
        return err_set(err, ERR_NOT_FOUND, "%s does not exist; make it with: vaultyard init --data-dir %s", dir, dir);
    DataDir found = { .dir = str_dup(arena, str_from(absolute)) };
    char *path = found.dir.ptr ? datadir_path(arena, &found, "instance.json") : NULL;
    Str text;
    const JsonVal *root;
    Card card = { 0 };
    if (!path)
        return err_too_big(err);
    if (!file_read(arena, path, CARD_MAX_BYTES, &text, err)) {
        if (err->code == ERR_NOT_FOUND)
            return err_set(err, ERR_NOT_FOUND, "%s holds no Vaultyard; make it with: vaultyard init --data-dir %s", dir, dir);
        return false;
    }
    if (!json_parse(arena, text, JSON_STRICT, &root, err) || !json_read(root, "", card_fields, COUNT_OF(card_fields), &card, err))
        return false;
    if (card.version != 1 || card.port < 0 || card.port > 65535 || card.last_port < 0 || card.last_port > 65535 || card.uid < 0 || card.gid < 0)
        return err_set(err, ERR_BAD_INPUT, "%s was written by another version of Vaultyard or by hand", path);
    if (!names_read(arena, card.names, card.domain, &found.aliases, &found.alias_count, err))
        return false;
    found.id = card.id;
    found.domain = card.domain;
    found.location = card.location;
    found.port = (int)card.port;
    found.last_port = (int)card.last_port;
    found.uid = (uid_t)card.uid;
    found.gid = (gid_t)card.gid;
    found.tenant_id = card.tenant_id;
    *out = found;
    return true;
}

bool datadir_drop_privileges(const DataDir *data, Err *err)
{
    if (geteuid() != 0) {
        if (geteuid() != data->uid)
            return err_set(err, ERR_DENIED, "this data directory belongs to user id %u; run as that user or as root", (unsigned)data->uid);
    } else if (setgroups(0, NULL) < 0 || setresgid(data->gid, data->gid, data->gid) < 0 ||
               setresuid(data->uid, data->uid, data->uid) < 0) {
        return err_errno(err, "cannot become user id %u", (unsigned)data->uid);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "cannot give up new privileges");
    return true;
}

bool datadir_as_service(const DataDir *data, Err *err)
{
    if (geteuid() == 0 && (setegid(data->gid) < 0 || seteuid(data->uid) < 0))
        return err_errno(err, "cannot act as user id %u", (unsigned)data->uid);
    return true;
}

bool datadir_as_self(Err *err)
{
    if (geteuid() != getuid() && (seteuid(getuid()) < 0 || setegid(getgid()) < 0))
        return err_errno(err, "cannot act as user id %u again", (unsigned)getuid());
    return true;
}
