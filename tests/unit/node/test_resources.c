/* test_resources.c - resource files: where they go, who owns them, and what is said when they do not come. */
#include "../cm.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "egress/egress.h"
#include "node_fixture.h"

static NodeFixture fixture;
static Runs *runs;

static const char *resource(const char *name, const char *path, const char *more)
{
    return str_printf(fixture.arena, ",\"resourceFiles\":[{\"url\":\"http://127.0.0.1:%d/files/%s?sig=secret\",\"filePath\":\"%s\"%s}]", fixture.web_port, name, path, more).ptr;
}

static Str begin(const char *task, const char *command_line, const char *more)
{
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, task, command_line, more));
    return run_id;
}

static const JsonVal *end_of(const char *task, const char *command_line, const char *more) { return node_wait_end(&fixture, begin(task, command_line, more)); }

static void succeeds(const char *task, const char *command_line, const char *more)
{
    const JsonVal *end = end_of(task, command_line, more);
    if (json_int(json_get(end, "exitCode"), -1) != 0)
        fail_msg(STR_FMT, STR_ARG(json_text(fixture.arena, end)));
}

/* The failure's code; nothing ran. */
static void fails_as(const char *task, const char *more, const char *category, const char *code)
{
    const JsonVal *end = end_of(task, "/bin/sh -c 'touch ../ran'", more);
    assert_str(json_str(json_path(end, "failure.code")), code);
    assert_str(json_str(json_path(end, "failure.category")), category);
    assert_null(json_get(end, "exitCode"));
    assert_true(access(node_path(&fixture, str_printf(fixture.arena, "workitems/job1/job-1/%s/ran", task).ptr), F_OK) < 0);
}

static void test_files_lie_in_wd_with_mode_and_owner(void **state)
{
    (void)state;
    struct stat st;
    succeeds("t1", "/bin/sh -c './bin/sub/run.sh && cat data.txt'",
             str_printf(fixture.arena, ",\"resourceFiles\":[{\"url\":\"http://127.0.0.1:%d/files/script\",\"filePath\":\"bin/sub/run.sh\"},"
                        "{\"url\":\"http://127.0.0.1:%d/files/hello\",\"filePath\":\"./data.txt\",\"fileMode\":\"0640\"}]", fixture.web_port, fixture.web_port).ptr);
    assert_str(node_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"), "from the script\nhello\n");
    assert_int_equal(stat(node_path(&fixture, "workitems/job1/job-1/t1/wd/bin/sub/run.sh"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0770);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 60101 : geteuid());
    assert_int_equal(stat(node_path(&fixture, "workitems/job1/job-1/t1/wd/data.txt"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(stat(node_path(&fixture, "workitems/job1/job-1/t1/wd/bin/sub"), &st), 0);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 60101 : geteuid());
}

static void test_a_file_that_is_there_is_replaced_whole(void **state)
{
    (void)state;
    succeeds("t1", "/bin/sh -c 'echo something longer than it was > x; chmod 400 x'", "");
    succeeds("t1", "cat x", resource("hello", "x", ""));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"), "hello\n");
}

static void test_what_stands_against_it_is_said_in_the_services_words(void **state)
{
    (void)state;
    fails_as("t1", resource("missing", "x", ""), "usererror", "BlobNotFound");
    fails_as("t1", resource("denied", "x", ""), "usererror", "BlobAccessDenied");
    fails_as("t1", resource("round", "x", ""), "servererror", "BlobDownloadMiscError");
    fails_as("t1", ",\"resourceFiles\":[{\"url\":\"ftp://x/y\",\"filePath\":\"x\"}]", "usererror", "BlobDownloadMiscError");
    fails_as("t1", ",\"resourceFiles\":[{\"url\":\"file:///etc/passwd\",\"filePath\":\"x\"}]", "usererror", "BlobDownloadMiscError");
}

static void test_a_signature_in_the_address_is_not_told(void **state)
{
    (void)state;
    size_t at;
    Str text = json_text(fixture.arena, end_of("t1", "true", resource("missing", "x", "")));
    assert_true(str_find(text, STR("/files/missing"), &at));
    assert_false(str_find(text, STR("secret"), &at));
}

static void test_no_path_leads_out_of_wd(void **state)
{
    (void)state;
    static const char *const bad[] = { "../x", "/etc/x", "a/../../x", "..", ".", "", "a/", "a/../x" };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        fails_as("t1", resource("hello", bad[i], ""), "usererror", "ResourceFileCreateFailed");
    assert_true(access(node_path(&fixture, "workitems/job1/job-1/t1/x"), F_OK) < 0);
    /* Links that an earlier attempt left. */
    succeeds("t2", "/bin/sh -c 'ln -s .. up; ln -s /tmp top; ln -s ../linked file; mkdir in; ln -s in also'", "");
    fails_as("t2", resource("hello", "up/x", ""), "servererror", "ResourceDirectoryCreateFailed");
    fails_as("t2", resource("hello", "top/x", ""), "servererror", "ResourceDirectoryCreateFailed");
    succeeds("t2", "cat file in/x", str_printf(fixture.arena, ",\"resourceFiles\":[{\"url\":\"http://127.0.0.1:%d/files/hello\",\"filePath\":\"file\"},"
                   "{\"url\":\"http://127.0.0.1:%d/files/hello\",\"filePath\":\"also/x\"}]", fixture.web_port, fixture.web_port).ptr);
    assert_true(access(node_path(&fixture, "workitems/job1/job-1/t2/linked"), F_OK) < 0);
}

static void test_a_directory_in_the_way_is_said(void **state)
{
    (void)state;
    succeeds("t1", "/bin/sh -c 'mkdir d; echo x > f'", "");
    fails_as("t1", resource("hello", "d", ""), "servererror", "ResourceFileCreateFailed");
    fails_as("t1", resource("hello", "f/x", ""), "servererror", "ResourceDirectoryCreateFailed");
}

static void test_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    pthread_mutex_lock(&fixture.lock);
    fixture.web_failures = 2;
    pthread_mutex_unlock(&fixture.lock);
    succeeds("t1", "cat x", resource("hello", "x", ""));
    pthread_mutex_lock(&fixture.lock);
    fixture.web_failures = 1000;
    pthread_mutex_unlock(&fixture.lock);
    fails_as("t2", resource("hello", "x", ""), "servererror", "BlobDownloadMiscError");
}

static void test_redirects_are_followed(void **state)
{
    (void)state;
    succeeds("t1", "cat x", resource("moved", "x", ""));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"), "hello\n");
}

static void test_an_identity_is_shown_to_the_first_host_only(void **state)
{
    (void)state;
    succeeds("t1", "cat x", resource("hello", "x", ",\"identity\":{\"clientId\":\"client-1\"}"));
    assert_str(fixture.last_authorization, "Bearer token-for-https://storage.azure.com/");
    succeeds("t2", "cat x", resource("moved-away", "x", ",\"identity\":{\"clientId\":\"client-1\"}"));
    assert_null(fixture.last_authorization.ptr);
    succeeds("t3", "cat x", resource("hello", "x", ""));
    assert_null(fixture.last_authorization.ptr);
    fails_as("t4", resource("hello", "x", ",\"identity\":{\"clientId\":\"client-2\"}"), "usererror", "BlobAccessDenied");
}

/* -- containers -- */

static const char *box(const char *query, const char *more)
{
    return str_printf(fixture.arena, ",\"resourceFiles\":[{\"containerUrl\":\"http://127.0.0.1:%d/box%s\"%s}]", fixture.web_port, query, more).ptr;
}

static void test_a_containers_blobs_come_page_by_page_under_their_names(void **state)
{
    struct stat st;
    (void)state;
    succeeds("t1", "/bin/sh -c 'cat \"a b.txt\" sub/x'", box("?sig=secret", ",\"fileMode\":\"0600\""));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t1/stdout.txt"), "blob a b.txt\nblob x\n");
    assert_int_equal(fixture.lists, 2);
    assert_int_equal(stat(node_path(&fixture, "workitems/job1/job-1/t1/wd/sub/x"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    succeeds("t2", "/bin/sh -c 'cat to/here/sub/x; ls'", box("?sig=secret", ",\"blobPrefix\":\"sub/\",\"filePath\":\"to/here\""));
    assert_str(node_file(&fixture, "workitems/job1/job-1/t2/stdout.txt"), "blob x\nto\n");
    succeeds("t3", "/bin/sh -c 'test -z \"$(ls)\"'", box("?sig=secret", ",\"blobPrefix\":\"none\""));
}

static void test_what_stands_against_a_container_is_said(void **state)
{
    (void)state;
    fails_as("t1", box("", ""), "usererror", "BlobAccessDenied");
    fails_as("t1", box("/no/where?sig=secret", ""), "usererror", "BlobNotFound");
    fails_as("t1", box("?sig=secret", ",\"blobPrefix\":\"lost\""), "usererror", "BlobNotFound");
    fails_as("t1", box("?sig=secret", ",\"blobPrefix\":\"up\""), "usererror", "ResourceFileCreateFailed");
    fails_as("t1", box("?sig=secret", ",\"blobPrefix\":\"round\""), "servererror", "BlobDownloadMiscError");
    fails_as("t1", box("?sig=secret", ",\"blobPrefix\":\"html\""), "servererror", "BlobDownloadMiscError");
    fails_as("t1", box("?sig=secret", ",\"filePath\":\"../up\""), "usererror", "ResourceFileCreateFailed");
    size_t at;
    Str text = json_text(fixture.arena, end_of("t1", "true", box("?sig=secret", ",\"blobPrefix\":\"lost\"")));
    assert_true(str_find(text, STR("/box/missing"), &at));
    assert_false(str_find(text, STR("secret"), &at));
}

static void test_an_entry_is_a_file_or_a_container(void **state)
{
    static const char *const bad[] = { "{}", "{\"filePath\":\"x\"}", "{\"url\":\"http://a/\"}", "{\"url\":\"http://a/\",\"containerUrl\":\"http://a/\",\"filePath\":\"x\"}" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        RunSpec spec;
        Err err = { 0 };
        const JsonVal *run = node_run(&fixture, node_run_id(&fixture), "t1", "true", str_printf(fixture.arena, ",\"resourceFiles\":[%s]", bad[i]).ptr);
        if (runspec_read(fixture.arena, run, &spec, &err) || err.code != ERR_BAD_INPUT)
            fail_msg("%s was taken", bad[i]);
    }
}

/* -- the site's way out -- */

static void test_files_come_through_the_sites_way_out_where_there_is_one(void **state)
{
    EgressPolicy policy = { .mode = EGRESS_ON };
    Egress *egress = NULL;
    Err err = { 0 };
    size_t at;
    (void)state;
    if (!egress_start(fixture.places.egress_socket, &policy, &egress, &err))
        fail_msg("%s", err.text);
    fails_as("t1", resource("hello", "x", ""), "usererror", "BlobAccessDenied");        /* loopback: it went that way, and not past it */
    assert_true(str_find(json_text(fixture.arena, end_of("t1", "true", resource("hello", "x", ""))), STR("--node-egress"), &at));
    egress_stop(egress);
    fails_as("t2", ",\"resourceFiles\":[{\"url\":\"http://no-such-name.invalid/x\",\"filePath\":\"x\"}]", "servererror", "BlobDownloadMiscError");
    policy.rule_count = 1;
    if (!egress_rule_read(str_printf(fixture.arena, "127.0.0.1:%d", fixture.web_port), &policy.rules[0], &err) ||
        !egress_start(fixture.places.egress_socket, &policy, &egress, &err))
        fail_msg("%s", err.text);
    succeeds("t3", "cat x", resource("hello", "x", ""));
    succeeds("t4", "cat x", str_printf(fixture.arena, ",\"resourceFiles\":[{\"url\":\"http://localhost:%d/files/hello\",\"filePath\":\"x\"}]", fixture.web_port).ptr);
    egress_stop(egress);
}

/* A server that takes connections and never answers. */
static int silent_server(int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void test_a_download_under_way_is_ended_with_its_run(void **state)
{
    (void)state;
    int port, server = silent_server(&port);
    const char *more = str_printf(fixture.arena, ",\"resourceFiles\":[{\"url\":\"http://127.0.0.1:%d/x\",\"filePath\":\"x\"}]", port).ptr;
    Str run_id = begin("t1", "true", more);
    int connection = accept(server, NULL, NULL);            /* the download has begun */
    assert_true(connection >= 0);
    assert_int_equal(node_reports(&fixture, run_id, "completed"), 0);
    runs_end(runs, run_id, STR("TaskEnded"), STR("enough"));
    const JsonVal *end = node_wait_end(&fixture, run_id);
    assert_str(json_str(json_path(end, "failure.code")), "TaskEnded");
    assert_null(json_get(end, "exitCode"));
    (void)close(connection);

    end = end_of("t2", "true", str_printf(fixture.arena, "%s,\"maxWallClockMs\":100", more).ptr);
    assert_str(json_str(json_path(end, "failure.code")), "TaskEnded");
    (void)close(server);
}

static int start(void **state) { (void)state; node_fixture_start(&fixture); runs = node_fixture_runs(&fixture); return 0; }
static int stop(void **state) { (void)state; runs_stop(runs); node_fixture_stop(&fixture); return 0; }
#define ON_A_NODE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
    node_fixture_main(argc, argv);
    const struct CMUnitTest tests[] = {
        ON_A_NODE(test_files_lie_in_wd_with_mode_and_owner),
        ON_A_NODE(test_a_file_that_is_there_is_replaced_whole),
        ON_A_NODE(test_what_stands_against_it_is_said_in_the_services_words),
        ON_A_NODE(test_a_signature_in_the_address_is_not_told),
        ON_A_NODE(test_no_path_leads_out_of_wd),
        ON_A_NODE(test_a_directory_in_the_way_is_said),
        ON_A_NODE(test_what_may_pass_is_tried_again),
        ON_A_NODE(test_redirects_are_followed),
        ON_A_NODE(test_an_identity_is_shown_to_the_first_host_only),
        ON_A_NODE(test_a_containers_blobs_come_page_by_page_under_their_names),
        ON_A_NODE(test_what_stands_against_a_container_is_said),
        ON_A_NODE(test_an_entry_is_a_file_or_a_container),
        ON_A_NODE(test_files_come_through_the_sites_way_out_where_there_is_one),
        ON_A_NODE(test_a_download_under_way_is_ended_with_its_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
