/* commands.c - every command of vy, one row each, in the words of az. */
#include "cli/run.h"

#define END { NULL, NULL, 0, NULL }

const Option cli_global_options[] = {
    { "--output -o",   "json|jsonc|table|tsv|none", 0, "How to print the result. A table on a terminal, JSON elsewhere." },
    { "--query",       "JMESPATH",                  0, "Print only what this picks from the result, for example \"[].name\". See https://jmespath.org." },
    { "--subscription", "SUBSCRIPTION",             0, "Work in this subscription, by id or name, instead of the default one." },
    { "--only-show-errors", NULL,                   0, "No warnings, notes or progress." },
    { "--verbose",      NULL,                       0, "Tell of each request: method, address, status and how long it took." },
    { "--debug",        NULL,                       0, "The same as --verbose." },
    { "--help -h",      NULL,                       0, "Show this help." },
    END
};

/* ---- options that several commands have ---- */

#define OPT_GROUP_REQUIRED { "--resource-group -g", "GROUP", OPT_REQUIRED, "Name of the resource group." }
#define OPT_GROUP          { "--resource-group -g", "GROUP", 0, "Name of the resource group." }
#define OPT_LOCATION       { "--location -l", "LOCATION", 0, "Where it is; 'West US 2' and westus2 are the same. The site's own by default." }
#define OPT_TAGS           { "--tags", "NAME=VALUE", OPT_LIST | OPT_MAY_BE_EMPTY, "Tags; \"\" takes them away." }
#define OPT_YES            { "--yes -y", NULL, 0, "Do not ask." }
#define OPT_NO_WAIT        { "--no-wait", NULL, 0, "Do not wait for the end." }
#define OPT_VAULT          { "--vault-name", "VAULT", 0, "Name of the vault." }
#define OPT_VAULT_REQUIRED { "--vault-name", "VAULT", OPT_REQUIRED, "Name of the vault." }
#define OPT_OBJECT         { "--name -n", "NAME", 0, "Name in the vault." }
#define OPT_ID             { "--id", "URL", 0, "Its identifier, instead of vault and name." }
#define OPT_VERSION        { "--version -v", "VERSION", OPT_MAY_BE_EMPTY, "The newest by default." }
#define OPT_ACCOUNT        { "--account-name", "ACCOUNT", 0, "Name of the Batch account. Or set AZURE_BATCH_ACCOUNT." }
#define OPT_ENDPOINT       { "--account-endpoint", "URL", 0, "Address of the Batch account. Or set AZURE_BATCH_ENDPOINT." }
#define OPT_POOL           { "--pool-id", "POOL", OPT_REQUIRED, "Id of the pool." }
#define OPT_NODE           { "--node-id", "NODE", OPT_REQUIRED, "Id of the node." }

static const Option no_options[] = { END };

/* ---- account ---- */

static const Option login_options[] = {
    { "--service-principal", NULL, 0, "Sign in as a service principal." },
    { "--username -u", "APP", 0, "Its application (client) id." },
    { "--password -p", "SECRET", OPT_MAY_BE_EMPTY, "Its secret; @FILE reads a file, - reads standard input." },
    { "--certificate", "FILE", 0, "Its certificate with the key, .pfx or PEM, instead of a secret; --password is that of the .pfx." },
    { "--tenant -t", "TENANT", 0, "The tenant's id." },
    { "--authority", "URL", 0, "The site's login address, https://login.DOMAIN:PORT." },
    { "--resource-manager", "URL", 0, "The site's management address, when it is not beside the login address." },
    { "--ca-file", "FILE", 0, "The site's CA certificate." },
    { "--admin-file", "FILE", 0, "Everything from the file that `vaultyard init` wrote." },
    { "--allow-no-subscriptions", NULL, 0, "Sign in without a role in any subscription." },
    END
};
static const Option token_options[] = { { "--resource", "AUDIENCE", 0, "Whom the token is for; Resource Manager by default." }, END };

#define OPT_SUBSCRIPTION_SELF { "--name -n -s", "SUBSCRIPTION", 0, "By id or name; the same as --subscription." }
static const Option account_pick_options[] = { OPT_SUBSCRIPTION_SELF, END };
static const Option account_list_options[] = { { "--all", NULL, 0, "Accepted as in az; all are listed anyway." }, { "--refresh", NULL, 0, "Accepted as in az; the server is asked anyway." }, END };
static const Option subscription_create_options[] = {
    { "--name -n", "ALIAS", OPT_REQUIRED, "Asking again under the same name answers the same subscription." },
    { "--display-name -d", "TEXT", 0, "What to call it; the name by default." },
    { "--workload", "Production|DevTest", 0, "Accepted as in az." }, { "--billing-scope", "SCOPE", 0, "Accepted as in az; nobody bills here." }, END
};
static const Option subscription_rename_options[] = {
    { "--id --subscription-id", "SUBSCRIPTION", OPT_REQUIRED, "Which one, by id or name." }, { "--name --subscription-name -n", "TEXT", OPT_REQUIRED, "What to call it from now on." }, END
};

/* ---- groups, identities ---- */

static const Option group_create_options[] = { { "--name -n --resource-group -g", "GROUP", OPT_REQUIRED, "Name of the group." }, OPT_LOCATION, OPT_TAGS, END };
static const Option group_options[] = { { "--name -n --resource-group -g", "GROUP", OPT_REQUIRED, "Name of the group." }, END };
static const Option group_delete_options[] = { { "--name -n --resource-group -g", "GROUP", OPT_REQUIRED, "Name of the group." }, OPT_YES, OPT_NO_WAIT, END };
static const Option in_group_options[] = { OPT_GROUP, END };

#define OPT_IDENTITY { "--name -n", "NAME", OPT_REQUIRED, "Name of the identity." }
static const Option identity_create_options[] = { OPT_IDENTITY, OPT_GROUP_REQUIRED, OPT_LOCATION, OPT_TAGS, END };
static const Option identity_options[] = { OPT_IDENTITY, OPT_GROUP_REQUIRED, END };

/* ---- directory, roles ---- */

static const Option sp_create_options[] = {
    { "--name --display-name -n", "NAME", 0, "What to call it: makes an application with a secret." },
    { "--id", "APP", 0, "Of an application that is there: application id, object id or identifier URI." },
    { "--years", "N", 0, "How long its secret is valid; one year by default." },
    { "--role", "ROLE", 0, "A role to give it." },
    { "--scopes", "SCOPE", OPT_LIST, "Where it gets the role." },
    END
};
static const Option sp_list_options[] = { { "--display-name", "START", 0, "Only those whose name begins so." }, { "--all", NULL, 0, "Accepted as in az; all are listed anyway." }, END };
static const Option sp_options[] = { { "--id", "ID", OPT_REQUIRED, "Application id, object id or service principal name." }, END };

#define OPT_APP { "--id", "APP", OPT_REQUIRED, "Application id, object id or identifier URI." }
#define OPT_APP_KEY { "--key-value", "BASE64", 0, "A certificate that it signs in with, base64 of the .cer." }, \
                    { "--cert", "FILE", 0, "The same from a file: .cer, or PEM." }, \
                    { "--start-date", "TIME", 0, "From when it counts; the certificate's own start by default." }, \
                    { "--end-date", "TIME", 0, "Until when it counts; the certificate's own end by default." }, \
                    { "--key-display-name", "TEXT", 0, "What to call the credential." }
static const Option app_create_options[] = {
    { "--display-name -n", "NAME", OPT_REQUIRED, "What to call it." }, { "--identifier-uris", "URI", OPT_LIST, "Names of it beside its id; service principal names as well." },
    { "--web-home-page-url", "URL", 0, "Its home page." }, OPT_APP_KEY, END
};
static const Option app_list_options[] = { { "--display-name", "START", 0, "Only those whose name begins so." }, { "--all", NULL, 0, "Accepted as in az; all are listed anyway." }, END };
static const Option app_options[] = { OPT_APP, END };
static const Option app_credential_add_options[] = { OPT_APP, OPT_APP_KEY, { "--append", NULL, 0, "Keep the certificates that are there." }, END };
static const Option app_credential_list_options[] = { OPT_APP, { "--cert", NULL, 0, "Certificates, not secrets." }, END };
static const Option app_credential_delete_options[] = { OPT_APP, { "--key-id", "ID", OPT_REQUIRED, "Which one." }, { "--cert", NULL, 0, "It is a certificate." }, END };

#define OPT_ASSIGNEE { "--assignee", "WHO", 0, "Application id, object id or service principal name." }, \
                     { "--assignee-object-id", "ID", 0, "Object id, taken as it is." }
#define OPT_SCOPE    { "--scope", "SCOPE", 0, "A subscription, group or resource by its id; the subscription by default." }
static const Option role_assign_options[] = { OPT_ASSIGNEE, { "--assignee-principal-type", "TYPE", 0, "Accepted as in az." }, { "--role", "ROLE", OPT_REQUIRED, "Role by name or id." }, OPT_SCOPE, OPT_GROUP, END };
static const Option role_list_options[] = {
    OPT_ASSIGNEE, { "--role", "ROLE", 0, "Only this role." }, OPT_SCOPE, OPT_GROUP,
    { "--all", NULL, 0, "All of the subscription, not only at the scope itself." }, { "--include-inherited", NULL, 0, "Also those from above the scope." }, END
};
static const Option role_unassign_options[] = { OPT_ASSIGNEE, { "--role", "ROLE", 0, "Only this role." }, OPT_SCOPE, OPT_GROUP, { "--ids", "ID", OPT_LIST, "Ids of role assignments." }, OPT_YES, END };
#define OPT_CUSTOM_ONLY { "--custom-role-only", "true|false", OPT_VALUE_OPTIONAL, "Custom roles alone." }
static const Option role_definition_options[] = { { "--name -n", "ROLE", 0, "Only the role of this name or GUID." }, OPT_SCOPE, OPT_GROUP, OPT_CUSTOM_ONLY, END };
static const Option role_definition_show_options[] = { { "--id", "ID", 0, "Its whole id." }, { "--name -n", "ROLE", 0, "Its name or GUID." }, OPT_SCOPE, OPT_GROUP, END };
static const Option role_definition_put_options[] = {
    { "--role-definition", "JSON", OPT_REQUIRED, "Name, Description, Actions, NotActions, DataActions, NotDataActions, AssignableScopes; or a FILE, @FILE, or - for standard input." }, END
};
static const Option role_definition_delete_options[] = { { "--name -n", "ROLE", OPT_REQUIRED, "Its name or GUID." }, OPT_SCOPE, OPT_GROUP, OPT_CUSTOM_ONLY, END };

#include "cli/keyvault/options_vault.h"

/* ---- Batch ---- */

#define OPT_ACCOUNT_SELF { "--name -n", "ACCOUNT", OPT_REQUIRED, "Name of the account." }
#define OPT_ENCRYPTION { "--encryption-key-source", "SOURCE", 0, "Microsoft.Batch, or Microsoft.KeyVault with a key of your own." }, \
                       { "--encryption-key-identifier", "URL", 0, "The key's identifier; without a version, new ones are followed." }
static const Option account_create_options[] = {
    OPT_ACCOUNT_SELF, OPT_GROUP_REQUIRED, OPT_LOCATION, { "--locations", "regionName=LOCATION", 0, "The same in the older spelling." },
    { "--identity --identity-type", "SystemAssigned|UserAssigned|None", 0, "The account's identity." },
    { "--mi-system-assigned", "true|false", OPT_VALUE_OPTIONAL, "The same in az's spelling." },
    { "--mi-user-assigned", "ID", OPT_LIST, "Ids of user-assigned identities." },
    { "--keyvault", "VAULT", 0, "Make an account of pool allocation mode UserSubscription, with this vault (name or id)." }, OPT_ENCRYPTION, OPT_TAGS, END
};
static const Option account_set_options[] = { OPT_ACCOUNT_SELF, OPT_GROUP, OPT_ENCRYPTION, OPT_TAGS, END };
static const Option account_identity_options[] = {
    OPT_ACCOUNT_SELF, OPT_GROUP, { "--system-assigned --mi-system-assigned", "true|false", OPT_VALUE_OPTIONAL, "The identity of the account itself." },
    { "--user-assigned --mi-user-assigned", "ID", OPT_LIST, "Ids of user-assigned identities." }, END
};
static const Option account_options[] = { OPT_ACCOUNT_SELF, OPT_GROUP, END };
static const Option account_delete_options[] = { OPT_ACCOUNT_SELF, OPT_GROUP, OPT_YES, OPT_NO_WAIT, END };
#define OPT_MIGRATION \
    OPT_ACCOUNT_SELF, OPT_GROUP, { "--vault-name", "VAULT", OPT_REQUIRED, "The vault the certificates go to, by name or id." }, \
    { "--pfx", "FILE", OPT_LIST, "The certificates with their keys, which the service never gives back." }, \
    { "--password", "TEXT", OPT_MAY_BE_EMPTY, "Of these files; @FILE reads a file, - reads standard input. Asked for on the terminal otherwise." }, \
    { "--pool-id", "POOL", OPT_LIST, "Only these pools; all that refer to certificates by default." }, \
    { "--identity", "IDENTITY", 0, "Managed identity of the new pools, by name or id; ACCOUNT-certificates by default." }, \
    { "--suffix", "TEXT", 0, "Of the new pools' ids, behind a hyphen; kv by default." }, \
    { "--store-location", "DIR", 0, "Where the certificates lie on the nodes." }, \
    { "--requeue", NULL, 0, "Stop tasks that run and queue them again, instead of waiting for their end." }, \
    { "--keep-pools", NULL, 0, "Do not delete the old pools." }, \
    { "--delete-certificates", NULL, 0, "Delete the account's certificates in the end." }
static const Option certificates_plan_options[] = { OPT_MIGRATION, END };
static const Option certificates_migrate_options[] = { OPT_MIGRATION, { "--timeout", "MINUTES", 0, "How long to wait for one thing; 60 by default." }, OPT_YES, END };
static const Option pool_create_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, { "--json-file", "FILE", OPT_REQUIRED, "The pool, as Resource Manager or as the Batch service has it; - for standard input." },
    { "--id", "POOL", 0, "Its id, when the document names none." }, { "--api-version", "VERSION", 0, "Of Resource Manager, for a document that has \"properties\"." }, END
};
static const Option pool_list_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, END };
static const Option pool_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, END };
static const Option pool_set_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, { "--json-file", "FILE", 0, "What to change, as the Batch service has it; - for standard input." },
    { "--certificate-references", "THUMBPRINT", OPT_LIST | OPT_MAY_BE_EMPTY, "The account's certificates that its nodes shall have; \"\" takes all away." }, END
};
static const Option pool_reset_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, { "--json-file", "FILE", OPT_REQUIRED, "All updatable properties; what is not in it is taken away." }, END };
static const Option pool_delete_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_YES, END };
static const Option node_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, END };
static const Option reboot_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, { "--node-reboot-option", "requeue|terminate|taskcompletion|retaineddata", 0, "What becomes of its tasks; requeue by default." }, END
};
#define OPT_JOB   { "--job-id", "JOB", OPT_REQUIRED, "Id of the job." }
#define OPT_TASK  { "--task-id", "TASK", OPT_REQUIRED, "Id of the task." }
#define OPT_FILE  { "--file-path", "PATH", OPT_REQUIRED, "The file: below the task's directory, or the node's root directory." }
#define OPT_FILTER { "--filter", "ODATA", 0, "Only those, for example \"state eq 'active'\"." }
#define OPT_SELECT { "--select", "PROPERTIES", 0, "Only these properties, separated by commas." }
#define OPT_RECURSIVE { "--recursive", NULL, 0, "With all that is below." }
#define OPT_DESTINATION { "--destination", "PATH", OPT_REQUIRED, "Where it goes: a file, or a directory for its own name." }
#define OPT_JOB_MEMBERS { "--priority", "NUMBER", 0, "From -1000 to 1000." }, { "--max-parallel-tasks", "NUMBER", 0, "How many of its tasks may run at once; -1 for no limit." }, \
                        { "--job-max-wall-clock-time", "DURATION", 0, "How long it may last, as PT8H." }, \
                        { "--job-max-task-retry-count", "NUMBER", 0, "How often each task is tried again; -1 for no limit." }, \
                        { "--on-all-tasks-complete", "noaction|terminatejob", 0, "What happens when all its tasks are completed." }, \
                        { "--metadata", "NAME=VALUE", OPT_LIST, "Names and values of your own." }
static const Option job_create_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, { "--id", "JOB", 0, "Id of the new job." }, { "--pool-id", "POOL", 0, "The pool it runs on." }, OPT_JOB_MEMBERS,
    { "--json-file", "FILE", 0, "The job, as the Batch service has it, instead; - for standard input." }, END
};
static const Option job_set_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, { "--pool-id", "POOL", 0, "Another pool; the job must be disabled." }, OPT_JOB_MEMBERS,
    { "--json-file", "FILE", 0, "The members to change, as the Batch service has them; - for standard input." }, END
};
static const Option job_list_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_FILTER, OPT_SELECT, END };
static const Option job_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, END };
static const Option job_delete_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_YES, END };
static const Option job_disable_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, { "--disable-tasks", "requeue|terminate|wait", 0, "What becomes of its running tasks; requeue by default." }, END };
static const Option job_stop_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, { "--terminate-reason", "TEXT", 0, "Why; shown as its terminateReason." }, END };
static const Option task_create_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, { "--task-id", "TASK", 0, "Id of the new task." }, { "--command-line", "TEXT", 0, "What runs; not through a shell." },
    { "--environment-settings", "NAME=VALUE", OPT_LIST, "Environment variables." }, { "--resource-files", "PATH=URL", OPT_LIST, "Files that are put below its working directory first." },
    { "--max-task-retry-count", "NUMBER", 0, "How often it is tried again; -1 for no limit." }, { "--max-wall-clock-time", "DURATION", 0, "How long it may run, as PT1H." },
    { "--retention-time", "DURATION", 0, "How long its files are kept; P7D by default." }, { "--affinity-id", "ID", 0, "Where it would best run: a node's affinityId." },
    { "--json-file", "FILE", 0, "A task, or a list of tasks, as the Batch service has them, instead; - for standard input." }, END
};
static const Option task_list_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_FILTER, END };
static const Option task_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_TASK, END };
static const Option task_delete_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_TASK, OPT_YES, END };
static const Option task_files_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_TASK, OPT_RECURSIVE, OPT_FILTER, END };
static const Option task_file_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_TASK, OPT_FILE, END };
static const Option task_download_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_TASK, OPT_FILE, OPT_DESTINATION, END };
static const Option task_file_delete_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_JOB, OPT_TASK, OPT_FILE, OPT_RECURSIVE, OPT_YES, END };
static const Option node_files_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, OPT_RECURSIVE, OPT_FILTER, END };
static const Option node_file_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, OPT_FILE, END };
static const Option node_download_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, OPT_FILE, OPT_DESTINATION, END };
static const Option node_file_delete_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, OPT_FILE, OPT_RECURSIVE, OPT_YES, END };
static const Option extension_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, { "--extension-name", "NAME", OPT_REQUIRED, "Name of the extension." }, END };
static const Option exec_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_POOL, OPT_NODE, { "--timeout", "SECONDS", 0, "How long it may take; 60 by default." }, END };

#define OPT_THUMBPRINT { "--thumbprint", "SHA1", OPT_REQUIRED, "SHA-1 thumbprint of the certificate, in hex." }
static const Option batch_certificate_create_options[] = {
    OPT_ACCOUNT, OPT_ENDPOINT, { "--certificate-file", "FILE", OPT_REQUIRED, "A .pfx, or a .cer without a private key." },
    { "--thumbprint", "SHA1", 0, "Its SHA-1 thumbprint, which the server compares; taken from the file by default." },
    { "--password", "TEXT", OPT_MAY_BE_EMPTY, "Of the .pfx; @FILE reads a file, - reads standard input. Asked for on the terminal when it is needed and not given." }, END
};
static const Option batch_certificate_list_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, { "--filter", "FILTER", 0, "Only these, for example \"state eq 'deletefailed'\"." }, END };
static const Option batch_certificate_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_THUMBPRINT, END };
static const Option batch_certificate_delete_options[] = { OPT_ACCOUNT, OPT_ENDPOINT, OPT_THUMBPRINT, { "--abort", NULL, 0, "Cancel a deletion that failed instead." }, OPT_YES, END };
static const Option feature_set_options[] = {
    { "--state", "enabled|retiring|retired", 0, "What holds from now on; retiring by default, when there is a date." },
    { "--retirement-date", "TIME", 0, "When they are retired, like 2030-01-31 or 2030-01-31T00:00:00Z. Without it no date holds any more." }, END
};

/* ---- files of certificates, in the words of the Windows tools (whose long names have one hyphen, as everywhere here may be) ---- */

static const Option makecert_options[] = {
    { "--sv", "FILE.pvk", 0, "The key: made if there is none, else used. Its password is asked for." },
    { "--name -n", "NAME", 0, "The subject, \"CN=batch.example.org\"." },
    { "--begin -b", "MM/DD/YYYY", 0, "The first day; now by default." },
    { "--end -e", "MM/DD/YYYY", 0, "The end, midnight UTC where that day begins; the end of 2039 by default." },
    { "--self-signed -r", NULL, 0, "Sign it by itself. Needed." },
    { "--pe", NULL, 0, "Accepted: a key in a file can always be exported." },
    { "--algorithm -a", "sha256|sha384|sha512", 0, "Digest of the signature; sha256 by default." },
    { "--len", "2048|3072|4096", 0, "Length of a new key; 2048 by default." },
    { "--ss --sr --sk --sp --sy --sky", "VALUE", OPT_VALUE_OPTIONAL, "Of Windows' stores: refused." },
    { "--ic --is --ir --in --iv --ik --ip --iy --iky", "VALUE", OPT_VALUE_OPTIONAL, "Of an issuer: refused." },
    { "--eku --cy --sc --tbs -l -m -d -# -$", "VALUE", OPT_VALUE_OPTIONAL, "Refused." },
    { "--nscp", NULL, 0, "Refused." },
    END
};
static const Option pvk2pfx_options[] = {
    { "--pvk", "FILE.pvk", OPT_REQUIRED, "The key." },
    { "--pi", "PASSWORD", OPT_VALUE_OPTIONAL, "Its password, for all to see in the process list. Asked for otherwise." },
    { "--spc", "FILE", OPT_REQUIRED, "Its certificate: .cer, .spc, .p7b or PEM." },
    { "--pfx", "FILE.pfx", OPT_REQUIRED, "What to write." },
    { "--po", "PASSWORD", OPT_VALUE_OPTIONAL, "The password of the .pfx; -po alone asks for it. That of the key by default." },
    { "--force -f", NULL, 0, "Overwrite a .pfx that exists." },
    END
};

/* ---- others ---- */

static const Option rest_options[] = {
    { "--method -m", "METHOD", 0, "get by default." }, { "--url --uri -u", "URL", OPT_REQUIRED, "An address of this site, or a path of Resource Manager; {subscriptionId} is filled in." },
    { "--body -b", "TEXT", OPT_MAY_BE_EMPTY, "The body, @FILE or - for standard input." }, { "--resource", "AUDIENCE", 0, "Whom the token is for, when the host does not say." }, END
};

const Group cli_groups[] = {
    { "account", "Subscriptions and sign-in." }, { "account subscription", "Making and naming subscriptions." }, { "group", "Resource groups." }, { "identity", "User-assigned managed identities." },
    { "ad", "The directory." }, { "ad app", "Applications." }, { "ad app credential", "What applications sign in with." }, { "ad sp", "Service principals." },
    { "role", "Who may do what." }, { "role assignment", "Roles given to principals." }, { "role definition", "What roles allow." },
    { "eventgrid", "Events." }, { "eventgrid event-subscription", "Who is told of what happens in a vault." },
    { "keyvault", "Vaults and what is in them." }, { "keyvault secret", "Secrets." }, { "keyvault network-rule", "Who may reach a vault." }, { "keyvault certificate", "Certificates." },
    { "keyvault certificate pending", "Certificates being made." }, { "keyvault certificate issuer", "Whom certificates are asked from." }, { "keyvault certificate issuer admin", "Administrators of an issuer." },
    { "keyvault certificate contact", "Who is told about certificates." }, { "keyvault key", "Keys." }, { "keyvault key rotation-policy", "When keys get new versions." },
    { "batch", "Accounts, pools and nodes." }, { "batch account", "Batch accounts." },
    { "batch account certificates", "From certificates of the account to a vault." }, { "batch account identity", "Identities of accounts." }, { "batch pool", "Pools." },
    { "batch certificate", "Certificates of an account (see `vy batch certificate feature`)." }, { "batch certificate feature", "Whether account certificates are enabled, retiring or retired on this site." },
    { "batch node", "Compute nodes." },
    { "batch node extension", "Extensions on a node." }, { "batch node file", "Files on a node." }, { "batch job", "Jobs." }, { "batch job task-counts", "How a job's tasks stand." },
    { "batch job prep-release-status", "Preparation and release tasks." }, { "batch task", "Tasks." }, { "batch task file", "Files of a task." },
    { "dev", "For development servers (serve --dev)." }, { "dev clock", "The clock of objects." },
};
const size_t cli_group_count = COUNT_OF(cli_groups);

#define ACCOUNT_COLUMNS    "Name=name SubscriptionId=id State=state IsDefault=isDefault"
#define RESOURCE_COLUMNS   "Name=name ResourceGroup=resourceGroup Location=location"
#define IDENTITY_COLUMNS   RESOURCE_COLUMNS " ClientId=clientId PrincipalId=principalId"
#define SP_COLUMNS         "DisplayName=displayName Id=id AppId=appId Type=servicePrincipalType"
#define APP_COLUMNS        "DisplayName=displayName AppId=appId Id=id"
#define CREDENTIAL_COLUMNS "KeyId=keyId Start=startDateTime End=endDateTime Name=displayName"
#define ASSIGNMENT_COLUMNS "PrincipalId=principalId Role=roleDefinitionName Scope=scope"
#define SECRET_COLUMNS     "Name=name Id=id ContentType=contentType Enabled=attributes.enabled Expires=attributes.expires"
#define CERT_COLUMNS       "Name=name Id=id Enabled=attributes.enabled Expires=attributes.expires Thumbprint=x509ThumbprintHex"
#define ISSUER_COLUMNS "Name=name Provider=provider AccountId=credentials.accountId Enabled=attributes.enabled"
#define ADMIN_COLUMNS "Email=emailAddress FirstName=firstName LastName=lastName Phone=phone"
#define ACCOUNT_B_COLUMNS  RESOURCE_COLUMNS " State=provisioningState Endpoint=accountEndpoint"
#define ACCOUNT_KEY_COLUMNS "KeySource=encryption.keySource KeyAccess=encryption.keyAccess.state LostAt=encryption.keyAccess.lostAt RestoredAt=encryption.keyAccess.restoredAt"
#define KEY_COLUMNS        "Name=name Type=key.kty Id=key.kid Enabled=attributes.enabled"
#define DELETED_VAULT_COLUMNS "Name=name Location=properties.location Deleted=properties.deletionDate Purged=properties.scheduledPurgeDate"
#define POOL_COLUMNS       "Id=id State=state Allocation=allocationState VmSize=vmSize Nodes=currentDedicatedNodes Target=targetDedicatedNodes"
#define BATCH_CERT_COLUMNS "Thumbprint=thumbprint State=state Since=stateTransitionTime DeleteError=deleteCertificateError.code"
#define FEATURE_COLUMNS    "State=state RetirementDate=retirementDate"
#define JOB_COLUMNS        "Id=id State=state Pool=poolInfo.poolId Priority=priority Created=creationTime"
#define TASK_COLUMNS       "Id=id State=state Result=executionInfo.result ExitCode=executionInfo.exitCode Node=nodeInfo.nodeId CommandLine=commandLine"
#define FILE_COLUMNS       "Name=name IsDirectory=isDirectory Size=properties.contentLength Modified=properties.lastModified"
#define FILE_ONE_COLUMNS   "Name=name IsDirectory=isDirectory Size=contentLength Modified=lastModified Mode=fileMode"
#define COUNT_COLUMNS      "Active=taskCounts.active Running=taskCounts.running Completed=taskCounts.completed Succeeded=taskCounts.succeeded Failed=taskCounts.failed"
#define PREP_COLUMNS       "NodeId=nodeId Preparation=jobPreparationTaskExecutionInfo.state ExitCode=jobPreparationTaskExecutionInfo.exitCode Release=jobReleaseTaskExecutionInfo.state " \
                           "ReleaseExitCode=jobReleaseTaskExecutionInfo.exitCode"
#define NODE_COLUMNS       "Id=id State=state VmSize=vmSize Address=ipAddress Since=stateTransitionTime"

const Command cli_commands[] = {
    { "login",                       run_login,                      "Sign in to a site.",                                   login_options, ACCOUNT_COLUMNS, NULL, false },
    { "logout",                      run_logout,                     "Forget the sign-in and its tokens.",                   no_options, NULL, NULL, false },
    { "account show",                run_account_show,               "The subscription that commands work in.",              account_pick_options, ACCOUNT_COLUMNS, NULL, false },
    { "account list",                run_account_list,               "Subscriptions you may see.",                           account_list_options, ACCOUNT_COLUMNS, NULL, false },
    { "account set",                 run_account_set,                "Choose the default subscription (--subscription).",    account_pick_options, NULL, NULL, false },
    { "account get-access-token",    run_account_token,              "A token for other tools.",                             token_options, NULL, NULL, false },
    { "account subscription create", run_subscription_create,        "Make a subscription; you are its Owner.",              subscription_create_options, ACCOUNT_COLUMNS, NULL, false },
    { "account subscription list",   run_account_list,               "Subscriptions you may see.",                           account_list_options, ACCOUNT_COLUMNS, NULL, false },
    { "account subscription show",   run_account_show,               "One subscription.",                                    account_pick_options, ACCOUNT_COLUMNS, NULL, false },
    { "account subscription rename", run_subscription_rename,        "Call a subscription something else.",                  subscription_rename_options, NULL, NULL, false },
    { "group create",                run_group_create,               "Create or update a group.",                            group_create_options, "Name=name Location=location State=properties.provisioningState", NULL, false },
    { "group show",                  run_group_show,                 "One group.",                                           group_options, "Name=name Location=location State=properties.provisioningState", NULL, false },
    { "group list",                  run_group_list,                 "Groups of the subscription.",                          no_options, "Name=name Location=location State=properties.provisioningState", NULL, false },
    { "group exists",                run_group_exists,               "Is there such a group?",                               group_options, NULL, NULL, false },
    { "group delete",                run_group_delete,               "Delete a group with everything in it.",                group_delete_options, NULL, NULL, false },
    { "identity create",             run_identity_create,            "Create or update an identity.",                        identity_create_options, IDENTITY_COLUMNS, NULL, false },
    { "identity show",               run_identity_show,              "One identity.",                                        identity_options, IDENTITY_COLUMNS, NULL, false },
    { "identity list",               run_identity_list,              "Identities of a group or of the subscription.",        in_group_options, IDENTITY_COLUMNS, NULL, false },
    { "identity delete",             run_identity_delete,            "Delete an identity.",                                  identity_options, NULL, NULL, false },
    { "ad app create",               run_app_create,                 "Register an application, with a certificate if there is one.", app_create_options, APP_COLUMNS, NULL, false },
    { "ad app list",                 run_app_list,                   "Applications.",                                        app_list_options, APP_COLUMNS, NULL, false },
    { "ad app show",                 run_app_show,                   "One application.",                                     app_options, APP_COLUMNS, NULL, false },
    { "ad app delete",               run_app_delete,                 "Delete an application and its service principal.",     app_options, NULL, NULL, false },
    { "ad app credential reset",     run_app_credential_add,         "Give an application a certificate to sign in with.",   app_credential_add_options, CREDENTIAL_COLUMNS, NULL, false },
    { "ad app credential list",      run_app_credential_list,        "What an application signs in with.",                   app_credential_list_options, CREDENTIAL_COLUMNS, NULL, false },
    { "ad app credential delete",    run_app_credential_delete,      "Take a credential away; nobody signs in with it any more.", app_credential_delete_options, NULL, NULL, false },
    { "ad sp create",                run_sp_create,                  "Create an application, its secret and its principal.", sp_create_options, "AppId=appId DisplayName=displayName Id=id Password=password Tenant=tenant", NULL, false },
    { "ad sp create-for-rbac",       run_sp_create,                  "The same under az's name.",                            sp_create_options, "AppId=appId DisplayName=displayName Id=id Password=password Tenant=tenant", NULL, false },
    { "ad sp list",                  run_sp_list,                    "Service principals of the tenant.",                    sp_list_options, SP_COLUMNS, NULL, false },
    { "ad sp show",                  run_sp_show,                    "One service principal.",                               sp_options, SP_COLUMNS, NULL, false },
    { "ad sp delete",                run_sp_delete,                  "Delete a service principal and its roles.",            sp_options, NULL, NULL, false },
    { "role assignment create",      run_role_assign,                "Give a role.",                                         role_assign_options, ASSIGNMENT_COLUMNS, NULL, false },
    { "role assignment list",        run_role_list,                  "Roles given at a scope.",                              role_list_options, ASSIGNMENT_COLUMNS, NULL, false },
    { "role assignment delete",      run_role_unassign,              "Take a role away.",                                    role_unassign_options, NULL, NULL, false },
    { "role definition create",      run_role_definition_create,     "Make a custom role.",                                  role_definition_put_options, NULL, NULL, false },
    { "role definition update",      run_role_definition_update,     "Change a custom role.",                                role_definition_put_options, NULL, NULL, false },
    { "role definition list",        run_role_definition_list,       "Roles there are.",                                     role_definition_options, "Name=roleName Type=roleType Id=name Description=description", NULL, false },
    { "role definition show",        run_role_definition_show,       "One role.",                                            role_definition_show_options, NULL, NULL, false },
    { "role definition delete",      run_role_definition_delete,     "Delete a custom role.",                                role_definition_delete_options, NULL, NULL, false },
    { "eventgrid event-subscription create", run_event_create,       "Have the events of a vault delivered to a webhook.",   event_create_options, RESOURCE_COLUMNS, NULL, false },
    { "eventgrid event-subscription update", run_event_update,       "Change an event subscription.",                        event_update_options, RESOURCE_COLUMNS, NULL, false },
    { "eventgrid event-subscription show", run_event_show,           "One event subscription.",                              event_show_options, RESOURCE_COLUMNS, NULL, false },
    { "eventgrid event-subscription list", run_event_list,           "Event subscriptions of a vault.",                      event_list_options, RESOURCE_COLUMNS, NULL, false },
    { "eventgrid event-subscription delete", run_event_delete,       "Deliver no more events.",                              event_options, NULL, NULL, false },
    { "keyvault create",             run_vault_create,               "Create a vault; you may do everything in it.",         vault_create_options, RESOURCE_COLUMNS " Uri=properties.vaultUri", NULL, false },
    { "keyvault show",               run_vault_show,                 "One vault.",                                           vault_options, RESOURCE_COLUMNS " Uri=properties.vaultUri", NULL, false },
    { "keyvault list",               run_vault_list,                 "Vaults of a group or of the subscription.",            vault_list_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault delete",             run_vault_delete,               "Delete a vault; it can be recovered.",                 vault_delete_options, NULL, NULL, false },
    { "keyvault list-deleted",       run_vault_list_deleted,         "Deleted vaults that can be recovered.",                deleted_list_options, DELETED_VAULT_COLUMNS, NULL, false },
    { "keyvault show-deleted",       run_vault_show_deleted,         "One deleted vault.",                                   deleted_vault_options, DELETED_VAULT_COLUMNS, NULL, false },
    { "keyvault recover",            run_vault_recover,              "Bring a deleted vault back.",                          deleted_vault_work_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault purge",              run_vault_purge,                "Remove a deleted vault for good.",                     deleted_vault_work_options, NULL, NULL, false },
    { "keyvault set-policy",         run_vault_set_policy,           "Say what a principal may do in a vault.",              set_policy_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault delete-policy",      run_vault_delete_policy,        "Take a principal's access policy away.",               delete_policy_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault update",             run_vault_update,               "Change a vault.",                                      vault_update_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault wait",               run_vault_wait,                 "Wait until a vault is there, is gone, or is as you say.", wait_options, NULL, NULL, false },
    { "keyvault check-name",         run_vault_check_name,           "Is a name free for a new vault?",                      check_name_options, NULL, NULL, false },
    { "keyvault network-rule add",   run_network_rule_add,           "Let addresses in.",                                    network_rule_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault network-rule remove", run_network_rule_remove,       "Let addresses in no more.",                            network_rule_options, RESOURCE_COLUMNS, NULL, false },
    { "keyvault network-rule wait",  run_vault_wait,                 "Wait until a vault's rules are as you say.",            wait_options, NULL, NULL, false },
    { "keyvault network-rule list",  run_network_rule_list,          "Who may reach a vault.",                               vault_options, NULL, NULL, false },
    { "keyvault secret set",         run_secret_set,                 "Store a secret, or a new version of it.",              secret_set_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret show",        run_secret_show,                "A secret with its value.",                             object_show_options, "Name=name Value=value Id=id Expires=attributes.expires", NULL, false },
    { "keyvault secret list",        run_secret_list,                "Secrets of a vault.",                                  object_list_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret list-versions", run_secret_versions,          "Versions of a secret.",                                object_versions_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret set-attributes", run_secret_attributes,       "Change what belongs to a secret but its value.",       secret_attributes_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret delete",      run_secret_delete,              "Delete a secret; it can be recovered.",                object_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret download",    run_secret_download,            "Write a secret's value into a file.",                  secret_download_options, NULL, NULL, false },
    { "keyvault secret backup",      run_secret_backup,              "Write a secret with all its versions into a sealed file.", key_backup_options, NULL, NULL, false },
    { "keyvault secret restore",     run_secret_restore,             "Bring back what backup wrote.",                        key_restore_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret list-deleted", run_secret_list_deleted,       "Deleted secrets of a vault.",                          object_deleted_options, "Name=name Id=id Purged=scheduledPurgeDate", NULL, false },
    { "keyvault secret show-deleted", run_secret_show_deleted,       "One deleted secret.",                                  object_show_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret recover",     run_secret_recover,             "Bring a deleted secret back.",                         object_options, SECRET_COLUMNS, NULL, false },
    { "keyvault secret purge",       run_secret_purge,               "Remove a deleted secret for good.",                    object_options, NULL, NULL, false },
    { "keyvault certificate create", run_certificate_create,         "Make a certificate by a policy.",                      certificate_create_options, "Name=name Status=status Target=target", NULL, false },
    { "keyvault certificate import", run_certificate_import,         "Put a certificate made elsewhere, with its key, into a vault.", certificate_import_options, CERT_COLUMNS " SecretId=sid", NULL, false },
    { "keyvault certificate get-default-policy", run_certificate_default_policy, "A policy to start from.",                  default_policy_options, NULL, NULL, false },
    { "keyvault certificate show",   run_certificate_show,           "A certificate with its policy.",                       object_show_options, CERT_COLUMNS " SecretId=sid", NULL, false },
    { "keyvault certificate list",   run_certificate_list,           "Certificates of a vault.",                             certificate_list_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate list-versions", run_certificate_versions, "Versions of a certificate.",                          object_versions_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate set-attributes", run_certificate_attributes, "Change a certificate's attributes or policy.",     certificate_attributes_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate delete", run_certificate_delete,         "Delete a certificate; it can be recovered.",           object_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate pending show", run_certificate_pending,  "How far the making of a certificate is.",              object_options, "Name=name Status=status Target=target", NULL, false },
    { "keyvault certificate pending merge", run_certificate_pending_merge, "Put in what an authority made of the request.",       certificate_merge_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate pending delete", run_certificate_pending_delete, "Give the making of a certificate up.",             object_options, "Name=name Status=status", NULL, false },
    { "keyvault certificate download", run_certificate_download,     "Write a certificate, without its key, into a file.",   certificate_download_options, NULL, NULL, false },
    { "keyvault certificate backup", run_certificate_backup,         "Write a certificate with all its versions into a sealed file.", certificate_backup_options, NULL, NULL, false },
    { "keyvault certificate restore", run_certificate_restore,       "Bring back what backup wrote.",                        key_restore_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate list-deleted", run_certificate_list_deleted, "Deleted certificates of a vault.",                 certificate_list_options, CERT_COLUMNS " Purged=scheduledPurgeDate", NULL, false },
    { "keyvault certificate show-deleted", run_certificate_show_deleted, "One deleted certificate.",                         object_show_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate recover", run_certificate_recover,       "Bring a deleted certificate back, with key and secret.", object_options, CERT_COLUMNS, NULL, false },
    { "keyvault certificate purge",  run_certificate_purge,          "Remove a deleted certificate for good.",               object_options, NULL, NULL, false },
    { "keyvault certificate issuer create", run_issuer_create,       "Add or replace an issuer.",                            issuer_create_options, ISSUER_COLUMNS, NULL, false },
    { "keyvault certificate issuer update", run_issuer_update,       "Change an issuer.",                                    issuer_update_options, ISSUER_COLUMNS, NULL, false },
    { "keyvault certificate issuer show", run_issuer_show,           "One issuer.",                                          issuer_options, ISSUER_COLUMNS, NULL, false },
    { "keyvault certificate issuer list", run_issuer_list,           "Issuers of a vault.",                                  vault_only_options, "Name=name Provider=provider", NULL, false },
    { "keyvault certificate issuer delete", run_issuer_delete,       "Delete an issuer; a private authority goes with it.",  issuer_options, ISSUER_COLUMNS, NULL, false },
    { "keyvault certificate issuer admin add", run_issuer_admin_add, "Add an administrator.",                                issuer_admin_add_options, ADMIN_COLUMNS, NULL, false },
    { "keyvault certificate issuer admin list", run_issuer_admin_list, "Administrators of an issuer.",                       issuer_options, ADMIN_COLUMNS, NULL, false },
    { "keyvault certificate issuer admin delete", run_issuer_admin_delete, "Take an administrator away.",                    issuer_admin_options, NULL, NULL, false },
    { "keyvault certificate contact add", run_contact_add,           "Add a contact.",                                       contact_add_options, NULL, NULL, false },
    { "keyvault certificate contact list", run_contact_list,         "Contacts of a vault.",                                 vault_only_options, NULL, NULL, false },
    { "keyvault certificate contact delete", run_contact_delete,     "Take a contact away.",                                 contact_options, NULL, NULL, false },
    { "keyvault key list",           run_key_list,                   "Keys of a vault.",                                     object_list_options, "Name=name Id=kid Enabled=attributes.enabled", NULL, false },
    { "keyvault key show",           run_key_show,                   "The public part of a key.",                            object_show_options, KEY_COLUMNS, NULL, false },
    { "keyvault key create",         run_key_create,                 "Make a key, or a new version of it.",                  key_create_options, KEY_COLUMNS, NULL, false },
    { "keyvault key list-versions",  run_key_versions,               "Versions of a key.",                                   object_versions_options, "Name=name Id=kid Enabled=attributes.enabled", NULL, false },
    { "keyvault key set-attributes", run_key_attributes,             "Change a key's attributes, operations or tags.",       key_attributes_options, KEY_COLUMNS, NULL, false },
    { "keyvault key delete",         run_key_delete,                 "Delete a key; it can be recovered.",                   object_options, KEY_COLUMNS, NULL, false },
    { "keyvault key list-deleted",   run_key_list_deleted,           "Deleted keys of a vault.",                             object_deleted_options, "Name=name Id=kid Purged=scheduledPurgeDate", NULL, false },
    { "keyvault key show-deleted",   run_key_show_deleted,           "One deleted key.",                                     object_show_options, KEY_COLUMNS, NULL, false },
    { "keyvault key recover",        run_key_recover,                "Bring a deleted key back.",                            object_options, KEY_COLUMNS, NULL, false },
    { "keyvault key import",         run_key_import,                 "Take in a key that was made elsewhere.",               key_import_options, KEY_COLUMNS, NULL, false },
    { "keyvault key download",       run_key_download,               "Write the public part of a key into a file.",          key_download_options, NULL, NULL, false },
    { "keyvault key backup",         run_key_backup,                 "Write a key with all its versions into a sealed file.", key_backup_options, NULL, NULL, false },
    { "keyvault key restore",        run_key_restore,                "Bring back what backup wrote.",                        key_restore_options, KEY_COLUMNS, NULL, false },
    { "keyvault key encrypt",        run_key_encrypt,                "Encrypt a value with a key.",                          key_encrypt_options, "Algorithm=algorithm Result=result", NULL, false },
    { "keyvault key decrypt",        run_key_decrypt,                "Decrypt a value with a key.",                          key_decrypt_options, "Algorithm=algorithm Result=result", NULL, false },
    { "keyvault key sign",           run_key_sign,                   "Sign a digest with a key.",                            key_sign_options, "Algorithm=algorithm Signature=signature", NULL, false },
    { "keyvault key verify",         run_key_verify,                 "Check a signature of a digest.",                       key_verify_options, "Algorithm=algorithm IsValid=isValid", NULL, false },
    { "keyvault key random",         run_key_random,                 "Random bytes of the vault.",                           key_random_options, NULL, NULL, false },
    { "keyvault key get-policy-template", run_key_policy_template,   "What a release policy looks like.",                    no_options, NULL, NULL, false },
    { "keyvault key rotate",         run_key_rotate,                 "Make the next version of a key now.",                  object_options, KEY_COLUMNS, NULL, false },
    { "keyvault key rotation-policy show", run_key_policy_show,      "When a key gets a new version by itself.",             object_options, NULL, NULL, false },
    { "keyvault key rotation-policy update", run_key_policy_update,  "Say when a key gets a new version by itself.",         key_policy_options, NULL, NULL, false },
    { "keyvault key purge",          run_key_purge,                  "Remove a deleted key for good.",                       object_options, NULL, NULL, false },
    { "batch account create",        run_batch_account_create,       "Create an account.",                                   account_create_options, ACCOUNT_B_COLUMNS, NULL, false },
    { "batch account show",          run_batch_account_show,         "One account, with its key and when that was lost.",    account_options, ACCOUNT_B_COLUMNS " " ACCOUNT_KEY_COLUMNS, NULL, false },
    { "batch account set",           run_batch_account_set,          "Change an account's encryption key or tags.",          account_set_options, ACCOUNT_B_COLUMNS " " ACCOUNT_KEY_COLUMNS, NULL, false },
    { "batch account identity show", run_batch_account_identity_show, "The identity of an account.",                         account_options, NULL, NULL, false },
    { "batch account identity assign", run_batch_account_identity_assign, "Give an account an identity.",                   account_identity_options, NULL, NULL, false },
    { "batch account identity remove", run_batch_account_identity_remove, "Take an identity away from an account.",         account_identity_options, NULL, NULL, false },
    { "batch account list",          run_batch_account_list,         "Accounts of a group or of the subscription.",          in_group_options, ACCOUNT_B_COLUMNS, NULL, false },
    { "batch account delete",        run_batch_account_delete,       "Delete an account with its pools.",                    account_delete_options, NULL, NULL, false },
    { "batch account certificates plan", run_certificates_plan,      "What moving the account's certificates to a vault would do; changes nothing.", certificates_plan_options, "Step=step Phase=phase State=state What=what", NULL, false },
    { "batch account certificates migrate", run_certificates_migrate, "Move them: into the vault, with new pools in place of those that refer to them.", certificates_migrate_options, "Step=step Phase=phase State=state What=what", NULL, false },
    { "batch pool create",           run_pool_create,                "Create a pool from a document.",                       pool_create_options, NULL, NULL, false },
    { "batch pool show",             run_pool_show,                  "One pool.",                                            pool_options, POOL_COLUMNS, NULL, false },
    { "batch pool list",             run_pool_list,                  "Pools of an account.",                                 pool_list_options, POOL_COLUMNS, NULL, false },
    { "batch pool set",              run_pool_set,                   "Change some properties of a pool.",                    pool_set_options, POOL_COLUMNS, NULL, false },
    { "batch pool reset",            run_pool_reset,                 "Replace all updatable properties of a pool.",          pool_reset_options, POOL_COLUMNS, NULL, false },
    { "batch pool delete",           run_pool_delete,                "Delete a pool and its nodes.",                         pool_delete_options, NULL, NULL, false },
    { "batch node list",             run_node_list,                  "Nodes of a pool.",                                     pool_options, NODE_COLUMNS, NULL, false },
    { "batch node show",             run_node_show,                  "One node.",                                            node_options, NODE_COLUMNS, NULL, false },
    { "batch node reboot",           run_node_reboot,                "Restart a node's machine.",                            reboot_options, NULL, NULL, false },
    { "batch node file list",        run_file_list,                  "Files on a node.",                                     node_files_options, FILE_COLUMNS, NULL, false },
    { "batch node file show",        run_file_show,                  "Size, times and mode of a file on a node.",            node_file_options, FILE_ONE_COLUMNS, NULL, false },
    { "batch node file download",    run_file_download,              "Fetch a file from a node.",                            node_download_options, NULL, NULL, false },
    { "batch node file delete",      run_file_delete,                "Delete a file on a node.",                             node_file_delete_options, NULL, NULL, false },
    { "batch job create",            run_job_create,                 "Add a job to an account.",                             job_create_options, JOB_COLUMNS, NULL, false },
    { "batch job list",              run_job_list,                   "Jobs of an account.",                                  job_list_options, JOB_COLUMNS, NULL, false },
    { "batch job show",              run_job_show,                   "One job with its state.",                                             job_options, JOB_COLUMNS, NULL, false },
    { "batch job set",               run_job_set,                    "Change a job; what is not given stays.",               job_set_options, JOB_COLUMNS, NULL, false },
    { "batch job delete",            run_job_delete,                 "Delete a job with its tasks.",                         job_delete_options, NULL, NULL, false },
    { "batch job disable",           run_job_disable,                "Keep a job's tasks from running.",                     job_disable_options, NULL, NULL, false },
    { "batch job enable",            run_job_enable,                 "Let a disabled job's tasks run again.",                job_options, NULL, NULL, false },
    { "batch job stop",              run_job_stop,                   "End a job and its running tasks.",                     job_stop_options, NULL, NULL, false },
    { "batch job task-counts show",  run_job_task_counts,            "How many of a job's tasks are in each state.",         job_options, COUNT_COLUMNS, NULL, false },
    { "batch job prep-release-status list", run_job_prep_status,     "A job's preparation and release tasks by node.",       job_options, PREP_COLUMNS, NULL, false },
    { "batch task create",           run_task_create,                "Add a task, or many, to a job.",                       task_create_options, NULL, NULL, false },
    { "batch task list",             run_task_list,                  "Tasks of a job.",                                      task_list_options, TASK_COLUMNS, NULL, false },
    { "batch task show",             run_task_show,                  "One task with what became of it.",                                            task_options, TASK_COLUMNS, NULL, false },
    { "batch task delete",           run_task_delete,                "Delete a task and its files.",                         task_delete_options, NULL, NULL, false },
    { "batch task stop",             run_task_stop,                  "End a task.",                                          task_options, NULL, NULL, false },
    { "batch task reactivate",       run_task_reactivate,            "Try a failed task again.",                             task_options, NULL, NULL, false },
    { "batch task file list",        run_file_list,                  "Files of a task.",                                     task_files_options, FILE_COLUMNS, NULL, false },
    { "batch task file show",        run_file_show,                  "Size, times and mode of a task's file.",               task_file_options, FILE_ONE_COLUMNS, NULL, false },
    { "batch task file download",    run_file_download,              "Fetch a file of a task, also while it runs.",          task_download_options, NULL, NULL, false },
    { "batch task file delete",      run_file_delete,                "Delete a file of a task.",                             task_file_delete_options, NULL, NULL, false },
    { "batch node exec",             run_node_exec,                  "Run a command as root on a node; exits as it does.",   exec_options, NULL, NULL, true },
    { "batch node extension list",   run_extension_list,             "Extensions of a node with their state.",               node_options, NULL, NULL, false },
    { "batch node extension show",   run_extension_show,             "One extension with its instance view.",                extension_options, NULL, NULL, false },
    { "batch certificate create",    run_batch_certificate_create,   "Add a certificate to an account.",                     batch_certificate_create_options, BATCH_CERT_COLUMNS, NULL, false },
    { "batch certificate list",      run_batch_certificate_list,     "Certificates of an account.",                          batch_certificate_list_options, BATCH_CERT_COLUMNS, NULL, false },
    { "batch certificate show",      run_batch_certificate_show,     "One certificate.",                                     batch_certificate_options, BATCH_CERT_COLUMNS, NULL, false },
    { "batch certificate delete",    run_batch_certificate_delete,   "Delete a certificate that no pool and no node has.",   batch_certificate_delete_options, BATCH_CERT_COLUMNS, NULL, false },
    { "batch certificate cancel-delete", run_batch_certificate_cancel, "Keep a certificate whose deletion failed.",          batch_certificate_options, BATCH_CERT_COLUMNS, NULL, false },
    { "batch certificate feature show", run_batch_certificate_feature_show, "What holds on this site.",                      no_options, FEATURE_COLUMNS, NULL, false },
    { "batch certificate feature set", run_batch_certificate_feature_set, "Enable, retire or date them; for owners.",        feature_set_options, FEATURE_COLUMNS, NULL, false },
    { "makecert",                    run_makecert,                   "Make a self-signed certificate and its key, as Windows' makecert does.", makecert_options, NULL, "FILE.cer", false },
    { "pvk2pfx",                     run_pvk2pfx,                    "Put a key and its certificate into a .pfx, as Windows' pvk2pfx does.", pvk2pfx_options, NULL, NULL, false },
    { "dev clock show",              run_clock_show,                 "What time it is for objects.",                         no_options, NULL, NULL, false },
    { "dev clock advance",           run_clock_advance,              "Move that time forward, for example by 300d.",         no_options, NULL, "DURATION", false },
    { "rest",                        run_rest,                       "A call by hand, with the right token.",                rest_options, NULL, NULL, false },
    { "version",                     run_version,                    "The version of vy.",                                   no_options, NULL, NULL, false },
};
const size_t cli_command_count = COUNT_OF(cli_commands);
