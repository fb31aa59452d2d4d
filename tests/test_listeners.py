"""Answers of human listeners: the files of two corpora, what is kept with a study, and the table on its page."""

import gzip
import json
import re

import numpy as np
import pytest
from made_results import made

from fusionser.corpora.listeners import read_listeners
from fusionser.errors import CorpusError, SettingsError
from fusionser.evaluation.metrics import unweighted_average_recall
from fusionser.facts import Stamp
from fusionser.reporting.page import StudyText, study_page, study_tables
from fusionser.reporting.tables.listeners import beside_listeners
from fusionser.results import ClassResult
from fusionser.studies.listeners import find_listeners, keep_listeners, kept_listeners

SHARED = Stamp(kind="shared-speakers", value={"most": 2})

VOTES = """"","A","D","F","H","N","S","fileName"
"100001",3,1,0,0,0,0,"1001_IEO_ANG_HI"
"100002",2,2,0,0,0,0,"1002_IEO_ANG_HI"
"100003",0,0,0,0,5,5,"1001_IEO_SAD_HI"
"100004",0,0,0,0,0,0,"1001_IEO_NEU_XX"
"100005",9,0,0,0,0,0,"readme"
"200001",0,0,9,0,0,0,"1001_IEO_ANG_HI"
"""

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad")

EMODB = "utterance,recognised_percent,natural_percent\n03a01Wa,90.00,75.00\n03a01Nc,100.00,95.00\n"


@pytest.fixture
def crema_d(tmp_path):
    folder = tmp_path / "crema-d"
    (folder / "processedResults").mkdir(parents=True)
    (folder / "processedResults" / "tabulatedVotes.csv").write_text(VOTES)
    return folder


def test_votes_by_voice_alone_are_those_of_crema_d(crema_d):
    heard = read_listeners("crema-d", crema_d)
    assert heard.counts["speaker"].tolist() == ["crema-d/1001", "crema-d/1002", "crema-d/1001"]
    assert heard.counts["emotion"].tolist() == ["angry", "angry", "sad"]
    assert heard.counts.loc[0, ["angry", "disgust", "fear"]].tolist() == [3, 1, 0]


def test_gzipped_votes_are_read_and_found_beside_the_recordings(crema_d):
    plain = crema_d / "processedResults" / "tabulatedVotes.csv"
    (crema_d / "tabulatedVotes.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    (crema_d / "AudioWAV").mkdir()
    assert len(read_listeners("crema-d", crema_d / "AudioWAV").counts) == 3


def test_recordings_count_alike_and_ties_in_equal_parts(crema_d, tmp_path):
    keep_listeners(find_listeners({"crema-d": crema_d, "ravdess": tmp_path}), tmp_path)
    (kept,) = kept_listeners(tmp_path)
    assert (kept.corpus, kept.emotions, kept.answers) == ("crema-d", EMOTIONS, 6)
    # Of angry: 3 of 4 and 2 of 4 answers; most of one, half of the other. Of sad: 5 of 10 answers, and half.
    one, most = (sum(np.array(matrix) for matrix in stored.values()) for stored in (kept.one, kept.most))
    assert one[[0, 5]].tolist() == [[1.25, 0.75, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.5, 0.5, 0]]
    assert most[[0, 5]].tolist() == [[1.5, 0.5, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.5, 0.5, 0]]
    assert not one[1:5].any()
    assert unweighted_average_recall(one) == pytest.approx((1.25 / 2 + 0.5) / 2)


def test_emodb_tells_only_how_many_were_right(tmp_path):
    (tmp_path / "listeners.csv").write_text(EMODB)
    keep_listeners(find_listeners({"emodb": tmp_path}), tmp_path)
    (kept,) = kept_listeners(tmp_path)
    assert kept.emotions == ("angry", "neutral")
    assert kept.most == {}
    assert np.array(kept.one["emodb/03"]) == pytest.approx(np.array([[0.9, 0, 0.1], [0, 1, 0], [0, 0, 0]]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EMODB.replace("recognised", "heard"), "got the columns utterance, heard_percent, .*; expected recognised_per"),
        (
            EMODB.replace("90.00", "many"),
            "hold what is no number from 0 to 100; get the file as it is published, or ",
        ),
        (EMODB.replace("90.00", "-1"), "hold what is no number from 0 to 100"),
        (EMODB.replace("90.00", "200"), "hold what is no number from 0 to 100"),
        (EMODB.replace("90.00", "inf"), "hold what is no number from 0 to 100"),
        ("utterance,recognised_percent\nreadme,90\n", "has no answer to a recording of "),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_table_of_answers_is_an_error(tmp_path, text, words):
    (tmp_path / "listeners.csv").write_text(text)
    with pytest.raises(CorpusError, match=words):
        read_listeners("emodb", tmp_path)


def test_corpora_without_answers_keep_nothing(tmp_path):
    keep_listeners(find_listeners({"ravdess": tmp_path, "emodb": tmp_path, "tess": tmp_path / "missing"}), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert kept_listeners(tmp_path) == []


@pytest.mark.parametrize("cut", [slice(None, -9), slice(0, 0), slice(5, None)])
def test_damaged_gzipped_votes_are_an_error(crema_d, cut):
    plain = crema_d / "processedResults" / "tabulatedVotes.csv"
    packed = gzip.compress(plain.read_bytes())
    plain.unlink()
    plain.with_suffix(".csv.gz").write_bytes(packed[cut])
    with pytest.raises(CorpusError, match="cannot be read"):
        read_listeners("crema-d", crema_d)


def test_votes_that_are_not_as_published_are_an_error(crema_d):
    path = crema_d / "processedResults" / "tabulatedVotes.csv"
    path.write_text(VOTES.replace("3,1,0,0", "inf,1,0,0"))
    with pytest.raises(CorpusError, match="hold what is no number from 0 to 1000"):
        read_listeners("crema-d", crema_d)
    path.write_text(re.sub(r'^"\d*",', "", VOTES, flags=re.MULTILINE))
    with pytest.raises(CorpusError, match="the first column is 'A'; expected numbers, whose first digit"):
        read_listeners("crema-d", crema_d)


def test_votes_without_an_answer_are_an_error(crema_d):
    path = crema_d / "processedResults" / "tabulatedVotes.csv"
    lines = VOTES.splitlines()
    path.write_text(f"{lines[0]}\n{lines[4]}\n")
    with pytest.raises(CorpusError, match="has no answer to a recording of"):
        read_listeners("crema-d", crema_d)


def test_a_recording_that_is_listed_twice_counts_once(tmp_path):
    (tmp_path / "listeners.csv").write_text(EMODB + "03a01Wa,0.00,0.00\n")
    assert read_listeners("emodb", tmp_path).counts["angry"].tolist() == [18, 0]


def test_files_elsewhere_in_the_folder_are_not_taken_for_answers(tmp_path):
    (tmp_path / "emodb" / "mine").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "emodb" / "mine"):
        (place / "listeners.csv").write_text(EMODB)
    assert read_listeners("emodb", tmp_path / "emodb") is None


GOOD = {"corpus": "emodb", "how": "", "emotions": ["sad"], "answers": 2, "one": {"s": [[1, 1], [0, 0]]}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ""),
        ({}, ""),
        ([1], ""),
        ([{"corpus": "emodb"}], "how"),
        ([GOOD, GOOD], "a corpus is there twice"),
        ([{**GOOD, "answers": 0}], "answers"),
        ([{**GOOD, "emotions": ["sad", "sad"]}], "emotions has one twice"),
        ([{**GOOD, "one": {}}], "one"),
        ([{**GOOD, "one": {"s": [[1]]}}], "a matrix does not have 2 rows of 2 numbers"),
        ([{**GOOD, "one": {"s": [[1, 1], [0]]}}], "a matrix does not have 2 rows of 2 numbers"),
        ([{**GOOD, "one": {"s": [[2, -1], [0, 0]]}}], "does not add up"),
        ([{**GOOD, "one": {"s": [[0.001, 0.001], [0, 0]]}}], "does not add up"),
        ([{**GOOD, "one": {"s": [[1, 1], [0, 0]], "t": [[0, 0], [0, 0]]}}], "does not add up"),
        ([{**GOOD, "one": {"s": [[1e308, 0], [0, 0]]}}], "does not add up"),
        ([{**GOOD, "most": {"t": [[1, 1], [0, 0]]}}], "one and most are of other speakers"),
    ],
)
def test_a_broken_file_of_answers_is_an_error(tmp_path, content, words):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "listeners.json").write_text(text)
    with pytest.raises(SettingsError, match=f"listeners.json: does not hold answers of .*{words}.*; delete it"):
        kept_listeners(tmp_path)


def test_answers_to_other_corpora_stay(crema_d, tmp_path):
    (tmp_path / "listeners.json").write_text(json.dumps([GOOD]))
    keep_listeners(find_listeners({"crema-d": crema_d, "emodb": tmp_path}), tmp_path)
    assert [one.corpus for one in kept_listeners(tmp_path)] == ["crema-d", "emodb"]


def result(**changes):
    """A result with the classes and the corpus of the votes."""
    scores = ClassResult(precision=0.5, recall=0.8, f1=0.6, support=10)
    changes = {"corpora": ("crema-d",), "classes": EMOTIONS, "features_name": "mfcc", **changes}
    changes["per_class"] = dict.fromkeys(changes["classes"], scores)
    changes["confusion"] = (2 * np.eye(len(changes["classes"]), dtype=int)).tolist()
    one = made(("none", "none"), "svm", [0.7] * 24)
    scores = next(iter(one.speakers.values()))
    changes.setdefault("speakers", {"crema-d/1001": scores, "crema-d/1002": scores})
    return one.model_copy(update=changes)


def test_the_table_has_listeners_beside_the_best_result(crema_d, tmp_path):
    keep_listeners(find_listeners({"crema-d": crema_d}), tmp_path)
    text = StudyText(command="", title="T", question="Q", listeners=kept_listeners(tmp_path))
    rows = [
        [getattr(cell, "text", cell) for cell in row.cells] for row in study_tables(text, [result()]).listeners.rows
    ]
    assert [row[1:6] for row in (rows[0], rows[1], rows[5])] == [
        ["angry", "62.5", "75.0", "80.0", "disgust (37.5)"],
        ["disgust", "-", "-", "80.0", "-"],
        ["sad", "50.0", "50.0", "80.0", "neutral (50.0)"],
    ]
    # Two speakers are too few for an interval.
    assert rows[6][1:4] == ["UAR", "56.2", "62.5"]
    assert rows[6][4] == "70.0"
    page = study_page(text, [result()])
    assert "- CREMA-D, speaker-kfold: 3 recordings of the 2 tested speakers, 6.0 answers each; voice alone." in page
    assert page.index("## Compared with human listeners") < page.index("## Settings")
    alone = study_page(StudyText(command="", title="T", question="Q"), [result()])
    assert "## Compared with human listeners" not in alone


def test_results_with_pretrained_networks_are_told_apart_and_listeners_are_described_once(crema_d, tmp_path):
    keep_listeners(find_listeners({"crema-d": crema_d}), tmp_path)
    text = StudyText(command="", title="T", question="Q", listeners=kept_listeners(tmp_path))
    stamp = Stamp(kind="pretrained", value={"what": "ge2e", "on": "LibriSpeech", "licence": "Apache 2.0"})
    heard = result(features_name="ge2e", rows=2)
    heard = heard.model_copy(update={"protocol": heard.protocol.model_copy(update={"stamps": (stamp,)})})
    results = [heard, result(rows=2)]
    names = {getattr(row.cells[0], "text", row.cells[0]) for row in study_tables(text, results).listeners.rows}
    assert names == {"CREMA-D, speaker-kfold", "CREMA-D, speaker-kfold, inductive, pretrained"}
    line = "- CREMA-D, speaker-kfold: 3 recordings of the 2 tested speakers (1 of them set aside here), 6.0 answers"
    assert study_page(text, results).count(line) == 1


@pytest.mark.parametrize(
    "changes",
    [{"corpora": ("emodb",)}, {"corpora": ("crema-d", "emodb")}, {"classes": (*EMOTIONS, "calm")}],
)
def test_results_of_other_recordings_or_emotions_stand_beside_nothing(crema_d, tmp_path, changes):
    keep_listeners(find_listeners({"crema-d": crema_d}), tmp_path)
    kept = kept_listeners(tmp_path)
    assert len(beside_listeners(kept, [result()])) == 1
    assert beside_listeners(kept, [result(**changes)]) == []


def test_only_the_answers_to_the_tested_speakers_stand_beside_a_result(crema_d, tmp_path):
    heard = find_listeners({"crema-d": crema_d})
    scores = next(iter(result().speakers.values()))
    ((one, _),) = beside_listeners(heard, [result(speakers={"crema-d/1002": scores})])
    assert np.array(one.one["crema-d/1002"])[0].tolist() == [0.5, 0.5, 0, 0, 0, 0, 0]
    assert list(one.one) == list(one.most) == ["crema-d/1002"]
    for speakers in ({}, {"crema-d/1003": scores}):
        assert beside_listeners(heard, [result(speakers=speakers)]) == []
    renamed = Stamp(kind="labels-renamed", value={"angry": "sad", "sad": "angry"})
    assert beside_listeners(heard, [result(notes=[renamed])]) == []


def test_results_that_knew_the_speakers_stand_beside_nothing(crema_d, tmp_path):
    keep_listeners(find_listeners({"crema-d": crema_d}), tmp_path)
    plain = result().protocol
    normalised = plain.model_copy(update={"setting": "speaker-normalised"})
    known = plain.model_copy(update={"random": True, "allows": ("speakers",), "stamps": [SHARED]})
    assert not known.speaker_independent
    for protocol in (normalised, known):
        assert beside_listeners(kept_listeners(tmp_path), [result(protocol=protocol)]) == []


def test_published_figures_of_the_listeners(corpus_folder, tmp_path):
    """Of EMO-DB's published recordings, 93.5 % were recognised."""
    keep_listeners(find_listeners({"emodb": corpus_folder("emodb")}), tmp_path)
    if not (told := kept_listeners(tmp_path)):
        pytest.skip("the answers of EMO-DB's listeners are not beside its recordings")
    (kept,) = told
    right = sum(np.trace(np.array(matrix)) for matrix in kept.one.values())
    assert sum(np.sum(matrix) for matrix in kept.one.values()) == pytest.approx(535)
    assert right / 535 == pytest.approx(0.935, abs=0.0005)
