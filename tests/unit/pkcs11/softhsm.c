#include "softhsm.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../cm.h"
#include "base/file.h"

static char folder[64];

static void remove_folder(void)
{
    Err ignored;
    if (!dir_remove_tree(folder, &ignored))
        (void)fprintf(stderr, "%s stays: %s\n", folder, ignored.text);
}

void softhsm_setup(void)
{
    char path[128];
    (void)snprintf(folder, sizeof folder, "/tmp/vaultyard-softhsm-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)atexit(remove_folder);
    (void)snprintf(path, sizeof path, "%s/tokens", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/softhsm2.conf", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", folder);
    (void)fclose(file);
    (void)setenv("SOFTHSM2_CONF", path, 1);
}

void softhsm_token(const char *label)
{
    char command[256];
    (void)snprintf(command, sizeof command, "softhsm2-util --init-token --free --label '%s' --pin " SOFT_PIN " --so-pin 12345678 >/dev/null", label);
    assert_int_equal(system(command), 0);
}

const char *softhsm_module(void)
{
    static const char path[] = "/usr/lib/softhsm/libsofthsm2.so";
    if (access(path, R_OK) != 0)
        fail_msg("%s is missing: scripts/setup --tests installs it", path);
    return path;
}

bool softhsm_open_with(const char *module, const char *label, const char *pin, P11Token **out, bool *is_there, Err *err)
{
    AUTO(secret_free_auto) Secret *secret = secret_copy((Bytes){ (const uint8_t *)pin, strlen(pin) });
    P11Config config = { .module = module, .label = str_from(label), .pin = secret };
    return p11_open(&config, out, is_there, err);
}

P11New softhsm_new_key(Arena *arena) { return (P11New){ .id = p11_id_new(), .label = STR("a test's key"), .arena = arena }; }

const char *softhsm_id_hex(P11Id id)
{
    static char text[2 * P11_ID_BYTES + 1];
    for (size_t i = 0; i < P11_ID_BYTES; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", id.bytes[i]);
    return text;
}

P11Token *softhsm_open(const char *label)
{
    P11Token *token = NULL;
    bool is_there = false;
    Err err = { 0 };
    if (!softhsm_open_with(softhsm_module(), label, SOFT_PIN, &token, &is_there, &err) || !is_there)
        fail_msg("cannot open %s: %s", label, err.text);
    return token;
}

static FILE *tool(const char *label, const char *args)
{
    char command[512];
    (void)snprintf(command, sizeof command, "pkcs11-tool --module %s --token-label '%s' --login --pin " SOFT_PIN " %s 2>&1", softhsm_module(), label, args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    return pipe;
}

static size_t lines_with(FILE *pipe, const char *text)
{
    char line[512];
    size_t count = 0;
    while (fgets(line, sizeof line, pipe))
        count += strstr(line, text) != NULL;
    assert_int_equal(pclose(pipe), 0);
    return count;
}

bool softhsm_shows(const char *label, const char *args, const char *text) { return lines_with(tool(label, args), text) > 0; }
size_t softhsm_private_keys(const char *label) { return lines_with(tool(label, "--list-objects --type privkey"), "Private Key Object"); }

size_t softhsm_secret_keys(const char *label)
{
    return lines_with(tool(label, "--list-objects --type secrkey"), "Secret Key Object") - lines_with(tool(label, "--list-objects --type secrkey"), "vaultyard-wrap");
}
