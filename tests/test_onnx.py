"""Models in ONNX files: they answer as the model that they were made of, and strangers' files do no harm."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import soundfile
from onnx import TensorProto, helper

from fusionser.errors import ExportError, ModelFileError, SettingsError
from fusionser.export import export_onnx
from fusionser.export.classifiers import Scaled
from fusionser.jobs import fit
from fusionser.model import METADATA, OnnxModel, load_model, load_onnx, save_model
from fusionser.spec import PipelineSpec
from fusionser.timeline import predict_timeline

TOLERANCE = 1e-4

BLOCKED = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "sklearn", "xgboost", "imblearn", "skops", "skorch"):
            raise ImportError(f"{name} is not installed")


sys.meta_path.insert(0, Blocked())
from fusionser_cli.app import main

main()
"""


def same(model, loaded, clips):
    answers, expected = loaded.predict(clips), model.predict(clips)
    columns = [f"probability_{name}" for name in model.card.classes]
    assert answers[columns].to_numpy() == pytest.approx(expected[columns].to_numpy(), abs=TOLERANCE, nan_ok=True)
    pd.testing.assert_frame_equal(
        answers.drop(columns=[*columns, "probability"]), expected.drop(columns=[*columns, "probability"])
    )


@pytest.fixture(scope="module")
def bilstm(saved, tmp_path_factory):
    """A model file, and the ONNX file of it."""
    path = tmp_path_factory.mktemp("onnx") / "bilstm.onnx"
    export_onnx(load_model(saved["bilstm"]), path)
    return saved["bilstm"], path


@pytest.fixture(scope="module")
def robust(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("robust")
    model = save_model(fit(demo_folder, PipelineSpec(), corpus="demo", protocol=None), folder / "m.fusionser")
    export_onnx(load_model(model), folder / "m.onnx")
    return model, folder / "m.onnx"


def test_a_file_answers_as_its_model(bilstm, demo_rows, tmp_path):
    model, loaded = load_model(bilstm[0]), load_onnx(bilstm[1])
    assert loaded.onnx_card.whole
    assert loaded.onnx_card.agreement.clips == 64
    assert loaded.card == model.card
    (tmp_path / "empty.wav").write_bytes(b"")
    rate = 44100
    clips = [
        *demo_rows["file"][::40],
        (np.sin(np.arange(rate) * 0.05).astype(np.float32), rate),
        str(tmp_path / "empty.wav"),
    ]
    same(model, loaded, clips)
    same(model, pickle.loads(pickle.dumps(loaded)), clips[:1])


def test_a_file_from_computed_columns_answers_as_its_model(robust, demo_rows):
    model, loaded = load_model(robust[0]), load_onnx(robust[1])
    assert not loaded.onnx_card.whole
    assert loaded.onnx_card.because == "'prosody' cannot be computed in a graph"
    same(model, loaded, demo_rows["file"][::40].tolist())


@pytest.mark.parametrize(
    ("speeds", "because", "inputs"),
    [
        ((0.9, 1.1), "", ["conv2d"]),
        (
            (0.98765,),
            "'conv2d' hears each clip at the speed 0.98765, which is no ratio of small whole numbers",
            ["conv2d", "conv2d at speed 0.98765"],
        ),
    ],
)
def test_other_speeds_are_in_the_graph_or_inputs_of_their_own(
    demo_folder, demo_rows, tmp_path, speeds, because, inputs
):
    block = {"kind": "conv2d", "speeds": list(speeds)}
    spec = PipelineSpec(features={"blocks": [block]}, fusion="average", networks={"epochs": 1})
    model = fit(demo_folder, spec, corpus="demo", protocol=None)
    card = export_onnx(model, tmp_path / "m.onnx")
    assert (card.because, [item.name for item in card.inputs]) == (because, inputs)
    same(model, load_onnx(tmp_path / "m.onnx"), demo_rows["file"][::60].tolist())


def test_denoising_is_in_the_graph(demo_folder, demo_rows, tmp_path):
    blocks = [{"kind": "mfcc", "denoise": True}, {"kind": "rms", "denoise": True, "trim": True, "duration": 2.0}]
    model = fit(demo_folder, PipelineSpec(features={"blocks": blocks}), corpus="demo", protocol=None)
    assert export_onnx(model, tmp_path / "m.onnx").whole
    same(model, load_onnx(tmp_path / "m.onnx"), demo_rows["file"][::60].tolist())


def test_a_file_asks_for_the_gender_as_its_model_does(demo_folder, demo_rows, tmp_path):
    spec = PipelineSpec(features={"blocks": ["mfcc", "gender"], "gender": "given"})
    model = fit(demo_folder, spec, corpus="demo", protocol=None)
    export_onnx(model, tmp_path / "m.onnx")
    loaded = load_onnx(tmp_path / "m.onnx")
    assert loaded.needs_gender
    same(model, loaded, demo_rows[["file", "gender"]].iloc[::40].reset_index(drop=True))


def test_other_programs_can_run_the_graph(bilstm, demo_rows):
    """ONNX Runtime alone, with a batch of three clips of a length of its own."""
    model, session = load_model(bilstm[0]), onnxruntime.InferenceSession(bilstm[1])
    plain = session.get_modelmeta().custom_metadata_map
    rate = json.loads(plain["sampling_rate"])
    clips = np.random.default_rng(0).normal(0, 0.1, (3, 70001)).astype(np.float32)
    probabilities, places = session.run(None, {json.loads(plain["inputs"])[0]: clips})
    expected = model.predict([(clip, rate) for clip in clips])
    assert probabilities == pytest.approx(
        expected[[f"probability_{name}" for name in json.loads(plain["classes"])]].to_numpy(), abs=TOLERANCE
    )
    assert [json.loads(plain["classes"])[place] for place in places] == expected["emotion"].tolist()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_predictions_need_neither_torch_nor_scikit_learn(bilstm, robust, demo_rows, options):
    for _, path in (bilstm, robust):
        script = [sys.executable, "-c", BLOCKED, "predict", str(path), demo_rows["file"][0], *options]
        done = subprocess.run(script, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr
        assert load_onnx(path).predict(demo_rows["file"][0])["emotion"][0] in done.stdout


@pytest.mark.parametrize("suffix", ["html", "json", "csv"])
def test_time_lines_need_neither(robust, demo_rows, tmp_path, suffix):
    path = tmp_path / f"line.{suffix}"
    options = ["--windows", "1", "--hop", "0.5", "--timeline", str(path)]
    script = [sys.executable, "-c", BLOCKED, "predict", str(robust[1]), demo_rows["file"][0], *options]
    done = subprocess.run(script, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    expected = predict_timeline(demo_rows["file"][0], load_model(robust[0]), windows=1.0, hop=0.5)
    assert str(expected.segments["emotion"][0]) in path.read_text()


def test_what_disagrees_is_not_written(robust, tmp_path, monkeypatch):
    exact = Scaled.forward
    monkeypatch.setattr(Scaled, "forward", lambda scaled, columns: exact(scaled, columns) * 1.02)
    with pytest.raises(ExportError, match="the file and the model do not agree: of 64 clips"):
        export_onnx(load_model(robust[0]), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_recordings_to_compare_on_can_be_given(robust, demo_rows, tmp_path):
    card = export_onnx(load_model(robust[0]), tmp_path / "m.onnx", clips=demo_rows[:10])
    assert card.agreement.clips_from == "10 recordings and synthetic voices"
    card = export_onnx(load_model(robust[0]), tmp_path / "m.onnx", clips=demo_rows)
    assert (card.agreement.clips_from, card.agreement.clips) == ("recordings", 64)


def test_the_same_model_gives_the_same_bytes_without_traces_of_the_machine(robust, tmp_path):
    again = tmp_path / "again.onnx"
    export_onnx(load_model(robust[0]), again)
    content = again.read_bytes()
    assert content == robust[1].read_bytes()
    assert not [text for text in (b".py", b"site-packages", str(tmp_path).encode()) if text in content]


def test_weights_of_eight_bits_say_what_they_cost(bilstm, tmp_path):
    card = export_onnx(load_model(bilstm[0]), tmp_path / "m.onnx", int8=True)
    assert card.int8
    assert (tmp_path / "m.onnx").stat().st_size < bilstm[1].stat().st_size
    loaded = load_onnx(tmp_path / "m.onnx")
    assert 0 < loaded.onnx_card.agreement.largest_difference < 1


def foreign(location=None):
    """Return a graph of another program, perhaps with weights in another file."""
    weights = helper.make_tensor("w", TensorProto.UINT8, [8], bytes(8), raw=True)
    if location is not None:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "8")):
            entry = weights.external_data.add()
            entry.key, entry.value = key, value
    output = helper.make_tensor_value_info("y", TensorProto.UINT8, [8])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "graph", [], [output], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_files_of_others_are_refused(tmp_path):
    onnx.save(foreign(), tmp_path / "foreign.onnx")
    with pytest.raises(ModelFileError, match=r"foreign\.onnx: no description by fusionser in it"):
        load_onnx(tmp_path / "foreign.onnx")
    with pytest.raises(ModelFileError, match=r"missing\.onnx: cannot be read"):
        load_onnx(tmp_path / "missing.onnx")
    with pytest.raises(SettingsError, match="got int for the path of a model"):
        load_onnx(3)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "/etc/hostname"])
def test_a_graph_cannot_read_other_files(tmp_path, monkeypatch, location):
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder in (tmp_path, inner):
        (folder / "secret.bin").write_bytes(b"a secret")
    monkeypatch.chdir(inner)
    with pytest.raises(ModelFileError, match="not an ONNX file that can be used"):
        OnnxModel(foreign(location).SerializeToString())


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([("Sub", ["probabilities", "probabilities"]), ("Div", ["0", "0"])], "numbers that are no probabilities"),
        ([("Neg", ["probabilities"])], "numbers that are no probabilities"),
        ([("Add", ["probabilities", "probabilities"])], "numbers that are no probabilities"),
        ([("Sub", ["probabilities", "probabilities"])], "numbers that are no probabilities"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--windows", "1"]])
def test_a_graph_whose_probabilities_are_none(command, robust, demo_rows, tmp_path, nodes, told, options):
    proto = onnx.load(robust[1])
    for node in proto.graph.node:
        node.output[:] = ["own" if name == "probabilities" else name for name in node.output]
        node.input[:] = ["own" if name == "probabilities" else name for name in node.input]
    for place, (kind, inputs) in enumerate(nodes):
        output = "probabilities" if place == len(nodes) - 1 else str(place)
        inputs = ["own" if name == "probabilities" else name for name in inputs]
        proto.graph.node.append(onnx.helper.make_node(kind, inputs, [output]))
    onnx.save(proto, tmp_path / "x.onnx")
    done = command("predict", tmp_path / "x.onnx", demo_rows["file"][0], *options)
    assert done.status == 1 and told in " ".join(done.messages.split())


def edited(content, change):
    """Return a file whose description was changed."""
    proto = onnx.load_from_string(content)
    entry = next(entry for entry in proto.metadata_props if entry.key == METADATA)
    described = json.loads(entry.value)
    change(described)
    entry.value = json.dumps(described)
    return proto.SerializeToString()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(format=2), "its description is refused"),
        (lambda card: card["model"].update(classes=["angry"] * 5), "its classes are not names that differ"),
        (lambda card: card["model"]["classes"].pop(), "the graph gives answers of another shape"),
        (lambda card: card["inputs"].pop(), "its graph has other inputs than its description"),
        (lambda card: card["inputs"][0].update(digest="0"), "computed prosody otherwise than this version"),
        (lambda card: card["inputs"][0]["computation"].update(kind="x"), "its inputs cannot be computed"),
        (lambda card: card["inputs"][0]["computation"].update(sampling_rate=-3), "its inputs cannot be computed"),
        (lambda card: card["inputs"][0].update(speed=1.7), "its input prosody is heard at another speed only"),
        (lambda card: card.update(unlikeness="[]"), "its unlikeness is refused"),
        (lambda card: card.update(sampling_rate="fast"), "its description is refused"),
    ],
)
def test_edited_descriptions_are_refused(robust, demo_rows, change, message):
    with pytest.raises(ModelFileError, match=message):
        OnnxModel(edited(robust[1].read_bytes(), change)).predict(demo_rows["file"][0])


def test_each_cut_of_a_file_is_refused_in_one_sentence(robust):
    content = robust[1].read_bytes()
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(ModelFileError):
            OnnxModel(content[:size])


def test_clips_that_cannot_be_used_are_not_counted(command, saved, demo_rows, tmp_path):
    (tmp_path / "mine").mkdir()
    for place in range(3):
        (tmp_path / "mine" / f"{place}.wav").write_text("no recording")
    told = []
    for good in (False, True):
        if good:
            shutil.copy(demo_rows["file"][0], tmp_path / "mine")
        done = command("export", saved["svm"], tmp_path / "m.onnx", "--clips", tmp_path / "mine")
        told.append(" ".join(done.output.split()))
    assert "On 61 clips (synthetic voices)" in told[0]
    assert "On 61 clips (1 recording and synthetic voices)" in told[1]


def test_the_command(command, saved, demo_rows, tmp_path):
    done = command("export", saved["svm"], tmp_path / "m.onnx")
    assert "its graph begins with the waveform, at 22050 Hz. On 64 clips (synthetic voices)" in " ".join(
        done.output.split()
    )
    answers = [
        json.loads(command("predict", path, demo_rows["file"][5], "--json").output)[0]["emotion"]
        for path in (saved["svm"], tmp_path / "m.onnx")
    ]
    assert answers[0] == answers[1]
    assert "begins with the waveform" in " ".join(command("info", tmp_path / "m.onnx").output.split())
    assert json.loads(command("info", tmp_path / "m.onnx", "--json").output)["whole"]


def test_a_time_line_with_a_file(command, robust, demo_rows, tmp_path):
    samples = np.concatenate([soundfile.read(file)[0] for file in demo_rows["file"][:6]])
    soundfile.write(tmp_path / "long.wav", samples, 16000)
    tables = []
    for model in robust:
        command("predict", model, tmp_path / "long.wav", "--timeline", tmp_path / "t.csv")
        tables.append(pd.read_csv(tmp_path / "t.csv"))
    pd.testing.assert_frame_equal(tables[0], tables[1], atol=TOLERANCE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.fusionser", "m.txt"], "expected a model and the file to write, whose name ends in .onnx"),
        (["m.onnx", "n.onnx"], "m.onnx is an ONNX file already"),
        (["missing.fusionser", "n.onnx"], "missing.fusionser"),
        (["n.onnx", "--jobs", "0"], "--jobs is 0"),
    ],
)
def test_wrong_arguments(command, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = command("export", *arguments)
    assert done.status == 1
    assert message in done.messages
    assert not list(tmp_path.glob("*.onnx"))


def test_an_onnx_file_is_no_model_file(robust):
    with pytest.raises(ModelFileError, match="is an ONNX file; read it with fusionser.load_onnx"):
        load_model(robust[1])
    with pytest.raises(ModelFileError, match="zero: not a file"):
        load_onnx("/dev/zero")


def test_clips_that_do_not_exist_are_told(command, saved, tmp_path):
    done = command("export", saved["svm"], tmp_path / "m.onnx", "--clips", tmp_path / "none")
    assert done.status == 1 and "which does not exist" in " ".join(done.messages.split())
    assert not (tmp_path / "m.onnx").exists()
