/* extension.c - extension statuses: read from leases, judged, shown as instance views. */
#include "batch/pools/extension.h"
#include "batch/pools/pool_shape.h"

enum { REPORT_MAX = 128 * 1024, EXTENSIONS_MAX = 32, STATUSES_MAX = 16, TEXT_MAX = 4096 };

static const ShapeField reason_fields[] = {
    { "code",    NULL, SHAPE_TEXT, SHAPE_NEEDED, 1, 128 },
    { "message", NULL, SHAPE_TEXT, .max = TEXT_MAX },
    { NULL }
};
static const char *const level_words[] = { "Info", "Warning", "Error", NULL };
static const ShapeField status_fields[] = {
    { "code",          NULL, SHAPE_TEXT, SHAPE_NEEDED, 1, 128 },
    { "level",         NULL, SHAPE_WORD, .words = level_words },
    { "displayStatus", NULL, SHAPE_TEXT, .max = 256 },
    { "message",       NULL, SHAPE_TEXT, .max = TEXT_MAX },
    { "time",          NULL, SHAPE_TEXT, .max = 64 },
    { NULL }
};
static const ShapeField item_fields[] = {
    { "name",     NULL, SHAPE_TEXT, SHAPE_NEEDED, 1, 128 },
    { "statuses", NULL, SHAPE_OBJECTS, .max = STATUSES_MAX, .fields = status_fields },
    { NULL }
};
static const ShapeField report_fields[] = {
    { "reason",     NULL, SHAPE_OBJECT, .fields = reason_fields },
    { "extensions", NULL, SHAPE_OBJECTS, .max = EXTENSIONS_MAX, .fields = item_fields },
    { NULL }
};

bool report_read(Arena *arena, const JsonVal *body, Str *report, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, REPORT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (!shape_read_known(arena, report_fields, body, &w, err))
        return false;
    json_close(&w);
    if (buf.failed)
        return err_field(err, "extensions", "the extensions' statuses are longer than 128 KiB together");
    if (!json_end(&w, err))
        return false;
    *report = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}

static const JsonVal *statuses_of(const JsonVal *report, Str name)
{
    const JsonVal *list = json_get(report, "extensions");
    for (size_t i = 0; i < json_count(list); i++)
        if (str_eq_nocase(json_str(json_get(json_at(list, i), "name")), name))
            return json_get(json_at(list, i), "statuses");
    return NULL;
}

/* The machine agent's codes: ProvisioningState/succeeded, ProvisioningState/failed/<n>, ProvisioningState/transitioning. */
static FirstSync judge(const JsonVal *statuses, Str *reason)
{
    FirstSync sync = FIRST_SYNC_WAITING;
    for (size_t i = 0; i < json_count(statuses); i++) {
        const JsonVal *status = json_at(statuses, i);
        Str code = json_str(json_get(status, "code"));
        if (str_starts_nocase(code, STR("ProvisioningState/failed")) || str_eq_nocase(json_str(json_get(status, "level")), STR("Error"))) {
            *reason = json_str(json_get(status, "message"));
            return FIRST_SYNC_FAILED;
        }
        if (str_starts_nocase(code, STR("ProvisioningState/succeeded")))
            sync = FIRST_SYNC_DONE;
    }
    return sync;
}

FirstSync report_first_sync(const JsonVal *report, const PoolExtension *list, size_t count, Str *name, Str *reason)
{
    FirstSync all = FIRST_SYNC_DONE;
    for (size_t i = 0; i < count; i++) {
        if (!list[i].needs_first_sync)
            continue;
        FirstSync one = judge(statuses_of(report, list[i].name), reason);
        *name = list[i].name;
        if (one == FIRST_SYNC_FAILED)
            return one;
        if (one == FIRST_SYNC_WAITING)
            all = one;
    }
    return all;
}

void extension_write_members(Arena *arena, const PoolExtension *extension, const JsonVal *report, JsonWriter *w)
{
    const JsonVal *statuses = statuses_of(report, extension->name);
    Str ignored = STR("");
    FirstSync sync = judge(statuses, &ignored);
    json_put_str(w, "provisioningState", sync == FIRST_SYNC_DONE ? STR("Succeeded") : sync == FIRST_SYNC_FAILED ? STR("Failed") : STR("Creating"));
    json_open(w, "vmExtension");
    shape_write(arena, extension_fields, SPELL_DATA, extension->all, w);
    json_close(w);
    json_open(w, "instanceView");
    json_put_str(w, "name", extension->name);
    json_open_array(w, "statuses");
    for (size_t i = 0; i < json_count(statuses); i++)
        json_put_value(w, NULL, json_at(statuses, i));
    json_close_array(w);
    json_close(w);
}
