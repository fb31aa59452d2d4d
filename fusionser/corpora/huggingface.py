"""Datasets of the package datasets: folders that it saved, folders of Parquet or audio files, and names on the hub."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from fusionser.checks import split_named
from fusionser.corpora.base import Listing
from fusionser.corpora.datasets import DatasetFormat, Entries, Wanted, chosen_columns, chosen_parts, row_of
from fusionser.corpora.unpacked import unpack, unpacked_folder
from fusionser.errors import CorpusError, FusionserError, SettingsError
from fusionser.optional import optional_package
from fusionser.rows import SPLIT_COLUMN

__all__ = ["HuggingFaceDataset"]

PREFIX = "hf:"
SAVED = ("dataset_dict.json", "state.json")
"""Files of a folder that ``save_to_disk`` wrote."""

OFFLINE = "HF_HUB_OFFLINE"

READERS = ("arrow", "audiofolder", "csv", "json", "parquet")
"""Readers of datasets that a folder may ask for by what is in it."""

FILE = "file"


class HuggingFaceDataset(DatasetFormat):
    """Hugging Face datasets: a saved or published folder, or hf:owner/name from the cache (extra huggingface).

    - ``hf:owner/name:configuration`` names one of several configurations.
    - ``--parts`` names the splits to read, by default all. A split is that of its rows, where its name is a usual one.
    - Recordings are decoded by fusionser: those inside the dataset are written to the cache folder, one by one.
    - Names of classes replace their numbers.
    - A path in a dataset may lead to any recording on this machine, like one in a table.
    - No script of a dataset is run, and nothing is downloaded without ``--download``.

    Examples
    --------
    >>> HuggingFaceDataset().recognises("hf:owner/name"), HuggingFaceDataset().recognises("rows.csv")
    (True, False)
    """

    name: ClassVar[str] = "huggingface"

    def recognises(self, place: str) -> bool:
        """Return whether a place is a name on the hub, or a folder that the package wrote."""
        folder = Path(place)
        return place.startswith(PREFIX) or any((folder / name).is_file() for name in SAVED) or _is_published(folder)

    def listing(self, place: str, wanted: Wanted) -> Listing:
        """Return the recordings of the splits as rows."""
        with _offline(not wanted.download):
            splits = _splits(place, wanted.download)
            corpus = PurePosixPath(place.removeprefix(PREFIX).split(":")[0].replace(os.sep, "/")).name or self.name
            entries = Entries()
            for split in chosen_parts(list(splits), wanted, f"split of '{place}'"):
                Split(place, corpus, split, splits[split]).read(wanted, entries)
        if unknown := [split for split in splits if _part(split) is None]:
            names = ", ".join(unknown)
            entries.note(f"splits that are neither train, validation nor test, so their rows have none: {names}")
        return entries.listing(wanted, place)


def _is_published(folder: Path) -> bool:
    """Return whether a folder has a dataset card and Parquet files."""
    return (folder / "README.md").is_file() and any(any(folder.glob(f"{depth}*.parquet")) for depth in ("", "*/"))


def _datasets() -> Any:
    return optional_package("datasets", "huggingface", "a dataset of the Hugging Face hub")


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Keep the package from the network, also where it was imported before; and its messages from the terminal."""
    before = os.environ.get(OFFLINE)
    if wanted:
        os.environ[OFFLINE] = "1"
    datasets = _datasets()
    import huggingface_hub.constants as constants
    from huggingface_hub.utils import logging as hub_logging

    modules: tuple[Any, ...] = (datasets.config, constants)
    held = [(module, module.HF_HUB_OFFLINE) for module in modules]
    if wanted:
        for module, _ in held:
            module.HF_HUB_OFFLINE = True
    bars = datasets.is_progress_bar_enabled()
    if wanted or not sys.stderr.isatty():
        datasets.disable_progress_bars()
    loggers: list[Any] = [datasets.logging, hub_logging]
    levels = [logger.get_verbosity() for logger in loggers]
    for logger in loggers:
        logger.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
        for module, value in held:
            module.HF_HUB_OFFLINE = value
        if wanted and before is None:
            del os.environ[OFFLINE]


def _splits(place: str, download: bool) -> Mapping[str, Any]:
    """Return the splits of a dataset by name; one without a name if it has none."""
    datasets = _datasets()
    try:
        if place.startswith(PREFIX):
            found = _of_hub(place, download)
        elif any((Path(place) / name).is_file() for name in SAVED):
            found = datasets.load_from_disk(place)
        else:
            found = _of_folder(place)
    except FusionserError:
        raise
    except Exception as error:
        # Damaged files raise errors of pyarrow, of the package, and of Python.
        raise CorpusError(f"{place}: cannot be read as a dataset ({_line(error)})") from error
    return found if isinstance(found, dict) else {str(getattr(found, "split", None) or ""): found}


def _of_folder(place: str) -> Any:
    if not Path(place).is_dir():
        raise CorpusError(f"{place}: no such folder; expected a dataset's folder, or hf:owner/name")
    builder = _datasets().load_dataset_builder(str(Path(place).resolve()))
    reader = type(builder).__module__.rpartition(".")[2]
    if reader not in READERS:
        raise CorpusError(f"{place}: would be read as {reader}; expected a dataset of {', '.join(READERS)}")
    return builder.as_streaming_dataset()


def _of_hub(place: str, download: bool) -> Any:
    name, _, configuration = place.removeprefix(PREFIX).partition(":")
    datasets = _datasets()
    if not name:
        raise SettingsError(f"got '{place}'; expected hf:owner/name, or hf:owner/name:configuration")
    try:
        return datasets.load_dataset(name, configuration or None)
    except Exception as error:
        where = datasets.config.HF_DATASETS_CACHE
        advice = (
            "check the name and the connection"
            if download
            else f"it is not on this machine ({where}); add --download to get it, or give the folder of a copy"
        )
        raise CorpusError(f"{place}: {advice} ({_line(error)})") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _part(split: str) -> str | None:
    """Return the part of a split that a name stands for; None if it is another word."""
    try:
        return split_named(split)
    except SettingsError:
        return None


class Split:
    """One split of a dataset.

    Parameters
    ----------
    place, corpus, name : str
        Of the dataset, and of the split.
    rows : Dataset or IterableDataset
    """

    def __init__(self, place: str, corpus: str, name: str, rows: Any) -> None:
        self.place, self.corpus, self.name = place, corpus, name
        self.rows = rows

    def read(self, wanted: Wanted, entries: Entries) -> None:
        """Add the recordings of the split to the entries."""
        named = dict(wanted.columns)
        features = dict(self.rows.features or {})
        audio = self._audio(features, named.pop(FILE, None))
        columns = chosen_columns([name for name in features if name != audio], Wanted(columns=named), self.place)
        rows = self._undecoded(features).select_columns(list(dict.fromkeys([audio, *columns.values()])))
        total = getattr(rows, "num_rows", 0)
        reading = {ours: partial(_named, features[theirs]) for ours, theirs in columns.items()}
        try:
            for number, row in enumerate(rows):
                self._add(number, row[audio], {ours: reading[ours](row[columns[ours]]) for ours in columns}, entries)
                wanted.report(number + 1, max(total, number + 1))
        except (FusionserError, KeyboardInterrupt):
            raise
        except Exception as error:
            # Damaged files raise errors of pyarrow, of the package, and of Python.
            raise CorpusError(f"{self.place}: the split '{self.name}' cannot be read ({_line(error)})") from error

    def _add(self, number: int, audio: Any, values: dict[str, Any], entries: Entries) -> None:
        key = f"{self.name or 'row'}-{number:06d}"
        given = audio if isinstance(audio, dict) else {"path": audio}
        path, content = given.get("path"), given.get("bytes")
        if _part(self.name):
            values.setdefault(SPLIT_COLUMN, _part(self.name))
        try:
            file = self._file(key, path, content)
        except FusionserError as error:
            entries.refuse(key, str(error))
            return
        entries.records.append(row_of(values, self.corpus, key, file))

    def _file(self, key: str, path: Any, content: Any) -> str:
        """Return the file of a recording, written to the cache if the dataset has its bytes."""
        if isinstance(content, bytes):
            suffix = PurePosixPath(path).suffix if isinstance(path, str) else ""
            return str(unpack(content, f"{key}{suffix}", unpacked_folder(self.corpus)))
        if not isinstance(path, str) or not path:
            raise FusionserError("has neither bytes nor a path")
        if "://" in path:
            raise FusionserError(f"is at {path}, which is not on this machine")
        return str(Path(self.place) / path)

    def _audio(self, features: Mapping[str, Any], given: str | None) -> str:
        """Return the column of the recordings."""
        if given is not None and given not in features:
            raise SettingsError(
                f"{self.place}: has no column '{given}', which --map gives for '{FILE}'; the columns are "
                f"{', '.join(features) or 'none'}"
            )
        audio = [name for name, feature in features.items() if isinstance(feature, _datasets().Audio)]
        usual = [name for name in ("audio", "file", "path", "file_name") if name in features]
        found = [given] if given is not None else audio or usual[:1]
        if len(found) != 1:
            raise SettingsError(
                f"{self.place}: {'several columns hold' if found else 'no column is known to hold'} recordings; name "
                f"it with --map {FILE}=COLUMN. The columns are {', '.join(found or features) or 'none'}"
            )
        return found[0]

    def _undecoded(self, features: Mapping[str, Any]) -> Any:
        rows = self.rows
        for name, feature in features.items():
            if isinstance(feature, _datasets().Audio):
                rows = rows.cast_column(name, _datasets().Audio(decode=False))
        return rows


def _named(feature: Any, value: Any) -> Any:
    """Return a value, with the name of a class instead of its number."""
    inner = getattr(feature, "feature", None)
    if isinstance(value, list) and inner is not None:
        return [_named(inner, one) for one in value]
    if isinstance(feature, _datasets().ClassLabel) and isinstance(value, int):
        return feature.names[value] if 0 <= value < len(feature.names) else None
    return value
