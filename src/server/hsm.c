/* hsm.c - see hsm.h. */
#include "server/hsm.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"

enum { PIN_MAX_BYTES = 255 };

void hsm_options_list(HsmOptions *options, Option list[HSM_OPTIONS])
{
    list[0] = (Option){ "--hsm-module", false, &options->module, &options->modules, 1 };
    list[1] = (Option){ "--hsm-token", false, &options->label, &options->labels, 1 };
    list[2] = (Option){ "--hsm-pin-file", false, &options->pin_file, &options->pin_files, 1 };
}

/* The file's first line. Its reader must be root or the service user alone: a PIN is the token's whole protection against this machine. */
static bool read_pin(const char *path, Secret **out, Err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO(secret_free_auto) Secret *pin = secret_new(PIN_MAX_BYTES + 1);
    struct stat about;
    if (!pin)
        return err_set(err, ERR_INTERNAL, "out of memory for a PIN");
    if (fd < 0 || fstat(fd, &about) != 0)
        return err_set(err, ERR_BAD_INPUT, "--hsm-pin-file %s cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode) || (about.st_mode & 007))
        return err_set(err, ERR_BAD_INPUT, "--hsm-pin-file %s must be a file that others cannot read (chmod 600)", path);
    ssize_t len = read(fd, secret_ptr(pin), PIN_MAX_BYTES + 1);
    if (len < 0)
        return err_set(err, ERR_BAD_INPUT, "--hsm-pin-file %s cannot be read: %s", path, strerror(errno));
    const uint8_t *end = memchr(secret_ptr(pin), '\n', (size_t)len);
    size_t used = end ? (size_t)(end - secret_ptr(pin)) : (size_t)len;
    if (!used || used > PIN_MAX_BYTES)
        return err_set(err, ERR_BAD_INPUT, "--hsm-pin-file %s must hold the PIN in its first line, 1 to %d bytes", path, PIN_MAX_BYTES);
    secret_truncate(pin, used);
    *out = TAKE(pin);
    return true;
}

bool hsm_options_read(HsmOptions *options, Err *err)
{
    bool any = options->module || options->label || options->pin_file;
    if (!any)
        return true;
    if (!options->module || !options->label || !options->pin_file)
        return err_set(err, ERR_BAD_INPUT, "--hsm-module, --hsm-token and --hsm-pin-file belong together: %s is missing",
                       !options->module ? "--hsm-module" : !options->label ? "--hsm-token" : "--hsm-pin-file");
    return read_pin(options->pin_file, &options->pin, err);
}

bool hsm_open(HsmOptions *options, P11Token **out, Err *err)
{
    AUTO(secret_free_auto) Secret *pin = TAKE(options->pin);
    P11Config config = { .module = options->module, .label = str_from(options->label), .pin = pin };
    bool is_there;
    *out = NULL;
    if (!pin)
        return true;
    if (!p11_open(&config, out, &is_there, err))
        return false;
    if (!is_there)
        log_event(LOG_WARN, "hsm.absent", log_cstr("token", options->label), log_cstr("error", err->text));
    *err = (Err){ 0 };
    return true;
}
