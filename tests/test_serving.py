"""A model as a web service, through a real server: answers, limits, streams, and processes that are killed."""

import asyncio
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
import websockets
from running_server import Server

from fusionser.errors import SettingsError
from fusionser.model import load_model
from fusionser.serving.guards import RateLimit
from fusionser.serving.limits import ServiceLimits
from fusionser.serving.run import listening_socket
from fusionser.serving.schema import Answers, Refusal, TimelineAnswer
from fusionser.timeline import predict_timeline


@pytest.fixture(scope="module")
def model_file(saved):
    return saved["svm"]


@pytest.fixture(scope="module")
def server(model_file):
    few = ("--workers", 1, "--most-bytes", 400_000, "--most-seconds", 20, "--streams", 2)
    started = Server(model_file, *few, "--body-timeout", 3, "--idle-timeout", 2)
    yield started
    assert started.stop() in (0, -signal.SIGTERM)


@pytest.fixture(scope="module")
def clip(demo_rows):
    return demo_rows["file"][3]


def test_answers_are_those_of_the_model(server, model_file, demo_rows):
    files = demo_rows["file"].tolist()[:5]
    expected = load_model(model_file).predict(files)
    given = [("recording", (f"{place}.wav", Path(file).read_bytes())) for place, file in enumerate(files)]
    answered = server.post("/predict", files=given)
    assert answered.status_code == 200
    found = answered.json()["answers"]
    assert [one["emotion"] for one in found] == expected["emotion"].tolist()
    assert [one["file"] for one in found] == [f"{place}.wav" for place in range(5)]
    for one, probability in zip(found, expected["probability"], strict=True):
        assert max(one["probabilities"].values()) == pytest.approx(probability, abs=1e-6)
    alone = server.post("/predict", content=Path(files[0]).read_bytes())
    assert alone.json()["answers"][0]["emotion"] == expected["emotion"][0]


def test_a_bad_recording_does_not_stop_the_good(server, clip):
    files = [("a", ("../../etc/x.wav", b"rubbish")), ("b", ("good.wav", Path(clip).read_bytes()))]
    answered = server.post("/predict", files=files)
    assert answered.status_code == 200
    bad, good = answered.json()["answers"]
    assert bad["file"] == "x.wav" and bad["emotion"] is None and "not readable as audio" in bad["error"]
    assert "/" not in bad["error"]
    assert good["error"] is None
    assert server.post("/predict", content=b"rubbish").status_code == 422


def test_a_time_line_is_that_of_the_model(server, model_file, demo_rows, tmp_path):
    samples = np.concatenate([soundfile.read(file)[0] for file in demo_rows["file"][:4]])
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    answered = server.post("/predict/timeline?windows=2", content=(tmp_path / "long.wav").read_bytes())
    expected = predict_timeline(str(tmp_path / "long.wav"), load_model(model_file), windows=2)
    assert answered.status_code == 200
    assert [one["emotion"] for one in answered.json()["segments"]] == expected.segments["emotion"].tolist()


def streamed(server, first, pieces, **options):
    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/stream", **options) as socket:
            await socket.send(first if isinstance(first, str) else json.dumps(first))
            for piece in pieces:
                await socket.send(piece)
            got = []
            with suppress(websockets.ConnectionClosedError):
                async for message in socket:
                    got.append(json.loads(message))  # noqa: PERF401 - those before an error are kept
            return got, socket.close_code

    return asyncio.run(talk())


def test_a_stream_gives_the_windows_of_the_recording(server, model_file, demo_rows):
    samples = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in demo_rows["file"][:4]])
    pieces = [samples[start : start + 1700].tobytes() for start in range(0, samples.size, 1700)]
    messages, code = streamed(server, {"format": "f32", "sampling_rate": 16000}, [*pieces, '{"end": true}'])
    windows = [one for message in messages[1:] for one in message["windows"]]
    expected = predict_timeline((samples, 16000), load_model(model_file)).windows
    assert code == 1000 and messages[0]["ready"] and messages[-1]["finished"]
    assert [one["emotion"] for one in windows] == expected["emotion"].tolist()
    assert [one["start"] for one in windows] == expected["start"].tolist()
    for one, probability in zip(windows, expected["probability"], strict=True):
        if one["probabilities"]:
            assert max(one["probabilities"].values()) == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "pieces", "code", "told"),
    [
        ("junk", [], 1003, "the first message is refused"),
        ({"format": "mp3"}, [], 1003, "format"),
        ({"format": "f32", "sampling_rate": 1}, [], 1003, "sampling_rate"),
        ({"format": "f32"}, [b"123"], 1003, "3 bytes, which is no whole number of samples"),
        ({"format": "f32"}, ["hello"], 1003, "expected binary messages"),
        ({"format": "f32"}, ["[" * 500_000], 1003, "expected binary messages"),
        ({"format": "f32"}, [np.full(100, np.nan, np.float32).tobytes()], 1003, "100 samples are NaN or infinite"),
        ({"format": "f32"}, [bytes(900_000)] * 9, 1008, "4 times faster than they are spoken"),
        ({"format": "f32"}, [bytes(2_000_000)], 1009, ""),
    ],
)
def test_streams_that_are_refused(server, first, pieces, code, told):
    messages, closed = streamed(server, first, pieces)
    assert closed == code
    assert told in (messages[-1].get("error", "") if messages else "")


@pytest.mark.parametrize("begun", [b"", b"POST /predict HTT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HT"])
def test_connections_that_stall_are_closed(server, begun):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as stalled:
        stalled.sendall(begun)
        received = b""
        while piece := stalled.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200") == begun.count(b"\r\n\r\n")


def test_a_body_that_does_not_come_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as stalled:
        stalled.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nRIFF")
        assert stalled.recv(65536).startswith(b"HTTP/1.1 408")


def test_a_stream_without_messages_is_closed(server):
    messages, code = streamed(server, {"format": "f32", "sampling_rate": 16000}, [])
    assert (messages[-1], code) == ({"error": "no message within 2 s"}, 1008)


def test_pages_of_others_cannot_use_it(server, clip):
    assert server.get("/model", headers={"Host": "evil.example"}).status_code == 421
    with pytest.raises(websockets.InvalidStatus):
        streamed(server, {"format": "f32"}, [], origin="http://evil.example")
    headers = server.get("/").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in server.get("/model", headers={"Origin": "http://evil.example"}).headers


def test_what_is_too_much(server, tmp_path):
    assert server.post("/predict", content=bytes(500_000)).status_code == 413

    def slowly():
        for _ in range(8):
            yield bytes(100_000)

    assert server.post("/predict", content=slowly()).status_code == 413
    soundfile.write(tmp_path / "long.flac", np.zeros(16000 * 25), 16000)
    answered = server.post("/predict", content=(tmp_path / "long.flac").read_bytes())
    assert answered.status_code == 422
    (answer,) = answered.json()["answers"]
    told = "recording: 25.0 s long; expected at most 20: cut it, or ask /predict/timeline"
    assert answer == {
        **dict.fromkeys(("emotion", "probabilities", "unlikeness", "unlike", "unlike_because")),
        "file": "recording",
        "error": told,
    }
    many = [("recording", (f"{place}.wav", b"x")) for place in range(40)]
    assert server.post("/predict", files=many).status_code == 413
    assert server.post("/predict").status_code == 422
    assert server.post("/predict?most_unlike=7", content=b"x").status_code == 422
    told = server.post("/predict?most_unlike=0.5", content=b"x")
    assert (told.status_code, "without abstain" in told.json()["error"]) == (422, True)
    assert "gender has no effect" in server.post("/predict?gender=male", content=b"x").json()["error"]
    assert server.get("/nothing").json() == {"error": "Not Found"}


def test_a_killed_process_costs_at_most_its_own_requests(server, clip):
    content = Path(clip).read_bytes()
    lost = server.get("/metrics").text
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    statuses = [server.post("/predict", content=content).status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    count = [
        float(re.search(r"fusionser_worker_losses_total (\d\S*)", text)[1])
        for text in (lost, server.get("/metrics").text)
    ]
    assert count[1] >= count[0] + 1


def test_what_it_says_of_itself(server, model_file):
    assert server.get("/health").json() == {"status": "ok"}
    described = server.get("/model").json()
    assert described["tells_unlikeness"] is True
    assert described["card"]["classes"] == list(load_model(model_file).card.classes)
    paths = server.get("/openapi.json").json()["paths"]
    assert {"/predict", "/predict/timeline", "/model", "/health", "/ready", "/metrics"} <= paths.keys()
    assert paths["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["example"]["answers"]


def test_a_key_is_needed_where_one_is_set(model_file, clip):
    server = Server(model_file, "--workers", 1, "--rate", 0.5, FUSIONSER_API_KEY="right")
    content = Path(clip).read_bytes()
    try:
        assert server.get("/model").status_code == 401
        assert "a key is needed" in server.get("/model").json()["error"]
        wrong = server.get("/model", headers={"X-API-Key": "wrong"})
        assert wrong.status_code == 401 and wrong.json()["error"] == "this key is wrong"
        right = {"X-API-Key": "right"}
        assert server.post("/predict", content=content, headers=right).status_code == 200
        assert streamed(server, {"format": "f32"}, [])[1] == 1008
        messages, code = streamed(server, {"format": "f32", "key": "right"}, ['{"end": true}'])
        assert (messages[-1]["finished"], code) == (True, 1000)
        answers = [server.get("/model", headers=right) for _ in range(8)]
        assert {one.status_code for one in answers} == {200, 429}
        assert "0.5 requests per second" in answers[-1].json()["error"]
    finally:
        assert server.stop(signal.SIGINT) in (0, 130)


def test_slow_bodies_are_ended():
    from fusionser.serving.guards import Guard
    from fusionser.serving.measures import Measures

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass

    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    limits = ServiceLimits(body_timeout=0.2)
    guard = Guard(app, limits=limits, measures=Measures(), key=None, hosts=())
    asyncio.run(guard({"type": "http", "path": "/predict", "headers": [], "client": ("a", 1)}, receive, send))
    assert sent[0]["status"] == 408
    assert guard.held == 0


def test_a_time_line_has_a_limit_of_time_of_its_own(model_file, demo_rows, tmp_path):
    speech = np.concatenate([soundfile.read(file)[0] for file in demo_rows["file"].head(40)])
    soundfile.write(tmp_path / "long.wav", speech, 16000)
    started = Server(model_file, "--workers", 1, "--timeline-timeout", 0.1)
    try:
        late = started.post("/predict/timeline?hop=0.1", content=(tmp_path / "long.wav").read_bytes())
        assert late.status_code == 503
        assert late.json()["error"] == "no answer within 0.1 s; ask again later, or send shorter recordings"
        clip = Path(demo_rows["file"][3]).read_bytes()
        assert started.post("/predict", content=clip).status_code == 200
    finally:
        started.stop()


def test_the_rate_of_a_client_recovers():
    limit = RateLimit(2)
    assert [limit.allows("a", 0.0) for _ in range(21)] == [True] * 20 + [False]
    assert limit.allows("b", 0.0)
    assert limit.allows("a", 0.6)
    assert not limit.allows("a", 0.7)


def test_a_port_in_use_is_told(command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = command("serve", "--port", taken.getsockname()[1])
    assert done.status == 1
    assert "choose others with --host and --port" in " ".join(done.messages.split())


def test_hosts_and_origins_that_are_no_addresses(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as asking:
        asking.sendall(b"GET /model HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n")
        assert asking.recv(65536).startswith(b"HTTP/1.1 421")
    with pytest.raises(websockets.InvalidStatus, match="403"):
        streamed(server, {"format": "f32"}, [], origin="http://[")


@pytest.mark.parametrize("key", ["\udcff", "schl\u00fcssel", " a", "a\tb"])
def test_keys_that_not_every_client_can_send(command, key):
    done = command("serve", "--port", 0, env={"FUSIONSER_API_KEY": key})
    assert done.status == 1 and "FUSIONSER_API_KEY has characters" in done.messages


def test_limits_are_checked(command):
    with pytest.raises(SettingsError, match="most_bytes is 1; expected 1024"):
        ServiceLimits(most_bytes=1)
    assert "--most-seconds is 0.0; expected 0.1 to 900" in command("serve", "--most-seconds", 0).messages
    with pytest.raises(SettingsError, match="is no address of this machine"), listening_socket("no.such.name.", 0):
        pass


def test_a_form_that_is_cut_off_is_refused(server, clip):
    content = Path(clip).read_bytes()
    parts = [
        b'--xx\r\nContent-Disposition: form-data; name="a"; filename="%d.wav"\r\n\r\n' % place + content + b"\r\n"
        for place in range(2)
    ]
    kind = {"content-type": "multipart/form-data; boundary=xx"}
    assert server.post("/predict", content=b"".join(parts) + b"--xx--\r\n", headers=kind).status_code == 200
    cut = server.post("/predict", content=b"".join(parts)[:-2000], headers=kind)
    assert cut.status_code == 422 and "the form is cut off" in cut.json()["error"]


@pytest.mark.parametrize("charset", ["undefined", "idna", "no-such"])
def test_odd_encodings_of_a_form(server, charset):
    kind = {"content-type": f"multipart/form-data; boundary=xx; charset={charset}"}
    head = b'--xx\r\nContent-Disposition: form-data; name="a"; filename="xn--aaaaaaaaaaaa.wav"\r\n\r\n'
    answered = server.post("/predict", content=head + b"x\r\n--xx--\r\n", headers=kind)
    assert answered.status_code == 422 and answered.json()


def test_a_small_stream_that_holds_hours_is_refused(server, tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("this test needs ffmpeg")
    made = tmp_path / "silence.ogg"
    silence = ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "3000", "-c:a", "libopus", "-b:a", "500"]
    subprocess.run(["ffmpeg", "-v", "error", *silence, "-frame_duration", "60", str(made)], check=True)
    assert made.stat().st_size < 400_000

    async def stream():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/stream", max_size=None) as socket:
            await socket.send(json.dumps({"format": "opus", "windows": 30, "hop": 30}))
            told = [json.loads(await socket.recv())]
            with suppress(websockets.ConnectionClosed):
                await socket.send(made.read_bytes())
                await socket.send('{"end": true}')
                while True:
                    told.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
            return told

    told = asyncio.run(stream())
    assert re.search("more than a minute of the stream waits|times faster than they are spoken", told[-1]["error"])


def test_clients_without_the_key_take_no_place_of_a_stream(model_file):
    started = Server(model_file, "--workers", 1, "--streams", 1, FUSIONSER_API_KEY="secret")

    async def ask():
        address = f"ws://127.0.0.1:{started.port}/stream"
        async with websockets.connect(address), websockets.connect(address) as socket:
            await socket.send(json.dumps({"format": "f32", "sampling_rate": 16000, "key": "secret"}))
            return json.loads(await asyncio.wait_for(socket.recv(), 20))

    try:
        assert asyncio.run(ask())["ready"] is True
    finally:
        started.stop()


def test_an_odd_first_message_gets_a_short_reason(server):
    async def ask():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/stream") as socket:
            await socket.send(json.dumps({"format": "f32", "é" * 200: 1}, ensure_ascii=False))
            with suppress(websockets.ConnectionClosed):
                while True:
                    await asyncio.wait_for(socket.recv(), 20)
            return socket.close_code, socket.close_reason

    code, reason = asyncio.run(ask())
    assert code == 1003 and 0 < len(reason.encode()) <= 123


def test_a_stop_answers_what_is_in_work_and_leaves_nothing(model_file, demo_rows, tmp_path):
    speech = np.concatenate([soundfile.read(file)[0] for file in demo_rows["file"]])
    soundfile.write(tmp_path / "long.wav", speech, 16000)
    (tmp_path / "temporary").mkdir()
    started = Server(model_file, "--workers", 1, TMPDIR=str(tmp_path / "temporary"))
    found = []
    asking = threading.Thread(
        target=lambda: found.append(
            started.post("/predict/timeline?hop=0.1", content=(tmp_path / "long.wav").read_bytes())
        )
    )
    asking.start()
    time.sleep(2)
    began = time.monotonic()
    started.stop()
    asking.join()
    assert time.monotonic() - began < 30
    assert found[0].status_code in (200, 503) and found[0].json()
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "told"),
    [("/predict?abstian=true", "unknown parameter 'abstian'; did you mean 'abstain'?"),
     ("/predict/timeline?window=2", "unknown parameter 'window'; did you mean 'windows'?")],
)  # fmt: skip
def test_misspelt_parameters_are_told(server, clip, path, told):
    answered = server.post(path, content=Path(clip).read_bytes())
    assert answered.status_code == 422 and told in answered.json()["error"]


def test_answers_are_as_the_description_of_the_interface_has_them(server, demo_rows, clip):
    """Every field of real answers is described, and has its type."""
    noise = (0.1 * np.random.default_rng(0).normal(size=32000)).astype(np.float32)
    wav = io.BytesIO()
    soundfile.write(wav, noise, 16000, format="WAV")
    files = [("a", ("x.wav", b"rubbish")), ("b", ("y.wav", Path(clip).read_bytes())), ("c", ("z.wav", wav.getvalue()))]
    for query in ("", "?abstain=true"):
        Answers.model_validate(server.post(f"/predict{query}", files=files).json())
        for content in (Path(clip).read_bytes(), wav.getvalue()):
            TimelineAnswer.model_validate(server.post(f"/predict/timeline{query}", content=content).json())
    Refusal.model_validate(server.post("/predict", content=b"").json())
    paths = server.get("/openapi.json").json()["paths"]
    for path, name in (("/predict", "Answers"), ("/predict/timeline", "TimelineAnswer")):
        answer = paths[path]["post"]["responses"]["200"]["content"]["application/json"]
        assert answer["schema"]["$ref"].endswith(f"/{name}")


def test_clients_are_told_what_they_can_do(server, tmp_path):
    """Not which option of the command line, or parameter of a function, helps."""
    times = np.arange(32000) / 16000
    tone = 0.2 * np.sin(2 * np.pi * 200 * times)
    soundfile.write(tmp_path / "cancelling.wav", np.stack([tone, -tone], axis=1), 16000)
    soundfile.write(tmp_path / "whole.wav", tone, 16000)
    whole = (tmp_path / "whole.wav").read_bytes()
    soundfile.write(tmp_path / "one.ogg", tone, 16000)
    one = (tmp_path / "one.ogg").read_bytes()
    cases = {
        "cancelling": (tmp_path / "cancelling.wav").read_bytes(),
        "cut": whole[: len(whole) // 2],
        "chained": one + one,
    }
    told = {"cancelling": "send one of them", "cut": "get a whole copy", "chained": "convert it to WAV or FLAC"}
    for name, content in cases.items():
        for path in ("/predict", "/predict/timeline"):
            answered = server.post(path, content=content)
            error = answered.json().get("error") or answered.json()["answers"][0]["error"]
            assert answered.status_code == 422 and error.endswith(told[name]) and "--" not in error
    for query in ("windows=0.1", "windows=3&hop=9", "most_unlike=0.5", "abstain=maybe"):
        answered = server.post(f"/predict/timeline?{query}", content=whole)
        assert answered.status_code == 422 and "--" not in answered.json()["error"]


def test_work_for_a_client_that_is_gone_ends(model_file, clip, demo_rows, tmp_path):
    """A single process would otherwise compute the time line for minutes, and nobody else were answered."""
    talk = np.concatenate([soundfile.read(file)[0][::2] for file in demo_rows["file"]])
    soundfile.write(tmp_path / "long.wav", np.resize(talk, 8000 * 900), 8000, subtype="PCM_U8")
    server = Server(model_file, "--workers", 1, "--timeout", 20)
    try:
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                content = (tmp_path / "long.wav").read_bytes()
                httpx.post(f"{server.url}/predict/timeline?windows=30&hop=0.1", content=content, timeout=2)
        assert server.post("/predict", content=Path(clip).read_bytes()).status_code == 200
        assert "fusionser_worker_losses_total 0.0" in server.get("/metrics").text
    finally:
        server.stop()


def test_pages_of_others_cannot_have_it_work(server, clip):
    content = Path(clip).read_bytes()
    for origin in ("http://elsewhere.example", "null", "https://127.0.0.1:1"):
        answered = server.post("/predict", content=content, headers={"origin": origin})
        assert answered.status_code == 403 and "pages of other sites" in answered.json()["error"]
    assert server.post("/predict", content=content, headers={"origin": server.url}).status_code == 200


def test_parameters_that_are_given_twice_and_heads(server, clip):
    answered = server.post("/predict/timeline?windows=2&windows=3", content=Path(clip).read_bytes())
    assert answered.status_code == 422 and "windows is given more than once" in answered.json()["error"]
    for path in ("/", "/health", "/ready", "/page/main.js"):
        answered = httpx.head(f"{server.url}{path}")
        assert answered.status_code == 200 and not answered.content


def test_time_lines_leave_a_process_and_wait_in_a_queue_with_a_limit(model_file, clip, demo_rows, tmp_path):
    talk = np.concatenate([soundfile.read(file)[0][::2] for file in demo_rows["file"]])
    soundfile.write(tmp_path / "long.wav", np.resize(talk, 8000 * 900), 8000, subtype="PCM_U8")
    content = (tmp_path / "long.wav").read_bytes()
    server = Server(model_file, "--workers", 2, "--timeout", 20, "--queue", 1)
    found = []

    def ask():
        with suppress(httpx.TransportError):
            answer = httpx.post(f"{server.url}/predict/timeline?windows=30&hop=0.1", content=content, timeout=30)
            found.append((answer.status_code, answer.json().get("error", "")))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
            time.sleep(1)
        # One is computed, one waits; the others, and nothing else, are refused.
        assert server.post("/predict", content=Path(clip).read_bytes()).status_code == 200
        assert found == [(503, "too many time lines wait already; ask again later")] * 2
    finally:
        server.stop()
        for thread in threads:
            thread.join(60)


def test_control_c_ends_a_service_with_one_word(model_file):
    server = Server(model_file, "--workers", 1)
    server.process.send_signal(signal.SIGINT)
    assert server.process.stderr.read().splitlines()[-1] == "stopped"
    assert server.process.wait(30) == 0
    server.process.stderr.close()
