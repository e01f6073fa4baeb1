/* test_generic_update.c - --set, --add and --remove: what becomes of a tree, and which paths are refused. */
#include "../cm.h"
#include <stdio.h>
#include "cli/generic_update.h"

enum { WORDS_MAX = 32 };

static const char VAULT[] = "{\"location\":\"local\",\"tags\":{\"a\":\"b\"},\"properties\":{\"enableSoftDelete\":true,\"sku\":{\"name\":\"standard\"},"
                            "\"accessPolicies\":[{\"objectId\":\"one\",\"permissions\":{\"keys\":[\"get\",\"list\"]}},{\"objectId\":\"two\",\"permissions\":{\"keys\":[]}}]}}";

/* Words are parted by '|'. true: what the tree is afterwards; false: what was said. */
static bool changed(const char *text, char *said, size_t size)
{
    Arena *arena = arena_new(4 << 20);
    Cli cli = { .arena = arena };
    char *argv[WORDS_MAX] = { (char *)"vy", (char *)"keyvault", (char *)"update", (char *)"-n", (char *)"v" };
    int argc = 5;
    Str rest = str_from(text);
    const JsonVal *tree;
    Err err = { 0 };
    while (rest.ptr && argc < WORDS_MAX)
        argv[argc++] = str_to_cstr(arena, str_cut(&rest, '|'), &err);
    bool good = args_parse(arena, argc, argv, &cli.args, &err) && json_parse(arena, str_from(VAULT), JSON_STRICT, &tree, &err) && generic_update(&cli, &tree, &err);
    Str result = good ? json_text(arena, tree) : str_from(err.text);
    (void)snprintf(said, size, STR_FMT, STR_ARG(result));
    if (!good)
        assert_int_equal(err.code, ERR_BAD_INPUT);
    arena_free(arena);
    return good;
}

/* `part` is in the tree afterwards. */
static void becomes(const char *text, const char *part)
{
    char said[4096];
    if (!changed(text, said, sizeof said) || !strstr(said, part))
        fail_msg("%s: %s has no %s", text, said, part);
}

static void lacks(const char *text, const char *part)
{
    char said[4096];
    if (!changed(text, said, sizeof said) || strstr(said, part))
        fail_msg("%s: %s", text, said);
}

static void refused(const char *text, const char *says)
{
    char said[4096];
    if (changed(text, said, sizeof said) || !strstr(said, says))
        fail_msg("%s: %s", text, said);
}

static void test_set_takes_json_or_text_and_makes_what_lies_between(void **state)
{
    (void)state;
    becomes("--set|properties.enableSoftDelete=false", "\"enableSoftDelete\":false");
    becomes("--set|properties.enable_soft_delete=False", "\"enableSoftDelete\":false");
    becomes("--set|tags.a=3", "\"a\":3");
    becomes("--set|tags.a=3|--force-string", "\"a\":\"3\"");
    becomes("--set|tags.c=x=y|tags.d=z", "\"a\":\"b\",\"c\":\"x=y\",\"d\":\"z\"");
    becomes("--set|properties.networkAcls.defaultAction=Deny", "\"networkAcls\":{\"defaultAction\":\"Deny\"}");
    becomes("--set|properties.sku={\"name\":\"premium\",\"family\":\"A\"}", "\"sku\":{\"name\":\"premium\",\"family\":\"A\"}");
    becomes("--set|properties.sku.name=null", "\"name\":null");
    becomes("--set|properties.accessPolicies[1].objectId=three", "\"objectId\":\"three\"");
    becomes("--set|properties.accessPolicies[objectId=two].permissions.keys=[\"all\"]", "\"two\",\"permissions\":{\"keys\":[\"all\"]}");
}

static void test_add_appends_values_and_objects(void **state)
{
    (void)state;
    becomes("--add|properties.accessPolicies[0].permissions.keys|sign|verify", "[\"get\",\"list\",\"sign\",\"verify\"]");
    becomes("--add|properties.networkAcls.ipRules|value=203.0.113.7", "\"networkAcls\":{\"ipRules\":[{\"value\":\"203.0.113.7\"}]}");
    becomes("--add|properties.list|a=1|b=2|{\"c\":3}|d=4", "\"list\":[{\"a\":\"1\",\"b\":\"2\"},{\"c\":3},{\"d\":\"4\"}]");
    becomes("--add|properties.list|7|--force-string", "\"list\":[\"7\"]");
}

static void test_remove_takes_a_property_or_an_item(void **state)
{
    (void)state;
    lacks("--remove|tags.a", "\"a\"");
    lacks("--remove|tags", "tags");
    lacks("--remove|properties.accessPolicies|0", "\"one\"");
    becomes("--remove|properties.accessPolicies|0", "\"two\"");
    becomes("--remove|properties.accessPolicies[objectId=one].permissions.keys|1", "[\"get\"]");
    becomes("--remove|properties.accessPolicies", "\"accessPolicies\":[]");          /* a list is emptied, as with az */
    lacks("--remove|properties.accessPolicies[1]", "\"two\"");
}

static void test_changes_come_in_their_order_and_each_counts(void **state)
{
    (void)state;
    becomes("--set|tags.x=1|--remove|tags.x|--set|tags.y=2", "{\"a\":\"b\",\"y\":2}");
    becomes("--add|properties.l|one|--add|properties.l|two|--remove|properties.l|0", "\"l\":[\"two\"]");
}

static void test_what_leads_nowhere_is_named(void **state)
{
    (void)state;
    refused("--set|tags", "not of the form PATH=VALUE");
    refused("--set|=x", "not of the form PATH=VALUE");
    refused("--set|properties.accessPolicies[9].objectId=x", "index 9 doesn't exist; the list has 2 items");
    refused("--set|properties.accessPolicies[objectId=none].x=y", "no item of the list has objectId 'none'");
    refused("--set|properties.accessPolicies.x=y", "in a list, whose items");
    refused("--set|properties[0]=y", "only lists have items");
    refused("--set|location.x=y", "'x' is looked for in a string");
    refused("--remove|properties.a[0", "'[' without ']'");
    refused("--add|tags|x=y", "'tags' is an object, not a list");
    refused("--add|properties.list", "--add PATH VALUE");
    refused("--remove|properties.nothing", "couldn't find 'nothing'. Available options: enableSoftDelete, sku, accessPolicies");
    refused("--remove|properties.accessPolicies|2", "index 2 doesn't exist on accessPolicies");
    refused("--remove|properties.accessPolicies|x", "a list's path and an index");
    refused("--set|a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1", "more than 16 parts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_takes_json_or_text_and_makes_what_lies_between),
        cmocka_unit_test(test_add_appends_values_and_objects),
        cmocka_unit_test(test_remove_takes_a_property_or_an_item),
        cmocka_unit_test(test_changes_come_in_their_order_and_each_counts),
        cmocka_unit_test(test_what_leads_nowhere_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
