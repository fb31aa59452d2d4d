"""The command ``fusionser extract``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import print_json, recordings, write
from .options import SEED_HELP, SEEDS, FrontEnd, Input, Places, Run, Settings, with_groups
from .preparing import make_resources, prepare_places

__all__ = ["extract"]


@with_groups
def extract(
    *,
    places: Places,
    out: Annotated[Path, typer.Option(help="Features file to write (.parquet).")],
    settings: Settings,
    given: Input,
    front_end: FrontEnd,
    seed: Annotated[int | None, typer.Option(help=SEED_HELP, rich_help_panel="Run", **SEEDS)] = None,
    run: Run,
    device: Annotated[
        str,
        typer.Option(
            help="Where spectra are computed: {feature_devices} (many clips at once).", rich_help_panel="Features"
        ),
    ] = "cpu",
) -> None:
    """Extract features of all recordings into one Parquet file, rows and settings included."""
    import pandas as pd

    from fusionser.pipeline import extract_file
    from fusionser.reporting.words import stamp_texts
    from fusionser.rows import write_table

    if out.suffix != ".parquet":
        raise SettingsError(f"--out is {out}; expected a file ending in .parquet, which holds the settings too")
    config = given.over(settings.load())
    config = config.changed(pipeline=_without_learning(front_end.over(config.pipeline)))
    paired = given.pair(places)
    settings.save(config, paired)
    extracted = prepare_places(extract_file, paired, config, given, make_resources(device, run), path=out)
    listed = out.with_suffix(".quarantine.csv")
    listed.unlink(missing_ok=True)
    if extracted.quarantine:
        write_table(pd.DataFrame(extracted.quarantine), listed)
    if run.json:
        print_json(
            {
                "out": str(out),
                "rows": extracted.rows,
                "columns": extracted.columns,
                "features": extracted.features_name,
                "computed": extracted.computed,
                "seconds": extracted.seconds,
                "quarantine": extracted.quarantine,
                "notes": stamp_texts(extracted.notes),
            }
        )
        return
    write(
        f"{out}: {recordings(extracted.rows)}, {extracted.columns} columns ({extracted.features_name}); "
        f"{extracted.computed} analysed now, the others known from before; {extracted.seconds:.1f} s"
    )
    if extracted.quarantine:
        write(f"{listed}: {recordings(len(extracted.quarantine))} set apart, with reasons")


def _without_learning(spec: Any) -> Any:
    """Take the gender from the labels: a network that estimates it cannot be trained before the split."""
    if spec.features.preset == "fusionnet" and spec.features.gender is None:
        return spec.changed(features=spec.features.changed(gender="given"))
    return spec
