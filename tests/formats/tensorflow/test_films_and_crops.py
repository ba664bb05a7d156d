"""Films, boxes cut out of a map, areas, and what becomes of numbers that turn whole: against loops that say what
TensorFlow's documentation does. TensorFlow 2.21 gave the same numbers for these graphs."""

import math

import numpy as np
import pytest
import torch

from convscope import open_network
from graph_def_writer import GraphWriter

X = np.random.default_rng(8).normal(0, 1, (2, 7, 9, 4)).astype(np.float32)


def answer(tmp_path, g, name, input=X):
    return open_network(g.save(tmp_path / "net.pb")).activations(torch.from_numpy(input), name)[name].numpy()


def begin(shape=X.shape):
    g = GraphWriter()
    return g, g.placeholder(shape=shape)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_filters_and_windows_of_films_are_sums_over_the_window(tmp_path, padding):
    film = np.random.default_rng(9).normal(0, 1, (1, 4, 5, 6, 2)).astype(np.float32)
    g, x = begin(film.shape)
    weight = np.random.default_rng(1).normal(0, 1, (2, 3, 2, 2, 3)).astype(np.float32)
    strides = [1, 1, 2, 2, 1]
    g.node("Conv3D", "conv", x, g.const("weight", weight), strides=strides, padding=padding)
    for op in ("MaxPool3D", "AvgPool3D"):
        g.node(op, op, x, ksize=[1, 2, 3, 2, 1], strides=strides, padding=padding)
    windows = list(_windows(film.shape[1:4], (2, 3, 2), (1, 2, 2), padding))
    shape = tuple(max(at[axis] for at, _ in windows) + 1 for axis in range(3))
    conv, most, mean = (np.zeros((1, *shape, count)) for count in (3, 2, 2))
    for at, pairs in windows:
        inside = [film[(0, *place)] for place, _ in pairs]
        conv[(0, *at)] = sum(film[(0, *place)] @ weight[tap] for place, tap in pairs)
        most[(0, *at)], mean[(0, *at)] = np.max(inside, 0), np.mean(inside, 0)
    for name, expected in (("conv", conv), ("MaxPool3D", most), ("AvgPool3D", mean)):
        found = answer(tmp_path, g, name, film)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def _windows(sizes, kernel, stride, padding):
    """Yield each window's place, and the (position of the input, position in the window) that it has inside."""
    axes = []
    for size, k, s in zip(sizes, kernel, stride, strict=True):
        count = -(-size // s) if padding == "SAME" else (size - k) // s + 1
        before = max((count - 1) * s + k - size, 0) // 2 if padding == "SAME" else 0
        axes.append([[(n * s - before + t, t) for t in range(k)] for n in range(count)])
    for at in np.ndindex(*(len(axis) for axis in axes)):
        taps = [
            [tap for tap in axis[n] if 0 <= tap[0] < size]
            for axis, n, size in zip(axes, at, sizes, strict=True)
        ]
        pairs = [((a, b, c), (i, j, k)) for a, i in taps[0] for b, j in taps[1] for c, k in taps[2]]
        yield at, pairs


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_boxes_are_cut_out_between_pixels_and_filled_outside(tmp_path, method):
    boxes = np.float32([[0, 0, 0.5, 0.7], [-0.2, 0.1, 1.3, 0.9], [0.9, 0.2, 0.1, 0.8]])
    for rows, columns in ((4, 5), (1, 3)):
        g, x = begin()
        named = [g.const("boxes", boxes), g.const("of", [0, 1, 1]), g.const("size", [rows, columns])]
        g.node("CropAndResize", "crop", x, *named, method=method, extrapolation_value=0.25)
        expected = np.zeros((3, rows, columns, 4), np.float32)
        for box, row, column in np.ndindex(3, rows, columns):
            y = _place(boxes[box][[0, 2]], row, rows, 6)
            x_place = _place(boxes[box][[1, 3]], column, columns, 8)
            expected[box, row, column] = _pixel(X[[0, 1, 1][box]], y, x_place, method)
        np.testing.assert_allclose(answer(tmp_path, g, "crop"), expected, rtol=1e-4, atol=1e-5)


def _place(ends, index, count, last):
    begin, end = ends
    return (
        0.5 * (begin + end) * last
        if count == 1
        else begin * last + index * (end - begin) * last / (count - 1)
    )


def _pixel(map, y, x, method):
    if not (0 <= y <= map.shape[0] - 1 and 0 <= x <= map.shape[1] - 1):
        return 0.25
    if method == "nearest":
        return map[math.floor(y + 0.5), math.floor(x + 0.5)]
    (top, left), (down, right) = (math.floor(y), math.floor(x)), (y - math.floor(y), x - math.floor(x))
    rows = [map[at, left] * (1 - right) + map[at, math.ceil(x)] * right for at in (top, math.ceil(y))]
    return rows[0] * (1 - down) + rows[1] * down


@pytest.mark.parametrize("size", [(3, 4), (10, 21), (1, 2)])
def test_an_area_is_the_mean_of_what_it_covers(tmp_path, size):
    g, x = begin()
    g.node("ResizeArea", "area", x, g.const("size", list(size)), align_corners=False)
    fine = X.repeat(size[0], 1).repeat(size[1], 2)  # each pixel cut so fine that areas are whole
    expected = fine.reshape(2, size[0], 7, size[1], 9, 4).mean((2, 4))
    np.testing.assert_allclose(answer(tmp_path, g, "area"), expected, rtol=1e-4, atol=1e-5)


def test_numbers_that_become_whole_lose_what_is_behind_their_point(tmp_path):
    g, x = begin()
    by_three = g.node("Mul", "by_three", x, g.const("three", np.float32(3)))
    whole = g.node("Cast", "whole", by_three, SrcT="DT_FLOAT", DstT="DT_INT32")
    g.node("Cast", "float", whole, SrcT="DT_INT32", DstT="DT_FLOAT")
    g.node("Cast", "truth", g.node("Relu", "positive", x), SrcT="DT_FLOAT", DstT="DT_BOOL")
    np.testing.assert_array_equal(answer(tmp_path, g, "float"), np.trunc(X * np.float32(3)))
    np.testing.assert_array_equal(answer(tmp_path, g, "truth"), X > 0)
    values = [g.const("on", np.float32(2.5)), g.const("off", np.float32(-0.5))]
    g.node("OneHot", "hot", whole, g.const("depth", np.int32(4)), *values, axis=1)
    places = np.trunc(X * np.float32(3))[:, None] == np.arange(4).reshape(1, 4, 1, 1, 1)
    np.testing.assert_array_equal(answer(tmp_path, g, "hot"), np.where(places, 2.5, -0.5))


def test_division_by_nothing_is_nothing_and_what_is_finite_is_told(tmp_path):
    g, x = begin()
    positive = g.node("Relu", "positive", x)
    g.node("DivNoNan", "quotient", x, positive)
    for op in ("IsFinite", "IsInf"):
        g.node(op, op, g.node("RealDiv", f"over_{op}", x, positive))
    expected = np.where(X > 0, 1.0, 0.0)
    np.testing.assert_array_equal(answer(tmp_path, g, "quotient"), expected)
    np.testing.assert_array_equal(answer(tmp_path, g, "IsFinite"), expected)
    np.testing.assert_array_equal(answer(tmp_path, g, "IsInf"), 1 - expected)
