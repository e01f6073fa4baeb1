/* cmd_issuer.c - whom a vault asks for certificates, and whom it tells about them: issuers with their administrators, contacts. */
#include "base/encode.h"
#include "cli/input.h"
#include "cli/keyvault/object.h"
#include "cli/profile.h"
#include "cli/run.h"
#include "cli/shape.h"

/* ---- addresses ---- */

static bool vault_part(Cli *cli, const char *path, Str *url, Err *err)
{
    if (!cli_profile(cli, err))
        return false;
    *url = str_printf(cli->arena, STR_FMT "/certificates/%s?api-version=" OBJECT_VERSION, STR_ARG(vault_base(cli, arg(cli, "--vault-name"))), path);
    return url->ptr || err_too_big(err);
}

static bool issuer_url(Cli *cli, Str *url, Err *err)
{
    Str path = str_printf(cli->arena, "issuers/" STR_FMT "%c", STR_ARG(percent_encode(cli->arena, arg(cli, "--issuer-name"))), '\0');
    return path.ptr ? vault_part(cli, path.ptr, url, err) : err_too_big(err);
}

/* ---- as az prints them ---- */

static void put_person(JsonWriter *w, const JsonVal *person, bool is_admin)
{
    json_open(w, NULL);
    json_put_value(w, "emailAddress", json_get(person, "email"));
    if (is_admin) {
        json_put_value(w, "firstName", json_get(person, "first_name"));
        json_put_value(w, "lastName", json_get(person, "last_name"));
    } else {
        json_put_value(w, "name", json_get(person, "name"));
    }
    json_put_value(w, "phone", json_get(person, "phone"));
    json_close(w);
}

static void put_people(JsonWriter *w, const char *name, const JsonVal *list, bool is_admin)
{
    json_open_array(w, name);
    for (size_t i = 0; i < json_count(list); i++)
        put_person(w, json_at(list, i), is_admin);
    json_close_array(w);
}

static void shape_issuer(Cli *cli, JsonWriter *w, const JsonVal *item)
{
    Str rest = json_str(json_get(item, "id")), name = STR("");
    const JsonVal *attributes = json_get(item, "attributes"), *org = json_get(item, "org_details");
    while (rest.ptr)
        name = str_cut(&rest, '/');
    json_open(w, NULL);
    if (attributes) {
        json_open(w, "attributes");
        json_put_str(w, "created", shape_time(cli->arena, json_int(json_get(attributes, "created"), 0)));
        json_put_value(w, "enabled", json_get(attributes, "enabled"));
        json_put_str(w, "updated", shape_time(cli->arena, json_int(json_get(attributes, "updated"), 0)));
        json_close(w);
    }
    if (json_get(item, "credentials")) {
        json_open(w, "credentials");
        json_put_value(w, "accountId", json_path(item, "credentials.account_id"));
        json_close(w);
    }
    json_put_value(w, "id", json_get(item, "id"));
    json_put_str(w, "name", name);
    if (org) {
        json_open(w, "organizationDetails");
        put_people(w, "adminDetails", json_get(org, "admin_details"), true);
        json_put_value(w, "id", json_get(org, "id"));
        json_close(w);
    }
    json_put_value(w, "provider", json_get(item, "provider"));
    json_close(w);
}

static bool send(Cli *cli, const char *method, Str url, Body *body, Answer *answer, Err *err)
{
    Str text;
    return body_end(body, &text, err) && call_service(cli, method, to_vault(cli), url, text, answer, err);
}

/* ---- issuers ---- */

static void put_admin(Cli *cli, JsonWriter *w, const char *email, const char *first, const char *last, const char *phone)
{
    json_open(w, NULL);
    json_put_str(w, "email", arg(cli, email));
    json_put_str(w, "first_name", arg(cli, first));
    json_put_str(w, "last_name", arg(cli, last));
    json_put_str(w, "phone", arg(cli, phone));
    json_close(w);
}

static bool put_credentials(Cli *cli, JsonWriter *w, Err *err)
{
    Str password = STR_NONE;
    if (!arg(cli, "--account-id").ptr && !arg(cli, "--password").ptr)
        return true;
    if (arg(cli, "--password").ptr && !text_arg(cli, "--password", &password, err))
        return false;
    json_open(w, "credentials");
    json_put_str(w, "account_id", arg(cli, "--account-id"));
    json_put_str(w, "pwd", password.ptr ? str_trim(password) : STR_NONE);
    json_close(w);
    return true;
}

static bool issuer_put(Cli *cli, const char *method, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    bool has_admin = arg(cli, "--admin-email").ptr || arg(cli, "--admin-first-name").ptr || arg(cli, "--admin-last-name").ptr || arg(cli, "--admin-phone").ptr;
    Answer answer;
    Str url;
    if (!issuer_url(cli, &url, err))
        return false;
    body_begin(&body);
    json_open(&body.w, NULL);
    json_put_str(&body.w, "provider", arg(cli, "--provider-name"));
    if (!put_credentials(cli, &body.w, err))
        return false;
    if (arg(cli, "--organization-id").ptr || has_admin) {
        json_open(&body.w, "org_details");
        json_put_str(&body.w, "id", arg(cli, "--organization-id"));
        if (has_admin) {
            json_open_array(&body.w, "admin_details");
            put_admin(cli, &body.w, "--admin-email", "--admin-first-name", "--admin-last-name", "--admin-phone");
            json_close_array(&body.w);
        }
        json_close(&body.w);
    }
    bool says_enabled = strcmp(method, "PATCH") == 0 && arg_given(cli, "--enabled");
    if (says_enabled && arg_given(cli, "--disabled"))
        return cli_usage(cli, err, "--enabled and --disabled: give one of them");
    if (!put_attributes(cli, &body.w, says_enabled ? "--enabled" : "--disabled", !says_enabled, false, err))
        return false;
    json_close(&body.w);
    if (!send(cli, method, url, &body, &answer, err))
        return false;
    shape_issuer(cli, &cli->w, answer.json);
    return true;
}

bool run_issuer_create(Cli *cli, Err *err) { return issuer_put(cli, "PUT", err); }
bool run_issuer_update(Cli *cli, Err *err) { return issuer_put(cli, "PATCH", err); }

static bool issuer_call(Cli *cli, const char *method, Answer *answer, Err *err)
{
    Str url;
    return issuer_url(cli, &url, err) && call_service(cli, method, to_vault(cli), url, STR_NONE, answer, err);
}

bool run_issuer_show(Cli *cli, Err *err)
{
    Answer answer;
    if (!issuer_call(cli, "GET", &answer, err))
        return false;
    shape_issuer(cli, &cli->w, answer.json);
    return true;
}

bool run_issuer_delete(Cli *cli, Err *err)
{
    Answer answer;
    if (!issuer_call(cli, "DELETE", &answer, err))
        return false;
    shape_issuer(cli, &cli->w, answer.json);
    return true;
}

bool run_issuer_list(Cli *cli, Err *err)
{
    Str url;
    return vault_part(cli, "issuers", &url, err) && call_list(cli, to_vault(cli), url, shape_issuer, err);
}

/* ---- administrators of an issuer ---- */

static bool is_of(const JsonVal *item, Str email) { return str_eq_nocase(json_str(json_get(item, "email")), email); }

static size_t find_email(const JsonVal *list, Str email)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (is_of(json_at(list, i), email))
            return i + 1;
    return 0;
}

/* The list without `drop` (absent: all of it). */
static void put_others(JsonWriter *w, const JsonVal *list, Str drop)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (!drop.ptr || !is_of(json_at(list, i), drop))
            json_put_value(w, NULL, json_at(list, i));
}

static bool change_admins(Cli *cli, bool adds, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url, email = arg(cli, "--email");
    Answer answer;
    if (!issuer_call(cli, "GET", &answer, err) || !issuer_url(cli, &url, err))
        return false;
    const JsonVal *admins = json_path(answer.json, "org_details.admin_details");
    if (adds == (find_email(admins, email) > 0))
        return err_set(err, adds ? ERR_CONFLICT : ERR_NOT_FOUND, "the issuer '" STR_FMT "' has %s administrator '" STR_FMT "'", STR_ARG(arg(cli, "--issuer-name")),
                       adds ? "already an" : "no", STR_ARG(email));
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open(&body.w, "org_details");
    json_put_value(&body.w, "id", json_path(answer.json, "org_details.id"));
    json_open_array(&body.w, "admin_details");
    put_others(&body.w, admins, adds ? STR_NONE : email);
    if (adds)
        put_admin(cli, &body.w, "--email", "--first-name", "--last-name", "--phone");
    json_close_array(&body.w);
    json_close(&body.w);
    json_close(&body.w);
    if (!send(cli, "PATCH", url, &body, &answer, err))
        return false;
    admins = json_path(answer.json, "org_details.admin_details");
    if (adds && json_count(admins) > 0)
        put_person(&cli->w, json_at(admins, json_count(admins) - 1), true);
    return true;
}

bool run_issuer_admin_add(Cli *cli, Err *err) { return change_admins(cli, true, err); }
bool run_issuer_admin_delete(Cli *cli, Err *err) { return change_admins(cli, false, err); }

bool run_issuer_admin_list(Cli *cli, Err *err)
{
    Answer answer;
    if (!issuer_call(cli, "GET", &answer, err))
        return false;
    put_people(&cli->w, NULL, json_path(answer.json, "org_details.admin_details"), true);
    return true;
}

/* ---- contacts ---- */

/* No list is an empty one. */
static bool get_contacts(Cli *cli, Str url, const JsonVal **list, Err *err)
{
    Answer answer;
    Err why = { 0 };
    *list = NULL;
    if (call_service(cli, "GET", to_vault(cli), url, STR_NONE, &answer, &why)) {
        *list = json_get(answer.json, "contacts");
        return true;
    }
    if (why.code == ERR_NOT_FOUND)
        return true;
    *err = why;
    return false;
}

static bool print_contacts(Cli *cli, const JsonVal *list)
{
    json_open(&cli->w, NULL);
    put_people(&cli->w, "contactList", list, false);
    json_close(&cli->w);
    return true;
}

static bool change_contacts(Cli *cli, bool adds, Err *err)
{
    AUTO(body_done_auto) Body body = { 0 };
    Str url, email = arg(cli, "--email");
    const JsonVal *list;
    Answer answer;
    if (!vault_part(cli, "contacts", &url, err) || !get_contacts(cli, url, &list, err))
        return false;
    if (adds == (find_email(list, email) > 0))
        return err_set(err, adds ? ERR_CONFLICT : ERR_NOT_FOUND, "the vault has %s contact '" STR_FMT "'", adds ? "already a" : "no", STR_ARG(email));
    if (!adds && json_count(list) == 1)                   /* a list is never empty: without contacts there is none */
        return call_service(cli, "DELETE", to_vault(cli), url, STR_NONE, &answer, err) && print_contacts(cli, NULL);
    body_begin(&body);
    json_open(&body.w, NULL);
    json_open_array(&body.w, "contacts");
    put_others(&body.w, list, adds ? STR_NONE : email);
    if (adds) {
        json_open(&body.w, NULL);
        json_put_str(&body.w, "email", email);
        json_put_str(&body.w, "name", arg(cli, "--name"));
        json_put_str(&body.w, "phone", arg(cli, "--phone"));
        json_close(&body.w);
    }
    json_close_array(&body.w);
    json_close(&body.w);
    return send(cli, "PUT", url, &body, &answer, err) && print_contacts(cli, json_get(answer.json, "contacts"));
}

bool run_contact_add(Cli *cli, Err *err) { return change_contacts(cli, true, err); }
bool run_contact_delete(Cli *cli, Err *err) { return change_contacts(cli, false, err); }

bool run_contact_list(Cli *cli, Err *err)
{
    Str url;
    const JsonVal *list;
    return vault_part(cli, "contacts", &url, err) && get_contacts(cli, url, &list, err) && print_contacts(cli, list);
}
