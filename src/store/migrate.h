/* migrate.h - brings a database to the schema of this program. */
#pragma once
#include "store/db.h"

/* Each migration is one transaction. ERR_BAD_INPUT: made by a newer version, or not a database of Vaultyard. */
bool store_migrate(Db *writer, Err *err) MUST_CHECK;
