/* node_probe.c - a node agent's tasks without a server: `node_probe COMMAND-LINE MORE` runs one task, MORE being more members of its run
 * document (",\"resourceFiles\":[...]"), and prints {"end": its report, "stdout": what it printed}. Identities get the token NODE_PROBE_TOKEN. */
#include "../unit/cm.h"
#include <stdio.h>
#include <unistd.h>
#include "../unit/node/node_fixture.h"

int main(int argc, char **argv)
{
    static NodeFixture fixture;
    AUTO(buf_done_auto) Buf text = { 0 };
    JsonWriter w;
    Err err = { 0 };
    node_fixture_main(argc, argv);
    if (argc != 3)
        return 2;
    node_fixture_start(&fixture);
    Runs *runs = node_fixture_runs(&fixture);
    Str run_id = node_run_id(&fixture);
    runs_begin(runs, node_run(&fixture, run_id, "t1", argv[1], argv[2]));
    const JsonVal *end = node_wait_end(&fixture, run_id);
    const char *out = node_path(&fixture, "workitems/job1/job-1/t1/stdout.txt");
    buf_init(&text, 1 << 20);
    json_begin(&w, &text);
    json_open(&w, NULL);
    json_put_raw(&w, "end", json_text(fixture.arena, end));
    json_put_str(&w, "stdout", access(out, F_OK) == 0 ? node_file(&fixture, "workitems/job1/job-1/t1/stdout.txt") : STR(""));
    json_close(&w);
    bool is_good = json_end(&w, &err);
    if (is_good)
        (void)printf(STR_FMT "\n", STR_ARG(buf_str(&text)));
    runs_stop(runs);
    node_fixture_stop(&fixture);
    return !is_good;
}
