"""The tables of a search for parameters."""

from fusionser.reporting.tables.cells import NOTHING, count, share, value_text, values_text
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.studies.recipe import file_name
from fusionser.tuning import TrialRecord, TuningResult

__all__ = ["parameters_text", "tuning_tables"]


def parameters_text(trial: TrialRecord) -> str:
    """Return the parameters of a trial in one line."""
    return values_text(trial.parameters)


def tuning_tables(result: TuningResult) -> dict[str, Table]:
    """Return the tables of a search, by name; those that would be empty are left out."""
    tables = [_space(result), _trials(result)]
    return {table.name: table for table in tables if table.rows}


def _table(result: TuningResult, name: str, caption: str, columns: list[Column], rows: list[Row]) -> Table:
    system = f"{result.classifier} with {result.features_name}"
    return Table(
        name=name,
        report=file_name(f"tuning-{result.classifier}-{result.features_name}"),
        caption=f"{caption} of {system}",
        notes=[f"{result.rows} clips of {', '.join(result.corpora)}", "The inner UAR of the best is too high"],
        columns=columns,
        rows=rows,
        facts={"system": system, "corpora": ", ".join(result.corpora), "seed": str(result.seed)},
    )


def _space(result: TuningResult) -> Table:
    columns = [
        Column(name="parameter"),
        Column(name="searched"),
        Column(name="best"),
        Column(name="importance", measure="importance"),
    ]
    rows = [
        Row([name, tried, value_text(result.best.parameters[name]), share(result.importance.get(name))])
        for name, tried in result.space.items()
    ]
    return _table(result, "space", "Search space", columns, rows)


def _trials(result: TuningResult) -> Table:
    columns = [
        Column(name="trial", measure="trial"),
        Column(name="inner UAR", measure="inner_uar"),
        Column(name="inner folds"),
        Column(name="seconds", measure="seconds"),
        Column(name="parameters"),
    ]
    others = [trial for trial in result.trials if trial not in result.complete]
    rows = [
        Row(
            [
                count(trial.number),
                NOTHING if trial.score is None else share(trial.score),
                str(len(trial.scores))
                if trial.state == "complete"
                else trial.reason or f"pruned after {len(trial.scores)}",
                Cell(f"{trial.seconds:.1f}", trial.seconds),
                parameters_text(trial),
            ]
        )
        for trial in (*result.complete, *others)
    ]
    return _table(result, "trials", "Trials", columns, rows)
