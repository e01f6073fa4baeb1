/* test_args.c - command lines: what is understood, and what is refused with the nearest word; and the table of commands walked. */
#include "../cm.h"
#include "cli/command.h"

enum { WORDS_MAX = 24 };

typedef struct Line { Arena *arena; char *argv[WORDS_MAX]; int argc; Cli cli; Err err; bool parsed; } Line;

/* Words are parted by '|', so that values may hold spaces. */
static void parse(Line *line, const char *text)
{
    Str rest = str_from(text);
    Err err = { 0 };

    *line = (Line){ .arena = arena_new(1 << 20) };
    line->argv[line->argc++] = (char *)"vy";
    while (rest.ptr && text[0]) {
        Str word = str_cut(&rest, '|');
        line->argv[line->argc++] = str_to_cstr(line->arena, word, &err);
    }
    line->parsed = args_parse(line->arena, line->argc, line->argv, &line->cli.args, &line->err);
}

static void done(Line *line)
{
    arena_free(line->arena);
}

static void test_options_have_long_short_and_documents_spellings(void **state)
{
    static const char *const lines[] = { "group|create|--name|g|--location|West US 2", "group|create|-n|g|-l|West US 2", "group|create|-name|g|-location|West US 2",
                                         "group|create|-g|g|--location=West US 2", "group|create|-resource-group|g|-l|West US 2", "group|create|-l|x|-n|h|-n|g|-l|West US 2" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        Line line;
        parse(&line, lines[i]);
        if (!line.parsed)
            fail_msg("%s: %s", lines[i], line.err.text);
        assert_string_equal(line.cli.args.command->words, "group create");
        assert_str(arg(&line.cli, "--name"), "g");
        assert_str(arg(&line.cli, "--location"), "West US 2");
        assert_null(arg(&line.cli, "--subscription").ptr);
        done(&line);
    }
}

/* An unset variable in a script would else name a whole collection: GET /secrets/ lists them all, and looks like success. */
static void test_an_empty_name_is_refused_and_an_empty_value_is_not(void **state)
{
    static const struct { const char *line, *says; } refused[] = {
        { "keyvault|secret|show|--vault-name|v|-n|", "-n is empty" }, { "keyvault|secret|show|--vault-name=|-n|s", "--vault-name is empty" },
        { "group|delete|-n||--yes", "-n is empty" }, { "keyvault|show|-n|v|-g|", "-g is empty" }, { "batch|pool|show|--account-name|a|--pool-id|", "--pool-id is empty" },
        { "role|assignment|delete|--ids|a|", "--ids is empty" },
    };
    static const char *const taken[] = { "keyvault|secret|set|--vault-name|v|-n|s|--value|", "group|create|-n|g|--tags|", "keyvault|secret|show|--vault-name|v|-n|s|--version|" };
    Line line;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        parse(&line, refused[i].line);
        assert_false(line.parsed);
        assert_string_equal(line.err.text, refused[i].says);
        done(&line);
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        parse(&line, taken[i]);
        if (!line.parsed)
            fail_msg("%s: %s", taken[i], line.err.text);
        done(&line);
    }
}

static void test_underscores_count_as_hyphens(void **state)
{
    Line line;
    (void)state;
    parse(&line, "batch|account|create|--name|a|--resource_group|g|--mi_system_assigned");
    assert_true(line.parsed);
    assert_str(arg(&line.cli, "--resource-group"), "g");
    assert_true(arg_flag(&line.cli, "--mi-system-assigned"));
    done(&line);
}

static void test_the_line_of_the_encryption_document_is_understood(void **state)
{
    Line line;
    (void)state;
    parse(&line, "batch|account|create|-n|mybatchaccount|-g|myResourceGroup|--locations|regionName=West US 2|--identity|SystemAssigned");
    assert_true(line.parsed);
    assert_str(arg(&line.cli, "--locations"), "regionName=West US 2");
    assert_str(arg(&line.cli, "--identity"), "SystemAssigned");
    done(&line);
}

static void test_the_lines_of_az_for_jobs_and_tasks_are_understood(void **state)
{
    static const char *const lines[] = {
        "batch|job|create|--id|j|--pool-id|p|--priority|-5|--metadata|a=1|b=2|--job-max-task-retry-count|-1", "batch|job|set|--job-id|j|--on-all-tasks-complete|terminatejob",
        "batch|job|list|--filter|state eq 'active'|--select|id,state", "batch|job|delete|--job-id|j|--yes", "batch|job|disable|--job-id|j|--disable-tasks|wait",
        "batch|job|stop|--job-id|j|--terminate-reason|done", "batch|job|task-counts|show|--job-id|j", "batch|job|prep-release-status|list|--job-id|j",
        "batch|task|create|--job-id|j|--task-id|t|--command-line|/bin/sh -c 'exit 0'|--environment-settings|A=1|B=x=y|--max-task-retry-count|3",
        "batch|task|create|--job-id|j|--json-file|tasks.json", "batch|task|reactivate|--job-id|j|--task-id|t", "batch|task|file|list|--job-id|j|--task-id|t|--recursive",
        "batch|task|file|download|--job-id|j|--task-id|t|--file-path|stdout.txt|--destination|.", "batch|node|file|delete|--pool-id|p|--node-id|n|--file-path|shared/x|--yes",
        "batch|node|reboot|--pool-id|p|--node-id|n|--node-reboot-option|taskcompletion",
    };
    Line line;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        parse(&line, lines[i]);
        if (!line.parsed)
            fail_msg("%s: %s", lines[i], line.err.text);
        done(&line);
    }
    parse(&line, "batch|task|file|show|--job-id|j|--task-id|t");
    assert_false(line.parsed);
    done(&line);
}

static void test_the_lines_of_the_older_way_to_a_vault_are_understood(void **state)
{
    Line line;
    (void)state;
    parse(&line, "makecert|-sv|batchcertificate.pvk|-n|cn=batch.cert.mydomain.org|batchcertificate.cer|-b|09/23/2019|-e|09/23/2019|-r|-pe|-a|sha256|-len|2048");
    assert_true(line.parsed);
    assert_string_equal(line.cli.args.positional, "batchcertificate.cer");
    assert_str(arg(&line.cli, "--sv"), "batchcertificate.pvk");
    assert_str(arg(&line.cli, "--name"), "cn=batch.cert.mydomain.org");
    assert_str(arg(&line.cli, "--begin"), "09/23/2019");
    assert_str(arg(&line.cli, "--end"), "09/23/2019");
    assert_true(arg_flag(&line.cli, "--self-signed") && arg_flag(&line.cli, "--pe"));
    assert_str(arg(&line.cli, "--algorithm"), "sha256");
    assert_str(arg(&line.cli, "--len"), "2048");
    assert_string_equal(arg_typed(&line.cli, "--self-signed"), "-r");
    assert_null(arg_typed(&line.cli, "--ss"));
    done(&line);

    parse(&line, "pvk2pfx|-pvk|batchcertificate.pvk|-spc|batchcertificate.cer|-pfx|batchcertificate.pfx|-po");
    assert_true(line.parsed);
    assert_true(arg_given(&line.cli, "--po") && !arg(&line.cli, "--po").ptr);
    assert_false(arg_given(&line.cli, "--pi"));
    done(&line);
    parse(&line, "pvk2pfx|-pvk|a|-spc|b|-pfx|c|-po|false|-f");      /* a password like any other */
    assert_true(line.parsed);
    assert_str(arg(&line.cli, "--po"), "false");
    assert_true(arg_given(&line.cli, "--po") && arg_flag(&line.cli, "--force"));
    done(&line);
}

static void test_lists_flags_and_optional_values(void **state)
{
    Line line;
    const char *const *values;
    (void)state;
    parse(&line, "keyvault|set-policy|-n|v|--secret-permissions|get|list|--object-id|x|--key-permissions|wrapKey");
    assert_true(line.parsed);
    assert_int_equal(arg_list(&line.cli, "--secret-permissions", &values), 2);
    assert_string_equal(values[1], "list");
    assert_int_equal(arg_list(&line.cli, "--certificate-permissions", &values), 0);
    done(&line);

    parse(&line, "keyvault|create|-n|v|-g|g|--no-self-perms|--enable-purge-protection|false");
    assert_true(line.parsed);
    assert_true(arg_flag(&line.cli, "--no-self-perms"));
    assert_false(arg_flag(&line.cli, "--enable-purge-protection"));
    assert_false(arg_flag(&line.cli, "--enable-rbac-authorization"));
    done(&line);
}

static void test_what_follows_two_hyphens_is_the_nodes(void **state)
{
    Line line;
    (void)state;
    parse(&line, "batch|node|exec|--pool-id|p|--node-id|n|--|sh|-c|echo --help|-n");
    assert_true(line.parsed);
    assert_false(line.cli.args.wants_help);
    assert_int_equal(line.cli.args.rest_count, 4);
    assert_string_equal(line.cli.args.rest[2], "echo --help");
    done(&line);
}

static void test_values_may_be_a_hyphen_or_a_number(void **state)
{
    Line line;
    (void)state;
    parse(&line, "keyvault|secret|set|--vault-name|v|-n|s|--value|-");
    assert_true(line.parsed);
    assert_str(arg(&line.cli, "--value"), "-");
    done(&line);
    parse(&line, "keyvault|secret|set|--vault-name|v|-n|s|--value|-5");
    assert_true(line.parsed);
    assert_str(arg(&line.cli, "--value"), "-5");
    done(&line);
    parse(&line, "keyvault|secret|set|--vault-name|v|-n|s|--value=--secret");
    assert_true(line.parsed);
    assert_str(arg(&line.cli, "--value"), "--secret");
    done(&line);
}

static void test_help_is_given_at_each_level(void **state)
{
    static const struct { const char *line, *words; } cases[] = {
        { "-h", "" }, { "--help", "" }, { "keyvault|-h", "keyvault" }, { "keyvault|secret|--help", "keyvault secret" },
        { "keyvault|secret|set|-h", "keyvault secret set" }, { "keyvault|secret|set|--vault-name|x|--help", "keyvault secret set" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Line line;
        AUTO(buf_done_auto) Buf out = { 0 };
        parse(&line, cases[i].line);
        assert_true(line.parsed && line.cli.args.wants_help);
        assert_string_equal(line.cli.args.help_words, cases[i].words);
        buf_init(&out, 1 << 20);
        help_print(&out, line.cli.args.help_words);
        assert_true(out.len > 100);
        done(&line);
    }
}

static void test_wrong_lines_are_refused_and_say_what_is_near(void **state)
{
    static const struct { const char *line, *says, *help_of; } cases[] = {
        { "", "needs a command", "" },
        { "keyvault", "needs a further word", "keyvault" },
        { "keyvalt|list", "Did you mean 'keyvault'?", "" },
        { "keyvault|secrte|set", "Did you mean 'secret'?", "keyvault" },
        { "xyzzy", "'xyzzy' is no command of vy.", "" },
        { "group|create|--nmae|g", "Did you mean --name?", "group create" },
        { "group|create|-x|g", "unrecognized argument: -x", "group create" },
        { "group|create|-nfoo", "unrecognized argument: -nfoo", "group create" },
        { "group|create", "the following arguments are required: --name", "group create" },
        { "group|create|--name", "expected one value", "group create" },
        { "group|create|--name|--location|x", "expected one value", "group create" },
        { "group|create|--tags|--name|g", "expected at least one value", "group create" },
        { "group|list|surplus", "unrecognized argument: surplus", "group list" },
        { "group|delete|-n|g|--yes=1", "--yes takes no value", "" },
        { "dev|clock|advance", "the following arguments are required: DURATION", "dev clock advance" },
        { "dev|clock|advance|1d|2d", "unrecognized argument: 2d", "dev clock advance" },
        { "group|list|--|x", "unrecognized argument: --", "group list" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Line line;
        size_t at;
        parse(&line, cases[i].line);
        if (line.parsed)
            fail_msg("'%s' was understood", cases[i].line);
        if (!str_find(str_from(line.err.text), str_from(cases[i].says), &at))
            fail_msg("'%s': %s", cases[i].line, line.err.text);
        assert_string_equal(line.err.target, cases[i].help_of);
        done(&line);
    }
}

static void test_every_command_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_command_count; i++) {
        const Command *c = &cli_commands[i];
        size_t rows = 0;
        assert_non_null(c->run);
        assert_true(strlen(c->help) > 8);
        assert_non_null(c->options);
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->words, cli_commands[j].words) == 0)
                fail_msg("'%s' is there twice", c->words);
        for (const Option *o = c->options; o->names; o++) {
            assert_true(strncmp(o->names, "--", 2) == 0);
            assert_true(strlen(o->help) > 3);
            for (const Option *other = c->options; other < o; other++)
                if (strcmp(o->names, other->names) == 0)
                    fail_msg("'%s' has %s twice", c->words, o->names);
            rows++;
        }
        assert_true(rows <= GIVEN_MAX - 8);
    }
}

static void test_no_option_shadows_another_of_its_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_command_count; i++) {
        Str seen[128];
        size_t count = 0;
        const Option *tables[] = { cli_commands[i].options, cli_global_options };
        for (size_t t = 0; t < COUNT_OF(tables); t++) {
            for (const Option *o = tables[t]; o->names; o++) {
                Str rest = str_from(o->names);
                while (rest.ptr) {
                    Str name = str_cut(&rest, ' ');
                    for (size_t k = 0; k < count; k++)
                        if (str_eq(seen[k], name))
                            fail_msg("'%s' has " STR_FMT " twice", cli_commands[i].words, STR_ARG(name));
                    assert_true(count < COUNT_OF(seen));
                    seen[count++] = name;
                }
            }
        }
    }
}

/* Each group of the words of a command is described, and each described group has a command. */
static void test_groups_and_commands_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_command_count; i++) {
        Str words = str_from(cli_commands[i].words);
        for (size_t at = 0; at < words.len; at++) {
            bool known = words.ptr[at] != ' ';
            for (size_t g = 0; g < cli_group_count && !known; g++)
                known = str_eq(str_slice(words, 0, at), str_from(cli_groups[g].words));
            if (!known)
                fail_msg("the group of '%s' is not described", cli_commands[i].words);
        }
    }
    for (size_t g = 0; g < cli_group_count; g++) {
        bool used = false;
        for (size_t i = 0; i < cli_command_count; i++)
            used = used || (str_starts(str_from(cli_commands[i].words), str_from(cli_groups[g].words)) && cli_commands[i].words[strlen(cli_groups[g].words)] == ' ');
        if (!used)
            fail_msg("group '%s' has no command", cli_groups[g].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_have_long_short_and_documents_spellings), cmocka_unit_test(test_underscores_count_as_hyphens), cmocka_unit_test(test_an_empty_name_is_refused_and_an_empty_value_is_not),
        cmocka_unit_test(test_the_lines_of_az_for_jobs_and_tasks_are_understood),
        cmocka_unit_test(test_the_line_of_the_encryption_document_is_understood), cmocka_unit_test(test_the_lines_of_the_older_way_to_a_vault_are_understood), cmocka_unit_test(test_lists_flags_and_optional_values),
        cmocka_unit_test(test_what_follows_two_hyphens_is_the_nodes), cmocka_unit_test(test_values_may_be_a_hyphen_or_a_number),
        cmocka_unit_test(test_help_is_given_at_each_level), cmocka_unit_test(test_wrong_lines_are_refused_and_say_what_is_near),
        cmocka_unit_test(test_every_command_is_whole), cmocka_unit_test(test_no_option_shadows_another_of_its_command), cmocka_unit_test(test_groups_and_commands_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
