"""Distributions of their own, as pip leaves them in a folder: metadata, entry points and modules."""

from collections.abc import Mapping
from pathlib import Path


def write_distribution(
    folder: Path, name: str, points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str], version: str = "1.0"
) -> Path:
    """Write one to a folder: entry points by group and name, and the text of each module."""
    folder.mkdir(parents=True, exist_ok=True)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "top_level.txt").write_text("\n".join(modules) + "\n")
    groups = (
        "\n".join([f"[fusionser.{group}]", *(f"{key} = {value}" for key, value in listed.items())])
        for group, listed in points.items()
    )
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    return folder
