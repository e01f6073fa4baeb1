/* operations.c - see operations.h. */
#include "access/operations.h"
#include "access/roles.h"

#define A(name, description)      { name, description, false }
#define D(name, description)      { name, description, true }
#define READ(type, what)          A(type "/read", "Read " what)
#define RWD(type, what)           READ(type, what), A(type "/write", "Create or change " what), A(type "/delete", "Delete " what)
#define REGISTER(provider)        A(provider "/register/action", "Register a subscription"), A(provider "/unregister/action", "Unregister a subscription")
#define INSIGHTS(type) \
    A(type "/providers/Microsoft.Insights/diagnosticSettings/read", "Read diagnostic settings"), \
    A(type "/providers/Microsoft.Insights/diagnosticSettings/write", "Create or change diagnostic settings"), \
    A(type "/providers/Microsoft.Insights/logDefinitions/read", "Read which logs there are"), \
    A(type "/providers/Microsoft.Insights/metricDefinitions/read", "Read which metrics there are")
#define PRIVATE_LINKS(type) \
    A(type "/PrivateEndpointConnectionsApproval/action", "Approve or reject a connection to a private endpoint"), \
    RWD(type "/privateEndpointConnectionProxies", "proxies of connections to private endpoints"), \
    A(type "/privateEndpointConnectionProxies/validate/action", "Validate a proxy of a connection to a private endpoint"), \
    RWD(type "/privateEndpointConnections", "connections to private endpoints"), \
    READ(type "/privateLinkResources", "what private endpoints may connect to")
#define RECOVERY(type, what) \
    D(type "/backup/action", "Back up " what), D(type "/restore/action", "Restore " what " from a backup"), \
    D(type "/recover/action", "Recover deleted " what), D(type "/purge/action", "Purge deleted " what), D(type "/delete", "Delete " what)

#define AUTH "Microsoft.Authorization"
#define RES  "Microsoft.Resources"
#define SUB  "Microsoft.Subscription"
#define MSI  "Microsoft.ManagedIdentity"
#define KV   "Microsoft.KeyVault"
#define BAT  "Microsoft.Batch"

static const Operation operations[] = {
    REGISTER(KV),
    A(KV "/checkNameAvailability/read", "Check that a name is valid and not in use"),
    A(KV "/deletedVaults/read", "Read soft-deleted vaults"),
    A(KV "/deletedManagedHsms/read", "Read soft-deleted managed HSMs"),
    A(KV "/hsmPools/read", "Read HSM pools"), A(KV "/hsmPools/write", "Create or change HSM pools"), A(KV "/hsmPools/delete", "Delete HSM pools"),
    A(KV "/hsmPools/joinVault/action", "Join a vault to an HSM pool"),
    A(KV "/checkMhsmNameAvailability/read", "Check that the name of a managed HSM is valid and not in use"),
    A(KV "/locations/deleteVirtualNetworkOrSubnets/action", "Notice that a virtual network or subnet is deleted"),
    A(KV "/locations/deletedVaults/read", "Read a soft-deleted vault"),
    A(KV "/locations/deletedVaults/purge/action", "Purge a soft-deleted vault"),
    A(KV "/locations/deletedManagedHsms/read", "Read a soft-deleted managed HSM"),
    A(KV "/locations/deletedManagedHsms/purge/action", "Purge a soft-deleted managed HSM"),
    A(KV "/locations/managedHsmOperationResults/read", "Read the result of a long operation"),
    A(KV "/locations/operationResults/read", "Read the result of a long operation"),
    RWD(KV "/managedHSMs", "managed HSMs"),
    PRIVATE_LINKS(KV "/managedHSMs"),
    A(KV "/managedHSMs/keys/read", "Read keys"), A(KV "/managedHSMs/keys/write", "Create the first version of a key"), A(KV "/managedHSMs/keys/versions/read", "Read versions of keys"),
    INSIGHTS(KV "/managedHSMs"),
    A(KV "/operations/read", "List the operations of this provider"),
    RWD(KV "/vaults", "vaults"),
    A(KV "/vaults/deploy/action", "Use secrets of a vault in a deployment"),
    A(KV "/vaults/accessPolicies/write", "Change access policies"),
    RWD(KV "/vaults/eventGridFilters", "event subscriptions of a vault"),
    A(KV "/vaults/keys/read", "Read keys"), A(KV "/vaults/keys/write", "Create the first version of a key"), A(KV "/vaults/keys/versions/read", "Read versions of keys"),
    PRIVATE_LINKS(KV "/vaults"),
    INSIGHTS(KV "/vaults"),
    A(KV "/vaults/secrets/read", "Read the properties of secrets, not their values"), A(KV "/vaults/secrets/write", "Create secrets or change their values"),
    D(KV "/vaults/certificatecas/read", "Read issuers of certificates"), D(KV "/vaults/certificatecas/write", "Set issuers of certificates"),
    D(KV "/vaults/certificatecas/delete", "Delete issuers of certificates"),
    D(KV "/vaults/certificatecontacts/write", "Manage the contacts of certificates"),
    D(KV "/vaults/certificates/read", "Read certificates"),
    D(KV "/vaults/certificates/create/action", "Create certificates"), D(KV "/vaults/certificates/import/action", "Import certificates"),
    D(KV "/vaults/certificates/update/action", "Change attributes of certificates"),
    RECOVERY(KV "/vaults/certificates", "certificates"),
    D(KV "/vaults/keyrotationpolicies/read", "Read rotation policies of keys"), D(KV "/vaults/keyrotationpolicies/write", "Set rotation policies of keys"),
    D(KV "/vaults/keys/read", "Read keys and their public parts"),
    D(KV "/vaults/keys/create/action", "Create keys"), D(KV "/vaults/keys/import/action", "Import keys"),
    D(KV "/vaults/keys/update/action", "Change attributes of keys"),
    D(KV "/vaults/keys/encrypt/action", "Encrypt with a key"), D(KV "/vaults/keys/decrypt/action", "Decrypt with a key"),
    D(KV "/vaults/keys/wrap/action", "Wrap a key with a key"), D(KV "/vaults/keys/unwrap/action", "Unwrap a key with a key"),
    D(KV "/vaults/keys/sign/action", "Sign with a key"), D(KV "/vaults/keys/verify/action", "Verify a signature with a key"),
    D(KV "/vaults/keys/release/action", "Release a key to an attested environment"), D(KV "/vaults/keys/rotate/action", "Make a new version of a key"),
    RECOVERY(KV "/vaults/keys", "keys"),
    D(KV "/vaults/secrets/readMetadata/action", "Read the properties of secrets, not their values"),
    D(KV "/vaults/secrets/getSecret/action", "Read the values of secrets"), D(KV "/vaults/secrets/setSecret/action", "Set the values of secrets"),
    D(KV "/vaults/secrets/update/action", "Change attributes of secrets"),
    RECOVERY(KV "/vaults/secrets", "secrets"),
    D(KV "/vaults/storageaccounts/read", "Read managed storage accounts"), D(KV "/vaults/storageaccounts/set/action", "Set managed storage accounts"),
    D(KV "/vaults/storageaccounts/regeneratekey/action", "Regenerate a key of a managed storage account"),
    RECOVERY(KV "/vaults/storageaccounts", "managed storage accounts"),
    D(KV "/vaults/storageaccounts/sas/read", "Read shared access signatures"), D(KV "/vaults/storageaccounts/sas/set/action", "Set shared access signatures"),
    D(KV "/vaults/storageaccounts/sas/delete", "Delete shared access signatures"),

    REGISTER(BAT),
    RWD(BAT "/batchAccounts", "Batch accounts"),
    A(BAT "/batchAccounts/listkeys/action", "List the keys of a Batch account"),
    A(BAT "/batchAccounts/regeneratekeys/action", "Regenerate a key of a Batch account"),
    A(BAT "/batchAccounts/syncAutoStorageKeys/action", "Read the keys of the storage account anew"),
    RWD(BAT "/batchAccounts/applications", "applications"),
    RWD(BAT "/batchAccounts/applications/versions", "application packages"),
    A(BAT "/batchAccounts/applications/versions/activate/action", "Activate an application package"),
    A(BAT "/batchAccounts/certificateOperationResults/read", "Read the result of a long operation on a certificate"),
    RWD(BAT "/batchAccounts/certificates", "account certificates"),
    A(BAT "/batchAccounts/certificates/cancelDelete/action", "Cancel a failed deletion of an account certificate"),
    A(BAT "/batchAccounts/detectors/read", "Read detectors"),
    RWD(BAT "/batchAccounts/networkSecurityPerimeterAssociationProxies", "proxies of network security perimeters"),
    A(BAT "/batchAccounts/networkSecurityPerimeterConfigurations/read", "Read network security perimeters"),
    A(BAT "/batchAccounts/networkSecurityPerimeterConfigurations/reconcile/action", "Reconcile a network security perimeter"),
    A(BAT "/batchAccounts/joinPerimeter/action", "Join a network security perimeter"),
    A(BAT "/batchAccounts/operationResults/read", "Read the result of a long operation"),
    A(BAT "/batchAccounts/outboundNetworkDependenciesEndpoints/read", "List what nodes must reach"),
    A(BAT "/batchAccounts/poolOperationResults/read", "Read the result of a long operation on a pool"),
    RWD(BAT "/batchAccounts/pools", "pools"),
    A(BAT "/batchAccounts/pools/stopResize/action", "Stop a resize of a pool"), A(BAT "/batchAccounts/pools/disableAutoscale/action", "Turn automatic scaling off"),
    PRIVATE_LINKS(BAT "/batchAccounts"),
    A(BAT "/batchAccounts/privateEndpointConnectionResults/read", "Read the result of a long operation on a connection"),
    A(BAT "/batchAccounts/privateEndpointConnectionProxyResults/read", "Read the result of a long operation on a proxy"),
    INSIGHTS(BAT "/batchAccounts"),
    A(BAT "/deployments/preflight/action", "Check a deployment"),
    A(BAT "/locations/checkNameAvailability/action", "Check that a name is valid and not in use"),
    A(BAT "/locations/checkNameAvailability/read", "Check that a name is valid and not in use"),
    A(BAT "/locations/accountOperationResults/read", "Read the result of a long operation on an account"),
    A(BAT "/locations/cloudServiceSkus/read", "List sizes of cloud services"), A(BAT "/locations/virtualMachineSkus/read", "List sizes of machines"),
    A(BAT "/locations/quotas/read", "Read quotas"), A(BAT "/operations/read", "List the operations of this provider"),
    D(BAT "/batchAccounts/jobs/read", "Read jobs"), D(BAT "/batchAccounts/jobs/write", "Create or change jobs"), D(BAT "/batchAccounts/jobs/delete", "Delete jobs"),
    D(BAT "/batchAccounts/jobSchedules/read", "Read job schedules"), D(BAT "/batchAccounts/jobSchedules/write", "Create or change job schedules"),
    D(BAT "/batchAccounts/jobSchedules/delete", "Delete job schedules"),

    REGISTER(MSI),
    A(MSI "/operations/read", "List the operations of this provider"),
    A(MSI "/identities/read", "Read system-assigned identities"),
    RWD(MSI "/userAssignedIdentities", "user-assigned identities"),
    A(MSI "/userAssignedIdentities/assign/action", "Assign a user-assigned identity"),
    A(MSI "/userAssignedIdentities/listAssociatedResources/action", "List what uses a user-assigned identity"),
    A(MSI "/userAssignedIdentities/revokeTokens/action", "Revoke the tokens of a user-assigned identity"),
    RWD(MSI "/userAssignedIdentities/federatedIdentityCredentials", "federated identity credentials"),

    A(AUTH "/elevateAccess/action", "Become User Access Administrator of the tenant"),
    A(AUTH "/acquirePolicyToken/read", "Acquire a policy token"),
    RWD(AUTH "/classicAdministrators", "classic administrators"),
    A(AUTH "/classicAdministrators/operationstatuses/read", "Read operations on classic administrators"),
    RWD(AUTH "/denyAssignments", "deny assignments"),
    RWD(AUTH "/diagnosticSettings", "diagnostic settings"),
    A(AUTH "/diagnosticSettingsCategories/read", "Read categories of diagnostic settings"),
    RWD(AUTH "/locks", "locks"),
    A(AUTH "/operations/read", "List the operations of this provider"),
    A(AUTH "/permissions/read", "List one's own permissions"),
    A(AUTH "/policies/audit/action", "Effect 'audit' of a policy"), A(AUTH "/policies/auditIfNotExists/action", "Effect 'auditIfNotExists' of a policy"),
    A(AUTH "/policies/deny/action", "Effect 'deny' of a policy"), A(AUTH "/policies/deployIfNotExists/action", "Effect 'deployIfNotExists' of a policy"),
    RWD(AUTH "/policyAssignments", "policy assignments"),
    A(AUTH "/policyAssignments/exempt/action", "Exempt from a policy assignment"),
    RWD(AUTH "/policyAssignments/privateLinkAssociations", "private link associations"),
    RWD(AUTH "/policyAssignments/resourceManagementPrivateLinks", "private links of resource management"),
    RWD(AUTH "/policyAssignments/resourceManagementPrivateLinks/privateEndpointConnectionProxies", "proxies of connections to private endpoints"),
    A(AUTH "/policyAssignments/resourceManagementPrivateLinks/privateEndpointConnectionProxies/validate/action", "Validate a proxy"),
    RWD(AUTH "/policyAssignments/resourceManagementPrivateLinks/privateEndpointConnections", "connections to private endpoints"),
    RWD(AUTH "/policyDefinitions", "policy definitions"),
    RWD(AUTH "/policyDefinitions/versions", "versions of policy definitions"),
    RWD(AUTH "/policyEnrollments", "policy enrolments"),
    RWD(AUTH "/policyExemptions", "policy exemptions"),
    RWD(AUTH "/policySetDefinitions", "policy set definitions"),
    RWD(AUTH "/policySetDefinitions/versions", "versions of policy set definitions"),
    A(AUTH "/providerOperations/read", "List the operations of all providers"),
    RWD(AUTH "/roleAssignments", "role assignments"),
    A(AUTH "/roleAssignmentScheduleInstances/read", "Read instances of role assignment schedules"),
    A(AUTH "/roleAssignmentScheduleRequests/read", "Read requests for role assignment schedules"),
    A(AUTH "/roleAssignmentScheduleRequests/write", "Request a role assignment schedule"),
    A(AUTH "/roleAssignmentScheduleRequests/cancel/action", "Cancel a request for a role assignment schedule"),
    A(AUTH "/roleAssignmentSchedules/read", "Read role assignment schedules"),
    RWD(AUTH "/roleDefinitions", "role definitions"),
    A(AUTH "/roleEligibilityScheduleInstances/read", "Read instances of role eligibility schedules"),
    A(AUTH "/roleEligibilityScheduleRequests/read", "Read requests for role eligibility schedules"),
    A(AUTH "/roleEligibilityScheduleRequests/write", "Request a role eligibility schedule"),
    A(AUTH "/roleEligibilityScheduleRequests/cancel/action", "Cancel a request for a role eligibility schedule"),
    A(AUTH "/roleEligibilityScheduleRequests/whenApprovalRequired/write", "Request a role eligibility schedule that needs approval"),
    A(AUTH "/roleEligibilitySchedules/read", "Read role eligibility schedules"),
    A(AUTH "/roleManagementPolicies/read", "Read role management policies"), A(AUTH "/roleManagementPolicies/write", "Change role management policies"),
    A(AUTH "/roleManagementPolicies/approvalRule/action", "Change the approval rule of a role management policy"),
    A(AUTH "/roleManagementPolicyAssignments/read", "Read assignments of role management policies"),

    A(RES "/calculateTemplateHash/action", "Calculate the hash of a template"),
    A(RES "/checkPolicyCompliance/action", "Check compliance with policies"), A(RES "/checkPolicyCompliance/read", "Check compliance with policies"),
    A(RES "/checkResourceName/action", "Check that a resource name is valid"),
    A(RES "/checkZonePeers/action", "Check zone peers"),
    RWD(RES "/changes", "changes"),
    RWD(RES "/deployments", "deployments"),
    A(RES "/deployments/cancel/action", "Cancel a deployment"), A(RES "/deployments/exportTemplate/action", "Export the template of a deployment"),
    A(RES "/deployments/validate/action", "Validate a deployment"), A(RES "/deployments/whatIf/action", "Predict the changes of a deployment"),
    A(RES "/deployments/operations/read", "Read operations of deployments"), A(RES "/deployments/operationstatuses/read", "Read the state of deployments"),
    RWD(RES "/deploymentScripts", "deployment scripts"),
    A(RES "/deploymentScripts/logs/read", "Read logs of deployment scripts"),
    RWD(RES "/deploymentStacks", "deployment stacks"),
    A(RES "/deploymentStacks/manageDenySetting/action", "Manage the deny setting of a deployment stack"),
    A(RES "/deploymentStacks/validate/action", "Validate a deployment stack"), A(RES "/deploymentStacks/exportTemplate/action", "Export the template of a deployment stack"),
    RWD(RES "/links", "resource links"),
    A(RES "/locations/batchnotifyresourcemanagementevents/action", "Notify of resource management events"),
    A(RES "/locations/moboOperationStatuses/read", "Read operations"),
    A(RES "/marketplace/purchase/action", "Buy from the marketplace"),
    A(RES "/moboBrokers/read", "Read brokers"),
    A(RES "/notifyResourceJobs/action", "Notify of resource jobs"),
    A(RES "/operations/read", "List the operations of this provider"),
    A(RES "/providers/read", "Read providers"),
    A(RES "/resources/read", "Read resources"),
    A(RES "/subscriptions/read", "Read subscriptions"),
    A(RES "/subscriptions/locations/read", "List locations"),
    A(RES "/subscriptions/operationresults/read", "Read the result of a long operation"),
    A(RES "/subscriptions/providers/read", "Read providers"),
    A(RES "/subscriptions/providers/register/action", "Register a provider"), A(RES "/subscriptions/providers/unregister/action", "Unregister a provider"),
    RWD(RES "/subscriptions/resourceGroups", "resource groups"),
    A(RES "/subscriptions/resourceGroups/moveResources/action", "Move resources"),
    A(RES "/subscriptions/resourceGroups/validateMoveResources/action", "Validate a move of resources"),
    A(RES "/subscriptions/resourceGroups/exportTemplate/action", "Export a resource group as a template"),
    RWD(RES "/subscriptions/resourcegroups/deployments", "deployments of a resource group"),
    A(RES "/subscriptions/resourcegroups/deployments/operations/read", "Read operations of deployments"),
    A(RES "/subscriptions/resourcegroups/deployments/operationstatuses/read", "Read the state of deployments"),
    A(RES "/subscriptions/resourcegroups/resources/read", "Read resources of a group"),
    A(RES "/subscriptions/resources/read", "Read resources of a subscription"),
    RWD(RES "/subscriptions/tagNames", "tag names"),
    RWD(RES "/subscriptions/tagNames/tagValues", "tag values"),
    RWD(RES "/tags", "tags at a scope"),
    RWD(RES "/templateSpecs", "template specs"),
    RWD(RES "/templateSpecs/versions", "versions of template specs"),
    A(RES "/tenants/read", "List tenants"),

    REGISTER(SUB),
    RWD(SUB "/aliases", "aliases of subscriptions"),
    A(SUB "/cancel/action", "Cancel a subscription"), A(SUB "/rename/action", "Rename a subscription"), A(SUB "/enable/action", "Enable a subscription"),
    A(SUB "/subscriptions/acceptOwnership/action", "Accept the ownership of a subscription"),
    A(SUB "/subscriptions/acceptOwnershipStatus/read", "Read whether an ownership was accepted"),
    A(SUB "/policies/default/read", "Read the policy for changes of tenant"), A(SUB "/policies/default/write", "Change the policy for changes of tenant"),
    A(SUB "/CreateSubscription/action", "Create a subscription"), A(SUB "/SubscriptionDefinitions/read", "Read definitions of subscriptions"),
    A(SUB "/SubscriptionDefinitions/write", "Create definitions of subscriptions"), A(SUB "/SubscriptionOperations/read", "Read operations"),
    A(SUB "/operations/read", "List the operations of this provider"),
};

/* Namespaces of services that are not here ("Resource providers for Azure services" of Microsoft's documentation, and later ones): roles name them
 * all the same, and what they do is checked nowhere. */
static const char *const others[] = {
    "Microsoft.AAD", "Microsoft.AadCustomSecurityAttributesDiagnosticSettings", "Microsoft.Addons", "Microsoft.ADHybridHealthService", "Microsoft.Advisor",
    "Microsoft.AgFoodPlatform", "Microsoft.AlertsManagement", "Microsoft.AnalysisServices", "Microsoft.ApiCenter", "Microsoft.ApiManagement", "Microsoft.App",
    "Microsoft.AppAssessment", "Microsoft.AppComplianceAutomation", "Microsoft.AppConfiguration", "Microsoft.AppPlatform", "Microsoft.Attestation",
    "Microsoft.Automanage", "Microsoft.Automation", "Microsoft.AutonomousSystems", "Microsoft.AVS", "Microsoft.AzureActiveDirectory",
    "Microsoft.AzureArcData", "Microsoft.AzureData", "Microsoft.AzureFleet", "Microsoft.AzureStack", "Microsoft.AzureStackHCI", "Microsoft.BareMetal",
    "Microsoft.BareMetalInfrastructure", "Microsoft.Billing", "Microsoft.BillingBenefits", "Microsoft.BingMaps", "Microsoft.Blockchain",
    "Microsoft.BlockchainTokens", "Microsoft.Blueprint", "Microsoft.BotService", "Microsoft.Cache", "Microsoft.Capacity", "Microsoft.Carbon", "Microsoft.Cdn",
    "Microsoft.CertificateRegistration", "Microsoft.ChangeAnalysis", "Microsoft.Chaos", "Microsoft.ClassicCompute",
    "Microsoft.ClassicInfrastructureMigrate", "Microsoft.ClassicNetwork", "Microsoft.ClassicStorage", "Microsoft.ClassicSubscription",
    "Microsoft.CloudTest", "Microsoft.CodeSigning", "Microsoft.CognitiveServices", "Microsoft.Commerce", "Microsoft.Communication", "Microsoft.Compute",
    "Microsoft.ComputeSchedule", "Microsoft.ConfidentialLedger", "Microsoft.Confluent", "Microsoft.ConnectedCache", "Microsoft.ConnectedVMwarevSphere",
    "Microsoft.Consumption", "Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ContainerService", "Microsoft.CostManagement",
    "Microsoft.CostManagementExports", "Microsoft.CustomerLockbox", "Microsoft.CustomProviders", "Microsoft.Dashboard", "Microsoft.DataBox",
    "Microsoft.DataBoxEdge", "Microsoft.DataCatalog", "Microsoft.Databricks", "Microsoft.Datadog", "Microsoft.DataFactory", "Microsoft.DataLakeAnalytics",
    "Microsoft.DataLakeStore", "Microsoft.DataMigration", "Microsoft.DataProtection", "Microsoft.DataReplication", "Microsoft.DataShare",
    "Microsoft.DBforMariaDB", "Microsoft.DBforMySQL", "Microsoft.DBforPostgreSQL", "Microsoft.DelegatedNetwork", "Microsoft.DeploymentManager",
    "Microsoft.DesktopVirtualization", "Microsoft.DevCenter", "Microsoft.DevHub", "Microsoft.DeviceRegistry", "Microsoft.Devices", "Microsoft.DeviceUpdate",
    "Microsoft.DevOps", "Microsoft.DevOpsInfrastructure", "Microsoft.DevSpaces", "Microsoft.DevTestLab", "Microsoft.DigitalTwins", "Microsoft.DocumentDB",
    "Microsoft.DomainRegistration", "Microsoft.DurableTask", "Microsoft.EdgeOrder", "Microsoft.Elastic", "Microsoft.ElasticSan",
    "Microsoft.EnterpriseKnowledgeGraph", "Microsoft.EventGrid", "Microsoft.EventHub", "Microsoft.ExtendedLocation", "Microsoft.Fabric",
    "Microsoft.Features", "Microsoft.FluidRelay", "Microsoft.GraphServices", "Microsoft.GuestConfiguration", "Microsoft.HanaOnAzure",
    "Microsoft.HardwareSecurityModules", "Microsoft.HDInsight", "Microsoft.HealthBot", "Microsoft.HealthcareApis", "Microsoft.HealthDataAIServices",
    "Microsoft.HybridCompute", "Microsoft.HybridConnectivity", "Microsoft.HybridContainerService", "Microsoft.HybridData", "Microsoft.HybridNetwork",
    "Microsoft.Impact", "Microsoft.ImportExport", "Microsoft.Insights", "Microsoft.IntegrationSpaces", "Microsoft.IoTCentral", "Microsoft.IoTOperations",
    "Microsoft.IoTSecurity", "Microsoft.IoTSpaces", "Microsoft.Kubernetes", "Microsoft.KubernetesConfiguration", "Microsoft.KubernetesRuntime",
    "Microsoft.Kusto", "Microsoft.LabServices", "Microsoft.LoadTestService", "Microsoft.Logic", "Microsoft.Logz", "Microsoft.MachineLearning",
    "Microsoft.MachineLearningServices", "Microsoft.Maintenance", "Microsoft.ManagedNetworkFabric", "Microsoft.ManagedServices", "Microsoft.Management",
    "Microsoft.Maps", "Microsoft.Marketplace", "Microsoft.MarketplaceApps", "Microsoft.MarketplaceOrdering", "Microsoft.Media", "Microsoft.Migrate",
    "Microsoft.MixedReality", "Microsoft.MobileNetwork", "Microsoft.Monitor", "Microsoft.NetApp", "Microsoft.Network", "Microsoft.NetworkCloud",
    "Microsoft.NetworkFunction", "Microsoft.NotificationHubs", "Microsoft.Nutanix", "Microsoft.ObjectStore", "Microsoft.OffAzure",
    "Microsoft.OpenEnergyPlatform", "Microsoft.OperationalInsights", "Microsoft.OperationsManagement", "Microsoft.Orbital", "Microsoft.Peering",
    "Microsoft.PolicyInsights", "Microsoft.Portal", "Microsoft.PowerBI", "Microsoft.PowerBIDedicated", "Microsoft.PowerPlatform", "Microsoft.ProfessionalService",
    "Microsoft.ProviderHub", "Microsoft.Purview", "Microsoft.Quantum", "Microsoft.Quota", "Microsoft.RecommendationsService", "Microsoft.RecoveryServices",
    "Microsoft.RedHatOpenShift", "Microsoft.Relay", "Microsoft.ResourceConnector", "Microsoft.ResourceGraph", "Microsoft.ResourceHealth", "Microsoft.SaaS",
    "Microsoft.SaaSHub", "Microsoft.Scheduler", "Microsoft.ScVmm", "Microsoft.Search", "Microsoft.Security", "Microsoft.SecurityCopilot",
    "Microsoft.SecurityDetonation", "Microsoft.SecurityDevOps", "Microsoft.SecurityInsights", "Microsoft.SerialConsole", "Microsoft.ServiceBus",
    "Microsoft.ServiceFabric", "Microsoft.ServiceFabricMesh", "Microsoft.ServiceLinker", "Microsoft.ServiceNetworking", "Microsoft.Services",
    "Microsoft.SignalRService", "Microsoft.SoftwarePlan", "Microsoft.Solutions", "Microsoft.Sql", "Microsoft.SqlVirtualMachine",
    "Microsoft.StandbyPool", "Microsoft.Storage", "Microsoft.StorageActions", "Microsoft.StorageCache", "Microsoft.StorageMover", "Microsoft.StoragePool",
    "Microsoft.StorageSync", "Microsoft.StorageTasks", "Microsoft.StorSimple", "Microsoft.StreamAnalytics", "Microsoft.Support", "Microsoft.Synapse",
    "Microsoft.Syntex", "Microsoft.TestBase", "Microsoft.TimeSeriesInsights", "Microsoft.Token", "Microsoft.ToolchainOrchestrator",
    "Microsoft.UsageBilling", "Microsoft.VideoIndexer", "Microsoft.VirtualMachineImages", "Microsoft.VisualStudio", "Microsoft.VMware",
    "Microsoft.VMwareCloudSimple", "Microsoft.VoiceServices", "Microsoft.VSOnline", "Microsoft.Web", "Microsoft.WindowsESU", "Microsoft.WindowsIoT",
    "Microsoft.WorkloadBuilder", "Microsoft.WorkloadMonitor", "Microsoft.Workloads",
};

const Operation *operation_at(size_t index) { return index < COUNT_OF(operations) ? &operations[index] : NULL; }

Str operation_provider(Str name) { return str_cut(&name, '/'); }

static bool is_other(Str provider)
{
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (str_eq_nocase(provider, str_from(others[i])))
            return true;
    return false;
}

ActionIs operation_match(const char *pattern, bool is_data)
{
    Str provider = operation_provider(str_from(pattern));
    bool is_here = false, has_data = false;
    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        const Operation *operation = &operations[i];
        Str name = str_from(operation->name);
        if (operation->is_data == is_data && action_matches(pattern, name))
            return ACTION_PUBLISHED;
        if (!str_eq_nocase(provider, operation_provider(name)))
            continue;
        is_here = true;
        has_data = has_data || operation->is_data;
    }
    if (is_here)
        return is_data && !has_data ? ACTION_WITHOUT_DATA : ACTION_UNKNOWN;
    size_t at;
    if (str_find(provider, STR("*"), &at))
        return ACTION_UNKNOWN;
    bool has_rest = provider.len + 1 < strlen(pattern);
    return !is_other(provider) ? ACTION_OF_NO_PROVIDER : has_rest ? ACTION_PUBLISHED : ACTION_UNKNOWN;
}
