"""Pictures at another size, each way Keras knows: against its filters, written out in loops of double precision."""

from math import ceil, exp, floor, pi, sin

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import InputError
from plain_keras import functional, input_layer, layer, normal, write_h5

X = normal(2, 9, 7, 3, scale=1.0)


def run(tmp_path, class_name, version="3.1.0", x=X, **config):
    layers = [input_layer(x.shape[1:]), layer(class_name, "tested", "photo", **config)]
    path = write_h5(tmp_path / "net.h5", functional("net", layers, ["photo"], ["tested"]), {}, version)
    return open_network(path).activations(torch.from_numpy(x), "tested")["tested"].numpy()


def lanczos(reach):
    return lambda x: 1.0 if x < 1e-3 else reach * sin(pi * x) * sin(pi * x / reach) / (pi * x) ** 2


def keys(x):
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2


def mitchell(x):
    inner, outer = 21 * x**3 - 36 * x**2 + 16, -7 * x**3 + 36 * x**2 - 60 * x + 32
    return (inner if x < 1 else outer) / 18


FILTERS = {
    "bilinear": (1, lambda x: 1 - x),
    "bicubic": (2, keys),
    "lanczos3": (3, lanczos(3)),
    "lanczos5": (5, lanczos(5)),
    "gaussian": (1.5, lambda x: exp(-2 * x * x)),
    "mitchellcubic": (2, mitchell),
}


def spread(name, size, new, smooth):
    """Return (new, size) weights: what each pixel of the result takes from each one of the picture."""
    reach, function = FILTERS[name]
    matrix, wide = np.zeros((new, size)), max(size / new, 1) if smooth else 1
    for at in range(new):
        middle = (at + 0.5) * size / new
        first, last = ceil(middle - reach * wide - 0.5), floor(middle + reach * wide - 0.5)
        for pixel in range(max(first, 0), min(last, size - 1) + 1):
            distance = abs(pixel + 0.5 - middle) / wide
            matrix[at, pixel] = function(distance) if distance < reach else 0
    return matrix / matrix.sum(1, keepdims=True)


def resized(name, x, height, width, smooth=False):
    rows, columns = spread(name, x.shape[1], height, smooth), spread(name, x.shape[2], width, smooth)
    return np.einsum("ab,nbwc,dw->nadc", rows, x, columns)


@pytest.mark.parametrize("size", [(4, 5), (13, 3), (9, 11), (9, 7)])
@pytest.mark.parametrize("name", FILTERS)
def test_resizing_with_antialias_widens_the_filter(tmp_path, name, size):
    found = run(tmp_path, "Resizing", height=size[0], width=size[1], interpolation=name, antialias=True)
    np.testing.assert_allclose(found, resized(name, X, *size, smooth=True), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lanczos3", "lanczos5", "gaussian", "mitchellcubic"])
def test_the_wider_filters_without_antialias_and_in_upsampling(tmp_path, name):
    found = run(tmp_path, "Resizing", height=5, width=12, interpolation=name)
    np.testing.assert_allclose(found, resized(name, X, 5, 12), rtol=1e-4, atol=1e-5)
    found = run(tmp_path, "UpSampling2D", size=[2, 3], interpolation=name)
    np.testing.assert_allclose(found, resized(name, X, 18, 21), rtol=1e-4, atol=1e-5)
    found = run(tmp_path, "UpSampling2D", size=[3, 1], interpolation=name)
    np.testing.assert_allclose(found, resized(name, X, 27, 7), rtol=1e-4, atol=1e-5)


def test_an_area_is_the_mean_of_what_it_covers(tmp_path):
    found = run(tmp_path, "Resizing", height=3, width=7, interpolation="area")
    np.testing.assert_allclose(found, X.reshape(2, 3, 3, 7, 3).mean(2), rtol=1e-5, atol=1e-6)
    found = run(tmp_path, "UpSampling2D", size=[2, 3], interpolation="area")
    np.testing.assert_array_equal(found, X.repeat(2, 1).repeat(3, 2))


@pytest.mark.parametrize(
    ("class_name", "config", "part"),
    [
        # As wide as it is high: 7 of the 9 rows.
        ("Resizing", {"crop_to_aspect_ratio": True, "height": 5, "width": 5}, np.s_[:, 1:8]),
        ("Resizing", {"crop_to_aspect_ratio": True, "height": 4, "width": 2}, np.s_[:, :, 1:5]),
        ("CenterCrop", {"height": 10, "width": 12}, np.s_[:, 2:7]),
        ("CenterCrop", {"height": 4, "width": 10}, np.s_[:, 3:5]),
    ],
)
def test_what_has_another_shape_is_cut_off_before(tmp_path, class_name, config, part):
    expected = resized("bilinear", X[part], config["height"], config["width"])
    np.testing.assert_allclose(run(tmp_path, class_name, **config), expected, rtol=1e-4, atol=1e-5)


def test_a_border_is_as_wide_on_both_sides(tmp_path):
    config = {"pad_to_aspect_ratio": True, "fill_value": 0.7, "height": 6, "width": 6}
    around = np.pad(X, ((0, 0), (0, 0), (1, 1), (0, 0)), constant_values=0.7)
    expected = resized("bilinear", around, 6, 6)
    np.testing.assert_allclose(run(tmp_path, "Resizing", **config), expected, rtol=1e-4, atol=1e-5)


def test_the_middle_is_cropped_where_it_is_large_enough(tmp_path):
    np.testing.assert_array_equal(run(tmp_path, "CenterCrop", height=4, width=5), X[:, 2:6, 1:6])
    with pytest.raises(InputError, match="opened for 9x7x3 and is another one for 8x7x3"):
        open_network(tmp_path / "net.h5").activations(torch.from_numpy(X[:, 1:]), "tested")


def test_a_random_crop_is_nothing_in_keras_3_and_the_largest_part_before(tmp_path):
    settings = {"height": 5, "width": 5}
    np.testing.assert_array_equal(run(tmp_path, "RandomCrop", **settings), X)
    expected = resized("bilinear", X[:, 1:8], 5, 5)
    found = run(tmp_path, "RandomCrop", "2.9.0", **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "version, corners", [("2.2.4", True), ("2.3.1", True), ("2.2.4-tf", False), ("2.4.0", False)]
)
def test_keras_on_its_own_counted_pixels_by_their_corners(tmp_path, version, corners):
    """Until 2.3 it called TensorFlow 1's resizing: pixel x of the result lies at x / 2 of the picture."""
    row = np.zeros((1, 1, 4, 1), np.float32)
    row[0, 0, :, 0] = [3, 1, 4, 1.5]
    found = run(tmp_path, "UpSampling2D", version, row, size=[1, 2], interpolation="bilinear")
    expected = [3, 2, 1, 2.5, 4, 2.75, 1.5, 1.5] if corners else [3, 2.5, 1.5, 1.75, 3.25, 3.375, 2.125, 1.5]
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("smooth", [False, True])
def test_cubes_of_keras_on_pytorch_are_pytorchs(smooth, tmp_path):
    """A file that says so; with antialias PyTorch has the cubic that TensorFlow has."""
    config = {"height": 13, "width": 5, "interpolation": "bicubic", "antialias": smooth}
    layers = [input_layer(X.shape[1:]), layer("Resizing", "tested", "photo", **config)]
    path = write_h5(
        tmp_path / "net.h5", functional("net", layers, ["photo"], ["tested"]), {}, "3.15.0", backend="torch"
    )
    found = open_network(path).activations(torch.from_numpy(X), "tested")["tested"]
    maps = torch.from_numpy(X).movedim(-1, 1)
    expected = F.interpolate(maps, (13, 5), mode="bicubic", antialias=smooth).movedim(1, -1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
