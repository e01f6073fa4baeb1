/* token.c - connecting, logging in, the pool of sessions, and one retry when the token was lost meanwhile. */
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "pkcs11/p11_own.h"
#include <stdlib.h>

P11Id p11_id_new(void)
{
    P11Id id;
    random_fill(id.bytes, sizeof id.bytes);
    return id;
}


bool p11_call(P11Session *session, CK_RV rv, const char *what, Err *err)
{
    if (rv == CKR_OK)
        return true;
    session->last = rv;
    if (module_is_lost(rv))
        return err_named(err, ERR_UNAVAILABLE, "ServiceUnavailable", NULL, "The token that holds the keys of premium vaults does not answer (%s); try again later.", module_code(rv));
    return err_set(err, ERR_INTERNAL, "%s: the token answered %s (0x%lx)", what, module_code(rv), rv);
}

/* ---- connecting: one thread, while no session is in use ---- */

static bool label_is(const CK_TOKEN_INFO *info, Str label)
{
    Str padded = { (const char *)info->label, sizeof info->label };
    while (padded.len && (padded.ptr[padded.len - 1] == ' ' || padded.ptr[padded.len - 1] == '\0'))
        padded.len--;
    return str_eq(padded, label);
}

static bool find_slot(P11Token *token, Err *err)
{
    enum { SLOTS_MAX = 256 };
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX, matches = 0;
    CK_RV rv = token->module.fn->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return err_set(err, ERR_UNAVAILABLE, "the PKCS#11 module lists no slots (%s)", module_code(rv));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (token->module.fn->C_GetTokenInfo(slots[i], &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED) && label_is(&info, token->label)) {
            token->slot = slots[i];
            token->most = info.ulMaxRwSessionCount && info.ulMaxRwSessionCount != CK_UNAVAILABLE_INFORMATION && info.ulMaxRwSessionCount <= SESSIONS_MAX
                              ? (int)info.ulMaxRwSessionCount - 1 : SESSIONS_MAX;
            matches++;
        }
    }
    if (matches > 1)
        return err_set(err, ERR_BAD_INPUT, "the module has %lu tokens with the label '" STR_FMT "'; labels must differ", matches, STR_ARG(token->label));
    if (!matches)
        return err_set(err, ERR_UNAVAILABLE, "the module has no token with the label '" STR_FMT "' (%lu tokens are there)", STR_ARG(token->label), count);
    return token->most > 0 || err_set(err, ERR_BAD_INPUT, "the token allows one session; two are needed");
}

static bool log_in(P11Token *token, CK_SESSION_HANDLE session, Err *err)
{
    Bytes pin = secret_bytes(token->pin);
    CK_RV rv = token->module.fn->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin.ptr, pin.len);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return true;
    if (module_is_lost(rv))
        return err_set(err, ERR_UNAVAILABLE, "the token was lost while logging in (%s)", module_code(rv));
    token->is_pin_refused = true;
    return err_set(err, ERR_BAD_INPUT, "the token '" STR_FMT "' refuses the PIN (%s); it is not tried again before the server is started anew, since tokens lock themselves",
                   STR_ARG(token->label), module_code(rv));
}

static bool connect_to(P11Token *token, Err *err)
{
    CK_SESSION_HANDLE handle;
    CK_RV rv = module_restart(&token->module);
    if (rv != CKR_OK)
        return err_set(err, ERR_UNAVAILABLE, "the PKCS#11 module does not start (%s)", module_code(rv));
    if (!find_slot(token, err))
        return false;
    rv = token->module.fn->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &handle);
    if (rv != CKR_OK)
        return err_set(err, ERR_UNAVAILABLE, "the token '" STR_FMT "' opens no session (%s)", STR_ARG(token->label), module_code(rv));
    if (!log_in(token, handle, err)) {
        (void)token->module.fn->C_CloseSession(handle);
        return false;
    }
    token->login = handle;
    P11Session session = { .token = token, .fn = token->module.fn, .handle = handle, .generation = token->generation + 1 };
    return p11_wrap_key_find(&session, err);
}

/* With the lock held, which it lets go meanwhile. */
static bool connect_locked(P11Token *token, Err *err)
{
    Err why = { 0 };
    if (token->is_pin_refused || mono_now_ms() < token->retry_ms) {
        *err = token->why_not;
        return false;
    }
    token->is_connecting = true;
    while (token->in_use)
        (void)pthread_cond_wait(&token->changed, &token->lock);
    (void)pthread_mutex_unlock(&token->lock);
    bool good = connect_to(token, &why);
    (void)pthread_mutex_lock(&token->lock);
    token->is_connecting = false;
    token->is_connected = good;
    if (good) {
        token->generation++;
        token->idle_count = token->open_count = 0;
        log_event(LOG_INFO, "hsm.connected", log_str("token", token->label), log_int("wraps", token->wrap_key != 0));
    }
    if (!good) {
        log_event(LOG_WARN, "hsm.unreachable", log_str("token", token->label), log_cstr("error", why.text));
        token->retry_ms = mono_now_ms() + RECONNECT_MS;
        (void)err_named(&token->why_not, why.code == ERR_INTERNAL ? ERR_UNAVAILABLE : why.code, "ServiceUnavailable", NULL, "%s", why.text);
        *err = token->why_not;
    }
    (void)pthread_cond_broadcast(&token->changed);
    return good;
}

/* ---- sessions ---- */

/* Opens one more outside the lock. *is_full: the token has no more than are open. */
static bool open_session(P11Session *session, bool *is_full, Err *err)
{
    CK_RV rv = session->fn->C_OpenSession(session->token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session->handle);
    *is_full = rv == CKR_SESSION_COUNT;
    return *is_full || p11_call(session, rv, "opening a session", err);
}

static bool session_take(P11Token *token, P11Session *out, Err *err)
{
    bool good = true, has = false;
    (void)pthread_mutex_lock(&token->lock);
    while (good && !has) {
        *out = (P11Session){ .token = token, .fn = token->module.fn, .generation = token->generation };
        if (token->is_connecting) {
            (void)pthread_cond_wait(&token->changed, &token->lock);
        } else if (!token->is_connected) {
            good = connect_locked(token, err);
        } else if (token->idle_count) {
            out->handle = token->idle[--token->idle_count];
            token->in_use++;
            has = true;
        } else if (token->open_count < token->most) {
            bool is_full;
            token->open_count++;
            token->in_use++;
            (void)pthread_mutex_unlock(&token->lock);
            good = open_session(out, &is_full, err);
            (void)pthread_mutex_lock(&token->lock);
            has = good && !is_full;
            if (has)
                continue;
            token->in_use--;
            token->open_count--;
            if (good && !token->open_count)
                good = err_set(err, ERR_UNAVAILABLE, "the token has no free session");
            token->most = good && token->open_count ? token->open_count : token->most;
            (void)pthread_cond_broadcast(&token->changed);
        } else {
            (void)pthread_cond_wait(&token->changed, &token->lock);
        }
    }
    (void)pthread_mutex_unlock(&token->lock);
    return good;
}

static void session_give(P11Session *session, bool is_lost)
{
    P11Token *token = session->token;
    (void)pthread_mutex_lock(&token->lock);
    token->in_use--;
    if (session->generation == token->generation && token->is_connected) {
        if (is_lost)
            token->is_connected = false;        /* whoever comes next connects anew */
        else
            token->idle[token->idle_count++] = session->handle;
    }
    (void)pthread_cond_broadcast(&token->changed);
    (void)pthread_mutex_unlock(&token->lock);
}

bool p11_run(P11Token *token, P11Fn *fn, void *ctx, Err *err)
{
    for (int attempt = 1;; attempt++) {
        P11Session session;
        bool taken = session_take(token, &session, err);
        if (!taken && !module_is_lost(session.last))
            return false;
        bool good = taken && fn(&session, ctx, err), is_lost = !good && module_is_lost(session.last);
        if (taken) {
            session_give(&session, is_lost);
        } else {                                /* opening a session showed it */
            (void)pthread_mutex_lock(&token->lock);
            token->is_connected = token->is_connected && session.generation != token->generation;
            (void)pthread_mutex_unlock(&token->lock);
        }
        if (good || !is_lost || attempt == 2)
            return good;
        log_event(LOG_WARN, "hsm.lost", log_str("token", token->label), log_cstr("code", module_code(session.last)));
    }
}

/* ---- the life of a token ---- */

bool p11_open(const P11Config *config, P11Token **out, bool *is_there, Err *err)
{
    P11Token *token = calloc(1, sizeof *token);
    char *label = token ? malloc(config->label.len + 1) : NULL;
    if (label) {
        memcpy(label, config->label.ptr, config->label.len);
        token->label = (Str){ label, config->label.len };
        token->pin = secret_copy(secret_bytes(config->pin));
    }
    if (!label || !token->pin) {
        free(label);
        free(token);
        return err_set(err, ERR_INTERNAL, "out of memory for a PKCS#11 token");
    }
    (void)pthread_mutex_init(&token->objects, NULL);
    (void)pthread_mutex_init(&token->lock, NULL);
    (void)pthread_cond_init(&token->changed, NULL);
    bool good = config->label.len && config->label.len <= LABEL_BYTES ? module_load(config->module, &token->module, err)
                                                                      : err_set(err, ERR_BAD_INPUT, "a token's label has 1 to %d bytes", LABEL_BYTES);
    *is_there = good && p11_reach(token, err);
    if (!good || (!*is_there && err->code == ERR_BAD_INPUT)) {
        p11_close(token);
        return false;
    }
    *out = token;
    return true;
}

void p11_close(P11Token *token)
{
    if (!token)
        return;
    if (token->module.fn)
        (void)token->module.fn->C_Finalize(NULL);
    module_unload(&token->module);
    (void)pthread_cond_destroy(&token->changed);
    (void)pthread_mutex_destroy(&token->lock);
    (void)pthread_mutex_destroy(&token->objects);
    secret_free(token->pin);
    free((void *)(uintptr_t)token->label.ptr);
    free(token);
}

static bool look(P11Session *session, void *ctx, Err *err)
{
    CK_OBJECT_HANDLE none;
    (void)ctx;
    return p11_find_key(session, p11_id_new(), &none, err);         /* asks for the login too */
}

bool p11_reach(P11Token *token, Err *err) { return p11_run(token, look, NULL, err); }

/* ---- objects ---- */

void p11_objects_hold(P11Session *session) { (void)pthread_mutex_lock(&session->token->objects); }
void p11_objects_release(P11Session *session) { (void)pthread_mutex_unlock(&session->token->objects); }

bool p11_find(P11Session *session, CK_ATTRIBUTE *attributes, CK_ULONG count, CK_OBJECT_HANDLE *out, Err *err)
{
    CK_ULONG found = 0;
    *out = 0;
    p11_objects_hold(session);
    CK_RV rv = session->fn->C_FindObjectsInit(session->handle, attributes, count);
    if (rv == CKR_OK) {
        rv = session->fn->C_FindObjects(session->handle, out, 1, &found);
        (void)session->fn->C_FindObjectsFinal(session->handle);
    }
    p11_objects_release(session);
    if (!found)
        *out = 0;
    return p11_call(session, rv, "looking for an object", err);
}

bool p11_find_key(P11Session *session, P11Id id, CK_OBJECT_HANDLE *out, Err *err)
{
    static const CK_OBJECT_CLASS classes[] = { CKO_PRIVATE_KEY, CKO_SECRET_KEY };
    CK_BBOOL yes = CK_TRUE;
    CK_SESSION_INFO info;
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        CK_OBJECT_CLASS class = classes[i];
        CK_ATTRIBUTE wanted[] = { ATTRIBUTE(CKA_CLASS, class), ATTRIBUTE(CKA_TOKEN, yes), ATTRIBUTE(CKA_ID, id.bytes) };
        if (!p11_find(session, wanted, COUNT_OF(wanted), out, err) || *out)
            return *out != 0;
    }
    /* To who is not logged in (any more) private objects are not there: no reason to believe that the key is not. */
    return p11_call(session, session->fn->C_GetSessionInfo(session->handle, &info), "asking for the session", err) &&
           p11_call(session, info.state == CKS_RW_USER_FUNCTIONS ? CKR_OK : CKR_USER_NOT_LOGGED_IN, "asking for the session", err);
}

bool p11_has_mechanism(P11Session *session, CK_MECHANISM_TYPE type, CK_FLAGS flags)
{
    CK_MECHANISM_INFO info;
    return session->fn->C_GetMechanismInfo(session->token->slot, type, &info) == CKR_OK && (info.flags & flags) == flags;
}

bool p11_erase_in(P11Session *session, P11Id id, Err *err)
{
    for (;;) {
        CK_OBJECT_HANDLE object;
        if (!p11_find_key(session, id, &object, err))
            return false;
        if (!object)
            return true;
        p11_objects_hold(session);
        CK_RV rv = session->fn->C_DestroyObject(session->handle, object);
        p11_objects_release(session);
        if (!p11_call(session, rv, "destroying a key", err))
            return false;
    }
}

static bool erase(P11Session *session, void *ctx, Err *err) { return p11_erase_in(session, *(P11Id *)ctx, err); }

bool p11_erase(P11Token *token, P11Id id, Err *err) { return p11_run(token, erase, &id, err); }

typedef struct Has { P11Id id; bool has; } Has;

static bool has_key(P11Session *session, void *ctx, Err *err)
{
    Has *has = ctx;
    CK_OBJECT_HANDLE object;
    bool good = p11_find_key(session, has->id, &object, err);
    has->has = good && object;
    return good;
}

bool p11_has(P11Token *token, P11Id id, bool *has, Err *err)
{
    Has ask = { .id = id };
    bool good = p11_run(token, has_key, &ask, err);
    *has = ask.has;
    return good;
}
