/* tenant_fixture.h - a whole tenant in a temporary directory: store, seal, audit, identity, access, and a server on port 0 that
 * serves the login and Graph planes and role assignments ("management", decided on {scope}). */
#pragma once
#include "../store/store_fixture.h"
#include "access/access.h"
#include "http/client.h"

typedef struct Tenant {
    Place place;
    Site site;
    Identity *identity;
    Access *access;
    Bootstrap boot;
    Arena *arena;                       /* lives as long as the test */
    HttpClient *client;
    Plane management;
    char scope[64];                     /* "/subscriptions/<id>", which the administrator owns */
} Tenant;

void tenant_open(Tenant *t);
void tenant_close(Tenant *t);
void tenant_restart(Tenant *t);         /* closes everything and opens it again on the same directory */

Str  tenant_url(Tenant *t, const char *host_labels, const char *path);
typedef struct Ask { const char *method, *host_labels, *path; Str token, body; const char *content_type; Str authorization; } Ask;
HttpAnswer tenant_ask(Tenant *t, const Ask *ask);
const JsonVal *answer_json(Tenant *t, const HttpAnswer *answer);        /* fails the test if it is none */
Str  answer_text(Tenant *t, const HttpAnswer *answer, const char *dotted);

/* POST of a form to /<tenant>/oauth2/v2.0/token. */
HttpAnswer tenant_sign_in(Tenant *t, Str form);
Str  tenant_secret_form(Tenant *t, Str client_id, Str secret, const char *scope);       /* client_credentials with a secret */
Str  tenant_admin_token(Tenant *t, const char *scope);                                  /* "https://graph.microsoft.com/.default" */
Principal tenant_make_app(Tenant *t, const char *name, Str *secret);                    /* an application with service principal and secret */
