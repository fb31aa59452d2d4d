"""Corpora from file names, and from small trees that look like the originals."""

import errno
import os
import shutil
from pathlib import Path, PurePath

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.corpora import CORPORA, differences, generate_demo, list_rows, read_card
from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.data_folder import find_corpora
from fusionser.errors import CorpusError, RowsError, SettingsError
from fusionser.facts import Stamp
from fusionser.pipeline import Place, list_places
from fusionser.rows import write_table


def record_tree(folder: Path, names, rate=8000):
    for number, name in enumerate(names):
        clip = np.random.default_rng(number).normal(0, 0.1, rate // 2)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, clip, rate)
    return folder


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_every_corpus_has_a_card_whose_counts_agree(name):
    card = CORPORA[name].card
    assert card.name == name
    # Counts that no source publishes are left out.
    if card.counts.emotions:
        assert sum(card.counts.emotions.values()) == card.counts.files
    if card.labels and card.counts.emotions:
        assert set(card.labels.values()) == set(card.counts.emotions)
    assert card.labels or card.counts.emotions
    assert card.uncertain or (card.counts.emotions and card.counts.files)
    expected = CORPORA[name].expected()
    assert len(expected) in (0, card.counts.files)
    assert card.synthetic == (name == "demo")


@pytest.mark.parametrize(
    ("corpus", "path", "fields"),
    [
        ("ravdess", "Actor_12/03-01-08-01-02-02-12.wav", ("ravdess/12", "female", "surprise")),
        ("ravdess-song", "Actor_01/03-02-06-02-02-01-01.flac", ("ravdess/01", "male", "fear")),
        ("emodb", "wav/03a01Fa.wav", ("emodb/03", "male", "happy")),
        ("emodb", "16a07Lb.flac", ("emodb/16", "female", "boredom")),
        ("crema-d", "AudioWAV/1076_MTI_SAD_XX.wav", ("crema-d/1076", None, "sad")),
        ("savee", "AudioData/KL/su15.wav", ("savee/KL", "male", "surprise")),
        ("savee", "DC_n30.wav", ("savee/DC", "male", "neutral")),
        ("tess", "YAF_pleasant_surprised/YAF_youth_ps.wav", ("tess/YAF", "female", "surprise")),
        ("tess", "OAF_neutral/OA_bite_neutral.wav", ("tess/OAF", "female", "neutral")),
        ("super-set", "x/1001_IEO_ANG_HI.wav", ("crema-d/1001", None, "angry")),
    ],
)
def test_names_tell_speaker_gender_and_emotion(corpus, path, fields):
    record = CORPORA[corpus].parse(PurePath(path))
    assert (record["speaker"], record.get("gender"), record["emotion"]) == fields


@pytest.mark.parametrize(
    ("corpus", "path"),
    [
        ("ravdess", "03-02-06-02-02-01-01.wav"),
        ("ravdess", "03-01-09-01-01-01-01.wav"),
        ("ravdess", "03-01-05-01-01-01.wav"),
        ("ravdess-song", "03-01-06-02-02-01-01.wav"),
        ("emodb", "99a01Fa.wav"),
        ("crema-d", "1001_DFA_XXX_XX.wav"),
        ("savee", "a01.wav"),
        ("tess", "OAF_back_bored.wav"),
        ("demo", "03a01Fa.wav"),
    ],
)
def test_foreign_names_are_not_claimed(corpus, path):
    assert CORPORA[corpus].parse(PurePath(path)) is None


def test_doubled_recordings_are_used_once_and_named(tmp_path):
    """Kaggle's RAVDESS holds itself twice; lossless is preferred to lossy."""
    names = ["Actor_01/03-01-01-01-01-01-01.wav", "Actor_01/03-01-02-01-01-01-01.wav"]
    record_tree(
        tmp_path, [*names, *(f"audio_speech_actors_01-24/{name}" for name in names), "mp3/03-01-01-01-01-01-01.mp3"]
    )
    listing = list_rows(tmp_path, "ravdess")
    assert [Path(file).relative_to(tmp_path).as_posix() for file in listing.rows["file"]] == names
    assert sorted(Path(left).parts[-1] for left, _ in listing.doubled) == [
        "03-01-01-01-01-01-01.mp3",
        "03-01-01-01-01-01-01.wav",
        "03-01-02-01-01-01-01.wav",
    ]
    assert listing.rows["end"].tolist() == [0.5, 0.5]


def test_both_layouts_of_savee_are_one(tmp_path):
    record_tree(tmp_path, ["AudioData/DC/a01.wav", "AudioData/JE/a01.wav", "flat/DC_a01.wav"])
    listing = list_rows(tmp_path, "savee")
    assert listing.rows["speaker"].tolist() == ["savee/DC", "savee/JE"]
    assert len(listing.doubled) == 1


def test_a_wav_with_a_foreign_chunk_is_read(tmp_path):
    """RAVDESS wavs can carry an FLLR chunk before the data."""
    plain = record_tree(tmp_path / "plain", ["03-01-01-01-01-01-01.wav"]) / "03-01-01-01-01-01-01.wav"
    content = plain.read_bytes()
    position = content.index(b"data")
    filler = b"FLLR" + (64).to_bytes(4, "little") + bytes(64)
    changed = content[:position] + filler + content[position:]
    changed = changed[:4] + (len(changed) - 8).to_bytes(4, "little") + changed[8:]
    (tmp_path / "03-01-01-01-01-01-02.wav").write_bytes(changed)
    rows = list_rows(tmp_path, "ravdess").rows
    assert rows["end"].tolist() == [0.5, 0.5]
    np.testing.assert_array_equal(*(soundfile.read(file)[0] for file in rows["file"]))


def test_unreadable_files_are_set_apart_and_the_rest_go_on(tmp_path):
    record_tree(tmp_path, ["03-01-01-01-01-01-01.wav"])
    (tmp_path / "03-01-01-01-01-01-02.wav").write_text("text")
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / ".hidden.wav").write_text("text")
    listing = list_rows(tmp_path, "ravdess")
    assert len(listing.rows) == 1
    assert listing.quarantine["file"].tolist() == [str(tmp_path / "03-01-01-01-01-01-02.wav")]
    assert "not readable as audio" in listing.quarantine["reason"][0]


def test_the_gender_of_crema_d_comes_from_its_table(tmp_path):
    record_tree(tmp_path, ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_DFA_ANG_XX.wav"])
    listing = list_rows(tmp_path / "AudioWAV", "crema-d")
    assert listing.rows["gender"].tolist() == ["", ""]
    (note,) = listing.notes
    assert note.kind == "genders-unknown"
    assert note.value["table"] == "VideoDemographics.csv"
    assert note.value["folder"] == str(tmp_path / "AudioWAV")
    (tmp_path / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n1002,21,"Female"\n')
    for folder in (tmp_path, tmp_path / "AudioWAV"):
        assert list_rows(folder, "crema-d").rows["gender"].tolist() == ["male", "female"]
    (tmp_path / "VideoDemographics.csv").write_text("Actor,Sex\n1001,Male\n")
    with pytest.raises(CorpusError, match="expected ActorID and Sex"):
        list_rows(tmp_path, "crema-d")


def test_film_and_audio_of_ravdess_are_one_recording(tmp_path):
    trial = "01-06-01-02-02-05"
    record_tree(tmp_path, [f"Actor_05/01-{trial}.wav", f"audio/Actor_05/03-{trial}.flac", "01-01-01-01-01-01-06.wav"])
    record_tree(tmp_path, ["02-01-01-01-01-01-07.wav"])
    listing = list_rows(tmp_path, "ravdess")
    assert [Path(file).name for file in listing.rows["file"]] == [f"03-{trial}.flac", "01-01-01-01-01-01-06.wav"]
    assert [[Path(name).name for name in pair] for pair in listing.doubled] == [[f"01-{trial}.wav", f"03-{trial}.flac"]]
    # A film without sound is no recording.
    assert [Path(file).name for file in listing.ignored] == ["02-01-01-01-01-01-07.wav"]
    assert listing.rows["source"].tolist() == [f"ravdess/03-{trial}", "ravdess/03-01-01-01-01-01-06"]


def test_the_super_set_is_ordered_by_corpus_then_speaker(tmp_path):
    record_tree(
        tmp_path,
        [
            "t/YAF_back_ps.wav",
            "s/DC_a01.wav",
            "c/1001_DFA_ANG_XX.wav",
            "r/03-01-05-01-01-01-02.wav",
            "r/03-01-05-01-01-01-01.wav",
        ],
    )
    listing = list_rows(tmp_path, "super-set")
    assert listing.rows["speaker"].tolist() == ["ravdess/01", "ravdess/02", "crema-d/1001", "savee/DC", "tess/YAF"]
    assert listing.rows["corpus"].tolist() == ["ravdess", "ravdess", "crema-d", "savee", "tess"]


LAYOUTS = [
    ("*/{emotion}/*", ["train/angry/x.wav", "test/sad/y.wav"]),
    ("{speaker}/{emotion}/*", ["0003/Angry/z.wav", "0004/Sad/z.wav"]),
    ("{emotion}/{speaker}/*", ["sad/ann/a.wav", "happy/ann/b.wav", "happy/bob/b.wav"]),
    # A speaker called Joy does not make a level of emotions, and labels may be in other languages or numbered.
    ("{speaker}/{emotion}/*", ["Joy/wut/x.wav", "Bob/freude/x.wav", "Ann/wut/x.wav"]),
    ("{speaker}/{gender}/{emotion}/*", ["a1/f/01-angry/x.wav", "a2/m/02-sad/x.wav"]),
    ("{emotion}/{speaker}/*", ["angry/f1/x.wav", "sad/m2/x.wav"]),
    ("*/{emotion}/{speaker}/*", ["Train/angry/1/x.wav", "Valid/sad/2/y.wav"]),
    ("{emotion}/*", ["a/x.wav", "b/y.wav"]),
    ("*/{emotion}/*", ["train/a/x.wav", "test/b/y.wav"]),
    # A copied part is one too, and accents may be characters of their own.
    ("*/{emotion}/*", ["train/wütend/x.wav", "test/fro\u0308hlich/y.wav", "Kopie von test/traurig/y.wav"]),
    ("{emotion}/**/*", ["sad/a.wav", "happy/new/b.wav"]),
]


@pytest.mark.parametrize(("layout", "files"), LAYOUTS)
def test_the_layout_of_folders_is_found_and_told(tmp_path, layout, files):
    listing = list_rows(record_tree(tmp_path / "mine", files), "folders")
    level = layout.split("/").index("{emotion}")
    found = dict(zip(listing.rows["file"], listing.rows["emotion"], strict=True))
    assert found == {str(tmp_path / "mine" / file): file.split("/")[level] for file in files}
    assert Stamp(kind="layout", value=layout) in listing.notes
    if "{speaker}" in layout:
        level = layout.split("/").index("{speaker}")
        assert set(listing.rows["speaker"]) == {f"mine/{file.split('/')[level]}" for file in files}
    else:
        assert set(listing.rows["speaker"]) == {""}
    if "{gender}" in layout:
        assert listing.rows["gender"].tolist() == ["female", "male"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["a/1/x.wav", "b/2/y.wav"], "at no level half of the folders have names of emotions"),
        (["train/x.wav", "test/y.wav"], "at no level half of the folders have names of emotions"),
        (["angry/high/x/a.wav", "sad/low/y/x.wav"], "not clear which folders are the speakers"),
        (["joy/sad/x.wav", "anger/happy/y.wav"], "more than one level of folders has the names of emotions"),
        (["x/a/c.wav", "y/d.wav"], "at different depths"),
        (["a.wav"], r"\{emotion\}/clip.wav"),
        (["train/sad/a.wav", "old/angry/b.wav"], "'old' beside the data splits is none"),
    ],
)
def test_folders_whose_names_do_not_tell_are_refused(tmp_path, files, reason):
    with pytest.raises(CorpusError, match=rf"{reason}.*--layout"):
        list_rows(record_tree(tmp_path, files), "folders")


def test_a_given_layout_decides(tmp_path):
    record_tree(tmp_path / "mine", ["joy/sad_1.wav", "joy/x/happy_2.wav", "stray.wav"])
    listing = list_rows(tmp_path / "mine", "folders", "**/{emotion}_*")
    assert listing.rows["emotion"].tolist() == ["sad", "happy"]
    assert [Path(file).name for file in listing.ignored] == ["stray.wav"]
    listing = list_rows(tmp_path / "mine", "folders", "{speaker}/{emotion}_{statement}.wav")
    assert listing.rows[["speaker", "emotion", "statement"]].to_numpy().tolist() == [["mine/joy", "sad", "1"]]
    for layout, error in [
        ("{speaker}/*", "with {emotion}"),
        ("{emotion}/{emotion}", "no field twice"),
        ("{emotion}//x", "with {emotion}"),
        ("{emotion}/**", "with {emotion}"),
        ("{emotoin}/*", "did you mean 'emotion'"),
    ]:
        with pytest.raises(SettingsError, match=error):
            list_rows(tmp_path / "mine", "folders", layout)
    with pytest.raises(CorpusError, match="none of 3 recordings has the layout"):
        list_rows(tmp_path / "mine", "folders", "{emotion}/{speaker}/1/*")
    with pytest.raises(SettingsError, match="a layout is for --corpus folders"):
        list_rows(tmp_path / "mine", "ravdess", "{emotion}/*")


def test_a_table_of_rows_gets_its_durations(tmp_path):
    record_tree(tmp_path, ["a.wav", "b.wav"])
    (tmp_path / "rows.csv").write_text("file,emotion\na.wav,sad\nb.wav,happy\nmissing.wav,sad\n")
    listing = list_rows(tmp_path / "rows.csv")
    assert listing.rows["end"].tolist() == [0.5, 0.5]
    assert "cannot be opened" in listing.quarantine["reason"][0]


def test_what_is_no_corpus_is_told(tmp_path):
    record_tree(tmp_path, ["a.wav"])
    for place, corpus, message in [
        (tmp_path / "nowhere", "ravdess", "no such folder"),
        (tmp_path / "a.wav", "ravdess", "not a folder"),
        (tmp_path, "ravdess", "1 audio file, but no file name matches those of RAVDESS"),
        (tmp_path, None, "neither folders nor names of files tell the emotions"),
        (tmp_path / "nowhere", None, "no such folder or table"),
        (tmp_path / "a.wav", None, "neither a folder nor a table"),
    ]:
        with pytest.raises(CorpusError, match=message):
            list_rows(place, corpus)
    with pytest.raises(SettingsError, match="unknown corpus 'ravdes'; did you mean 'ravdess'"):
        list_rows(tmp_path, "ravdes")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="no audio files in it"):
        list_rows(tmp_path / "empty", "ravdess")
    with pytest.raises(CorpusError, match="the card of the corpus 'nothing' cannot be read"):
        read_card("nothing")


def test_the_demo_corpus_is_complete_and_the_same_for_the_same_seed(demo_folder, tmp_path):
    rows = list_rows(demo_folder, "demo").rows
    assert differences(CORPORA["demo"], rows) == []
    generate_demo(tmp_path / "again", seed=0)
    generate_demo(tmp_path / "other", seed=1)
    name = "synthetic_m2_fear_s1_02.wav"
    assert (demo_folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert (demo_folder / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_the_demo_voices_have_the_pitch_energy_and_tilt_that_they_were_given(demo_rows):
    """Each cue, measured by librosa, separates the emotions as the design says."""
    import librosa

    def cues(emotion):
        found = []
        for file in demo_rows.loc[(demo_rows["emotion"] == emotion) & (demo_rows["speaker"] == "demo/m1"), "file"]:
            clip, rate = librosa.load(file, sr=None)
            pitch = np.nanmedian(librosa.yin(clip, fmin=60, fmax=400, sr=rate, frame_length=1024))
            found.append([pitch, clip.std(), clip.size, librosa.feature.spectral_centroid(y=clip, sr=rate).mean()])
        return np.mean(found, axis=0)

    angry, sad, neutral = (
        pd.Series(cues(name), ["pitch", "energy", "length", "brightness"]) for name in ("angry", "sad", "neutral")
    )
    assert angry["pitch"] > neutral["pitch"] > sad["pitch"]
    assert angry["energy"] > 1.5 * neutral["energy"] > 2 * sad["energy"]
    assert angry["length"] < neutral["length"] < sad["length"]


def test_what_is_missing_is_named(demo_folder, tmp_path):
    shutil.copytree(demo_folder, tmp_path / "part")
    (tmp_path / "part" / "synthetic_f1_sad_s2_03.wav").unlink()
    notes = differences(CORPORA["demo"], list_rows(tmp_path / "part", "demo").rows)
    assert notes == [
        Stamp(kind="count-differs", value={"what": "recordings", "found": 239, "expected": 240}),
        Stamp(kind="missing-recording", value="synthetic_f1_sad_s2_03"),
    ]


def test_corpora_are_found_by_the_name_of_their_folder(tmp_path):
    for name in ("RAVDESS", "crema_d", "other"):
        (tmp_path / name).mkdir()
    assert find_corpora(["ravdess", "crema-d", "tess"], tmp_path) == {
        "ravdess": tmp_path / "RAVDESS",
        "crema-d": tmp_path / "crema_d",
    }
    assert find_corpora(["ravdess"], None) == {}


def test_a_part_of_a_published_corpus_is_told_and_a_table_may_hold_what_it_likes(tmp_path):
    folder = record_tree(tmp_path / "emodb", ["03a01Fa.wav", "08a02Wb.wav"])
    listed = list_places([Place(str(folder), "emodb")])
    assert listed.notes == [Stamp(kind="partial-corpus", value={"corpus": "emodb", "found": 2, "expected": 535})]
    write_table(listed.rows, tmp_path / "rows.csv")
    assert list_places([Place(str(tmp_path / "rows.csv"), "emodb")]).notes == []


def test_a_recording_with_the_audio_of_another_is_set_aside(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 8000))
    # Of the two pairs, only the first has the same audio.
    for name, samples in (
        ("1006_TIE_NEU_XX", noise[0]),
        ("1006_TIE_HAP_XX", noise[0]),
        ("1013_WSI_SAD_XX", noise[0]),
        ("1013_WSI_DIS_XX", noise[1]),
    ):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
    listing = list_rows(tmp_path, "crema-d")
    assert sorted(listing.rows["source"]) == [
        "crema-d/1006_TIE_HAP_XX",
        "crema-d/1013_WSI_DIS_XX",
        "crema-d/1013_WSI_SAD_XX",
    ]
    (reason,) = listing.quarantine["reason"]
    assert reason.endswith("1006_TIE_NEU_XX.wav: has the audio of 1006_TIE_HAP_XX, so its label cannot be right")


def test_links_to_folders_are_followed_and_no_recording_is_listed_twice(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "a").mkdir(parents=True)
    there.mkdir()
    for file in (here / "a" / "1.wav", there / "2.wav"):
        file.touch()
    (here / "b").symlink_to(there)
    (here / "c").symlink_to(here / "a")
    (there / "loop").symlink_to(here)
    (here / "a" / "again.wav").symlink_to(there / "2.wav")
    (here / "a" / "hard.wav").hardlink_to(here / "a" / "1.wav")
    (here / "d.wav").symlink_to(tmp_path / "nothing.wav")
    found = audio_files(here)
    # Files come before what links lead to.
    assert found.files == [here / "a" / "1.wav", here / "b" / "2.wav", here / "d.wav"]
    assert found.linked == [
        (str(here / "a" / "hard.wav"), str(here / "a" / "1.wav")),
        (str(here / "a" / "again.wav"), str(here / "b" / "2.wav")),
    ]


def test_a_link_does_not_take_the_place_of_a_folder_of_the_tree(tmp_path):
    record_tree(tmp_path, ["sad/1.wav", "happy/1.wav"])
    (tmp_path / "happy" / "others").symlink_to(tmp_path / "sad")
    (tmp_path / "happy" / "0.wav").symlink_to(tmp_path / "sad" / "1.wav")
    assert audio_files(tmp_path).files == [tmp_path / "happy" / "1.wav", tmp_path / "sad" / "1.wav"]
    assert list_rows(tmp_path, "folders").rows["emotion"].value_counts().to_dict() == {"happy": 1, "sad": 1}


def test_two_names_of_one_file_are_one_recording(command, tmp_path):
    record_tree(tmp_path / "mine", ["sad/a.wav", "happy/b.wav", "happy/c.wav"])
    (tmp_path / "mine" / "happy" / "link.wav").symlink_to(tmp_path / "mine" / "happy" / "b.wav")
    listing = list_rows(tmp_path / "mine", "folders")
    assert [Path(file).name for file in listing.rows["file"]] == ["b.wav", "c.wav", "a.wav"]
    assert [[Path(name).name for name in pair] for pair in listing.doubled] == [["link.wav", "b.wav"]]
    checked = command("corpora", "check", "folders", tmp_path / "mine", "--json").json
    assert checked["recordings"] == 3 and len(checked["doubled"]) == 1


def test_a_features_file_keeps_what_is_known_of_its_recordings(command, demo_folder, tmp_path):
    """A score from the file has the same stamps and quarantine entries as one from the folder."""
    folder = tmp_path / "ravdess"
    files = sorted(demo_folder.glob("*.wav"))
    codes = {"angry": "05", "sad": "04", "happy": "03", "fear": "06", "neutral": "01"}
    for actor in (1, 2, 3):
        place = folder / f"Actor_{actor:02d}"
        place.mkdir(parents=True)
        for code in codes.values():
            for take in ("01", "02"):
                shutil.copy(files[actor], place / f"03-01-{code}-01-01-{take}-{actor:02d}.wav")
    (folder / "Actor_01" / "03-01-05-01-02-01-01.wav").write_bytes(b"RIFF")
    out = tmp_path / "r.parquet"
    assert command("extract", folder, "--corpus", "ravdess", "--blocks", "zcr", "--out", out).status == 0
    options = ["--folds", "3", "--json"]
    stored = command("evaluate", out, *options).json
    direct = command("evaluate", folder, "--corpus", "ravdess", "--blocks", "zcr", *options).json
    assert {
        "kind": "partial-corpus",
        "value": {"corpus": "ravdess", "found": 31, "expected": 1440},
        "allowed": True,
    } in (stored["notes"])
    assert stored["notes"] == direct["notes"] and len(stored["quarantine"]) == len(direct["quarantine"]) == 1
    assert stored["pooled"] == direct["pooled"]


@pytest.mark.parametrize(
    "kept",
    [b"[]", b"{", b'{"notes": [{"kind": "oracle", "value": 1}], "quarantine": []}',
     b'{"notes": [{"kind": "partial-corpus", "value": 3}], "quarantine": []}',
     b'{"notes": [], "quarantine": [{"file": 3, "reason": "x"}]}'],
)  # fmt: skip
def test_damaged_notes_of_a_features_file_are_told(demo_rows, tmp_path, kept):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pandas(demo_rows.head(3))
    metadata = {**(table.schema.metadata or {}), b"fusionser-recordings": kept}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "t.parquet")
    with pytest.raises(RowsError, match="what it says of its recordings is damaged; extract the features again"):
        list_rows(tmp_path / "t.parquet")


def test_copies_in_a_tree_are_used_once(tmp_path):
    record_tree(tmp_path, ["mine/sad/ann/a.wav", "mine/sad/bob/b.wav", "mine/happy/ann/c.wav", "mine/happy/bob/d.wav"])
    shutil.copytree(tmp_path / "mine", tmp_path / "mine" / "backup")
    (tmp_path / "mine" / "sad" / "ann" / "a copy.wav").write_bytes((tmp_path / "mine/sad/ann/a.wav").read_bytes())
    listing = list_rows(tmp_path / "mine", "folders", "**/{emotion}/{speaker}/*")
    names = [Path(file).relative_to(tmp_path / "mine").as_posix() for file in listing.rows["file"]]
    assert sorted(names) == ["happy/ann/c.wav", "happy/bob/d.wav", "sad/ann/a copy.wav", "sad/bob/b.wav"]
    assert len(listing.doubled) == 5 and listing.quarantine.empty


def test_copies_with_other_labels_are_set_aside(tmp_path):
    record_tree(tmp_path, ["sad/ann/a.wav", "sad/bob/b.wav", "happy/ann/c.wav", "happy/bob/d.wav"])
    (tmp_path / "happy" / "ann" / "x.wav").write_bytes((tmp_path / "sad/ann/a.wav").read_bytes())
    (tmp_path / "sad" / "ann" / "y.wav").write_bytes((tmp_path / "sad/bob/b.wav").read_bytes())
    listing = list_rows(tmp_path, "folders")
    assert sorted(Path(file).name for file in listing.rows["file"]) == ["c.wav", "d.wav"]
    reasons = listing.quarantine["reason"].tolist()
    assert len(reasons) == 4 and all("has the audio of" in reason and "labels differ" in reason for reason in reasons)


def test_a_tree_of_copies_with_other_labels_alone(tmp_path):
    record_tree(tmp_path, ["sad/a.wav"])
    (tmp_path / "happy").mkdir()
    shutil.copy(tmp_path / "sad" / "a.wav", tmp_path / "happy")
    with pytest.raises(CorpusError, match="none of 2 recordings can be used; the first: .* whose labels differ"):
        list_rows(tmp_path, "folders")


def test_a_tree_with_a_copy_of_itself_inside_is_ambiguous(tmp_path):
    record_tree(tmp_path, ["mine/sad/ann/a.wav", "mine/sad/bob/b.wav", "mine/happy/ann/c.wav", "mine/happy/bob/d.wav"])
    shutil.copytree(tmp_path / "mine", tmp_path / "mine" / "mine")
    with pytest.raises(CorpusError, match="'mine' is; say what the folders are with --layout, such as"):
        list_rows(tmp_path / "mine", "folders")


def test_a_file_that_vanishes_while_a_tree_is_listed_is_one_unusable_recording(tmp_path, monkeypatch):
    from fusionser.corpora import folders

    record_tree(tmp_path, ["sad/a.wav", "sad/b.wav", "happy/c.wav", "happy/d.wav"])
    digest = folders._digest

    def vanishing(file):
        Path(tmp_path / "sad" / "a.wav").unlink(missing_ok=True)
        return digest(file)

    monkeypatch.setattr(folders, "_digest", vanishing)
    listing = list_rows(tmp_path, "folders")
    assert len(listing.rows) == 3 and "cannot be opened" in listing.quarantine["reason"].iloc[0]


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    record_tree(tmp_path, ["sad/a.wav", "happy/b.wav", "secret/c.wav"])
    scan = os.scandir

    def forbidden(path):
        if str(path).endswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    found = audio_files(tmp_path)
    assert len(found.files) == 2
    assert [entry["file"] for entry in found.refused] == [str(tmp_path / "secret")]
    assert "this folder cannot be read (Permission denied)" in found.refused[0]["reason"]
    listing = list_rows(tmp_path, "folders")
    assert listing.quarantine["file"].tolist() == [str(tmp_path / "secret")]


def test_a_name_in_the_place_of_a_folder_is_told_where_the_corpus_is(command, tmp_path, monkeypatch):
    (tmp_path / "data" / "EmoDB").mkdir(parents=True)
    monkeypatch.setenv("FUSIONSER_DATA", str(tmp_path / "data"))
    told = f"FUSIONSER_DATA has emodb at {tmp_path / 'data' / 'EmoDB'}; give that path"
    for place, corpus in (("emodb", "emodb"), ("emodb", None), ("berlin", "emodb"), ("EmoDB", "folders")):
        with pytest.raises(CorpusError, match="no such folder") as raised:
            list_rows(tmp_path / place, corpus)
        assert str(raised.value).endswith(told)
    absent = tmp_path / "emodb"
    for asked in (["show", absent], ["audit", absent], ["ablate", absent, "--out", tmp_path / "out"]):
        done = command(*asked)
        assert done.status in (1, 2) and told in done.messages
    # A corpus that is not there, and a name that is none, get no advice.
    for place, corpus in (("ravdess", "ravdess"), ("berlin", None)):
        with pytest.raises(CorpusError, match="no such folder") as raised:
            list_rows(tmp_path / place, corpus)
        assert "FUSIONSER_DATA" not in str(raised.value)
