"""The real corpora, through the public commands. Without them these tests skip, and say so."""

import json
from pathlib import PurePath

import pandas as pd
import pytest

from fusionser.corpora import CORPORA
from fusionser.corpora.crema_d import read_genders

pytestmark = pytest.mark.corpora


def parsed(corpus_folder, corpus, file):
    names = (corpus_folder("names") / file).read_text().split()
    return names, [CORPORA[corpus].parse(PurePath(name)) for name in names]


@pytest.mark.parametrize(
    ("corpus", "file", "count"),
    [
        ("ravdess", "ravdess_speech.txt", 1440),
        ("ravdess-song", "ravdess_song.txt", 1009),
        ("crema-d", "crema_d.txt", 7442),
        ("savee", "savee.txt", 480),
    ],
)
def test_every_published_name_parses(corpus_folder, corpus, file, count):
    names, records = parsed(corpus_folder, corpus, file)
    assert len(names) == count
    assert None not in records
    assert len({record["id"] for record in records}) == count
    found = pd.Series([record["emotion"] for record in records]).value_counts().to_dict()
    if count == CORPORA[corpus].card.counts.files:
        assert found == CORPORA[corpus].card.counts.emotions


def test_the_flat_names_of_savee_are_the_same_recordings(corpus_folder):
    names, records = parsed(corpus_folder, "savee", "savee.txt")
    flat = [CORPORA["savee"].parse(PurePath("_".join(PurePath(name).parts[-2:]))) for name in names]
    assert flat == records


def test_crema_d_has_the_papers_clips_of_men_and_women(corpus_folder):
    _, records = parsed(corpus_folder, "crema-d", "crema_d.txt")
    genders = read_genders(corpus_folder("crema_d") / "VideoDemographics.csv")
    found = pd.Series([genders[record["speaker"].removeprefix("crema-d/")] for record in records]).value_counts()
    assert found.to_dict() == {"male": 3930, "female": 3512}


def test_the_super_set_has_the_papers_size(corpus_folder):
    """TESS is not listed by name here; its 2 800 recordings of two women follow from its card."""
    super_set = CORPORA["super-set"]
    records = []
    for part, file in (("ravdess", "ravdess_speech.txt"), ("crema-d", "crema_d.txt"), ("savee", "savee.txt")):
        names, own = parsed(corpus_folder, part, file)
        assert [super_set.parse(PurePath(name)) for name in names] == [{**record, "corpus": part} for record in own]
        records += own
    labels = CORPORA["tess"].card.labels
    tess = [super_set.parse(PurePath(f"{who}_back_{label}.wav")) for who in ("OAF", "YAF") for label in labels]
    assert {record["corpus"] for record in tess} == {"tess"}
    count = CORPORA["tess"].card.counts
    assert len(records) + count.files == 12162
    genders = read_genders(corpus_folder("crema_d") / "VideoDemographics.csv")
    speakers = {
        record["speaker"]: record.get("gender") or genders[record["speaker"].removeprefix("crema-d/")]
        for record in [*records, *tess]
    }
    assert pd.Series(speakers).value_counts().to_dict() == {"male": 64, "female": 57}
    six = sum(record["emotion"] not in ("calm", "surprise") for record in records)
    assert six + count.files - count.emotions["surprise"] == 11318
    assert super_set.card.counts.files == 12162


@pytest.mark.parametrize(
    ("corpus", "folder", "recordings", "speakers", "doubled", "unusable"),
    [
        ("ravdess", "ravdess", 1440, 24, 0, 0),
        ("emodb", "emodb", 535, 10, 0, 0),
        # Three have the audio of another one.
        ("crema-d", "crema_d", 7439, 91, 6, 3),
        ("tess", "tess", 2800, 2, 0, 0),
        ("ravdess-song", "ravdess_song", 1012, 23, 0, 0),
    ],
)
def test_check_counts_what_is_there(command, corpus_folder, corpus, folder, recordings, speakers, doubled, unusable):
    found = command("corpora", "check", corpus, corpus_folder(folder), "--headers", "--json").json
    assert found["recordings"] == recordings == CORPORA[corpus].card.counts.files - unusable
    assert found["speakers"] == speakers
    assert len(found["doubled"]) == doubled
    assert len(found["unusable"]) == unusable and found["missing"] == []


def test_check_decodes_and_finds_what_crema_d_holds_twice_and_what_is_silent(command, corpus_folder, tmp_path):
    """Decoding all 7 442 takes half a minute, so the known oddities of the corpus stand for them."""
    twice = [("1006_TIE_NEU_XX", "1006_TIE_HAP_XX"), ("1013_WSI_SAD_XX", "1013_WSI_DIS_XX")]
    for stem in [*(stem for pair in twice for stem in pair), "1076_MTI_SAD_XX", "1001_IEO_ANG_HI"]:
        (file,) = corpus_folder("crema_d").glob(f"Audio*/{stem}.*")
        (tmp_path / file.name).symlink_to(file)
    found = command("corpora", "check", "crema-d", tmp_path, "--json").json
    assert found["identical_audio"] == []
    reasons = {PurePath(refused["file"]).stem: refused["reason"] for refused in found["unusable"]}
    assert set(reasons) == {"1006_TIE_NEU_XX", "1013_WSI_SAD_XX", "1076_MTI_SAD_XX"}
    assert "silent" in reasons["1076_MTI_SAD_XX"]
    for wrong, right in twice:
        assert f"has the audio of {right}, so its label cannot be right" in reasons[wrong]


def test_check_finds_the_recording_that_ravdess_holds_twice(command, corpus_folder):
    found = command("corpora", "check", "ravdess", corpus_folder("ravdess"), "--json").json
    names = [sorted(PurePath(file).stem for file in group) for group in found["identical_audio"]]
    assert ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"] in names


@pytest.fixture(scope="module")
def features(command, corpus_folder, tmp_path_factory):
    """The wide features of RAVDESS and EMO-DB, extracted once."""
    files = {}
    for name in ("ravdess", "emodb"):
        files[name] = tmp_path_factory.mktemp("features") / f"{name}.parquet"
        done = command("extract", corpus_folder(name), "--corpus", name, "--out", files[name])
        assert done.status == 0, done.messages
    return files


def test_the_wide_set_with_an_svm_reaches_what_a_plain_set_reached(command, features):
    """974 plain functionals reached 53.7 % WAR on RAVDESS and 73.6 % UAR on EMO-DB, inductively."""
    six = command("evaluate", features["ravdess"], "--protocol", "speaker-kfold", "--folds", 6, "--json").json
    assert six["protocol"]["setting"] == "inductive"
    assert [fold["test_rows"] for fold in six["folds"]] == [240] * 6
    assert [fold["test_speakers"] for fold in six["folds"]] == [4] * 6
    assert six["pooled"]["war"] >= 0.53
    loso = command("evaluate", features["emodb"], "--protocol", "leave-one-speaker-out", "--json").json
    assert len(loso["folds"]) == 10
    assert loso["pooled"]["uar"] >= 0.73


def test_ravdess_under_a_random_split_is_stamped_with_its_leaks(command, features):
    result = command("evaluate", features["ravdess"], "--protocol", "random-kfold", "--stratified", "--json").json
    stamps = {stamp["kind"]: stamp["value"] for stamp in result["protocol"]["stamps"]}
    assert stamps["shared-speakers"] == 24
    assert stamps["shared-audio"] == 1


def test_the_guard_catches_the_recording_that_ravdess_holds_twice(features):
    """The two names are of one actor, so a split between them is caught by speaker first; by audio all the same."""
    from fusionser.errors import LeakageError
    from fusionser.evaluation import check_split

    table = pd.read_parquet(features["ravdess"])
    twins = table["source"].isin(["ravdess/03-01-03-01-02-01-07", "ravdess/03-01-03-01-02-02-07"])
    left, right = table[twins].iloc[:1], table[twins].iloc[1:]
    with pytest.raises(LeakageError, match="share 1 audio .*03-01-03-01-02-0"):
        check_split(left, right, frozenset({"speakers"}), "fold")


def test_a_model_of_real_speech_is_saved_and_predicts(command, corpus_folder, features, tmp_path):
    model = tmp_path / "ravdess.fusionser"
    done = command("fit", features["ravdess"], "--classifier", "svm", "--out", model)
    assert "estimated by speaker-holdout, tested on ravdess/01, ravdess/02, ravdess/03, ravdess/04" in done.output
    folder = corpus_folder("ravdess") / "Actor_01"
    answers = command("predict", model, folder, "--json").json
    assert len(answers) == 60
    right = [CORPORA["ravdess"].parse(PurePath(one["file"]))["emotion"] == one["emotion"] for one in answers]
    # It was trained on these very clips: this says that file and model fit together, and nothing else.
    assert sum(right) >= 57
    other = command("predict", model, corpus_folder("crema_d") / "AudioMP3", "--json").json
    assert len(other) == 6
    assert all(one["error"] is None for one in other)


@pytest.fixture(scope="module")
def some_of_tess(corpus_folder, tmp_path_factory):
    """Every tenth recording of TESS: all of them would take minutes, and no assertion here is about their number."""
    folder = tmp_path_factory.mktemp("tess")
    for file in sorted(corpus_folder("tess").rglob("*.opus"))[::10]:
        (folder / file.name).symlink_to(file)
    return folder


def test_cross_corpus_between_real_corpora(command, corpus_folder, some_of_tess):
    shared = "angry,disgust,fear,happy,neutral,sad"
    places = [corpus_folder("emodb"), some_of_tess]
    done = command(
        "evaluate", *places, "--corpus", "emodb,tess", "--protocol", "cross-corpus", "--test-corpora", "tess",
        "--classes", shared, "--json",
    )  # fmt: skip
    assert done.status == 0, done.messages
    assert done.json["folds"][0]["test_speakers"] == 2
    # Without --classes, those of one side alone are left out, with a stamp.
    other = command(
        "evaluate", *places, "--corpus", "emodb,tess", "--protocol", "cross-corpus", "--test-corpora", "tess", "--json"
    ).json
    assert other["pooled"] == done.json["pooled"] and other["confusion"] == done.json["confusion"]
    left_out = [stamp["value"] for stamp in other["protocol"]["stamps"] if stamp["kind"] == "classes-left-out"]
    assert left_out == [{"emodb": ["boredom"], "tess": ["surprise"]}]


def test_studies_with_another_corpus(command, corpus_folder, some_of_tess, tmp_path):
    """The parts of TESS add to EMO-DB's training rows, and are never tested."""
    given = ["ablate", corpus_folder("emodb"), "--corpus", "emodb", "--also", f"tess={some_of_tess}"]
    short = ["--preset", "fusionnet", "--gender", "none", "--folds", "5", "--json"]
    done = command(*given, *short, "--study", "corpora", "--out", tmp_path / "corpora")
    assert done.status == 0, done.messages
    assert [one["contrast"]["text"] for one in done.json] == ["TESS added to the training rows"]
    assert done.json[0]["uar"]["speakers"] == 10
    cells = [json.loads(path.read_text()) for path in sorted((tmp_path / "corpora" / "cells").glob("*.json"))]
    assert {tuple(cell["corpora"]) for cell in cells} == {("emodb",), ("emodb", "tess")}
    assert {speaker.split("/")[0] for cell in cells for speaker in cell["speakers"]} == {"emodb"}
    assert cells[0]["features"] == cells[1]["features"]
    done = command(*given, *short, "--study", "protocol", "--out", tmp_path / "protocol")
    assert done.status == 0, done.messages
    gains = {one["contrast"]["text"]: one["uar"]["mean"] for one in done.json}
    # Words and voices in English, and a leak of voices: what is known beforehand of both.
    assert gains["training on another corpus against folds by speaker"] < -0.1
    assert gains["random folds against folds by speaker"] > 0


def test_listener_figures_belong_to_the_recordings_that_were_parsed(corpus_folder):
    """Every utterance that listeners judged is one of the corpus, and has a label."""
    table = pd.read_csv(corpus_folder("emodb") / "listeners.csv")
    records = [CORPORA["emodb"].parse(PurePath(name)) for name in table["utterance"]]
    assert None not in records
    assert len(records) == 535
    assert json.dumps(sorted({record["emotion"] for record in records})) == json.dumps(
        sorted(CORPORA["emodb"].card.counts.emotions)
    )
