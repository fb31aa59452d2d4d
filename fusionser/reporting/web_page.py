"""A report as one HTML file that works offline, on phones, in dark mode, in print, and in black and white."""

import html
import re
from base64 import b64encode
from collections import Counter
from itertools import count
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from fusionser.files import write_text
from fusionser.reporting.jinja import environment

__all__ = ["MINUS", "page_of_markdown", "web_page", "write_pages"]

MINUS = "\u2212"

SHOWN_ROWS = 12
"""Rows that a long table shows at first."""

LONG = 20
"""Rows from which a table is long."""

LONG_CELL = 24
"""Characters above which a cell is given room, so that a wide table scrolls rather than breaks into single words."""

UNITS = "%|s|min|h|ms|MiB|times|points"
NUMBER = re.compile(rf"[<+-]?\s?\d[\d .,]*({UNITS})?(\s\([^()]*\))?\*?|[+-]?[\d.]+ to [+-]?[\d.]+|-")
HEADING = re.compile(r"<h([23])>(.*?)</h\1>", re.DOTALL)
TABLE = re.compile(r"<table(?P<attributes>[^>]*)>(?P<content>.*?)</table>", re.DOTALL)
BETWEEN = re.compile(r"(</?(?:thead|tbody|tr|td|th)\b[^>]*>)\s+(?=</?(?:thead|tbody|tr|td|th)\b)")
UNNAMED = re.compile(r"<table>(\s*<thead>\s*<tr>(?:\s*<th></th>)+\s*</tr>)")
CELL = re.compile(r"<(t[hd])([^>]*)>(.*?)</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")
PICTURE = re.compile(r'<img src="([^":/\\]+\.png)"')
PICTURES = re.compile(r"<p>((?:\s*<img [^>]*/?>)+)\s*</p>")


def write_pages(folder: str | Path, page: str, *, web: str | None = None) -> Path:
    """Write a report as ``report.md`` and ``report.html``.

    Parameters
    ----------
    folder : str or Path
        With the pictures of the page, which become part of the HTML file.
    page : str
        The page in Markdown.
    web : str, optional
        The HTML page, if it has more than the one in Markdown.

    Returns
    -------
    Path
        The page in Markdown.
    """
    place = Path(folder)
    write_text(place / "report.html", page_of_markdown(page, place) if web is None else web)
    return write_text(place / "report.md", page)


def page_of_markdown(page: str, folder: str | Path, *, added: str = "") -> str:
    r"""Return a page in Markdown as one HTML file.

    Parameters
    ----------
    page : str
        Begins with its title. What follows up to a table, picture or heading is the answer. HTML is shown as text.
    folder : str or Path
        With the pictures of the page, which become part of the HTML file.
    added : str
        HTML that comes before the section on how the numbers were measured, or at the end.

    Examples
    --------
    >>> page_of_markdown("# Scores\n\n57 %, by svm & others\n", ".").count("<title>Scores</title>")
    1
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(page)
    title = re.search(r"<h1>(.*?)</h1>", body, re.DOTALL)
    body = PICTURE.sub(lambda found: f'<img src="{_embedded(Path(folder) / html.unescape(found[1]))}"', body)
    body = PICTURES.sub(r'<p class="pictures">\1</p>', body)
    body = _with_answer(body)
    body = _with_settings(body, added)
    return web_page(html.unescape(TAG.sub("", title[1])) if title else "", body)


def _with_settings(body: str, added: str) -> str:
    """Return a page whose tables without headings are marked as settings, with more in front of their section."""
    body, found = UNNAMED.subn(r'<table class="settings">\1', body)
    place = body.rfind("<h2>", 0, body.find('class="settings"')) if found else len(body)
    return f"{body[:place]}{added}{body[place:]}"


def _with_answer(body: str) -> str:
    """Return a page whose first paragraphs and lists, after the title, are marked as the answer."""
    found = re.match(r"(\s*<h1>.*?</h1>\s*)((?:<p>.*?</p>\s*|<ul>.*?</ul>\s*)+?)(?=<(?!p>|ul>)|$)", body, re.DOTALL)
    if found is None:
        return body
    return f'{found[1]}<div class="answer">{found[2].strip()}</div>\n{body[found.end() :]}'


def _embedded(path: Path) -> str:
    """Return a picture as an address that contains it, or its name if it is not there."""
    if not path.is_file():
        return html.escape(path.name)
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"


def web_page(title: str, body: str) -> str:
    """Return a page around some HTML, with a table of contents, and with its tables made ready for reading.

    Parameters
    ----------
    title : str
    body : str
        HTML in which what others named is escaped.
    """
    outline: list[tuple[str, Markup]] = []
    used: Counter[str] = Counter()

    def anchored(found: re.Match[str]) -> str:
        level, text = found[1], found[2].strip()
        name = _anchor(text, used)
        if level == "2":
            outline.append((name, Markup(TAG.sub("", text))))  # noqa: S704
        link = f'<a class="anchor" href="#{name}" aria-label="Link to this section">#</a>'
        return f'<h{level} id="{name}">{text}{link}</h{level}>'

    body = HEADING.sub(anchored, body)
    numbers = count(1)
    body = TABLE.sub(lambda found: _table(found, next(numbers)), body)
    page = environment(autoescape=True, trim_blocks=True).get_template("page.html.j2")
    return page.render(title=title, body=Markup(body), outline=outline, shown_rows=SHOWN_ROWS)  # noqa: S704


def _anchor(heading: str, used: Counter[str]) -> str:
    """Return the name of a heading in addresses, which no other one has."""
    plain = re.sub(r"[^\w]+", "-", html.unescape(TAG.sub("", heading)).lower()).strip("-") or "section"
    used[plain] += 1
    return plain if used[plain] == 1 else f"{plain}-{used[plain]}"


def _table(found: re.Match[str], number: int) -> str:
    """Return a table in a frame that scrolls, with numbers to the right; of a long one, the first rows at first."""
    content = _aligned(BETWEEN.sub(r"\1", found["content"]))
    # A line for each row, so that two versions of a page can be compared.
    content = content.replace("</tr><tr", "</tr>\n<tr").replace("</thead><tbody>", "</thead>\n<tbody>")
    attributes = found["attributes"] or ' class="sorted"'
    table = f'<div class="wide" tabindex="0"><table{attributes}>{content}</table></div>'
    rows = content.partition("<tbody>")[2].count("<tr")
    if rows < LONG:
        return table
    return (
        f'<div><input type="checkbox" class="fold" id="fold-{number}"><label for="fold-{number}">'
        f'<span class="more">{SHOWN_ROWS} of {rows} rows: show all</span><span class="less">show fewer rows</span>'
        f"</label>{table}</div>"
    )


def _aligned(content: str) -> str:
    """Return the rows of a table with the cells of columns of numbers marked, and with minus signs."""
    rows = re.findall(r"<tr>.*?</tr>", content.partition("<tbody>")[2], re.DOTALL)
    cells = [[html.unescape(TAG.sub("", cell[2])).strip() for cell in CELL.findall(row)] for row in rows]
    width = max(map(len, cells), default=0)
    numeric = [
        any(texts := [row[place] for row in cells if place < len(row) and row[place]])
        and all(NUMBER.fullmatch(text) for text in texts)
        and set(texts) != {"-"}
        for place in range(width)
    ]

    def row(found: re.Match[str]) -> str:
        places = count()
        return CELL.sub(lambda cell: _cell(cell, numeric=(place := next(places)) < width and numeric[place]), found[0])

    return re.sub(r"<tr>.*?</tr>", row, content, flags=re.DOTALL)


def _cell(found: re.Match[str], *, numeric: bool) -> str:
    if not numeric:
        is_long = len(html.unescape(TAG.sub("", found[3]))) > LONG_CELL
        return f"<td class=long>{found[3]}</td>" if is_long and (found[1], found[2]) == ("td", "") else found[0]
    tag, attributes, text = found[1], found[2], re.sub(r"(?<![\w.])-(?=\d)", MINUS, found[3])
    return f"<{tag}{attributes or ' class=number'}>{text}</{tag}>"
