/* fields.c - members of an object into the fields of a struct, by table. */
#include <stdio.h>
#include "json/read.h"

static void field_place(char out[96], const char *where, const char *name)
{
    (void)snprintf(out, 96, "%s%s%s", where, *where ? "." : "", name);
}

static bool field_wrong(const char *where, const char *name, const char *wanted, const JsonVal *v, Err *err)
{
    char place[96];
    field_place(place, where, name);
    return err_field(err, place, "'%s' must be %s, not %s", place, wanted, json_kind_name(json_kind(v)));
}

static bool field_read(const JsonField *field, const char *where, const JsonVal *v, void *at, Err *err)
{
    JsonKind kind = json_kind(v);
    switch (field->kind) {
    case FIELD_STR:
        if (kind != JSON_STR)
            return field_wrong(where, field->name, "a string", v, err);
        *(Str *)at = json_str(v);
        return true;
    case FIELD_INT:
    case FIELD_OPT_INT:
        if (kind != JSON_INT)
            return field_wrong(where, field->name, "a whole number", v, err);
        if (field->kind == FIELD_INT)
            *(int64_t *)at = json_int(v, 0);
        else
            *(OptInt *)at = (OptInt){ true, json_int(v, 0) };
        return true;
    case FIELD_BOOL:
    case FIELD_OPT_BOOL:
        if (kind != JSON_BOOL)
            return field_wrong(where, field->name, "true or false", v, err);
        if (field->kind == FIELD_BOOL)
            *(bool *)at = json_bool(v, false);
        else
            *(OptBool *)at = (OptBool){ true, json_bool(v, false) };
        return true;
    case FIELD_ANY:
        *(const JsonVal **)at = v;
        return true;
    }
    return true;
}

bool json_read(const JsonVal *object, const char *where, const JsonField *fields, size_t count, void *out, Err *err)
{
    if (json_kind(object) != JSON_OBJECT)
        return err_field(err, where, "%s%s%s must be an object, not %s", *where ? "'" : "", *where ? where : "the body", *where ? "'" : "",
                         json_kind_name(json_kind(object)));
    for (size_t i = 0; i < count; i++) {
        const JsonVal *v = json_get(object, fields[i].name);
        if (json_kind(v) > JSON_NULL) {
            if (!field_read(&fields[i], where, v, (char *)out + fields[i].offset, err))
                return false;
        } else if (fields[i].need == JSON_REQUIRED) {
            char place[96];
            field_place(place, where, fields[i].name);
            return err_field(err, place, "'%s' is required", place);
        }
    }
    return true;
}

bool json_read_exact(const JsonVal *object, const char *where, const JsonField *fields, size_t count, void *out, Err *err)
{
    JsonWalk walk = { .object = object };
    const JsonVal *value;
    Str name;
    while (json_walk(&walk, &name, &value)) {
        bool known = false;
        for (size_t f = 0; f < count && !known; f++)
            known = str_eq(name, str_from(fields[f].name));
        if (!known) {
            char cut[64], place[96];
            (void)snprintf(cut, sizeof cut, STR_FMT, STR_ARG(str_slice(name, 0, 60)));
            field_place(place, where, cut);
            return err_field(err, place, "'%s' is not a property known here; check its spelling", place);
        }
    }
    return json_read(object, where, fields, count, out, err);
}
