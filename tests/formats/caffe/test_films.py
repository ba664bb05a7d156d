"""C3D's layers: its loops, written down again; and its weights, whose blobs have five axes."""

# ruff: noqa: E501  a layer is a line of text

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

import convscope
from convscope.errors import ConvscopeWarning
from convscope.network.network import Network
from formats.caffe.test_forks import built, inputs, random

FILM = (1, 3, 6, 9, 11)
pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")


def layer(type_name: str, settings: str) -> str:
    return inputs(data=FILM) + f'layer {{ name: "x" type: "{type_name}" bottom: "data" top: "x" {settings} }}'


def answer(network: Network) -> torch.Tensor:
    return network.activations(random(FILM), "x")["x"]


@pytest.mark.parametrize("message", ["convolution_param", "convolution3d_param"])
def test_filters_over_films(message: str) -> None:
    words = "num_output: 4 kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 1 pad: 1 temporal_pad: 1 filter_group: 2"
    network = built(layer("Convolution3D", f"{message} {{ {words} }}"))
    weight, bias = (network.graph.parameters[f"x.{role}"] for role in ("weight", "bias"))
    assert weight.shape == (4, 3, 2, 3, 3)
    expected = F.conv3d(random(FILM), weight, bias, (1, 2, 2), (1, 1, 1))
    torch.testing.assert_close(answer(network), expected)


def test_filters_over_films_turned_around() -> None:
    words = "num_output: 2 kernel_size: 4 kernel_depth: 3 stride: 2 pad: 1 temporal_stride: 2"
    network = built(layer("Deconvolution3D", f"convolution_param {{ {words} }}"))
    weight, bias = (network.graph.parameters[f"x.{role}"] for role in ("weight", "bias"))
    assert weight.shape == (3, 2, 3, 4, 4)
    expected = F.conv_transpose3d(random(FILM), weight, bias, (2, 2, 2), (0, 1, 1))
    torch.testing.assert_close(answer(network), expected)


def pooled(
    film: np.ndarray, pool: str, kernel: int, depth: int, stride: int, along: int, pad: int
) -> np.ndarray:
    """Return what pool3d_layer.cpp's loops give for the film's one batch."""
    _, channels, length, height, width = film.shape
    rows, columns = (int(np.ceil((size + 2 * pad - kernel) / stride)) + 1 for size in (height, width))
    pictures = int(np.ceil((length - depth) / along)) + 1
    made = np.zeros((1, channels, pictures, rows, columns), np.float32)
    for c, at, row, column in product(range(channels), range(pictures), range(rows), range(columns)):
        top, left, first = row * stride - pad, column * stride - pad, at * along
        bottom, right = min(top + kernel, height + pad), min(left + kernel, width + pad)
        last = min(first + depth, length)
        count = (bottom - top) * (right - left) * (last - first)
        window = film[0, c, first:last, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        made[0, c, at, row, column] = window.max() if pool == "MAX" else window.sum() / count
    return made


@pytest.mark.parametrize(("pool", "pad"), [("MAX", 0), ("AVE", 0), ("AVE", 1)])
def test_pools_over_films(pool: str, pad: int) -> None:
    words = f"pool: {pool} kernel_size: 3 kernel_depth: 3 stride: 2 temporal_stride: 2 pad: {pad}"
    network = built(layer("Pooling3D", f"pooling3d_param {{ {words} }}"))
    expected = pooled(random(FILM).numpy(), pool, 3, 3, 2, 2, pad)
    np.testing.assert_allclose(answer(network).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_window_without_its_length_is_cut() -> None:
    network = built(layer("Pooling3D", "pooling_param { kernel_size: 3 }") + RELU)
    assert "kernel_depth is missing" in network.graph.cut["x"].sentence


RELU = ' layer { name: "y" type: "ReLU" bottom: "data" top: "y" }'


def test_plain_layers_do_not_pass_over_a_films_settings() -> None:
    words = "convolution_param { num_output: 4 kernel_size: 3 kernel_depth: 3 }"
    assert "Convolution3D's" in built(layer("Convolution", words) + RELU).graph.cut["x"].sentence


def volume_blob(shape: tuple[int, ...], numbers: np.ndarray) -> bytes:
    """Return a blob as C3D 1.0 writes it: num, channels, length, height and width, then the numbers as field 6."""
    sizes = b"".join(bytes([number << 3, size]) for number, size in enumerate(shape, 1))
    data = numbers.astype("<f4").tobytes()
    return sizes + b"\x32" + varint(len(data)) + data


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def within(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def test_a_network_of_c3d_and_its_weights(tmp_path: Path) -> None:
    """In old words: types are numbers that mean other layers in Caffe, and the film's size is its data layer's."""
    (tmp_path / "c3d.prototxt").write_text(
        'layers { name: "data" type: VIDEO_DATA top: "data" top: "label" image_data_param { batch_size: 1 crop_size: 9 new_length: 6 } }'
        'layers { name: "x" type: CONVOLUTION3D bottom: "data" top: "x" convolution_param { num_output: 2 kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1 } }'
        'layers { name: "pool" type: POOLING3D bottom: "x" top: "pool" pooling_param { pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 } }'
    )
    weight, bias = np.random.default_rng(0).normal(size=(2, 3, 3, 3, 3)), np.array([0.5, -1.25])
    blobs = [volume_blob((2, 3, 3, 3, 3), weight.ravel()), volume_blob((1, 1, 1, 1, 2), bias)]
    stored = within(4, b"x") + b"".join(within(6, blob) for blob in blobs) + struct.pack("BB", 5 << 3, 30)
    (tmp_path / "c3d.caffemodel").write_bytes(within(1, b"c3d") + within(2, stored))
    network = convscope.open_network(tmp_path / "c3d.prototxt", weights=tmp_path / "c3d.caffemodel")
    assert network.graph.inputs == {"data": (1, 3, 6, 9, 9)}
    film = random((1, 3, 6, 9, 9))
    values = network.activations(film, ["x", "pool"])
    expected = F.conv3d(film, torch.tensor(weight).float(), torch.tensor(bias).float(), padding=1)
    torch.testing.assert_close(values["x"], expected)
    torch.testing.assert_close(values["pool"], F.max_pool3d(expected, (1, 2, 2), ceil_mode=True))


def test_a_film_of_unknown_length_has_c3ds(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "data" type: "VideoData" top: "data" transform_param { crop_size: 12 } }'
        'layer { name: "x" type: "Convolution3D" bottom: "data" top: "x" convolution3d_param { num_output: 2 kernel_size: 3 kernel_depth: 3 } }'
    )
    with pytest.warns(ConvscopeWarning, match="1x3x16x12x12 is a guess"):
        network = convscope.open_network(tmp_path / "net.prototxt")
    assert network.graph.inputs == {"data": (1, 3, 16, 12, 12)}


@pytest.mark.parametrize("crop, side", [("", 224), ("crop_size: 112", 112)])
def test_a_window_of_three_axes_looks_at_films(crop: str, side: int) -> None:
    """R-C3D's: its data layer says no more than that it reads."""
    text = (
        f'layer {{ name: "d" type: "Data" top: "data" transform_param {{ {crop} }} data_param {{ batch_size: 1 }} }}'
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
        "convolution_param { num_output: 2 kernel_size: 3 kernel_size: 5 kernel_size: 5 stride: 2 } }"
    )
    assert built(text).graph.inputs == {"data": (1, 3, 16, side, side)}
