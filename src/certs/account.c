/* account.c - the access list is written in the kernel's own form (linux/posix_acl_xattr.h): entries by tag, then by number. */
#include "certs/account.h"
#include <endian.h>
#include <errno.h>
#include <grp.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { ENTRIES_MAX = 128, NAME_BYTES = 80, LOOKUP_BYTES = 16384 };

static bool to_number(Str name, int64_t *out)
{
    Err ignored;
    return str_to_int64(name, 0, UINT32_MAX - 1, out, &ignored);
}

bool account_user(Str name, uid_t *out, Err *err)
{
    char text[NAME_BYTES], room[LOOKUP_BYTES];
    struct passwd entry, *found = NULL;
    int64_t number;
    *out = (uid_t)-1;
    if (!name.ptr)
        return true;
    if (to_number(name, &number)) {
        *out = (uid_t)number;
        return true;
    }
    (void)snprintf(text, sizeof text, STR_FMT, STR_ARG(name));
    if (getpwnam_r(text, &entry, room, sizeof room, &found) != 0 || !found)
        return err_set(err, ERR_NOT_FOUND, "this machine has no user '%s'", text);
    *out = entry.pw_uid;
    return true;
}

bool account_group(Str name, gid_t *out, Err *err)
{
    char text[NAME_BYTES], room[LOOKUP_BYTES];
    struct group entry, *found = NULL;
    int64_t number;
    *out = (gid_t)-1;
    if (!name.ptr)
        return true;
    if (to_number(name, &number)) {
        *out = (gid_t)number;
        return true;
    }
    (void)snprintf(text, sizeof text, STR_FMT, STR_ARG(name));
    if (getgrnam_r(text, &entry, room, sizeof room, &found) != 0 || !found)
        return err_set(err, ERR_NOT_FOUND, "this machine has no group '%s'", text);
    *out = entry.gr_gid;
    return true;
}

typedef struct Entry { unsigned tag, perm, id; } Entry;
typedef struct Acl { Entry entries[ENTRIES_MAX]; size_t count; } Acl;
typedef struct AclFile { struct posix_acl_xattr_header head; struct posix_acl_xattr_entry entries[ENTRIES_MAX]; } AclFile;
static const char attribute[] = "system.posix_acl_access";

static Entry *find(Acl *acl, unsigned tag, unsigned id)
{
    for (size_t i = 0; i < acl->count; i++)
        if (acl->entries[i].tag == tag && (id == (unsigned)ACL_UNDEFINED_ID || acl->entries[i].id == id))
            return &acl->entries[i];
    return NULL;
}

static bool add(Acl *acl, unsigned tag, unsigned id, unsigned perm)
{
    Entry *there = find(acl, tag, id);
    if (there)
        there->perm |= perm;
    else if (acl->count < ENTRIES_MAX)
        acl->entries[acl->count++] = (Entry){ tag, perm, id };
    else
        return false;
    return true;
}

static bool acl_read(const char *path, Acl *acl, Err *err)
{
    AclFile file;
    ssize_t size = getxattr(path, attribute, &file, sizeof file);
    if (size < 0 && errno == ENOTSUP)
        return err_set(err, ERR_UNAVAILABLE, "the file system of %s has no access lists; use vaultyard.owner, group and mode on another one, or another directory", path);
    if (size < 0 && errno != ENODATA)
        return err_errno(err, "cannot read the access list of %s", path);
    *acl = (Acl){ 0 };
    struct stat st;
    if (size < (ssize_t)sizeof file.head) {             /* none yet: what the mode says */
        if (stat(path, &st) < 0)
            return err_errno(err, "cannot look at %s", path);
        acl->entries[acl->count++] = (Entry){ ACL_USER_OBJ, st.st_mode >> 6 & 7, ACL_UNDEFINED_ID };
        acl->entries[acl->count++] = (Entry){ ACL_GROUP_OBJ, st.st_mode >> 3 & 7, ACL_UNDEFINED_ID };
        acl->entries[acl->count++] = (Entry){ ACL_OTHER, st.st_mode & 7, ACL_UNDEFINED_ID };
        return true;
    }
    acl->count = ((size_t)size - sizeof file.head) / sizeof file.entries[0];
    for (size_t i = 0; i < acl->count; i++)
        acl->entries[i] = (Entry){ le16toh(file.entries[i].e_tag), le16toh(file.entries[i].e_perm), le32toh(file.entries[i].e_id) };
    return true;
}

static int by_tag(const void *a, const void *b)
{
    const Entry *left = a, *right = b;
    if (left->tag != right->tag)
        return left->tag < right->tag ? -1 : 1;
    return (left->id > right->id) - (left->id < right->id);
}

bool acl_grant(const char *path, const Grant *grants, size_t count, Err *err)
{
    Acl acl;
    if (count == 0)
        return true;
    if (!acl_read(path, &acl, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add(&acl, grants[i].is_group ? ACL_GROUP : ACL_USER, grants[i].id, grants[i].perm))
            return err_set(err, ERR_TOO_LARGE, "the access list of %s is full", path);
    /* The mask bounds all but owner and others; without widening it the new entries would not count (acl(5)). */
    unsigned mask = 0;
    for (size_t i = 0; i < acl.count; i++)
        if (acl.entries[i].tag & (ACL_USER | ACL_GROUP | ACL_GROUP_OBJ))
            mask |= acl.entries[i].perm;
    Entry *there = find(&acl, ACL_MASK, ACL_UNDEFINED_ID);
    if (there)
        there->perm = mask;
    else if (!add(&acl, ACL_MASK, ACL_UNDEFINED_ID, mask))
        return err_set(err, ERR_TOO_LARGE, "the access list of %s is full", path);
    qsort(acl.entries, acl.count, sizeof acl.entries[0], by_tag);

    AclFile file = { .head.a_version = htole32(POSIX_ACL_XATTR_VERSION) };
    for (size_t i = 0; i < acl.count; i++)
        file.entries[i] = (struct posix_acl_xattr_entry){ htole16((uint16_t)acl.entries[i].tag), htole16((uint16_t)acl.entries[i].perm), htole32(acl.entries[i].id) };
    if (setxattr(path, attribute, &file, sizeof file.head + acl.count * sizeof file.entries[0], 0) == 0)
        return true;
    if (errno == ENOTSUP)
        return err_set(err, ERR_UNAVAILABLE, "the file system of %s has no access lists; use vaultyard.owner, group and mode on another one, or another directory", path);
    return err_errno(err, "cannot set the access list of %s", path);
}
