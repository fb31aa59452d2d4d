"""Load a service: `python -m benchmarks.serving [--clients 200] [--seconds 120]`.

Clients ask again as soon as they have their answer: for one recording, for a time line, over a stream, with what is no
recording, with what is too large, and slowly. In the middle, a process that predicts is killed.
"""

import argparse
import asyncio
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
import websockets

from fusionser.corpora.demo import MANNERS
from fusionser.files import write_text
from fusionser.page import example
from fusionser.reporting.web_page import write_pages
from fusionser.results import provenance

COMMAND = "python -m benchmarks.serving"
SHARES = {"recording": 0.7, "time line": 0.05, "stream": 0.05, "no recording": 0.1, "too large": 0.05, "slow": 0.05}
EXPECTED: dict[str, set[int]] = {
    "recording": {200}, "time line": {200}, "stream": {1000}, "no recording": {422}, "too large": {413}, "slow": {200},
}  # fmt: skip
LARGE = 30 << 20


class Load:
    """What clients found."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url, self.until = url, time.monotonic() + seconds
        self.found: list[tuple[str, int, float]] = []
        self.clips = [_short(emotion) for emotion in MANNERS]
        self.long = example("angry")
        self.rubbish = [
            b"RIFF" + bytes(40),
            self.long[:3000],
            os.urandom(5000),
            b"\xff\xfb" * 3000,
            b"OggS" + bytes(99),
        ]

    async def client(self, number: int) -> None:
        """Ask until the time is over."""
        rng = random.Random(number)
        async with httpx.AsyncClient(timeout=120) as web:
            while time.monotonic() < self.until:
                kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
                began = time.monotonic()
                try:
                    status = await self._ask(web, kind, rng)
                except (httpx.HTTPError, OSError, IndexError, websockets.WebSocketException) as error:
                    status = 0
                    print(kind, type(error).__name__, error, flush=True)
                self.found.append((kind, status, time.monotonic() - began))

    async def _ask(self, web: httpx.AsyncClient, kind: str, rng: random.Random) -> int:
        clip = rng.choice(self.clips)
        if kind == "stream":
            return await self._stream()
        if kind == "time line":
            return (await web.post(f"{self.url}/predict/timeline", content=self.long)).status_code
        content: Any = clip
        if kind == "no recording":
            content = rng.choice(self.rubbish)
        if kind == "too large":
            return await self._too_large()
        if kind == "slow":
            content = self._slowly(clip)
        return (await web.post(f"{self.url}/predict", content=content)).status_code

    async def _too_large(self) -> int:
        host, port = self.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {LARGE}\r\n\r\n"
        writer.write(head.encode() + bytes(1000))
        answer = await reader.readline()
        writer.close()
        return int(answer.split()[1])

    @staticmethod
    async def _slowly(clip: bytes) -> Any:
        for start in range(0, len(clip), len(clip) // 5 + 1):
            yield clip[start : start + len(clip) // 5 + 1]
            await asyncio.sleep(1.0)

    async def _stream(self) -> int:
        samples = np.frombuffer(self.long[44:], dtype="<i2")
        async with websockets.connect(self.url.replace("http", "ws") + "/stream") as socket:
            await socket.send(json.dumps({"format": "s16", "sampling_rate": 16000, "hop": 1.0}))
            for start in range(0, samples.size, 8000):
                await socket.send(samples[start : start + 8000].tobytes())
            await socket.send('{"end": true}')
            async for _ in socket:
                pass
            return socket.close_code or 0


def _short(emotion: str) -> bytes:
    samples, rate = soundfile.read(io.BytesIO(example(emotion)))
    content = io.BytesIO()
    soundfile.write(content, samples[: 2 * rate], rate, format="WAV", subtype="PCM_16")
    return content.getvalue()


def _resident(pid: int) -> float:
    """Return the memory in MiB of a process and all that it started."""
    text = subprocess.run(["ps", "-eo", "pid,ppid,rss"], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in text.splitlines()[1:]]
    own, total = {pid}, 0
    for _ in range(4):
        own |= {one for one, parent, _ in rows if parent in own}
    total = sum(rss for one, _, rss in rows if one in own)
    return total / 1024


def _started(model: str | None, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fusionser", "serve", *([model] if model else []), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ready").json()["processes"] == (os.cpu_count() or 1):
                return process
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the service did not start")


def measure(model: str | None, clients: int, seconds: float, port: int) -> dict[str, Any]:
    """Return what a service did under load."""
    server = _started(model, port)
    url = f"http://127.0.0.1:{port}"
    memory: list[float] = []
    load = Load(url, seconds)

    async def everybody() -> None:
        await asyncio.gather(*(load.client(number) for number in range(clients)))

    def watch() -> None:
        while time.monotonic() < load.until:
            memory.append(_resident(server.pid))
            time.sleep(2.0)

    def kill() -> None:
        time.sleep(seconds / 2)
        found = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True, check=True)
        os.kill(int(found.stdout.split()[0]), signal.SIGKILL)

    for job in (watch, kill):
        threading.Thread(target=job, daemon=True).start()
    asyncio.run(everybody())
    described = httpx.get(f"{url}/model").json()["name"]
    losses = [
        line
        for line in httpx.get(f"{url}/metrics").text.splitlines()
        if line.startswith("fusionser_worker_losses_total")
    ]
    server.send_signal(signal.SIGTERM)
    began = time.monotonic()
    server.wait(60)
    quarter = max(len(memory) // 4, 1)
    return {
        "model": described,
        "clients": clients,
        "cores": os.cpu_count(),
        "seconds": seconds,
        "kinds": {kind: _kind(load.found, kind, seconds) for kind in SHARES},
        "unexpected": dict(
            Counter(f"{kind}: {status}" for kind, status, _ in load.found if status not in EXPECTED[kind])
        ),
        "memory_second_quarter": float(np.mean(memory[quarter : 2 * quarter])),
        "memory_last_quarter": float(np.mean(memory[-quarter:])),
        "losses": float(losses[0].split()[1]),
        "stop_seconds": time.monotonic() - began,
    }


def _kind(found: list[tuple[str, int, float]], kind: str, seconds: float) -> dict[str, float]:
    spent = [one for name, _, one in found if name == kind]
    p50, p99 = np.percentile(spent, [50, 99]) if spent else (0.0, 0.0)
    return {"count": len(spent), "per_second": len(spent) / seconds, "p50": float(p50), "p99": float(p99)}


def write_page(figures: dict[str, Any], folder: Path) -> Path:
    """Write the page of a load."""
    lines = [
        f"| {kind} | {one['count']} | {one['per_second']:.1f} | {one['p50']:.2f} | {one['p99']:.2f} | "
        f"{', '.join(map(str, sorted(EXPECTED[kind])))} |"
        for kind, one in figures["kinds"].items()
    ]
    others = "; ".join(f"{name} ({count})" for name, count in figures["unexpected"].items())
    made, given = figures["provenance"], f"--clients {figures['clients']} --seconds {figures['seconds']:.0f}"
    before, after = figures["memory_second_quarter"], figures["memory_last_quarter"]
    text = f"""# A service under load

{figures["clients"]} clients at once for {figures["seconds"]:.0f} s, on the machine of the service ({made["machine"]},
{figures["cores"]} cores for both). Each asks again as soon as it has its answer, so the times are those of a full
service. The model is {figures["model"]}. Half-way, one of the processes that predict was killed.

*Time line*: a recording whose answers over time are asked for. *Stream*: a WebSocket. *No recording*: a body that is no
audio. *Too large*: a request that announces 30 MiB. *Slow*: a recording that is sent in five parts, one each second.
*Status* is the one that is expected; that of a stream is its close code, of which 1000 is a normal end. *p50* and *p99*
are the median and the 99th percentile of the time to the answer.

| request | answered | per second | p50, s | p99, s | status |
|---|---|---|---|---|---|
{chr(10).join(lines)}

{f"Others: {others}." if others else "None had another status."} Processes that were lost: {figures["losses"]:.0f}.

Memory of the service and its processes: {before:.0f} MiB in the second quarter of the time, {after:.0f} MiB in the last
one. After SIGTERM it ended in {figures["stop_seconds"]:.1f} s.

`{COMMAND} {given}`; commit {made["commit"]}; {made["date"]}.
"""
    return write_pages(folder, text)


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--port", type=int, default=8199)
    parser.add_argument("--out", type=Path, default=Path("reports/serving"))
    given = parser.parse_args()
    figures = {**measure(given.model, given.clients, given.seconds, given.port), "provenance": provenance()}
    write_text(given.out / "load.json", json.dumps(figures, indent=1) + "\n")
    print(write_page(figures, given.out))


if __name__ == "__main__":
    main()
