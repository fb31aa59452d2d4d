"""Export models of every kind as ONNX files: `python -m benchmarks.onnx_export [--only NAME]`, on one core.

Each model is fitted to some speakers of RAVDESS, for an epoch if it is a network, and compared on recordings of others.
Files that begin with the waveform are also run in Chromium. What is stored for one is not measured again.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soxr

from benchmarks.browser import browser, timed
from benchmarks.measuring import ONE_CORE
from fusionser.corpora import list_rows
from fusionser.decoding import decode
from fusionser.errors import FusionserError
from fusionser.export import export_onnx
from fusionser.files import write_text
from fusionser.jobs import fit
from fusionser.model import Model, OnnxModel, load_onnx
from fusionser.registry import CLASSIFIERS, NETWORKS
from fusionser.reporting.web_page import write_pages
from fusionser.results import provenance
from fusionser.spec import PipelineSpec

FITTED = ("ravdess/01", "ravdess/02", "ravdess/03", "ravdess/04")
TIMED, ROUNDS, IN_BROWSER = 16, 3, 4
CORE = " ".join(f"{name}={value}" for name, value in ONE_CORE.items())
COMMAND = f"{CORE} python -m benchmarks.onnx_export"

HEAD = """# Models as ONNX files

Each model was fitted to four speakers of RAVDESS, networks for one epoch: this compares files with models, and says
nothing about scores. {clips} recordings of other speakers were compared. A file is written only if all answers are the
same, and no probability differs by more than 0.0001. *Begins with* is what the file takes as its input: the
waveform, or columns or maps that a program computes first. *MB* is the size of the file. *Ratio* is the time of the
model divided by that of ONNX Runtime. Times are processor time for one clip, from a file to
probabilities: the median on one core, with the description of the recording that tells how unlike the training
recordings it is. The last columns are for Chromium, with ONNX Runtime Web on one thread: elapsed time from a decoded
clip to probabilities, without that description, and the largest difference from the model.

| model | begins with | MB | largest difference | model, ms | ONNX Runtime, ms | ratio | browser, ms | difference |
|---|---|---|---|---|---|---|---|---|
"""


def specs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the specification of each model."""
    for preset in ("fusionnet", "robust", "wide", "ser-fusionnet"):
        heads = CLASSIFIERS if preset != "wide" else ("svm",)
        for name in heads:
            brief = {"epochs": 1} if name in ("mlp", "lstm", "bilstm") else {}
            spec: dict[str, Any] = {"features": {"preset": preset}, "classifier": {"name": name, "parameters": brief}}
            if preset == "fusionnet":
                spec["features"]["gender"] = "none"
            if preset == "ser-fusionnet":
                spec["features"]["gender"] = "given"
                spec["networks"] = {"epochs": 1}
            yield f"{preset}, {name}", spec
    for network in NETWORKS:
        yield network, {"features": {"blocks": [network]}, "fusion": "average", "networks": {"epochs": 1}}


def measure(name: str, spec: dict[str, Any], rows: pd.DataFrame, folder: Path, page: Any) -> dict[str, Any]:
    """Fit, export and time one model, in a page of a browser too."""
    trained, others = rows[rows["speaker"].isin(FITTED)], rows[~rows["speaker"].isin(FITTED)]
    trained.to_csv(folder / "rows.csv", index=False)
    model = fit(folder / "rows.csv", PipelineSpec(**spec), protocol=None)
    path = folder / f"{name.replace(', ', '-')}.onnx"
    try:
        card = export_onnx(model, path, clips=others)
    except FusionserError as error:
        return {"name": name, "error": str(error)}
    some = others.iloc[:: len(others) // TIMED][:TIMED]
    loaded = load_onnx(path)
    spent = _milliseconds(some, {"model": model.predict, "onnx": loaded.predict})
    return {
        "name": name,
        "begins": "waveform" if card.whole else ", ".join(item.name for item in card.inputs),
        "because": card.because,
        "bytes": path.stat().st_size,
        **card.agreement.model_dump(),
        **spent,
        **(_in_browser(page, path, some.iloc[:IN_BROWSER], loaded, model) if card.whole and page else {}),
    }


def _in_browser(page: Any, path: Path, rows: pd.DataFrame, loaded: OnnxModel, model: Model) -> dict[str, float]:
    """Return the milliseconds in a browser, and the largest difference from the model, on decoded clips."""
    if model.needs_gender:
        return {}
    rate = int(loaded.onnx_card.sampling_rate or 0)
    decoded = [decode(file) for file in rows["file"]]
    clips = [soxr.resample(samples, own, rate).astype(np.float32) for samples, own in decoded]
    spent, answers = timed(page, path, clips)
    expected = model.predict([(clip, rate) for clip in clips])
    names = [f"probability_{label}" for label in model.card.classes]
    return {"browser": spent, "browser_difference": float(np.abs(answers - expected[names].to_numpy(float)).max())}


def _milliseconds(rows: pd.DataFrame, contestants: dict[str, Callable[[pd.DataFrame], Any]]) -> dict[str, float]:
    """Return the median time of each contestant for a clip; they take turns."""
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(ROUNDS + 1):
        for place in range(len(rows)):
            row = rows.iloc[place : place + 1]
            for name, predict in contestants.items():
                began = time.process_time_ns()
                predict(row)
                spent[name] += [(time.process_time_ns() - began) / 1e6] if turn else []
    return {name: float(pd.Series(values).median()) for name, values in spent.items()}


def write_page(folder: Path) -> Path:
    """Write the page from the figures that are kept."""
    found = [json.loads(file.read_text()) for file in sorted((folder / "figures").glob("*.json"))]
    figures = {one["figure"]["name"]: one["figure"] for one in found}
    ordered = [figures[name] for name, _ in specs() if name in figures]
    ordered += [figure for name, figure in figures.items() if name not in dict(specs())]
    clips = max(one.get("clips", 0) for one in ordered)
    lines = [_line(one) for one in ordered if "error" not in one]
    reasons: dict[str, list[str]] = {}
    for one in ordered:
        if because := one.get("because"):
            reasons.setdefault(because, []).append(one["name"])
    text = [HEAD.format(clips=clips) + "\n".join(lines)]
    text.append("\n## Why some do not begin with the waveform\n")
    text += [f"- {'; '.join(named)}: {because}" for because, named in reasons.items()]
    if refused := [one for one in ordered if "error" in one]:
        text.append("\n## Not exported\n")
        text += [f"- {one['name']}: {one['error']}" for one in refused]
    made = found[0]["provenance"]
    commits = ", ".join(sorted({one["provenance"]["commit"] for one in found}))
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    text.append(f"\n`{COMMAND}`; commit {commits}; {made['machine']}; {made['date']}; {versions}.")
    return write_pages(folder, "\n".join(text) + "\n")


def _line(one: dict[str, Any]) -> str:
    begins = "waveform" if one["begins"] == "waveform" else "columns or maps"
    return (
        f"| {one['name']} | {begins} | {one['bytes'] / 1e6:.2f} | {one['largest_difference']:.0e} | {one['model']:.1f} "
        f"| {one['onnx']:.1f} | {one['model'] / one['onnx']:.1f} "
        + (f"| {one['browser']:.0f} | {one['browser_difference']:.0e} |" if "browser" in one else "| - | - |")
    )


def main() -> None:
    import os
    import tempfile

    parser = argparse.ArgumentParser(prog="python -m benchmarks.onnx_export", description=__doc__)
    parser.add_argument("--ravdess", type=Path, default=Path(os.environ.get("FUSIONSER_DATA", "")) / "ravdess")
    parser.add_argument("--out", type=Path, default=Path("reports/export"))
    parser.add_argument("--only", action="append", default=[])
    given = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_CORE.items()):
        parser.error(f"set {CORE}, for times on one core")
    os.environ["FUSIONSER_CACHE"] = "off"
    rows = list_rows(given.ravdess, "ravdess").rows
    with tempfile.TemporaryDirectory() as scratch, browser(Path(scratch)) as page:
        for name, spec in specs():
            kept = given.out / "figures" / f"{name.replace(', ', '-')}.json"
            if kept.exists() or (given.only and name not in given.only):
                continue
            figure = measure(name, spec, rows, Path(scratch), page)
            write_text(kept, json.dumps({"figure": figure, "provenance": provenance()}, indent=1) + "\n")
            print(name, figure.get("error", figure.get("largest_difference")), flush=True)
    print(write_page(given.out))


if __name__ == "__main__":
    main()
