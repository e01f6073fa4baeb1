/* sign_in.h - who the agent is, and its tokens: a managed identity (the metadata address, App Service's form, Arc's form) or an application
 * with a secret, a certificate or a token of another issuer (workload identity). */
#pragma once
#include "http/client.h"
#include "json/read.h"

typedef enum SignInKind { SIGN_IN_MANAGED = 0, SIGN_IN_SECRET, SIGN_IN_CERTIFICATE, SIGN_IN_FEDERATED } SignInKind;

typedef struct SignIn {
    SignInKind kind;
    Str msi_endpoint;                   /* managed: the whole address that answers with tokens */
    bool is_endpoint_given;             /* by the settings, so the environment does not count */
    Str msi_client_id, msi_object_id, msi_resource_id;
    Str app_service_header;             /* X-IDENTITY-HEADER; present: App Service's form */
    Str arc_key_dir;                    /* absent: /var/opt/azcmagent/tokens */
    Str authority, tenant, client_id;   /* an application; authority https://host, absent: Entra's public one */
    Str secret_file, certificate_file, certificate_password_file, token_file;
} SignIn;

/* Fills what the settings left to the environment: IDENTITY_ENDPOINT with IDENTITY_HEADER (App Service) or IMDS_ENDPOINT (Arc), and
 * AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST (workload identity). ERR_BAD_INPUT names what is missing. */
bool sign_in_complete(Arena *arena, SignIn *sign_in, Err *err) MUST_CHECK;

/* *token is in the arena (wipe it after use); *until_ms real time. `local` goes to the metadata address, `remote` to the authority. Files are
 * read each time, so a secret that was exchanged counts at once. ERR_DENIED (refused: says by whom, as whom and why), ERR_UNAVAILABLE. */
typedef struct SignInClients { HttpClient *local, *remote; } SignInClients;
bool sign_in_token(SignInClients clients, Arena *arena, const SignIn *sign_in, Str resource, int64_t now_ms, Str *token, int64_t *until_ms, Err *err) MUST_CHECK;

Str sign_in_name(Arena *arena, const SignIn *sign_in);          /* "the identity with client id c1", for messages */
Str sign_in_assignee(const SignIn *sign_in);                    /* what az takes as --assignee: an id, or a placeholder to fill in */
