"""A folder of a newcomer: whatever its shape, it ends in a result, or in a sentence that says what is missing."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from fusionser_cli.fit import _how_estimated

from fusionser import evaluate, fit
from fusionser.corpora import corpus_of_folder, list_rows
from fusionser.errors import CorpusError, ProtocolError, RowsError
from fusionser.pipeline import Config, ProtocolSpec, protocol_without_speakers
from fusionser.registry import CORPORA
from fusionser.results import read_result
from fusionser.spec import PipelineSpec

EMOTIONS = ("angry", "happy", "sad")


@pytest.fixture(scope="module")
def clips(demo_folder):
    """Recordings of four voices: by emotion, then voice, a list of files."""
    return {
        emotion: {
            voice: sorted(demo_folder.glob(f"synthetic_{voice}_{emotion}_*")) for voice in ("f1", "f2", "m1", "m2")
        }
        for emotion in EMOTIONS
    }


def tree(root: Path, clips, name, emotions=EMOTIONS, each=2) -> Path:
    """Copy recordings of each voice; `name` makes the path of one from emotion, voice and number."""
    for emotion in emotions:
        for voice, files in clips[emotion].items():
            for number, file in enumerate(files[:each]):
                path = root / name.format(
                    emotion=emotion, voice=voice, number=number, split=("train", "test")[number % 2]
                )
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, path)
    return root


SHAPES = {
    "label": ("{emotion}/{voice}{number}.wav", "{emotion}/*", False),
    "train and test above": ("{split}/{emotion}/{voice}{number}.wav", "*/{emotion}/*", False),
    "speaker, then label": ("{voice}/{emotion}/{number}.wav", "{speaker}/{emotion}/*", True),
    "label, then speaker": ("{emotion}/{voice}/{number}.wav", "{emotion}/{speaker}/*", True),
    "names of files": ("{emotion}_{voice}{number}.wav", "*{emotion}*", False),
    "names of files below speakers": ("voice {voice}/take {number} - {emotion}.wav", "{speaker}/*{emotion}*", True),
    "names of files in one folder": ("corpus/take {voice}{number} - {emotion}.wav", "*/*{emotion}*", False),
    "names of files below speakers in one folder": (
        "all/v {voice}/{number} {emotion}.wav",
        "*/{speaker}/*{emotion}*",
        True,
    ),
    "labels in one folder": ("corpus/{emotion}/{voice}{number}.wav", "*/{emotion}/*", False),
    "blanks, numbers and capitals": ("My Data/01 {emotion} !/{voice}{number}.wav", None, False),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_emotions_and_speakers_of_a_folder_are_found(clips, tmp_path, shape):
    name, pattern, speakers = SHAPES[shape]
    root = tree(tmp_path / "mine", clips, name)
    (root / ".hidden").mkdir()
    shutil.copy(clips["sad"]["f1"][0], root / ".hidden" / "angry.wav")
    (root / "Thumbs.db").write_text("x")
    listing = list_rows(root)
    if shape != "labels in one folder" and pattern is not None:
        # Whoever says that folders are labels may have a single speaker.
        pd.testing.assert_frame_equal(listing.rows, list_rows(root, "folders").rows)
    assert len(listing.rows) == 24 and not len(listing.quarantine)
    assert listing.rows["emotion"].str.contains("|".join(EMOTIONS)).all()
    assert listing.rows["emotion"].nunique() == 3
    assert (listing.rows["speaker"].nunique() == 4) == speakers
    notes = {note.kind: note.value for note in listing.notes}
    assert pattern is None or notes["layout"] == pattern
    assert ("no-speaker-folders" in notes) != speakers


def test_how_a_model_was_tested_is_said_in_plain_words():
    def told(*folds):
        protocol = SimpleNamespace(name="speaker-kfold")
        return _how_estimated(SimpleNamespace(protocol=protocol, folds=[SimpleNamespace(name=one) for one in folds]))

    assert (
        told("fold 1", "fold 2")
        == "estimated by speaker-kfold, tested in 2 rounds, each on another part of the recordings"
    )
    assert told("anna, ben") == "estimated by speaker-kfold, tested on anna, ben"


def test_names_with_umlauts_are_emotions(clips, tmp_path):
    for emotion, name in (("angry", "wütend"), ("happy", "fröhlich")):
        tree(tmp_path, clips, f"{name}/{{voice}}{{number}}.wav", emotions=[emotion])
    assert set(list_rows(tmp_path).rows["emotion"]) == {"wütend", "fröhlich"}


def test_a_corpus_is_known_by_the_names_of_its_recordings(demo_folder, tmp_path):
    assert corpus_of_folder(demo_folder) == "demo"
    assert set(list_rows(demo_folder).rows["speaker"]) == set(list_rows(demo_folder, "demo").rows["speaker"])
    clip = next(demo_folder.iterdir())
    for corpus in ("ravdess", "tess", "emodb", "savee", "iemocap-4"):
        path = tmp_path / corpus / CORPORA[corpus].card.example
        path.parent.mkdir(parents=True)
        shutil.copy(clip, path)
    found = {corpus: corpus_of_folder(tmp_path / corpus) for corpus in ("ravdess", "tess", "emodb", "savee")}
    assert all(corpus == name for corpus, name in found.items())
    # Several corpora together are the one that consists of them, if there is such a one.
    shutil.copytree(tmp_path / "ravdess", tmp_path / "both" / "a")
    shutil.copytree(tmp_path / "tess", tmp_path / "both" / "b")
    assert corpus_of_folder(tmp_path / "both") == "super-set"
    with pytest.raises(CorpusError, match=r"do not tell one corpus \(1 of iemocap-4, 1 of iemocap-6\).*--corpus"):
        list_rows(tmp_path / "iemocap-4")
    shutil.copytree(tmp_path / "emodb", tmp_path / "mixed" / "a")
    shutil.copytree(tmp_path / "tess", tmp_path / "mixed" / "b")
    with pytest.raises(CorpusError, match="of 2 recordings do not tell one corpus"):
        corpus_of_folder(tmp_path / "mixed")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{voice}{number}{emotion[0]}.wav", "neither folders nor names of files tell the emotions"),
        ("Actor_0{number}/{voice}{emotion[0]}.wav", "the folders Actor_00 to Actor_01 do not look like emotions"),
        ("x/{voice}/{emotion[0]}{number}.wav", "at no level half of the folders have names of emotions"),
    ],
)
def test_what_does_not_tell_its_emotions_is_told(clips, tmp_path, name, told):
    with pytest.raises(CorpusError, match=told) as raised:
        list_rows(tree(tmp_path, clips, name))
    assert "--layout" in str(raised.value)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(CorpusError, match="no audio files in it; expected files ending in .wav"):
        list_rows(tmp_path)


def test_unknown_speakers_give_a_random_split_with_as_many_folds_as_there_are_clips(demo_rows):
    wanted = ProtocolSpec(name="speaker-kfold")
    unknown = demo_rows.assign(speaker="")
    assert protocol_without_speakers(wanted, demo_rows) == wanted
    assert protocol_without_speakers(wanted, unknown).settings == {"stratified": True, "folds": 5}
    few = unknown.groupby("emotion").head(2)
    assert protocol_without_speakers(wanted, few).settings["folds"] == 2
    assert protocol_without_speakers(ProtocolSpec(name="speaker-kfold", settings={"folds": 2}), few.assign(speaker="a"))
    shared = protocol_without_speakers(ProtocolSpec(name="speaker-holdout", settings={"share": 0.3}), unknown)
    assert (shared.name, shared.settings["share"]) == ("random-holdout", 0.3)
    # Windows of one recording are not parted.
    windows = few.loc[few.index.repeat(4)]
    assert protocol_without_speakers(wanted, windows).settings["folds"] == 2
    with pytest.raises(ProtocolError, match="one recording of 'sad'.*--drop-classes sad"):
        protocol_without_speakers(wanted, few.drop(few.index[few["emotion"] == "sad"][0]))
    given = Config(protocol=ProtocolSpec(name="leave-one-speaker-out")).protocol
    assert protocol_without_speakers(given, unknown) == given


def test_a_folder_with_a_folder_for_each_emotion_works_at_once(command, clips, tmp_path):
    root = tree(tmp_path / "my folder", clips, "{emotion}/{voice} {number}.wav")
    done = command("evaluate", root, "--out", tmp_path / "report")
    assert done.status == 0, done.messages
    page = (tmp_path / "report" / "report.md").read_text()
    assert "\n**SPEAKERS UNKNOWN, MAYBE ON BOTH SIDES: not an estimate for new speakers.**\n" in page
    assert " of unknown speakers, 3 classes" in page and "test speakers" not in page
    assert re.search("the speakers are unknown: splits by speaker need", done.messages)
    assert "the split is random (random-kfold), because no speakers are known" in done.messages
    assert "random-kfold, stratified, 5 folds" in done.output and "higher than for a new speaker" in done.messages
    fitted = command("fit", root, "--out", tmp_path / "m.fusionser")
    assert fitted.status == 0 and "estimated by random-kfold" in fitted.output, fitted.messages
    with pytest.warns(RuntimeWarning, match="the split is random \\(random-kfold\\), because no speakers are known"):
        result = evaluate(root)
    assert result.pooled.uar == read_result(tmp_path / "report" / "result.json").pooled.uar
    with pytest.raises(RowsError, match="no speaker"):
        evaluate(root, protocol="speaker-kfold")
    with pytest.warns(RuntimeWarning, match="the split is random") as warned:
        model = fit(root, PipelineSpec(features={"blocks": ("rms",)}))
    assert warned[0].filename == __file__ and model.card.estimate.protocol.name == "random-kfold"
    answer = command("predict", tmp_path / "m.fusionser", root / "sad" / "f1 0.wav")
    assert answer.status == 0 and "sad" in answer.output


def test_two_clips_of_each_emotion_are_enough_and_one_emotion_is_not(command, clips, tmp_path):
    two = tree(tmp_path / "two", {name: {"f1": files["f1"]} for name, files in clips.items()}, "{emotion}_{number}.wav")
    done = command("evaluate", two, "--json")
    assert done.status == 0 and done.json["protocol"]["name"] == "random-kfold", done.messages
    one = command("evaluate", tree(tmp_path / "one", clips, "{emotion}/{voice}{number}.wav", emotions=["sad"]))
    assert one.status == 1 and "all 8 rows have one class, 'sad'; two or more are needed" in one.messages


def test_a_known_corpus_is_named_in_a_message(command, demo_folder, tmp_path):
    done = command("extract", demo_folder, "--blocks", "rms", "--out", tmp_path / "f.parquet")
    assert done.status == 0 and "read as --corpus demo, since its recordings are named like those of" in done.messages


def test_an_ablation_needs_speakers_and_no_name_of_a_corpus(command, clips, tmp_path):
    table = ["--imbalance", "none,weights", "--augmentation", "none", "--folds", "2"]
    unknown = tree(tmp_path / "unknown", clips, "{emotion}/{voice} {number}.wav")
    refused = command("ablate", unknown, *table, "--out", tmp_path / "a")
    assert refused.status == 1 and "do not tell two speakers or more" in refused.messages
    assert not (tmp_path / "a").exists()
    known = tree(tmp_path / "known", clips, "{voice}/{emotion}/{number}.wav")
    done = command("ablate", known, *table, "--out", tmp_path / "b")
    assert done.status == 0, done.messages
    assert "the gender of the speakers is unknown, so it is no feature" in done.messages
    assert "report.html (2 evaluations)" in done.output
    assert (tmp_path / "b" / "report.md").read_text().startswith("# Imbalance against augmentation: known\n")
    assert "<h1>Imbalance against augmentation: known</h1>" in (tmp_path / "b" / "report.html").read_text()


def test_an_ablation_takes_a_layout_and_leaves_out_only_what_is_unknown(command, clips, tmp_path):
    named = tree(tmp_path / "named", clips, "{emotion}/{voice}_{number}.wav")
    asked = ["ablate", named, "--layout", "{emotion}/{speaker}_*", "--folds", "2"]
    table = ["--imbalance", "none,weights", "--augmentation", "none"]
    done = command(*asked, *table, "--blocks", "rms", "--out", tmp_path / "layout")
    assert done.status == 0, done.messages
    assert "gender" not in done.messages
    results = [read_result(path) for path in (tmp_path / "layout" / "cells").glob("*.json")]
    assert [sorted(result.speakers) for result in results] == [
        [f"named/{voice}" for voice in ("f1", "f2", "m1", "m2")]
    ] * 2
    # What no evaluation could do is said once, before the first.
    refused = command(*asked, *table, "--blocks", "rms,gender", "--out", tmp_path / "gender")
    assert refused.status == 1 and refused.messages.count("the gender cannot be estimated") == 1
    assert not (tmp_path / "gender").exists()


def test_a_study_of_protocols_needs_no_card(command, clips, tmp_path):
    known = tree(tmp_path / "known", clips, "{voice}/{emotion}/{number}.wav")
    asked = ["ablate", known, "--study", "protocol", "--blocks", "rms", "--out", tmp_path / "out"]
    done = command(*asked)
    assert done.status == 0 and "2 evaluations; 1 failed" in done.output, done.messages
    result = read_result(next((tmp_path / "out" / "cells").glob("*_speaker-kfold_*.json")))
    assert result.protocol.settings["folds"] == 4
    refused = command(*asked, "--also", f"demo={known}")
    assert refused.status == 1 and "combines known corpora, but the corpus is 'folders'" in refused.messages
