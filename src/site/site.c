/* site.c - the URLs of a site, and the audit record of a request. */
#include "site/site.h"

static Str below_domain(const Site *site, Arena *arena, Str labels)
{
    return STR_CONCAT(arena, labels, labels.len ? STR(".") : STR(""), site->names.domain);
}

/* "kv1.vault" as kv1.<alias of vault>; absent: there is no alias. */
static Str by_alias(const Site *site, Arena *arena, Str labels)
{
    for (size_t i = 0; i < site->names.alias_count; i++) {
        const HttpAlias *alias = &site->names.aliases[i];
        if (str_eq(labels, alias->labels))
            return alias->name;
        if (labels.len > alias->labels.len && str_ends(labels, alias->labels) && labels.ptr[labels.len - alias->labels.len - 1] == '.')
            return str_printf(arena, STR_FMT STR_FMT, STR_ARG(str_slice(labels, 0, labels.len - alias->labels.len)), STR_ARG(alias->name));
    }
    return STR_NONE;
}

/* "vault.<domain>:8443", or without the port when it is the one that https implies. */
static Str host_of(const Site *site, Arena *arena, Str labels)
{
    Str alias = by_alias(site, arena, labels), name = alias.ptr ? alias : below_domain(site, arena, labels);
    return site->names.port == 443 ? name : str_printf(arena, STR_FMT ":%d", STR_ARG(name), site->names.port);
}

void site_drop_leaf(const Site *site, Arena *arena, Str host_labels)
{
    Str alias = by_alias(site, arena, host_labels);
    if (!site->http)
        return;
    http_drop_leaf(site->http, below_domain(site, arena, host_labels));
    if (alias.ptr)
        http_drop_leaf(site->http, alias);
}

Str site_url(const Site *site, Arena *arena, Str host_labels)
{
    Str host = host_of(site, arena, host_labels);
    return STR_CONCAT(arena, STR("https://"), host);
}

Str site_vault_url(const Site *site, Arena *arena, Str vault)
{
    Str labels = STR_CONCAT(arena, vault, STR(".vault"));
    return site_url(site, arena, labels);
}

Str site_vault_resource(const Site *site, Arena *arena)
{
    return site_url(site, arena, STR("vault"));
}

Str site_batch_host(const Site *site, Arena *arena, Str account, Str region)
{
    Str labels = str_printf(arena, STR_FMT "." STR_FMT ".batch", STR_ARG(account), STR_ARG(region));
    return host_of(site, arena, labels);
}

Str site_batch_resource(const Site *site, Arena *arena)
{
    /* The public service's tokens are for a name that none of its hosts has. */
    Str alias = by_alias(site, arena, STR("batch"));
    return alias.ptr && str_eq(alias, STR("batch.azure.com")) ? STR("https://batch.core.windows.net") : site_url(site, arena, STR("batch"));
}

Str site_authority(const Site *site, Arena *arena)
{
    Str login = site_url(site, arena, STR("login"));
    return str_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(login), STR_ARG(site->tenant_id));
}

static bool port_is_sound(Str text)
{
    int64_t port;
    Err ignored = { 0 };                           /* the caller words its own refusal */
    return str_to_int64(text, 1, 65535, &port, &ignored);
}

/* The label before ".vault.<domain>" or before the alias of that; false when the host is another one. */
static bool vault_of_host(const Site *site, Arena *arena, Str host, Str *vault)
{
    Str rest = host, labels = STR("vault"), alias = by_alias(site, arena, labels);
    *vault = str_cut(&rest, '.');
    return vault->len > 0 && (str_eq_nocase(rest, below_domain(site, arena, labels)) || (alias.ptr && str_eq_nocase(rest, alias)));
}

bool site_split_vault_url(const Site *site, Arena *arena, Str url, Str *vault, Str *collection, Str *name, Str *version, Err *err)
{
    Str scheme = STR("https://");
    if (!str_starts_nocase(url, scheme))
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is no https:// URL of a vault", STR_ARG(url));

    Str rest = str_slice(url, scheme.len, url.len);
    Str authority = str_cut(&rest, '/');
    Str port = authority;
    Str host = str_cut(&port, ':');
    Str label;
    bool is_ours = vault_of_host(site, arena, host, &label);
    if (!arena_ok(arena))
        return err_too_big(err);
    if (!is_ours)
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' names no vault of this site: the host must be <vault>." STR_FMT,
                       STR_ARG(url), STR_ARG(host_of(site, arena, STR("vault"))));
    /* Stored identifiers outlive a change of port, so any port that could be one is taken. */
    if (port.ptr && !port_is_sound(port))
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' has no valid port", STR_ARG(url));

    Str parts[3] = { STR_NONE, STR_NONE, STR_NONE };
    size_t count = 0;
    while (rest.ptr) {
        Str part = str_cut(&rest, '/');
        if (part.len == 0 && (!rest.ptr || rest.len == 0))
            break;                                 /* clients end their URLs with a slash or with an empty version */
        if (part.len == 0 || count == COUNT_OF(parts))
            return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is no object of a vault: expected /<collection>/<name>[/<version>]", STR_ARG(url));
        parts[count++] = part;
    }
    if (count < 2)
        return err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' names no object: expected /<collection>/<name>[/<version>]", STR_ARG(url));

    Str lower_vault = str_lower(arena, label), lower_collection = str_lower(arena, parts[0]);
    if (!arena_ok(arena))
        return err_too_big(err);
    *vault = lower_vault;
    *collection = lower_collection;
    *name = parts[1];
    *version = parts[2];
    return true;
}

AuditRecord site_audit_record(const Site *site, const Req *req, Str resource_id, int http_status, Str description)
{
    const Caller *caller = req->caller;
    bool has_query = req->query.len > 0;
    return (AuditRecord){
        .time_ms = real_now_ms(),                  /* evidence keeps real time, whatever a development clock says */
        .resource_id = resource_id.ptr ? resource_id : str_printf(req->arena, "/tenants/" STR_FMT, STR_ARG(site->tenant_id)),
        .operation = req->route ? str_from(req->route->operation) : STR_NONE,
        .operation_version = req->api_version,
        .category = STR("AuditEvent"),
        .http_status = http_status,
        .result_description = description,
        .duration_ms = mono_now_ms() - req->started_mono_ms,
        .caller_ip = req->client_ip,
        .correlation_id = req->client_request_id.ptr ? req->client_request_id : req->request_id,
        .caller_object_id = caller ? caller->object_id : STR_NONE,
        .caller_app_id = caller ? caller->app_id : STR_NONE,
        .caller_tenant_id = caller ? caller->tenant_id : STR_NONE,
        .client_info = req->user_agent,
        .request_uri = STR_CONCAT(req->arena, STR("https://"), req->host, req->path, has_query ? STR("?") : STR(""), req->query),
    };
}
