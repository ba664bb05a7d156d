"""A file that claims the moon gets an answer, not the machine's memory."""

from itertools import pairwise

import pytest
import torch

from convscope.errors import InputError
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.known_inputs import guess_caffe_input
from convscope.network.network import Network
from convscope.network.operations.sampling import roi_align

INPUT = 'layer {{ name: "d" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: {0} dim: {0} }} }} }}'
HUGE_LAYERS = [
    'type: "Convolution" convolution_param { num_output: 2000000000 kernel_size: 3 }',
    'type: "InnerProduct" inner_product_param { num_output: 2000000000 }',
    'type: "Tile" tile_param { tiles: 2000000000 }',
    'type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 pad: 1000000000 }',
]


@pytest.mark.parametrize("layer", HUGE_LAYERS)
def test_huge_layers(layer: str) -> None:
    text = INPUT.format(8) + f'layer {{ name: "huge" bottom: "data" top: "huge" {layer} }}'
    network = Network(build_graph(read_text(text)), input_spec=None)
    assert len(network.layers) == 2  # it can be looked at
    with pytest.raises(InputError, match=r"GB of memory, most of it for 'huge"):
        network.activations(torch.rand(1, 3, 8, 8))


def test_a_huge_input() -> None:
    text = INPUT.format(10**6) + 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }'
    graph = build_graph(read_text(text))
    network = Network(graph, input_spec=guess_caffe_input(graph.inputs["data"]))
    with pytest.raises(InputError, match="more than this machine's memory"):
        network.preprocess(torch.rand(4, 4, 3).numpy())


def test_memory_that_is_not_there() -> None:
    """Room inside an operation is not counted beforehand: here 300,000 x 300,000 numbers of padding."""
    pool = "pool: MAX kernel_size: 150001 pad: 150000 stride: 150000"
    text = INPUT.format(8) + (
        f'layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param {{ {pool} }} }}'
    )
    network = Network(build_graph(read_text(text)), input_spec=None)
    with pytest.raises(InputError, match="more memory than there is left"):
        network.activations(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("batch", [1, 2])
def test_a_normalization_over_more_channels_than_there_are(batch: int) -> None:
    lrn = "lrn_param { local_size: 1999999999 alpha: 1e9 }"
    text = INPUT.format(8) + f'layer {{ name: "n" type: "LRN" bottom: "data" top: "n" {lrn} }}'
    network = Network(build_graph(read_text(text)), input_spec=None)
    x = torch.rand(batch, 3, 8, 8)
    expected = x * (1 + 1e9 / 1999999999 * (x * x).sum(1, keepdim=True)) ** -0.75
    torch.testing.assert_close(network.activations(x, "n")["n"], expected)
    torch.testing.assert_close(network.activations(x.requires_grad_(), "n")["n"], expected)


def test_all_layers_of_a_chain_that_grows_together() -> None:
    """None of them is large, and one alone may be asked for: a small file of many would fill the memory."""
    text = (
        INPUT.format(8)
        + 'layer { name: "t" bottom: "data" top: "t" type: "Tile" tile_param { tiles: 60000 } }'
    )
    names = ["t", *(f"r{index}" for index in range(6))]
    for before, name in pairwise(names):
        text += f' layer {{ name: "{name}" type: "Sigmoid" bottom: "{before}" top: "{name}" }}'
    network = Network(build_graph(read_text(text)), input_spec=None)
    input = torch.rand(1, 3, 8, 8)
    with pytest.raises(
        InputError, match=r"the 8 layers asked for have 80,640,192 numbers together, made of 192"
    ):
        network.activations(input)
    assert network.activations(input, "r0:5")["r0:5"].shape == (1, 8, 8)


def test_work_out_of_proportion_is_refused_before_it_begins() -> None:
    """What it would take can be counted: 16 for each number in a window of 1001 x 1001, of 3 x 1000 x 1000 windows."""
    upsample = (
        'layer { name: "u" bottom: "data" top: "u" type: "Interp" interp_param { height: 2000 width: 2000 } }'
    )
    pool = (
        'layer { name: "p" bottom: "u" top: "p" type: "Pooling" pooling_param { pool: AVE kernel_size: %d } }'
    )
    network = Network(build_graph(read_text(INPUT.format(64) + upsample + pool % 1001)), input_spec=None)
    with pytest.raises(
        InputError, match=r"would take 48,096 billion .* for 'p' \(Pooling\), made of 12,288 num"
    ):
        network.activations(torch.rand(1, 3, 64, 64), "p")
    few = Network(build_graph(read_text(INPUT.format(64) + upsample + pool % 2000)), input_spec=None)
    input = torch.rand(1, 3, 64, 64)  # one window: each number is read once
    answer = few.activations(input, "u", "p")
    torch.testing.assert_close(answer["p"], answer["u"].mean((2, 3), keepdim=True), rtol=1e-3, atol=0)


@pytest.mark.parametrize("regions", [[0, 0, 9, 9], [0, 0, 3e9, 3e9]])
def test_regions_that_are_looked_at_in_endless_points(regions: list[float]) -> None:
    samples = 0 if regions[-1] > 9 else 3000
    with pytest.raises(InputError, match="points of a map of 8x8"):
        roi_align(
            torch.rand(1, 3, 8, 8), torch.tensor([regions]), torch.zeros(1), size=(7, 7), samples=samples
        )
