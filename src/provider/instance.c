/* instance.c - where an installation lies and what it is called on this machine. */
#include "provider/instance.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "json/write.h"

enum { INSTANCE_BYTES_MAX = 64 * 1024, ID_DIGITS = 32, SHORT_DIGITS = 8 };

typedef struct InstanceIn { int64_t version, uid, gid; Str id; } InstanceIn;
static const JsonField instance_fields[] = {
    JSON_FIELD(InstanceIn, version, "version",    JSON_REQUIRED),
    JSON_FIELD(InstanceIn, id,      "instanceId", JSON_REQUIRED),
    JSON_FIELD(InstanceIn, uid,     "uid",        JSON_REQUIRED),
    JSON_FIELD(InstanceIn, gid,     "gid",        JSON_REQUIRED),
};

/* Also of a directory that is gone: then by its name alone. */
static bool path_absolute(const char *path, char out[PATH_MAX], Err *err)
{
    char cwd[PATH_MAX] = "";
    if (realpath(path, out))
        return true;
    if (errno != ENOENT)
        return err_set(err, ERR_BAD_INPUT, "the data directory %s cannot be reached: %s", path, strerror(errno));
    if (path[0] != '/' && !getcwd(cwd, sizeof cwd))
        return err_errno(err, "cannot find the working directory");
    int len = snprintf(out, PATH_MAX, "%s%s%s", cwd, cwd[0] ? "/" : "", path);
    if (len <= 0 || len >= PATH_MAX)
        return err_set(err, ERR_BAD_INPUT, "the path %.60s... is too long", path);
    while (len > 1 && out[len - 1] == '/')
        out[--len] = '\0';
    return true;
}

bool instance_named(Arena *arena, const char *data_dir, Str id, Instance *out, Err *err)
{
    bool is_hex = id.len == ID_DIGITS;
    for (size_t i = 0; is_hex && i < id.len; i++)
        is_hex = (id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f');
    if (!is_hex)
        return err_field(err, "instanceId", "'instanceId' of %s must be %d lower-case hex digits", data_dir, ID_DIGITS);

    char absolute[PATH_MAX];
    if (!path_absolute(data_dir, absolute, err))
        return false;
    Str group = str_printf(arena, "vaultyard-%.*s", SHORT_DIGITS, id.ptr);
    *out = (Instance){
        .data_dir  = str_printf(arena, "%s", absolute).ptr,
        .host_dir  = str_printf(arena, "%s/host", absolute).ptr,
        .nodes_dir = str_printf(arena, "%s/host/nodes", absolute).ptr,
        .site_dir  = str_printf(arena, "%s/run/site", absolute).ptr,
        .ca_path   = str_printf(arena, "%s/ca.pem", absolute).ptr,
        .group     = group.ptr,
        .state_dir = str_printf(arena, "/run/" STR_FMT, STR_ARG(group)).ptr,
        .id        = str_dup(arena, id),
    };
    return arena_ok(arena) || err_too_big(err);
}

bool instance_read(Arena *arena, const char *data_dir, Instance *out, Err *err)
{
    Str path = str_printf(arena, "%s/instance.json", data_dir), text;
    const JsonVal *root;
    InstanceIn in = { 0 };
    if (!path.ptr)
        return err_too_big(err);
    if (!file_read(arena, path.ptr, INSTANCE_BYTES_MAX, &text, err))
        return err->code == ERR_NOT_FOUND
            ? err_set(err, ERR_NOT_FOUND, "%s holds no installation: run `vaultyard init --data-dir %s` first", data_dir, data_dir) : false;
    if (!json_parse(arena, text, JSON_STRICT, &root, err) ||
        !json_read(root, path.ptr, instance_fields, COUNT_OF(instance_fields), &in, err))
        return false;
    if (in.version != 1)
        return err_field(err, "version", "%s has version %lld; this program knows version 1", path.ptr, (long long)in.version);
    if (in.uid < 0 || in.uid >= UINT32_MAX || in.gid < 0 || in.gid >= UINT32_MAX)
        return err_field(err, "uid", "'uid' and 'gid' in %s must be ids of this machine", path.ptr);
    if (!instance_named(arena, data_dir, in.id, out, err))
        return false;
    out->uid = (uid_t)in.uid;
    out->gid = (gid_t)in.gid;
    return true;
}

bool instance_announce(const Instance *instance, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    char path[PATH_MAX];
    buf_init(&text, INSTANCE_BYTES_MAX);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_str(&w, "instanceId", instance->id);
    json_put_str(&w, "dataDir", str_from(instance->data_dir));
    json_close(&w);
    (void)snprintf(path, sizeof path, "%s/instance.json", instance->state_dir);
    return json_end(&w, err) && dir_make(instance->state_dir, 0711, err) &&
           file_replace(path, buf_bytes(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

typedef struct NoteIn { Str id, data_dir; } NoteIn;
static const JsonField note_fields[] = {
    JSON_FIELD(NoteIn, id,       "instanceId", JSON_REQUIRED),
    JSON_FIELD(NoteIn, data_dir, "dataDir",    JSON_REQUIRED),
};

bool instance_lookup(Arena *arena, const char *data_dir, Instance *out, Err *err)
{
    char absolute[PATH_MAX];
    if (!path_absolute(data_dir, absolute, err))
        return false;
    DIR *run = opendir("/run");
    if (!run)
        return err_errno(err, "cannot list /run");
    Str id = STR_NONE;
    for (struct dirent *entry; str_empty(id) && (entry = readdir(run));) {
        char path[PATH_MAX];
        Str text;
        const JsonVal *root;
        NoteIn in = { 0 };
        Err ignored;                                    /* another's directory, or half a note */
        if (!str_starts(str_from(entry->d_name), STR("vaultyard-")))
            continue;
        (void)snprintf(path, sizeof path, "/run/%s/instance.json", entry->d_name);
        if (file_read(arena, path, INSTANCE_BYTES_MAX, &text, &ignored) && json_parse(arena, text, JSON_STRICT, &root, &ignored) &&
            json_read(root, "", note_fields, COUNT_OF(note_fields), &in, &ignored) && str_eq(in.data_dir, str_from(absolute)))
            id = in.id;
    }
    (void)closedir(run);
    if (str_empty(id))
        return err_set(err, ERR_NOT_FOUND, "neither %s nor anything on this machine tells of an installation there", absolute);
    return instance_named(arena, data_dir, id, out, err);
}

bool instance_check_owner(const Instance *instance, Err *err)
{
    struct stat st;
    if (stat(instance->data_dir, &st) < 0)
        return err_errno(err, "cannot look at %s", instance->data_dir);
    if (st.st_uid != 0 || (st.st_mode & 022))
        return err_set(err, ERR_BAD_INPUT, "%s must belong to root and be writable by root only, or its owner could turn the host against the machine: "
                       "make it with `vaultyard init` as root", instance->data_dir);

    char part[PATH_MAX];
    (void)snprintf(part, sizeof part, "%s", instance->data_dir);
    for (char *slash; (slash = strrchr(part, '/')) && slash != part;) {
        if (stat(part, &st) < 0)
            return err_errno(err, "cannot look at %s", part);
        if (!(st.st_mode & S_IXOTH))
            return err_set(err, ERR_BAD_INPUT, "%s is closed to others, so nodes cannot reach their disks below it: `chmod o+x %s`, or use another data directory",
                           part, part);
        *slash = '\0';
    }
    return true;
}
