/* diagnostic_logs.c - carries audit records into the files that diagnostic settings ask for. The place is kept after the files are on disk. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "audit/tail.h"
#include "base/file.h"
#include "base/log.h"
#include "keyvault/vaults/diagnostics.h"

enum { RECORDS_MAX = 500, TARGETS_MAX = 4096, RECORD_ARENA = 1 << 20 };

typedef struct Target { Str resource_id, account; } Target;
typedef struct Logs {
    KeyVault  *kv;
    Arena     *arena;
    Target    *targets;
    size_t     count;
    bool       has_place;
    AuditPlace place;
    char      *path;                    /* of the open file; NULL: none */
    int        fd;
} Logs;

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Logs *logs = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL, *place = NULL;
    logs->count = 0;
    if (!txn_query(txn, &rows, err, "SELECT d.vault, d.storage FROM kv_diagnostic d LIMIT ?1", db_int(TARGETS_MAX)) ||
        !txn_query(txn, &place, err, "SELECT writes, reads FROM kv_diagnostic_place WHERE id = 1"))
        return false;
    *err = (Err){ 0 };
    while (rows_next(rows, err)) {
        Vault vault;
        bool found;
        if (!vault_by_id(logs->kv, txn, logs->arena, row_text(rows, 0), &vault, &found, err))
            return false;
        Str account = diagnostic_account(str_dup(logs->arena, row_text(rows, 1)));
        if (found && account.ptr)
            logs->targets[logs->count++] = (Target){ vault.resource_id, account };
    }
    if (err->code != ERR_NONE)
        return false;
    logs->has_place = rows_next(place, err);
    if (logs->has_place)
        logs->place = (AuditPlace){ .writes = row_int(place, 0), .reads = row_int(place, 1) };
    return err->code == ERR_NONE;
}

bool keyvault_hold_audit(void *ctx, Txn *txn, AuditPlace *most, Err *err)
{
    (void)ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT writes, reads FROM kv_diagnostic_place WHERE id = 1"))
        return false;
    *err = (Err){ 0 };
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    AuditPlace place = { .writes = row_int(rows, 0), .reads = row_int(rows, 1) };
    most->writes = place.writes < most->writes ? place.writes : most->writes;
    most->reads = place.reads < most->reads ? place.reads : most->reads;
    return true;
}

static bool keep_txn(Txn *txn, void *ctx, Err *err)
{
    const Logs *logs = ctx;
    return txn_exec(txn, NULL, err, "UPDATE kv_diagnostic_place SET writes = ?1, reads = ?2 WHERE id = 1", db_int(logs->place.writes), db_int(logs->place.reads));
}

static bool forget_txn(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return txn_exec(txn, NULL, err, "DELETE FROM kv_diagnostic_place WHERE NOT EXISTS (SELECT 1 FROM kv_diagnostic)");
}

static bool close_file(Logs *logs, Err *err)
{
    bool good = logs->fd < 0 || fdatasync(logs->fd) == 0 || err_errno(err, "cannot keep '%s'", logs->path ? logs->path : "a log");
    fd_close(&logs->fd);
    logs->fd = -1;
    logs->path = NULL;
    return good;
}

/* `time` is "2026-11-22T10:27:00.0000000Z", as records have it. */
static bool open_file(Logs *logs, Arena *arena, const Target *target, Str time, Err *err)
{
    Str id = str_upper(arena, target->resource_id);
    Str dir = str_printf(arena, "%s/" STR_FMT "/insights-logs-auditevent/resourceId=" STR_FMT "/y=%.4s/m=%.2s/d=%.2s/h=%.2s/m=00", logs->kv->logs_dir, STR_ARG(target->account),
                         STR_ARG(id), time.ptr, time.ptr + 5, time.ptr + 8, time.ptr + 11);
    Str path = str_printf(arena, STR_FMT "/PT1H.json", STR_ARG(dir));
    if (!arena_ok(arena))
        return err_too_big(err);
    if (logs->path && str_eq(str_from(logs->path), path))
        return true;
    const char *dir_path = str_to_cstr(arena, dir, err);
    char *file_path = str_to_cstr(logs->arena, path, err);
    if (!dir_path || !file_path || !close_file(logs, err) || !dir_make(dir_path, 0750, err))
        return false;
    logs->fd = open(file_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (logs->fd < 0)
        return err_errno(err, "cannot open '%s'", file_path);
    logs->path = file_path;
    return true;
}

static bool append(const Logs *logs, Str line, Err *err)
{
    while (line.len > 0) {
        ssize_t written = write(logs->fd, line.ptr, line.len);
        if (written < 0 && errno != EINTR)
            return err_errno(err, "cannot write '%s'", logs->path);
        if (written > 0)
            line = str_slice(line, (size_t)written, line.len);
    }
    return true;
}

static bool see(void *ctx, Str record, Err *err)
{
    Logs *logs = ctx;
    AUTO(arena_free_auto) Arena *arena = arena_new(RECORD_ARENA);
    const JsonVal *json;
    if (!arena)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!json_parse(arena, record, JSON_STRICT, &json, err))
        return err_set(err, ERR_INTERNAL, "an audit record cannot be read");
    Str resource_id = json_str(json_get(json, "resourceId")), time = json_str(json_get(json, "time"));
    for (size_t i = 0; i < logs->count; i++) {
        if (!str_eq_nocase(logs->targets[i].resource_id, resource_id) || time.len < 14)
            continue;
        Str line = str_printf(arena, STR_FMT "\n", STR_ARG(record));
        if (!open_file(logs, arena, &logs->targets[i], time, err) || !append(logs, line, err))
            return false;
    }
    return true;
}

bool diagnostic_logs_run(void *ctx, Arena *arena, const RunnerJob *job, int64_t now_ms, int64_t *again_ms, Err *err)
{
    KeyVault *kv = ctx;
    Logs logs = { .kv = kv, .arena = arena, .fd = -1, .targets = ARENA_ARRAY(arena, Target, TARGETS_MAX) };
    bool more = true;
    (void)job;
    if (!logs.targets)
        return err_too_big(err);
    if (!store_read(kv->site->store, read_txn, &logs, err))
        return false;
    if (logs.count == 0 || !logs.has_place)
        return store_write(kv->site->store, forget_txn, NULL, err);
    if (!kv->logs_dir)
        return err_set(err, ERR_UNAVAILABLE, "diagnostic settings of vaults want files, and the server was started without --audit-logs");
    bool good = true;
    for (int round = 0; good && more && round < 100; round++) {
        AuditPlace before = logs.place;
        good = audit_tail(kv->site->audit, &logs.place, RECORDS_MAX, see, &logs, &more, err);
        bool closed = close_file(&logs, good ? err : &(Err){ 0 });
        good = good && closed;
        bool moved = logs.place.writes != before.writes || logs.place.reads != before.reads;
        good = good && (!moved || store_write(kv->site->store, keep_txn, &logs, err));
    }
    *again_ms = now_ms + (more ? 1 : LOGS_EVERY_MS);
    return good;
}
