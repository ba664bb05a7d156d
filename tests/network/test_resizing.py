"""Resizing against scikit-image, Pillow and SciPy; crops against slices written out."""

import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize as skimage_resize

from convscope.errors import InputError
from convscope.network.resizing import center_crop, resize, resize_shorter_side, ten_crops
from convscope.pictures.photograph import read_picture


@pytest.mark.parametrize("size", [(256, 256), (100, 300), (33, 41)])
def test_shrinking_without_antialiasing_is_caffes_resize(size: tuple[int, int]) -> None:
    picture = read_picture("chelsea").astype(np.float64)
    caffe = skimage_resize(picture, size, order=1, mode="constant", anti_aliasing=False)
    resized = resize(picture, size, antialias=False)
    # scikit-image of today fades the outermost pixels to black when growing; Caffe's day and we do not.
    inside = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(resized[inside], caffe[inside], atol=1e-12)
    assert resized.dtype == np.float64


def test_a_picture_is_resized_without_a_copy_of_it() -> None:
    """Of a camera's 25 million pixels it is 300 MB, in each thread that reads ahead."""
    picture = np.random.default_rng(0).random((600, 800, 3), np.float32)
    tracemalloc.start()
    try:
        resize(picture, (60, 80))
        assert tracemalloc.get_traced_memory()[1] < picture.nbytes / 4
    finally:
        tracemalloc.stop()
    picture.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's, of what cannot be written
        resize(picture, (60, 80))


@pytest.mark.parametrize("size", [(256, 256), (100, 300), (64, 31), (600, 500)])
def test_with_antialiasing_it_is_pillows(size: tuple[int, int]) -> None:
    picture = read_picture("chelsea")
    planes = [Image.fromarray(picture[:, :, channel]) for channel in range(3)]
    pillow = np.dstack([np.asarray(plane.resize(size[::-1], Image.Resampling.BILINEAR)) for plane in planes])
    np.testing.assert_allclose(resize(picture, size), pillow, atol=1e-5)


def test_any_number_of_channels_and_no_change_to_the_argument() -> None:
    picture = np.random.default_rng(0).random((8, 6, 5)).astype(np.float32)
    before = picture.copy()
    assert resize(picture, (4, 3)).shape == (4, 3, 5)
    same = resize(picture, (8, 6))
    same[:] = 0
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [((480, 640, 3), 256, (256, 341)), ((640, 480, 3), 256, (341, 256)), ((5, 5, 3), 7, (7, 7))],
)
def test_shorter_side(shape: tuple[int, ...], side: int, expected: tuple[int, int]) -> None:
    assert resize_shorter_side(np.zeros(shape), side).shape[:2] == expected


def test_center_crop_of_even_and_odd_margins() -> None:
    picture = np.arange(7 * 8).reshape(7, 8, 1)
    assert center_crop(picture, (3, 4))[0, 0, 0] == 2 * 8 + 2
    assert center_crop(picture, (4, 3))[0, 0, 0] == 1 * 8 + 2  # margins of 3 and 5: one less at top and left
    assert center_crop(np.zeros((256, 256, 3)), (227, 227)).shape == (227, 227, 3)
    assert center_crop(np.arange(256)[:, None, None] * np.ones((1, 256, 1)), (227, 227))[0, 0, 0] == 14


def test_ten_crops_in_caffes_order() -> None:
    picture = np.random.default_rng(0).random((6, 7, 3))
    crops = ten_crops(picture, (4, 3))
    assert crops.shape == (10, 4, 3, 3)
    expected = [picture[:4, :3], picture[:4, -3:], picture[-4:, :3], picture[-4:, -3:], picture[1:5, 2:5]]
    for index, crop in enumerate(expected):
        np.testing.assert_array_equal(crops[index], crop)
        np.testing.assert_array_equal(crops[index + 5], crop[:, ::-1])


def test_impossible_sizes_are_errors() -> None:
    with pytest.raises(InputError, match=r"cannot crop 4 x 9 from a picture of 8 x 8"):
        center_crop(np.zeros((8, 8, 3)), (4, 9))
    with pytest.raises(InputError, match="cannot resize to 0 x 5 pixels"):
        resize(np.zeros((8, 8, 3)), (0, 5))
