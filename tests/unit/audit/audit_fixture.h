/* audit_fixture.h - a store with its seal and audit, and the ways to tamper with the records. */
#pragma once
#include "../store/store_fixture.h"
#include "audit/audit.h"

typedef struct Books { Place place; char root[96], dir[96], log[128]; Seal *seal; Audit *audit; } Books;

static inline void books_open(Books *b)
{
    place_open(&b->place);
    must(seal_open(b->place.store, b->root, &b->seal, E));
    must(audit_open(b->place.store, b->seal, b->dir, &b->audit, E));
}

static inline void books_close(Books *b)
{
    audit_close(TAKE(b->audit));
    seal_close(TAKE(b->seal));
    place_close(&b->place);
}

/* Everything but the audit: its files can be changed and verified. */
static inline void books_shut_audit(Books *b)
{
    audit_close(TAKE(b->audit));
}

static inline void books_prepare(Books *b)
{
    *b = (Books){ 0 };
    place_make(&b->place);
    (void)snprintf(b->root, sizeof b->root, "%s/root.key", b->place.dir);
    (void)snprintf(b->dir, sizeof b->dir, "%s/audit", b->place.dir);
    (void)snprintf(b->log, sizeof b->log, "%s/reads.log", b->dir);
    must(dir_make(b->dir, 0700, E));
    must(seal_make_root_file(b->root, E));
}

static inline void books_make(Books *b)
{
    books_prepare(b);
    books_open(b);
}

static inline void books_done(Books *b)
{
    audit_close(b->audit);
    seal_close(b->seal);
    place_done(&b->place);
}

static inline AuditRecord record_of(const char *operation)
{
    return (AuditRecord){
        .time_ms = 1700000000000, .resource_id = STR("/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"),
        .operation = str_from(operation), .operation_version = STR("7.4"), .category = STR("AuditEvent"), .http_status = 200, .result_description = STR(""), .duration_ms = 3,
        .caller_ip = STR("127.0.0.1"), .correlation_id = STR("c"), .caller_object_id = STR("oid-1"), .caller_app_id = STR("app-1"), .caller_tenant_id = STR("tid-1"),
        .client_info = STR("test"), .request_uri = STR("https://v.vault.vaultyard.localhost/secrets/a?api-version=7.4"), .object_id = STR("https://v.vault.vaultyard.localhost/secrets/a"),
    };
}

static inline void note_reads(Books *b, int count)
{
    AuditRecord record = record_of("SecretGet");
    for (int i = 0; i < count; i++)
        must(audit_read(b->audit, &record, E));
}

typedef struct WriteCall { Audit *audit; AuditRecord record; bool fails; } WriteCall;

static inline bool do_audit_write(Txn *txn, void *ctx, Err *err)
{
    WriteCall *call = ctx;
    if (!audit_write(call->audit, txn, &call->record, err))
        return false;
    return call->fails ? err_set(err, ERR_DENIED, "no") : true;
}

static inline void note_writes(Books *b, int count)
{
    WriteCall call = { .audit = b->audit, .record = record_of("SecretSet") };
    for (int i = 0; i < count; i++)
        must(store_write(b->place.store, do_audit_write, &call, E));
}

static inline void is_sound(Books *b, int64_t records)
{
    AuditReport report;
    must(audit_verify(b->place.store, b->seal, b->dir, &report, E));
    if (!report.sound)
        fail_msg("not sound: %s", report.finding);
    assert_int_equal(report.records, records);
}

static inline void finds(Books *b, const char *words)
{
    AuditReport report;
    must(audit_verify(b->place.store, b->seal, b->dir, &report, E));
    assert_false(report.sound);
    if (!strstr(report.finding, words))
        fail_msg("'%s' does not say '%s'", report.finding, words);
}

/* ---- the file of the reads as lines ---- */

typedef struct Lines { Arena *arena; Str line[512]; size_t count; } Lines;      /* each with its line break, if it has one */

static inline void lines_load(Books *b, Lines *lines)
{
    Str text;
    *lines = (Lines){ .arena = arena_new(8 << 20) };
    must(file_read(lines->arena, b->log, 4 << 20, &text, E));
    while (text.len && lines->count < COUNT_OF(lines->line)) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) + 1 : text.len;
        lines->line[lines->count++] = str_slice(text, 0, len);
        text = str_slice(text, len, text.len);
    }
}

static inline void lines_save(Books *b, Lines *lines)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    buf_init(&buf, 8 << 20);
    for (size_t i = 0; i < lines->count; i++)
        buf_put_str(&buf, lines->line[i]);
    must(file_replace(b->log, buf_bytes(&buf), 0600, (uid_t)-1, (gid_t)-1, E));
    arena_free(TAKE(lines->arena));
}

static inline void lines_drop(Lines *lines, size_t at)
{
    memmove(&lines->line[at], &lines->line[at + 1], (--lines->count - at) * sizeof lines->line[0]);
}
