/* pool_check.c - images, node agents and extensions of a pool. */
#include "batch/pools/pool_check.h"
#include <stdio.h>

/* Names as the service lists them for Ubuntu and Debian. */
const NodeImage node_images[] = {
    { "canonical", "ubuntuserver",                   "16.04-lts", "batch.node.ubuntu 16.04" },
    { "canonical", "ubuntuserver",                   "18.04-lts", "batch.node.ubuntu 18.04" },
    { "canonical", "0001-com-ubuntu-server-focal",   "20_04-lts", "batch.node.ubuntu 20.04" },
    { "canonical", "0001-com-ubuntu-server-jammy",   "22_04-lts", "batch.node.ubuntu 22.04" },
    { "canonical", "ubuntu-24_04-lts",               "server",    "batch.node.ubuntu 24.04" },
    { "debian",    "debian-10",                      "10",        "batch.node.debian 10" },
    { "debian",    "debian-11",                      "11",        "batch.node.debian 11" },
    { "debian",    "debian-12",                      "12",        "batch.node.debian 12" },
    { NULL, NULL, NULL, NULL }
};

static bool refuse(Err *err, ErrCode code, const char *name, const char *where, const char *field, const char *text, Str value)
{
    err_named(err, code, name, NULL, "%s.%s: '" STR_FMT "' %s", where, field, STR_ARG(value), text);
    (void)snprintf(err->target, sizeof err->target, "%s.%s", where, field);
    return false;
}

/* Generation 2 and minimal builds of an image are the same to us. */
static bool sku_is(Str given, const char *known)
{
    static const Str endings[] = { { "-gen2", 5 }, { "-minimal", 8 }, { "-arm64", 6 } };
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (str_ends_nocase(given, endings[i]))
            given.len -= endings[i].len;
    return str_eq_nocase(given, str_from(known));
}

static bool contains_nocase(Str text, Str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (str_eq_nocase(str_slice(text, i, i + part.len), part))
            return true;
    return false;
}

static bool check_image(const JsonVal *machine, Spelling spelling, const char *where, Err *err)
{
    const JsonVal *image = json_get(machine, "imageReference");
    const char *agent_name = spelling == SPELL_ARM ? "nodeAgentSkuId" : "nodeAgentSKUId";
    Str publisher = json_str(json_get(image, "publisher")), offer = json_str(json_get(image, "offer")), sku = json_str(json_get(image, "sku"));
    Str agent = json_str(json_get(machine, "nodeAgentSkuId"));
    if (contains_nocase(publisher, STR("windows")) || contains_nocase(offer, STR("windows")))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", where, "imageReference.offer", "is a Windows image; nodes here are Linux (Ubuntu or Debian)", offer);
    if (contains_nocase(agent, STR("windows")))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", where, agent_name, "is for Windows; nodes here are Linux (batch.node.ubuntu or batch.node.debian)", agent);
    for (const NodeImage *known = node_images; known->publisher; known++) {
        if (!str_eq_nocase(publisher, str_from(known->publisher)) || !str_eq_nocase(offer, str_from(known->offer)) || !sku_is(sku, known->sku))
            continue;
        if (str_eq_nocase(agent, str_from(known->agent)))
            return true;
        err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s.%s: '" STR_FMT "' does not fit the image, which needs '%s'", where,
                  agent_name, STR_ARG(agent), known->agent);
        (void)snprintf(err->target, sizeof err->target, "%s.%s", where, agent_name);
        return false;
    }
    err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s.imageReference: there is no image '" STR_FMT ":" STR_FMT ":" STR_FMT
              "'; list the known ones with GET /supportedimages", where, STR_ARG(publisher), STR_ARG(offer), STR_ARG(sku));
    (void)snprintf(err->target, sizeof err->target, "%s.imageReference", where);
    return false;
}

/* Our extension takes no protected settings; {} is what clients send for none, on the data plane also as text. */
static bool has_protected(const JsonVal *extension)
{
    const JsonVal *v = json_get(extension, "protectedSettings");
    if (json_kind(v) == JSON_STR)
        return !str_empty(str_trim(json_str(v))) && !str_eq(str_trim(json_str(v)), STR("{}"));
    return json_kind(v) > JSON_NULL && (json_kind(v) != JSON_OBJECT || json_count(v) > 0);
}

static bool check_extension(const JsonVal *list, const JsonVal *given, size_t i, const char *where, Err *err)
{
    const JsonVal *extension = json_at(list, i);
    Str name = json_str(json_get(extension, "name")), type = json_str(json_get(extension, "type")), publisher = json_str(json_get(extension, "publisher"));
    char field[64];
    (void)snprintf(field, sizeof field, "extensions[%zu].type", i);
    if (str_eq_nocase(type, STR("KeyVaultForWindows")))
        return refuse(err, ERR_NOT_BUILT, "NotImplemented", where, field, "is for Windows; nodes here are Linux, use KeyVaultForLinux", type);
    if (!str_eq_nocase(type, STR("KeyVaultForLinux")) || !str_eq_nocase(publisher, STR("Microsoft.Azure.KeyVault"))) {
        err_named(err, ERR_BAD_INPUT, "InvalidPropertyValue", NULL, "%s.%s: the extension '" STR_FMT "' of '" STR_FMT
                  "' is not available here; KeyVaultForLinux of Microsoft.Azure.KeyVault is", where, field, STR_ARG(type), STR_ARG(publisher));
        (void)snprintf(err->target, sizeof err->target, "%s.%s", where, field);
        return false;
    }
    (void)snprintf(field, sizeof field, "extensions[%zu].protectedSettings", i);
    if (has_protected(json_at(json_get(given, "extensions"), i)))
        return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "takes no protected settings; put its settings under settings", type);
    (void)snprintf(field, sizeof field, "extensions[%zu].name", i);
    for (size_t j = 0; j < i; j++)
        if (str_eq_nocase(name, json_str(json_get(json_at(list, j), "name"))))
            return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "names two extensions; each needs a name of its own", name);
    for (size_t k = 0; k < name.len; k++) {
        char c = name.ptr[k];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "may have letters, digits, '-', '_' and '.' only", name);
    }
    return true;
}

static bool check_order(const JsonVal *list, const char *where, Err *err)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const JsonVal *after = json_get(json_at(list, i), "provisionAfterExtensions");
        for (size_t j = 0; j < json_count(after); j++) {
            bool found = false;
            for (size_t k = 0; k < json_count(list); k++)
                found = found || (k != i && str_eq_nocase(json_str(json_at(after, j)), json_str(json_get(json_at(list, k), "name"))));
            char field[64];
            (void)snprintf(field, sizeof field, "extensions[%zu].provisionAfterExtensions", i);
            if (!found)
                return refuse(err, ERR_BAD_INPUT, "InvalidPropertyValue", where, field, "is no other extension of this pool", json_str(json_at(after, j)));
        }
    }
    return true;
}

bool pool_check_machine(const JsonVal *machine, const JsonVal *given, Spelling spelling, const char *where, Err *err)
{
    const JsonVal *list = json_get(machine, "extensions");
    if (!check_image(machine, spelling, where, err))
        return false;
    for (size_t i = 0; i < json_count(list); i++)
        if (!check_extension(list, given, i, where, err))
            return false;
    return check_order(list, where, err);
}
