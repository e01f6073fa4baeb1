/* migrate.c - which schema a database has, and the steps to ours.
 *
 * The number of the last migration is SQLite's user_version, changed in the migration's own transaction. application_id
 * marks a database as ours, so that a wrong path is refused before anything is changed. */
#include "store/migrate.h"
#include "store/schema.h"

enum { VAULTYARD_MARK = 0x56595244 };      /* "VYRD" */

static bool run_migration(Db *writer, int64_t number, Err *err)
{
    for (const char *const *const *part = schema_migrations[number - 1]; *part; part++)
        for (const char *const *sql = *part; *sql; sql++)
            if (!db_run_once(writer, *sql, err))
                return false;
    return db_set_pragma(writer, "user_version", number, err) && db_set_pragma(writer, "application_id", VAULTYARD_MARK, err);
}

static bool check_ours(Db *writer, int64_t version, Err *err)
{
    int64_t mark, tables;
    if (!db_query_int(writer, "PRAGMA application_id", &mark, err) || !db_query_int(writer, "SELECT COUNT(*) FROM sqlite_schema", &tables, err))
        return false;
    if (mark != VAULTYARD_MARK && (mark != 0 || tables != 0 || version != 0))
        return err_set(err, ERR_BAD_INPUT, "the file is a database of another program: give the right path");
    if (version > schema_latest)
        return err_set(err, ERR_BAD_INPUT, "the database was made by a newer version of Vaultyard (schema %lld, this one knows up to %lld): run that version, or restore an older backup",
                       (long long)version, (long long)schema_latest);
    return true;
}

bool store_migrate(Db *writer, Err *err)
{
    int64_t version;
    if (!db_query_int(writer, "PRAGMA user_version", &version, err) || !check_ours(writer, version, err) || !db_use_wal(writer, err))
        return false;
    for (int64_t number = version + 1; number <= schema_latest; number++) {
        if (!db_run(writer, "BEGIN IMMEDIATE", err))
            return false;
        if (!run_migration(writer, number, err) || !db_run(writer, "COMMIT", err)) {
            Err ignored;
            if (db_in_transaction(writer))
                (void)db_run(writer, "ROLLBACK", &ignored);     /* the first error says more */
            return false;
        }
    }
    return true;
}
