/* test_container.c - addresses of a container's blobs, and pages of them as services answer. */
#include "../cm.h"
#include <stdlib.h>
#include "node/runs/container.h"
#include "node/runs/xml.h"

static Arena *arena;

static void test_a_list_is_asked_for_with_the_signature_that_came_with_the_container(void **state)
{
    (void)state;
    assert_str(container_list_url(arena, STR("https://a.blob.core.windows.net/c"), STR(""), STR("")), "https://a.blob.core.windows.net/c?restype=container&comp=list&maxresults=1000");
    assert_str(container_list_url(arena, STR("http://127.0.0.1:10000/dev/c/?sv=1&sig=a%2Bb"), STR("in/a b"), STR("2!m&")),
               "http://127.0.0.1:10000/dev/c?restype=container&comp=list&maxresults=1000&prefix=in%2Fa%20b&marker=2%21m%26&sv=1&sig=a%2Bb");
}

static void test_a_blob_has_its_whole_name_in_its_address(void **state)
{
    (void)state;
    assert_str(container_blob_url(arena, STR("https://a/c?sig=x#y"), STR("d e/f?g#h%.txt")), "https://a/c/d%20e/f%3Fg%23h%25.txt?sig=x");
    assert_str(container_blob_url(arena, STR("https://a/c/"), STR("a//b")), "https://a/c/a//b");
    assert_str(container_blob_url(arena, STR("https://a/c"), STR("\xc3\xa4")), "https://a/c/%C3%A4");
}

static void test_a_page_gives_names_and_the_next_marker(void **state)
{
    /* As Azure Storage answers, byte order mark included, and one directory of a hierarchical namespace. */
    static const char page_text[] = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://a/\" ContainerName=\"c\"><Prefix>in</Prefix><MaxResults>2</MaxResults>"
        "<Blobs><Blob><Name>in/a &amp; b&#x20;&#252;.txt</Name><Properties><Content-Length>5</Content-Length></Properties><OrMetadata /></Blob><!-- x -->"
        "<Blob><Name>in/dir</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>"
        "<Blob><Name><![CDATA[in/<c>]]></Name><Properties><ResourceType>file</ResourceType></Properties></Blob>"
        "<BlobPrefix><Name>in/no/</Name></BlobPrefix></Blobs><NextMarker>2!abc</NextMarker></EnumerationResults>\n";
    BlobPage page;
    Err err = { 0 };
    (void)state;
    if (!blob_page_read(arena, str_from(page_text), &page, &err))
        fail_msg("%s", err.text);
    assert_int_equal(page.count, 2);
    assert_str(page.names[0], "in/a & b \xc3\xbc.txt");
    assert_str(page.names[1], "in/<c>");
    assert_str(page.next_marker, "2!abc");
    assert_true(blob_page_read(arena, STR("<EnumerationResults><Blobs/><NextMarker /></EnumerationResults>"), &page, &err));
    assert_int_equal(page.count, 0);
    assert_str(page.next_marker, "");
}

static void test_what_is_no_page_of_blobs_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "hello", "<html><body>hi</body></html>", "<EnumerationResults>", "<EnumerationResults></EnumerationResults>", "<EnumerationResults><Containers/></EnumerationResults>",
        "<EnumerationResults><Blobs></EnumerationResults></Blobs>", "<EnumerationResults><Blobs/></EnumerationResults><x/>", "<EnumerationResults><Blobs/></EnumerationResults>x",
        "<!DOCTYPE x [<!ENTITY y \"z\">]><EnumerationResults><Blobs/></EnumerationResults>", "<EnumerationResults><Blobs><Blob><Name>&y;</Name></Blob></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Name>&#0;</Name></Blob></Blobs></EnumerationResults>", "<EnumerationResults><Blobs><Blob><Name>&#xd800;</Name></Blob></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Name>&amp</Name></Blob></Blobs></EnumerationResults>", "<EnumerationResults><Blobs><Blob><Name>\xff</Name></Blob></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs a=\"<\"/></EnumerationResults>", "<EnumerationResults><Blobs a=\"x/></EnumerationResults>", "< EnumerationResults/>", "<a", "<a/", "<!-- ", "<?x",
        "<a><b><c><d><e><f><g><h><i><j><k><l><m><n><o><p><q></q></p></o></n></m></l></k></j></i></h></g></f></e></d></c></b></a>",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        BlobPage page;
        Err err = { 0 };
        if (blob_page_read(arena, str_from(bad[i]), &page, &err) || err.code != ERR_BAD_INPUT)
            fail_msg("taken, or another error: %s: %s", bad[i], err.text);
    }
}

static int start(void **state) { (void)state; arena = arena_new(4 << 20); return arena ? 0 : -1; }
static int stop(void **state) { (void)state; arena_free(arena); return 0; }
#define IN_ARENA(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_a_list_is_asked_for_with_the_signature_that_came_with_the_container),
        IN_ARENA(test_a_blob_has_its_whole_name_in_its_address),
        IN_ARENA(test_a_page_gives_names_and_the_next_marker),
        IN_ARENA(test_what_is_no_page_of_blobs_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
