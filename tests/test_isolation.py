"""Decoding apart: the same samples, and what happens when the decoder crashes, hangs, or asks for too much."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT, tone

from fusionser import isolation
from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError
from fusionser.isolation import ask_decoder, is_isolated, isolated_decoding

MODEL = ROOT / "tests" / "reference" / "wide-svm.fusionser"
NOISE = (0.1 * np.random.default_rng(0).normal(size=24000)).astype(np.float32)

PLANTED = """
import os, resource, signal, sys, time
if os.environ.get("FUSIONSER_CACHE") is None:
    import soundfile
    class Planted(soundfile.SoundFile):
        def __init__(self, file, *given, **named):
            # Recordings are opened without their names.
            file_path = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else str(file)
            name = os.path.basename(file_path)
            if name.startswith("crash"):
                os.kill(os.getpid(), signal.SIGSEGV)
            if name.startswith("hang"):
                time.sleep(600)
            if name.startswith("program"):
                import subprocess
                child = subprocess.Popen(["sleep", "600"])
                # A link is no file, whose size is limited.
                os.symlink(str(child.pid), os.path.join(os.path.dirname(file_path), "pid"))
                time.sleep(600)
            if name.startswith("chatter"):
                os.write(1, b"libmpg123: warning" * 1000)
            if name.startswith("write"):
                os.write(os.open(os.path.join(os.path.dirname(file_path), "written"), os.O_CREAT | os.O_WRONLY), b"x")
            super().__init__(file, *given, **named)
    soundfile.SoundFile = Planted
"""
"""What a library with a fault does to its process. It is only planted in the decoder, which gets few variables."""


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A decoder whose libsndfile has faults; the folder of recordings."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("the planted faults look up the names of open files")
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "sitecustomize.py").write_text(PLANTED)
    paths = [str(tmp_path / "planted"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    isolation._stop()
    (tmp_path / "clips").mkdir()
    for name in ("crash", "good", "hang", "chatter", "write", "program"):
        # libsndfile does not read files of 16 bits.
        soundfile.write(tmp_path / "clips" / f"{name}.wav", NOISE, 16000, subtype="PCM_24")
    yield tmp_path / "clips"
    isolation._stop()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_the_samples_are_the_same(tmp_path, suffix):
    file = tmp_path / f"clip.{suffix}"
    soundfile.write(file, np.stack([tone(440, 1.0, 16000), tone(300, 1.0, 16000)], axis=1), 16000)
    for place in ((), (0.25, 0.75), (0.1, None, 2)):
        expected, rate = decode(file, *place)
        with isolated_decoding():
            samples, own = decode(file, *place)
        np.testing.assert_array_equal(samples, expected)
        assert own == rate == 16000
    with isolated_decoding():
        assert is_isolated() and duration_of(file) == pytest.approx(1.0, abs=0.05)
    assert not is_isolated()


def test_errors_are_the_same(tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    for file in (tmp_path / "text.wav", tmp_path / "absent.wav", tmp_path):
        with pytest.raises(AudioError) as apart, isolated_decoding():
            decode(file)
        with pytest.raises(AudioError) as here:
            decode(file)
        assert str(apart.value) == str(here.value)


def test_a_crash_costs_one_recording(faulty):
    with isolated_decoding():
        for _ in range(2):
            with pytest.raises(AudioError, match=r"crash.wav: the decoder ended without an answer \(SIGSEGV\)"):
                decode(faulty / "crash.wav")
            np.testing.assert_allclose(decode(faulty / "good.wav")[0], NOISE, atol=1e-4)


def test_one_that_hangs_is_stopped(faulty, monkeypatch):
    monkeypatch.setattr(isolation, "SECONDS", 5.0)
    begun = time.monotonic()
    with isolated_decoding():
        with pytest.raises(AudioError, match=r"hang.wav: decoding took more than 5 s; convert it"):
            decode(faulty / "hang.wav")
        assert time.monotonic() - begun < 60
        assert decode(faulty / "good.wav")[1] == 16000


def test_a_program_that_it_started_ends_with_it(faulty, monkeypatch):
    monkeypatch.setattr(isolation, "SECONDS", 5.0)
    with isolated_decoding(), pytest.raises(AudioError, match=r"program.wav: decoding took more than 5 s"):
        decode(faulty / "program.wav")
    started = Path("/proc") / (faulty / "pid").readlink() / "stat"
    deadline = time.monotonic() + 30
    # One that ended may wait for its parent to look.
    while started.exists() and started.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert time.monotonic() < deadline


def test_what_libraries_print_is_not_taken_for_samples(faulty, capfd):
    with isolated_decoding():
        samples, _ = decode(faulty / "chatter.wav")
    np.testing.assert_allclose(samples, NOISE, atol=1e-4)
    assert capfd.readouterr() == ("", "")


def test_the_decoder_writes_no_files(faulty):
    with isolated_decoding(), pytest.raises(AudioError, match=r"write.wav: .*File too large"):
        decode(faulty / "write.wav")
    assert (faulty / "written").stat().st_size == 0


def test_too_much_memory(tmp_path, monkeypatch):
    file = tmp_path / "long.flac"
    soundfile.write(file, np.zeros(96000 * 880, dtype=np.int16), 96000, subtype="PCM_16")
    monkeypatch.setattr(isolation, "MEMORY", 512 * 2**20)
    isolation._stop()
    try:
        with isolated_decoding(), pytest.raises(AudioError, match="too much memory|ended without an answer"):
            decode(file)
    finally:
        isolation._stop()
    monkeypatch.undo()
    with isolated_decoding():
        assert decode(file)[0].size == 96000 * 880


@pytest.mark.parametrize(
    "answer",
    [b"", b"no JSON\n", b"[]\n", b'{"count": -1}\n', b'{"count": 1e300}\n', b"x" * 100_000, b'{"count": 4}\n1234'],
)
def test_a_decoder_that_was_taken_over(tmp_path, monkeypatch, answer):
    isolation._stop()
    (tmp_path / "fusionser").mkdir()
    (tmp_path / "fusionser" / "__init__.py").write_text("")
    (tmp_path / "fusionser" / "decoder.py").write_text(
        f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({answer!r})"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(AudioError, match="the decoder ended without an answer"):
        ask_decoder("a.wav", "decode")
    isolation._stop()


@pytest.mark.parametrize(
    "stated", [{}, {"rate": None}, {"rate": "16000"}, {"rate": -1, "seconds": 0}, {"seconds": 1e999}]
)
def test_a_decoder_that_states_nonsense(monkeypatch, stated):
    monkeypatch.setattr("fusionser.decoding.ask_decoder", lambda *given, **more: (stated, NOISE))
    with isolated_decoding():
        with pytest.raises(AudioError, match="a.wav: the decoder gave no rate"):
            decode("a.wav")
        with pytest.raises(AudioError, match="a.wav: the decoder gave no seconds"):
            duration_of("a.wav")


@pytest.mark.parametrize("jobs", [1, 2])
def test_on_the_command_line(command, faulty, jobs):
    for place in range(60):
        (faulty / f"more-{place:02}.wav").write_bytes((faulty / "good.wav").read_bytes())
    for name in ("hang", "write", "program"):
        (faulty / f"{name}.wav").unlink()
    answers = command(
        "predict", MODEL, faulty, "--isolate", "--jobs", jobs, "--json", env={"LOKY_MAX_CPU_COUNT": "2"}
    ).json
    assert len(answers) == 63
    failed = {Path(answer["file"]).name: answer["error"] for answer in answers if answer["error"]}
    assert list(failed) == ["crash.wav"] and "the decoder ended" in failed["crash.wav"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_extract_and_check_decode_apart_too(command, faulty, tmp_path, jobs):
    for seed, emotion in enumerate(("sad", "happy")):
        (tmp_path / "tree" / emotion).mkdir(parents=True)
        for place in range(30):
            noise = 0.1 * np.random.default_rng(100 * seed + place).normal(size=8000)
            soundfile.write(tmp_path / "tree" / emotion / f"{place:02}.wav", noise, 16000)
    (tmp_path / "tree" / "sad" / "crash.wav").write_bytes((faulty / "good.wav").read_bytes())
    given = [tmp_path / "tree", "--isolate", "--json"]
    # A crash while it is listed, which reads only headers, sets it aside as well.
    checked = command("corpora", "check", "folders", *given).json
    assert checked["recordings"] == 60 and [Path(one["file"]).name for one in checked["unusable"]] == ["crash.wav"]
    done = command(
        "extract", *given, "--corpus", "folders", "--blocks", "zcr", "--jobs", jobs, "--out", tmp_path / "f.parquet",
        env={"LOKY_MAX_CPU_COUNT": "2"},
    )  # fmt: skip
    assert done.json["rows"] == 60 and "the decoder ended" in done.json["quarantine"][0]["reason"]


@pytest.mark.parametrize("more", [["--jobs", 2], ["--isolate"], ["--jobs", 2, "--isolate"]])
def test_modules_in_the_working_folder_are_not_run(command, tmp_path, more):
    (tmp_path / "clips").mkdir()
    for place in range(60):
        soundfile.write(tmp_path / "clips" / f"{place:02}.wav", NOISE, 16000)
    for name in ("joblib", "numpy", "pickle", "random", "fusionser", "soundfile", "multiprocessing", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run-code')!r}, 'w').close()")
    out = tmp_path / "answers.csv"
    done = command("predict", MODEL, "clips", *more, "--out", out, cwd=tmp_path, env={"LOKY_MAX_CPU_COUNT": "2"})
    assert done.status == 0 and len(out.read_text().splitlines()) == 61
    assert not (tmp_path / "run-code").exists()


def test_isolating_ends_with_the_command(command, saved, demo_rows):
    """Nothing is printed when the interpreter ends."""
    done = command("predict", saved["svm"], demo_rows["file"].iloc[0], "--isolate", "--json")
    assert done.status == 0 and done.messages == ""


@pytest.mark.skipif(
    not hasattr(os, "getppid") or os.name != "posix", reason="needs processes that outlive their parent"
)
def test_a_decoder_ends_when_its_parent_was_killed(tmp_path):
    """Also while it is decoding, when it does not read the pipe that was closed."""
    code = (
        "import subprocess, sys\n"
        "text = 'from fusionser.limits import end_with_parent; import time; end_with_parent(0.1); time.sleep(60)'\n"
        "child = subprocess.Popen([sys.executable, '-c', text])\n"
        "print(child.pid, flush=True)\n"
        "import time; time.sleep(3)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    child = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        # Nobody may be left to collect it.
        if Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split(") ")[1][0] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("it goes on")


def test_limits_are_never_above_those_of_the_process(tmp_path):
    """As a batch system sets them; raising one is an error, which would cost every recording."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "from fusionser.limits import limit_process; limit_process(NOFILE=64, CORE=0)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "(40, 40) (0, 0)"
