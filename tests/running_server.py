"""A running ``fusionser serve``, for tests through a real server."""

import os
import re
import signal
import subprocess
import sys
import time

import httpx

START_SECONDS = 120


class Server:
    """A running ``fusionser serve``."""

    def __init__(self, *arguments, **variables):
        command = [sys.executable, "-m", "fusionser", "serve", *map(str, arguments), "--port", "0"]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **variables}
        )
        found = None
        while found is None:
            line = self.process.stderr.readline()
            assert line, "the service ended"
            found = re.search(r"http://127.0.0.1:(\d+)", line)
        self.port = int(found[1])
        self.url = found[0]
        deadline = time.monotonic() + START_SECONDS
        while self.get("/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def get(self, path, **options):
        return httpx.get(self.url + path, timeout=60, **options)

    def post(self, path, **options):
        return httpx.post(self.url + path, timeout=60, **options)

    def workers(self):
        """Return the processes that predict."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(line) for line in found.stdout.split()]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        with self.process.stderr:
            return self.process.wait(30)
