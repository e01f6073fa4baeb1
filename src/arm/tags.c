/* tags.c - tags of groups and resources: checked, sealed at rest, written. */
#include "arm/parts.h"

enum { TAGS_MAX = 50, TAG_NAME_MAX = 512, TAG_VALUE_MAX = 256 };

static bool tag_name_check(Str name, Err *err)
{
    if (name.len < 1 || name.len > TAG_NAME_MAX)
        return err_field(err, "tags", "a tag's name must be 1 to %d bytes long", TAG_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        if (memchr("<>%&\\?/", name.ptr[i], 7))
            return err_named(err, ERR_BAD_INPUT, "InvalidTagNameCharacters", NULL,
                             "The tag name '" STR_FMT "' has reserved characters '<,>,%%,&,\\,?,/' or control characters.", STR_ARG(str_slice(name, 0, 100)));
    }
    return true;
}

bool arm_tags_check(Arena *arena, const JsonVal *tags, Str *tags_json, Err *err)
{
    size_t count = json_count(tags);

    if (json_kind(tags) == JSON_ABSENT || json_kind(tags) == JSON_NULL) {
        *tags_json = STR("{}");
        return true;
    }
    if (json_kind(tags) != JSON_OBJECT)
        return err_field(err, "tags", "tags must be an object of strings, not %s", json_kind_name(json_kind(tags)));
    if (count > TAGS_MAX)
        return err_named(err, ERR_BAD_INPUT, "TooManyTags", NULL, "A resource can have at most %d tags, not %zu.", TAGS_MAX, count);
    for (size_t i = 0; i < count; i++) {
        Str name, other;
        const JsonVal *value = json_member(tags, i, &name);

        if (!tag_name_check(name, err))
            return false;
        if (json_kind(value) != JSON_STR)
            return err_field(err, "tags", "the value of tag '" STR_FMT "' must be a string, not %s", STR_ARG(str_slice(name, 0, 100)), json_kind_name(json_kind(value)));
        if (json_str(value).len > TAG_VALUE_MAX)
            return err_field(err, "tags", "the value of tag '" STR_FMT "' is longer than %d bytes", STR_ARG(str_slice(name, 0, 100)), TAG_VALUE_MAX);
        for (size_t j = 0; j < i; j++) {
            (void)json_member(tags, j, &other);
            if (str_eq_nocase(name, other))
                return err_field(err, "tags", "tag names compare without case: '" STR_FMT "' is given twice", STR_ARG(str_slice(name, 0, 100)));
        }
    }
    *tags_json = json_text(arena, tags);
    return tags_json->ptr ? true : err_too_big(err);
}

Str arm_tenant_scope(const Arm *arm, Arena *arena)
{
    return str_printf(arena, "tenant:" STR_FMT, STR_ARG(arm->site->tenant_id));
}

bool arm_tags_seal(Arm *arm, Txn *txn, Arena *arena, const char *table, Str row, Str tags_json, Bytes *sealed, Err *err)
{
    SealPlace place = { .scope = arm_tenant_scope(arm, arena), .table = table, .row = row, .column = "tags" };

    if (str_empty(tags_json) || str_eq(tags_json, STR("{}"))) {
        *sealed = (Bytes){ 0 };
        return true;
    }
    return seal_put(arm->site->seal, txn, place, bytes_of(tags_json), arena, sealed, err);
}

bool arm_tags_open(Arm *arm, Txn *txn, Arena *arena, const char *table, Str row, Bytes sealed, Str *tags_json, Err *err)
{
    SealPlace place = { .scope = arm_tenant_scope(arm, arena), .table = table, .row = row, .column = "tags" };

    if (!sealed.ptr) {
        *tags_json = STR("{}");
        return true;
    }
    return seal_get_text(arm->site->seal, txn, place, sealed, arena, tags_json, err);
}

void arm_tags_write(JsonWriter *w, Str tags_json)
{
    if (tags_json.len > 2)
        json_put_raw(w, "tags", tags_json);
}
