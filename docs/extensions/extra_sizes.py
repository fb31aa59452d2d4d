"""The table of extras and what they take on the disk, from the last measurement (`python -m benchmarks.extras`)."""

import json
from typing import Any

from docutils import nodes
from report_figures import REPORTS
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PURPOSES = {
    "microphone": "`fusionser listen`",
    "serve": "`fusionser serve`: a web service with a page",
    "opensmile": "the block `opensmile`",
    "ge2e": "the block `ge2e`",
    "transformers": "the blocks `transformers` and the networks on them",
    "adapters": "adapters for `transformers-finetuned`",
    "audformat": "audformat databases, and audb",
    "huggingface": "Hugging Face datasets",
    "onnx": "`fusionser export`, and the block `emotion2vec`",
    "mlflow": "`--track mlflow`",
    "tensorboard": "`--track tensorboard`",
    "tune": "`fusionser tune`: Optuna",
    "cluster": "`--cluster`: Dask",
    "s3": "addresses of `s3://`",
    "gs": "addresses of `gs://`",
    "az": "addresses of `az://`",
    "http": "addresses of `https://`",
}
"""What each extra is for."""


def megabytes(count: int) -> str:
    """Return a number of bytes as megabytes."""
    return f"{count / 1e6:,.0f} MB".replace(",", " ") if count >= 5e5 else "below 1 MB"


class ExtraSizes(SphinxDirective):
    """The directive ``extra-sizes``: a table of all extras."""

    def run(self) -> list[nodes.Node]:
        """Return the table and its caption."""
        path = REPORTS / "installation" / "extras.json"
        self.env.note_dependency(str(path))
        measured = json.loads(path.read_text(encoding="utf-8"))
        base = measured["base"]
        lines = ["| extra | what it is for | packages that it adds | on the disk |", "|---|---|---:|---:|"]
        lines += [
            f"| `{name}` | {PURPOSES[name]} | {found['packages']} | {megabytes(found['bytes'])} |"
            for name, found in measured["extras"].items()
        ]
        largest = ", ".join(f"{name} {megabytes(size)}" for name, size in measured["largest"].items())
        made = measured["provenance"]
        text = (
            f"fusionser itself needs {base['packages']} packages, which take {megabytes(base['bytes'])}. The largest: "
            f"{largest}.\n\n" + "\n".join(lines) + f"\n\nMeasured on {made['date']} by `{made['command']}` at commit "
            f"{made['commit']} with Python {made['versions']['python']} on {made['machine']}, and torch "
            f"{measured['torch']}. Extras share packages, so "
            "several together take less than their sum.\n"
        )
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("extra-sizes", ExtraSizes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
