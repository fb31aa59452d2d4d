"""The command ``fusionser extract``."""

from pathlib import Path
from typing import Annotated

from fusionser.errors import SettingsError

from .console import print_json, recordings, write
from .options import FrontEnd, Input, Places, Run, option, with_groups
from .preparing import extract_places

__all__ = ["extract"]


@with_groups
def extract(
    places: Places,
    out: Annotated[Path, option("--out", "Features file to write (.parquet).")],
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

    from fusionser.rows import write_table

    if out.suffix != ".parquet":
        raise SettingsError(f"--out is {out}; expected a file ending in .parquet, which holds the settings too")
    paired = given.pair(places)
    features = front_end.choose(paired, learned=False)
    extracted = extract_places(paired, features, out, given, run, device)
    listed = out.with_suffix(".quarantine.csv")
    listed.unlink(missing_ok=True)
    if extracted.quarantine:
        write_table(pd.DataFrame(extracted.quarantine), listed)
    columns = len(features.extractor.get_feature_names_out())
    if run.json:
        print_json(
            {
                "out": str(out),
                "rows": extracted.rows,
                "columns": columns,
                "features": features.name,
                "computed": extracted.computed,
                "seconds": extracted.seconds,
                "quarantine": extracted.quarantine,
                "notes": extracted.notes,
            }
        )
        return
    write(
        f"{out}: {recordings(extracted.rows)}, {columns} columns ({features.name}); "
        f"{extracted.computed} analysed now, the others known from before; {extracted.seconds:.1f} s"
    )
    if extracted.quarantine:
        write(f"{listed}: {recordings(len(extracted.quarantine))} set apart, with reasons")
