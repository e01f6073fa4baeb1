/* datadir.h - a data directory: its layout, its identity card, its owner.
 *
 *   DIR/                root (or the one user of an unprivileged installation), 0755
 *     instance.json     identity card, 0644: who may read it learns names and ports, nothing secret
 *     admin.json        the administrator's profile with its secret, 0600
 *     ca.pem            the private CA's certificate, 0644
 *     store/            service user, 0700: root.key, vaultyard.db, audit/
 *     run/site/         service user, 0755: site.sock, mounted into local nodes
 *     host/             root, 0711: host.sock and everything of local nodes */
#pragma once
#include <sys/types.h>
#include "base/arena.h"
#include "site/site.h"

typedef struct DataDir {
    Str   dir;                              /* absolute */
    Str   id;                               /* 32 hex digits; names cgroups and the like */
    Str   domain, location;
    const HttpAlias *aliases; size_t alias_count;   /* other names of parts: init --name */
    int   port;                             /* of init */
    int   last_port;                        /* what port 0 became the last time, so that identifiers with it stay valid; 0: none yet */
    uid_t uid;                              /* the service user: serve runs as it */
    gid_t gid;
    Str   tenant_id;
} DataDir;

/* Makes the directories, owned as above; refuses one that holds anything. *out has all but tenant_id. */
bool datadir_create(Arena *arena, const char *dir, const DataDir *wanted, const char *service_user, DataDir *out, Err *err) MUST_CHECK;     /* domain, aliases, location and port as wanted */
bool datadir_write(const DataDir *data, Err *err) MUST_CHECK;               /* instance.json */
bool datadir_read(Arena *arena, const char *dir, DataDir *out, Err *err) MUST_CHECK;   /* ERR_NOT_FOUND: not made by init */
/* After a failed init: takes away what datadir_create made, so that init can be run again. */
void  datadir_undo(const DataDir *data);
Names datadir_names(const DataDir *data);                                   /* port: of init */
char *datadir_path(Arena *arena, const DataDir *data, const char *below);   /* DIR/below; NULL only when the arena is full */

/* Become the service user for good: groups, ids, no new privileges. Nothing to do when not root. */
bool datadir_drop_privileges(const DataDir *data, Err *err) MUST_CHECK;
/* Create files as the service user for a while (init); as_self goes back. */
bool datadir_as_service(const DataDir *data, Err *err) MUST_CHECK;
bool datadir_as_self(Err *err) MUST_CHECK;
