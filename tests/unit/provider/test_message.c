#include "../cm.h"
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "provider/frame.h"
#include "provider/message.h"

#define NODE "\"node\":{\"nodeId\":\"tvmps_1_d\",\"hostName\":\"74773db5fe1b42ab9a4b6cf679d929da000000\",\"account\":\"acct\",\"pool\":\"p\"," \
             "\"vmSize\":\"STANDARD_DS2_V2\",\"join\":\"{\\\"version\\\":1}\"}"

static NodeSpec good_spec(void)
{
    return (NodeSpec){ .node_id = STR("tvmps_1_d"), .host_name = STR("74773db5fe1b42ab9a4b6cf679d929da000000"), .account = STR("acct"),
                       .pool = STR("p"), .vm_size = STR("STANDARD_DS2_V2"), .join_json = STR("{\"version\":1}") };
}

static void test_requests_read_back_as_written(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    const HostRequest requests[] = {
        { .id = 1, .op = HOST_OP_HELLO },
        { .id = 2, .op = HOST_OP_NODE_START, .node = good_spec() },
        { .id = 3, .op = HOST_OP_NODE_STOP, .node_id = STR("tvmps_1_d") },
        { .id = 4, .op = HOST_OP_NODE_LIST },
        { .id = 5, .op = HOST_OP_NODE_RESTART, .node = good_spec() },
    };
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        AUTO(buf_done_auto) Buf text = { 0 };
        HostRequest read;
        Err err = { 0 };
        buf_init(&text, HOST_REQUEST_BYTES_MAX);
        assert_true(host_request_write(&requests[i], &text, &err));
        if (!host_request_parse(arena, buf_str(&text), &read, &err))
            fail_msg("%s", err.text);
        assert_int_equal(read.id, requests[i].id);
        assert_int_equal(read.op, requests[i].op);
        assert_true(str_eq(read.node_id, requests[i].node_id));
        assert_true(str_eq(read.node.node_id, requests[i].node.node_id));
        assert_true(str_eq(read.node.host_name, requests[i].node.host_name));
        assert_true(str_eq(read.node.join_json, requests[i].node.join_json));
        assert_true(str_eq(read.node.vm_size, requests[i].node.vm_size));
    }
}

static void test_every_bad_request_is_refused_and_names_its_field(void **state)
{
    (void)state;
    static const struct { const char *json, *field; } bad[] = {
        { "", "" }, { "null", "" }, { "[]", "" }, { "{}", "version" }, { "{\"version\":1}", "id" }, { "{\"version\":1,\"id\":1}", "op" },
        { "{\"version\":2,\"id\":1,\"op\":\"hello\"}", "version" },
        { "{\"version\":\"1\",\"id\":1,\"op\":\"hello\"}", "version" },
        { "{\"version\":1,\"id\":1,\"op\":\"HELLO\"}", "op" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_exec\"}", "op" },
        { "{\"version\":1,\"id\":1,\"op\":\"hello\",\"extra\":1}", "extra" },
        { "{\"version\":1,\"id\":1,\"op\":\"hello\",\"nodeId\":\"a\"}", "nodeId" },
        { "{\"version\":1,\"id\":1,\"op\":\"hello\"} x", "" },
        { "{\"version\":1,\"id\":1,\"id\":2,\"op\":\"hello\"}", "" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_stop\"}", "nodeId" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_stop\",\"nodeId\":\"../../etc\"}", "nodeId" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_stop\",\"nodeId\":\"--force\"}", "nodeId" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_stop\",\"nodeId\":\"_host\"}", "nodeId" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_stop\",\"nodeId\":\"\"}", "nodeId" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_start\"}", "node" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_restart\"}", "node" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_restart\",\"nodeId\":\"a\"}", "node" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_start\",\"node\":[]}", "node" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_list\"," NODE "}", "node" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_list\",\"after\":1}", "after" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_wait\"}", "after" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_wait\",\"after\":-1}", "after" },
        { "{\"version\":1,\"id\":1,\"op\":\"node_wait\",\"after\":1," NODE "}", "node" },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        HostRequest read;
        Err err = { 0 };
        if (host_request_parse(arena, str_from(bad[i].json), &read, &err))
            fail_msg("taken: %s", bad[i].json);
        assert_int_equal(err.code, ERR_BAD_INPUT);
        if (bad[i].field[0])
            assert_string_equal(err.target, bad[i].field);
    }
    HostRequest read;
    Err err = { 0 };
    assert_true(host_request_parse(arena, STR("{\"version\":1,\"id\":1,\"op\":\"node_start\"," NODE "}"), &read, &err));
}

static void test_node_specs_out_of_their_limits_are_refused(void **state)
{
    (void)state;
    static char long_text[HOST_JOIN_BYTES_MAX + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    const struct { size_t at; const char *value, *field; } bad[] = {
        { offsetof(NodeSpec, node_id), "", "nodeId" }, { offsetof(NodeSpec, node_id), "a/b", "nodeId" }, { offsetof(NodeSpec, node_id), "..", "nodeId" },
        { offsetof(NodeSpec, node_id), long_text, "nodeId" },
        { offsetof(NodeSpec, host_name), "", "hostName" }, { offsetof(NodeSpec, host_name), "a b", "hostName" },
        { offsetof(NodeSpec, host_name), "a\n127.0.0.1 b", "hostName" }, { offsetof(NodeSpec, host_name), "-a", "hostName" },
        { offsetof(NodeSpec, host_name), "a-", "hostName" }, { offsetof(NodeSpec, host_name), long_text, "hostName" },
        { offsetof(NodeSpec, account), long_text, "account" }, { offsetof(NodeSpec, pool), long_text, "pool" },
        { offsetof(NodeSpec, vm_size), "", "vmSize" }, { offsetof(NodeSpec, vm_size), "STANDARD_HUGE", "vmSize" }, { offsetof(NodeSpec, vm_size), long_text, "vmSize" },
        { offsetof(NodeSpec, join_json), "", "join" }, { offsetof(NodeSpec, join_json), "[]", "join" },
        { offsetof(NodeSpec, join_json), "{", "join" }, { offsetof(NodeSpec, join_json), long_text, "join" },
    };
    Err err = { 0 };
    NodeSpec spec = good_spec();
    assert_true(node_spec_check(&spec, &err));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        spec = good_spec();
        *(Str *)((char *)&spec + bad[i].at) = str_from(bad[i].value);
        assert_false(node_spec_check(&spec, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.target, bad[i].field);
    }
}

static HostReply reply_again(Arena *arena, const HostReply *reply, HostOp op)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    HostReply read;
    Err err = { 0 };
    buf_init(&text, HOST_REPLY_BYTES_MAX);
    if (!host_reply_write(reply, op, &text, &err) || !host_reply_parse(arena, str_dup(arena, buf_str(&text)), &read, &err))
        fail_msg("%s", err.text);
    return read;
}

static void test_replies_read_back_as_written(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    NodeStatus nodes[] = { { STR("a"), NODE_RUN_RUNNING }, { STR("b"), NODE_RUN_STOPPED } };
    HostReply list = reply_again(arena, &(HostReply){ .id = 5, .nodes = nodes, .node_count = 2 }, HOST_OP_NODE_LIST);
    assert_false(list.failed);
    assert_int_equal(list.id, 5);
    assert_int_equal(list.node_count, 2);
    assert_str(list.nodes[1].node_id, "b");
    assert_int_equal(list.nodes[1].run, NODE_RUN_STOPPED);

    HostReply hello = reply_again(arena, &(HostReply){ .id = 6, .instance_id = STR("0123"), .runtime = STR("runc") }, HOST_OP_HELLO);
    assert_str(hello.instance_id, "0123");
    assert_str(hello.runtime, "runc");
}

static void test_an_error_keeps_its_kind_field_and_sentence(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    HostReply failed = { .id = 7, .failed = true };
    (void)err_field(&failed.error, "vmSize", "no such size");
    HostReply read = reply_again(arena, &failed, HOST_OP_NODE_START);
    assert_true(read.failed);
    assert_int_equal(read.error.code, ERR_BAD_INPUT);
    assert_string_equal(read.error.target, "vmSize");
    assert_string_equal(read.error.text, "no such size");
}

static void test_a_sentence_cut_within_a_character_still_travels(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    HostReply failed = { .id = 8, .failed = true };
    (void)err_set(&failed.error, ERR_CONFLICT, "caf\xc3");
    assert_string_equal(reply_again(arena, &failed, HOST_OP_NODE_START).error.text, "caf");
}

static void test_frames_travel_whole(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    int pair[2];
    Str got;
    Err err = { 0 };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int64_t deadline_ms = mono_now_ms() + 60000;
    assert_true(frame_send(pair[0], STR("{\"a\":1}"), deadline_ms, &err));
    assert_true(frame_receive(pair[1], -1, arena, 100, deadline_ms, &got, &err));
    assert_str(got, "{\"a\":1}");
    close(pair[0]);
    assert_true(frame_receive(pair[1], -1, arena, 100, deadline_ms, &got, &err));
    assert_null(got.ptr);
    close(pair[1]);
}

static void test_broken_frames_are_refused(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t len; ErrCode code; } bad[] = {
        { "\0\0\0\0", 4, ERR_TOO_LARGE }, { "\0\0\0\x65", 4, ERR_TOO_LARGE }, { "\xff\xff\xff\xff", 4, ERR_TOO_LARGE },
        { "\0\0", 2, ERR_UNAVAILABLE }, { "\0\0\0\x05" "abc", 7, ERR_UNAVAILABLE }, { "\0\0\0\x05", 4, ERR_UNAVAILABLE },
    };
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int pair[2];
        Str got;
        Err err = { 0 };
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(write(pair[0], bad[i].bytes, bad[i].len), bad[i].len);
        close(pair[0]);
        assert_false(frame_receive(pair[1], -1, arena, 100, mono_now_ms() + 60000, &got, &err));
        assert_int_equal(err.code, bad[i].code);
        close(pair[1]);
    }
}

static void test_receiving_ends_at_the_deadline_and_when_woken(void **state)
{
    (void)state;
    AUTO(arena_free_auto) Arena *arena = arena_new(1 << 20);
    int pair[2], wake[2];
    Str got;
    Err err = { 0 };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(wake), 0);
    assert_false(frame_receive(pair[1], wake[0], arena, 100, mono_now_ms() + 5, &got, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_int_equal(write(wake[1], "x", 1), 1);
    assert_true(frame_receive(pair[1], wake[0], arena, 100, mono_now_ms() + 60000, &got, &err));
    assert_null(got.ptr);
    for (int i = 0; i < 2; i++)
        close(pair[i]), close(wake[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_read_back_as_written),
        cmocka_unit_test(test_every_bad_request_is_refused_and_names_its_field),
        cmocka_unit_test(test_node_specs_out_of_their_limits_are_refused),
        cmocka_unit_test(test_replies_read_back_as_written),
        cmocka_unit_test(test_an_error_keeps_its_kind_field_and_sentence),
        cmocka_unit_test(test_a_sentence_cut_within_a_character_still_travels),
        cmocka_unit_test(test_frames_travel_whole),
        cmocka_unit_test(test_broken_frames_are_refused),
        cmocka_unit_test(test_receiving_ends_at_the_deadline_and_when_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
