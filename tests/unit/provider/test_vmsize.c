#include "../cm.h"
#include "provider/vmsize.h"

static void size_is(const char *name, int cores, double gib)
{
    VmSize size = { 0 };
    if (!vm_size_find(str_from(name), &size))
        fail_msg("%s is not known", name);
    assert_int_equal(size.cores, cores);
    assert_true(size.memory_bytes == (int64_t)(gib * (1 << 30)));
}

static void test_sizes_have_the_documented_figures(void **state)
{
    (void)state;
    size_is("STANDARD_DS2_V2", 2, 7);
    size_is("STANDARD_D1_V2", 1, 3.5);
    size_is("Standard_A1", 1, 1.75);
    size_is("Standard_A2m_v2", 2, 16);
    size_is("Standard_D15_v2", 20, 140);
    size_is("Standard_D4s_v3", 4, 16);
    size_is("Standard_D8as_v4", 8, 32);
    size_is("Standard_D96ads_v5", 96, 384);
    size_is("Standard_E64_v3", 64, 432);
    size_is("Standard_E64s_v4", 64, 504);
    size_is("Standard_E96as_v5", 96, 672);
    size_is("Standard_F2", 2, 4);
    size_is("Standard_F2s", 2, 4);
    size_is("Standard_F72s_v2", 72, 144);
}

static void test_names_compare_without_case_and_without_standard(void **state)
{
    (void)state;
    size_is("standard_ds2_v2", 2, 7);
    size_is("DS2_v2", 2, 7);
}

static void test_other_names_are_not_known(void **state)
{
    (void)state;
    VmSize size;
    const char *const names[] = { "", "Standard_", "STANDARD_D2_V9", "STANDARD_D3_V3", "STANDARD_D_V3", "D2_V3 ", " D2_V3", "D02_V3",
                                  "STANDARD_D2XS_V3", "STANDARD_D2_V", "STANDARD_B2S", "Standard_Standard_D2_v3", "D", "E999999999999999999999_V3" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (vm_size_find(str_from(names[i]), &size))
            fail_msg("'%s' is known", names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_have_the_documented_figures),
        cmocka_unit_test(test_names_compare_without_case_and_without_standard),
        cmocka_unit_test(test_other_names_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
