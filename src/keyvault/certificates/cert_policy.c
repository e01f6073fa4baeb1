/* cert_policy.c - reading, checking and writing certificate policies. */
#include "keyvault/certificates/cert_policy.h"
#include "keyvault/objects/attributes.h"

enum { POLICY_NAMES_MAX = 500 };        /* of one list: a certificate has no use for more, and the arena is bounded */

static Str default_ekus[] = { { "1.3.6.1.5.5.7.3.1", 17 }, { "1.3.6.1.5.5.7.3.2", 17 } };
static Str default_usage[] = { { "digitalSignature", 16 }, { "keyEncipherment", 15 } };

CertPolicy cert_policy_defaults(void)
{
    return (CertPolicy){ .is_exportable = true, .is_enabled = true, .validity_months = 12, .issuer = ISSUER_UNKNOWN,
                         .content_type = CONTENT_PFX };
}

typedef struct PolicyIn { const JsonVal *key_props, *secret_props, *x509_props, *lifetime_actions, *issuer, *attributes; } PolicyIn;
static const JsonField policy_fields[] = {
    JSON_FIELD(PolicyIn, key_props,        "key_props",        JSON_OPTIONAL),
    JSON_FIELD(PolicyIn, secret_props,     "secret_props",     JSON_OPTIONAL),
    JSON_FIELD(PolicyIn, x509_props,       "x509_props",       JSON_OPTIONAL),
    JSON_FIELD(PolicyIn, lifetime_actions, "lifetime_actions", JSON_OPTIONAL),
    JSON_FIELD(PolicyIn, issuer,           "issuer",           JSON_OPTIONAL),
    JSON_FIELD(PolicyIn, attributes,       "attributes",       JSON_OPTIONAL),
};

typedef struct KeyIn { bool is_exportable, reuses_key; Str kty, crv; OptInt key_size; } KeyIn;
static const JsonField key_fields[] = {
    JSON_FIELD(KeyIn, is_exportable, "exportable", JSON_OPTIONAL),
    JSON_FIELD(KeyIn, reuses_key,    "reuse_key",  JSON_OPTIONAL),
    JSON_FIELD(KeyIn, kty,           "kty",        JSON_OPTIONAL),
    JSON_FIELD(KeyIn, crv,           "crv",        JSON_OPTIONAL),
    JSON_FIELD(KeyIn, key_size,      "key_size",   JSON_OPTIONAL),
};

typedef struct X509In { Str subject; int64_t validity_months; const JsonVal *sans, *ekus, *key_usage; } X509In;
static const JsonField x509_fields[] = {
    JSON_FIELD(X509In, subject,         "subject",         JSON_OPTIONAL),
    JSON_FIELD(X509In, validity_months, "validity_months", JSON_OPTIONAL),
    JSON_FIELD(X509In, sans,            "sans",            JSON_OPTIONAL),
    JSON_FIELD(X509In, ekus,            "ekus",            JSON_OPTIONAL),
    JSON_FIELD(X509In, key_usage,       "key_usage",       JSON_OPTIONAL),
};

typedef struct IssuerIn { Str name, cty; OptBool cert_transparency; } IssuerIn;
static const JsonField issuer_fields[] = {
    JSON_FIELD(IssuerIn, name,              "name",              JSON_OPTIONAL),
    JSON_FIELD(IssuerIn, cty,               "cty",               JSON_OPTIONAL),
    JSON_FIELD(IssuerIn, cert_transparency, "cert_transparency", JSON_OPTIONAL),
};

static bool is_given(const JsonVal *value)
{
    return json_kind(value) != JSON_ABSENT && json_kind(value) != JSON_NULL;
}

/* "policy" + "key_props" -> "policy.key_props"; PATCH of a policy has no prefix. */
static const char *place_of(Arena *arena, const char *where, const char *member)
{
    Str place = str_printf(arena, "%s%s%s%c", where, *where ? "." : "", member, '\0');
    return place.ptr ? place.ptr : member;
}

static bool read_names(Arena *arena, const JsonVal *list, const char *where, CertNames *io, Err *err)
{
    if (!is_given(list))
        return true;
    if (json_kind(list) != JSON_ARRAY || json_count(list) > POLICY_NAMES_MAX)
        return err_field(err, where, "%s must be a list of at most %d strings", where, POLICY_NAMES_MAX);
    size_t count = json_count(list);
    CertNames names = { ARENA_ARRAY(arena, Str, count ? count : 1), count };
    if (!names.items)
        return err_too_big(err);
    for (size_t i = 0; i < count; i++) {
        names.items[i] = json_str(json_at(list, i));
        if (str_empty(names.items[i]))
            return err_field(err, where, "item %zu of %s must be a string that is not empty", i, where);
    }
    *io = names;
    return true;
}

static bool read_key(const JsonVal *json, const char *where, CertPolicy *io, Err *err)
{
    KeyIn in = { .is_exportable = io->is_exportable, .reuses_key = io->reuses_key };
    if (!is_given(json))
        return true;
    if (!json_read(json, where, key_fields, COUNT_OF(key_fields), &in, err))
        return false;
    io->is_exportable = in.is_exportable;
    io->reuses_key = in.reuses_key;
    /* Another key type makes size and curve of the old one meaningless. */
    if (in.kty.ptr && !str_eq_nocase(in.kty, io->kty)) {
        io->kty = in.kty;
        io->crv = STR_NONE;
        io->key_size = 0;
    }
    if (cert_policy_is_hsm(io)) {           /* such a key leaves the hardware module in no secret */
        if (json_bool(json_get(json, "exportable"), false))
            return err_field(err, where, "%s.exportable must be false for a key in a hardware module (" STR_FMT ")", where, STR_ARG(io->kty));
        io->is_exportable = false;
    }
    if (in.crv.ptr) {
        io->crv = in.crv;
        if (!in.key_size.set)
            io->key_size = 0;
    }
    if (in.key_size.set) {
        io->key_size = in.key_size.value;
        if (!in.crv.ptr)
            io->crv = STR_NONE;
    }
    return true;
}

static bool read_sans(Arena *arena, const JsonVal *json, const char *where, CertPolicy *io, Err *err)
{
    if (!is_given(json))
        return true;
    if (json_kind(json) != JSON_OBJECT)
        return err_field(err, where, "%s must be an object", where);
    return read_names(arena, json_get(json, "emails"), place_of(arena, where, "emails"), &io->emails, err) &&
           read_names(arena, json_get(json, "dns_names"), place_of(arena, where, "dns_names"), &io->dns_names, err) &&
           read_names(arena, json_get(json, "upns"), place_of(arena, where, "upns"), &io->upns, err) &&
           read_names(arena, json_get(json, "uris"), place_of(arena, where, "uris"), &io->uris, err) &&
           read_names(arena, json_get(json, "ipAddresses"), place_of(arena, where, "ipAddresses"), &io->ips, err);
}

static bool read_x509(Arena *arena, const JsonVal *json, const char *where, CertPolicy *io, Err *err)
{
    X509In in = { .subject = io->subject, .validity_months = io->validity_months };
    if (!is_given(json))
        return true;
    if (!json_read(json, where, x509_fields, COUNT_OF(x509_fields), &in, err))
        return false;
    io->subject = in.subject;
    io->validity_months = in.validity_months;
    return read_sans(arena, in.sans, place_of(arena, where, "sans"), io, err) &&
           read_names(arena, in.ekus, place_of(arena, where, "ekus"), &io->ekus, err) &&
           read_names(arena, in.key_usage, place_of(arena, where, "key_usage"), &io->key_usage, err);
}

typedef struct TriggerIn { OptInt percentage, days_before; } TriggerIn;
static const JsonField trigger_fields[] = {
    JSON_FIELD(TriggerIn, percentage,  "lifetime_percentage", JSON_OPTIONAL),
    JSON_FIELD(TriggerIn, days_before, "days_before_expiry",  JSON_OPTIONAL),
};
typedef struct ActionIn { Str type; } ActionIn;
static const JsonField action_fields[] = { JSON_FIELD(ActionIn, type, "action_type", JSON_REQUIRED) };

static bool read_action(Arena *arena, const JsonVal *json, const char *where, LifetimeAction *out, Err *err)
{
    TriggerIn trigger = { 0 };
    ActionIn action = { 0 };
    if (json_kind(json) != JSON_OBJECT)
        return err_field(err, where, "%s must be an object with trigger and action", where);
    if (json_kind(json_get(json, "trigger")) != JSON_OBJECT || json_kind(json_get(json, "action")) != JSON_OBJECT)
        return err_field(err, where, "%s needs both trigger and action", where);
    if (!json_read(json_get(json, "trigger"), place_of(arena, where, "trigger"), trigger_fields, COUNT_OF(trigger_fields), &trigger, err) ||
        !json_read(json_get(json, "action"), place_of(arena, where, "action"), action_fields, COUNT_OF(action_fields), &action, err))
        return false;
    if (trigger.percentage.set == trigger.days_before.set)
        return err_field(err, where, "%s.trigger needs lifetime_percentage or days_before_expiry, and not both", where);
    bool renews = str_eq_nocase(action.type, STR("AutoRenew"));
    if (!renews && !str_eq_nocase(action.type, STR("EmailContacts")))
        return err_field(err, where, "%s.action.action_type must be AutoRenew or EmailContacts", where);
    *out = (LifetimeAction){ renews, trigger.percentage, trigger.days_before };
    return true;
}

static bool read_actions(Arena *arena, const JsonVal *json, const char *where, CertPolicy *io, Err *err)
{
    if (!is_given(json))
        return true;
    if (json_kind(json) != JSON_ARRAY || json_count(json) > LIFETIME_ACTIONS_MAX)
        return err_field(err, where, "%s must be a list of at most %d actions", where, LIFETIME_ACTIONS_MAX);
    io->action_count = json_count(json);
    io->has_actions = true;
    for (size_t i = 0; i < io->action_count; i++) {
        Str item = str_printf(arena, "%s[%zu]%c", where, i, '\0');
        if (!read_action(arena, json_at(json, i), item.ptr ? item.ptr : where, &io->actions[i], err))
            return false;
    }
    if (io->action_count == 2 && io->actions[0].is_auto_renew == io->actions[1].is_auto_renew)
        return err_field(err, where, "%s may name each action_type once", where);
    return true;
}

static bool read_members(Arena *arena, const JsonVal *json, const char *where, CertPolicy *io, Err *err)
{
    PolicyIn in = { 0 };
    if (!json_read(json, where, policy_fields, COUNT_OF(policy_fields), &in, err))
        return false;
    IssuerIn issuer = { .name = io->issuer, .cty = io->cty, .cert_transparency = io->cert_transparency };
    struct { Str content_type; } secret = { io->content_type };
    const JsonField secret_fields[] = { { "contentType", FIELD_STR, 0, JSON_OPTIONAL } };
    struct { bool enabled; } attributes = { io->is_enabled };
    const JsonField attribute_fields[] = { { "enabled", FIELD_BOOL, 0, JSON_OPTIONAL } };
    if (!read_key(in.key_props, place_of(arena, where, "key_props"), io, err) ||
        !read_x509(arena, in.x509_props, place_of(arena, where, "x509_props"), io, err) ||
        !read_actions(arena, in.lifetime_actions, place_of(arena, where, "lifetime_actions"), io, err))
        return false;
    if (is_given(in.secret_props) &&
        !json_read(in.secret_props, place_of(arena, where, "secret_props"), secret_fields, COUNT_OF(secret_fields), &secret, err))
        return false;
    if (is_given(in.issuer) && !json_read(in.issuer, place_of(arena, where, "issuer"), issuer_fields, COUNT_OF(issuer_fields), &issuer, err))
        return false;
    if (is_given(in.attributes) &&
        !json_read(in.attributes, place_of(arena, where, "attributes"), attribute_fields, COUNT_OF(attribute_fields), &attributes, err))
        return false;
    io->content_type = secret.content_type;
    io->issuer = issuer.name;
    io->cty = issuer.cty;
    io->cert_transparency = issuer.cert_transparency;
    io->is_enabled = attributes.enabled;
    return true;
}

static void fill_defaults(CertPolicy *policy)
{
    if (str_empty(policy->kty))
        policy->kty = STR("RSA");
    bool is_ec = str_starts_nocase(policy->kty, STR("EC"));
    if (!is_ec && policy->key_size == 0)
        policy->key_size = 2048;
    if (!policy->ekus.items)
        policy->ekus = (CertNames){ default_ekus, COUNT_OF(default_ekus) };
    if (!policy->key_usage.items)       /* an EC key encrypts nothing */
        policy->key_usage = (CertNames){ default_usage, is_ec ? 1 : COUNT_OF(default_usage) };
    if (!policy->has_actions) {
        policy->has_actions = true;
        policy->action_count = 1;
        policy->actions[0] = (LifetimeAction){ .is_auto_renew = str_eq_nocase(policy->issuer, ISSUER_SELF), .percentage = { true, 80 } };
    }
}

static bool check_key(CertPolicy *policy, const char *where, Err *err)
{
    KeySpec spec;
    bool is_hsm = str_ends_nocase(policy->kty, STR("-HSM"));
    if (!cert_policy_key(policy, &spec, err))
        return false;
    policy->kty = spec.kind == KEY_RSA ? is_hsm ? STR("RSA-HSM") : STR("RSA") : is_hsm ? STR("EC-HSM") : STR("EC");
    if (spec.kind == KEY_RSA) {
        policy->key_size = spec.rsa_bits;
        policy->crv = STR_NONE;
    } else {
        static const int curve_bits[] = { [CURVE_P256] = 256, [CURVE_P384] = 384, [CURVE_P521] = 521, [CURVE_P256K] = 256 };
        if (policy->key_size != 0 && policy->key_size != curve_bits[spec.curve])
            return err_field(err, where, "%s.key_size does not fit curve " STR_FMT "; leave it out", where, STR_ARG(key_curve_name(spec.curve)));
        policy->key_size = curve_bits[spec.curve];
        policy->crv = key_curve_name(spec.curve);
    }
    return true;
}

static bool check_actions(const CertPolicy *policy, const char *where, Err *err)
{
    int64_t days_max = policy->validity_months * 27;
    for (size_t i = 0; i < policy->action_count; i++) {
        const LifetimeAction *action = &policy->actions[i];
        if (action->percentage.set && (action->percentage.value < 1 || action->percentage.value > 99))
            return err_field(err, where, "%s[%zu].trigger.lifetime_percentage must be from 1 to 99", where, i);
        if (action->days_before.set && (action->days_before.value < 1 || action->days_before.value > days_max))
            return err_field(err, where, "%s[%zu].trigger.days_before_expiry must be from 1 to %lld (27 for each month of validity)",
                             where, i, (long long)days_max);
        if (action->is_auto_renew && str_eq_nocase(policy->issuer, ISSUER_UNKNOWN))
            return err_field(err, where, "%s[%zu]: a certificate of issuer Unknown cannot renew itself; use EmailContacts", where, i);
    }
    return true;
}

static bool check(Arena *arena, CertPolicy *policy, const char *where, Err *err)
{
    if (str_empty(policy->issuer))
        return err_field(err, place_of(arena, where, "issuer.name"), "issuer.name must name an issuer, Self or Unknown");
    if (str_eq_nocase(policy->issuer, ISSUER_SELF))
        policy->issuer = ISSUER_SELF;
    if (str_eq_nocase(policy->issuer, ISSUER_UNKNOWN))
        policy->issuer = ISSUER_UNKNOWN;
    fill_defaults(policy);
    const char *type_place = place_of(arena, where, "secret_props.contentType");
    if (str_eq_nocase(policy->content_type, CONTENT_PFX))
        policy->content_type = CONTENT_PFX;
    else if (str_eq_nocase(policy->content_type, CONTENT_PEM))
        policy->content_type = CONTENT_PEM;
    else
        return err_field(err, type_place, "%s must be application/x-pkcs12 or application/x-pem-file", type_place);
    if (policy->validity_months < 1 || policy->validity_months > VALIDITY_MONTHS_MAX)
        return err_field(err, place_of(arena, where, "x509_props.validity_months"), "validity_months must be from 1 to %d", VALIDITY_MONTHS_MAX);
    size_t sans = policy->emails.count + policy->dns_names.count + policy->upns.count + policy->uris.count + policy->ips.count;
    if (str_empty(policy->subject) && sans == 0)
        return err_field(err, place_of(arena, where, "x509_props.subject"), "a policy needs x509_props.subject or a name in x509_props.sans");
    if (utf8_chars(policy->subject) > SUBJECT_MAX_CHARS)
        return err_field(err, place_of(arena, where, "x509_props.subject"), "x509_props.subject may have at most %d characters", SUBJECT_MAX_CHARS);
    CertSpec spec = cert_policy_spec(policy, 0);
    return check_key(policy, place_of(arena, where, "key_props"), err) &&
           check_actions(policy, place_of(arena, where, "lifetime_actions"), err) && cert_spec_check(&spec, err);
}

bool cert_policy_read(Arena *arena, const JsonVal *json, const char *where, CertPolicy *io, Err *err)
{
    CertPolicy policy = *io;
    if (json_kind(json) != JSON_OBJECT)
        return err_field(err, *where ? where : "body", "the certificate policy must be an object");
    if (!read_members(arena, json, where, &policy, err) || !check(arena, &policy, where, err))
        return false;
    if (!arena_ok(arena))
        return err_too_big(err);
    *io = policy;
    return true;
}

bool cert_policy_is_hsm(const CertPolicy *policy) { return str_ends_nocase(policy->kty, STR("-HSM")); }

bool cert_policy_key(const CertPolicy *policy, KeySpec *out, Err *err)
{
    bool is_ec = str_starts_nocase(policy->kty, STR("EC"));
    Str kind = cert_policy_is_hsm(policy) ? str_slice(policy->kty, 0, policy->kty.len - 4) : policy->kty;
    return key_spec_parse(kind, is_ec ? 0 : policy->key_size, policy->crv, out, err);
}

static void write_names(JsonWriter *w, const char *name, CertNames names, bool even_if_empty)
{
    if (names.count == 0 && !even_if_empty)
        return;
    json_open_array(w, name);
    for (size_t i = 0; i < names.count; i++)
        json_put_str(w, NULL, names.items[i]);
    json_close_array(w);
}

static void write_x509(JsonWriter *w, const CertPolicy *policy)
{
    json_open(w, "x509_props");
    json_put_str(w, "subject", policy->subject);
    json_open(w, "sans");
    write_names(w, "emails", policy->emails, false);
    write_names(w, "dns_names", policy->dns_names, false);
    write_names(w, "upns", policy->upns, false);
    write_names(w, "uris", policy->uris, false);
    write_names(w, "ipAddresses", policy->ips, false);
    json_close(w);
    write_names(w, "ekus", policy->ekus, true);
    write_names(w, "key_usage", policy->key_usage, true);
    json_put_int(w, "validity_months", policy->validity_months);
    json_open(w, "basic_constraints");
    json_put_bool(w, "ca", false);
    json_close(w);
    json_close(w);
}

static void write_actions(JsonWriter *w, const CertPolicy *policy)
{
    json_open_array(w, "lifetime_actions");
    for (size_t i = 0; i < policy->action_count; i++) {
        const LifetimeAction *action = &policy->actions[i];
        json_open(w, NULL);
        json_open(w, "trigger");
        if (action->percentage.set)
            json_put_int(w, "lifetime_percentage", action->percentage.value);
        if (action->days_before.set)
            json_put_int(w, "days_before_expiry", action->days_before.value);
        json_close(w);
        json_open(w, "action");
        json_put_str(w, "action_type", action->is_auto_renew ? STR("AutoRenew") : STR("EmailContacts"));
        json_close(w);
        json_close(w);
    }
    json_close_array(w);
}

void cert_policy_write(JsonWriter *w, const char *name, const CertPolicy *policy, Str id)
{
    json_open(w, name);
    json_put_str(w, "id", id);
    json_open(w, "key_props");
    json_put_bool(w, "exportable", policy->is_exportable);
    json_put_str(w, "kty", policy->kty);
    json_put_int(w, "key_size", policy->key_size);
    json_put_bool(w, "reuse_key", policy->reuses_key);
    json_put_str(w, "crv", policy->crv);
    json_close(w);
    json_open(w, "secret_props");
    json_put_str(w, "contentType", policy->content_type);
    json_close(w);
    write_x509(w, policy);
    write_actions(w, policy);
    json_open(w, "issuer");
    json_put_str(w, "name", policy->issuer);
    json_put_str(w, "cty", policy->cty);
    if (policy->cert_transparency.set)
        json_put_bool(w, "cert_transparency", policy->cert_transparency.value);
    json_close(w);
    json_open(w, "attributes");
    json_put_bool(w, "enabled", policy->is_enabled);
    if (id.ptr) {                       /* stored ones have their times in columns */
        json_put_int(w, "created", policy->created_ms / 1000);
        json_put_int(w, "updated", policy->updated_ms / 1000);
    }
    json_close(w);
    json_close(w);
}
