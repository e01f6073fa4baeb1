/* attributes.c - attributes and tags, read from bodies and written into bundles. */
#include "keyvault/objects/attributes.h"

/* 9999-12-31T23:59:59Z: the last second that RFC 3339 and X.509 can write. */
static const int64_t INT_DATE_MAX = 253402300799;

typedef struct AttributesIn { OptBool enabled; OptInt nbf, exp; } AttributesIn;
static const JsonField attributes_fields[] = {
    JSON_FIELD(AttributesIn, enabled, "enabled", JSON_OPTIONAL),
    JSON_FIELD(AttributesIn, nbf,     "nbf",     JSON_OPTIONAL),
    JSON_FIELD(AttributesIn, exp,     "exp",     JSON_OPTIONAL),
};

static bool int_date_check(OptInt date, const char *field, Err *err)
{
    if (!date.set || (date.value >= 0 && date.value <= INT_DATE_MAX))
        return true;
    return err_field(err, field, "%s must be a time in whole seconds since 1970-01-01T00:00:00Z", field);
}

bool attributes_read(const JsonVal *body, Attributes *io, Err *err)
{
    const JsonVal *member = json_get(body, "attributes");
    if (json_kind(member) == JSON_ABSENT || json_kind(member) == JSON_NULL)
        return true;
    AttributesIn in = { 0 };
    if (!json_read(member, "attributes", attributes_fields, COUNT_OF(attributes_fields), &in, err) ||
        !int_date_check(in.nbf, "attributes.nbf", err) || !int_date_check(in.exp, "attributes.exp", err))
        return false;

    Attributes read = *io;
    if (in.enabled.set)
        read.enabled = in.enabled.value;
    if (in.nbf.set)
        read.nbf_s = in.nbf;
    if (in.exp.set)
        read.exp_s = in.exp;
    if (read.nbf_s.set && read.exp_s.set && read.exp_s.value <= read.nbf_s.value)
        return err_field(err, "attributes.exp", "attributes.exp must be later than attributes.nbf");
    *io = read;
    return true;
}

Str recovery_level(const Vault *vault)
{
    if (vault->retention_days == RETENTION_DAYS_MAX)
        return vault->purge_protection ? STR("Recoverable") : STR("Recoverable+Purgeable");
    return vault->purge_protection ? STR("CustomizedRecoverable") : STR("CustomizedRecoverable+Purgeable");
}

void attributes_write(JsonWriter *w, const Vault *vault, const Attributes *attributes)
{
    json_open(w, "attributes");
    json_put_bool(w, "enabled", attributes->enabled);
    if (attributes->nbf_s.set)
        json_put_int(w, "nbf", attributes->nbf_s.value);
    if (attributes->exp_s.set)
        json_put_int(w, "exp", attributes->exp_s.value);
    json_put_int(w, "created", attributes->created_ms / 1000);
    json_put_int(w, "updated", attributes->updated_ms / 1000);
    json_put_str(w, "recoveryLevel", recovery_level(vault));
    json_put_int(w, "recoverableDays", vault->retention_days);
    if (attributes->exportable.set)
        json_put_bool(w, "exportable", attributes->exportable.value);
    json_close(w);
}

size_t utf8_chars(Str text)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++)
        chars += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;     /* continuation bytes are 10xxxxxx */
    return chars;
}

bool tags_read(Arena *arena, const JsonVal *body, size_t chars_max, Str *tags_json, Err *err)
{
    const JsonVal *tags = json_get(body, "tags");
    JsonKind kind = json_kind(tags);
    if (kind == JSON_ABSENT || kind == JSON_NULL)
        return true;
    if (kind != JSON_OBJECT)
        return err_field(err, "tags", "tags must be an object of strings, not %s", json_kind_name(kind));
    if (json_count(tags) > TAGS_MAX)
        return err_field(err, "tags", "an object has at most %d tags", TAGS_MAX);
    for (size_t i = 0; i < json_count(tags); i++) {
        Str name;
        const JsonVal *value = json_member(tags, i, &name);
        if (json_kind(value) != JSON_STR)
            return err_field(err, "tags", "the value of tag '" STR_FMT "' must be a string", STR_ARG(str_slice(name, 0, 64)));
        if (str_empty(name) || utf8_chars(name) > chars_max || utf8_chars(json_str(value)) > chars_max)
            return err_field(err, "tags", "name and value of tag '" STR_FMT "' may have at most %zu characters each",
                             STR_ARG(str_slice(name, 0, 64)), chars_max);
    }
    *tags_json = json_text(arena, tags);
    return arena_ok(arena) || err_too_big(err);
}
