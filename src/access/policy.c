/* policy.c - Key Vault access policies: checked on the way in, asked for a permission, edited in place.
 *
 * Names are those of the Key Vault management API 2023-07-01 (Permissions). Everything compares without case, as there. */
#include "access/policy.h"
#include <stdio.h>
#include "base/id.h"

enum { POLICIES_MAX = 1024, NAMES_MAX = 24 };

static const struct PermissionClass { const char *name; const char *permissions[NAMES_MAX]; } classes[] = {
    { "keys", { "all", "encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify", "get", "list", "create", "update", "import", "delete",
                "backup", "restore", "recover", "purge", "release", "rotate", "getrotationpolicy", "setrotationpolicy" } },
    { "secrets", { "all", "get", "list", "set", "delete", "backup", "restore", "recover", "purge" } },
    { "certificates", { "all", "get", "list", "delete", "create", "import", "update", "managecontacts", "getissuers", "listissuers", "setissuers",
                        "deleteissuers", "manageissuers", "recover", "purge", "backup", "restore" } },
    { "storage", { "all", "get", "list", "delete", "set", "update", "regeneratekey", "recover", "purge", "backup", "restore", "setsas", "listsas",
                   "getsas", "deletesas" } },
};

static bool is_permission(const struct PermissionClass *class, Str name)
{
    for (int i = 0; i < NAMES_MAX && class->permissions[i]; i++)
        if (str_eq_nocase(name, str_from(class->permissions[i])))
            return true;
    return false;
}

static bool has_name(const JsonVal *names, Str wanted)
{
    for (size_t i = 0; i < json_count(names); i++)
        if (str_eq_nocase(json_str(json_at(names, i)), wanted))
            return true;
    return false;
}

static bool class_check(const struct PermissionClass *class, const JsonVal *names, size_t entry, Err *err)
{
    char field[96];
    if (json_kind(names) == JSON_ABSENT || json_kind(names) == JSON_NULL)
        return true;
    (void)snprintf(field, sizeof field, "properties.accessPolicies[%zu].permissions.%s", entry, class->name);
    if (json_kind(names) != JSON_ARRAY)
        return err_field(err, field, "%s must be an array of permission names, not %s", field, json_kind_name(json_kind(names)));
    for (size_t i = 0; i < json_count(names); i++) {
        const JsonVal *name = json_at(names, i);
        (void)snprintf(field, sizeof field, "properties.accessPolicies[%zu].permissions.%s[%zu]", entry, class->name, i);
        if (json_kind(name) != JSON_STR)
            return err_field(err, field, "%s must be a permission name, not %s", field, json_kind_name(json_kind(name)));
        if (!is_permission(class, json_str(name)))
            return err_field(err, field, "%s: '" STR_FMT "' is no permission on %s; use for example get, list or all", field,
                             STR_ARG(json_str(name)), class->name);
    }
    return true;
}

static bool id_check(const JsonVal *entry, const char *member, bool needed, size_t at, Err *err)
{
    char field[96];
    (void)snprintf(field, sizeof field, "properties.accessPolicies[%zu].%s", at, member);
    const JsonVal *id = json_get(entry, member);
    if (!needed && (json_kind(id) == JSON_ABSENT || json_kind(id) == JSON_NULL))
        return true;
    if (!guid_is_valid(json_str(id)))
        return err_field(err, field, "%s must be a GUID", field);
    return true;
}

static bool entry_check(const JsonVal *entry, size_t at, Str tenant_id, Err *err)
{
    char field[96];
    (void)snprintf(field, sizeof field, "properties.accessPolicies[%zu]", at);
    if (json_kind(entry) != JSON_OBJECT)
        return err_field(err, field, "%s must be an object, not %s", field, json_kind_name(json_kind(entry)));
    if (!id_check(entry, "tenantId", true, at, err) || !id_check(entry, "objectId", true, at, err) ||
        !id_check(entry, "applicationId", false, at, err))
        return false;
    if (!str_eq_nocase(json_str(json_get(entry, "tenantId")), tenant_id)) {
        (void)snprintf(field, sizeof field, "properties.accessPolicies[%zu].tenantId", at);
        return err_field(err, field, "%s must be the tenant of the vault, " STR_FMT, field, STR_ARG(tenant_id));
    }
    const JsonVal *permissions = json_get(entry, "permissions");
    if (json_kind(permissions) != JSON_OBJECT) {
        (void)snprintf(field, sizeof field, "properties.accessPolicies[%zu].permissions", at);
        return err_field(err, field, "%s must be an object with arrays keys, secrets, certificates or storage", field);
    }
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        if (!class_check(&classes[i], json_get(permissions, classes[i].name), at, err))
            return false;
    return true;
}

bool policy_check(const JsonVal *policies, Str tenant_id, Err *err)
{
    if (json_kind(policies) != JSON_ARRAY)
        return err_field(err, "properties.accessPolicies", "properties.accessPolicies must be an array, not %s", json_kind_name(json_kind(policies)));
    if (json_count(policies) > POLICIES_MAX)
        return err_field(err, "properties.accessPolicies", "properties.accessPolicies has %zu entries; a vault takes at most %d",
                         json_count(policies), POLICIES_MAX);
    for (size_t i = 0; i < json_count(policies); i++)
        if (!entry_check(json_at(policies, i), i, tenant_id, err))
            return false;
    return true;
}

bool policy_grants(const JsonVal *policies, Str object_id, Str app_id, Str permission)
{
    Str name = permission;
    Str class = str_cut(&name, '/');
    if (str_empty(object_id) || str_empty(name))
        return false;
    for (size_t i = 0; i < json_count(policies); i++) {
        const JsonVal *entry = json_at(policies, i);
        Str only_app = json_str(json_get(entry, "applicationId"));
        if (!str_eq_nocase(json_str(json_get(entry, "objectId")), object_id) || (only_app.len && !str_eq_nocase(only_app, app_id)))
            continue;
        const JsonVal *permissions = json_get(entry, "permissions");
        for (size_t c = 0; c < COUNT_OF(classes); c++) {
            const JsonVal *names = json_get(permissions, classes[c].name);
            if (str_eq_nocase(class, str_from(classes[c].name)) && (has_name(names, name) || has_name(names, STR("all"))))
                return true;
        }
    }
    return false;
}

static bool same_holder(const JsonVal *a, const JsonVal *b)
{
    return str_eq_nocase(json_str(json_get(a, "objectId")), json_str(json_get(b, "objectId"))) &&
           str_eq_nocase(json_str(json_get(a, "applicationId")), json_str(json_get(b, "applicationId")));
}

static bool any_same_holder(const JsonVal *policies, size_t end, const JsonVal *entry)
{
    for (size_t i = 0; i < end; i++)
        if (same_holder(json_at(policies, i), entry))
            return true;
    return false;
}

/* One holder's edit: what it had (NULL: new), and the whole change, of which the entries of the same holder count. */
typedef struct HolderEdit { const JsonVal *had, *identity, *change; PolicyEdit edit; } HolderEdit;

static const JsonVal *names_of(const JsonVal *entry, const char *class) { return json_get(json_get(entry, "permissions"), class); }

static bool is_taken_away(const HolderEdit *e, const char *class, Str name)
{
    for (size_t i = 0; i < json_count(e->change); i++) {
        const JsonVal *entry = json_at(e->change, i);
        const JsonVal *names = names_of(entry, class);
        if (same_holder(entry, e->identity) && (has_name(names, name) || has_name(names, STR("all"))))
            return true;
    }
    return false;
}

/* Calls put for each name that the holder has in this class afterwards, once; answers how many. */
static size_t each_name(const HolderEdit *e, const char *class, JsonWriter *w)
{
    size_t count = 0;
    const JsonVal *had = e->edit == POLICY_REPLACE && e->had ? NULL : names_of(e->had, class);
    for (size_t i = 0; i < json_count(had); i++) {
        Str name = json_str(json_at(had, i));
        if (e->edit == POLICY_REMOVE && is_taken_away(e, class, name))
            continue;
        if (w)
            json_put_str(w, NULL, name);
        count++;
    }
    for (size_t i = 0; e->edit != POLICY_REMOVE && i < json_count(e->change); i++) {
        const JsonVal *entry = json_at(e->change, i);
        const JsonVal *names = same_holder(entry, e->identity) ? names_of(entry, class) : NULL;
        for (size_t n = 0; n < json_count(names); n++) {
            Str name = json_str(json_at(names, n));
            bool seen = has_name(had, name);
            for (size_t before = 0; before < i && !seen; before++)
                seen = same_holder(json_at(e->change, before), e->identity) && has_name(names_of(json_at(e->change, before), class), name);
            for (size_t before = 0; before < n && !seen; before++)
                seen = str_eq_nocase(json_str(json_at(names, before)), name);
            if (seen)
                continue;
            if (w)
                json_put_str(w, NULL, name);
            count++;
        }
    }
    return count;
}

static void put_holder(JsonWriter *w, const HolderEdit *e)
{
    json_open(w, NULL);
    json_put_str(w, "tenantId", json_str(json_get(e->identity, "tenantId")));
    json_put_str(w, "objectId", json_str(json_get(e->identity, "objectId")));
    json_put_str(w, "applicationId", json_str(json_get(e->identity, "applicationId")));
    json_open(w, "permissions");
    for (size_t c = 0; c < COUNT_OF(classes); c++) {
        bool is_storage = c == COUNT_OF(classes) - 1;
        if (is_storage && each_name(e, classes[c].name, NULL) == 0)
            continue;                              /* a retired kind: shown by those who have it */
        json_open_array(w, classes[c].name);
        (void)each_name(e, classes[c].name, w);
        json_close_array(w);
    }
    json_close(w);
    json_close(w);
}

static bool is_left_empty(const HolderEdit *e)
{
    size_t names = 0;
    for (size_t c = 0; c < COUNT_OF(classes); c++)
        names += each_name(e, classes[c].name, NULL);
    return e->edit == POLICY_REMOVE && names == 0;
}

bool policy_edit(JsonWriter *w, const char *name, const JsonVal *now, const JsonVal *change, PolicyEdit edit, Err *err)
{
    size_t count = 0;
    json_open_array(w, name);
    for (size_t i = 0; i < json_count(now); i++) {
        const JsonVal *entry = json_at(now, i);
        count++;
        if (!any_same_holder(change, json_count(change), entry)) {
            json_put_value(w, NULL, entry);
            continue;
        }
        HolderEdit e = { .had = entry, .identity = entry, .change = change, .edit = edit };
        if (!is_left_empty(&e))
            put_holder(w, &e);
    }
    for (size_t i = 0; edit != POLICY_REMOVE && i < json_count(change); i++) {
        const JsonVal *entry = json_at(change, i);
        if (any_same_holder(now, json_count(now), entry) || any_same_holder(change, i, entry))
            continue;
        HolderEdit e = { .identity = entry, .change = change, .edit = edit };
        put_holder(w, &e);
        count++;
    }
    json_close_array(w);
    if (count > POLICIES_MAX)
        return err_field(err, "properties.accessPolicies", "the vault would have %zu access policies; it takes at most %d", count, POLICIES_MAX);
    return true;
}
