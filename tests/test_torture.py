"""A part of `make torture`: some hostile inputs of each area, and some killed runs of each command."""

import pytest
from torture.area import AREAS, Tally, area_of
from torture.kills import COMMANDS, kill_runs
from torture.page import page_of, summary_of
from torture.watch import try_inputs

SEED = 1
SHARES = {"audio": 0.06, "arrays": 0.1, "tables": 0.1, "models": 0.04, "caches": 0.08, "settings": 0.1, "commands": 0.1}


@pytest.mark.parametrize("area", AREAS)
def test_hostile_inputs(area):
    count = round(area_of(area)[1] * SHARES[area])
    tally = try_inputs(area, SEED, range(count))
    assert tally.faults == [] and tally.tried == count
    # A part of them is usable, or what is found says nothing.
    assert tally.answered > 0


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_runs(name):
    tally = kill_runs(name, SEED, kills=2)
    assert tally.faults == [] and tally.tried == 2


PLANTED = {
    "raise": "crashes",
    "exit": "crashes",
    "abort": "crashes",
    "hang": "hangs",
    "lose": "lost",
    "refuse": None,
}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """An area whose first input has a fault, and whose second one is answered."""
    (tmp_path / "planted.py").write_text(
        "import os, time\n"
        "from fusionser.errors import AudioError\n"
        "from torture.area import ANSWERED, expect\n"
        "class Planted:\n"
        "    def __init__(self, folder, seed):\n"
        "        pass\n"
        "    def attempt(self, number):\n"
        "        fault = os.environ['PLANTED'] if number == 0 else ''\n"
        "        if fault == 'raise': raise KeyError('planted')\n"
        "        if fault == 'exit': os._exit(3)\n"
        "        if fault == 'abort': os.abort()\n"
        "        if fault == 'hang': time.sleep(600)\n"
        "        if fault == 'refuse': raise AudioError('too loud')\n"
        "        expect(fault != 'lose', 'planted')\n"
        "        return ANSWERED\n"
        "AREA, INPUTS = Planted, 2\n"
    )
    import torture

    monkeypatch.setattr(torture, "__path__", [*torture.__path__, str(tmp_path)])
    return tmp_path


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found(planted, monkeypatch, fault):
    monkeypatch.setenv("PLANTED", fault)
    monkeypatch.setenv("TORTURE_PATH", str(planted))
    monkeypatch.setattr("torture.watch.SECONDS", 3.0)
    tally = try_inputs("planted", 0, range(2))
    found = {kind: len(getattr(tally, kind)) for kind in ("crashes", "hangs", "lost")}
    expected = PLANTED[fault]
    assert found == {kind: int(kind == expected) for kind in found}
    assert (tally.tried, tally.answered, tally.refused) == (2, 1, int(fault == "refuse"))


def test_the_page():
    tallies = [
        Tally("audio", tried=10, answered=4, refused=5, lost=["audio 3: other\nsamples"], peak_mib=300.0),
        Tally("models", tried=5, refused=5, peak_mib=200.0),
        Tally("kills of fit", tried=50),
        Tally("kills of extract", tried=50, crashes=["kills of extract 4: SIGKILL"]),
    ]
    summary = summary_of(tallies, 90.0)
    assert summary == {
        "inputs": 15, "crashes": 1, "hangs": 0, "lost": 1, "peak_mib": 300, "kills": 100, "kills_survived": 50,
        "models_refused": 5, "seconds": 90,
    }  # fmt: skip
    page = page_of(tallies, summary)
    assert "15 inputs were tried: 1 crash, 0 hangs, 1 loss, at most 300 MiB of memory." in page
    assert "50 of 100 kills were survived" in page
    assert "`audio 3: other samples`" in page and "| kills of fit | 50 | - | - |" in page
