/* run_table.c - the runs that an agent knows. */
#include "node/runs/run_table.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "node/runs/users.h"

static void run_free(Run *run)
{
    if (!run)
        return;
    fd_close(&run->watch);
    free(run->directory);
    free(run->unrecorded);
    free(run);
}

Run *run_table_add(RunTable *table, Str id, Str directory)
{
    if (table->count == table->cap) {
        size_t cap = table->cap ? table->cap * 2 : 64;
        Run **wider = reallocarray(table->items, cap, sizeof *wider);
        if (!wider)
            return NULL;
        table->items = wider;
        table->cap = cap;
    }
    Run *run = calloc(1, sizeof *run);
    if (!run || !(run->directory = strndup(directory.ptr ? directory.ptr : "", directory.len))) {
        free(run);
        return NULL;
    }
    (void)snprintf(run->id, sizeof run->id, STR_FMT, STR_ARG(id));
    run->serial = ++table->serials;
    run->watch = -1;
    table->items[table->count++] = run;
    return run;
}

Run *run_table_find(const RunTable *table, Str id)
{
    for (size_t i = 0; i < table->count; i++)
        if (str_eq(str_from(table->items[i]->id), id))
            return table->items[i];
    return NULL;
}

Run *run_table_by_serial(const RunTable *table, uint64_t serial)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->items[i]->serial == serial)
            return table->items[i];
    return NULL;
}

void run_table_remove(RunTable *table, Run *run)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i] != run)
            continue;
        memmove(&table->items[i], &table->items[i + 1], (table->count - i - 1) * sizeof *table->items);       /* reports go out in this order */
        table->count--;
        break;
    }
    run_free(run);
}

void run_table_done(RunTable *table)
{
    for (size_t i = 0; i < table->count; i++)
        run_free(table->items[i]);
    free(table->items);
    *table = (RunTable){ 0 };
}

bool run_table_directory_used(const RunTable *table, const Run *but)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->items[i] != but && !table->items[i]->unrecorded && strcmp(table->items[i]->directory, but->directory) == 0)
            return true;
    return false;
}

int run_table_slot(const RunTable *table, Str directory, bool is_start_task)
{
    enum { KNOWN = 1, GOING = 2 };
    char use[USER_SLOTS] = { 0 };
    int same = -1;
    if (is_start_task)
        return 0;
    for (size_t i = 0; i < table->count; i++) {
        const Run *run = table->items[i];
        if (run->unrecorded)
            continue;
        use[run->slot] |= run->phase == RUN_GOING ? KNOWN | GOING : KNOWN;
        if (directory.len && str_eq(str_from(run->directory), directory))
            same = run->slot;
    }
    if (same > 0 && !(use[same] & GOING))
        return same;
    for (int wanted = 0; wanted <= KNOWN; wanted++)
        for (int slot = 1; slot < USER_SLOTS; slot++)
            if (use[slot] <= wanted)
                return slot;
    return -1;
}
