"""Write a folder with the page and the model, which runs in the visitor's browser by ONNX Runtime Web."""

import base64
import hashlib
import io
import json
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from fusionser.errors import ExportError, SettingsError
from fusionser.export.graph import whole_obstacle
from fusionser.export.onnx_file import export_onnx
from fusionser.files import exists, write_bytes
from fusionser.folders import brief_folder
from fusionser.model import Model, OnnxCard
from fusionser.page import card_sentences, page_files

__all__ = ["RUNTIME_FILES", "export_web", "runtime_files"]

RUNTIME_VERSION = "1.30.0"
RUNTIME_ADDRESS = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{RUNTIME_VERSION}.tgz"
RUNTIME_DIGEST = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""SHA-512 of the package, as the registry of npm states it."""

RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LARGEST_PACKAGE = 1 << 27
SECONDS = 120

WEB = Path(__file__).parent / "web"
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'\">"
)
MARK = "<!-- policy -->"


def runtime_files(folder: Path | None = None) -> dict[str, bytes]:
    """Return the files of ONNX Runtime Web.

    Parameters
    ----------
    folder : Path, optional
        Where they are, as of the npm package ``onnxruntime-web`` (its folder ``dist``, or the one above). By default
        version 1.30.0 is taken from the registry of npm, and compared with its digest.

    Raises
    ------
    ExportError
        If a file is missing, or the package cannot be taken from the registry, or is another one.
    """
    if folder is None:
        return _packed(_downloaded())
    places = [folder, folder / "dist", folder / "package" / "dist"]
    found = next((place for place in places if all((place / name).is_file() for name in RUNTIME_FILES)), None)
    if found is None:
        raise ExportError(
            f"{folder}: expected the files {', '.join(RUNTIME_FILES)}, as of the npm package onnxruntime-web"
        )
    return {name: (found / name).read_bytes() for name in RUNTIME_FILES}


def _downloaded() -> bytes:
    try:
        with urllib.request.urlopen(RUNTIME_ADDRESS, timeout=SECONDS) as answer:
            content: bytes = answer.read(LARGEST_PACKAGE)
    except OSError as error:
        raise ExportError(
            f"ONNX Runtime Web cannot be taken from {RUNTIME_ADDRESS} ({error}); download the npm package "
            "onnxruntime-web, and give its folder with --onnxruntime-web"
        ) from error
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != RUNTIME_DIGEST:
        raise ExportError(f"{RUNTIME_ADDRESS} is not the package that was expected; nothing was written")
    return content


def _packed(content: bytes) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        for name in RUNTIME_FILES:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None  # noqa: S101 - the digest is that of the package with these files
            files[name] = member.read()
    return files


def export_web(model: Model, folder: str | Path, *, runtime: Path | None = None, **options: Any) -> OnnxCard:
    """Write a folder for any web server, whose page runs the model in the visitor's browser.

    Parameters
    ----------
    model : Model
    folder : str or Path
        Created if missing.
    runtime : Path, optional
        Folder of ONNX Runtime Web, as for `runtime_files`.
    **options
        Of `export_onnx`: ``clips``, ``int8``, ``tolerance``, ``n_jobs``, ``progress``.

    Returns
    -------
    OnnxCard

    Raises
    ------
    ExportError
        If the model cannot begin with the waveform, since a browser has only that, or as `export_onnx` and
        `runtime_files` do.
    """
    if model.needs_gender:
        raise SettingsError("the model has the speaker's gender as a feature, which the page does not know")
    if reason := whole_obstacle(model):
        raise ExportError(
            f"the model cannot run in a browser, which has only the waveform: {reason}. Use 'fusionser serve', or fit "
            "one with --preset fusionnet --gender none, or with a network: --blocks log-mel-frames --fusion average"
        )
    runtime_parts = runtime_files(runtime)
    with brief_folder() as apart:
        card = export_onnx(model, apart / "model.onnx", **options)
        content = (apart / "model.onnx").read_bytes()
    if not card.whole:
        raise ExportError(
            f"the model cannot run in a browser, which has only the waveform: {card.because}. --tolerance allows more"
        )
    place = Path(folder)
    if exists(place / "index.html") and not exists(place / "page" / "model.json"):
        raise ExportError(f"{place}: holds another page (index.html); choose an empty folder")
    # Not every web server knows the suffix .mjs.
    runtime_parts = {name.replace(".mjs", ".js"): part for name, part in runtime_parts.items()}
    for name, part in {**runtime_parts, **_own_files(card, model.analysis_rate), "model.onnx": content}.items():
        write_bytes(place / name if name == "index.html" else place / "page" / name, part)
    return card


def _own_files(card: OnnxCard, analysis_rate: int | None) -> dict[str, bytes]:
    """Return the page, whose service is replaced by the model."""
    files = page_files()
    files |= {file.name: file.read_bytes() for file in sorted(WEB.glob("*.js"))}
    files["index.html"] = files["index.html"].replace(MARK.encode(), POLICY.encode())
    shown, tells = card.model, card.unlikeness is not None
    described = {
        "name": f"{shown.classifier} on {shown.features_name}",
        "analysis_rate": analysis_rate,
        "waveform": {"sampling_rate": card.sampling_rate, "seconds": card.seconds},
        "tells_unlikeness": tells,
        "about": card_sentences(shown, tells_unlikeness=tells),
        "card": shown.model_dump(mode="json", include={"classes"}),
    }
    # The description of a recording is no part of the graph; the page computes it.
    training = card.unlikeness or "null"
    return {**files, "model.json": json.dumps(described).encode(), "training.json": training.encode()}
