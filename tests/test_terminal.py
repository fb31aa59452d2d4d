"""What a terminal shows: tables that fit, the time left, and colours only where they are wanted."""

import io
import re

import pytest
from fusionser_cli import console
from fusionser_cli.tables import Kinds, fitted, row_lines
from fusionser_cli.time_left import Counted, Pace, TimeLeft, clock
from rich.console import Console
from rich.progress import Progress
from terminal import in_terminal

from fusionser.classifiers import MLP
from fusionser.evaluation.fold_jobs import in_folds
from fusionser.networks import training_progress
from fusionser.networks.progress import report_epoch
from fusionser.progress import report_step, step_progress

COLUMNS = ["name", "speakers", "where to get it"]
ROWS = [
    ["ravdess", "24", "https://zenodo.org/records/1188976"],
    ["a corpus with a long name", "1 000 000", "from its authors, on request, for research only"],
]
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9]+)*m")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def printed(table, width):
    screen = Console(file=io.StringIO(), width=width)
    screen.print(table)
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [62, 70, 80, 120])
def test_a_table_is_as_wide_as_the_terminal_and_no_word_is_broken(width):
    table, left_out = fitted(COLUMNS, ROWS, Kinds(numbers=["speakers"]), width)
    text = printed(table, width)
    assert left_out == [] and max(map(len, text.splitlines())) <= width
    found = set(re.sub("[│┃]", " ", text).split())
    assert {word for row in [COLUMNS, *ROWS] for cell in row for word in cell.split()} <= found
    # A number is on one line.
    assert "1 000 000" in text


def test_columns_are_left_out_before_rows_become_lines():
    kinds = Kinds(numbers=["speakers"], spare=["where to get it"])
    table, left_out = fitted(COLUMNS, ROWS, kinds, 50)
    assert left_out == ["where to get it"] and "zenodo" not in printed(table, 50)
    assert fitted(COLUMNS, ROWS, kinds, 15) == (None, [])
    assert fitted(COLUMNS, ROWS, Kinds(), 50) == (None, [])
    path = ["a" * 60, "1", "x"]
    assert fitted(COLUMNS, [path], Kinds(), 60)[0] is None
    assert "a" * 28 in printed(fitted(COLUMNS, [path], Kinds(folded=["name"]), 60)[0], 60)


def test_the_lines_of_a_row_have_the_names_of_its_columns():
    assert row_lines(COLUMNS, ["ravdess", "", "from its authors, on request"], 40) == [
        "ravdess",
        "  where to get it  from its authors, on",
        "                   request",
    ]
    assert row_lines(COLUMNS, ROWS[0], 30)[2] == "  where to get it  https://zenodo.org/records/1188976"


def test_time_left_goes_by_what_was_done_since_the_first_count():
    pace = Pace()
    assert pace.left(10, now=0.0) is None
    pace.note(4, now=100.0)
    assert pace.left(10, now=130.0) is None
    # Two of the six that were left took a minute, so the other four take two; ten seconds of these have passed.
    pace.note(6, now=160.0)
    assert pace.left(10, now=170.0) == 110.0
    assert pace.left(10, now=1000.0) == 0.0
    # The next fold counts from the beginning.
    assert pace.note(1, now=200.0) and pace.left(10, now=200.0) is None
    pace.note(2, now=203.0)
    assert pace.left(10, now=203.0) == 24.0
    assert (clock(59.6), clock(3599), clock(3600)) == ("1:00", "59:59", "1:00:00")


def test_a_bar_says_how_many_of_how_many_and_what_is_passed_and_left():
    now = 0.0
    progress = Progress(get_time=lambda: now, disable=True)
    task = progress.add_task("folds", total=None, pace=Pace())
    (shown,) = progress.tasks
    assert Counted().render(shown).plain == ""
    shown.fields["pace"].note(0, now)
    now = 30.0
    shown.fields["pace"].note(1, now)
    progress.update(task, completed=1, total=5)
    assert Counted().render(shown).plain == "1 of 5"
    assert TimeLeft().render(shown).plain == "0:30 passed, 2:00 left"
    now = 50.0
    assert TimeLeft().render(shown).plain == "0:50 passed, 1:40 left"


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setattr(console, "messages", Console(file=io.StringIO(), force_terminal=True, width=100))
    return console.messages.file


def test_folds_steps_and_epochs_have_a_line_each(screen):
    with console.training_bar("study") as progress:
        progress(2, 12, "svm on ravdess")
        report_step("folds", 1, 6)
        report_epoch("conv1d", 3, 50)
    text = ESCAPES.sub("", screen.getvalue())
    assert re.search(r"study: svm on ravdess .* 2 of 12 .*\n +folds .* 1 of 6 .*\n +conv1d, epochs .* 3 of 50 ", text)
    assert "?" not in text and "-:--" not in text


def test_a_training_that_stops_early_leaves_no_epochs_to_wait_for():
    told = []
    values = [[float(number % 2)] for number in range(40)]
    with training_progress(lambda name, done, most: told.append((done, most))):
        MLP(epochs=60, patience=2, learning_rate=0.1).fit(values, ["a", "b"] * 20)
    assert told[-1] == (60, 60) and told[-2][0] < 60


def test_folds_of_one_evaluation_among_many_are_a_step():
    told = []
    folds = [(f"fold {number}", None, None) for number in range(3)]
    with step_progress(lambda *step: told.append(step)):
        in_folds(lambda task: task.fold[0], folds, [None] * 3, [None] * 3, None)
    assert told == [("folds", done, 3) for done in range(4)]


def test_progress_is_shown_in_a_terminal_and_nowhere_else(command, demo_folder):
    checking = ["corpora", "check", "demo", demo_folder]
    text = in_terminal(*checking)
    assert re.search(r"recordings .* \d+ of 240 .*\d:\d\d passed", ESCAPES.sub("", text))
    assert command(*checking).messages == ""


@pytest.mark.parametrize("arguments", [["corpora"], ["plan", "--hours", "4"], ["reproduce"]])
def test_tables_fit_eighty_columns(arguments):
    text = ESCAPES.sub("", in_terminal(*arguments, FUSIONSER_DATA="")).splitlines()
    boxes = [line for line in text if line and line[0] in "┏┃┡│└"]
    assert all(len(line) <= 80 for line in boxes)
    words = set(re.sub("[│┃]", " ", "\n".join(text)).split())
    for word in {"plan": ["memory", "features"], "corpora": ["recordings", "emozionalmente"]}.get(arguments[0], []):
        assert word in words


def test_colours_are_left_out_where_they_are_not_wanted(command):
    help_text = in_terminal("evaluate", "--help")
    assert COLOUR.search(help_text)
    for arguments in (["evaluate", "--help"], ["list", "presets"]):
        assert not COLOUR.search(in_terminal(*arguments, NO_COLOR="1")), arguments
        piped = command(*arguments)
        assert "\x1b" not in piped.output + piped.messages
