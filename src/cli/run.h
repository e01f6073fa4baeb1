/* run.h - the functions of the commands; commands.c says which words run which. */
#pragma once
#include "cli/command.h"

/* cmd_account.c */
CommandFn run_login, run_logout, run_account_show, run_account_list, run_account_set, run_account_token, run_subscription_create, run_subscription_rename;
/* cmd_group.c */
CommandFn run_group_create, run_group_show, run_group_list, run_group_exists, run_group_delete;
CommandFn run_identity_create, run_identity_show, run_identity_list, run_identity_delete;
/* cmd_directory.c */
CommandFn run_sp_create, run_sp_list, run_sp_show, run_sp_delete;
/* cmd_application.c */
CommandFn run_app_create, run_app_list, run_app_show, run_app_delete, run_app_credential_add, run_app_credential_list, run_app_credential_delete;
/* cmd_role.c */
CommandFn run_role_assign, run_role_list, run_role_unassign;
/* cmd_role_definition.c */
CommandFn run_role_definition_create, run_role_definition_update, run_role_definition_list, run_role_definition_show, run_role_definition_delete;
/* cmd_keyvault.c */
CommandFn run_vault_create, run_vault_show, run_vault_list, run_vault_delete, run_vault_set_policy, run_vault_delete_policy;
/* cmd_secret.c */
CommandFn run_secret_download, run_secret_backup, run_secret_restore, run_secret_list_deleted, run_secret_show_deleted, run_secret_recover, run_secret_purge;
/* cmd_vault_update.c, cmd_vault_wait.c, cmd_network_rule.c, cmd_vault_deleted.c */
CommandFn run_vault_update, run_vault_wait, run_vault_check_name, run_network_rule_add, run_network_rule_remove, run_network_rule_list;
CommandFn run_vault_list_deleted, run_vault_show_deleted, run_vault_recover, run_vault_purge;
CommandFn run_event_create, run_event_update, run_event_show, run_event_list, run_event_delete;
/* cmd_secret.c, cmd_certificate.c, cmd_key_life.c */
CommandFn run_secret_set, run_secret_show, run_secret_list, run_secret_versions, run_secret_attributes, run_secret_delete;
CommandFn run_certificate_create, run_certificate_default_policy, run_certificate_show, run_certificate_list, run_certificate_versions, run_certificate_attributes,
          run_certificate_delete, run_certificate_pending;
CommandFn run_key_create, run_key_list, run_key_show, run_key_versions, run_key_attributes, run_key_delete, run_key_list_deleted, run_key_show_deleted, run_key_recover,
          run_key_purge, run_key_rotate, run_key_policy_show, run_key_policy_update;
/* cmd_key.c; backup and restore: cmd_key_life.c */
CommandFn run_key_encrypt, run_key_decrypt, run_key_sign, run_key_verify, run_key_random, run_key_policy_template, run_key_import, run_key_download, run_key_backup, run_key_restore;
/* cmd_batch_account.c */
#define BATCH_ARM_VERSION "2023-11-01"
CommandFn run_batch_account_create, run_batch_account_show, run_batch_account_list, run_batch_account_set, run_batch_account_delete;
CommandFn run_batch_account_identity_show, run_batch_account_identity_assign, run_batch_account_identity_remove;
/* cmd_migrate.c */
CommandFn run_certificates_plan, run_certificates_migrate;
/* cmd_certificate.c */
CommandFn run_certificate_download, run_certificate_pending_merge, run_certificate_pending_delete, run_certificate_list_deleted, run_certificate_show_deleted,
          run_certificate_recover, run_certificate_purge, run_certificate_backup, run_certificate_restore;
/* cmd_issuer.c */
CommandFn run_issuer_create, run_issuer_update, run_issuer_show, run_issuer_list, run_issuer_delete, run_issuer_admin_add, run_issuer_admin_delete, run_issuer_admin_list;
CommandFn run_contact_add, run_contact_delete, run_contact_list;
/* cmd_import.c */
CommandFn run_certificate_import;
/* cmd_batch.c */
CommandFn run_pool_create, run_pool_show, run_pool_list, run_pool_set, run_pool_reset, run_pool_delete;
CommandFn run_node_list, run_node_show, run_node_reboot, run_node_exec, run_extension_list, run_extension_show;
/* cmd_batch_certificate.c */
CommandFn run_batch_certificate_create, run_batch_certificate_list, run_batch_certificate_show, run_batch_certificate_delete, run_batch_certificate_cancel;
CommandFn run_batch_certificate_feature_show, run_batch_certificate_feature_set;
/* cmd_batch_job.c, cmd_batch_task.c, cmd_batch_file.c */
CommandFn run_job_create, run_job_set, run_job_list, run_job_show, run_job_delete, run_job_disable, run_job_enable, run_job_stop, run_job_task_counts, run_job_prep_status;
CommandFn run_task_create, run_task_list, run_task_show, run_task_delete, run_task_stop, run_task_reactivate;
CommandFn run_file_list, run_file_show, run_file_download, run_file_delete;
/* cmd_makecert.c, cmd_pvk2pfx.c */
CommandFn run_makecert, run_pvk2pfx;
/* cmd_other.c */
CommandFn run_clock_show, run_clock_advance, run_rest, run_version;

/* The object id of a principal: an object id, an application id, a service principal name or a display name that one alone has (a managed
 * identity is called like its resource); from Graph. ERR_NOT_FOUND; ERR_CONFLICT: several are called so. */
bool find_principal(Cli *cli, Str who, Str *object_id, Err *err) MUST_CHECK;
/* An application by its application id, object id or one of its identifier URIs. ERR_NOT_FOUND. */
bool find_application(Cli *cli, Str who, const JsonVal **out, Err *err) MUST_CHECK;
/* Role by name, GUID or id; the assignment is written into w unless it is NULL. */
bool assign_role(Cli *cli, Str object_id, Str role, Str scope, JsonWriter *w, Err *err) MUST_CHECK;
/* The vault of --name, in --resource-group or wherever in the subscription it is, as a URL of Resource Manager. */
bool vault_resource_url(Cli *cli, Str *url, Err *err) MUST_CHECK;
