/* item_table.h - a store with one small table. */
#pragma once
#include "store_fixture.h"

static inline void open_with_items(Place *place)
{
    place_make(place);
    place_open(place);
    write_sql(place->store, "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name TEXT UNIQUE, body BLOB) STRICT");
}

static inline int64_t items(Store *store) { return read_int(store, "SELECT COUNT(*) FROM item"); }
