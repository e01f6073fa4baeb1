"""A pool's nodes through the lives of everything around them: restarts, a reboot of the machine, a container that is killed, resize, the end."""
import json
import os
import pathlib
import shutil
import signal
import time
import unittest

from pools import STORE, PoolMaker
from vaultyard import BUILD, Site, wait_for


class NodeLives(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.group = "vaultyard-" + json.loads((cls.site.dir / "instance.json").read_text())["instanceId"][:8]
        cls.pools = PoolMaker(cls.site, "kv-lives", "lives")
        cls.secret = cls.pools.certificate("web")
        assert cls.pools.put("p", [cls.secret]).status == 200
        cls.node = cls.pools.wait_state("p", "idle")[0]["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def processes(self):
        """pids of everything in this instance's control groups: nodes and the host process."""
        found = set()
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.group in (entry / "cgroup").read_text():
                    found.add(int(entry.name))
            except OSError:
                continue
        return found

    def boot_id_of_node(self):
        return self.pools.run("p", self.node, "stat", "-c", "%Z", "/proc/1").stdout.strip()

    def test_0_an_output_that_is_not_whole_is_said_to_be_so(self):
        whole = self.pools.run("p", self.node, "head", "-c", "1048576", "/dev/zero")
        self.assertEqual((whole.returncode, len(whole.stdout), whole.stderr), (0, 1 << 20, ""))
        cut = self.pools.run("p", self.node, "sh", "-c", "head -c 1048577 /dev/zero; exit 3")
        self.assertEqual((cut.returncode, len(cut.stdout)), (3, 1 << 20))
        self.assertIn("not complete", cut.stderr)

    def test_1_a_restart_and_a_kill_of_serve_leave_nodes_running(self):
        before = self.boot_id_of_node()
        self.site.stop()
        self.site.start()
        self.assertEqual(wait_for("the node answers", self.boot_id_of_node), before)
        self.site.kill()
        self.site.start()
        self.assertEqual(wait_for("the node answers", self.boot_id_of_node), before)

    def test_2_a_killed_container_is_started_again(self):
        first = [pid for pid in self.processes() if "init" in pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
        self.assertEqual(len(first), 1)
        before = self.boot_id_of_node()
        begun = time.monotonic()
        os.kill(first[0], signal.SIGKILL)
        wait_for("the node is another process and idle", lambda: self.boot_id_of_node() not in ("", before), timeout=120)
        self.pools.wait_state("p", "idle", timeout=120)
        self.assertLess(time.monotonic() - begun, 20)           # the host told; the lease would have ended after 20 to 30 s
        self.assertEqual(self.pools.run("p", self.node, "test", "-e", f"{STORE}/kv-lives.web").returncode, 0)

    def test_3_after_a_reboot_of_the_machine_nodes_are_made_anew(self):
        self.site.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        wait_for("everything is gone", lambda: not self.processes())
        shutil.rmtree(f"/run/{self.group}")                     # what a reboot forgets
        self.site.start()
        self.pools.wait_state("p", "idle", timeout=120)
        node = self.pools.nodes("p")[0]["id"]
        wait_for("it answers", lambda: self.pools.run("p", node, "test", "-e", f"{STORE}/kv-lives.web").returncode == 0)

    def test_4_a_pool_grows_and_shrinks(self):
        path = f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/lives/pools/p"
        for count in (3, 1):
            answer = self.site.arm("PATCH", path, {"properties": {"scaleSettings": {"fixedScale": {"targetDedicatedNodes": count}}}}, api="2021-01-01")
            self.assertEqual(answer.status, 200, answer)
            self.pools.wait_state("p", "idle", count)
            wait_for(f"{count} node directories", lambda: len(list((self.site.dir / "host" / "nodes").iterdir())) == count)

    def test_5_a_deleted_account_leaves_no_node(self):
        self.site.vy("batch", "account", "delete", "-n", "lives", "-g", "g", "--yes")
        wait_for("no node is left", lambda: not list((self.site.dir / "host" / "nodes").iterdir()))
        done = self.site.run([BUILD / "vy", "batch", "account", "show", "-n", "lives", "-g", "g"], code=None, env=self.site.vy_env())
        self.assertEqual(done.returncode, 3, done.stderr)


if __name__ == "__main__":
    unittest.main()
