"""Layers of Greentea's, Intel's, Synopsys's, jolibrain's and MSRA's Caffe, and what descriptions leave out or repeat."""

# ruff: noqa: E501  a layer is a line of text

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import NetworkFileError, WeightsMismatch
from convscope.formats.caffe.text import read_text, write_text
from convscope.network.operations import OPERATIONS
from formats.caffe.test_forks import MAP, built, inputs, random
from protobuf_oracle import parse_text

pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")


def answer(layer: str, x: torch.Tensor, **others: torch.Tensor) -> torch.Tensor:
    text = inputs(data=tuple(x.shape), **{name: tuple(value.shape) for name, value in others.items()}) + layer
    network = built(text)
    found = network.activations({"data": x, **others}, "o")["o"]
    assert tuple(found.shape) == network.shapes["o"]
    return found


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize(
    "words",
    [
        "kernel_size: 1 kernel_size: 3 kernel_size: 2 stride: 1 stride: 2 stride: 2 pad: 0 dilation: 1",
        "kernel_size_3d: 2 kernel_size_3d: 3 kernel_size_3d: 3 stride_3d: 2 stride_3d: 1 stride_3d: 2 pad_3d: 0 pad_3d: 1 pad_3d: 1",
    ],
)
def test_pooling_along_three_axes_is_rounded_up_and_clipped(pool: str, words: str) -> None:
    x = random((2, 3, 4, 6, 7))
    found = answer(
        f'layer {{ name: "o" type: "Pooling" bottom: "data" top: "o" pooling_param {{ pool: {pool} {words} }} }}',
        x,
    )
    first = "3d" not in words
    kernel, stride, pad = ((1, 3, 2), (1, 2, 2), (0, 0, 0)) if first else ((2, 3, 3), (2, 1, 2), (0, 1, 1))
    counts = [
        -(-(s + 2 * p - k) // t) + 1 for s, k, t, p in zip(x.shape[2:], kernel, stride, pad, strict=True)
    ]
    expected = np.zeros((2, 3, *counts))
    for n, c, *at in np.ndindex(2, 3, *counts):
        starts = [i * t - p for i, t, p in zip(at, stride, pad, strict=True)]
        ends = [min(s + k, size + p) for s, k, size, p in zip(starts, kernel, x.shape[2:], pad, strict=True)]
        window = x[n, c][tuple(slice(max(s, 0), e) for s, e in zip(starts, ends, strict=True))]
        size = np.prod([e - s for s, e in zip(starts, ends, strict=True)])
        expected[n, c][tuple(at)] = window.max() if pool == "MAX" else window.sum() / size
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pooling_of_pixels_that_lie_apart_is_torchs() -> None:
    x = random((1, 3, 11, 12))
    words = "pooling_param { pool: MAX kernel_size: 2 stride: 1 dilation: 4 }"
    found = answer(f'layer {{ name: "o" type: "Pooling" bottom: "data" top: "o" {words} }}', x)
    torch.testing.assert_close(found, F.max_pool2d(x, 2, 1, dilation=4))
    kept = write_text(
        read_text(f"layer {{ {words.replace('kernel_size: 2', 'kernel_size: 2 kernel_size: 3')} }}")
    )
    assert "kernel_size: 2" in kept
    assert "kernel_size: 3" in kept, "what is written has both"


@pytest.mark.parametrize("words", ["", "mergecrop_param { forward: 1 forward: true operation: ADD }"])
def test_the_middle_of_a_larger_map_is_merged(words: str) -> None:
    x, larger = random((1, 4, 5, 6)), random((1, 4, 8, 6), seed=1)
    layer = f'layer {{ name: "o" type: "MergeCrop" bottom: "data" bottom: "more" top: "o" {words} }}'
    middle = larger[:, :, 1:6]
    torch.testing.assert_close(
        answer(layer, x, more=larger), x + middle if words else torch.cat([x, middle], 1)
    )
    text = (
        inputs(data=(1, 4, 5, 6), more=(1, 3, 8, 6))
        + layer
        + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    )
    assert "with as many channels" in built(text).graph.cut["o"].sentence


def test_taps_of_deformable_convolution_end_before_the_first_position_and_reach_one_behind_the_last() -> None:
    x, offsets = random((1, 4, 6, 7)), 1.5 * random((1, 36, 6, 7), seed=1)
    text = inputs(data=x.shape, offsets=offsets.shape) + (
        'layer { name: "o" type: "DeformableConvolution" bottom: "data" bottom: "offsets" top: "o" '
        "deformable_convolution_param { num_output: 3 kernel_size: 3 pad: 1 deformable_group: 2 } }"
    )
    network = built(text)
    weight, bias = network.parameters["o.weight"], network.parameters["o.bias"]
    expected = np.zeros((3, 6, 7)) + bias.numpy()[:, None, None]
    for row, column, c, i, j in np.ndindex(6, 7, 4, 3, 3):
        group, tap = c // 2, i * 3 + j
        move = offsets[0, group * 18 + 2 * tap : group * 18 + 2 * tap + 2, row, column]
        h, w = row - 1 + i + float(move[0]), column - 1 + j + float(move[1])
        if not (0 <= h < 6 and 0 <= w < 7):
            continue
        h, w = min(h, 5.0), min(w, 6.0)
        low, left = int(h), int(w)
        high, right = min(low + 1, 5), min(left + 1, 6)
        lh, lw, map = h - low, w - left, x[0, c].numpy()
        value = (1 - lh) * ((1 - lw) * map[low, left] + lw * map[low, right])
        value += lh * ((1 - lw) * map[high, left] + lw * map[high, right])
        expected[:, row, column] += weight[:, c, i, j].numpy() * value
    found = network.activations({"data": x, "offsets": offsets}, "o")["o"][0]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    x = x.double().requires_grad_()
    parts = {"weight": weight.double(), "padding": 1, "offset_groups": 2, "fades": False}
    assert torch.autograd.gradcheck(
        lambda x: OPERATIONS["deformable_convolution"](x, offsets.double(), **parts), (x,)
    )


def test_a_sequence_goes_on_after_its_first_time() -> None:
    layer = 'layer { name: "o" type: "ContinuationIndicator" bottom: "data" top: "o" continuation_indicator_param { time_step: 3 axis: 1 } }'
    assert answer(layer, random((5, 2, 3))).tolist() == [[0, 0], [1, 1], [1, 1]]
    stated = (
        'layer { name: "o" type: "ContinuationIndicator" top: "o" continuation_indicator_param { time_step: 3 batch_size: 2 } } '
        'layer { name: "p" type: "Eltwise" bottom: "data" bottom: "o" top: "p" eltwise_param { operation: PROD } }'
    )
    x = random((3, 2))
    found = built(inputs(data=(3, 2)) + stated).activations({"data": x}, ["o", "p"])
    assert found["o"].tolist() == [[0, 0], [1, 1], [1, 1]]
    np.testing.assert_array_equal(found["p"], x * torch.tensor([[0.0], [1.0], [1.0]]))


@pytest.mark.parametrize("size", [(7, 5), (3, 11), (2, 2)])
def test_a_map_as_large_as_another_has_its_corners_on_corners(size: tuple[int, int]) -> None:
    x = random((2, 3, 4, 3))
    layer = 'layer { name: "o" type: "BilinearInterpolation" bottom: "data" bottom: "other" top: "o" }'
    found = answer(layer, x, other=random((2, 1, *size)))
    expected = np.zeros((2, 3, *size))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (0, 1), (0, 1)))  # what is read behind the end weighs nothing
    for h, w in np.ndindex(*size):
        y, x_at = h * 3 / (size[0] - 1), w * 2 / (size[1] - 1)
        top, left = int(y), int(x_at)
        above = padded[:, :, top, left] * (left + 1 - x_at) + padded[:, :, top, left + 1] * (x_at - left)
        below = padded[:, :, top + 1, left] * (left + 1 - x_at) + padded[:, :, top + 1, left + 1] * (
            x_at - left
        )
        expected[:, :, h, w] = (top + 1 - y) * above + (y - top) * below
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ('"BilinearInterpolation" bottom: "data"', "its bottoms are what is resized and"),
        ('"BReLU" bottom: "data" brelu_param { minval: 0 }', "minval and maxval must both be given"),
        (
            '"ContinuationIndicator" bottom: "data" continuation_indicator_param { time_step: 3 batch_size: 2 }',
            "either a bottom or a batch_size",
        ),
    ],
)
def test_what_is_not_complete_cuts_the_network(layer: str, words: str) -> None:
    network = built(
        inputs(data=(1, 3, 4, 5))
        + 'layer { name: "a" type: "AbsVal" bottom: "data" top: "a" }'
        + f'layer {{ name: "o" type: {layer} top: "o" }}'
    )
    assert words in network.graph.cut["o"].reason


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ('"BReLU" brelu_param { minval: -.25 maxval: .5 }', lambda x: x.where(x > -0.25, torch.tensor(-0.25)).where(x < 0.5, torch.tensor(0.5))),
        ('"UpsampleDarknet" upsample_darknet_param { stride: 3 }', lambda x: x.repeat_interleave(3, 2).repeat_interleave(3, 3)),
        ('"DepthToSpace" depth_to_space_param { block_size: 2 data_format: "CRD" }', lambda x: F.pixel_shuffle(x, 2)),
        ('"Reshape" reshape_param { pixelshuffler: 2 }', lambda x: F.pixel_shuffle(x, 2)),
        (
            '"DepthToSpace" depth_to_space_param { block_size: 2 data_format: "NCHW" }',
            lambda x: torch.stack([x[:, :2], x[:, 2:4], x[:, 4:6], x[:, 6:]], 2).reshape(1, 2, 2, 2, 12, 20).permute(0, 1, 4, 2, 5, 3).reshape(1, 2, 24, 40),
        ),
        (
            '"ResizeBilinear" resize_bilinear_param { data_format: "NCHW" output_height: 17 output_width: 9 align_corners: true }',
            lambda x: F.interpolate(x, (17, 9), mode="bilinear", align_corners=True),
        ),
        (
            '"ResizeBilinear" resize_bilinear_param { data_format: "NCHW" scale_height: 2 scale_width: 1.5 half_pixel_centers: true }',
            lambda x: F.interpolate(x, (24, 30), mode="bilinear", align_corners=False),
        ),
        (
            '"ResizeBilinear" resize_bilinear_param { output_height: 16 output_width: 20 }',
            lambda x: 0.5 * x[:, [i // 2 for i in range(16)]] + 0.5 * x[:, [(i + 1) // 2 for i in range(16)]],
        ),
        ('"Permute" permute_param { order: 2 order: 0 }', lambda x: x.permute(2, 0, 1, 3)),
        (
            '"SpaceToBatchND" space_to_batch_nd_param { block_shape: 1 block_shape: 2 block_shape: 3 paddings: 0 paddings: 0 paddings: 1 paddings: 1 paddings: 0 paddings: 1 }',
            lambda x: torch.cat([F.pad(x, (0, 1, 1, 1))[:, :, i::2, j::3] for i in range(2) for j in range(3)]),
        ),
        (
            """"Python" python_param { module: "spatial_dropout" layer: "SpatialDropoutLayer" param_str: "{'phase': 'TEST', 'p': '0.2'}" }""",
            lambda x: 1.25 * x,
        ),
    ],
)  # fmt: skip
def test_layers_of_converted_networks(layer, expected) -> None:  # type: ignore[no-untyped-def]
    x = random(MAP) if "output_height: 16" not in layer else random((1, 8, 20, 3))
    found = answer(f'layer {{ name: "o" bottom: "data" top: "o" type: {layer} }}', x)
    if "output_height: 16" in layer:  # the last row has no neighbor
        found, expected_rows = found[:, :15], expected(F.pad(x, (0, 0, 0, 0, 0, 1)))[:, :15]
        torch.testing.assert_close(found, expected_rows, atol=1e-5, rtol=1e-5)
        return
    torch.testing.assert_close(found, expected(x), atol=1e-5, rtol=1e-5)


def test_blocks_of_a_batch_lie_beside_each_other_again() -> None:
    x = random((4, 2, 3, 5))
    words = "batch_to_space_nd_param { block_shape: 1 block_shape: 2 block_shape: 2 crops: 0 crops: 0 crops: 1 crops: 0 crops: 0 crops: 2 }"
    found = answer(f'layer {{ name: "o" type: "BatchToSpaceND" bottom: "data" top: "o" {words} }}', x)
    whole = np.zeros((1, 2, 6, 10), np.float32)
    for picture in range(4):
        whole[:, :, picture // 2 :: 2, picture % 2 :: 2] = x[picture]
    np.testing.assert_array_equal(found, whole[:, :, 1:, :-2])


def test_permute_completes_an_order_of_three_axes() -> None:
    x = random((4, 5, 3))
    found = answer(
        'layer { name: "o" type: "Permute" bottom: "data" top: "o" permute_param { order: 2 order: 0 order: 1 } }',
        x,
    )
    torch.testing.assert_close(found, x.permute(2, 0, 1))


def test_batch_norm_of_intel_takes_its_scale_where_the_weights_have_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = (
        inputs(data=MAP)
        + 'layer { name: "o" type: "BatchNorm" bottom: "data" top: "o" batch_norm_param { filler { value: 0 } } }'
    )
    (tmp_path / "net.prototxt").write_text(text)
    x, numbers = random(MAP), np.arange(8) / 4 + 0.5
    mean, variance, weight, bias = numbers, numbers**2, 3 - numbers, numbers / 7
    sums = [mean * 2.5, variance * 2.5, np.array([2.5]), weight, bias]
    normal = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(variance + 1e-5).sqrt()[:, None, None]
    scaled = normal * torch.tensor(weight)[:, None, None] + torch.tensor(bias)[:, None, None]
    for count, expected in ((3, normal), (5, scaled)):
        blobs = "".join(
            f"blobs {{ shape {{ dim: {len(blob)} }} {' '.join(f'data: {value}' for value in blob)} }}"
            for blob in sums[:count]
        )
        stored = parse_text(f'layer {{ name: "o" type: "BatchNorm" {blobs} }}')
        (tmp_path / "net.caffemodel").write_bytes(stored.SerializeToString())
        found = open_network(tmp_path / "net.prototxt").activations(x, "o")["o"]
        torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-5)
    (tmp_path / "net.prototxt").write_text(text.replace("filler {", "bias_term: false filler {"))
    with pytest.raises(WeightsMismatch, match="5 blobs, but the network needs 4"):
        open_network(tmp_path / "net.prototxt")


@pytest.mark.parametrize("behind", ["convolution", "nothing"])
@pytest.mark.parametrize("kind", ["darknet", "nvidia"])
def test_what_a_batch_norm_divides_by_stays_where_it_is_folded(kind: str, behind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Synopsys's for Darknet adds epsilon behind the root, NVCaffe's does not divide by its third blob."""
    words = "eps: 0.2 " + ("add_eps_before_sqrt: false" if kind == "darknet" else "scale_bias: true")
    text = inputs(data=MAP)
    if behind == "convolution":
        text += 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 8 kernel_size: 1 } }'
    text += f'layer {{ name: "o" type: "BatchNorm" bottom: "{"c" if behind == "convolution" else "data"}" top: "o" batch_norm_param {{ {words} }} }}'
    network = built(text).with_parameters({"o.scale_factor": torch.tensor([3.0])})
    x, number = random(MAP), network.parameters
    share = 3.0 if kind == "darknet" else 1.0
    mean, variance = number["o.mean"].flatten() / share, number["o.variance"].flatten() / share
    deviation = variance.sqrt() + 0.2 if kind == "darknet" else (variance + 0.2).sqrt()
    before = network.activations(x, "c")["c"] if behind == "convolution" else x
    expected = (before - mean[:, None, None]) / deviation[:, None, None]
    if kind == "nvidia":
        expected = (
            expected * number["o.weight"].flatten()[:, None, None] + number["o.bias"].flatten()[:, None, None]
        )
    torch.testing.assert_close(network.activations(x, "o")["o"], expected, atol=1e-5, rtol=1e-5)
    network.save(tmp_path / "net.onnx")
    torch.testing.assert_close(
        open_network(tmp_path / "net.onnx").activations(x, "o")["o"], expected, atol=1e-5, rtol=1e-5
    )


def test_a_bn_of_icnet_is_pspnets() -> None:
    words = 'type: "BN" param { lr_mult: 1 } param { lr_mult: 0 } bn_param { icnet: true }'
    network = built(inputs(data=MAP) + f'layer {{ name: "o" bottom: "data" top: "o" {words} }}')
    assert list(network.graph.operations[-1].parameters) == ["weight", "bias", "mean", "variance"]


def test_layers_of_one_name_may_write_one_blob_in_place() -> None:
    """A ReLU that is called as the layer before it, as people copy blocks."""
    text = inputs(data=MAP) + (
        'layer { name: "x" type: "Power" bottom: "data" top: "x" power_param { shift: -0.5 } }'
        + 'layer { name: "x" type: "ReLU" bottom: "x" top: "x" }' * 2
        + 'layer { name: "x" type: "Power" bottom: "x" top: "x" power_param { scale: 3 } }'
    )
    network, x = built(text), random(MAP)
    found = network.activations(x, "x@x", "x@x.2", "x@x.3", "x")
    torch.testing.assert_close(found["x@x"], x - 0.5)
    torch.testing.assert_close(found["x@x.2"], (x - 0.5).relu())
    torch.testing.assert_close(found["x"], 3 * (x - 0.5).relu())


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ('type: "Data" data_param { batch_size: 2 }', (2, 2, 224, 224)),
        ('type: "MemoryData" memory_data_param { dim: 1 dim: 2 dim: 9 dim: 8 }', (1, 2, 9, 8)),
        ('type: "VideoData" video_data_param { batch_size: 3 new_length: 5 modality: FLOW new_height: 12 new_width: 11 }', (3, 10, 12, 11)),
    ],
)  # fmt: skip
def test_what_a_data_layer_of_pairs_volumes_and_films_gives(data: str, shape: tuple[int, ...]) -> None:
    cut = 'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" slice_param { slice_point: 1 } }'
    assert built(f'layer {{ name: "data" top: "data" {data} }}' + cut).shapes["data"] == shape


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution", "InnerProduct"])
def test_a_template_without_its_outputs_is_cut_there(kind: str) -> None:
    text = inputs(data=MAP) + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    network = built(text + f'layer {{ name: "o" type: "{kind}" bottom: "r" top: "o" }}')
    assert "num_output is missing. If this is a template" in network.graph.cut["o"].sentence
    assert "r" in network.layers


@pytest.mark.parametrize("word", ["$SIZE", "${SIZE}", "{{ size }}", "@SIZE@", "%d"])
def test_a_template_is_told_apart_whatever_its_signs(word: str) -> None:
    with pytest.raises(NetworkFileError, match=r"If this is a template, put a value in the place of"):
        read_text(f"layer {{ convolution_param {{ num_output: {word} }} }}")


def test_evaluations_of_forks_are_left_out_and_a_layer_that_only_sounds_alike_is_not() -> None:
    text = inputs(data=MAP) + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    network = built(text + 'layer { name: "e" type: "EvalDetection" bottom: "r" top: "e" }')
    assert not network.graph.cut
    assert "e" in built(text + 'layer { name: "e" type: "Medieval" bottom: "r" top: "e" }').graph.cut
