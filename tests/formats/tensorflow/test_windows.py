"""What is done under windows beside filters: patches, dilation, places of the largest, against loops over NumPy."""

import numpy as np
import pytest
import torch

from convscope import open_network
from graph_def_writer import GraphWriter

X = np.random.default_rng(4).normal(0, 1, (2, 7, 8, 3)).astype(np.float32)


def windows(stride, rate, kernel, padding, outside):
    """Yield where each window is, and the (picture, kernel height, kernel width, channels) numbers under it."""
    sizes = X.shape[1:3]
    extents = [(k - 1) * r + 1 for k, r in zip(kernel, rate, strict=True)]
    if padding == "SAME":
        counts = [-(-size // s) for size, s in zip(sizes, stride, strict=True)]
        over = [
            max((n - 1) * s + e - size, 0)
            for n, s, e, size in zip(counts, stride, extents, sizes, strict=True)
        ]
    else:
        counts = [(size - e) // s + 1 for size, e, s in zip(sizes, extents, stride, strict=True)]
        over = [0, 0]
    margins = [(0, 0), *((each // 2, each - each // 2) for each in over), (0, 0)]
    padded = np.pad(X, margins, constant_values=outside)
    for row, column in np.ndindex(*counts):
        top, left = row * stride[0], column * stride[1]
        rows, columns = slice(top, top + extents[0], rate[0]), slice(left, left + extents[1], rate[1])
        yield (row, column), padded[:, rows, columns]


def result(function, *settings, depth):
    found = {place: function(numbers) for place, numbers in windows(*settings)}
    rows, columns = (max(place[axis] for place in found) + 1 for axis in (0, 1))
    made = np.zeros((2, rows, columns, depth))
    for (row, column), numbers in found.items():
        made[:, row, column] = numbers
    return made


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("stride", "rate"), [((1, 1), (1, 1)), ((2, 1), (1, 2)), ((3, 2), (2, 1))])
def test_patches_and_dilation_and_erosion(tmp_path, padding, stride, rate):
    kernel, g = (3, 2), GraphWriter()
    x = g.placeholder(shape=X.shape)
    sizes = {"strides": [1, *stride, 1], "rates": [1, *rate, 1], "padding": padding}
    g.node("ExtractImagePatches", "patches", x, ksizes=[1, *kernel, 1], **sizes)
    weight = np.random.default_rng(5).normal(0, 1, (*kernel, 3)).astype(np.float32)
    g.node("Dilation2D", "dilated", x, g.const("filter", weight), **sizes)
    turned = g.node("ReverseV2", "turned", "filter", g.const("axes", [0, 1]))
    g.node("Neg", "eroded", g.node("Dilation2D", "inner", g.node("Neg", "minus", x), turned, **sizes))
    network = open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(torch.from_numpy(X), "patches", "dilated", "eroded")
    patches = result(lambda n: n.reshape(2, -1), stride, rate, kernel, padding, 0, depth=18)
    np.testing.assert_allclose(found["patches"], patches, rtol=1e-6)
    dilated = result(lambda n: (n + weight).max((1, 2)), stride, rate, kernel, padding, -np.inf, depth=3)
    np.testing.assert_allclose(found["dilated"], dilated, rtol=1e-5)
    eroded = result(
        lambda n: (n - weight[::-1, ::-1]).min((1, 2)), stride, rate, kernel, padding, np.inf, depth=3
    )
    np.testing.assert_allclose(found["eroded"], eroded, rtol=1e-5)


@pytest.mark.parametrize("with_batch", [False, True])
def test_places_of_the_largest_lead_back(tmp_path, with_batch):
    """SegNet's way in TensorFlow: where each largest number was, and a sparse map with it there again."""
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    sizes = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    g.node("MaxPoolWithArgmax", "pool", x, include_batch_in_index=with_batch, **sizes)
    g.node("Identity", "places", "pool:1", T="DT_INT64")
    flat = g.node("Reshape", "flat", "pool:1", g.const("rows", [-1, 1]), T="DT_INT64")
    numbers = g.node("Reshape", "numbers", "pool", g.const("row", [-1]))
    g.node("ScatterNd", "spread", flat, numbers, g.const("shape", [X.size]), Tindices="DT_INT64")
    network = open_network(g.save(tmp_path / "net.pb"))
    found = network.activations(torch.from_numpy(X), "pool", "places", "spread")
    wanted, spread = np.zeros((2, 3, 4, 3), int), np.zeros(X.size)
    for n, row, column, channel in np.ndindex(wanted.shape):
        window = X[n, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
        y, z = np.unravel_index(window.argmax(), (2, 2))
        place = (n if with_batch else 0, 2 * row + y, 2 * column + z, channel)
        wanted[n, row, column, channel] = np.ravel_multi_index(place, X.shape)
        spread[wanted[n, row, column, channel]] += window.max()
    np.testing.assert_array_equal(found["places"], wanted)
    np.testing.assert_allclose(found["spread"], spread, rtol=1e-5)
