/* firewall.h - a vault's network rules: who may reach its data plane at all, before any permission is asked.
 *
 * Resource Manager is not under them, as in the service. Requests over the site's own socket, by which the nodes of this machine and the
 * Batch service come, have no address: they are the "Azure services" that `bypass` lets in. Virtual networks do not exist here, so rules
 * about subnets are kept and shown and let nobody in. Unlike the service, private ranges and IPv6 are taken: machines are the user's own.
 * Source: Key Vault management REST documentation 2023-07-01, NetworkRuleSet; "Configure Azure Key Vault firewalls". */
#pragma once
#include "json/write.h"

enum { IP_RULES_MAX = 1000, SUBNET_RULES_MAX = 200 };

typedef struct IpRange { uint8_t address[16]; int prefix_bits; } IpRange;     /* IPv4 as ::ffff:a.b.c.d */
typedef struct Firewall {
    bool is_closed;                     /* publicNetworkAccess Disabled: rules do not open it */
    bool denies;                        /* defaultAction Deny */
    bool trusts_platform;               /* bypass AzureServices */
    const IpRange *ranges;
    size_t range_count;
} Firewall;

/* properties.networkAcls in the form that is kept and shown: all four members, addresses as ranges. ERR_BAD_INPUT BadRequest names the field. */
bool firewall_acls_read(Arena *arena, const JsonVal *acls, const JsonVal **normal, Err *err) MUST_CHECK;

/* acls: in that form; NULL: no rules. */
bool firewall_make(Arena *arena, const JsonVal *acls, bool is_closed, Firewall *out, Err *err) MUST_CHECK;

/* client_ip: as http/ tells it. */
bool firewall_admits(const Firewall *firewall, Str client_ip);
