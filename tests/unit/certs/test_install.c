#include "../cm.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/file.h"
#include "certs/install.h"

static char base[] = "/tmp/vaultyard-install-XXXXXX";
static Arena *arena;
static Observed observed;

static Fetched fetched(const char *version, int64_t now_ms)
{
    Fetched made = { .version = str_from(version) };
    CertSpec spec = { .subject = STR("CN=x"), .path_length = -1, .not_before_ms = now_ms, .not_after_ms = now_ms + 86400000 };
    Err err = { 0 };
    assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &made.bundle.key, &err));
    assert_true(cert_self_sign(arena, made.bundle.key, &spec, &made.bundle.certs[0], &err));
    made.bundle.count = 1;
    assert_true(cert_read(arena, made.bundle.certs[0], &made.leaf, &err));
    return made;
}

static const int64_t NOW_MS = 1700000000000;

static bool install(const char *version, bool *changed, Err *err)
{
    Fetched made = fetched(version, NOW_MS);
    bool done = install_certificate(arena, &observed, &made, changed, err);
    bundle_done(&made.bundle);
    return done;
}

static int files_in_store(void)
{
    int count = 0;
    DIR *dir = opendir(observed.store_dir.ptr);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += str_ends(str_from(entry->d_name), STR(".PEM"));
    if (dir)
        (void)closedir(dir);
    return count;
}

static int set_up(void **state)
{
    (void)state;
    memcpy(base + sizeof base - 7, "XXXXXX", 6);
    arena = arena_new(8 << 20);
    if (!mkdtemp(base))
        return -1;
    observed = (Observed){ .files = FILE_PEM, .mode = 0600, .keep_versions = 2, .vault = STR("v"), .name = STR("web"), .link_name = STR("v.web"), .store_dir = str_printf(arena, "%s/deep/store", base) };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    Err err = { 0 };
    bool gone = dir_remove_tree(base, &err);
    arena_free(arena);
    return !gone;
}

static void test_the_file_is_named_and_ordered_as_documented(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    Str text;
    struct stat st;
    assert_true(install("0123456789abcdef0123456789abcdef", &changed, &err) && changed);
    Str link = str_printf(arena, STR_FMT "/v.web", STR_ARG(observed.store_dir));
    char target[512] = "";
    assert_true(readlink(link.ptr, target, sizeof target - 1) > 0);
    assert_str(str_from(target), str_printf(arena, STR_FMT "/v.web.0123456789abcdef0123456789abcdef.1700000000.1700086400.PEM", STR_ARG(observed.store_dir)).ptr);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(observed.store_dir.ptr, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    size_t certificate, key;
    assert_true(file_read(arena, target, 65536, &text, &err));
    assert_true(str_find(text, STR("BEGIN CERTIFICATE"), &certificate) && str_find(text, STR("BEGIN PRIVATE KEY"), &key) && certificate < key);
    assert_str(installed_version(arena, &observed), "0123456789abcdef0123456789abcdef");
}

static void test_the_same_version_is_not_written_again_unless_its_file_is_gone(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    assert_true(install("a1", &changed, &err) && changed);
    assert_true(install("a1", &changed, &err) && !changed);
    char target[512] = "";
    assert_true(readlink(str_printf(arena, STR_FMT "/v.web", STR_ARG(observed.store_dir)).ptr, target, sizeof target - 1) > 0);
    assert_int_equal(unlink(target), 0);
    assert_null(installed_version(arena, &observed).ptr);
    assert_true(install("a1", &changed, &err) && changed);
}

static void test_two_versions_are_kept(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    assert_true(install("a1", &changed, &err) && install("a2", &changed, &err) && install("a3", &changed, &err) && install("a4", &changed, &err));
    assert_int_equal(files_in_store(), 2);
    assert_str(installed_version(arena, &observed), "a4");
}

/* A directory where the link should be: the link cannot move, and what was there stays. */
static void test_a_failure_leaves_what_is_there(void **state)
{
    (void)state;
    bool changed = true;
    Err err = { 0 };
    assert_true(dir_make(str_printf(arena, STR_FMT "/v.web/sub", STR_ARG(observed.store_dir)).ptr, 0700, &err));
    assert_false(install("a1", &changed, &err));
    assert_false(changed);
    assert_int_equal(access(str_printf(arena, STR_FMT "/v.web/sub", STR_ARG(observed.store_dir)).ptr, F_OK), 0);
}

static bool exists(const char *name)
{
    struct stat st;
    return lstat(str_printf(arena, STR_FMT "/%s", STR_ARG(observed.store_dir), name).ptr, &st) == 0;
}

static void test_files_are_made_again_by_other_settings(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    assert_true(install("a1", &changed, &err) && changed);
    observed.must_remake = true;
    assert_null(installed_version(arena, &observed).ptr);
    assert_str(installed_read(arena, &observed).version, "a1");
    assert_true(install("a1", &changed, &err) && changed);
}

static void test_what_left_goes_and_nothing_else(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    char *text = NULL;
    size_t size = 0;
    observed.files = FILE_PEM | FILE_KEY;
    assert_true(install("a1", &changed, &err) && install("a2", &changed, &err));
    Observed left = observed, other = observed;
    other.name = STR("webby");
    other.link_name = STR("v.webby");
    observed = other;
    assert_true(install("b1", &changed, &err));
    observed = left;
    assert_true(file_replace(str_printf(arena, STR_FMT "/v.web.txt", STR_ARG(left.store_dir)).ptr, bytes_of(STR("mine")), 0600, (uid_t)-1, (gid_t)-1, &err));
    /* Said, not done. */
    FILE *plan = open_memstream(&text, &size);
    assert_true(install_remove(arena, &left, &other, 1, plan, &err));
    (void)fclose(plan);
    assert_non_null(strstr(text, "/v.web would be removed\n"));
    assert_non_null(strstr(text, "/v.web.d would be removed\n"));
    assert_null(strstr(text, "webby"));
    free(text);
    assert_true(exists("v.web"));
    /* Still wanted as separate files: only the .PEM goes. */
    Observed still = left;
    still.files = FILE_KEY;
    assert_true(install_remove(arena, &left, &still, 1, NULL, &err));
    assert_false(exists("v.web"));
    assert_true(exists("v.web.d/key.pem"));
    /* Under another link: the files stay, the former link goes. */
    still.link_name = STR("site");
    assert_true(install_remove(arena, &left, &still, 1, NULL, &err));
    assert_false(exists("v.web.d"));
    assert_true(exists("v.web.a2.1700000000.1700086400/key.pem"));
    assert_true(install_remove(arena, &left, &other, 1, NULL, &err));
    assert_false(exists("v.web.a2.1700000000.1700086400") || exists("v.web.a1.1700000000.1700086400"));
    assert_true(exists("v.webby") && exists("v.webby.d/key.pem") && exists("v.web.txt"));
    /* A link that leads elsewhere is not ours, and what is gone already is no error. */
    assert_int_equal(symlink("/etc/hostname", str_printf(arena, STR_FMT "/v.web", STR_ARG(left.store_dir)).ptr), 0);
    assert_true(install_remove(arena, &left, NULL, 0, NULL, &err));
    assert_true(exists("v.web"));
    left.store_dir = STR("/nonexistent/store");
    assert_true(install_remove(arena, &left, NULL, 0, NULL, &err));
}

static const char *in_store(const char *name) { return str_printf(arena, STR_FMT "/%s", STR_ARG(observed.store_dir), name).ptr; }

static const char *target_of(const char *link)
{
    char target[512] = "";
    assert_true(readlink(in_store(link), target, sizeof target - 1) > 0);
    return str_to_cstr(arena, str_from(strrchr(target, '/') + 1), &(Err){ 0 });
}

static unsigned mode_of(const char *path) { struct stat st; assert_int_equal(stat(path, &st), 0); return st.st_mode & 0777; }

static void test_separate_files_lie_in_one_directory_behind_one_link(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    Str text;
    size_t at;
    observed.files = FILES_SEPARATE | FILE_PEM;
    observed.mode = 0640;
    assert_true(install("a1", &changed, &err) && changed);
    assert_string_equal(target_of("v.web.d"), "v.web.a1.1700000000.1700086400");
    assert_string_equal(target_of("v.web"), "v.web.a1.1700000000.1700086400.PEM");
    assert_true(file_read(arena, in_store("v.web.d/key.pem"), 65536, &text, &err));
    assert_true(str_starts(text, STR("-----BEGIN PRIVATE KEY-----")) && !str_find(text, STR("CERTIFICATE"), &at));
    assert_true(file_read(arena, in_store("v.web.d/fullchain.pem"), 65536, &text, &err));
    assert_true(str_starts(text, STR("-----BEGIN CERTIFICATE-----")) && !str_find(text, STR("PRIVATE"), &at));
    assert_true(file_read(arena, in_store("v.web.d/chain.pem"), 65536, &text, &err));
    assert_int_equal(text.len, 0);                             /* self-signed: nobody above it */
    assert_int_equal(mode_of(in_store("v.web.d/key.pem")), 0640);
    assert_int_equal(mode_of(in_store("v.web.d/cert.p12")), 0640);
    assert_int_equal(mode_of(in_store("v.web.d")), 0750);
    assert_int_equal(mode_of(in_store("")), 0700);
    assert_true(install("a1", &changed, &err) && !changed);
    assert_int_equal(unlink(in_store("v.web.d/chain.pem")), 0);
    assert_true(install("a1", &changed, &err) && changed);     /* a lost file is made again, with the directory it lies in */
    assert_int_equal(access(in_store("v.web.d/chain.pem"), F_OK), 0);
    assert_true(install("a2", &changed, &err) && install("a3", &changed, &err));
    assert_int_equal(access(in_store("v.web.a1.1700000000.1700086400"), F_OK), -1);
    assert_int_equal(access(in_store("v.web.a2.1700000000.1700086400"), F_OK), 0);
}

static void test_the_password_of_pkcs12_comes_from_its_file(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    Str text;
    Bundle bundle = { 0 };
    Str path = str_printf(arena, "%s/password", base);
    observed.files = FILE_PKCS12;
    observed.pkcs12_password_file = path;
    assert_false(install("a1", &changed, &err));               /* no such file: nothing is installed */
    assert_int_equal(access(in_store("v.web.d"), F_OK), -1);
    assert_true(file_replace(path.ptr, bytes_of(STR("s3cret\n")), 0600, (uid_t)-1, (gid_t)-1, &err));
    assert_true(install("a1", &changed, &err) && changed);
    assert_true(file_read(arena, in_store("v.web.d/cert.p12"), 65536, &text, &err));
    assert_false(bundle_read_pfx(arena, bytes_of(text), STR(""), &bundle, &err));
    assert_true(bundle_read_pfx(arena, bytes_of(text), STR("s3cret"), &bundle, &err));
    bundle_done(&bundle);
}

/* Needs a file system with access lists, which /tmp on the machines of this project has, or says so. */
static void test_readers_get_the_file_and_the_way_to_it(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    Reader readers[] = { { STR("65533"), STR_NONE }, { STR_NONE, STR("65532") } };
    observed.acls = readers;
    observed.acl_count = COUNT_OF(readers);
    if (!install("a1", &changed, &err)) {
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_non_null(strstr(err.text, "access lists"));
        return;
    }
    uint8_t acl[256];
    ssize_t size = getxattr(in_store("v.web"), "system.posix_acl_access", acl, sizeof acl);
    assert_int_equal(size, 4 + 8 * 6);                         /* owner, user, group, group by number, mask, others: acl(5) */
    assert_int_equal(mode_of(in_store("v.web")) & 0007, 0);
    size = getxattr(in_store(""), "system.posix_acl_access", acl, sizeof acl);
    assert_int_equal(size, 4 + 8 * 6);
    for (size_t i = 0; i < 6; i++)
        if (acl[4 + 8 * i] == 0x02)                            /* ACL_USER: may pass, not list */
            assert_int_equal(acl[4 + 8 * i + 2], 1);
    assert_true(install("a2", &changed, &err) && changed);     /* granting again adds nothing */
    assert_int_equal(getxattr(in_store(""), "system.posix_acl_access", acl, sizeof acl), 4 + 8 * 6);
}

static void test_unknown_accounts_are_named_and_change_nothing(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    Reader reader = { STR("no-such-user-here"), STR_NONE };
    assert_true(install("a1", &changed, &err));
    observed.acls = &reader;
    observed.acl_count = 1;
    assert_false(install("a2", &changed, &err));
    assert_non_null(strstr(err.text, "no-such-user-here"));
    observed.acl_count = 0;
    observed.group = STR("no-such-group-here");
    assert_false(install("a2", &changed, &err));
    assert_non_null(strstr(err.text, "no-such-group-here"));
    observed.group = STR_NONE;
    assert_str(installed_version(arena, &observed), "a1");
}

static void test_a_full_disk_keeps_the_old_and_says_so(void **state)
{
    (void)state;
    bool changed;
    Err err = { 0 };
    struct rlimit was, none = { 0 };
    assert_true(install("a1", &changed, &err));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    none.rlim_max = was.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);       /* every write fails with EFBIG, as one on a full disk does with ENOSPC */
    bool done = install("a2", &changed, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_false(done || changed);
    assert_non_null(strstr(err.text, "cannot write"));
    assert_str(installed_version(arena, &observed), "a1");
    assert_int_equal(files_in_store(), 1);
}

/* A leaf under an intermediate under a root, each with its own end. */
static Fetched chained(int64_t leaf_end_ms, int64_t middle_end_ms, int64_t root_end_ms)
{
    Fetched made = { .version = STR("c1") };
    KeyRef *keys[3] = { 0 };
    Err err = { 0 };
    CertSpec spec = { .subject = STR("CN=root"), .path_length = -1, .not_before_ms = NOW_MS - 86400000, .not_after_ms = root_end_ms, .is_ca = true };
    for (size_t i = 0; i < 3; i++)
        assert_true(key_generate((KeySpec){ .kind = KEY_EC, .curve = CURVE_P256 }, &keys[i], &err));
    assert_true(cert_self_sign(arena, keys[2], &spec, &made.bundle.certs[2], &err));
    spec.subject = STR("CN=middle");
    spec.not_after_ms = middle_end_ms;
        assert_true(cert_issue(arena, keys[2], made.bundle.certs[2], keys[1], &spec, &made.bundle.certs[1], &err));
    spec.subject = STR("CN=leaf");
    spec.not_after_ms = leaf_end_ms;
    spec.is_ca = false;
    assert_true(cert_issue(arena, keys[1], made.bundle.certs[1], keys[0], &spec, &made.bundle.certs[0], &err));
    assert_true(cert_read(arena, made.bundle.certs[0], &made.leaf, &err));
    made.bundle.key = keys[0];
    made.bundle.count = 3;
    key_free(keys[1]);
    key_free(keys[2]);
    return made;
}

static void test_only_what_is_fit_passes_the_check(void **state)
{
    (void)state;
    static const int64_t later = 86400000;
    static const struct { int64_t leaf, middle, root; bool is_fit; const char *says; } cases[] = {
        { later, later, later, true, "" },
        { later, later, -1000, true, "" },               /* roots are the clients' own */
        { 0, later, later, false, "has expired" },
        { later, -1000, later, false, "the issuer 'CN=middle'" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Err err = { 0 };
        Fetched made = chained(NOW_MS + cases[i].leaf, NOW_MS + cases[i].middle, NOW_MS + cases[i].root);
        if (install_check(arena, &observed, &made, NOW_MS, &err) != cases[i].is_fit || !strstr(err.text, cases[i].says))
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(made.bundle.count, 3);
        bundle_done(&made.bundle);
    }
    Err err = { 0 };
    Fetched gap = chained(NOW_MS + later, NOW_MS + later, NOW_MS + later);
    gap.bundle.certs[1] = gap.bundle.certs[2];
    gap.bundle.count = 2;
    assert_false(install_check(arena, &observed, &gap, NOW_MS, &err));
    assert_non_null(strstr(err.text, "does not build"));
    gap.bundle.count = 1;                                      /* a leaf alone: its issuers are the clients' to know */
    assert_true(install_check(arena, &observed, &gap, NOW_MS, &err));
    bundle_done(&gap.bundle);
    Fetched extra = chained(NOW_MS + later, NOW_MS + later, NOW_MS + later), other = fetched("x", NOW_MS);
    extra.bundle.certs[2] = other.bundle.certs[0];
    assert_true(install_check(arena, &observed, &extra, NOW_MS, &err));
    assert_int_equal(extra.bundle.count, 2);                   /* what is no part of the chain is left out */
    bundle_done(&extra.bundle);
    bundle_done(&other.bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_file_is_named_and_ordered_as_documented, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_version_is_not_written_again_unless_its_file_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_are_made_again_by_other_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_left_goes_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_versions_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_leaves_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_separate_files_lie_in_one_directory_behind_one_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_password_of_pkcs12_comes_from_its_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_get_the_file_and_the_way_to_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_accounts_are_named_and_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_disk_keeps_the_old_and_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_what_is_fit_passes_the_check, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
