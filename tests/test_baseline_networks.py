"""The networks of the CNN-LSTM papers: every layer's output shape and parameter count as the papers print them.

Keras counts the two running statistics of batch norm as parameters (not trainable) and has one bias a gate, so both are
counted so here.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from fusionser.errors import FusionserError
from fusionser.networks import (
    CNNLSTM1D,
    CNNLSTM2D,
    CRNN,
    TEMPORAL_MODELS,
    Conv1DLSTM,
    TemporalCNN,
    TimeDistributedCNNLSTM,
)
from fusionser.networks.layers import last_states, one_bias_lstm, segments


def of_kinds(network, *kinds):
    return [part for part in network.modules() if isinstance(part, kinds)]


def statistics(module):
    """Running means and variances of batch norm."""
    norms = of_kinds(module, nn.BatchNorm1d, nn.BatchNorm2d)
    return sum(norm.running_mean.numel() + norm.running_var.numel() for norm in norms)


def count(module):
    """Parameters as Keras counts them."""
    weights = sum(weight.numel() for weight in module.parameters() if weight.requires_grad)
    return weights + statistics(module)


def walk(network, inputs, layers):
    """Output shape (without the batch) and parameters of some layers, in the order in which they run."""
    seen = []

    def note(module, given, output):
        # An LSTM's own answer is every step; what the networks read is the last state of each direction.
        output = output[1][0].transpose(0, 1).flatten(1) if isinstance(module, nn.LSTM) else output
        seen.append((type(module).__name__, tuple(output.shape[1:]), count(module)))

    handles = [part.register_forward_hook(note) for part in layers]
    network.eval()(inputs)
    for handle in handles:
        handle.remove()
    return seen


def test_the_time_distributed_bilstm_is_the_papers_layer_by_layer():
    network = TimeDistributedCNNLSTM(128, 219, 7, bidirectional=True)
    layers = of_kinds(network, nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.LSTM, nn.Linear)
    # The paper's summary (time first and channels last there): (18, 127, 4, 128) 640, and so on.
    assert walk(network, torch.zeros(1, 128, 219), layers) == [
        ("Conv2d", (128, 127, 4), 640),
        ("BatchNorm2d", (128, 127, 4), 512),
        ("MaxPool2d", (128, 63, 2), 0),
        ("Conv2d", (128, 62, 1), 65664),
        ("BatchNorm2d", (128, 62, 1), 512),
        ("MaxPool2d", (128, 31, 1), 0),
        ("Conv2d", (128, 30, 1), 32896),
        ("BatchNorm2d", (128, 30, 1), 512),
        ("MaxPool2d", (128, 15, 1), 0),
        ("Conv2d", (128, 14, 1), 32896),
        ("BatchNorm2d", (128, 14, 1), 512),
        ("MaxPool2d", (128, 7, 1), 0),
        ("LSTM", (64,), 237824),
        ("Linear", (7,), 455),
    ]
    assert count(network) == 372423
    assert statistics(network) == 1024
    assert network.lstm.input_size == 896
    assert count(TimeDistributedCNNLSTM(128, 219, 7).lstm) == 118912


def test_blocks_are_convolution_norm_activation_pool():
    """In the papers' order, by PyTorch's own layers in one dimension: the same values, and the same gradients."""
    torch.manual_seed(0)
    network = CNNLSTM1D(1024, 7).double()
    x = torch.randn(3, 1024, dtype=torch.double)
    found = network.blocks(x[:, None, None]).squeeze(2)
    expected = x[:, None]
    weights = []
    for convolution, norm, *_ in network.blocks:
        weights.append(convolution.weight.detach().squeeze(2).requires_grad_())
        maps = functional.conv1d(expected, weights[-1], convolution.bias.detach(), padding=1)
        maps = functional.batch_norm(maps, None, None, norm.weight.detach(), norm.bias.detach(), training=True)
        expected = functional.max_pool1d(functional.elu(maps), 4)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    for (convolution, *_), weight in zip(network.blocks, weights, strict=True):
        torch.testing.assert_close(convolution.weight.grad.squeeze(2), weight.grad)


def test_zhaos_networks():
    one = CNNLSTM1D(56000, 7)
    assert walk(one, torch.zeros(1, 56000), [*one.blocks, one.lstm, one.output]) == [
        ("Sequential", (64, 1, 14000), 512),
        ("Sequential", (64, 1, 3500), 12608),
        ("Sequential", (128, 1, 875), 25216),
        ("Sequential", (128, 1, 218), 49792),
        ("LSTM", (256,), 4 * 256 * (128 + 256 + 1)),
        ("Linear", (7,), 1799),
    ]
    two = CNNLSTM2D(128, 219, 7, bidirectional=True)
    assert walk(two, torch.zeros(1, 128, 219), [*two.blocks, two.lstm, two.output]) == [
        ("Sequential", (64, 64, 109), 896),
        ("Sequential", (64, 16, 27), 37184),
        ("Sequential", (128, 4, 6), 74368),
        ("Sequential", (128, 1, 1), 148096),
        ("LSTM", (512,), 2 * 4 * 256 * (128 + 256 + 1)),
        ("Linear", (7,), 3591),
    ]


def test_zhaos_second_network_may_run_along_channels():
    network = CNNLSTM2D(128, 512, 7, sequence="channels").eval()
    assert network.lstm.input_size == 4
    steps = []
    network.lstm.register_forward_pre_hook(lambda module, given: steps.append(given[0].shape))
    network(torch.zeros(2, 128, 512))
    assert steps == [(2, 128, 4)]
    along_time = CNNLSTM2D(128, 512, 7).eval()
    along_time.lstm.register_forward_pre_hook(lambda module, given: steps.append(given[0].shape))
    along_time(torch.zeros(2, 128, 512))
    assert steps[1] == (2, 4, 128)


def test_the_crnn_is_the_papers_layer_by_layer():
    network = CRNN(128, 259, 8)
    found = walk(network, torch.zeros(1, 128, 259), of_kinds(network, nn.Conv2d, nn.MaxPool2d, nn.LSTM, nn.Linear))
    assert found == [
        ("Conv2d", (64, 128, 259), 64 * (81 + 1)),
        ("MaxPool2d", (64, 64, 129), 0),
        ("Conv2d", (64, 64, 129), 64 * (49 * 64 + 1)),
        ("MaxPool2d", (64, 16, 32), 0),
        ("Conv2d", (128, 16, 32), 128 * (25 * 64 + 1)),
        ("MaxPool2d", (128, 4, 8), 0),
        ("Conv2d", (128, 4, 8), 128 * (9 * 128 + 1)),
        ("MaxPool2d", (128, 1, 2), 0),
        ("LSTM", (256,), 2 * 4 * 128 * (128 + 128 + 1)),
        ("Linear", (8,), 2056),
    ]
    assert not any(isinstance(part, nn.Dropout) for part in network.modules())


@pytest.mark.parametrize("song", [False, True])
def test_the_conv1d_lstm(song):
    network = Conv1DLSTM(32, 256, 6, song=song, dropout=0.2)
    found = walk(network, torch.zeros(2, 32, 256), of_kinds(network, nn.Conv1d, nn.BatchNorm1d, nn.LSTM, nn.Linear))
    # The kernel 5 x 256 x 256 and the 256 biases are what the paper prints.
    assert found[0] == ("Conv1d", (256, 32), 5 * 256 * 256 + 256)
    assert found[1:4] == [("BatchNorm1d", (256, 32), 1024), *[("LSTM", (256,), 4 * 256 * 513)] * 2]
    assert [shape for name, shape, _ in found if name == "Linear"] == [(256,), (2048,), (256,), (6,)]
    assert [size for name, _, size in found if name == "Conv1d"] == [327936, 327936]
    assert network.group_1.between.p == (0.2 if song else 0.0)
    assert [network.group_1.behind.p, network.group_2.between.p, network.group_2.behind.p] == [0.2] * 3


def test_the_conv1d_lstm_along_time():
    network = Conv1DLSTM(32, 256, 6, sequence="frames")
    assert count(network.group_1.convolution) == 5 * 32 * 256 + 256
    steps = []
    network.group_1.lstm_1.register_forward_pre_hook(lambda module, given: steps.append(given[0].shape))
    network.eval()(torch.zeros(2, 32, 256))
    assert steps == [(2, 256, 256)]


@pytest.mark.parametrize(
    ("number", "blocks", "lstms", "bidirectional", "dropout", "total"),
    [
        (1, 2, 1, False, 0.3, 3),
        (2, 2, 1, False, 0.4, 3),
        (3, 2, 2, False, 0.3, 3),
        (4, 3, 1, True, 0.3, 7),
        (5, 4, 1, True, 0.3, 7),
    ],
)
def test_the_temporal_models_are_the_papers_table(number, blocks, lstms, bidirectional, dropout, total):
    model = TEMPORAL_MODELS[number]
    assert (model.blocks, model.lstms, model.bidirectional, model.dropout) == (blocks, lstms, bidirectional, dropout)
    assert model.copies + 1 == total
    network = TemporalCNN(128, 376, 5, model.blocks, model.lstms, model.bidirectional, model.dropout)
    layers = walk(network, torch.zeros(1, 128, 376), of_kinds(network, nn.MaxPool2d, nn.LSTM))
    assert [shape for name, shape, _ in layers if name == "MaxPool2d"] == [
        (64, 43, 43),
        (64, 15, 15),
        (128, 5, 5),
        (128, 2, 2),
    ][:blocks]
    assert [shape for name, shape, _ in layers if name == "LSTM"] == [(256 if bidirectional else 128,)] * lstms
    assert {part.p for part in network.modules() if isinstance(part, nn.Dropout)} == {dropout}


def test_an_lstm_of_one_bias_computes_what_the_formula_says():
    torch.manual_seed(0)
    lstm = one_bias_lstm(3, 4)
    assert lstm.bias_ih_l0[4:8].tolist() == [1.0] * 4
    assert not lstm.bias_hh_l0.requires_grad and not lstm.bias_hh_l0.any()
    x = torch.randn(1, 2, 3)
    hidden = cell = torch.zeros(1, 4)
    for step in range(2):
        gates = x[:, step] @ lstm.weight_ih_l0.T + hidden @ lstm.weight_hh_l0.T + lstm.bias_ih_l0
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
        hidden = leave.sigmoid() * cell.tanh()
    torch.testing.assert_close(last_states(lstm, x), hidden)


def test_segments_cover_the_clip_or_its_beginning():
    frames = torch.arange(219.0).expand(2, 128, 219)
    spread = segments(frames, 18, 5)[0, :, 0]
    assert spread.shape == (18, 5)
    assert (spread[0, 0], spread[-1, -1]) == (0, 218)
    assert (spread[:, 1:] - spread[:, :-1] == 1).all()
    assert segments(frames, 18, 5, step=5)[0, :, 0].flatten().tolist() == list(range(90))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CNNLSTM1D(200, 7), "four pools of 4 need 256 or more"),
        (lambda: CNNLSTM2D(64, 219, 7), "pools of 2, 4, 4, 4 need 128 or more"),
        (lambda: CNNLSTM2D(128, 219, 7, sequence="frequency"), "unknown sequence 'frequency'. Known: time, channels"),
        (lambda: CRNN(128, 100, 7), "128 bands by 100 frames"),
        (lambda: TimeDistributedCNNLSTM(128, 4, 7), "expected 31 bands, 5 frames"),
        (lambda: TimeDistributedCNNLSTM(128, 80, 7, spread=False), "90 frames"),
        (
            lambda: TimeDistributedCNNLSTM(128, 219, 7, activation="gelu"),
            "unknown activation 'gelu'.* Known: elu, relu, none",
        ),
        (lambda: TemporalCNN(128, 319, 5), "got maps of 319 frames; 4 segments of 128, 64 apart, need 320"),
        (lambda: TemporalCNN(128, 376, 5, segment_step=0), "expected 1 or more each"),
        (lambda: TemporalCNN(128, 376, 5, blocks=5), "expected 1 to 4, and 1 or 2"),
        (lambda: Conv1DLSTM(32, 256, 6, sequence="time"), "unknown sequence 'time'. Known: coefficients, frames"),
    ],
)
def test_impossible_shapes_and_choices(build, message):
    with pytest.raises(FusionserError, match=message):
        build()
