/* tree.h - writing below a directory that somebody hostile may have rearranged: a node's root file system.
 *
 * Paths are relative, without a leading slash. Every step is resolved below the root without following a link and without
 * crossing a mount (openat2(2), RESOLVE_BENEATH and friends), so a node that turned its /etc into a link to ours gets an
 * error, not our files. Owners are given as the node sees them. */
#pragma once
#include <sys/types.h>
#include "base/arena.h"

typedef struct Tree { int fd; uint32_t first_id; } Tree;

bool tree_open(Tree *tree, const char *root, uint32_t first_id, Err *err) MUST_CHECK;
void tree_close(Tree *tree);
DEFINE_AUTO_DONE(Tree, tree_close)

/* The parent must exist. Directories that exist stay as they are. */
bool tree_dir(Tree *tree, const char *path, mode_t mode, Err *err) MUST_CHECK;
bool tree_link(Tree *tree, const char *path, const char *target, Err *err) MUST_CHECK;      /* an existing entry stays */
bool tree_file(Tree *tree, const char *path, Str content, mode_t mode, uid_t uid, gid_t gid, Err *err) MUST_CHECK;  /* replaced whole */
bool tree_file_once(Tree *tree, const char *path, Str content, mode_t mode, uid_t uid, gid_t gid, Err *err) MUST_CHECK;  /* unless a non-empty file is there */
bool tree_empty(Tree *tree, const char *path, Err *err) MUST_CHECK;                         /* everything below the directory goes */

/* A file, link or directory of the machine (or image), with what is below it, under the same or another name. Only what
 * everybody may read is copied; all of it becomes the node's root's. Absent: fine. */
bool tree_copy(Tree *tree, const char *path, const char *source, Err *err) MUST_CHECK;
