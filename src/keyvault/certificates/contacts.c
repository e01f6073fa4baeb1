/* contacts.c - see contacts.h. */
#include "keyvault/certificates/contacts.h"

enum { CONTACTS_MAX = 100, CONTACT_TEXT_MAX = 320, DOC_MAX_BYTES = 256 << 10 };

typedef struct Contacts { Req *req; Str json; const JsonVal *list; bool found; } Contacts;      /* json: what is to be stored */

static SealPlace place(const Vault *vault) { return (SealPlace){ vault->scope, "kv_contacts", vault->id, "doc" }; }

static Str contacts_url(const Req *req)
{
    const KeyVault *kv = req->ctx;
    return str_printf(req->arena, STR_FMT "/certificates/contacts", STR_ARG(site_vault_url(kv->site, req->arena, req_vault(req)->name_key)));
}

static bool contacts_reply(const Contacts *contacts, Reply *reply, Err *err)
{
    JsonWriter *w = &reply->json;
    json_open(w, NULL);
    json_put_str(w, "id", contacts_url(contacts->req));
    json_put_value(w, "contacts", contacts->list);
    json_close(w);
    return arena_ok(contacts->req->arena) || err_too_big(err);
}

bool contacts_find(KeyVault *kv, Txn *txn, Arena *arena, const Vault *vault, const JsonVal **list, Err *err)
{
    Str text;
    AUTO(rows_free_auto) Rows *rows = NULL;
    if (!txn_query(txn, &rows, err, "SELECT doc FROM kv_contacts WHERE vault = ?1", db_text(vault->id)))
        return false;
    *err = (Err){ 0 };
    *list = NULL;
    if (!rows_next(rows, err))
        return err->code == ERR_NONE;
    return seal_get_text(kv->site->seal, txn, place(vault), row_blob(rows, 0), arena, &text, err) && json_parse(arena, text, JSON_STRICT, list, err);
}

static bool read_txn(Txn *txn, void *ctx, Err *err)
{
    Contacts *contacts = ctx;
    Req *req = contacts->req;
    return contacts_find(req->ctx, txn, req->arena, req_vault(req), &contacts->list, err) &&
           (contacts->list || err_named(err, ERR_NOT_FOUND, "ContactsNotFound", NULL, "Contacts not found: this vault has no certificate contacts."));
}

bool contacts_get(Req *req, Reply *reply, Err *err)
{
    KeyVault *kv = req->ctx;
    Contacts contacts = { .req = req };
    return store_read(kv->site->store, read_txn, &contacts, err) && contacts_reply(&contacts, reply, err);
}

static bool delete_txn(Txn *txn, void *ctx, Err *err)
{
    Contacts *contacts = ctx;
    return read_txn(txn, ctx, err) && txn_exec(txn, NULL, err, "DELETE FROM kv_contacts WHERE vault = ?1", db_text(req_vault(contacts->req)->id));
}

bool contacts_delete(Req *req, Reply *reply, Err *err)
{
    Contacts contacts = { .req = req };
    return plane_write(req, contacts_url(req), 200, delete_txn, &contacts, err) && contacts_reply(&contacts, reply, err);
}

/* ---- set ---- */

static bool write_contact(JsonWriter *w, const JsonVal *contact, size_t i, Err *err)
{
    static const char *const members[] = { "email", "name", "phone" };
    json_open(w, NULL);
    for (size_t m = 0; m < COUNT_OF(members); m++) {
        const JsonVal *value = json_get(contact, members[m]);
        if (json_kind(value) == JSON_ABSENT || json_kind(value) == JSON_NULL)
            continue;
        if (json_kind(value) != JSON_STR || json_str(value).len > CONTACT_TEXT_MAX)
            return err_field(err, "contacts", "contacts[%zu].%s must be a text of at most %d bytes", i, members[m], CONTACT_TEXT_MAX);
        json_put_str(w, members[m], json_str(value));
    }
    json_close(w);
    return mail_address_is_plain(json_str(json_get(contact, "email"))) || err_field(err, "contacts", "contacts[%zu].email must be an e-mail address", i);
}

static bool contacts_read(Req *req, Contacts *out, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    const JsonVal *body;
    JsonWriter w;
    if (!req_object(req, &body, err))
        return false;
    const JsonVal *list = json_get(body, "contacts");
    if (json_kind(list) != JSON_ARRAY || json_count(list) == 0 || json_count(list) > CONTACTS_MAX)
        return err_field(err, "contacts", "contacts must be a list of 1 to %d objects with email, name and phone", CONTACTS_MAX);
    buf_init(&text, DOC_MAX_BYTES);
    json_begin(&w, &text);
    json_open_array(&w, NULL);
    for (size_t i = 0; i < json_count(list); i++)
        if (!write_contact(&w, json_at(list, i), i, err))
            return false;
    json_close_array(&w);
    if (!json_end(&w, err))
        return false;
    out->json = str_dup(req->arena, buf_str(&text));
    return out->json.ptr ? json_parse(req->arena, out->json, JSON_STRICT, &out->list, err) : err_too_big(err);
}

static bool set_txn(Txn *txn, void *ctx, Err *err)
{
    Contacts *contacts = ctx;
    KeyVault *kv = contacts->req->ctx;
    const Vault *vault = req_vault(contacts->req);
    Bytes sealed;
    return seal_put(kv->site->seal, txn, place(vault), bytes_of(contacts->json), contacts->req->arena, &sealed, err) &&
           txn_exec(txn, NULL, err, "INSERT INTO kv_contacts (vault, doc) VALUES (?1, ?2) ON CONFLICT (vault) DO UPDATE SET doc = excluded.doc", db_text(vault->id),
                    db_blob(sealed));
}

bool contacts_set(Req *req, Reply *reply, Err *err)
{
    Contacts contacts = { .req = req };
    return contacts_read(req, &contacts, err) && plane_write(req, contacts_url(req), 200, set_txn, &contacts, err) && contacts_reply(&contacts, reply, err);
}
