"""terminal.py: a command on a pseudo-terminal of its own, asked and answered as a person would."""
import os
import pty
import select
import signal


class Terminal:
    """with Terminal([...]) as t: t.answer("Password: ", "x"); t.end()   Waits for the text of each question, never for time."""

    def __init__(self, command, cwd=None, env=None, timeout=60):
        self.timeout, self.seen, self.read_to = timeout, "", 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd:
                    os.chdir(cwd)
                os.execve(str(command[0]), [str(part) for part in command], env or os.environ)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        os.close(self.fd)

    def _read(self):
        """More of the output; False at its end."""
        if not select.select([self.fd], [], [], self.timeout)[0]:
            raise AssertionError(f"nothing came within {self.timeout} s; seen so far: {self.seen!r}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:                              # a pseudo-terminal whose other end is closed
            data = b""
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text):
        while (at := self.seen.find(text, self.read_to)) < 0:
            if not self._read():
                raise AssertionError(f"it ended before {text!r}; seen: {self.seen!r}")
        self.read_to = at + len(text)

    def answer(self, question, line):
        self.wait_for(question)
        os.write(self.fd, (line + "\n").encode())

    def end(self, code=0):
        """Reads to the end and answers all that was seen."""
        while self._read():
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        if code is not None and status != code:
            raise AssertionError(f"ended with {status}, not {code}; seen: {self.seen!r}")
        return self.seen
