#include "../cm.h"
#include "batch/nodes/node_identity.h"

#define RG "/subscriptions/0/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"

static const AssignedIdentity two[] = {
    { { RG "one", sizeof RG "one" - 1 }, { "c1", 2 }, { "p1", 2 } },
    { { RG "two", sizeof RG "two" - 1 }, { "c2", 2 }, { "p2", 2 } },
};

static const AssignedIdentity *chosen(size_t count, TokenAsk ask, const char **why)
{
    return node_identity_select(two, count, &ask, why);
}

static void test_one_identity_needs_no_selector(void **state)
{
    (void)state;
    const char *why;
    assert_ptr_equal(chosen(1, (TokenAsk){ 0 }, &why), &two[0]);
}

static void test_several_identities_need_one(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_null(chosen(2, (TokenAsk){ 0 }, &why));
    assert_string_equal(why, "Identity not found");
    assert_null(chosen(0, (TokenAsk){ 0 }, &why));
    assert_string_equal(why, "Identity not found");
}

static void test_each_selector_finds_its_identity_without_case(void **state)
{
    (void)state;
    const char *why;
    assert_ptr_equal(chosen(2, (TokenAsk){ .client_id = STR("C2") }, &why), &two[1]);
    assert_ptr_equal(chosen(2, (TokenAsk){ .object_id = STR("P1") }, &why), &two[0]);
    assert_ptr_equal(chosen(2, (TokenAsk){ .resource_id = STR("/subscriptions/0/RESOURCEGROUPS/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/TWO") }, &why), &two[1]);
}

static void test_an_unknown_selector_is_not_the_only_identity(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_null(chosen(1, (TokenAsk){ .client_id = STR("c2") }, &why));
    assert_string_equal(why, "Identity not found");
    assert_null(chosen(2, (TokenAsk){ .client_id = STR("p1") }, &why));
}

static void test_two_selectors_are_refused(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_null(chosen(2, (TokenAsk){ .client_id = STR("c1"), .object_id = STR("p1") }, &why));
    assert_non_null(strstr(why, "Only one of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_identity_needs_no_selector),
        cmocka_unit_test(test_several_identities_need_one),
        cmocka_unit_test(test_each_selector_finds_its_identity_without_case),
        cmocka_unit_test(test_an_unknown_selector_is_not_the_only_identity),
        cmocka_unit_test(test_two_selectors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
