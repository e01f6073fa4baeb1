/* pool_body.c - reading a pool from a request, and writing its document again. */
#include "batch/pools/pool_body.h"
#include <stdio.h>
#include "base/clock.h"
#include "batch/certificates/account_certificate_refs.h"
#include "batch/jobs/task_shape.h"
#include "batch/pools/pool_check.h"
#include "batch/pools/pool_shape.h"

enum { DOCUMENT_MAX = 1024 * 1024, SLOTS_MAX = 256 };

static bool refuse(Err *err, ErrCode code, const char *name, const char *field, const char *text)
{
    err_named(err, code, name, NULL, "%s: %s", field, text);
    (void)snprintf(err->target, sizeof err->target, "%s", field);
    return false;
}

static const JsonVal *given(const JsonVal *object, const char *name)
{
    const JsonVal *v = json_get(object, name);
    return json_kind(v) == JSON_NULL ? NULL : v;
}

static bool read_size(const JsonVal *object, const char *name, const char *where, PoolSpec *out, Err *err)
{
    const JsonVal *v = given(object, name);
    if (!v)
        return true;
    if (json_kind(v) != JSON_STR || str_empty(json_str(v)))
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, "must be the name of a machine size, such as \"STANDARD_DS2_V2\"");
    out->vm_size = json_str(v);
    return true;
}

static bool read_slots(const JsonVal *object, const char *where, PoolSpec *out, Err *err)
{
    const JsonVal *v = given(object, "taskSlotsPerNode");
    if (!v)
        return true;
    out->slots = json_int(v, 0);
    if (json_kind(v) != JSON_INT || out->slots < 1 || out->slots > SLOTS_MAX)
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, "must be a whole number within 1 and 256, and at most four for each core");
    return true;
}

/* What a stored fixed scale says, over what `out` holds already. */
static bool take_scale(const JsonVal *scale, PoolSpec *out, Err *err)
{
    out->target = json_int(json_get(scale, "targetDedicatedNodes"), out->target);
    out->target_low = json_int(json_get(scale, "targetLowPriorityNodes"), out->target_low);
    const JsonVal *timeout = json_get(scale, "resizeTimeout"), *option = json_get(scale, "nodeDeallocationOption");
    if (option)
        out->deallocation = json_str(option);
    out->sets_scale = true;
    return !timeout || duration_parse_iso(json_str(timeout), &out->resize_timeout_ms, err);
}

/* `object` as its shape has it, as a value of its own. */
static bool read_shape(Arena *arena, const ShapeField *fields, Spelling from, const JsonVal *object, const char *where, const JsonVal **out, Err *err)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (!shape_read(arena, fields, from, object, NULL, where, &w, err))
        return false;
    json_close(&w);
    return json_end(&w, err) && json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, out, err);
}

/* Reads `object` by the table of a fixed scale, in Resource Manager's names (the data plane has the same ones). */
static bool read_fixed_scale(Arena *arena, const JsonVal *object, const char *where, PoolSpec *out, Err *err)
{
    const JsonVal *scale;
    return read_shape(arena, fixed_scale_fields, SPELL_ARM, object, where, &scale, err) && take_scale(scale, out, err);
}

static bool read_scale_arm(Arena *arena, const JsonVal *properties, PoolSpec *out, Err *err)
{
    const JsonVal *scale = given(properties, "scaleSettings");
    if (!scale)
        return true;
    if (json_kind(scale) != JSON_OBJECT)
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", "properties.scaleSettings", "must be an object");
    JsonWalk members = { .object = scale };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value)) {
        if (!str_eq(name, STR("fixedScale")) && !str_eq(name, STR("autoScale"))) {
            char field[96];
            (void)snprintf(field, sizeof field, "properties.scaleSettings." STR_FMT, (int)(name.len < 40 ? name.len : 40), name.ptr);
            return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", field, "there is no property of this name here; check its spelling");
        }
    }
    if (given(scale, "autoScale"))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", "properties.scaleSettings.autoScale", "automatic scaling is not available here yet; use fixedScale");
    const JsonVal *fixed = given(scale, "fixedScale");
    return !fixed || read_fixed_scale(arena, fixed, "properties.scaleSettings.fixedScale", out, err);
}

/* The members of a fixed scale lie among the pool's own on the data plane. */
static bool read_scale_data(Arena *arena, const JsonVal *object, PoolSpec *out, Err *err)
{
    static const char *const names[] = { "targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout", "nodeDeallocationOption" };
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    const JsonVal *scale;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (given(object, names[i]))
            json_put_value(&w, names[i], given(object, names[i]));
    json_close(&w);
    if (!json_end(&w, err) || !json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, &scale, err))
        return false;
    return json_count(scale) == 0 || read_fixed_scale(arena, scale, "", out, err);
}

/* Reads the machine and writes {deploymentConfiguration: {virtualMachineConfiguration}} into the open document. */
static bool read_machine(Arena *arena, const JsonVal *machine, Spelling from, const char *where, JsonWriter *w, Err *err)
{
    const JsonVal *read;
    if (!read_shape(arena, virtual_machine_fields, from, machine, where, &read, err) || !pool_check_machine(read, machine, from, where, err))
        return false;
    json_open(w, "deploymentConfiguration");
    json_put_value(w, "virtualMachineConfiguration", read);
    json_close(w);
    return true;
}

static bool read_deployment_arm(Arena *arena, const JsonVal *properties, JsonWriter *w, Err *err)
{
    static const ShapeField outer[] = {
        { "cloudServiceConfiguration",   NULL, SHAPE_EMPTY, .why = "Cloud Services pools are retired; use virtualMachineConfiguration" },
        { "virtualMachineConfiguration", NULL, SHAPE_BY_HAND, SHAPE_NEEDED },
        { NULL }
    };
    const JsonVal *deployment = given(properties, "deploymentConfiguration");
    if (!deployment)
        return true;
    AUTO(buf_done_auto) Buf ignored = { 0 };
    JsonWriter nowhere;
    buf_init(&ignored, DOCUMENT_MAX);
    json_begin(&nowhere, &ignored);
    json_open(&nowhere, NULL);
    return shape_read(arena, outer, SPELL_ARM, deployment, NULL, "properties.deploymentConfiguration", &nowhere, err) &&
           read_machine(arena, given(deployment, "virtualMachineConfiguration"), SPELL_ARM,
                        "properties.deploymentConfiguration.virtualMachineConfiguration", w, err);
}

/* What the service answers for members that were left out. */
static void put_defaults(const JsonVal *object, Spelling from, const JsonVal *before, JsonWriter *w)
{
    static const struct { const char *arm, *data, *json; } defaults[] = {
        { "interNodeCommunication", "enableInterNodeCommunication", "\"Disabled\"" },
        { "taskSchedulingPolicy",   "taskSchedulingPolicy",         "{\"nodeFillType\":\"Spread\"}" },
    };
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        const char *name = from == SPELL_ARM ? defaults[i].arm : defaults[i].data;
        bool kept = json_get(before, defaults[i].arm) && !json_get(object, name);
        if (!given(object, name) && !kept)
            json_put_raw(w, defaults[i].arm, str_from(defaults[i].json));
    }
}

/* Everything but the size of the pool; what cannot change after creation is compared with what is. */
static bool read_document(Arena *arena, const JsonVal *object, Spelling from, const JsonVal *before, PoolSpec *spec, Err *err)
{
    const JsonVal *certificates = given(object, from == SPELL_ARM ? "certificates" : "certificateReferences");
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, DOCUMENT_MAX);
    json_begin(&w, &buf);
    json_open(&w, NULL);
    if (!shape_read(arena, pool_fields, from, object, before, from == SPELL_ARM ? "properties" : "", &w, err))
        return false;
    if (from == SPELL_ARM && !read_deployment_arm(arena, object, &w, err))
        return false;
    if (from == SPELL_DATA && given(object, "virtualMachineConfiguration") &&
        !read_machine(arena, given(object, "virtualMachineConfiguration"), from, "virtualMachineConfiguration", &w, err))
        return false;
    if (certificates && !certificate_refs_read(arena, certificates, from, &w, &spec->certificates_account, err))
        return false;
    put_defaults(object, from, before, &w);
    json_close(&w);
    if (!json_end(&w, err))
        return false;
    spec->body = str_dup(arena, buf_str(&buf));
    return arena_ok(arena) || err_too_big(err);
}

static const char *const fixed_at_creation[] = {
    "deploymentConfiguration", "displayName", "interNodeCommunication", "networkConfiguration", "taskSchedulingPolicy"
};

static bool check_unchanged(const JsonVal *was, const JsonVal *is, const PoolSpec *now, const PoolSpec *out, bool arm, Err *err)
{
    static const char reason[] = "cannot be changed after the pool was created; make a new pool";
    char field[96];
    for (size_t i = 0; i < COUNT_OF(fixed_at_creation); i++) {
        (void)snprintf(field, sizeof field, "%s%s", arm ? "properties." : "", fixed_at_creation[i]);
        if (!json_same(json_get(was, fixed_at_creation[i]), json_get(is, fixed_at_creation[i])))
            return refuse(err, ERR_BAD_INPUT, "PropertyCannotBeUpdated", field, reason);
    }
    if (!str_eq_nocase(now->vm_size, out->vm_size))
        return refuse(err, ERR_BAD_INPUT, "PropertyCannotBeUpdated", arm ? "properties.vmSize" : "vmSize", reason);
    if (now->slots != out->slots)
        return refuse(err, ERR_BAD_INPUT, "PropertyCannotBeUpdated", arm ? "properties.taskSlotsPerNode" : "taskSlotsPerNode", reason);
    return true;
}

static bool read_pool(Arena *arena, const JsonVal *object, Spelling from, PoolChange change, const PoolSpec *now, PoolSpec *out, Err *err)
{
    bool arm = from == SPELL_ARM;
    const JsonVal *before = NULL, *after;
    PoolSpec spec = { .resize_timeout_ms = RESIZE_TIMEOUT_USUAL_MS, .slots = 1, .deallocation = STR("") };
    if (now && !json_parse(arena, now->body, JSON_STRICT, &before, err))
        return false;
    if (change == POOL_PATCH)
        spec = *now;
    spec.sets_scale = false;
    if (!read_document(arena, object, from, change == POOL_PATCH ? before : NULL, &spec, err) ||
        !read_size(object, "vmSize", arm ? "properties.vmSize" : "vmSize", &spec, err) ||
        !read_slots(object, arm ? "properties.taskSlotsPerNode" : "taskSlotsPerNode", &spec, err) ||
        !(arm ? read_scale_arm(arena, object, &spec, err) : read_scale_data(arena, object, &spec, err)) ||
        !json_parse(arena, spec.body, JSON_STRICT, &after, err))
        return false;
    if (!arm && json_bool(given(object, "enableAutoScale"), false))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", "enableAutoScale", "automatic scaling is not available here yet; set targetDedicatedNodes");
    if (str_empty(spec.vm_size))
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", arm ? "properties.vmSize" : "vmSize", "is required");
    if (!json_get(after, "deploymentConfiguration"))
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty",
                      arm ? "properties.deploymentConfiguration" : "virtualMachineConfiguration", "is required");
    if ((json_get(after, "startTask") && !task_check_files(json_get(after, "startTask"), arm ? "properties.startTask" : "startTask", err)) ||
        !user_accounts_check(json_get(after, "userAccounts"), arm ? "properties" : "", err))
        return false;
    if (change == POOL_REPLACE && !spec.sets_scale) {
        spec.target = now->target;
        spec.target_low = now->target_low;
        spec.resize_timeout_ms = now->resize_timeout_ms;
    }
    if (change != POOL_CREATE && !check_unchanged(before, after, now, &spec, arm, err))
        return false;
    *out = spec;
    return true;
}

bool pool_read_arm(Arena *arena, const JsonVal *properties, PoolChange change, const PoolSpec *now, PoolSpec *out, Err *err)
{
    if (json_kind(properties) != JSON_OBJECT)
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", "properties", "is required and must be an object");
    return read_pool(arena, properties, SPELL_ARM, change, now, out, err);
}

/* PATCH of the data plane changes less than Resource Manager's (specification, PoolPatchParameter of 2022-10-01.16.0). */
static bool check_patch_names(const JsonVal *object, Err *err)
{
    static const char *const allowed[] = { "startTask", "certificateReferences", "applicationPackageReferences", "metadata", "targetNodeCommunicationMode" };
    JsonWalk members = { .object = object };
    const JsonVal *value;
    Str name;
    while (json_walk(&members, &name, &value)) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(allowed); k++)
            found = found || str_eq(name, str_from(allowed[k]));
        char field[64];
        (void)snprintf(field, sizeof field, STR_FMT, (int)(name.len < 60 ? name.len : 60), name.ptr);
        if (!found)
            return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", field, "cannot be changed with this call; it takes startTask, certificateReferences, applicationPackageReferences, metadata and targetNodeCommunicationMode");
    }
    return true;
}

/* "This fully replaces all the updatable properties": what is left out is sent on as null, which takes it away. */
static bool complete_properties(Arena *arena, const JsonVal *object, const JsonVal **out, Err *err)
{
    static const char *const needed[] = { "certificateReferences", "applicationPackageReferences", "metadata" };
    static const char *const optional[] = { "startTask", "targetNodeCommunicationMode" };
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    JsonWalk members = { .object = object };
    const JsonVal *value;
    Str name;
    buf_init(&buf, DOCUMENT_MAX);
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!given(object, needed[i]))
            return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", needed[i], "is required; an empty array takes all away");
    json_begin(&w, &buf);
    json_open(&w, NULL);
    while (json_walk(&members, &name, &value))
        json_put_value_named(&w, name, value);
    for (size_t i = 0; i < COUNT_OF(optional); i++)
        if (!json_get(object, optional[i]))
            json_put_null(&w, optional[i]);
    json_close(&w);
    return json_end(&w, err) && json_parse(arena, str_dup(arena, buf_str(&buf)), JSON_STRICT, out, err);
}

bool pool_read_data(Arena *arena, const JsonVal *object, PoolChange change, const PoolSpec *now, PoolSpec *out, Err *err)
{
    if (json_kind(object) != JSON_OBJECT)
        return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", "", "the body must be an object");
    if ((change == POOL_PATCH || change == POOL_PROPERTIES) && !check_patch_names(object, err))
        return false;
    if (change == POOL_PROPERTIES) {
        if (!complete_properties(arena, object, &object, err))
            return false;
        change = POOL_PATCH;
    }
    /* The service's text: pool identities can only be set over the management plane. */
    if (change == POOL_CREATE && given(object, "identity"))
        return refuse(err, ERR_BAD_INPUT, "InvalidRequestBody", "identity", "a pool with identities can only be made in Resource Manager");
    return read_pool(arena, object, SPELL_DATA, change, now, out, err);
}

bool pool_read_resize(Arena *arena, const JsonVal *object, const PoolSpec *now, PoolSpec *out, Err *err)
{
    PoolSpec spec = *now;
    spec.deallocation = STR("");
    spec.resize_timeout_ms = RESIZE_TIMEOUT_USUAL_MS;
    if (!read_fixed_scale(arena, object, "", &spec, err))
        return false;
    if (!given(object, "targetDedicatedNodes") && !given(object, "targetLowPriorityNodes"))
        return refuse(err, ERR_BAD_INPUT, "MissingRequiredProperty", "targetDedicatedNodes", "say how many nodes the pool is to have, here or in targetLowPriorityNodes");
    *out = spec;
    return true;
}

/* -- out -- */

void pool_write_document(Arena *arena, Spelling to, Str body, JsonWriter *w)
{
    const JsonVal *document;
    Err err = { 0 };
    if (!json_parse(arena, body, JSON_STRICT, &document, &err))
        return;             /* our own text: only a full arena fails here, and the writer's buffer is in it */
    shape_write(arena, pool_fields, to, document, w);
    const JsonVal *machine = json_path(document, "deploymentConfiguration.virtualMachineConfiguration");
    if (to == SPELL_DATA && machine) {
        json_open(w, "virtualMachineConfiguration");
        shape_write(arena, virtual_machine_fields, to, machine, w);
        json_close(w);
    }
}

Str duration_text(Arena *arena, int64_t ms)
{
    int64_t s = ms / 1000, days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60, seconds = s % 60;
    char day[24] = "", hour[24] = "", minute[24] = "", second[24] = "";
    if (s == 0)
        return STR("PT0S");
    if (days)
        (void)snprintf(day, sizeof day, "%lldD", (long long)days);
    if (hours)
        (void)snprintf(hour, sizeof hour, "%lldH", (long long)hours);
    if (minutes)
        (void)snprintf(minute, sizeof minute, "%lldM", (long long)minutes);
    if (seconds)
        (void)snprintf(second, sizeof second, "%lldS", (long long)seconds);
    return str_printf(arena, "P%s%s%s%s%s", day, s % 86400 ? "T" : "", hour, minute, second);
}

bool pool_extensions(Arena *arena, Str body, PoolExtension **out, size_t *count, Err *err)
{
    const JsonVal *document;
    if (!json_parse(arena, body, JSON_STRICT, &document, err))
        return false;
    const JsonVal *list = json_path(document, "deploymentConfiguration.virtualMachineConfiguration.extensions");
    *count = json_count(list);
    *out = ARENA_ARRAY(arena, PoolExtension, *count + 1);
    if (!*out)
        return err_too_big(err);
    for (size_t i = 0; i < *count; i++) {
        const JsonVal *e = json_at(list, i);
        const JsonVal *first = json_path(e, "settings.secretsManagementSettings.requireInitialSync");
        (*out)[i] = (PoolExtension){
            .name = json_str(json_get(e, "name")), .publisher = json_str(json_get(e, "publisher")), .type = json_str(json_get(e, "type")),
            .type_handler_version = json_str(json_get(e, "typeHandlerVersion")), .settings = json_get(e, "settings"), .all = e,
            /* The extension's settings are read leniently: "true" is true, as numbers may be strings there. */
            .needs_first_sync = json_bool(first, false) || str_eq_nocase(json_str(first), STR("true")),
        };
    }
    return true;
}
