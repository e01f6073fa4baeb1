#include "../store/store_fixture.h"
#include "base/clock.h"
#include "crypto/bundles/bundle.h"
#include "server/authority.h"

static Place place;
static Seal *seal;
static Authority *authority;
static Arena *arena;
static Str ca_pem;

static bool create(Txn *txn, void *ctx, Err *err)
{
    (void)ctx;
    return authority_create(seal, txn, arena, STR("0123456789abcdef"), real_now_ms(), &ca_pem, err);
}

static int set_up(void **state)
{
    (void)state;
    char root[96];
    arena = arena_new(1 << 20);
    place_make(&place);
    place_open(&place);
    (void)snprintf(root, sizeof root, "%s/root.key", place.dir);
    must(seal_make_root_file(root, E));
    must(seal_open(place.store, root, &seal, E));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority_close(TAKE(authority));
    seal_close(TAKE(seal));
    place_done(&place);
    arena_free(arena);
    return 0;
}

static const int64_t DAY_MS = 86400000;

static void test_a_leaf_is_issued_by_the_ca_for_its_name_and_for_less_than_398_days(void **state)
{
    (void)state;
    TlsLeaf leaf;
    CertInfo info;
    Bytes leaf_der, ca_der;
    AUTO(bundle_done_auto) Bundle bundle = { 0 };
    must(store_write(place.store, create, NULL, E));
    must(authority_open(place.store, seal, &authority, E));
    must(authority_leaf(authority, arena, STR("management.vaultyard.localhost"), &leaf, E));
    must(pem_to_cert(arena, leaf.cert_chain_pem, &leaf_der, E));
    must(pem_to_cert(arena, ca_pem, &ca_der, E));
    assert_true(cert_is_issued_by(leaf_der, ca_der));
    must(cert_read(arena, leaf_der, &info, E));
    assert_int_equal(info.dns.count, 1);
    assert_str(info.dns.items[0], "management.vaultyard.localhost");
    assert_false(info.is_ca);
    assert_true(info.not_after_ms - info.not_before_ms < 398 * DAY_MS);
    assert_true(leaf.renew_at_ms > real_now_ms() && leaf.renew_at_ms < info.not_after_ms);

    /* The key belongs to the leaf. */
    must(bundle_read_pem(arena, str_printf(arena, STR_FMT STR_FMT, STR_ARG(leaf.key_pem), STR_ARG(leaf.cert_chain_pem)), &bundle, E));
    AUTO(key_free_auto) KeyRef *public_key = NULL;
    must(cert_public_key(leaf_der, &public_key, E));
    assert_true(key_same_public(public_key, bundle.key));
}

static void test_without_a_name_the_leaf_is_for_the_loopbacks(void **state)
{
    (void)state;
    TlsLeaf leaf;
    CertInfo info;
    Bytes der;
    must(store_write(place.store, create, NULL, E));
    must(authority_open(place.store, seal, &authority, E));
    must(authority_leaf(authority, arena, STR(""), &leaf, E));
    must(pem_to_cert(arena, leaf.cert_chain_pem, &der, E));
    must(cert_read(arena, der, &info, E));
    assert_int_equal(info.ips.count, 2);
    assert_str(info.dns.items[0], "localhost");
}

static void test_a_store_without_a_ca_is_refused(void **state)
{
    (void)state;
    Err err = { 0 };
    assert_false(authority_open(place.store, seal, &authority, &err));
    assert_non_null(strstr(err.text, "vaultyard init"));
}

static void test_two_leaves_have_keys_of_their_own(void **state)
{
    (void)state;
    TlsLeaf one, two;
    must(store_write(place.store, create, NULL, E));
    must(authority_open(place.store, seal, &authority, E));
    must(authority_leaf(authority, arena, STR("a.vault.vaultyard.localhost"), &one, E));
    must(authority_leaf(authority, arena, STR("a.vault.vaultyard.localhost"), &two, E));
    assert_false(str_eq(one.key_pem, two.key_pem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_leaf_is_issued_by_the_ca_for_its_name_and_for_less_than_398_days, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_name_the_leaf_is_for_the_loopbacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_store_without_a_ca_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_leaves_have_keys_of_their_own, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
