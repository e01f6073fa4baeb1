/* store_fixture.h - a store in a temporary directory of its own, for the tests of everything that stands on it. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include "../cm.h"
#include "base/file.h"
#include "store/store.h"

typedef struct Place { char dir[64]; char path[80]; Store *store; } Place;

/* What must be so for the test to go on; fails with the error's own words: must(store_open(path, &store, E)). */
static Err must_err;
#define E (&must_err)
#define must(call) do { must_err = (Err){ 0 }; if (!(call)) fail_msg("%s: %s", #call, must_err.text); } while (0)

static inline void place_make(Place *place)
{
    *place = (Place){ .dir = "/tmp/vaultyard-test-XXXXXX" };
    assert_non_null(mkdtemp(place->dir));
    (void)snprintf(place->path, sizeof place->path, "%s/store.db", place->dir);
}

static inline void place_open(Place *place)
{
    must(store_open(place->path, &place->store, E));
}

static inline void place_close(Place *place)
{
    store_close(TAKE(place->store));
}

static inline void place_done(Place *place)
{
    place_close(place);
    must(dir_remove_tree(place->dir, E));
}

/* Statements without values, each a literal, in one transaction. */
static inline bool run_sql(Txn *txn, void *sql, Err *err)
{
    return txn_exec(txn, NULL, err, (const char *)sql);
}

static inline void write_sql(Store *store, const char *sql)
{
    must(store_write(store, run_sql, (void *)(uintptr_t)sql, E));
}

typedef struct Count { const char *sql; int64_t value; } Count;

static inline bool run_count(Txn *txn, void *ctx, Err *err)
{
    Count *count = ctx;
    AUTO(rows_free_auto) Rows *rows = NULL;
    *err = (Err){ 0 };
    if (!txn_query(txn, &rows, err, count->sql) || !rows_next(rows, err))
        return false;
    count->value = row_int(rows, 0);
    return true;
}

static inline int64_t read_int(Store *store, const char *sql)
{
    Count count = { .sql = sql };
    must(store_read(store, run_count, &count, E));
    return count.value;
}
