/* site.h - what every subject of the server is given: where things are, what they are called, what time it is.
 *
 * One Site a process, made at wiring, read-only afterwards except through the calls of its parts. Subjects keep a pointer. */
#pragma once
#include "audit/audit.h"
#include "base/clock.h"
#include "crypto/keys/key.h"
#include "http/server.h"
#include "pkcs11/token.h"
#include "runner/runner.h"
#include "store/seal.h"
#include "store/store.h"

/* What the parts of a site are called. Each is found at its label below `domain` ("vault.vaultyard.localhost"); one with an alias is
 * found there as well, and all URLs that we emit use the alias. */
typedef struct Names {
    Str domain;                             /* "vaultyard.localhost" */
    const HttpAlias *aliases; size_t alias_count;
    int port;                               /* client-visible; 443 is left out of URLs */
    Str location;                           /* "local" unless set: the region new resources are in by default, and of Batch host names */
} Names;

typedef struct Site {
    Store  *store;
    Seal   *seal;
    Clock  *clock;
    Audit  *audit;
    Runner *runner;
    HttpServer *http;
    Names   names;
    Str     tenant_id;
    Str     instance_id;                    /* random, from init; names cgroups and node host names */
    bool    is_dev;                         /* serve --dev: the clock may be shifted */
    P11Token  *hsm;                            /* keeps the keys of premium vaults; NULL: there is none */
    const char *own_socket, *ca_file;       /* how the server calls its own planes as any customer does: its Unix socket and the site's CA; NULL: by name, the system's CAs */
    const char *attestation_ca_file;        /* authorities of release policies are checked by it; NULL: the system's CAs */
} Site;

/* All URLs we emit are made here, so that each carries the client-visible port. Results lie in the arena, without trailing slash. */
Str site_url(const Site *site, Arena *arena, Str host_labels);                 /* "management" -> "https://management.vaultyard.localhost:8443", or of its alias */
void site_drop_leaf(const Site *site, Arena *arena, Str host_labels);          /* a host name went away: its certificates too */
Str site_vault_url(const Site *site, Arena *arena, Str vault);                 /* https://<vault>.vault.<domain>:port */
Str site_vault_resource(const Site *site, Arena *arena);                       /* audience and challenge resource: https://vault.<domain>:port, or of its alias */
Str site_batch_host(const Site *site, Arena *arena, Str account, Str region);  /* host[:port], no scheme: accountEndpoint */
Str site_batch_resource(const Site *site, Arena *arena);                       /* https://batch.<domain>:port; https://batch.core.windows.net where batch is batch.azure.com */
Str site_authority(const Site *site, Arena *arena);                            /* https://login.<domain>:port/<tenant> */
/* Splits an object URL of any vault of this site: vault and collection in lower case, name and version (absent if none) as written.
 * ERR_BAD_INPUT: not https, a foreign host, no object. Any port is taken: stored identifiers outlive a change of port. */
bool site_split_vault_url(const Site *site, Arena *arena, Str url, Str *vault, Str *collection, Str *name, Str *version, Err *err) MUST_CHECK;

/* An audit record of this request, filled in as far as the request knows. resource_id absent: the tenant ("/tenants/<id>"). */
AuditRecord site_audit_record(const Site *site, const Req *req, Str resource_id, int http_status, Str description);
