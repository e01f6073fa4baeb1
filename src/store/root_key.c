/* root_key.c - the root key's file: 8 bytes "vyroot1\n", then 32 random bytes; readable by its owner alone. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/id.h"
#include "crypto/hash.h"
#include "store/root_key.h"
#include "store/seal.h"

enum { MARK_SIZE = 8, KEY_SIZE = 32, FILE_SIZE = MARK_SIZE + KEY_SIZE };
static const char mark[MARK_SIZE + 1] = "vyroot1\n";

static bool write_all(int fd, Bytes bytes)
{
    while (bytes.len) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0)
            bytes = (Bytes){ bytes.ptr + put, bytes.len - (size_t)put };
    }
    return true;
}

static bool sync_directory_of(const char *path, Err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) : 0;
    if ((size_t)len >= sizeof dir)
        return err_set(err, ERR_BAD_INPUT, "the path of the root key is too long");
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (len ? len : 1) : 1, slash ? path : ".");
    return dir_sync(dir, err);
}

bool seal_make_root_file(const char *path, Err *err)
{
    AUTO(secret_free_auto) Secret *content = secret_new(FILE_SIZE);
    if (!content)
        return err_set(err, ERR_INTERNAL, "out of memory");
    memcpy(secret_ptr(content), mark, MARK_SIZE);
    random_fill(secret_ptr(content) + MARK_SIZE, KEY_SIZE);

    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, ERR_CONFLICT, "the root key '%s' exists already and is not overwritten: all data sealed with it would be lost", path);
    if (fd < 0)
        return err_errno(err, "cannot make the root key '%s'", path);
    if (fchmod(fd, 0600) != 0 || !write_all(fd, secret_bytes(content)) || fsync(fd) != 0) {
        (void)err_errno(err, "cannot write the root key '%s'", path);
        goto undo;
    }
    if (!sync_directory_of(path, err))
        goto undo;
    return true;

undo:
    (void)unlink(path);
    return false;
}

static bool read_file(const char *path, Secret *content, Err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "the root key '%s' does not exist: restore it, sealed data cannot be opened without it", path);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0)
        return err_errno(err, "cannot read the root key '%s'", path);
    if (!S_ISREG(about.st_mode) || about.st_size != FILE_SIZE)
        return err_set(err, ERR_BAD_INPUT, "'%s' is not a root key of Vaultyard", path);
    if (about.st_mode & 077)
        return err_set(err, ERR_BAD_INPUT, "the root key '%s' is open to other users (mode %03o): run chmod 600 on it", path, about.st_mode & 0777);
    for (size_t at = 0; at < FILE_SIZE;) {
        ssize_t got = read(fd, secret_ptr(content) + at, FILE_SIZE - at);
        if (got < 0 && errno != EINTR)
            return err_errno(err, "cannot read the root key '%s'", path);
        if (got == 0)
            return err_set(err, ERR_BAD_INPUT, "'%s' is not a root key of Vaultyard", path);
        at += got > 0 ? (size_t)got : 0;
    }
    if (memcmp(secret_ptr(content), mark, MARK_SIZE) != 0)
        return err_set(err, ERR_BAD_INPUT, "'%s' is not a root key of Vaultyard", path);
    return true;
}

/* One key, one use: HMAC as a derivation function (NIST SP 800-108) keeps wrapping and check value apart. */
bool root_key_read(const char *path, RootKey *out, Err *err)
{
    AUTO(secret_free_auto) Secret *content = secret_new(FILE_SIZE), *wrap = secret_new(KEY_SIZE);
    if (!content || !wrap)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (!read_file(path, content, err))
        return false;
    Bytes key = { secret_ptr(content) + MARK_SIZE, KEY_SIZE };
    hmac_sha256(key, bytes_of(STR("vaultyard root key 1: wrap")), secret_ptr(wrap));
    hmac_sha256(key, bytes_of(STR("vaultyard root key 1: check")), out->check);
    out->wrap = TAKE(wrap);
    return true;
}

void root_key_done(RootKey *root)
{
    secret_free(root->wrap);
    root->wrap = NULL;
}
