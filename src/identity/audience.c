/* audience.c - whom a token may be for: one table of planes, and the names of the tenant's own applications. */
#include "identity/parts.h"

enum { AUDIENCES_MAX = 12 };

typedef enum PlaneBit { OF_MANAGEMENT = 1, OF_GRAPH = 2, OF_KEYVAULT = 4, OF_BATCH = 8, OF_NODES = 16, OF_ELSEWHERE = 32 } PlaneBit;

static const struct { const char *name; PlaneBit bit; } planes[] = {
    { "management", OF_MANAGEMENT }, { "graph", OF_GRAPH }, { "keyvault", OF_KEYVAULT }, { "batch", OF_BATCH }, { "nodes", OF_NODES },
};

/* `labels` are a host of this site; `fixed` a name that clients have built in, or the application id of that service in Entra.
 * Batch takes the management audience too: @azure/batch asks for that one, whatever its URL. */
static const struct { const char *labels, *fixed; unsigned taken_by; } audiences[] = {
    { "management", NULL,                                    OF_MANAGEMENT | OF_BATCH },
    { NULL, "https://management.azure.com",                  OF_MANAGEMENT | OF_BATCH },
    { NULL, "https://management.core.windows.net",           OF_MANAGEMENT | OF_BATCH },
    { NULL, "797f4846-ba00-4fd7-ba43-dac1f8f63013",          OF_MANAGEMENT },
    { "graph", NULL,                                         OF_GRAPH },
    { NULL, "https://graph.microsoft.com",                   OF_GRAPH },
    { NULL, "00000003-0000-0000-c000-000000000000",          OF_GRAPH },
    { "vault", NULL,                                         OF_KEYVAULT },
    { NULL, "https://vault.azure.net",                       OF_KEYVAULT },
    { NULL, "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",          OF_KEYVAULT },
    { "batch", NULL,                                         OF_BATCH },
    { NULL, "https://batch.core.windows.net",                OF_BATCH },
    { NULL, "ddbf3205-c6bd-46ae-8127-60eb93363864",          OF_BATCH },
    { "nodes", NULL,                                         OF_NODES },
    /* Blob URLs are served by Azurite or real storage; Azurite reads tokens of this audience. */
    { NULL, "https://storage.azure.com",                     OF_ELSEWHERE },
};

size_t audiences_of(const Site *site, Arena *arena, const char *plane, const Str **out)
{
    unsigned bit = 0;
    for (size_t i = 0; i < COUNT_OF(planes); i++)
        if (strcmp(planes[i].name, plane) == 0)
            bit = planes[i].bit;
    Str *found = ARENA_ARRAY(arena, Str, AUDIENCES_MAX);
    size_t count = 0;
    for (size_t i = 0; found && i < COUNT_OF(audiences); i++)
        if (audiences[i].taken_by & bit)
            found[count++] = audiences[i].labels ? site_url(site, arena, str_from(audiences[i].labels)) : str_from(audiences[i].fixed);
    *out = found;
    return arena_ok(arena) ? count : 0;             /* no memory: nothing is accepted */
}

static Str without_slashes(Str text)
{
    while (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    return text;
}

bool audience_same(Str a, Str b) { return str_eq_nocase(without_slashes(a), without_slashes(b)); }

static bool application_is_called(Txn *txn, Arena *arena, Str name, bool *known, Err *err)
{
    AUTO(rows_free_auto) Rows *rows = NULL;
    Str key = str_lower(arena, without_slashes(name));
    Str id = str_starts(key, STR("api://")) ? str_slice(key, sizeof "api://" - 1, key.len) : key;
    if (!arena_ok(arena))
        return err_too_big(err);
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err,
                   "SELECT app_id FROM identity_application WHERE app_id = ?1 UNION ALL SELECT app_id FROM identity_application_uri WHERE uri_key = ?2 OR uri_key = ?3",
                   db_text(id), db_text(key), db_text(str_printf(arena, STR_FMT "/", STR_ARG(key)))))
        return false;
    *known = rows_next(rows, err);
    return err->code == ERR_NONE;
}

typedef struct AudienceAsk { const Site *site; Arena *arena; Str audience; bool is_known; } AudienceAsk;

static bool look_among_applications(Txn *txn, void *ctx, Err *err)
{
    AudienceAsk *ask = ctx;
    return application_is_called(txn, ask->arena, ask->audience, &ask->is_known, err);
}

bool audience_require(Identity *identity, Arena *arena, Str audience, Err *err)
{
    AudienceAsk ask = { .site = identity->site, .arena = arena, .audience = audience };
    for (size_t i = 0; i < COUNT_OF(audiences) && !ask.is_known; i++) {
        Str name = audiences[i].labels ? site_url(ask.site, arena, str_from(audiences[i].labels)) : str_from(audiences[i].fixed);
        ask.is_known = name.len && audience_same(audience, name);
    }
    if (!ask.is_known && !store_read(ask.site->store, look_among_applications, &ask, err))
        return false;
    if (ask.is_known)
        return true;
    return err_named(err, ERR_BAD_INPUT, "invalid_resource", "500011",
                     "The resource principal named " STR_FMT " was not found in the tenant named " STR_FMT
                     ". Ask for one of the services of this site, or for an application of the tenant by its identifier URI.",
                     STR_ARG(str_slice(audience, 0, 200)), STR_ARG(ask.site->tenant_id));
}
