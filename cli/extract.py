"""The command ``fusionser extract``."""

from pathlib import Path
from typing import Annotated

from fusionser.errors import SettingsError

from .console import print_json, write
from .options import FrontEnd, Input, Places, Run, option, with_groups
from .preparing import prepare_places

__all__ = ["extract"]


@with_groups
def extract(
    places: Places,
    out: Annotated[Path, option("--out", "Features file to write (.parquet).")],
    given: Input,
    front_end: FrontEnd,
    run: Run,
) -> None:
    """Extract features of all recordings into one Parquet file, rows and settings included."""
    import pandas as pd

    from fusionser.evaluation import provenance
    from fusionser.features.store import write_features
    from fusionser.rows import write_table

    if out.suffix != ".parquet":
        raise SettingsError(f"--out is {out}; expected a file ending in .parquet, which holds the settings too")
    paired = given.pair(places)
    features = front_end.choose(paired, learned=False)
    prepared = prepare_places(paired, features, given, run)
    write_features(prepared.table, features.extractor, features.name, out, provenance())
    listed = out.with_suffix(".quarantine.csv")
    listed.unlink(missing_ok=True)
    if prepared.quarantine:
        write_table(pd.DataFrame(prepared.quarantine), listed)
    columns = len(features.extractor.get_feature_names_out())
    if run.json:
        print_json(
            {
                "out": str(out),
                "rows": len(prepared.table),
                "columns": columns,
                "features": features.name,
                "computed": prepared.computed,
                "seconds": prepared.seconds,
                "quarantine": prepared.quarantine,
                "notes": prepared.notes,
            }
        )
        return
    write(
        f"{out}: {len(prepared.table)} recordings, {columns} columns ({features.name}); "
        f"{prepared.computed} analysed now, the others known from before; {prepared.seconds:.1f} s"
    )
    if prepared.quarantine:
        write(f"{listed}: {len(prepared.quarantine)} recordings set apart, with reasons")
