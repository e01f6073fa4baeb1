"""Local nodes and their host: ends, crashes, reboots, launching and cleaning, against the real container runtime. Needs root."""
import contextlib
import fcntl
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nodes_site import NODE_COMMAND, PROBE, RUNTIME, SERVICE_UID, SIZE, NodesTest, Site, host_name, wait_until

ALONE = True        # it looks for namespaces of nodes that are gone, whose numbers other nodes would take


def namespaces_of_machine():
    found = set()
    for kind in ("net", "pid", "mnt", "user", "ipc", "uts", "cgroup"):
        for path in glob.glob("/proc/[0-9]*/ns/" + kind):
            with contextlib.suppress(OSError):
                found.add(os.readlink(path))
    return found


# Waits for the lock of a host, and is the host from then on.
NEXT_HOST = """
import fcntl, json, os, signal, sys
lock = open(sys.argv[1], "r+")
print("waits", flush=True)
fcntl.flock(lock, fcntl.LOCK_EX)
ticks = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
lock.truncate(0)
lock.write(json.dumps({"pid": os.getpid(), "startTicks": ticks, "instanceId": sys.argv[2]}))
lock.flush()
signal.pause()
"""


class Lives(NodesTest):
    """Nodes and host processes that end, crash and come back."""

    def test_nodes_outlive_a_stopped_and_a_killed_host(self):
        self.site.host_start()
        self.site.start("n1")
        pid = self.site.pid("n1")
        for number, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -9)):
            self.assertEqual(self.site.host_end(number), code)
            os.kill(pid, 0)
            self.site.host_start()
            self.assertEqual(self.site.list(), {"n1": "running"})
            self.site.start("n1")
            self.assertEqual(self.site.pid("n1"), pid)
        self.site.must("stop", self.site.dir, "n1")
        self.assertEqual((self.site.list(), self.site.processes()), ({}, []))

    def test_a_host_killed_at_any_moment_of_a_start_mends_it(self):
        self.site.host_start()
        self.site.start("kept", 7)
        kept = self.site.pid("kept")
        for round_number in range(12):
            asking = subprocess.Popen([PROBE, "start", self.site.dir, "n1", host_name(1), SIZE, "{}"], stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.12))         # the moment is the point, not a wait
            self.site.host_end(signal.SIGKILL)
            answered = asking.wait(60) == 0
            self.site.host_start()
            found = self.site.list()
            self.assertEqual(found.pop("kept"), "running")
            self.assertEqual(self.site.pid("kept"), kept)
            self.assertIn(found, ({}, {"n1": "running"}, {"n1": "stopped"}), round_number)
            if answered:
                self.assertEqual(found, {"n1": "running"})
            if found != {"n1": "running"}:
                self.assertEqual(self.site.node_groups("n1"), [])
            self.site.start("n1")
            self.assertEqual(self.site.says("n1", "hostname"), host_name(1))
            self.site.must("stop", self.site.dir, "n1")
            self.assertEqual(self.site.node_groups("n1"), [])
            self.assertFalse(os.path.exists(self.site.dir + "/host/nodes/n1"))

    def test_a_host_killed_at_any_moment_of_a_stop_mends_it(self):
        self.site.host_start()
        for round_number in range(6):
            self.site.start("n1")
            asking = subprocess.Popen([PROBE, "stop", self.site.dir, "n1"], stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.08))
            self.site.host_end(signal.SIGKILL)
            asking.wait(60)
            self.site.host_start()
            self.assertIn(self.site.list(), ({}, {"n1": "running"}, {"n1": "stopped"}), round_number)
            self.site.must("stop", self.site.dir, "n1")
            self.assertEqual((self.site.list(), self.site.node_groups("n1"), os.listdir(self.site.dir + "/host/nodes")), ({}, [], []))

    def test_a_node_whose_first_process_ends_is_stopped_and_starts_again_on_its_disk(self):
        self.site.host_start()
        self.site.start("n1")
        self.site.says("n1", "useradd alice; echo kept > /home/kept; echo gone > /tmp/gone; echo gone > /run/gone")
        os.kill(self.site.pid("n1"), signal.SIGKILL)
        wait_until(lambda: self.site.list() == {"n1": "stopped"}, "n1 is stopped")
        self.site.start("n1", join='{"joinToken":"t2"}')
        self.assertEqual(self.site.says("n1", "id -un 1000; cat /home/kept; ls -A /tmp; ls /run/gone 2>/dev/null; cat /run/vaultyard/join.json"),
                         'alice\nkept\n{"joinToken":"t2"}')

    def test_a_restart_keeps_the_disk_and_brings_a_new_join_document(self):
        self.site.host_start()
        self.site.start("n1")
        first = self.site.pid("n1")
        self.site.says("n1", "echo kept > /home/kept; echo gone > /run/gone")
        self.site.must("restart", self.site.dir, "n1", host_name(1), SIZE, '{"joinToken":"t2"}')
        self.assertNotEqual(self.site.pid("n1"), first)
        self.assertEqual(self.site.list(), {"n1": "running"})
        self.assertEqual(self.site.says("n1", "cat /home/kept; ls /run/gone 2>/dev/null; cat /run/vaultyard/join.json"), 'kept\n{"joinToken":"t2"}')
        os.kill(self.site.pid("n1"), signal.SIGKILL)
        wait_until(lambda: self.site.list() == {"n1": "stopped"}, "n1 is stopped")
        self.site.must("restart", self.site.dir, "n1", host_name(1), SIZE, "{}")
        self.site.must("restart", self.site.dir, "n2", host_name(2), SIZE, "{}")        # one that was never there is made
        self.assertEqual(self.site.list(), {"n1": "running", "n2": "running"})
        self.assertIn("stop it first", self.site.ask("restart", self.site.dir, "n1", host_name(3), SIZE, "{}").stderr)

    def test_a_host_killed_at_any_moment_of_a_restart_mends_it(self):
        self.site.host_start()
        self.site.start("n1")
        self.site.says("n1", "echo kept > /home/kept")
        for round_number in range(6):
            asking = subprocess.Popen([PROBE, "restart", self.site.dir, "n1", host_name(1), SIZE, "{}"], stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.15))
            self.site.host_end(signal.SIGKILL)
            asking.wait(60)
            self.site.host_start()
            self.assertIn(self.site.list(), ({"n1": "running"}, {"n1": "stopped"}), round_number)
            self.site.must("restart", self.site.dir, "n1", host_name(1), SIZE, "{}")
            self.assertEqual(self.site.says("n1", "cat /home/kept"), "kept")

    def test_after_a_reboot_of_the_machine_nodes_are_stopped_and_start_again(self):
        self.site.host_start()
        self.site.start("n1")
        self.site.start("n2", 2)
        first = self.site.says("n1", "echo kept > /home/kept; cat /proc/self/uid_map")
        self.site.host_end(signal.SIGKILL)
        for pid in self.site.processes():               # what a reboot takes: processes, control groups and /run
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.site.processes(), "all processes are gone")
        for path in [path for path in self.site.node_groups("*") if os.path.isdir(path)] + self.site.groups():
            os.rmdir(path)
        shutil.rmtree(self.site.state)
        self.site.host_start()
        self.assertEqual(self.site.list(), {"n1": "stopped", "n2": "stopped"})
        self.site.start("n1")
        self.assertEqual(self.site.list(), {"n1": "running", "n2": "stopped"})
        self.assertEqual(self.site.says("n1", "cat /home/kept"), "kept")
        self.assertEqual(self.site.says("n1", "cat /proc/self/uid_map"), first)
        self.site.must("stop", self.site.dir, "n2")
        self.assertEqual(self.site.list(), {"n1": "running"})

    def test_ids_taken_by_another_instance_since_the_reboot_mean_a_new_disk(self):
        self.site.host_start()
        self.site.start("n1")
        self.site.says("n1", "echo old > /home/old")
        first = int(self.site.says("n1", "cat /proc/self/uid_map").split()[1])
        self.site.host_end(signal.SIGTERM)
        os.kill(self.site.pid("n1"), signal.SIGKILL)
        other = "/run/vaultyard-%08x" % random.getrandbits(32)
        os.makedirs(other + "/ids")
        self.addCleanup(shutil.rmtree, other)
        Site.write("%s/ids/%d" % (other, first), "")
        self.site.host_start()
        self.assertEqual(self.site.list(), {"n1": "stopped"})
        self.site.start("n1")
        self.assertNotEqual(int(self.site.says("n1", "cat /proc/self/uid_map").split()[1]), first)
        self.assertNotEqual(self.site.inside("n1", "cat /home/old").returncode, 0)
        self.assertTrue(os.path.exists("%s/ids/%d" % (other, first)))

    def test_a_node_cannot_make_the_host_write_outside_its_disk(self):
        self.site.host_start()
        self.site.start("n1")
        victim = os.path.join(self.site.top, "victim")
        os.mkdir(victim)
        self.site.says("n1", "rm -rf /etc && ln -s %s /etc" % os.path.relpath(victim, self.site.dir + "/host/nodes/n1/root"))
        os.kill(self.site.pid("n1"), signal.SIGKILL)
        wait_until(lambda: self.site.list() == {"n1": "stopped"}, "n1 is stopped")
        done = self.site.ask("start", self.site.dir, "n1", host_name(1), SIZE, "{}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("make it anew", done.stderr)
        self.assertEqual(os.listdir(victim), [])
        self.site.must("stop", self.site.dir, "n1")
        self.assertTrue(os.path.isdir(victim))
        self.assertEqual(self.site.list(), {})

    def test_a_deep_disk_and_links_out_of_it_are_removed(self):
        self.site.host_start()
        self.site.start("n1")
        self.site.says("n1", "cd /home; i=0; while [ $i -lt 600 ]; do mkdir d && cd d; i=$((i+1)); done; touch file; ln -s / /home/root; chattr +i /home 2>/dev/null; true")
        self.site.must("stop", self.site.dir, "n1")
        self.assertEqual(os.listdir(self.site.dir + "/host/nodes"), [])

    def test_a_fork_storm_is_limited_and_killed(self):
        self.site.host_start()
        self.site.start("n1")
        storm = subprocess.Popen([RUNTIME, "--root", self.site.state + "/runc", "exec", "n1", "perl", "-e", "while (1) { last unless defined fork } sleep 3600"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        wait_until(lambda: len(self.site.processes()) > 200, "many processes run")
        self.site.must("stop", self.site.dir, "n1")
        storm.wait(60)
        self.assertEqual((self.site.processes(), self.site.node_groups("n1")), ([], []))

    def test_starts_from_several_callers_at_once(self):
        self.site.host_start()
        asking = [subprocess.Popen([PROBE, "start", self.site.dir, "n%d" % (number % 4), host_name(number % 4), SIZE, "{}"]) for number in range(8)]
        self.assertEqual([one.wait(60) for one in asking], [0] * 8)
        self.assertEqual(self.site.list(), {"n%d" % number: "running" for number in range(4)})
        ranges = {self.site.says("n%d" % number, "cat /proc/self/uid_map") for number in range(4)}
        self.assertEqual(len(ranges), 4)


class Launching(NodesTest):
    """`serve`, started as root, starts a host that outlives it."""

    def launch(self):
        starter = subprocess.Popen([PROBE, "launch", self.site.dir, self.site.bin] + NODE_COMMAND, stderr=subprocess.PIPE, text=True, start_new_session=True)
        code, text = starter.wait(60), starter.stderr.read()
        starter.stderr.close()
        return starter.pid, code, text

    def host_pid(self):
        with open(self.site.dir + "/host/host.lock") as file:
            return json.load(file)["pid"]

    def test_a_launched_host_has_its_own_session_and_group_and_no_network(self):
        starter, code, text = self.launch()
        self.assertEqual((code, text), (0, ""))
        pid = self.host_pid()
        self.assertEqual(os.getsid(pid), pid)
        self.assertNotEqual(os.getsid(pid), starter)
        with open("/proc/%d/cgroup" % pid) as file:
            self.assertIn("/vaultyard-%s/_host" % self.site.instance[:8], file.read())
        self.assertNotEqual(os.readlink("/proc/%d/ns/net" % pid), os.readlink("/proc/self/ns/net"))
        self.assertEqual(os.readlink("/proc/%d/fd/0" % pid), "/dev/null")
        self.site.start("n1")
        self.assertEqual(self.site.list(), {"n1": "running"})

    def test_launching_twice_keeps_the_first(self):
        self.launch()
        pid = self.host_pid()
        self.assertEqual(self.launch()[1:], (0, ""))
        self.assertEqual(self.host_pid(), pid)

    def test_a_host_that_cannot_start_says_why(self):
        shutil.rmtree(self.site.bin)
        _, code, text = self.launch()
        self.assertEqual(code, 1)
        self.assertIn("host.log", text)
        with open(self.site.dir + "/host/host.log") as file:
            self.assertIn("program directory", file.read())


class Cleaning(NodesTest):
    """`vaultyard clean` leaves nothing, whatever it finds."""

    def assert_nothing_left(self, namespaces):
        self.assertEqual((self.site.processes(), self.site.groups(), self.site.mounts()), ([], [], []))
        self.assertFalse(os.path.exists(self.site.state))
        self.assertFalse(os.path.exists(self.site.dir + "/host"))
        wait_until(lambda: not namespaces & namespaces_of_machine(), "the nodes' namespaces are gone")

    def nodes_and_their_namespaces(self):
        before = namespaces_of_machine()
        self.site.host_start()
        for number in (1, 2, 3):
            self.site.start("n%d" % number, number)
        return {link for kind in ("net", "pid", "mnt", "user", "ipc", "uts", "cgroup")
                for number in (1, 2, 3) for link in [os.readlink("/proc/%d/ns/%s" % (self.site.pid("n%d" % number), kind))]} - before

    def test_with_a_running_host(self):
        namespaces = self.nodes_and_their_namespaces()
        self.assertEqual(len(namespaces), 21)
        printed = self.site.clean()
        self.assertIn("stopped host process %d" % self.site.host.pid, printed)
        for number in (1, 2, 3):
            self.assertIn("removed node n%d" % number, printed)
        self.assertEqual(self.site.host.wait(30), 0)
        self.site.host.stdout.close()
        self.site.host = None
        self.assert_nothing_left(namespaces)

    def test_with_another_host_that_was_waiting(self):
        """As when a keeper starts the host it lost at the moment in which `clean` stopped the other one."""
        namespaces = self.nodes_and_their_namespaces()
        other = subprocess.Popen([sys.executable, "-c", NEXT_HOST, self.site.dir + "/host/host.lock", self.site.instance], stdout=subprocess.PIPE, text=True)
        self.assertEqual(other.stdout.readline(), "waits\n")
        printed = self.site.clean()
        self.assertEqual(other.wait(30), -signal.SIGTERM)
        other.stdout.close()
        for pid in (self.site.host.pid, other.pid):
            self.assertIn("stopped host process %d" % pid, printed)
        self.assertEqual(self.site.host.wait(30), 0)
        self.site.host.stdout.close()
        self.site.host = None
        self.assert_nothing_left(namespaces)

    def test_a_look_at_the_lock_is_in_nobodys_way(self):
        """Whoever looks whether a host runs takes the lock for an instant: neither a start nor `clean` fails for that."""
        self.site.host_start()
        self.site.host_end(signal.SIGKILL)
        for action in (self.site.host_start, self.site.clean):
            with open(self.site.dir + "/host/host.lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                look = threading.Timer(0.05, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
                look.start()
                action()
                look.join()
            if self.site.host:
                self.site.host_end(signal.SIGKILL)
        self.assert_nothing_left(set())

    def test_after_a_crash_and_twice(self):
        namespaces = self.nodes_and_their_namespaces()
        self.site.host_end(signal.SIGKILL)
        self.site.clean()
        self.assert_nothing_left(namespaces)
        self.assertIn("nothing of", self.site.clean())
        self.assertTrue(os.path.exists(self.site.dir + "/store/database"))

    def test_without_the_instance_file(self):
        namespaces = self.nodes_and_their_namespaces()
        self.site.host_end(signal.SIGKILL)
        os.rename(self.site.dir + "/instance.json", self.site.top + "/instance.json")
        self.site.clean()
        os.rename(self.site.top + "/instance.json", self.site.dir + "/instance.json")
        self.assert_nothing_left(namespaces)

    def test_after_the_data_directory_was_deleted(self):
        namespaces = self.nodes_and_their_namespaces()
        self.site.host_end(signal.SIGKILL)
        shutil.rmtree(self.site.dir)
        self.assertIn("killed", self.site.clean())
        self.assert_nothing_left(namespaces)
        done = self.site.ask("clean", self.site.dir, uid=0, gid=0)
        self.assertEqual((done.returncode, done.stderr.split()[0]), (1, "4"))
        os.mkdir(self.site.dir)
        Site.write(self.site.dir + "/instance.json", json.dumps({"version": 1, "instanceId": self.site.instance, "uid": SERVICE_UID, "gid": SERVICE_UID}))

    def test_a_launched_host_goes_as_well(self):
        done = subprocess.run([PROBE, "launch", self.site.dir, self.site.bin] + NODE_COMMAND, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.site.start("n1")
        self.site.clean()
        self.assert_nothing_left(set())

    def test_a_process_that_took_the_hosts_number_is_spared(self):
        self.site.host_start()
        self.site.host_end(signal.SIGKILL)
        bystander = subprocess.Popen(["sleep", "3600"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        Site.write(self.site.dir + "/host/host.lock", json.dumps({"pid": bystander.pid, "startTicks": 1, "instanceId": self.site.instance}))
        self.site.clean()
        self.assertIsNone(bystander.poll())

    def test_only_root_may(self):
        done = self.site.ask("clean", self.site.dir)
        self.assertEqual(done.returncode, 1)
        self.assertIn("only root", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
