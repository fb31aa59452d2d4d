"""Tables of rows: damaged CSV and Parquet files, strange columns and values, other encodings and separators."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from fusionser import load_model
from fusionser.corpora import list_rows
from fusionser.rows import read_table, write_table
from torture.area import ANSWERED, Area, expect, generator
from torture.changes import changed

INPUTS = 1500
VALUES: tuple[Any, ...] = (
    "",
    " ",
    "nan",
    "NaT",
    "None",
    None,
    np.nan,
    np.inf,
    -np.inf,
    0,
    -1,
    1e308,
    -1e-300,
    2**63,
    True,
    "1,5",
    "0:00:01",
    "angry;happy",
    "=cmd|' /C calc'!A0",
    "<script>",
    "a\nb",
    "a\x00b",
    "\udce4",
    "é",
    "e\u0301",
    "ANGRY ",
    "x" * 10_000,
    b"bytes",
    [1, 2],
    {"a": 1},
    pd.Timestamp(0),
    pd.Timedelta(1),
    "../../etc/passwd",
    "/dev/zero",
    "http://x/a.wav",
    "%s",
    "\ufeff",
)
COLUMNS = (
    "file",
    "start",
    "end",
    "emotion",
    "speaker",
    "gender",
    "corpus",
    "source",
    "augmentation",
    "audio_channel",
    "audio",
    "extracted",
    "mfcc__x",
    "@x",
    "",
    "file",
)


class Tables(Area):
    """One table each time: read, listed, written and read again, and sometimes predicted."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.model = load_model(Path(__file__).parents[1] / "reference" / "wide-svm.fusionser")
        noise = 0.1 * np.random.default_rng(seed).normal(size=6400)
        for name in ("a", "b"):
            soundfile.write(folder / f"{name}.wav", noise, 16000)
        self.table = pd.DataFrame(
            {
                "file": ["a.wav", "b.wav"] * 4,
                "start": [0.0, 0.1] * 4,
                "end": [0.4, 0.3] * 4,
                "emotion": ["sad", "happy"] * 4,
                "speaker": list("wxyzwxyz"),
                "gender": ["female", "male"] * 4,
                "note": range(8),
            }
        )

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        place = self.folder / str(number)
        place.mkdir()
        try:
            for name in ("a.wav", "b.wav"):
                (place / name).symlink_to(self.folder / name)
            return self._read(MAKERS[int(rng.integers(len(MAKERS)))](self, place, rng), number)
        finally:
            shutil.rmtree(place)

    def _read(self, file: Path, number: int) -> str:
        rows = read_table(file)
        expect(len(rows) <= 100, "rows out of nowhere")
        expect(
            bool((rows["file"].str.strip() != "").all() and np.isfinite(rows["start"]).all()), "rows without a place"
        )
        again = file.with_name("again.csv")
        write_table(rows, again)
        expect(read_table(again)["file"].tolist() == rows["file"].tolist(), "written and read again, its files differ")
        list_rows(file)
        if number % 3 == 0:
            answers = self.model.predict(rows)
            expect(len(answers) == len(rows), "not one answer for each row")
            right = answers["probability"].notna() == (answers["error"] == "")
            expect(bool(right.all()), "neither an answer nor an error")
        return ANSWERED


def damaged_text(area: Tables, place: Path, rng: np.random.Generator) -> Path:
    separator, encoding = (
        str(rng.choice([",", ";", "\t", "|"])),
        str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"])),
    )
    content = area.table.to_csv(index=bool(rng.random() < 0.2), sep=separator).encode(encoding)
    file = place / str(rng.choice(["t.csv", "t.CSV", "t.tsv"]))
    file.write_bytes(changed(content, rng) if rng.random() < 0.8 else content)
    return file


def damaged_parquet(area: Tables, place: Path, rng: np.random.Generator) -> Path:
    buffer = io.BytesIO()
    area.table.to_parquet(buffer)
    file = place / "t.parquet"
    file.write_bytes(changed(buffer.getvalue(), rng))
    return file


def strange_values(area: Tables, place: Path, rng: np.random.Generator) -> Path:
    table = area.table.astype(object)
    for _ in range(int(rng.integers(1, 6))):
        name = str(rng.choice(COLUMNS))
        values = [VALUES[int(rng.integers(len(VALUES)))] for _ in range(len(table))] if rng.random() < 0.3 else None
        column = table[name].iloc[:, 0] if name in table and isinstance(table[name], pd.DataFrame) else table.get(name)
        column = [None] * len(table) if column is None else list(column)
        column[int(rng.integers(len(column)))] = VALUES[int(rng.integers(len(VALUES)))]
        table[name] = pd.Series(values or column, dtype=object)
    if rng.random() < 0.3:
        table = table.drop(columns=str(rng.choice(area.table.columns)))
    if rng.random() < 0.2:
        table = table.iloc[:0]
    file = place / "t.csv"
    try:
        if rng.random() < 0.5:
            file = place / "t.parquet"
            table.to_parquet(file)
        else:
            table.to_csv(file, index=False)
    except Exception:
        # Parquet and UTF-8 do not take each of these values.
        file = place / "t.csv"
        file.write_text(repr(table.to_dict("list")), errors="replace")
    return file


def other_file(area: Tables, place: Path, rng: np.random.Generator) -> Path:
    file = place / str(rng.choice(["t.csv", "t.parquet"]))
    contents = (
        b"",
        b"\n",
        b",",
        b"file",
        b"file\n",
        rng.bytes(500),
        b'"',
        b"file\n" + b'"' * 3,
        b"a" * 200_000,
        b"PAR1",
        b"\xff\xfe",
        b"file,file\na,b",
    )
    file.write_bytes(contents[int(rng.integers(len(contents)))])
    return file


MAKERS = (damaged_text, damaged_text, damaged_parquet, strange_values, strange_values, other_file)
AREA = Tables
