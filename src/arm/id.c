/* id.c - ARM ids, the scope a request is about, names and versions. */
#include "arm/parts.h"
#include "base/encode.h"
#include "base/id.h"

enum { ID_LEN_MAX = 2048, GROUP_NAME_MAX = 90, LOCATION_LEN_MAX = 60 };

/* ---- parsing ids ---- */

static bool id_invalid(Str id, Err *err)
{
    return err_named(err, ERR_BAD_INPUT, "LinkedInvalidPropertyId", NULL,
                     "Property id '" STR_FMT "' is invalid. Expect a fully qualified resource Id that starts with '/subscriptions/{subscriptionId}'.",
                     STR_ARG(str_slice(id, 0, 300)));
}

/* The next segment after a '/', which may not be empty. */
static bool next_segment(Str *rest, Str *segment)
{
    if (rest->len == 0 || rest->ptr[0] != '/')
        return false;
    *rest = str_slice(*rest, 1, rest->len);
    *segment = *rest;
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->ptr[i] == '/') {
            *segment = str_slice(*rest, 0, i);
            break;
        }
    }
    *rest = str_slice(*rest, segment->len, rest->len);
    return segment->len > 0;
}

static bool next_keyword(Str *rest, Str keyword)
{
    Str segment, after = *rest;

    if (!next_segment(&after, &segment) || !str_eq_nocase(segment, keyword))
        return false;
    *rest = after;
    return true;
}

bool arm_id_parse(Arena *arena, Str id, ArmId *out, Err *err)
{
    Str rest = str_trim(id);
    ArmId parsed = { 0 };
    Str copy;

    if (id.len > ID_LEN_MAX || !str_is_utf8(id))
        return id_invalid(str_slice(id, 0, 100), err);
    if (!(copy = str_dup(arena, rest)).ptr)
        return err_too_big(err);
    rest = copy;
    if (!next_keyword(&rest, STR("subscriptions")) || !next_segment(&rest, &parsed.subscription) || !guid_is_valid(parsed.subscription))
        return id_invalid(id, err);
    if (next_keyword(&rest, STR("resourceGroups")) && !next_segment(&rest, &parsed.group))
        return id_invalid(id, err);
    if (next_keyword(&rest, STR("providers"))) {
        if (!next_segment(&rest, &parsed.provider) || !next_segment(&rest, &parsed.type) || !next_segment(&rest, &parsed.name))
            return id_invalid(id, err);
        if (rest.len > 0 && (!next_segment(&rest, &parsed.sub_type) || !next_segment(&rest, &parsed.sub_name)))
            return id_invalid(id, err);
    }
    if (rest.len > 0)
        return id_invalid(id, err);
    *out = parsed;
    return true;
}

Str arm_group_id(Arena *arena, Str subscription, Str group)
{
    return str_printf(arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT, STR_ARG(subscription), STR_ARG(group));
}

Str arm_id_of_request(const Req *req, Str provider_and_type, Str name)
{
    Str subscription = str_lower(req->arena, req_param(req, "subscriptionId"));

    return str_printf(req->arena, "/subscriptions/" STR_FMT "/resourceGroups/" STR_FMT "/providers/" STR_FMT "/" STR_FMT,
                      STR_ARG(subscription), STR_ARG(req_param(req, "resourceGroupName")), STR_ARG(provider_and_type), STR_ARG(name));
}

/* ---- what a request is about ---- */

bool arm_subscription_check(Str id, Err *err)
{
    if (guid_is_valid(id))
        return true;
    return err_named(err, ERR_BAD_INPUT, "InvalidSubscriptionId", NULL,
                     "The provided subscription identifier '" STR_FMT "' is malformed or invalid.", STR_ARG(str_slice(id, 0, 100)));
}

enum { SEGMENTS_MAX = 32 };

/* The path's segments, decoded; empty ones (a doubled or final slash) are no segments. */
static bool path_segments(const Req *req, Str *out, size_t *count, Err *err)
{
    Str rest = req->path, segment;

    *count = 0;
    while (rest.ptr) {
        segment = str_cut(&rest, '/');
        if (str_empty(segment))
            continue;
        if (*count == SEGMENTS_MAX)
            return err_set(err, ERR_BAD_INPUT, "the path has more than %d segments", SEGMENTS_MAX);
        if (!percent_decode(req->arena, segment, false, &out[(*count)++], err))
            return false;
    }
    return true;
}

/* Extension resources (".../providers/Microsoft.Authorization/roleAssignments/x") are decided where they hang: cut them off. */
static size_t without_extension(const Req *req, const Str *segments, size_t count)
{
    if (!req_param(req, "scope").ptr)
        return count;
    for (size_t i = count; i-- > 0;) {
        if (str_eq_nocase(segments[i], STR("providers")))
            return i;
    }
    return count;
}

bool arm_scope_of_request(const Req *req, Str *scope, Str *subscription, Err *err)
{
    Str segments[SEGMENTS_MAX];
    size_t count, at = 2;
    Buf path;

    if (!path_segments(req, segments, &count, err))
        return false;
    count = without_extension(req, segments, count);
    *subscription = STR_NONE;
    *scope = STR("/");
    if (count < 2 || !str_eq_nocase(segments[0], STR("subscriptions")))
        return true;
    *subscription = segments[1];
    if (!arm_subscription_check(segments[1], err))
        return false;

    buf_init(&path, ID_LEN_MAX);
    buf_printf(&path, "/subscriptions/" STR_FMT, STR_ARG(segments[1]));
    if (count >= 4 && str_eq_nocase(segments[2], STR("resourceGroups"))) {
        buf_printf(&path, "/resourceGroups/" STR_FMT, STR_ARG(segments[3]));
        at = 4;
    }
    /* providers/<namespace> and then whole pairs of type and name: a type without a name is a list or an action of what stands before. */
    if (at + 3 < count && str_eq_nocase(segments[at], STR("providers"))) {
        buf_printf(&path, "/providers/" STR_FMT, STR_ARG(segments[at + 1]));
        for (at += 2; at + 1 < count; at += 2)
            buf_printf(&path, "/" STR_FMT "/" STR_FMT, STR_ARG(segments[at]), STR_ARG(segments[at + 1]));
    }
    *scope = str_dup(req->arena, buf_str(&path));
    bool failed = path.failed || !scope->ptr;
    buf_done(&path);
    return failed ? err_set(err, ERR_BAD_INPUT, "the path is longer than a resource id may be (%d bytes)", ID_LEN_MAX) : true;
}

bool arm_api_version_check(Str v, Err *err)
{
    bool good = v.len >= 10 && v.ptr[4] == '-' && v.ptr[7] == '-' && (v.len == 10 || (v.ptr[10] == '-' && v.len > 11 && v.len <= 40));

    for (size_t i = 0; good && i < v.len; i++) {
        char c = v.ptr[i];
        if (i < 10)
            good = i == 4 || i == 7 || (c >= '0' && c <= '9');
        else
            good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    }
    if (good) {
        int month = (v.ptr[5] - '0') * 10 + v.ptr[6] - '0', day = (v.ptr[8] - '0') * 10 + v.ptr[9] - '0';
        good = month >= 1 && month <= 12 && day >= 1 && day <= 31;
    }
    if (good)
        return true;
    (void)err_named(err, ERR_BAD_INPUT, "InvalidApiVersionParameter", NULL,
                    "The api-version '" STR_FMT "' is invalid. Give a date such as '2021-04-01', or '2022-01-31-preview'.", STR_ARG(str_slice(v, 0, 60)));
    return false;
}

/* ---- names ---- */

bool arm_group_name_check(Str name, Err *err)
{
    if (name.len < 1 || name.len > GROUP_NAME_MAX)
        return err_named(err, ERR_BAD_INPUT, "InvalidResourceGroup", NULL, "The resource group name must be 1 to %d characters long.", GROUP_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        /* Letters beyond ASCII are refused: ids compare without case, and ours do so for ASCII only. */
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || memchr("-._()", c, 5)))
            return err_named(err, ERR_BAD_INPUT, "InvalidResourceGroup", NULL,
                             "The provided resource group name '" STR_FMT "' has an invalid character at position %zu. "
                             "The name can only be a letter, digit, '-', '.', '(', ')' or '_'.", STR_ARG(name), i + 1);
    }
    if (name.ptr[name.len - 1] == '.')
        return err_named(err, ERR_BAD_INPUT, "InvalidResourceGroup", NULL, "The resource group name '" STR_FMT "' must not end with a period.", STR_ARG(name));
    return true;
}

Str arm_location_normal(Arena *arena, Str location)
{
    char *out = arena_alloc(arena, location.len + 1);
    size_t len = 0;

    if (!out)
        return STR_NONE;
    for (size_t i = 0; i < location.len; i++) {
        char c = location.ptr[i];
        if (c != ' ')
            out[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (Str){ out, len };
}

bool arm_location_check(Arena *arena, Str location, Str *normal, Err *err)
{
    Str text = arm_location_normal(arena, location);

    if (!text.ptr && location.len > 0)
        return err_too_big(err);
    if (str_empty(text))
        return err_named(err, ERR_BAD_INPUT, "LocationRequired", NULL, "The location property is required for this definition.");
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool inside = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0 && i + 1 < text.len);
        if (!inside || text.len > LOCATION_LEN_MAX)        /* it becomes a label of a host name */
            return err_named(err, ERR_BAD_INPUT, "LocationNotAvailableForResourceType", NULL,
                             "The provided location '" STR_FMT "' is not available. Any word of letters, digits and inner hyphens, at most %d long, is a location here.",
                             STR_ARG(str_slice(location, 0, 80)), LOCATION_LEN_MAX);
    }
    *normal = text;
    return true;
}
