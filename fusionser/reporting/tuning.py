"""The page and the pictures of a search for parameters."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from fusionser.files import remove_files
from fusionser.registry import CORPORA
from fusionser.reporting.drawing import Figure
from fusionser.reporting.figures import COLORS, plain, save_figure
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import render
from fusionser.reporting.tables.tuning import parameters_text, tuning_tables
from fusionser.reporting.web_page import write_pages
from fusionser.reporting.words import corpora_text, percent
from fusionser.rows import write_table
from fusionser.spec import Config, ParameterSearch, ProtocolSpec
from fusionser.tuning import TuningResult
from fusionser.tuning.result import COMPLETE

__all__ = ["headline", "history_figure", "optimism", "parameters_text", "tuning_page", "write_tuning"]

FILES = ("best.toml", "trials.csv", "tuning.json", "report.md", "report.html", "history.png")


def headline(result: TuningResult) -> str:
    """Return the best parameters and their score in one sentence."""
    before, best = result.before, result.best
    text = f"The best of {len(result.trials)} trials has an inner UAR of {percent(best.score or 0.0)} %"
    if before is not None:
        text += f"; with the parameters before the search it is {percent(before.score or 0.0)} %"
    return f"{text}. Parameters: {parameters_text(best)}."


def optimism(result: TuningResult) -> str:
    """Return why the inner score is too high, and how to get one that is not."""
    mixed = " on folds by clip, with speakers on both sides," if result.by_clip else ""
    chosen = f"The inner UAR{mixed} chose the best of {len(result.trials)} trials, so it is too high for new speakers"
    if result.left_out:
        return f"{chosen}; 'fusionser evaluate --config best.toml' tests the speakers that the search did not see."
    return (
        f"{chosen}, and so are scores of best.toml on these recordings; for a score to report, search with "
        "--leave-out-speakers, and evaluate on these."
    )


def history_figure(result: TuningResult) -> Figure:
    """Draw the inner UAR of each trial, and the best one so far."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    complete = [trial for trial in result.trials if trial.state == COMPLETE]
    pruned = [trial for trial in result.trials if trial.state != COMPLETE and trial.score is not None]
    numbers, scores = ([trial.number for trial in complete], [100 * (trial.score or math.nan) for trial in complete])
    axes.plot(numbers, scores, "o", color=COLORS[0], markersize=4, label="all inner folds")
    if pruned:
        shares = [100 * (trial.score or math.nan) for trial in pruned]
        axes.plot([trial.number for trial in pruned], shares, "x", color="gray", markersize=4, label="pruned")
    axes.step(numbers, np.maximum.accumulate(scores), where="post", color=COLORS[2], label="best so far")
    axes.set(xlabel=plain("trial"), ylabel="inner UAR, %")
    axes.grid(linewidth=0.4)
    axes.legend(fontsize=8)
    return figure


def tuning_page(result: TuningResult) -> str:
    """Return the Markdown page of a search."""
    tables, result = tuning_tables(result), escaped(result)
    return render(
        "tuning.md.j2",
        result=result,
        tables=tables,
        headline=headline(result),
        optimism=optimism(result),
        corpora=corpora_text(result.corpora),
        pruned=sum(trial.state != COMPLETE for trial in result.trials),
        synthetic=any(CORPORA[name].card.synthetic for name in result.corpora if name in CORPORA),
    )


def write_tuning(result: TuningResult, config: Config, folder: str | Path, formats: Formats = PAGE_ONLY) -> Path:
    """Write ``best.toml``, ``trials.csv``, ``tuning.json``, the page and its picture.

    Parameters
    ----------
    result : TuningResult
    config : Config
        The settings of the search. ``best.toml`` has them with the best parameters, and, if speakers were left out,
        with a protocol that tests these.
    folder : path
    formats : Formats

    Returns
    -------
    Path
        The page.
    """
    place = Path(folder)
    remove_files(place, FILES)
    searched = ParameterSearch(trials=len(result.trials), speakers=result.speakers)
    if result.left_out:
        protocol = ProtocolSpec(name="speaker-holdout", settings={"speakers": list(result.left_out)})
        config = config.changed(protocol=protocol)
    config.changed(pipeline=result.spec, searched=searched).save(place / "best.toml")
    write_table(_trials(result), place / "trials.csv")
    # best.toml is for this machine; the result may be given to others.
    result.model_copy(update={"spec": result.spec.public()}).save(place / "tuning.json")
    save_figure(history_figure(result), place / "history.png", formats.figures)
    write_tables(tuning_tables(result), place, formats.tables)
    return write_pages(place, tuning_page(result))


def _trials(result: TuningResult) -> pd.DataFrame:
    records = [
        {
            "trial": trial.number,
            "state": trial.state,
            "inner_uar": trial.score,
            **{f"inner_fold_{number}": score for number, score in enumerate(trial.scores, start=1)},
            "seconds": trial.seconds,
            **{name: str(value) for name, value in trial.parameters.items()},
        }
        for trial in result.trials
    ]
    return pd.DataFrame(records)
