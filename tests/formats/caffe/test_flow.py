"""Layers of networks of optical flow, against the arithmetic of FlowNet's and LiteFlowNet's own sources, by loops."""

from math import ceil, floor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convscope.errors import ConvscopeWarning
from convscope.network.operations import OPERATIONS
from formats.caffe.test_forks import built, inputs, random
from formats.caffe.test_further_forks import answer

Array = NDArray[np.float64]


def layer(kind: str, words: str = "", bottoms: tuple[str, ...] = ("data", "more")) -> str:
    read = " ".join(f'bottom: "{name}"' for name in bottoms)
    return f'layer {{ name: "o" type: "{kind}" {read} top: "o" {words} }}'


def correlated(
    one: Array, other: Array, pad: int, kernel: int, most: int, strides: tuple[int, int], subtract: bool
) -> Array:
    one, other = (np.pad(maps, ((0, 0), (0, 0), (pad, pad), (pad, pad))) for maps in (one, other))
    radius, reach = (kernel - 1) // 2, most // strides[1]
    border, grid = most + radius, 2 * reach + 1
    size = [ceil((length - 2 * border) / strides[0]) for length in one.shape[2:]]
    found = np.zeros((len(one), grid * grid, *size))
    for n, c, y, x in np.ndindex(*found.shape):
        moves = (c // grid - reach) * strides[1], (c % grid - reach) * strides[1]
        row, column = y * strides[0] + border, x * strides[0] + border
        for j in range(-radius, radius + 1):
            for i in range(-radius, radius + 1):
                a = one[n, :, row + j, column + i]
                b = other[n, :, row + j + moves[0], column + i + moves[1]]
                found[n, c, y, x] += np.abs(a - b).sum() if subtract else (a * b).sum()
    return found / (kernel * kernel * one.shape[1])


@pytest.mark.parametrize(
    ("pad", "kernel", "most", "strides", "subtract"),
    [(3, 1, 3, (1, 1), False), (2, 3, 4, (2, 2), False), (4, 1, 4, (1, 2), True), (0, 3, 1, (3, 1), True)],
)
def test_two_maps_are_compared_as_flownet_does(
    pad: int, kernel: int, most: int, strides: tuple[int, int], subtract: bool
) -> None:
    x, y = random((2, 3, 9, 12)), random((2, 3, 9, 12), seed=1)
    words = (
        f"pad: {pad} kernel_size: {kernel} max_displacement: {most} stride_1: {strides[0]} stride_2: {strides[1]} "
        f"{'correlation_type: SUBTRACT' if subtract else ''}"
    )
    found = answer(layer("Correlation", f"correlation_param {{ {words} }}"), x, more=y)
    expected = correlated(x.numpy(), y.numpy(), pad, kernel, most, strides, subtract)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def warped(picture: Array, flow: Array, absolute: bool, outside: float) -> Array:
    _, channels, height, width = picture.shape
    found = np.zeros((len(picture), channels, *flow.shape[2:]))
    for n, h, w in np.ndindex(len(picture), *flow.shape[2:]):
        x, y = flow[n, 0, h, w] + (0 if absolute else w), flow[n, 1, h, w] + (0 if absolute else h)
        if not absolute and not (0 <= x < width and 0 <= y < height):
            found[n, :, h, w] = outside
            continue
        left, top = floor(x), floor(y)
        for row, column, weight in (
            (top, left, (1 - y + top) * (1 - x + left)),
            (top, left + 1, (1 - y + top) * (x - left)),
            (top + 1, left, (y - top) * (1 - x + left)),
            (top + 1, left + 1, (y - top) * (x - left)),
        ):
            if not absolute:
                row, column = min(row, height - 1), min(column, width - 1)
            if 0 <= row < height and 0 <= column < width:
                found[n, :, h, w] += weight * picture[n, :, row, column]
    return found


@pytest.mark.parametrize(
    ("kind", "words", "outside"),
    [
        ("FlowWarp", "", 0.0),
        ("FlowWarp", "flow_warp_param { fill_value: NOT_A_NUMBER }", np.nan),
        ("Warp", "", 0.0),
    ],
)
def test_a_map_is_moved_by_a_flow(kind: str, words: str, outside: float) -> None:
    x, flow = random((2, 3, 6, 7)), 4 * random((2, 2, 6, 7), seed=1)
    flow[0, :, 0, 0], flow[0, 0, 2, 6], flow[0, :, 5, 6] = (
        0.0,
        0.75,
        0.5,
    )  # exact, and beyond the last position
    if kind == "Warp":
        flow = flow + 2.5
    found = answer(layer(kind, words), x, more=flow)
    expected = warped(x.double().numpy(), flow.double().numpy(), kind == "Warp", outside)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return x * x * (1.5 * x - 2.5) + 1
    return x * (x * (-0.5 * x + 2.5) - 4) + 2 if x < 2 else 0.0


def resampled(x: Array, size: tuple[int, int], way: str, antialias: bool) -> Array:
    fy, fx = (before / after for before, after in zip(x.shape[2:], size, strict=True))
    smooth = antialias and (fx > 1 or fy > 1)
    ax, ay = (1 / (factor if smooth else 1) for factor in (fx, fy))
    reach = [
        2 if factor < 1 else ceil((4 if way == "CUBIC" else 2) / a) for factor, a in ((fy, ay), (fx, ax))
    ]
    weigh = cubic if way == "CUBIC" else triangle
    found = np.zeros((*x.shape[:2], *size))
    for row, column in np.ndindex(*size):
        x_in, y_in = column * fx + fy / 2 - 0.5, row * fy + fx / 2 - 0.5
        middle = [floor(abs(at) + 0.5) * (1 if at >= 0 else -1) for at in (y_in, x_in)]
        total, weights = np.zeros(x.shape[:2]), 0.0
        for b in range(middle[0] - reach[0], middle[0] + reach[0] + 1):
            for a in range(middle[1] - reach[1], middle[1] + reach[1] + 1):
                if 0 <= b < x.shape[2] and 0 <= a < x.shape[3]:
                    weight = weigh(ax * (x_in - a)) * weigh(ay * (y_in - b))
                    total, weights = total + weight * x[:, :, b, a], weights + weight
        found[:, :, row, column] = total / weights if weights else 0
        if way == "NEAREST":
            found[:, :, row, column] = x[:, :, min(middle[0], x.shape[2] - 1), min(middle[1], x.shape[3] - 1)]
    return found


@pytest.mark.parametrize("way", ["LINEAR", "CUBIC", "NEAREST"])
@pytest.mark.parametrize(
    ("size", "antialias"),
    [((13, 18), True), ((4, 5), True), ((4, 5), False), ((3, 11), True), ((9, 7), True)],
)
def test_a_map_is_resampled_as_flownet_does(way: str, size: tuple[int, int], antialias: bool) -> None:
    x = random((1, 2, 9, 7))
    words = f"height: {size[0]} width: {size[1]} type: {way} antialias: {str(antialias).lower()}"
    found = answer(layer("Resample", f"resample_param {{ {words} }}", ("data",)), x)
    expected = resampled(x.double().numpy(), size, way, antialias)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if antialias and way == "LINEAR":
        other = answer(layer("Resample"), x, more=random((1, 3, *size)))
        torch.testing.assert_close(other, found)


def test_a_mean_and_a_length_of_channels() -> None:
    x = random((2, 6, 3, 4))
    words = "operation: SUBTRACT input_scale: 0.5 mean_scale: 3 output_scale: 2 value: 1 value: 2 value: 4"
    found = answer(layer("Mean", f"mean_param {{ {words} }}", ("data",)), x)
    expected = 2 * (0.5 * x - 3 * torch.tensor([1.0, 2, 4, 1, 2, 4]).view(6, 1, 1))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        answer(layer("ChannelNorm", bottoms=("data",)), x), (x * x).sum(1, keepdim=True).sqrt()
    )


def test_a_correlation_that_does_not_fit_is_cut() -> None:
    text = (
        inputs(data=(1, 3, 6, 6), more=(1, 3, 6, 6))
        + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    )
    with pytest.warns(ConvscopeWarning, match="moves of 4 and a kernel of 1 do not fit"):
        network = built(
            text + layer("Correlation", "correlation_param { kernel_size: 1 max_displacement: 4 }")
        )
    assert "r" in network.layers and "o" in network.graph.cut


@pytest.mark.parametrize("name", ["correlation", "warp", "resample"])
def test_gradients_are_finite_differences(name: str) -> None:
    x, y = (random((1, 2, 6, 7), seed=seed).double().requires_grad_() for seed in (0, 1))
    if name == "resample":
        torch.autograd.gradcheck(lambda x: OPERATIONS[name](x, size=(4, 9)), (x,))
        return
    options = {"displacement": 2, "kernel": 3, "padding": 2} if name == "correlation" else {}
    torch.autograd.gradcheck(lambda x, y: OPERATIONS[name](x, y, **options), (x, y))
