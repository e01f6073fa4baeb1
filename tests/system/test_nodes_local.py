#!/usr/bin/env python3
"""Local nodes against the real container runtime: isolation, limits, restarts, kills, removal. Needs root and runc or crun."""
import contextlib
import glob
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = str(pathlib.Path(os.environ.get("VAULTYARD_BUILD", ROOT / "build")) / "tests" / "system" / "host_probe")
SERVICE_UID = 64999                     # no user of the machine: the service has rights by number only
RUNTIME = shutil.which("runc", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") or shutil.which("crun")
SIZE = "STANDARD_A0"                    # 1 core, 768 MiB
if os.geteuid() != 0 or not RUNTIME:
    sys.exit("this test makes containers: run it as root on a machine with runc or crun")
NODE_COMMAND = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]


def host_name(number):
    return "74773db5fe1b42ab9a4b6cf679d929da%06d" % number


def wait_until(claim, what, seconds=20):
    """For what gives no event of its own: the kernel's bookkeeping after a process has ended."""
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.005)


class Site:
    """A data directory as `vaultyard init` makes it, and the host process on it."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="vaultyard-nodes-")
        os.chmod(self.top, 0o755)
        self.dir = os.path.join(self.top, "data")
        self.bin = os.path.join(self.top, "bin")
        self.instance = "%032x" % random.getrandbits(128)
        self.state = "/run/vaultyard-" + self.instance[:8]
        for path, uid in ((self.dir, 0), (self.bin, 0), (self.dir + "/store", SERVICE_UID), (self.dir + "/run", SERVICE_UID), (self.dir + "/run/site", SERVICE_UID)):
            os.mkdir(path)
            os.chmod(path, 0o700 if path.endswith("/store") else 0o755)
            os.chown(path, uid, uid)
        self.write(self.dir + "/instance.json", json.dumps({
            "version": 1, "instanceId": self.instance, "domain": "vaultyard.localhost", "port": 8443, "uid": SERVICE_UID, "gid": SERVICE_UID}))
        self.write(self.dir + "/ca.pem", "-----BEGIN CERTIFICATE-----\nthe site's own\n-----END CERTIFICATE-----\n")
        self.write(self.dir + "/store/database", "secret")
        self.write(self.bin + "/vaultyard-node", "#!/bin/sh\necho agent\n")
        os.chmod(self.bin + "/vaultyard-node", 0o755)
        self.host = None

    @staticmethod
    def write(path, text):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)

    def host_start(self):
        with open(self.top + "/host.log", "a+") as log:
            self.host = subprocess.Popen([PROBE, "host", self.dir, self.bin] + NODE_COMMAND, stdout=subprocess.PIPE, stderr=log, text=True)
            line = self.host.stdout.readline()
            if not line.startswith("ready "):
                log.seek(0)
                raise AssertionError("the host did not start: " + line + log.read())

    def host_end(self, number):
        if self.host:
            self.host.send_signal(number)
            code = self.host.wait(60)
            self.host.stdout.close()
            self.host = None
            return code
        return None

    def ask(self, *words, uid=SERVICE_UID, gid=SERVICE_UID):
        return subprocess.run([PROBE] + [str(word) for word in words], user=uid, group=gid, extra_groups=[], capture_output=True, text=True, timeout=120)

    def must(self, *words, **more):
        done = self.ask(*words, **more)
        if done.returncode:
            raise AssertionError("%s: %s" % (words[0], done.stderr))
        return done.stdout

    def start(self, node, number=1, size=SIZE, join='{"joinToken":"t1"}'):
        self.must("start", self.dir, node, host_name(number), size, join)

    def list(self):
        return json.loads(self.must("list", self.dir))

    def clean(self):
        return self.must("clean", self.dir, uid=0, gid=0)

    def inside(self, node, script):
        """A command as root of the node, with the rights that its first process has."""
        return subprocess.run([RUNTIME, "--root", self.state + "/runc", "exec", node, "/bin/sh", "-c", script], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def says(self, node, script):
        done = self.inside(node, script)
        if done.returncode:
            raise AssertionError("%s: %s" % (script, done.stderr))
        return done.stdout.strip()

    def pid(self, node):
        with open("%s/host/nodes/%s/pid" % (self.dir, node)) as file:
            return int(file.read())

    def groups(self):
        return glob.glob("/sys/fs/cgroup/**/vaultyard-%s" % self.instance[:8], recursive=True)

    def node_groups(self, node):
        return glob.glob("/sys/fs/cgroup/**/vaultyard-%s/%s" % (self.instance[:8], node), recursive=True)

    def processes(self):
        found = []
        for path in glob.glob("/proc/[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                with open(path) as file:
                    if "/vaultyard-" + self.instance[:8] not in file.read():
                        continue
                with open(path.replace("/cgroup", "/stat")) as file:
                    if file.read().rpartition(")")[2].split()[0] != "Z":        # ended; the machine's first process has not asked yet
                        found.append(int(path.split("/")[2]))
        return found

    def mounts(self):
        with open("/proc/self/mountinfo") as file:
            return [line for line in file if self.top in line or self.state in line]

    def remove(self):
        self.host_end(signal.SIGTERM)
        self.clean()
        shutil.rmtree(self.top)


def namespaces_of_machine():
    found = set()
    for kind in ("net", "pid", "mnt", "user", "ipc", "uts", "cgroup"):
        for path in glob.glob("/proc/[0-9]*/ns/" + kind):
            with contextlib.suppress(OSError):
                found.add(os.readlink(path))
    return found


class NodesTest(unittest.TestCase):
    def setUp(self):
        self.site = Site()
        self.addCleanup(self.site.remove)


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
