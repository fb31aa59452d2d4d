"""The architectures: shapes and parameter counts of the paper's tables, and layers against closed forms."""

import numpy as np
import pytest
import torch

from fusionser.networks import Conv1D, Conv2D, FrameRecurrent, Perceptron, VectorRecurrent
from fusionser.networks.layers import AttentiveStatistics, Convolution1d, SamePool1d
from fusionser.networks.preparation import Standardise


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def walk(network, inputs, names):
    """Output shape (without the batch) and parameters of each named layer, in the order in which they run."""
    seen = []

    def note(name):
        return lambda module, given, output: seen.append((name, tuple(output.shape[1:]), count(module)))

    handles = [network.get_submodule(name).register_forward_hook(note(name)) for name in names]
    network.eval()(inputs)
    for handle in handles:
        handle.remove()
    return seen


def test_conv1d_is_the_papers_layer_by_layer():
    names = ["convolution_1", "pool_1", "convolution_2", "pool_2", "dense_1", "dense_2", "dense_3"]
    # The summary that the paper prints, channels last there: (162, 256) 1 536, (81, 256) 0, and so on.
    assert walk(Conv1D(162, 6), torch.zeros(2, 162), names) == [
        ("convolution_1", (256, 162), 1536),
        ("pool_1", (256, 81), 0),
        ("convolution_2", (256, 81), 327936),
        ("pool_2", (256, 41), 0),
        ("dense_1", (32,), 335904),
        ("dense_2", (12,), 396),
        ("dense_3", (6,), 78),
    ]
    assert count(Conv1D(162, 6)) == 665850
    assert Conv1D(162, 6).dense_1.in_features == 10496


@pytest.mark.parametrize(("columns", "parameters"), [(41, 700), (39, 676)])
def test_the_papers_perceptron(columns, parameters):
    network = Perceptron(columns, 6)
    assert count(network) == parameters
    sizes = [
        layer.weight.numel() + layer.bias.numel() for layer in network.layers if isinstance(layer, torch.nn.Linear)
    ]
    assert sizes == [12 * (columns + 1), 130, 66]


def test_conv2d_is_as_its_table_says():
    network = Conv2D(64, 188, 8)
    names = [*(f"convolutions.{number}" for number in range(4)), "pool", "dense", "output"]
    assert walk(network, torch.zeros(2, 64, 188), names) == [
        ("convolutions.0", (16, 32, 94), 176),
        ("convolutions.1", (32, 16, 47), 4672),
        ("convolutions.2", (64, 8, 23), 18560),
        ("convolutions.3", (128, 4, 23), 73984),
        ("pool", (256,), 8321),
        ("dense", (32,), 8224),
        ("output", (8,), 33 * 8),
    ]
    assert count(network.recurrent) == 221952


def test_same_pooling_takes_the_highest_of_each_window():
    values = np.random.default_rng(0).normal(size=162).astype(np.float32) - 5.0
    for length in (162, 81, 7):
        # Keras: ceil(n / 2) windows, the missing values shared out with the odd one on the right.
        steps = -(-length // 2)
        left = ((steps - 1) * 2 + 5 - length) // 2
        expected = [values[max(2 * step - left, 0) : min(2 * step - left + 5, length)].max() for step in range(steps)]
        pooled = SamePool1d(5, 2)(torch.from_numpy(values[None, None, :length]))
        np.testing.assert_array_equal(pooled[0, 0], expected)


def test_attention_to_all_steps_alike_is_mean_and_deviation():
    pool = AttentiveStatistics(3)
    for parameter in pool.score.parameters():
        torch.nn.init.zeros_(parameter)
    steps = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.cat([steps.mean(dim=1), steps.std(dim=1, correction=0)], dim=1)
    torch.testing.assert_close(pool(steps), expected)


def test_standardising_learns_each_columns_or_bands_own_scale():
    rng = np.random.default_rng(0)
    maps = rng.normal([[3.0], [-2.0]], [[2.0], [0.5]], size=(50, 2, 40)).astype(np.float32)
    layer = Standardise((2, 1))
    layer.learn([maps])
    standard = layer(torch.from_numpy(maps)).numpy()
    np.testing.assert_allclose(standard.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(axis=(0, 2)), 1, atol=1e-5)
    still = Standardise((1,))
    still.learn([np.full((5, 1), 7.0, dtype=np.float32)])
    assert still(torch.full((1, 1), 7.0)).item() == 0.0


def test_a_vector_becomes_steps_in_its_own_order():
    steps = VectorRecurrent(5, 3, step_size=2).steps(torch.arange(1.0, 6.0)[None])
    assert steps.tolist() == [[[1, 2], [3, 4], [5, 0]]]


def test_both_directions_are_read():
    torch.manual_seed(0)
    one, both = FrameRecurrent(4, 3, units=5), FrameRecurrent(4, 3, units=5, bidirectional=True)
    maps = torch.randn(2, 4, 6)
    assert one.embed(maps).shape == (2, 5)
    states = both.embed(maps)
    assert states.shape == (2, 10)
    changed = maps.clone()
    changed[:, :, -1] += 1.0
    # The last frame is the first that the backward direction reads, and its state is the one that is taken last.
    assert (both.embed(changed) != states).all()
    # LSTM(4 -> 5) with two biases, as torch has it: 4 * 5 * (4 + 5 + 2).
    assert count(one.lstm) == 220


@pytest.mark.parametrize("network", [Conv1D(162, 4), Conv2D(64, 94, 4)], ids=["conv1d", "conv2d"])
def test_the_units_are_what_the_last_layers_read(network):
    network.eval()
    inputs = torch.randn(3, 162) if isinstance(network, Conv1D) else torch.randn(3, 64, 94)
    units = network.embed(inputs)
    assert units.shape == (3, 32)
    if isinstance(network, Conv1D):
        logits = network.dense_3(torch.relu(network.dense_2(units)))
    else:
        logits = network.output(units)
    torch.testing.assert_close(network(inputs), logits)


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "padding"), [(1, 5, 1, 2), (3, 5, 1, 2), (1, 3, 2, 0), (4, 3, 2, 1)]
)
def test_a_convolution_by_way_of_maps_is_pytorchs(channels, kernel, stride, padding):
    torch.manual_seed(0)
    reference = torch.nn.Conv1d(channels, 8, kernel, stride=stride, padding=padding)
    own = Convolution1d(channels, 8, kernel, stride=stride, padding=padding)
    own.load_state_dict(reference.state_dict())
    inputs = [
        torch.linspace(-1, 1, 2 * channels * 33).sin().reshape(2, channels, 33).requires_grad_() for _ in range(2)
    ]
    found = [layer(one) for layer, one in zip((reference, own), inputs, strict=True)]
    torch.testing.assert_close(found[1], found[0])
    for one in found:
        one.square().sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
    torch.testing.assert_close(own.weight.grad, reference.weight.grad)
    torch.testing.assert_close(own.bias.grad, reference.bias.grad)
