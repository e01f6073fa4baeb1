/* sealed_fixture.h - a store with its seal in a temporary directory, and each call of seal.h in a transaction of its own. */
#pragma once
#include "base/secret.h"
#include "store/seal.h"
#include "store_fixture.h"

typedef struct Sealed { Place place; char root[96]; Seal *seal; Arena *arena; } Sealed;

static inline void sealed_open(Sealed *s)
{
    place_open(&s->place);
    must(seal_open(s->place.store, s->root, &s->seal, E));
}

static inline void sealed_close(Sealed *s)
{
    seal_close(TAKE(s->seal));
    place_close(&s->place);
}

static inline void sealed_make(Sealed *s)
{
    *s = (Sealed){ .arena = arena_new(64 << 20) };
    place_make(&s->place);
    (void)snprintf(s->root, sizeof s->root, "%s/root.key", s->place.dir);
    must(seal_make_root_file(s->root, E));
    sealed_open(s);
}

static inline void sealed_done(Sealed *s)
{
    seal_close(s->seal);
    arena_free(s->arena);
    place_done(&s->place);
}

/* One call of seal.h in a transaction of its own. */
typedef struct Call { Sealed *s; SealPlace place; Bytes in; Bytes sealed; Secret *secret; Str text; Arena *arena; } Call;

static inline bool do_create(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return seal_scope_create(call->s->seal, txn, call->place.scope, err);
}

static inline bool do_destroy(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return seal_scope_destroy(call->s->seal, txn, call->place.scope, err);
}

static inline bool do_put(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return seal_put(call->s->seal, txn, call->place, call->in, call->arena, &call->sealed, err);
}

static inline bool do_get(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return seal_get(call->s->seal, txn, call->place, call->sealed, &call->secret, err);
}

static inline bool do_get_text(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    return seal_get_text(call->s->seal, txn, call->place, call->sealed, call->arena, &call->text, err);
}

static const SealPlace home = { .scope = { "vault:v1", 8 }, .table = "kv_secret", .row = { "v1/name/1", 9 }, .column = "value" };

static inline void create(Sealed *s, Str scope)
{
    Call call = { .s = s, .place = { .scope = scope } };
    must(store_write(s->place.store, do_create, &call, E));
}

static inline void destroy(Sealed *s, Str scope)
{
    Call call = { .s = s, .place = { .scope = scope } };
    must(store_write(s->place.store, do_destroy, &call, E));
}

static inline Bytes put(Sealed *s, SealPlace place, Str plain)
{
    Call call = { .s = s, .place = place, .in = bytes_of(plain), .arena = s->arena };
    must(store_write(s->place.store, do_put, &call, E));
    return call.sealed;
}

static inline void opens(Sealed *s, SealPlace place, Bytes sealed, Str plain)
{
    Call call = { .s = s, .place = place, .sealed = sealed, .arena = s->arena };
    must(store_read(s->place.store, do_get, &call, E));
    assert_true(str_eq(str_of(secret_bytes(call.secret)), plain));
    secret_free(call.secret);
    must(store_read(s->place.store, do_get_text, &call, E));
    assert_true(str_eq(call.text, plain));
    Secret *kept = NULL;                                        /* its key is in memory now */
    assert_true(seal_get_kept(s->seal, place, sealed, &kept));
    assert_true(str_eq(str_of(secret_bytes(kept)), plain));
    secret_free(kept);
}

static inline void stays_shut(Sealed *s, SealPlace place, Bytes sealed)
{
    Err err = { 0 };
    Call call = { .s = s, .place = place, .sealed = sealed, .arena = s->arena };
    assert_false(store_read(s->place.store, do_get, &call, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_null(call.secret);
    assert_false(store_read(s->place.store, do_get_text, &call, &err));
    assert_null(call.text.ptr);
    assert_false(seal_get_kept(s->seal, place, sealed, &call.secret));
    assert_null(call.secret);
}

static inline ErrCode put_fails(Sealed *s, SealPlace place)
{
    Err err = { 0 };
    Call call = { .s = s, .place = place, .in = bytes_of(STR("x")), .arena = s->arena };
    assert_false(store_write(s->place.store, do_put, &call, &err));
    return err.code;
}

static inline bool is_in_file(Sealed *s, const char *suffix, Bytes wanted)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(64 << 20);
    char path[sizeof s->place.path + 8];
    (void)snprintf(path, sizeof path, "%s%s", s->place.path, suffix);
    Str content;
    Err err = { 0 };
    size_t at;
    if (!file_read(arena, path, 32 << 20, &content, &err))
        return err.code != ERR_NOT_FOUND;
    return str_find(content, str_of(wanted), &at);
}

static inline bool copy_wrapped(Txn *txn, void *ctx, Err *err)
{
    Call *call = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, "SELECT wrapped FROM scope_key") || !rows_next(rows, err))
        return false;
    call->sealed = bytes_of(str_dup(call->arena, str_of(row_blob(rows, 0))));
    return true;
}
