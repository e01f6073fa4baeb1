/* vmsize.c - the table of vmSizes, one row a family and one figure a size of it. */
#include "provider/vmsize.h"

/* Memory in MiB: some old sizes have fractions of a GiB. */
typedef struct SizeRow { int number, cores, memory_mib; } SizeRow;
typedef struct Family { Str before, after; const SizeRow *rows; size_t count; } Family;

#define GIB(n) ((n) * 1024)

static const SizeRow a_v1[] = {
    { 0, 1, 768 }, { 1, 1, 1792 }, { 2, 2, 3584 }, { 3, 4, GIB(7) }, { 4, 8, GIB(14) }, { 5, 2, GIB(14) }, { 6, 4, GIB(28) },
    { 7, 8, GIB(56) }, { 8, 8, GIB(56) }, { 9, 16, GIB(112) }, { 10, 8, GIB(56) }, { 11, 16, GIB(112) } };
static const SizeRow a_v2[] = { { 1, 1, GIB(2) }, { 2, 2, GIB(4) }, { 4, 4, GIB(8) }, { 8, 8, GIB(16) } };
static const SizeRow am_v2[] = { { 2, 2, GIB(16) }, { 4, 4, GIB(32) }, { 8, 8, GIB(64) } };
static const SizeRow d_v1[] = {
    { 1, 1, 3584 }, { 2, 2, GIB(7) }, { 3, 4, GIB(14) }, { 4, 8, GIB(28) },
    { 11, 2, GIB(14) }, { 12, 4, GIB(28) }, { 13, 8, GIB(56) }, { 14, 16, GIB(112) } };
static const SizeRow d_v2[] = {
    { 1, 1, 3584 }, { 2, 2, GIB(7) }, { 3, 4, GIB(14) }, { 4, 8, GIB(28) }, { 5, 16, GIB(56) },
    { 11, 2, GIB(14) }, { 12, 4, GIB(28) }, { 13, 8, GIB(56) }, { 14, 16, GIB(112) }, { 15, 20, GIB(140) } };
static const SizeRow d_4_gib[] = {                      /* 4 GiB a core: v3 and v4, and the AMD sizes of v4 and v5 */
    { 2, 2, GIB(8) }, { 4, 4, GIB(16) }, { 8, 8, GIB(32) }, { 16, 16, GIB(64) }, { 32, 32, GIB(128) },
    { 48, 48, GIB(192) }, { 64, 64, GIB(256) } };
static const SizeRow d_4_gib_96[] = {
    { 2, 2, GIB(8) }, { 4, 4, GIB(16) }, { 8, 8, GIB(32) }, { 16, 16, GIB(64) }, { 32, 32, GIB(128) },
    { 48, 48, GIB(192) }, { 64, 64, GIB(256) }, { 96, 96, GIB(384) } };
static const SizeRow e_v3[] = {
    { 2, 2, GIB(16) }, { 4, 4, GIB(32) }, { 8, 8, GIB(64) }, { 16, 16, GIB(128) }, { 20, 20, GIB(160) },
    { 32, 32, GIB(256) }, { 48, 48, GIB(384) }, { 64, 64, GIB(432) } };
static const SizeRow e_v4[] = {
    { 2, 2, GIB(16) }, { 4, 4, GIB(32) }, { 8, 8, GIB(64) }, { 16, 16, GIB(128) }, { 20, 20, GIB(160) },
    { 32, 32, GIB(256) }, { 48, 48, GIB(384) }, { 64, 64, GIB(504) } };
static const SizeRow e_8_gib_96[] = {                   /* 8 GiB a core up to 64, then 672 GiB */
    { 2, 2, GIB(16) }, { 4, 4, GIB(32) }, { 8, 8, GIB(64) }, { 16, 16, GIB(128) }, { 20, 20, GIB(160) },
    { 32, 32, GIB(256) }, { 48, 48, GIB(384) }, { 64, 64, GIB(512) }, { 96, 96, GIB(672) } };
static const SizeRow f_v1[] = { { 1, 1, GIB(2) }, { 2, 2, GIB(4) }, { 4, 4, GIB(8) }, { 8, 8, GIB(16) }, { 16, 16, GIB(32) } };
static const SizeRow f_v2[] = {
    { 2, 2, GIB(4) }, { 4, 4, GIB(8) }, { 8, 8, GIB(16) }, { 16, 16, GIB(32) }, { 32, 32, GIB(64) }, { 48, 48, GIB(96) },
    { 64, 64, GIB(128) }, { 72, 72, GIB(144) } };

#define FAMILY(before, after, rows) { STR(before), STR(after), rows, COUNT_OF(rows) }
static const Family families[] = {
    FAMILY("A", "", a_v1), FAMILY("A", "_V2", a_v2), FAMILY("A", "M_V2", am_v2),
    FAMILY("D", "", d_v1), FAMILY("DS", "", d_v1), FAMILY("D", "_V2", d_v2), FAMILY("DS", "_V2", d_v2),
    FAMILY("D", "_V3", d_4_gib), FAMILY("D", "S_V3", d_4_gib),
    FAMILY("D", "_V4", d_4_gib), FAMILY("D", "S_V4", d_4_gib), FAMILY("D", "D_V4", d_4_gib), FAMILY("D", "DS_V4", d_4_gib),
    FAMILY("D", "A_V4", d_4_gib_96), FAMILY("D", "AS_V4", d_4_gib_96),
    FAMILY("D", "_V5", d_4_gib_96), FAMILY("D", "S_V5", d_4_gib_96), FAMILY("D", "D_V5", d_4_gib_96),
    FAMILY("D", "DS_V5", d_4_gib_96), FAMILY("D", "AS_V5", d_4_gib_96), FAMILY("D", "ADS_V5", d_4_gib_96),
    FAMILY("E", "_V3", e_v3), FAMILY("E", "S_V3", e_v3),
    FAMILY("E", "_V4", e_v4), FAMILY("E", "S_V4", e_v4), FAMILY("E", "D_V4", e_v4), FAMILY("E", "DS_V4", e_v4),
    FAMILY("E", "A_V4", e_8_gib_96), FAMILY("E", "AS_V4", e_8_gib_96),
    FAMILY("E", "_V5", e_8_gib_96), FAMILY("E", "S_V5", e_8_gib_96), FAMILY("E", "D_V5", e_8_gib_96),
    FAMILY("E", "DS_V5", e_8_gib_96), FAMILY("E", "AS_V5", e_8_gib_96), FAMILY("E", "ADS_V5", e_8_gib_96),
    FAMILY("F", "", f_v1), FAMILY("F", "S", f_v1), FAMILY("F", "S_V2", f_v2),
};

static bool family_holds(const Family *family, Str name, VmSize *out)
{
    if (!str_starts_nocase(name, family->before) || !str_ends_nocase(name, family->after) ||
        name.len <= family->before.len + family->after.len)
        return false;
    int64_t number;
    Err ignored;                                        /* letters between the two: another family */
    if (!str_to_int64(str_slice(name, family->before.len, name.len - family->after.len), 0, 999, &number, &ignored))
        return false;
    for (size_t i = 0; i < family->count; i++)
        if (family->rows[i].number == number) {
            *out = (VmSize){ family->rows[i].cores, (int64_t)family->rows[i].memory_mib << 20 };
            return true;
        }
    return false;
}

bool vm_size_find(Str name, VmSize *out)
{
    if (str_starts_nocase(name, STR("Standard_")))
        name = str_slice(name, strlen("Standard_"), name.len);
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (family_holds(&families[i], name, out))
            return true;
    return false;
}
