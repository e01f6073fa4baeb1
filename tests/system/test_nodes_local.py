"""Local nodes against the real container runtime, seen from inside, and what the host refuses. Needs root."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nodes_site import NODE_COMMAND, PROBE, RUNTIME, SERVICE_UID, SIZE, NodesTest, Site, host_name


class Isolation(unittest.TestCase):
    """Three nodes, looked at from inside."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.remove)
        cls.canary = os.path.join(cls.site.top, "canary")
        Site.write(cls.canary, "readable by everybody on the machine\n")
        cls.site.host_start()
        cls.took = []
        for number in (1, 2, 3):
            began = time.monotonic()
            cls.site.start("tvm%d" % number, number)
            cls.took.append(time.monotonic() - began)
        print("node starts: " + ", ".join("%.0f ms" % (took * 1000) for took in cls.took), file=sys.stderr)

    def test_each_start_takes_under_one_second(self):
        self.assertLess(max(self.took), 1.0)

    def test_all_three_run(self):
        self.assertEqual(self.site.list(), {"tvm1": "running", "tvm2": "running", "tvm3": "running"})

    def test_each_has_its_own_host_name(self):
        for number in (1, 2, 3):
            self.assertEqual(self.site.says("tvm%d" % number, "hostname"), host_name(number))
            self.assertIn(host_name(number), self.site.says("tvm%d" % number, "cat /etc/hosts"))

    def test_each_has_an_id_range_of_its_own(self):
        firsts = []
        for number in (1, 2, 3):
            words = self.site.says("tvm%d" % number, "cat /proc/self/uid_map").split()
            self.assertEqual((words[0], words[2]), ("0", "65536"))
            self.assertEqual(self.site.says("tvm%d" % number, "cat /proc/self/gid_map").split(), words)
            self.assertGreaterEqual(int(words[1]), 0x70000000)
            firsts.append(int(words[1]))
        self.assertEqual(len(set(firsts)), 3)

    def test_no_namespace_is_shared(self):
        for kind in ("net", "pid", "mnt", "user", "ipc", "uts", "cgroup"):
            links = {os.readlink("/proc/%d/ns/%s" % (self.site.pid("tvm%d" % number), kind)) for number in (1, 2, 3)}
            links.add(os.readlink("/proc/self/ns/" + kind))
            self.assertEqual(len(links), 4, kind)

    def test_processes_of_others_are_not_seen(self):
        commands = self.site.says("tvm1", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        self.assertNotIn("host_probe", commands)
        self.assertEqual(self.site.says("tvm1", "tr '\\0' ' ' </proc/1/cmdline | cut -c 1-7"), "/bin/sh")

    def test_canary_outside_usr_cannot_be_read(self):
        self.assertNotEqual(self.site.inside("tvm1", "cat " + self.canary).returncode, 0)
        self.assertEqual(self.site.says("tvm1", "find / -path /proc -prune -o -name canary -print -o -name instance.json -print -o -name database -print 2>/dev/null | grep -v ^/usr/ || true"), "")

    def test_only_listed_directories_are_there(self):
        names = set(self.site.says("tvm1", "ls -A /").split())
        self.assertLessEqual(names, set("bin dev etc home lib lib32 lib64 libx32 mnt opt proc root run sbin srv sys tmp usr var".split()))

    def test_usr_is_the_machines_and_cannot_be_written(self):
        with open("/etc/os-release") as file:
            self.assertEqual(self.site.says("tvm1", "cat /etc/os-release"), file.read().strip())
        self.assertIn("Read-only file system", self.site.inside("tvm1", "touch /usr/bin/new").stderr)
        self.assertIn("Read-only file system", self.site.inside("tvm1", "echo x > /opt/vaultyard/bin/vaultyard-node").stderr)

    def test_own_directories_can_be_written_by_root_and_users(self):
        self.site.says("tvm1", "for d in /etc /var /var/lib/waagent /home /root /tmp /mnt/batch /run; do touch $d/mark || exit 1; done")
        self.assertEqual(self.site.inside("tvm2", "ls /etc/mark /var/mark /home/mark /tmp/mark 2>/dev/null").stdout, "")
        self.assertEqual(self.site.says("tvm1", "setpriv --reuid 1234 --regid 1234 --clear-groups sh -c 'touch /tmp/u && stat -c %u /tmp/u'"), "1234")
        self.assertNotEqual(self.site.inside("tvm1", "setpriv --reuid 1234 --regid 1234 --clear-groups cat /etc/shadow").returncode, 0)

    def test_users_can_be_added(self):
        self.assertEqual(self.site.says("tvm3", "useradd -m alice && id -u alice && su alice -c 'cd && pwd'"), "1000\n/home/alice")

    def test_join_document_is_roots_alone(self):
        self.assertEqual(self.site.says("tvm1", "cat /run/vaultyard/join.json; stat -c '%a %u' /run/vaultyard/join.json"), '{"joinToken":"t1"}600 0')

    def test_the_sites_certificate_is_trusted(self):
        self.assertIn("the site's own", self.site.says("tvm1", "cat /etc/vaultyard/ca.pem"))
        self.assertIn("the site's own", self.site.says("tvm1", "tail -3 /etc/ssl/certs/ca-certificates.crt"))

    def test_the_servers_socket_answers_through_the_mounted_directory(self):
        path = self.site.dir + "/run/site/site.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(self.site.dir + "/run/site")       # a short name: a socket's path has 108 bytes
            listener.bind("site.sock")
            os.chdir("/")
            os.chmod(path, 0o666)
            listener.listen(1)
            reader = subprocess.Popen([RUNTIME, "--root", self.site.state + "/runc", "exec", "tvm2", "perl", "-MIO::Socket::UNIX", "-e",
                                       "$s = IO::Socket::UNIX->new('/run/vaultyard/site/site.sock') or die; print <$s>"], stdout=subprocess.PIPE, text=True)
            listener.settimeout(30)
            peer, _ = listener.accept()
            peer.sendall(b"hello from the server")
            peer.close()
            self.assertEqual(reader.communicate(timeout=30)[0], "hello from the server")
        os.unlink(path)
        self.assertNotEqual(self.site.inside("tvm2", "touch /run/vaultyard/site/x").returncode, 0)

    def test_there_is_no_network_but_loopback(self):
        self.assertEqual(self.site.says("tvm1", "ls /sys/class/net"), "lo")
        self.assertIn("127.0.0.1", self.site.says("tvm1", "getent ahosts localhost; cat /proc/net/fib_trie"))
        self.assertEqual(self.site.says("tvm1", "tail -n +2 /proc/net/route"), "")

    def test_the_machines_addresses_cannot_be_reached(self):
        connect = "perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(PeerAddr => shift, Timeout => 5) ? 0 : print(\"$!\\n\") && 1)' "
        refused = self.site.inside("tvm1", connect + "169.254.169.254:80")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("unreachable", refused.stdout)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            here = self.site.inside("tvm1", connect + "127.0.0.1:%d" % listener.getsockname()[1])
            self.assertIn("refused", here.stdout)

    def test_the_node_may_have_the_metadata_address_itself(self):
        add = ("import fcntl, socket, struct\n"
               "request = struct.pack('16sHH4s8x', b'lo:1', socket.AF_INET, 0, socket.inet_aton('169.254.169.254'))\n"
               "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket: fcntl.ioctl(any_socket, 0x8916, request)\n"       # SIOCSIFADDR
               "with socket.create_server(('169.254.169.254', 80)) as listener: print(listener.getsockname())")
        self.assertEqual(self.site.says("tvm3", "/usr/bin/python3 -c \"%s\"" % add), "('169.254.169.254', 80)")

    def test_localhost_names_resolve_to_loopback(self):
        answers = self.site.says("tvm1", "getent ahosts v1.vault.vaultyard.localhost").split()
        self.assertIn(answers[0], ("127.0.0.1", "::1"))

    def test_dangerous_calls_are_refused(self):
        for script in ("unshare --user true", "unshare --net true", "unshare --mount true", "mount -t tmpfs none /mnt", "umount /run/vaultyard/site",
                       "nsenter --net=/proc/1/ns/net true", "mknod /tmp/disk b 8 0", "date -s 2030-01-01", "dmesg", "sysctl -w kernel.core_pattern=x",
                       "echo x > /proc/sysrq-trigger"):
            self.assertNotEqual(self.site.inside("tvm1", script).returncode, 0, script)
        self.assertEqual(self.site.says("tvm1", "grep Seccomp: /proc/self/status").split()[1], "2")

    def test_capabilities_are_those_of_a_nodes_administrator(self):
        wanted = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8, "NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "SYS_CHROOT": 18}
        bounding = int(self.site.says("tvm1", "grep CapBnd /proc/1/status").split()[1], 16)
        self.assertEqual(bounding, sum(1 << bit for bit in wanted.values()))

    def test_limits_are_those_of_the_size(self):
        script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
        self.assertEqual(int(self.site.says("tvm1", script)), 768 << 20)
        script = "cat /sys/fs/cgroup/cpu*/cpu.cfs_quota_us 2>/dev/null | head -1 | grep . || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
        self.assertEqual(int(self.site.says("tvm1", script)), 100000)
        script = "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max"
        self.assertEqual(int(self.site.says("tvm1", script)), 4096)

    def test_memory_beyond_the_limit_kills_the_taker_only(self):
        self.assertEqual(self.site.inside("tvm3", "perl -e '$x = \"a\" x (1024 << 20); print length $x'").returncode, 137)
        self.assertEqual(self.site.list()["tvm3"], "running")

    def test_the_nodes_disk_is_closed_to_other_users(self):
        path = "%s/host/nodes/tvm1" % self.site.dir
        for script in ("ls " + path, "ls %s/root" % path, "cat %s/node.json" % path, "cat %s/root/etc/passwd" % path, "ls %s/host" % self.site.dir):
            done = subprocess.run(["/bin/sh", "-c", script], user=SERVICE_UID, group=SERVICE_UID, extra_groups=[], capture_output=True)
            self.assertNotEqual(done.returncode, 0, script)

    def test_nothing_is_mounted_on_the_machine(self):
        self.assertEqual(self.site.mounts(), [])

    def test_starting_again_is_no_news_and_another_shape_a_conflict(self):
        before = self.site.pid("tvm1")
        self.site.start("tvm1", 1)
        self.assertEqual(self.site.pid("tvm1"), before)
        other = self.site.ask("start", self.site.dir, "tvm1", host_name(9), SIZE, "{}")
        self.assertEqual((other.returncode, other.stderr.split()[0]), (1, "6"))
        other = self.site.ask("start", self.site.dir, "tvm1", host_name(1), "STANDARD_A1", "{}")
        self.assertIn("stop it first", other.stderr)
        self.assertEqual(self.site.list()["tvm1"], "running")


class Refusals(NodesTest):
    """What is asked wrongly, or by the wrong one, changes nothing."""

    def frame(self, payload, length=None):
        with socket.socket(socket.AF_UNIX) as client:
            directory = os.open(self.site.dir + "/host", os.O_PATH)
            client.connect("/proc/self/fd/%d/host.sock" % directory)
            os.close(directory)
            client.settimeout(30)
            client.sendall(struct.pack(">I", len(payload) if length is None else length) + payload)
            head = client.recv(4)
            if not head:
                return None
            (left,), answer = struct.unpack(">I", head), b""
            while len(answer) < left:
                answer += client.recv(left - len(answer))
            return json.loads(answer)

    def test_messages_that_are_no_requests(self):
        self.site.host_start()
        node = {"nodeId": "n", "hostName": "h", "vmSize": SIZE, "join": "{}"}
        for change, field in (({"nodeId": "../x"}, "nodeId"), ({"nodeId": "-f"}, "nodeId"), ({"hostName": "a b"}, "hostName"), ({"vmSize": "HUGE"}, "vmSize"),
                              ({"join": "nonsense"}, "join"), ({"command": "sh"}, "node.command"), ({"nodeId": 5}, "node.nodeId"), ({"join": None}, "node.join")):
            answer = self.frame(json.dumps({"version": 1, "id": 1, "op": "node_start", "node": {**node, **change}}).encode())
            self.assertEqual((answer["error"]["code"], answer["error"]["target"]), ("bad_input", field))
        for payload in (b"x", b"{}", b"[1]", b"\xff\xff", b'{"version":9,"id":1,"op":"hello"}', b'{"version":1,"id":1,"op":"shutdown"}'):
            self.assertEqual(self.frame(payload)["error"]["code"], "bad_input")
        self.assertIsNone(self.frame(b"", length=1 << 20))
        self.assertIsNone(self.frame(b"", length=0))
        self.assertEqual(self.site.list(), {})
        self.assertEqual(os.listdir(self.site.dir + "/host/nodes"), [])

    def test_only_the_service_and_root_may_ask(self):
        self.site.host_start()
        self.site.must("hello", self.site.dir, self.site.instance)
        self.site.must("hello", self.site.dir, self.site.instance, uid=0, gid=0)
        other = self.site.ask("hello", self.site.dir, self.site.instance, uid=SERVICE_UID + 1, gid=SERVICE_UID + 1)
        self.assertEqual((other.returncode, other.stderr.split()[0]), (1, "3"))
        of_the_group = self.site.ask("hello", self.site.dir, self.site.instance, uid=SERVICE_UID + 1)
        self.assertEqual(of_the_group.returncode, 1)

    def test_a_host_of_another_instance_is_noticed(self):
        self.site.host_start()
        other = self.site.ask("hello", self.site.dir, "0" * 32)
        self.assertEqual((other.returncode, other.stderr.split()[0]), (1, "6"))

    def test_no_host_says_how_to_start_one(self):
        done = self.site.ask("list", self.site.dir)
        self.assertEqual(done.returncode, 1)
        self.assertIn("run `vaultyard host --data-dir %s` as root" % self.site.dir, done.stderr)

    def test_a_second_host_is_refused(self):
        self.site.host_start()
        second = subprocess.run([PROBE, "host", self.site.dir, self.site.bin] + NODE_COMMAND, capture_output=True, text=True, timeout=60)
        self.assertEqual((second.returncode, second.stderr.split()[0]), (1, "6"))
        self.assertEqual(self.site.list(), {})

    def test_an_unprivileged_host_is_refused(self):
        done = self.site.ask("host", self.site.dir, self.site.bin, "true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("only root can make nodes", done.stderr)

    def refused_host(self, words):
        done = subprocess.run([PROBE, "host", self.site.dir, self.site.bin] + NODE_COMMAND, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(words, done.stderr)

    def test_a_directory_of_somebody_else_is_refused(self):
        os.chown(self.site.dir, SERVICE_UID, SERVICE_UID)
        self.refused_host("must belong to root")
        os.chown(self.site.dir, 0, 0)
        os.chmod(self.site.dir, 0o777)
        self.refused_host("must belong to root")
        os.chmod(self.site.dir, 0o755)

    def test_a_closed_directory_above_is_refused(self):
        os.chmod(self.site.top, 0o700)
        self.refused_host("closed to others")
        os.chmod(self.site.top, 0o755)

    def test_no_installation_is_refused(self):
        os.rename(self.site.dir + "/instance.json", self.site.top + "/instance.json")
        self.refused_host("run `vaultyard init")
        os.rename(self.site.top + "/instance.json", self.site.dir + "/instance.json")

    def test_a_linked_site_directory_is_refused_and_leaves_nothing(self):
        """The service could swap what lies in its own DIR/run: a node must not get the machine's root that way."""
        self.site.host_start()
        os.rename(self.site.dir + "/run/site", self.site.dir + "/run/site.real")
        os.symlink("/", self.site.dir + "/run/site")
        done = self.site.ask("start", self.site.dir, "n1", host_name(1), SIZE, "{}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("run/site", done.stderr)
        self.assertEqual(self.site.list(), {})
        self.assertEqual(os.listdir(self.site.dir + "/host/nodes"), [])
        self.assertEqual(self.site.node_groups("n1"), [])
        os.unlink(self.site.dir + "/run/site")
        os.rename(self.site.dir + "/run/site.real", self.site.dir + "/run/site")
        self.site.start("n1")

    def test_a_node_whose_first_process_cannot_start_leaves_nothing(self):
        NODE_COMMAND.insert(0, "/nowhere")
        try:
            self.site.host_start()
        finally:
            del NODE_COMMAND[0]
        done = self.site.ask("start", self.site.dir, "n1", host_name(1), SIZE, "{}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere", done.stderr)
        self.assertEqual(self.site.list(), {})
        self.assertEqual((os.listdir(self.site.dir + "/host/nodes"), self.site.processes(), self.site.node_groups("n1")), ([], [], []))
        self.assertEqual(os.listdir(self.site.state + "/ids"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
