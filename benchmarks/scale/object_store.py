"""An object store on this machine, moto's server of S3, behind a gate that counts and can be killed."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import s3fs

from benchmarks.scale.cluster import free_port

__all__ = ["ObjectStore", "object_store"]

SECONDS_TO_START = 60
KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class ObjectStore:
    """A store and its gate, which clients connect to.

    Parameters
    ----------
    port, store : int
        Ports of the gate and of the store.
    folder : Path
        For the counts.
    gate : Popen
    """

    port: int
    store: int
    folder: Path
    gate: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to reach the store through the gate."""
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    @property
    def beside(self) -> Any:
        """The file system, not through the gate."""
        address = f"http://127.0.0.1:{self.store}"
        keys = {"key": KEYS["AWS_ACCESS_KEY_ID"], "secret": KEYS["AWS_SECRET_ACCESS_KEY"]}
        return s3fs.S3FileSystem(**keys, endpoint_url=address, skip_instance_cache=True, use_listings_cache=False)

    def open(self) -> None:
        """Start the gate; its counts begin at 0."""
        (self.folder / "counts.json").unlink(missing_ok=True)
        words = (str(self.port), str(self.store), str(self.folder / "counts.json"))
        self.gate = subprocess.Popen([sys.executable, "-m", "benchmarks.scale.gate", *words])
        _wait_for(self.port)

    def close(self) -> None:
        """Kill the gate: all connections end, and none can be made."""
        assert self.gate is not None
        self.gate.kill()
        self.gate.wait()

    def counts(self) -> dict[str, int]:
        """Return the bytes that passed the gate since it was opened, in each direction."""
        time.sleep(0.5)
        return {name: int(count) for name, count in json.loads((self.folder / "counts.json").read_text()).items()}


def _wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while True:
        with closing(socket.socket()) as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > until:
            raise RuntimeError(f"nothing listens at port {port} after {SECONDS_TO_START} s")
        time.sleep(0.1)


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Start a store and its gate, and end them after a block."""
    folder.mkdir(parents=True, exist_ok=True)
    found = ObjectStore(free_port(), free_port(), folder)
    with (folder / "store.log").open("wb") as log:
        store = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(found.store)], stdout=log, stderr=log
        )
    try:
        _wait_for(found.store)
        found.open()
        yield found
    finally:
        for process in (found.gate, store):
            if process is not None:
                process.kill()
                process.wait()
