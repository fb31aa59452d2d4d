"""The command ``fusionser extract``."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fusionser.errors import SettingsError

from .console import counted, print_json, recordings, write
from .option_checks import check_out_features, refuse_inputs
from .option_groups import Group, option
from .options import FrontEnd, Input, Places, Run, Settings
from .preparing import extract_places, make_resources


class Asked(Group):
    """The options of the command."""

    panel = "Features"
    out: Path = option(
        "Features file to write (.parquet). Any other path or address is a folder for a dataset of many parts, which a "
        "stopped run resumes. Give all recordings each time: new ones are analysed, and others leave the dataset.",
        ...,
        panel="Options",
        callback=check_out_features,
        main=True,
    )
    windows: float | None = option(
        "Length in seconds of the windows into which each recording is cut. They are of the same source, so that no "
        "split parts them.",
        panel="Options",
        main=True,
    )
    hop: float | None = option("With --windows: seconds from one window to the next, by default 0.5.", panel="Options")
    settings: Settings
    given: Input
    front_end: FrontEnd
    run: Run
    device: str = option("Where spectra are computed: {feature_devices} (many clips at once).", "cpu")


def extract(places: Places, asked: Asked) -> None:
    """Extract features of all recordings into a Parquet file or a dataset of many, rows and settings included."""
    import pandas as pd

    from fusionser.files import remove_files
    from fusionser.pipeline import extract_dataset, extract_file, is_features_file
    from fusionser.reporting.words import stamp_texts
    from fusionser.rows import write_table

    out, given = asked.out, asked.given
    refuse_inputs(out, places)
    config = given.over(asked.settings.load())
    config = config.changed(pipeline=_without_learning(asked.front_end.over(config.pipeline)))
    paired = given.pair(places)
    asked.settings.say_default(config, paired)
    asked.settings.save(config, paired)
    resources = make_resources(asked.device, asked.run)
    if not asked.run.cache:
        # Nothing is computed twice here, and to hash recordings, this machine would read all of them.
        resources = replace(resources, cache=False)
    run = extract_file if is_features_file(out) else extract_dataset
    extracted = extract_places(run, paired, config, given, resources, out, windows=_windows(asked))
    listed = out.with_suffix(".quarantine.csv")
    remove_files(listed.parent, [listed.name])
    if extracted.quarantine:
        write_table(pd.DataFrame(extracted.quarantine), listed)
    if asked.run.json:
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
    earlier = ", the others were analysed earlier" if extracted.computed < extracted.rows else ""
    rows = counted(extracted.rows, "window") if asked.windows is not None else recordings(extracted.rows)
    write(
        f"{out}: {rows}, {counted(extracted.columns, 'column')} ({extracted.features_name}); "
        f"{extracted.computed} analysed{earlier}; {extracted.seconds:.1f} s"
    )
    if extracted.quarantine:
        write(f"{listed}: {recordings(len(extracted.quarantine))} set aside, with reasons")


def _windows(asked: Asked) -> Any:
    """Return how recordings are cut into windows, if they are."""
    from fusionser.timeline.windows import WindowSettings

    if asked.windows is None:
        if asked.hop is not None:
            raise SettingsError("--hop has no effect without --windows; give one, too")
        return None
    given = {} if asked.hop is None else {"hop": asked.hop}
    return WindowSettings(length=asked.windows, **given)


def _without_learning(spec: Any) -> Any:
    """Take the gender from the labels: a network that estimates it cannot be trained before the split."""
    if spec.features.preset == "fusionnet" and spec.features.gender is None:
        return spec.changed(features=spec.features.changed(gender="given"))
    return spec
