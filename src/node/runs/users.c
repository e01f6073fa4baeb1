/* users.c - the accounts that runs use. Lines are only ever appended, under the lock that useradd takes too (lckpwdf(3)). */
#include "node/runs/users.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

enum { COMMON_GID = 1000, POOL_UID = 1000, POOL_GID = 1001, NAMED_FIRST = 1002, NAMED_LAST = 59999, SLOT_FIRST = 60100, ACCOUNT_BYTES_MAX = 8 << 20, NAME_BYTES_MAX = 64 };
#define COMMON_GROUP "_azbatchgrp"
#define POOL_USER    "_azbatch"

/* The three files as they are, read under the lock. */
typedef struct Accounts { Arena *arena; const char *dir; int lock; Str passwd, group, shadow; } Accounts;
typedef struct Account { Str name, home; uid_t uid; gid_t gid; } Account;

gid_t users_mark(int slot) { return (gid_t)(SLOT_FIRST + slot); }
gid_t users_common_group(void) { return COMMON_GID; }

static bool read_file(Accounts *accounts, const char *name, Str *out, Err *err)
{
    Err missing = { 0 };
    *out = STR("");
    if (file_read(accounts->arena, str_printf(accounts->arena, "%s/%s", accounts->dir, name).ptr, ACCOUNT_BYTES_MAX, out, &missing) || missing.code == ERR_NOT_FOUND)
        return true;
    *err = missing;
    return false;
}

static void accounts_close(Accounts *accounts)
{
    fd_close(&accounts->lock);
    arena_free(accounts->arena);
}
DEFINE_AUTO_DONE(Accounts, accounts_close)

static bool accounts_open(const NodePlaces *places, Accounts *out, Err *err)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    *out = (Accounts){ .arena = arena_new(4 * ACCOUNT_BYTES_MAX), .dir = places->etc_dir, .lock = -1 };
    if (!out->arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const char *lock = str_printf(out->arena, "%s/.pwd.lock", places->etc_dir).ptr;
    out->lock = open(lock, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out->lock < 0 || fcntl(out->lock, F_OFD_SETLKW, &whole) < 0)
        return err_errno(err, "cannot lock %s", lock);
    return read_file(out, "passwd", &out->passwd, err) && read_file(out, "group", &out->group, err) && read_file(out, "shadow", &out->shadow, err);
}

/* The n-th field of a line, n from 0. */
static Str column(Str line, int n)
{
    Str text = STR_NONE;
    for (int i = 0; i <= n; i++)
        text = str_cut(&line, ':');
    return text;
}

static int64_t id_of(Str text)
{
    Err ignored;
    int64_t id;
    return str_to_int64(text, 0, UINT32_MAX - 1, &id, &ignored) ? id : -1;
}

/* The first line whose column holds the text; absent if none. */
static Str find_line(Str file, int n, Str text)
{
    for (Str rest = file; rest.ptr;) {
        Str line = str_cut(&rest, '\n');
        if (line.len && str_eq(column(line, n), text))
            return line;
    }
    return STR_NONE;
}

static Str find_id(const Accounts *accounts, Str file, int64_t id) { return find_line(file, 2, str_printf(accounts->arena, "%lld", (long long)id)); }

static bool find_account(const Accounts *accounts, Str name, Account *out)
{
    Str line = find_line(accounts->passwd, 0, name);
    int64_t uid = id_of(column(line, 2)), gid = id_of(column(line, 3));
    *out = (Account){ .name = name, .home = column(line, 5), .uid = (uid_t)uid, .gid = (gid_t)gid };
    return line.ptr && uid >= 0 && gid >= 0;
}

/* One write, so that a reader sees the line whole or not at all. A file cut short by a power loss gets its line end first. */
static bool append(Accounts *accounts, const char *name, Str *file, Str line, Err *err)
{
    Str text = str_printf(accounts->arena, "%s" STR_FMT "\n", file->len && !str_ends(*file, STR("\n")) ? "\n" : "", STR_ARG(line));
    const char *path = str_printf(accounts->arena, "%s/%s", accounts->dir, name).ptr;
    if (!arena_ok(accounts->arena))
        return err_too_big(err);
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, strcmp(name, "shadow") == 0 ? 0640 : 0644);
    if (fd < 0 || write(fd, text.ptr, text.len) != (ssize_t)text.len)
        return err_errno(err, "cannot write %s", path);
    *file = str_printf(accounts->arena, STR_FMT STR_FMT, STR_ARG(*file), STR_ARG(text));
    return arena_ok(accounts->arena) || err_too_big(err);
}

static bool add_group(Accounts *accounts, Str name, gid_t gid, Str member, Err *err)
{
    Str line = find_line(accounts->group, 0, name);
    if (line.ptr)
        return id_of(column(line, 2)) == (int64_t)gid || err_set(err, ERR_CONFLICT, "the group '" STR_FMT "' of this node has another id than %u", STR_ARG(name), gid);
    return append(accounts, "group", &accounts->group, str_printf(accounts->arena, STR_FMT ":x:%u:" STR_FMT, STR_ARG(name), gid, STR_ARG(member)), err);
}

/* No password opens it (shadow(5): '*'). */
static bool add_user(Accounts *accounts, const Account *account, const char *shell, Err *err)
{
    Account found;
    if (find_account(accounts, account->name, &found) && found.uid != account->uid)
        return err_set(err, ERR_CONFLICT, "the user '" STR_FMT "' of this node has the id %u and not %u", STR_ARG(account->name), found.uid, account->uid);
    Str taken = find_id(accounts, accounts->passwd, account->uid);
    if (taken.ptr && !str_eq(column(taken, 0), account->name))
        return err_set(err, ERR_CONFLICT, "the id %u of user '" STR_FMT "' belongs to '" STR_FMT "' on this node", account->uid, STR_ARG(account->name), STR_ARG(column(taken, 0)));
    if (!taken.ptr &&
        !append(accounts, "passwd", &accounts->passwd,
                str_printf(accounts->arena, STR_FMT ":x:%u:%u::" STR_FMT ":%s", STR_ARG(account->name), account->uid, account->gid, STR_ARG(account->home), shell), err))
        return false;
    return find_line(accounts->shadow, 0, account->name).ptr ||
           append(accounts, "shadow", &accounts->shadow, str_printf(accounts->arena, STR_FMT ":*:19000:0:99999:7:::", STR_ARG(account->name)), err);
}

bool users_set_up(const NodePlaces *places, Err *err)
{
    AUTO(accounts_close_auto) Accounts accounts = { .lock = -1 };
    if (geteuid() != 0)
        return true;
    Str home = STR(NODE_TASKS_DIR "/shared");
    return accounts_open(places, &accounts, err) && add_group(&accounts, STR(COMMON_GROUP), COMMON_GID, STR(POOL_USER), err) &&
           add_group(&accounts, STR(POOL_USER), POOL_GID, STR(""), err) &&
           add_user(&accounts, &(Account){ STR(POOL_USER), home, POOL_UID, POOL_GID }, "/bin/bash", err);
}

/* -- named accounts -- */

/* useradd's own rule, and nothing that could leave a line of passwd. */
static bool is_user_name(Str name)
{
    bool good = name.len > 0 && name.len <= 32 && name.ptr[0] != '-';
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9' && i > 0) || c == '_' || (c == '-' && i > 0) || (c == '.' && i > 0);
    }
    return good;
}

static bool is_for_people(uid_t uid) { return uid > POOL_UID && !(uid >= SLOT_FIRST && uid < SLOT_FIRST + USER_SLOTS) && uid != 65534; }

static uint32_t free_id(const Accounts *accounts)
{
    uint32_t id = NAMED_FIRST;
    while (id <= NAMED_LAST && (find_id(accounts, accounts->passwd, id).ptr || find_id(accounts, accounts->group, id).ptr))
        id++;
    return id;
}

static bool make_home(const char *home, uid_t uid, gid_t gid, Err *err)
{
    if (mkdir(home, 0700) < 0)
        return errno == EEXIST || err_errno(err, "cannot make %s", home);
    return chown(home, uid, gid) == 0 || err_errno(err, "cannot hand over %s", home);
}

typedef struct NamedIn { Str name; bool admin; OptInt uid, gid; } NamedIn;
static const JsonField named_fields[] = {
    JSON_FIELD(NamedIn, name, "name", JSON_REQUIRED), JSON_FIELD(NamedIn, admin, "admin", JSON_OPTIONAL),
    JSON_FIELD(NamedIn, uid,  "uid",  JSON_OPTIONAL), JSON_FIELD(NamedIn, gid,   "gid",   JSON_OPTIONAL),
};

static bool apply_one(const NodePlaces *places, Accounts *accounts, const JsonVal *item, Err *err)
{
    NamedIn in = { 0 };
    Account account;
    if (!json_read(item, "users", named_fields, COUNT_OF(named_fields), &in, err))
        return false;
    if (!is_user_name(in.name))
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' cannot be the name of a user on Linux", STR_ARG(str_slice(in.name, 0, 80)));
    bool is_known = find_account(accounts, in.name, &account);
    if (!is_known || in.uid.set) {
        uint32_t id = in.uid.set && in.uid.value > 0 && in.uid.value < UINT32_MAX ? (uint32_t)in.uid.value : free_id(accounts);
        account = (Account){ .name = in.name, .uid = id, .gid = in.gid.set && in.gid.value > 0 && in.gid.value < UINT32_MAX ? (uint32_t)in.gid.value : id };
    }
    account.home = str_printf(accounts->arena, "/home/" STR_FMT, STR_ARG(in.name));
    if (!is_for_people(account.uid))
        return err_set(err, ERR_CONFLICT, "the user '" STR_FMT "' cannot be an account of the pool: the id %u belongs to this node itself", STR_ARG(in.name), account.uid);
    bool has_group = find_id(accounts, accounts->group, account.gid).ptr != NULL;
    return (has_group || add_group(accounts, in.name, account.gid, STR(""), err)) && add_user(accounts, &account, "/bin/bash", err) &&
           make_home(str_printf(accounts->arena, "%s/" STR_FMT, places->home_dir, STR_ARG(in.name)).ptr, account.uid, account.gid, err);
}

bool users_apply(const NodePlaces *places, const JsonVal *list, Err *err)
{
    AUTO(accounts_close_auto) Accounts accounts = { .lock = -1 };
    bool done = true;
    if (geteuid() != 0 || json_count(list) == 0)
        return true;
    if (!accounts_open(places, &accounts, err))
        return false;
    for (size_t i = 0; i < json_count(list); i++)
        done = apply_one(places, &accounts, json_at(list, i), err) && done;
    return done;
}

/* -- of a run -- */

static void add_to(RunUser *user, gid_t gid)
{
    for (size_t i = 0; i < user->group_count; i++)
        if (user->groups[i] == gid)
            return;
    if (user->group_count < USER_GROUPS_MAX)
        user->groups[user->group_count++] = gid;
}

/* Groups that an administrator put the user in. */
static void add_memberships(const Accounts *accounts, RunUser *user)
{
    for (Str rest = accounts->group; rest.ptr;) {
        Str line = str_cut(&rest, '\n'), members = column(line, 3);
        int64_t gid = id_of(column(line, 2));
        while (gid >= 0 && members.ptr)
            if (str_eq(str_cut(&members, ','), str_from(user->name)))
                add_to(user, (gid_t)gid);
    }
}

static bool take_account(Accounts *accounts, Arena *arena, const RunSpec *spec, int slot, RunUser *user, Err *err)
{
    Account account = { .name = spec->user_name };
    Str name = slot == 0 ? STR("_azbatchtask_start") : str_printf(accounts->arena, "_azbatchtask_%d", slot);
    user->mark = users_mark(slot);
    if (!add_group(accounts, name, user->mark, STR(""), err))
        return false;
    if (spec->scope == SCOPE_NAMED) {
        if (!find_account(accounts, account.name, &account) || !is_for_people(account.uid))
            return err_set(err, ERR_NOT_FOUND, "this node has no user account '" STR_FMT "'", STR_ARG(spec->user_name));
        user->home = str_dup(arena, account.home).ptr;
    } else if (spec->is_admin) {
        account = (Account){ .name = STR("root") };
    } else if (spec->scope == SCOPE_POOL) {
        account = (Account){ STR(POOL_USER), STR_NONE, POOL_UID, POOL_GID };
    } else {
        account = (Account){ name, STR(NODE_TASKS_DIR "/shared"), user->mark, user->mark };
        if (!add_user(accounts, &account, "/bin/bash", err))
            return false;
    }
    user->name = str_dup(arena, account.name).ptr;
    user->uid = account.uid;
    user->gid = account.gid;
    user->is_root = account.uid == 0;
    user->is_admin = spec->is_admin;
    add_to(user, account.gid);
    add_to(user, COMMON_GID);
    add_to(user, user->mark);
    if (user->name)
        add_memberships(accounts, user);
    return arena_ok(arena) || err_too_big(err);
}

bool users_named(const NodePlaces *places, Arena *arena, Str name, RunUser *out, Err *err)
{
    AUTO(accounts_close_auto) Accounts accounts = { .lock = -1 };
    Account account;
    if (!accounts_open(places, &accounts, err))
        return false;
    if (!find_account(&accounts, name, &account) || !is_for_people(account.uid))
        return err_set(err, ERR_NOT_FOUND, "this node has no user account '" STR_FMT "'", STR_ARG(str_slice(name, 0, 80)));
    *out = (RunUser){ .name = str_dup(arena, name).ptr, .home = str_dup(arena, account.home).ptr, .uid = account.uid, .gid = account.gid, .switches = true };
    return arena_ok(arena) || err_too_big(err);
}

bool users_of_run(const NodePlaces *places, Arena *arena, const RunSpec *spec, int slot, RunUser *out, Err *err)
{
    AUTO(accounts_close_auto) Accounts accounts = { .lock = -1 };
    *out = (RunUser){ .uid = geteuid(), .gid = getegid() };
    if (geteuid() == 0) {
        out->switches = true;
        return accounts_open(places, &accounts, err) && take_account(&accounts, arena, spec, slot, out, err);
    }
    if (spec->is_admin)
        return err_set(err, ERR_DENIED, "the agent of this node is not root, so it has no administrators");
    if (spec->scope == SCOPE_NAMED)
        return err_set(err, ERR_NOT_FOUND, "the agent of this node is not root, so it has no user account '" STR_FMT "'", STR_ARG(spec->user_name));
    out->name = str_printf(arena, "%u", (unsigned)geteuid()).ptr;
    return out->name || err_too_big(err);
}
