"""Recordings: damaged files of every format, impossible headers and samples, things that are no files, odd names."""

import io
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fusionser import isolated_decoding, load_model
from fusionser.corpora import list_rows
from fusionser.decoding import decode
from fusionser.errors import AudioError, CorpusError
from torture.area import ANSWERED, REFUSED, Area, expect, generator
from torture.changes import changed

INPUTS = 6000
RATE = 16000
FORMATS = {
    "wav": ("WAV", "PCM_16"), "float.wav": ("WAV", "FLOAT"), "double.wav": ("WAV", "DOUBLE"),
    "u8.wav": ("WAV", "PCM_U8"), "24.wav": ("WAVEX", "PCM_24"), "gsm.wav": ("WAV", "GSM610"),
    "ulaw.wav": ("WAV", "ULAW"), "ima.wav": ("WAV", "IMA_ADPCM"),
    "aiff": ("AIFF", "PCM_16"), "au": ("AU", "PCM_16"), "w64": ("W64", "PCM_16"), "rf64": ("RF64", "PCM_16"),
    "caf": ("CAF", "PCM_16"), "voc": ("VOC", "PCM_16"), "sph": ("NIST", "PCM_16"), "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"),
}  # fmt: skip
FFMPEG = ("m4a", "webm", "wma", "ac3")
LONG_NAME = "x" * 250 + ".wav"
NAMES = (
    "-rf.wav",
    "--help.wav",
    "a\nb.wav",
    "a b .wav",
    "'; rm -rf ~'.wav",
    "$(id).wav",
    "%s%n.wav",
    "ü\u0308.wav",
    LONG_NAME,
    "[red].wav",
    "file:x.wav",
    "http:x.wav",
    "a|b.wav",
    "\x1b[31m.wav",
    "nul\u2028.wav",
    "...wav",
    "a.wav.exe",
    "A.WAV",
    "=1+1.wav",
)


class Audio(Area):
    """One recording each time: predicted, decoded, sometimes listed or decoded apart."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.model = load_model(Path(__file__).parents[1] / "reference" / "wide-svm.fusionser")
        rng = np.random.default_rng(seed)
        time = np.arange(int(0.4 * RATE)) / RATE
        self.samples = (0.3 * np.sin(2 * np.pi * 180 * time) + 0.05 * rng.normal(size=time.size)).astype(np.float32)
        self.contents = {suffix: _encoded(self.samples, *kind) for suffix, kind in FORMATS.items()}
        if shutil.which("ffmpeg"):
            self.contents |= {suffix: self._by_ffmpeg(suffix) for suffix in FFMPEG}

    def _by_ffmpeg(self, suffix: str) -> bytes:
        source, target = self.folder / "source.wav", self.folder / f"encoded.{suffix}"
        source.write_bytes(self.contents["wav"])
        command = ["ffmpeg", "-loglevel", "error", "-y", "-i", str(source), "-ar", "48000", str(target)]
        subprocess.run(command, check=True)
        content = target.read_bytes()
        source.unlink()
        target.unlink()
        return content

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        place = self.folder / str(number)
        place.mkdir()
        try:
            return self._judged(KINDS[int(rng.integers(len(KINDS)))](self, place, rng), number)
        finally:
            shutil.rmtree(place)

    def _judged(self, file: Path, number: int) -> str:
        answer: dict[str, Any] = self.model.predict([file]).iloc[0].to_dict()
        chances = [value for name, value in answer.items() if name.startswith("probability_")]
        if answer["error"]:
            expect(bool(np.isnan(chances).all()) and answer["emotion"] == "", "an error and an answer")
        else:
            expect(abs(sum(chances) - 1) < 1e-6 and min(chances) >= 0, f"probabilities {chances}")
        if number % 5 == 0:
            self._agree(file, answer["error"])
        return REFUSED if answer["error"] else ANSWERED

    def _agree(self, file: Path, refused: str) -> None:
        """Expect the same answer from all that read recordings."""
        here = _outcome(lambda: decode(file))
        with isolated_decoding():
            expect(_outcome(lambda: decode(file)) == here, "decoded apart, it is another recording")
        try:
            rows = list_rows(file.parent, "folders", "{emotion}").rows if file.parent.is_dir() else []
        except CorpusError:
            rows = []
        # Damage in the middle of compressed audio is only found by decoding, and listing reads headers.
        if isinstance(here, str) and "cut off" in here and "can be decoded" not in here:
            expect(len(rows) == 0, f"listed, but refused: {here}")
        if isinstance(here, str):
            expect(refused != "", f"predicted, but not decoded: {here}")


def _outcome(read: Callable[[], Any]) -> Any:
    try:
        samples, rate = read()
    except AudioError as error:
        return str(error)
    return rate, samples.tobytes()


def _encoded(samples: np.ndarray[Any, Any], kind: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    rate = 48000 if subtype == "OPUS" else RATE
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def _wave(header: tuple[int, int, int, int], data: bytes, size: int | None = None) -> bytes:
    """Return a WAV file with any format, number of channels, rate and bits."""
    kind, channels, rate, bits = header
    align = max(channels * bits // 8, 1) & 0xFFFF
    described = struct.pack("<HHIIHH", kind, channels, rate, (rate * align) & 0xFFFFFFFF, align, bits)
    size = len(data) if size is None else size
    body = b"WAVEfmt " + struct.pack("<I", 16) + described + b"data" + struct.pack("<I", size & 0xFFFFFFFF) + data
    return b"RIFF" + struct.pack("<I", (len(body)) & 0xFFFFFFFF) + body


def damaged(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    suffix = sorted(area.contents)[int(rng.integers(len(area.contents)))]
    file = place / f"clip.{suffix}"
    file.write_bytes(changed(area.contents[suffix], rng))
    return file


def cut_at_a_boundary(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    """Cut just before, at, or after something that looks like the identifier of a chunk."""
    suffix = sorted(area.contents)[int(rng.integers(len(area.contents)))]
    content = area.contents[suffix]
    marks = (
        b"RIFF",
        b"fmt ",
        b"data",
        b"FORM",
        b"COMM",
        b"SSND",
        b"OggS",
        b"caff",
        b"desc",
        b"fact",
        b"ds64",
        b"moov",
        b"mdat",
        b"\xff\xfb",
    )
    places = [at for mark in marks for at in _all_of(content, mark)] or [0]
    at = int(rng.choice(places)) + int(rng.integers(-2, 12))
    file = place / f"clip.{suffix}"
    file.write_bytes(content[: max(at, 0)])
    return file


def _all_of(content: bytes, mark: bytes) -> list[int]:
    found, at = [], content.find(mark)
    while at >= 0 and len(found) < 50:
        found.append(at)
        at = content.find(mark, at + 1)
    return found


def impossible_header(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    kind = int(rng.choice([0, 1, 1, 1, 2, 3, 6, 7, 17, 49, 85, 0xFFFE, 0xFFFF]))
    channels = int(rng.choice([0, 1, 2, 3, 8, 32, 255, 1024, 65535]))
    rate = int(rng.choice([0, 1, 7, 999, 1000, 8000, 44100, 192000, 384000, 400000, 2**31 - 1, 2**32 - 1]))
    bits = int(rng.choice([0, 1, 4, 8, 12, 16, 24, 32, 64, 65535]))
    size = int(rng.choice([-1, 0, 1, 100, 2**31, 2**32 - 1]))
    data = area.contents["wav"][44 : 44 + int(rng.integers(0, 9000))]
    file = place / "header.wav"
    file.write_bytes(_wave((kind, channels, rate, bits), data, None if size == -1 else size))
    return file


def impossible_samples(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    samples = area.samples.astype(np.float64)
    value = float(rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e30, 1e300, 32768.0, 9.0, 1e-40, 5e-324, 0.0]))
    if rng.random() < 0.5:
        samples[rng.integers(0, samples.size, int(rng.integers(1, 50)))] = value
    else:
        samples *= value
    file = place / "samples.wav"
    with np.errstate(over="ignore"):
        soundfile.write(file, samples, RATE, subtype=str(rng.choice(["FLOAT", "DOUBLE"])))
    return file


def strange_shape(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    """Write very few samples, very many channels, or constant, clipped, or alternating ones."""
    channels = int(rng.choice([1, 2, 5, 9, 64]))
    count = int(rng.choice([0, 1, 2, 10, 400, 2000, 8000]))
    shape = str(rng.choice(["noise", "constant", "clipped", "alternating", "impulse", "antiphase"]))
    samples = rng.normal(size=(count, channels)) * 0.2
    if shape == "constant":
        samples[:] = 0.5
    elif shape == "clipped":
        samples = np.sign(samples)
    elif shape == "alternating":
        samples[:] = np.where(np.arange(count) % 2, 1.0, -1.0)[:, None]
    elif shape == "impulse":
        samples[:] = 0
        samples[:1] = 1
    elif shape == "antiphase" and channels > 1:
        samples[:, 1:] = -samples[:, :1] / (channels - 1)
    file = place / "shape.wav"
    soundfile.write(file, samples, int(rng.choice([8000, 16000, 44100, 96000])), subtype="PCM_16")
    return file


def bomb(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    """Write a small file of much silence, rarely: it takes time."""
    if rng.random() > 0.03:
        return damaged(area, place, rng)
    file = place / "bomb.flac"
    seconds, rate, channels = (
        int(rng.choice([60, 300, 890, 1200])),
        int(rng.choice([8000, 48000, 192000])),
        int(rng.choice([1, 2, 8])),
    )
    with soundfile.SoundFile(file, "w", rate, channels, "PCM_16") as sound:
        block = np.zeros((rate, channels), dtype=np.int16)
        for _ in range(seconds):
            sound.write(block)
    return file


def no_file(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    file = place / "thing.wav"
    what = int(rng.integers(9))
    if what == 0:
        os.mkfifo(file)
    elif what == 1:
        file.symlink_to(file)
    elif what == 2:
        file.mkdir()
    elif what == 3:
        file.symlink_to("/dev/zero")
    elif what == 4:
        file.symlink_to("absent.wav")
    elif what == 5:
        file.write_bytes(b"")
    elif what == 6:
        file.write_bytes(rng.bytes(int(rng.integers(1, 5000))))
    elif what == 7:
        file.write_text(
            str(
                rng.choice(
                    ["<html>", "PK\x03\x04", "%PDF-1.7", "ID3", "RIFF", "OggS", "fLaC", "#!AMR\n", "\0\0\0\x20ftypM4A "]
                )
            )
        )
    return file


def odd_name(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    name = str(rng.choice(NAMES)) if rng.random() < 0.8 else os.fsdecode(b"\xff\xfe\xe4.wav")
    file = place / name
    file.write_bytes(area.contents["wav"] if rng.random() < 0.7 else changed(area.contents["wav"], rng))
    return file


def wrong_suffix(area: Audio, place: Path, rng: np.random.Generator) -> Path:
    kinds = sorted(area.contents)
    file = place / f"clip.{rng.choice(kinds)}"
    content = area.contents[str(rng.choice(kinds))]
    file.write_bytes(content + (area.contents[str(rng.choice(kinds))] if rng.random() < 0.3 else b""))
    return file


KINDS = (
    damaged, damaged, damaged, damaged, damaged, cut_at_a_boundary, cut_at_a_boundary, impossible_header,
    impossible_samples, strange_shape, bomb, no_file, odd_name, wrong_suffix,
)  # fmt: skip
AREA = Audio
