/* certdir.h - the account certificates that this node was given, and the directories in which accounts find them.
 *
 * A node is given certificates once after each start of its machine (docs/node-protocol.md, "Account certificates"). They lie in one file of
 * root's in /run, which is empty when a machine starts. Accounts that `visibility` names get a directory "certs" with files of their own:
 *   sha1-<thumbprint>.pfx, its password in sha1-<thumbprint>.pfx.pw; sha1-<thumbprint>.cer          (directory 0500, files 0400)
 * starttask and task: in the run's directory, as long as the run goes; remoteuser: in the homes of the pool's named accounts. */
#pragma once
#include "node/runs/rundir.h"

enum { CERTDIR_MAX = 64 };              /* certificates of a pool */

/* Keeps what a lease's answer gave, checked; the directories of the boot before go. ERR_BAD_INPUT: nothing was kept. */
bool certdir_keep(const NodePlaces *places, const JsonVal *list, Err *err) MUST_CHECK;
/* Member "certificates" of a lease's body: the thumbprints that are kept. *asks: none were given yet, nothing is written. */
bool certdir_write_held(const NodePlaces *places, JsonWriter *w, bool *asks, Err *err) MUST_CHECK;

/* For this run; dir->certs is set when there are any. Whatever a run before left goes. */
bool certdir_make(const NodePlaces *places, Arena *arena, const RunSpec *spec, const RunUser *user, RunDir *dir, Err *err) MUST_CHECK;
void certdir_remove(const RunDir *dir); /* the run has ended */
void certdir_remove_below(const NodePlaces *places, Str directory);     /* likewise, of a run whose keeper was killed */
/* For the named accounts of a lease's "users". */
bool certdir_make_homes(const NodePlaces *places, const JsonVal *users, Err *err) MUST_CHECK;

/* What lies below the node's root directory is readable by the file commands, but for these directories: private keys are never given back.
 * `path` is below the root directory, its segments without "." and "..". */
bool certdir_is_at(Str path);
