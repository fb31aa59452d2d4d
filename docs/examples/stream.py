"""Send a recording to the stream of a service, and print the answers as they come: stream.py CLIP URL."""

import asyncio
import json
import sys

import soundfile
import websockets


async def follow(clip: str, url: str) -> None:
    """Send the first channel of a recording in pieces of a tenth of a second."""
    samples, rate = soundfile.read(clip, dtype="float32", always_2d=True)
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"format": "f32", "sampling_rate": rate}))
        for start in range(0, len(samples), rate // 10):
            await socket.send(samples[start : start + rate // 10, 0].tobytes())
            # Four times as fast as it is spoken is what the service allows.
            await asyncio.sleep(0.1 / 4)
        await socket.send(json.dumps({"end": True}))
        async for message in socket:
            told = json.loads(message)
            if "error" in told:
                raise SystemExit(told["error"])
            for window in [] if told.get("ready") else told["windows"]:
                print(f"{window['start']:6.1f} to {window['end']:6.1f} s: {window['emotion']}")


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
