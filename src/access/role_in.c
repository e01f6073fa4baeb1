/* role_in.c - the body of PUT roleDefinitions, checked as the service checks it ("Azure custom roles", limits, in Microsoft's documentation). */
#include "access/operations.h"
#include "access/parts.h"
#include "base/id.h"

enum { NAME_MAX_CHARS = 512, DESCRIPTION_MAX_CHARS = 2048, SCOPES_MAX = 2000, GROUP_MAX_CHARS = 90 };

typedef struct PutIn { Str name, type, description; const JsonVal *permissions, *scopes; } PutIn;
static const JsonField put_fields[] = {
    JSON_FIELD(PutIn, name,        "roleName",         JSON_OPTIONAL),
    JSON_FIELD(PutIn, type,        "type",             JSON_OPTIONAL),
    JSON_FIELD(PutIn, description, "description",      JSON_OPTIONAL),
    JSON_FIELD(PutIn, permissions, "permissions",      JSON_OPTIONAL),
    JSON_FIELD(PutIn, scopes,      "assignableScopes", JSON_OPTIONAL),
};

bool role_name_taken(Str name, Err *err)
{
    return err_named(err, ERR_CONFLICT, "RoleDefinitionWithSameNameExists", NULL,
                     "A role definition with the name '" STR_FMT "' already exists in this directory; names of roles are unique in it. Use a different name.",
                     STR_ARG(str_slice(name, 0, NAME_MAX_CHARS)));
}

static size_t characters(Str utf8)
{
    size_t count = 0;
    for (size_t i = 0; i < utf8.len; i++)
        count += (utf8.ptr[i] & 0xC0) != 0x80;
    return count;
}

/* ---- names and permissions ---- */

static bool check_name(Str name, Err *err)
{
    if (str_empty(str_trim(name)))
        return err_named(err, ERR_BAD_INPUT, "RoleDefinitionNameNullOrEmpty", NULL, "The role definition name cannot be null or empty: give properties.roleName.");
    if (characters(name) > NAME_MAX_CHARS)
        return err_field(err, "properties.roleName", "properties.roleName is longer than %d characters", NAME_MAX_CHARS);
    const Role *role;
    for (size_t i = 0; (role = role_at(i)); i++)
        if (str_eq_nocase(name, str_from(role->name)))
            return role_name_taken(name, err);
    return true;
}

static bool refuse_action(const char *action, bool is_data, const char *before, const char *after, Err *err)
{
    return err_named(err, ERR_BAD_INPUT, is_data ? "InvalidDataActionOrNotDataAction" : "InvalidActionOrNotAction", NULL, "%s'%.200s'%s.", before, action, after);
}

static bool check_action(const char *action, bool is_data, Err *err)
{
    size_t stars = 0, len = strlen(action);
    for (size_t i = 0; i < len; i++)
        stars += action[i] == '*';
    if (len > ROLE_ACTION_MAX)
        return refuse_action(action, is_data, "An action has at most 512 characters: ", " is longer", err);
    if (stars > 1)
        return refuse_action(action, is_data, "", " has more than one wildcard; an action may have one", err);
    switch (operation_match(action, is_data)) {
    case ACTION_PUBLISHED:
        return true;
    case ACTION_OF_NO_PROVIDER:
        return refuse_action(action, is_data, "The resource provider referenced in the action ", " is not returned in the list of providers from Azure Resource Manager", err);
    case ACTION_WITHOUT_DATA:
        return refuse_action(action, is_data, "The resource provider referenced in the action has not published any data operations: ", "", err);
    case ACTION_UNKNOWN:
        break;
    }
    return refuse_action(action, is_data, "", " does not match any of the actions supported by the providers", err);
}

static bool check_list(const JsonVal *entry, const char *name, bool is_data, Err *err)
{
    const JsonVal *list = json_get_nocase(entry, name);
    if (json_kind(list) == JSON_ABSENT || json_kind(list) == JSON_NULL)
        return true;
    if (json_kind(list) != JSON_ARRAY)
        return err_field(err, "properties.permissions", "properties.permissions: %s must be an array of actions, not %s", name, json_kind_name(json_kind(list)));
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *action = json_at(list, i);
        if (json_kind(action) != JSON_STR)
            return err_field(err, "properties.permissions", "properties.permissions: %s[%zu] must be an action, not %s", name, i, json_kind_name(json_kind(action)));
        if (!check_action(json_str(action).ptr, is_data, err))
            return false;
    }
    return true;
}

static bool check_permissions(const JsonVal *permissions, Err *err)
{
    JsonKind kind = json_kind(permissions);
    if (kind != JSON_ARRAY && kind != JSON_NULL && kind != JSON_ABSENT)
        return err_field(err, "properties.permissions", "properties.permissions must be an array, not %s", json_kind_name(kind));
    for (size_t i = 0; i < json_count(permissions); i++) {
        const JsonVal *entry = json_at(permissions, i);
        if (json_kind(entry) != JSON_OBJECT)
            return err_field(err, "properties.permissions", "properties.permissions[%zu] must be an object with actions, not %s", i, json_kind_name(json_kind(entry)));
        if (json_str(json_get_nocase(entry, "condition")).len)
            return err_set(err, ERR_NOT_BUILT, "Conditions in role definitions are not available yet; leave out properties.permissions[%zu].condition.", i);
        if (!check_list(entry, "actions", false, err) || !check_list(entry, "notActions", false, err) ||
            !check_list(entry, "dataActions", true, err) || !check_list(entry, "notDataActions", true, err))
            return false;
    }
    return true;
}

/* ---- scopes ---- */

/* "/subscriptions/<guid>[/resourceGroups/<name>]" */
static bool is_assignable_scope(Str scope)
{
    Str rest = scope, word;
    size_t star;
    if (str_find(scope, STR("*"), &star) || !str_empty(str_cut(&rest, '/')) || !str_eq_nocase(str_cut(&rest, '/'), STR("subscriptions")) ||
        !guid_is_valid(str_cut(&rest, '/')))
        return false;
    if (str_empty(rest))
        return true;
    if (!str_eq_nocase(str_cut(&rest, '/'), STR("resourceGroups")))
        return false;
    word = str_cut(&rest, '/');
    return !str_empty(word) && word.len <= GROUP_MAX_CHARS && str_empty(rest);
}

static bool check_scopes(const JsonVal *scopes, Err *err)
{
    JsonKind kind = json_kind(scopes);
    if (kind == JSON_ABSENT || kind == JSON_NULL || (kind == JSON_ARRAY && json_count(scopes) == 0))
        return err_named(err, ERR_BAD_INPUT, "MissingAssignableScopes", NULL, "A custom role needs at least one scope in properties.assignableScopes, such as /subscriptions/<id>.");
    if (kind != JSON_ARRAY)
        return err_field(err, "properties.assignableScopes", "properties.assignableScopes must be an array of scopes, not %s", json_kind_name(kind));
    if (json_count(scopes) > SCOPES_MAX)
        return err_field(err, "properties.assignableScopes", "properties.assignableScopes has %zu scopes; a role takes at most %d", json_count(scopes), SCOPES_MAX);
    for (size_t i = 0; i < json_count(scopes); i++) {
        Str scope = json_str(json_at(scopes, i));
        if (!is_assignable_scope(scope))
            return err_named(err, ERR_BAD_INPUT, "LinkedInvalidPropertyId", NULL, "properties.assignableScopes[%zu] '" STR_FMT "' is no scope that a custom role of this "
                             "site may be assigned at: expected /subscriptions/<id> or /subscriptions/<id>/resourceGroups/<name>, without wildcards.",
                             i, STR_ARG(str_slice(scope, 0, 200)));
    }
    return true;
}

bool role_in_read(Req *req, CustomRole *out, Err *err)
{
    const JsonVal *body;
    PutIn in = { 0 };
    Str guid = req_param(req, "roleDefinitionId"), who = req->caller->object_id;
    if (!guid_is_valid(guid))
        return err_named(err, ERR_BAD_INPUT, "InvalidRoleDefinitionId", NULL, "The role definition ID '" STR_FMT "' is not valid. It must be a GUID.",
                         STR_ARG(str_slice(guid, 0, 200)));
    if (!req_object(req, &body, err))
        return false;
    const JsonVal *properties = json_get_nocase(body, "properties");
    if (json_kind(properties) != JSON_OBJECT)
        return err_field(err, "properties", "properties must be an object with roleName, permissions and assignableScopes");
    if (!json_read(properties, "properties", put_fields, COUNT_OF(put_fields), &in, err))
        return false;
    if (in.type.len && !str_eq_nocase(in.type, STR("CustomRole")))
        return err_named(err, ERR_BAD_INPUT, "InvalidRoleDefinitionType", NULL, "The role definition type '" STR_FMT "' is not valid: properties.type must be CustomRole.",
                         STR_ARG(str_slice(in.type, 0, 100)));
    if (characters(in.description) > DESCRIPTION_MAX_CHARS)
        return err_field(err, "properties.description", "properties.description is longer than %d characters", DESCRIPTION_MAX_CHARS);
    if (!check_name(in.name, err) || !check_permissions(in.permissions, err) || !check_scopes(in.scopes, err))
        return false;
    *out = (CustomRole){ .created_by = who, .updated_by = who, .created_ms = req->now_ms, .updated_ms = req->now_ms, .revision = 1 };
    return (out->role.guid = str_to_cstr(req->arena, str_lower(req->arena, guid), err)) && (out->role.name = str_to_cstr(req->arena, in.name, err)) &&
           (out->role.description = str_to_cstr(req->arena, in.description.ptr ? in.description : STR(""), err)) &&
           role_read_permissions(req->arena, in.permissions, &out->role, err) && role_read_names(req->arena, in.scopes, &out->scopes, err);
}
