"""A connection to an object store that counts what passes, and that can be killed: `python -m benchmarks.scale.gate`.

It takes the port to listen at, the port of the store, and a file for the counts of bytes.
"""

import asyncio
import json
import sys
from pathlib import Path

BLOCK = 1 << 16
SECONDS_BETWEEN_COUNTS = 0.1

counts = {"from_store": 0, "to_store": 0}


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, name: str) -> None:
    try:
        while block := await source.read(BLOCK):
            counts[name] += len(block)
            target.write(block)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


async def _serve(port: int, store: int, file: Path) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", store)
        await asyncio.gather(_pass_on(reader, back, "to_store"), _pass_on(there, writer, "from_store"))

    async with await asyncio.start_server(connected, "127.0.0.1", port):
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_COUNTS)
            unfinished = file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(counts))
            unfinished.replace(file)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
