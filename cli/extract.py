"""The command ``fusionser extract``."""

from pathlib import Path
from typing import Annotated, Any

from fusionser.errors import SettingsError

from .console import print_json, recordings, write
from .options import FrontEnd, Input, Places, Run, Settings, option, with_groups
from .preparing import extract_places, make_resources

__all__ = ["extract"]


@with_groups
def extract(
    places: Places,
    out: Annotated[Path, option("--out", "Features file to write (.parquet).")],
    settings: Settings,
    given: Input,
    front_end: FrontEnd,
    run: Run,
    device: Annotated[
        str,
        option("--device", "Where spectra are computed: {feature_devices} (many clips at once).", "Features"),
    ] = "cpu",
) -> None:
    """Extract features of all recordings into one Parquet file, rows and settings included."""
    import pandas as pd

    from fusionser.reporting.words import stamp_texts
    from fusionser.rows import write_table

    if out.suffix != ".parquet":
        raise SettingsError(f"--out is {out}; expected a file ending in .parquet, which holds the settings too")
    config = given.over(settings.load())
    config = config.changed(pipeline=_without_learning(front_end.over(config.pipeline)))
    paired = given.pair(places)
    settings.save(config, paired)
    resources = make_resources(device=device, jobs=run.jobs, cache=run.cache)
    extracted = extract_places(paired, config, out, given, resources)
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
    """Take the gender as labelled: what is extracted before any split cannot be learned."""
    if spec.features.preset == "fusionnet" and spec.features.gender is None:
        return spec.changed(features=spec.features.changed(gender="given"))
    return spec
