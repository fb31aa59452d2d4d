"""The table of corpora and their licences, made from their cards."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fusionser.corpora import CORPORA


class CorpusLicences(SphinxDirective):
    """The directive ``corpus-licences``: a table of all corpora that others published."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        cards = [corpus.card for name, corpus in CORPORA.items() if name != "demo"]
        lines = ["| corpus | language | licence |", "|---|---|---|"]
        lines += [f"| [{card.title}]({card.address}) | {card.language} | {card.licence} |" for card in cards]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("corpus-licences", CorpusLicences)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
