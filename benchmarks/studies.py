"""A whole study from a cold cache, as a user runs it: six folds, six classifiers, a network trained in every fold."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.measuring import ONE_CORE, Figure
from fusionser.classifiers import CLASSIFIERS

RECIPE = """
title = "Six classifiers on SER-FusionNet's columns"
question = "How long does it take?"
epochs = 30
[[pipelines]]
name = "fusion"
spec.features = { blocks = ["acoustic", "statistics", "gender", "conv1d"], gender = "given" }
classifiers = ["svm", "random-forest", "xgboost", "mlp", "lstm", "bilstm"]
[[corpora]]
corpus = "ravdess"
[[corpora.protocols]]
name = "speaker-kfold"
settings = { folds = 6 }
"""
FOLDS = 6
TRAINED = ("conv1d", *(CLASSIFIERS[name].__name__ for name in ("mlp", "lstm", "bilstm")))
"""What is trained, once a fold: the extractor is the same for all classifiers."""


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the fourth target: a process with all cores, a cache of its own, and what it did."""
    recipe, out = scratch / "recipe.toml", scratch / "out"
    recipe.write_text(RECIPE)
    runs = [_timed(recipe, ravdess, out, scratch / "cache") for _ in range(2)]
    seconds, told = zip(*runs, strict=True)
    results = [json.loads(path.read_text()) for path in sorted((out / "cells").glob("*.json"))]
    first = told[0]
    twice = sum(count - FOLDS * (name in TRAINED) for name, count in first["networks"].items())
    what = f"study of {len(results)} classifiers, {len(results[0]['folds'])} folds"
    alone, together = (
        _timed(recipe, ravdess, scratch / f"out-{workers}", scratch / f"cache-{workers}", "--workers", str(workers))[0]
        for workers in (1, 2)
    )
    return [
        Figure(what=f"{what}, cold", value=round(seconds[0], 1), unit="s", asked=600, at_most=True),
        Figure(what=f"{what}, all known", value=round(seconds[1], 1), unit="s"),
        Figure(what=f"{what}, cold, one worker", value=round(alone, 1), unit="s"),
        Figure(what=f"{what}, cold, two workers", value=round(together, 1), unit="s"),
        Figure(what="one worker over two", value=round(alone / together, 2), unit="times", asked=1.7),
        Figure(
            what="one process with two threads over two workers", value=round(seconds[0] / together, 2), unit="times"
        ),
        Figure(what="features", value=results[0]["seconds"]["features"], unit="s"),
        *(Figure(what=one["classifier"], value=one["seconds"]["evaluation"], unit="s") for one in results),
        Figure(what="clips analysed twice", value=first["clips"] - results[0]["rows"], unit="", asked=0, at_most=True),
        Figure(what="networks trained twice", value=twice, unit="", asked=0, at_most=True),
    ]


def _timed(recipe: Path, ravdess: Path, out: Path, cache: Path, *options: str) -> tuple[float, dict[str, Any]]:
    """Run the study in a new process; return the seconds, and what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ONE_CORE}
    environment["FUSIONSER_CACHE"] = str(cache)
    command = [sys.executable, "-m", "benchmarks.studies", str(recipe), str(ravdess), str(out), *options]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def _run(recipe: str, ravdess: Path, out: str, workers: int | None) -> None:
    """Run the study, and print how many clips were analysed, and how often each network was trained in this process."""
    from fusionser.cache import Cache
    from fusionser.execution import Processes, executing_on, one_core
    from fusionser.networks import training_progress
    from fusionser.pipeline import Resources
    from fusionser.studies.recipe import read_recipe
    from fusionser.studies.study import run_study

    networks: Counter[str] = Counter()
    clips = [0]

    def extracted(done: int, total: int) -> None:
        clips[0] += total if done == total else 0

    def trained(name: str, done: int, most: int) -> None:
        networks[name] += done == 1

    place = nullcontext() if workers is None else executing_on(Processes(workers))
    with training_progress(trained), place, one_core() if workers == 1 else nullcontext():
        run_study(
            read_recipe(recipe),
            {"ravdess": ravdess},
            out,
            resources=Resources(n_jobs=-1, cache=Cache.default()),
            extraction_progress=extracted,
        )
    print(json.dumps({"clips": clips[0], "networks": networks}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("out")
    parser.add_argument("--workers", type=int)
    _run(**vars(parser.parse_args()))
