/* firewall.c - see firewall.h. */
#include "keyvault/vaults/firewall.h"
#include <arpa/inet.h>
#include <stdio.h>

enum { ACLS_MAX_BYTES = 512 << 10, ADDRESS_BITS = 128, IPV4_AT_BITS = 96 };

/* ---- addresses ---- */

static bool parse_address(Str text, uint8_t out[16], bool *is_v4)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    memset(out, 0, 16);
    out[10] = out[11] = 0xFF;
    *is_v4 = inet_pton(AF_INET, copy, out + 12) == 1;
    return *is_v4 || inet_pton(AF_INET6, copy, out) == 1;
}

static bool bit_at(const uint8_t address[16], int bit) { return address[bit / 8] >> (7 - bit % 8) & 1; }

/* "10.1.2.0/24", "10.1.2.3", "2001:db8::/32". No bit behind the prefix may be set: it would be a slip of the pen. */
static bool parse_range(Str text, IpRange *out, bool *is_v4)
{
    Str bits_text = text, address = str_cut(&bits_text, '/');
    Err ignored;
    int64_t bits;
    if (!parse_address(address, out->address, is_v4))
        return false;
    int most = *is_v4 ? 32 : ADDRESS_BITS;
    bits = most;
    if (bits_text.ptr && !str_to_int64(bits_text, 0, most, &bits, &ignored))
        return false;
    out->prefix_bits = (int)bits + (*is_v4 ? IPV4_AT_BITS : 0);
    for (int bit = out->prefix_bits; bit < ADDRESS_BITS; bit++)
        if (bit_at(out->address, bit))
            return false;
    return true;
}

static Str range_text(Arena *arena, const IpRange *range, bool is_v4)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(is_v4 ? AF_INET : AF_INET6, range->address + (is_v4 ? 12 : 0), text, sizeof text))
        return STR_NONE;
    return str_printf(arena, "%s/%d", text, range->prefix_bits - (is_v4 ? IPV4_AT_BITS : 0));
}

static bool covers(const IpRange *range, const uint8_t address[16])
{
    int whole = range->prefix_bits / 8, rest = range->prefix_bits % 8;
    if (memcmp(range->address, address, (size_t)whole) != 0)
        return false;
    return rest == 0 || (range->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* ---- reading ---- */

static bool bad(Err *err, const char *field, const char *what)
{
    (void)err_field(err, field, "%s %s", field, what);
    err->name = "BadRequest";
    return false;
}

static bool is_given(const JsonVal *value) { return json_kind(value) != JSON_ABSENT && json_kind(value) != JSON_NULL; }

/* One of two words, in the service's spelling. */
static bool read_word(const JsonVal *acls, const char *member, const char *field, const char *first, const char *second, Str *out, Err *err)
{
    char what[64];
    const JsonVal *value = json_get(acls, member);
    *out = str_from(first);
    if (!is_given(value) || str_eq_nocase(json_str(value), *out))
        return true;
    *out = str_from(second);
    if (str_eq_nocase(json_str(value), *out))
        return true;
    (void)snprintf(what, sizeof what, "must be %s or %s", first, second);
    return bad(err, field, what);
}

static bool write_ip_rules(JsonWriter *w, Arena *arena, const JsonVal *rules, Err *err)
{
    if (is_given(rules) && json_kind(rules) != JSON_ARRAY)
        return bad(err, "properties.networkAcls.ipRules", "must be an array of objects with value");
    if (json_count(rules) > IP_RULES_MAX)
        return bad(err, "properties.networkAcls.ipRules", "has more than 1000 rules");
    json_open_array(w, "ipRules");
    for (size_t i = 0; i < json_count(rules); i++) {
        char field[64];
        IpRange range;
        bool is_v4;
        (void)snprintf(field, sizeof field, "properties.networkAcls.ipRules[%zu].value", i);
        if (!parse_range(json_str(json_get(json_at(rules, i), "value")), &range, &is_v4))
            return bad(err, field, "must be an address or a range in CIDR form whose first address it is, such as 10.1.2.3 or 10.1.2.0/24");
        json_open(w, NULL);
        json_put_str(w, "value", range_text(arena, &range, is_v4));
        json_close(w);
    }
    json_close_array(w);
    return true;
}

static bool write_subnet_rules(JsonWriter *w, Arena *arena, const JsonVal *rules, Err *err)
{
    if (is_given(rules) && json_kind(rules) != JSON_ARRAY)
        return bad(err, "properties.networkAcls.virtualNetworkRules", "must be an array of objects with id");
    if (json_count(rules) > SUBNET_RULES_MAX)
        return bad(err, "properties.networkAcls.virtualNetworkRules", "has more than 200 rules");
    json_open_array(w, "virtualNetworkRules");
    for (size_t i = 0; i < json_count(rules); i++) {
        char field[80];
        size_t at;
        Str id = json_str(json_get(json_at(rules, i), "id"));
        const JsonVal *ignore = json_get(json_at(rules, i), "ignoreMissingVnetServiceEndpoint");
        (void)snprintf(field, sizeof field, "properties.networkAcls.virtualNetworkRules[%zu].id", i);
        if (!str_starts_nocase(id, STR("/subscriptions/")) || !str_find(str_lower(arena, id), STR("/subnets/"), &at))
            return bad(err, field, "must be the resource id of a subnet");
        json_open(w, NULL);
        json_put_str(w, "id", str_lower(arena, id));
        if (json_kind(ignore) == JSON_BOOL)
            json_put_bool(w, "ignoreMissingVnetServiceEndpoint", json_bool(ignore, false));
        json_close(w);
    }
    json_close_array(w);
    return true;
}

static bool write_acls(JsonWriter *w, Arena *arena, const JsonVal *acls, Err *err)
{
    Str bypass, action;
    if (!read_word(acls, "bypass", "properties.networkAcls.bypass", "AzureServices", "None", &bypass, err) ||
        !read_word(acls, "defaultAction", "properties.networkAcls.defaultAction", "Allow", "Deny", &action, err))
        return false;
    json_open(w, NULL);
    json_put_str(w, "bypass", bypass);
    json_put_str(w, "defaultAction", action);
    if (!write_ip_rules(w, arena, json_get(acls, "ipRules"), err) || !write_subnet_rules(w, arena, json_get(acls, "virtualNetworkRules"), err))
        return false;
    json_close(w);
    return json_end(w, err);
}

bool firewall_acls_read(Arena *arena, const JsonVal *acls, const JsonVal **normal, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    if (json_kind(acls) != JSON_OBJECT)
        return bad(err, "properties.networkAcls", "must be an object");
    buf_init(&text, ACLS_MAX_BYTES);
    json_begin(&w, &text);
    if (!write_acls(&w, arena, acls, err))
        return false;
    Str kept = str_dup(arena, buf_str(&text));
    return kept.ptr ? json_parse(arena, kept, JSON_STRICT, normal, err) : err_too_big(err);
}

/* ---- deciding ---- */

bool firewall_make(Arena *arena, const JsonVal *acls, bool is_closed, Firewall *out, Err *err)
{
    const JsonVal *rules = json_get(acls, "ipRules");
    size_t count = json_count(rules);
    IpRange *ranges = count ? ARENA_ARRAY(arena, IpRange, count) : NULL;
    bool is_v4;
    *out = (Firewall){ .is_closed = is_closed, .denies = str_eq_nocase(json_str(json_get(acls, "defaultAction")), STR("Deny")),
                       .trusts_platform = !str_eq_nocase(json_str(json_get(acls, "bypass")), STR("None")) };
    if (count && !ranges)
        return err_too_big(err);
    /* Vaults made before network rules were kept hold what was sent then: what is no range lets nobody in. */
    for (size_t i = 0; i < count; i++)
        if (parse_range(json_str(json_get(json_at(rules, i), "value")), &ranges[out->range_count], &is_v4))
            out->range_count++;
    out->ranges = ranges;
    return true;
}

bool firewall_admits(const Firewall *firewall, Str client_ip)
{
    uint8_t address[16];
    bool is_v4;
    if (!firewall->is_closed && !firewall->denies)
        return true;
    if (!parse_address(client_ip, address, &is_v4))          /* the site's own socket */
        return firewall->trusts_platform;
    if (firewall->is_closed)
        return false;
    for (size_t i = 0; i < firewall->range_count; i++)
        if (covers(&firewall->ranges[i], address))
            return true;
    return false;
}
