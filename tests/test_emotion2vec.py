"""The block `emotion2vec`, on tiny ONNX files that torch and onnx write."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from command_process import run_command
from sklearn.base import clone

from fusionser.cache import Cache
from fusionser.errors import SettingsError
from fusionser.features import Emotion2vec

onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")

WIDTH = 6
HELPER, FLOAT, INT = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def weights(width=WIDTH, seed=0):
    return np.random.default_rng(seed).normal(size=(width, 1, 400)).astype(np.float32)


def made_graph(path, *, width=WIDTH, seed=0, vector=False, given=("batch", "samples"), nodes=None, external=False):
    """Write a graph of one convolution of 400 samples, 320 apart, like the frames of emotion2vec."""
    taken = [
        HELPER.make_node("Unsqueeze", ["input", "one"], ["channel"]),
        HELPER.make_node("Conv", ["channel", "weight"], ["maps"], strides=[320]),
        HELPER.make_node("Transpose", ["maps"], ["frames"], perm=[0, 2, 1]),
        HELPER.make_node("ReduceMean", ["frames", "one"], ["vector"], keepdims=0),
    ]
    name = "vector" if vector else "frames"
    constants = [
        onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "one"),
        onnx.numpy_helper.from_array(weights(width, seed), "weight"),
    ]
    if external:
        constants[1].ClearField("raw_data")
        constants[1].data_location = onnx.TensorProto.EXTERNAL
        constants[1].external_data.add(key="location", value=str(external))
    shape = ["batch", width] if vector else ["batch", "frames", width]
    graph = HELPER.make_graph(
        taken if nodes is None else nodes,
        "graph",
        [HELPER.make_tensor_value_info("input", FLOAT, given)],
        [HELPER.make_tensor_value_info(name, FLOAT, shape)],
        constants,
    )
    opsets = [HELPER.make_opsetid("", 18), HELPER.make_opsetid("stranger", 1)]
    path.write_bytes(HELPER.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    return path


@pytest.fixture(scope="module")
def voice():
    noise = np.random.default_rng(1).normal(size=24000)
    return (0.3 + 0.1 * np.sin(2 * np.pi * 150 / 16000 * np.arange(24000)) + 0.02 * noise).astype(np.float32)


def reference(samples, filters):
    """Return the frames by torch, for a clip standardised as emotion2vec is."""
    given = torch.from_numpy(samples)
    given = torch.nn.functional.layer_norm(given, given.shape)[None, None]
    return torch.nn.functional.conv1d(given, torch.from_numpy(filters), stride=320)[0].T.double().numpy()


def test_the_columns_are_the_statistics_of_the_frames(tmp_path, voice):
    file = str(made_graph(tmp_path / "model.onnx"))
    frames = reference(voice, weights())
    got = Emotion2vec(file=file, pooling=("mean", "std")).transform([(voice, 16000)])[0]
    np.testing.assert_allclose(got, np.concatenate([frames.mean(0), frames.std(0)]), rtol=1e-4, atol=1e-4)
    mean = Emotion2vec(file=file)
    np.testing.assert_allclose(mean.transform([(voice, 16000)])[0], frames.mean(0), rtol=1e-4, atol=1e-4)
    assert list(mean.get_feature_names_out()[[0, -1]]) == ["emotion2vec__mean_0000", "emotion2vec__mean_0005"]


def test_a_graph_that_gives_one_vector_has_a_mean_only(tmp_path, voice):
    file = str(made_graph(tmp_path / "model.onnx", vector=True))
    expected = reference(voice, weights()).mean(axis=0)
    np.testing.assert_allclose(Emotion2vec(file=file).transform([(voice, 16000)])[0], expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(SettingsError, match=r"one vector for a clip, which has no std.*pooling=\[\"mean\"\]"):
        Emotion2vec(file=file, pooling=("mean", "std")).check()


def test_a_graph_that_torch_exports_is_read(tmp_path, voice):
    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv1d(1, 5, 400, stride=320)

        def forward(self, x):
            return self.layer(x[:, None]).transpose(1, 2)

    torch.manual_seed(0)
    module, file = Mean().eval(), tmp_path / "torch.onnx"
    length = {0: torch.export.Dim.STATIC, 1: torch.export.Dim("samples", min=800, max=10**7)}
    with warnings.catch_warnings():
        # torch warns of itself here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.zeros(1, 16000),), file, dynamo=True, dynamic_shapes=[length], external_data=False
        )
    given = torch.from_numpy(voice)
    with torch.no_grad():
        expected = module(torch.nn.functional.layer_norm(given, given.shape)[None])[0].mean(0).numpy()
    got = Emotion2vec(file=str(file)).transform([(voice, 16000)])[0]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_long_clips_are_computed_in_pieces(tmp_path, voice, monkeypatch):
    from fusionser.features.external import encoder

    monkeypatch.setattr(encoder, "LONGEST", 12000)
    file = str(made_graph(tmp_path / "model.onnx"))
    standard = ((voice - voice.mean()) / np.sqrt(voice.var() + 1e-5)).astype(np.float32)
    halves = [torch.from_numpy(half)[None, None] for half in np.split(standard, 2)]
    frames = [torch.nn.functional.conv1d(half, torch.from_numpy(weights()), stride=320)[0].T for half in halves]
    expected = torch.cat(frames).mean(0).numpy()
    np.testing.assert_allclose(Emotion2vec(file=file).transform([(voice, 16000)])[0], expected, rtol=1e-3, atol=1e-4)


def test_the_digest_follows_the_file_and_not_its_place(tmp_path, voice):
    one, other = (made_graph(tmp_path / f"{name}.onnx") for name in "ab")
    block = Emotion2vec(file=str(one), on="IEMOCAP", licence="theirs", cache=Cache(tmp_path / "cache"))
    assert block.digest() == Emotion2vec(file=str(other)).digest()
    first = block.transform([(voice, 16000)])
    made_graph(one, seed=1)
    assert block.digest() != Emotion2vec(file=str(other)).digest()
    assert np.abs(block.transform([(voice, 16000)]) - first).max() > 1e-3
    (stamp,) = block.stamps()
    assert (stamp.kind, stamp.value) == ("pretrained", {"what": "a.onnx", "on": "IEMOCAP", "licence": "theirs"})
    assert Emotion2vec(file=str(other)).stamps()[0].value["licence"] == "unknown"


def test_the_contract_of_scikit_learn(tmp_path, voice):
    block = Emotion2vec(file=str(made_graph(tmp_path / "model.onnx")))
    copy = pickle.loads(pickle.dumps(clone(block)))
    np.testing.assert_array_equal(copy.transform([(voice, 16000)]), block.transform([(voice, 16000)]))


def stranger(path):
    made_graph(path, nodes=[HELPER.make_node("Run", ["input"], ["frames"], domain="stranger")])


def outside(path):
    secret = path.with_name("secret.bin")
    secret.write_bytes(weights().tobytes())
    made_graph(path, external=secret.name)


def outside_by_path(path):
    made_graph(path, external="/etc/hostname")


def words(path):
    path.write_text("no graph")


def cut(path):
    content = made_graph(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def fixed(path):
    made_graph(path, given=("batch", 16000))


def three(path):
    made_graph(path, given=("batch", "channel", "samples"))


def flat(path):
    made_graph(path, nodes=[HELPER.make_node("ReduceSum", ["input"], ["frames"], keepdims=0)])


def infinite(path):
    nodes = [
        HELPER.make_node("Unsqueeze", ["input", "one"], ["part"]),
        HELPER.make_node("Sub", ["part", "part"], ["zero"]),
        HELPER.make_node("Div", ["zero", "zero"], ["frames"]),
    ]
    made_graph(path, nodes=nodes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (stranger, "not an ONNX file that can be used"),
        (outside, "not an ONNX file that can be used"),
        (outside_by_path, "not an ONNX file that can be used"),
        (words, "not an ONNX file that can be used"),
        (cut, "not an ONNX file that can be used"),
        (fixed, "takes waveforms of 16000 samples only"),
        (three, "expected one waveform|not an ONNX file"),
        (flat, r"has the shape \(\)|not an ONNX file"),
        (infinite, "has NaN or infinity|not an ONNX file"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, damage, message):
    damage(tmp_path / "model.onnx")
    with pytest.raises(SettingsError, match=message):
        Emotion2vec(file=str(tmp_path / "model.onnx")).check()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"file": ""}, "file of the block 'emotion2vec' is ''; expected an ONNX file"),
        ({"file": "none.onnx"}, "none.onnx: there is no such file"),
        ({"pooling": "mean"}, "pooling is 'mean'"),
        ({"pooling": 3}, "pooling is 3"),
        ({"output": "scores"}, "output is 'scores'; expected the name of an output of the graph: frames"),
        ({"on": 3}, "on of the block 'emotion2vec' is 3; expected text"),
    ],
)
def test_wrong_parameters_are_told(tmp_path, parameters, message):
    file = str(made_graph(tmp_path / "model.onnx"))
    with pytest.raises(SettingsError, match=message):
        Emotion2vec(**{"file": file, **parameters}).check()


def test_a_missing_package_is_told(tmp_path, monkeypatch):
    file = made_graph(tmp_path / "model.onnx", seed=7)
    monkeypatch.setattr("fusionser.onnx_session.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install \"fusionser\[onnx\]\""):
        Emotion2vec(file=str(file)).check()


def test_a_model_refuses_a_file_of_another_width(tmp_path):
    recordings, file = tmp_path / "recordings", made_graph(tmp_path / "e.onnx")
    assert run_command("corpora", "generate", recordings).status == 0
    blocks = f"emotion2vec[file={file},on=IEMOCAP]"
    fitted = run_command("fit", recordings, "--corpus", "demo", "--blocks", blocks, "--out", tmp_path / "m.fusionser")
    assert fitted.status == 0, fitted.messages
    assert "IEMOCAP" in run_command("info", tmp_path / "m.fusionser").output
    clip = sorted(Path(recordings).glob("*.wav"))[0]
    assert run_command("predict", tmp_path / "m.fusionser", clip).status == 0
    made_graph(file, width=WIDTH + 2)
    refused = run_command("predict", tmp_path / "m.fusionser", clip)
    assert refused.status == 1
    assert "other weights" in refused.messages
    assert "emotion2vec" in refused.messages
    assert "Traceback" not in refused.messages
    file.unlink()
    gone = run_command("predict", tmp_path / "m.fusionser", clip)
    assert gone.status == 1
    assert "there is no such file" in " ".join(gone.messages.split())
