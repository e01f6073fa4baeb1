/* graph.h - what the files of the Graph plane share (graph*.c). Nobody else includes it. */
#pragma once
#include "identity/parts.h"
#include "site/odata.h"

/* Permissions of the plane's rows. CHANGE is about the object in {id}: the administrator, or who created it. */
#define GRAPH_READ    "Directory.Read"
#define GRAPH_CREATE  "Directory.Create"
#define GRAPH_CHANGE  "Directory.Change"

bool graph_bad_request(Err *err, const char *field, const char *fmt, ...) FORMAT(3, 4);      /* 400 Request_BadRequest; field may be ""; always false */
Str  graph_asked_id(const Req *req);                                                         /* the object that the path names, by {appId} or {id} */
bool graph_not_found(Err *err, Str id);                                                      /* 404 Request_ResourceNotFound; always false */
bool graph_denied(Err *err, const char *why);                                                /* 403 Authorization_RequestDenied; always false */
bool graph_is_administrator(const Identity *identity, const Req *req);
bool graph_record_write(Identity *identity, Txn *txn, Req *req, Str object_id, int http_status, Err *err) MUST_CHECK;   /* the audit record, in its transaction */
void graph_put_context(const Identity *identity, const Req *req, JsonWriter *w, const char *what);                     /* member @odata.context */

/* An application or a service principal with everything that its JSON shows. */
typedef struct GraphApplication {
    Application app;
    const Str *uris; size_t uri_count;
    const Credential *credentials; size_t credential_count;
} GraphApplication;
typedef struct GraphPrincipal {
    PrincipalRow row;
    const Str *names; size_t name_count;        /* its app id and its application's URIs */
    const Credential *credentials; size_t credential_count;
} GraphPrincipal;

bool graph_application_load(Identity *identity, Txn *txn, Arena *arena, Str object_id, GraphApplication *out, bool *found, Err *err) MUST_CHECK;
bool graph_principal_load(Identity *identity, Txn *txn, Arena *arena, Str object_id, GraphPrincipal *out, bool *found, Err *err) MUST_CHECK;
/* The members; the caller opened the object. */
void graph_put_application(JsonWriter *w, const Identity *identity, Arena *arena, const GraphApplication *a);
void graph_put_principal(JsonWriter *w, const Identity *identity, Arena *arena, const GraphPrincipal *p);

/* graph_credential.c */
void graph_put_credentials(JsonWriter *w, Arena *arena, const Credential *credentials, size_t count);
/* keyCredentials of a body become the certificates of an application: named ones without a key stay, the others go, new ones come. */
bool graph_set_certificates(Identity *identity, Txn *txn, Arena *arena, const Application *app, const JsonVal *list, int64_t now_ms, Err *err) MUST_CHECK;

Handler graph_applications_list, graph_application_get, graph_application_create, graph_application_patch, graph_application_remove;
Handler graph_principals_list, graph_principal_get, graph_principal_create, graph_principal_patch, graph_principal_remove;
Handler graph_application_add_password, graph_application_remove_password, graph_principal_add_password, graph_principal_remove_password;
Handler graph_federated_list, graph_federated_get, graph_federated_create, graph_federated_patch, graph_federated_remove;
Handler graph_get_by_ids, graph_me, graph_empty_list;
