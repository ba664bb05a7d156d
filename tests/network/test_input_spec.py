"""Preprocessing against Caffe's Transformer written out in numpy, its inverse, and a real network's known answer."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.transform import resize as skimage_resize

import convscope
from convscope.errors import InputError
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import guess_caffe_input
from convscope.pictures.decoding import MAXIMUM_PIXELS
from convscope.pictures.photograph import read_picture

BGR = InputSpec((8, 6), "BGR", raw_scale=255.0, mean=(104.0, 117.0, 123.0), input_scale=0.5)


def caffe_transformer(picture: NDArray[Any], size: tuple[int, int], spec: InputSpec) -> NDArray[Any]:
    """Return what ``caffe.io.Transformer.preprocess`` gives: resize, transpose, swap, raw_scale, mean, input_scale."""
    values = picture.astype(np.float64)
    if values.shape[:2] != size:
        values = skimage_resize(values, size, order=1, mode="edge", anti_aliasing=False)
    values = values.transpose(2, 0, 1)
    if spec.channel_order == "BGR":
        values = values[[2, 1, 0]]
    values = values * spec.raw_scale
    mean = np.asarray(spec.mean, dtype=np.float64)
    values = values - (mean[:, None, None] if mean.ndim == 1 else mean)
    return values * spec.input_scale


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("shape", [(8, 6), (31, 57)])
@pytest.mark.parametrize("picture_mean", [False, True])
def test_the_steps_and_their_order_are_caffes(order: Any, shape: tuple[int, int], picture_mean: bool) -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((*shape, 3)).astype(np.float32)
    mean = rng.random((3, 8, 6)).astype(np.float32) * 100 if picture_mean else BGR.mean
    spec = BGR.replace(channel_order=order, mean=mean, antialias=False)
    tensor = spec.to_tensor(picture)
    assert tensor.dtype == torch.float32
    assert tuple(tensor.shape) == spec.shape == (1, 3, 8, 6)
    np.testing.assert_allclose(tensor[0], caffe_transformer(picture, (8, 6), spec), rtol=1e-4, atol=1e-3)


specs = st.builds(
    InputSpec,
    size=st.just((5, 4)),
    channel_order=st.sampled_from(["RGB", "BGR"]),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    raw_scale=st.floats(0.5, 300),
    mean=st.tuples(*[st.floats(-130, 130)] * 3) | st.just(()) | st.just(np.full((3, 5, 4), 7, np.float32)),
    input_scale=st.floats(0.01, 2) | st.tuples(*[st.floats(0.01, 2)] * 3),
)


@given(specs, st.integers(0, 2**32 - 1))
def test_deprocess_undoes_preprocess(spec: InputSpec, seed: int) -> None:
    picture = np.random.default_rng(seed).random((5, 4, 3)).astype(np.float32)
    tolerance = 1e-5 * max(1.0, float(np.abs(np.asarray(spec.mean)).max(initial=0)) / spec.raw_scale)
    np.testing.assert_allclose(spec.to_picture(spec.to_tensor(picture)), picture, atol=tolerance)


@settings(deadline=None)
@given(specs, st.integers(0, 2**32 - 1))
def test_from_rgb_is_preprocess_that_gradients_go_through(spec: InputSpec, seed: int) -> None:
    pictures = np.random.default_rng(seed).random((2, 5, 4, 3)).astype(np.float32)
    expected = torch.cat([spec.to_tensor(picture) for picture in pictures])
    rgb = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    found = spec.from_rgb(rgb)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)
    tolerance = 1e-5 * max(1.0, float(np.abs(np.asarray(spec.mean)).max(initial=0)) / spec.raw_scale)
    torch.testing.assert_close(spec.to_rgb(found), rgb, rtol=0, atol=tolerance)
    assert torch.autograd.gradcheck(spec.from_rgb, rgb.double().requires_grad_())
    assert torch.autograd.gradcheck(spec.to_rgb, found.double().requires_grad_())


def test_from_rgb_of_a_gray_network_takes_the_luma_of_color_and_gray_as_it_is() -> None:
    spec = InputSpec((5, 4), "GRAY", raw_scale=255.0, mean=(30.0,), input_scale=1 / 256)
    picture = np.random.default_rng(0).random((5, 4, 3)).astype(np.float32)
    found = spec.from_rgb(torch.from_numpy(picture).permute(2, 0, 1)[None])
    torch.testing.assert_close(found, spec.to_tensor(picture))
    gray = spec.to_rgb(found)
    assert gray.shape == (1, 1, 5, 4)
    torch.testing.assert_close(spec.from_rgb(gray), found)


def test_from_rgb_scales_any_number_of_channels_but_no_mean_fits_two() -> None:
    five = torch.rand(2, 5, 7, 6)
    torch.testing.assert_close(
        InputSpec((4, 4), raw_scale=255.0, input_scale=0.5).from_rgb(five), five * 127.5
    )
    with pytest.raises(
        InputError, match=r"pictures of 5 channels do not fit the mean and input_scale, .* for 3"
    ):
        BGR.from_rgb(five)


def test_from_rgb_takes_any_size_a_mean_picture_as_its_average_there() -> None:
    mean = np.random.default_rng(0).random((3, 8, 6)).astype(np.float32)
    rgb = torch.rand(1, 3, 10, 20)
    average = torch.from_numpy(mean.mean(axis=(1, 2)))[:, None, None]
    found = BGR.replace(mean=mean).from_rgb(rgb)
    torch.testing.assert_close(found, (rgb.flip(1) * 255 - average) * 0.5, rtol=1e-5, atol=1e-4)


def test_gray_networks_eat_luma_and_show_gray() -> None:
    spec = InputSpec((5, 4), "GRAY", raw_scale=255.0, input_scale=1 / 256)
    picture = np.random.default_rng(0).random((5, 4, 3)).astype(np.float32)
    tensor = spec.to_tensor(picture)
    assert tuple(tensor.shape) == (1, 1, 5, 4)
    expected = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    np.testing.assert_allclose(tensor[0, 0], expected * 255 / 256, atol=1e-5)
    np.testing.assert_allclose(spec.to_picture(tensor), np.repeat(expected[:, :, None], 3, 2), atol=1e-5)


def test_channels_last_is_the_same_tensor_turned() -> None:
    picture = read_picture("coffee")
    last = BGR.replace(layout="NHWC")
    assert last.shape == (1, 8, 6, 3)
    torch.testing.assert_close(last.to_tensor(picture), BGR.to_tensor(picture).permute(0, 2, 3, 1))
    np.testing.assert_allclose(
        last.to_picture(last.to_tensor(picture)), BGR.to_picture(BGR.to_tensor(picture))
    )


def test_squash_and_shorter_side_then_crop() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 100, dtype=np.float32)[None, :, None], (50, 100, 3))
    squashed = InputSpec((24, 24), resize="squash", resize_size=32).to_tensor(ramp)[0, 0, 0]
    kept = InputSpec((24, 24), resize="shorter_side", resize_size=32).to_tensor(ramp)[0, 0, 0]
    assert squashed[-1] - squashed[0] == pytest.approx(23 / 32, abs=0.01)
    assert kept[-1] - kept[0] == pytest.approx(23 / 64, abs=0.01)
    assert squashed.mean() == kept.mean() == pytest.approx(0.5, abs=1e-4)


def test_ten_crops_have_the_center_at_four_and_its_mirror_at_nine() -> None:
    spec = guess_caffe_input((1, 3, 40, 40), "googlenet").replace(resize="squash", resize_size=48)
    one, ten = spec.to_tensor("coffee"), spec.replace(crops=10).to_tensor("coffee")
    assert tuple(ten.shape) == (10, 3, 40, 40)
    torch.testing.assert_close(ten[4], one[0])
    torch.testing.assert_close(ten[9], one[0].flip(-1))


def test_a_mean_picture_of_the_size_before_cropping_is_cropped_along() -> None:
    mean = np.random.default_rng(0).random((3, 12, 12)).astype(np.float32)
    spec = InputSpec((8, 8), "BGR", resize="squash", resize_size=12, mean=mean, raw_scale=2.0, crops=10)
    picture = np.random.default_rng(1).random((12, 12, 3)).astype(np.float32)
    frame = picture[:, :, ::-1].transpose(2, 0, 1) * 2 - mean
    tensor = spec.to_tensor(picture)
    np.testing.assert_allclose(tensor[1], frame[:, :8, 4:], atol=1e-6)
    np.testing.assert_allclose(tensor[4], frame[:, 2:10, 2:10], atol=1e-6)
    np.testing.assert_allclose(spec.to_picture(tensor[4:5]), picture[2:10, 2:10], atol=1e-6)
    assert spec.to_picture(torch.zeros(1, 3, 30, 20)).shape == (30, 20, 3)


def test_with_mean_keeps_a_picture_that_fits_and_averages_one_that_does_not() -> None:
    spec = guess_caffe_input((1, 3, 224, 224), "googlenet")
    picture = np.random.default_rng(0).random((1, 3, 256, 256)) * 200
    fitting = spec.with_mean(picture, because="mean file a.npy")
    np.testing.assert_allclose(np.asarray(fitting.mean), picture[0], rtol=1e-6)
    assert fitting.provenance["mean"] == "mean file a.npy"
    other = spec.with_mean(picture[0, :, :100], because="mean file a.npy")
    np.testing.assert_allclose(np.asarray(other.mean), picture[0, :, :100].mean((1, 2)), rtol=1e-5)
    assert other.provenance["mean"] == "mean file a.npy, averaged: its size is 100 x 256"
    assert spec.with_mean(np.array([1.0, 2.0, 3.0]), because="you").mean == (1.0, 2.0, 3.0)
    with pytest.raises(InputError, match=r"mean has shape \(2, 4, 4\)"):
        spec.replace(mean=np.zeros((2, 4, 4)))


def test_a_batch_gives_a_batch_of_pictures_and_wild_values_are_clipped() -> None:
    spec = InputSpec((4, 4))
    assert spec.to_picture(torch.zeros(3, 3, 4, 4)).shape == (3, 4, 4, 3)
    assert spec.to_picture(torch.full((3, 4, 4), 9.0)).max() == 1
    assert spec.to_picture(torch.full((3, 4, 4), -9.0)).min() == 0
    with pytest.raises(
        InputError, match=r"shape \(1, 1, 4, 4\) is no picture; the network expects \(1, 3, 4, 4\)"
    ):
        spec.to_picture(torch.zeros(1, 1, 4, 4))


def test_lists_are_taken_as_tuples() -> None:
    spec = InputSpec([8, 6], mean=[1, 2, 3], input_scale=[1, 2, 3])  # type: ignore[arg-type]
    assert (spec.size, spec.mean, spec.input_scale) == ((8, 6), (1, 2, 3), (1, 2, 3))
    assert tuple(spec.to_tensor("coffee").shape) == (1, 3, 8, 6)


def test_one_scale_in_a_list_is_that_scale() -> None:
    """It was refused: input_scale needs 1 or 3 values, not 1."""
    assert InputSpec((8, 6), input_scale=(0.5,)).input_scale == 0.5


def test_the_users_picture_is_left_as_it_was() -> None:
    picture = np.random.default_rng(0).random((8, 6, 3)).astype(np.float32)
    before = picture.copy()
    BGR.to_tensor(picture).zero_()
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("size", "expected"), [(300, (300, 300, 300)), ((20, 100), (20, 100, 100)), ((16, 16), (16, 16, 80))]
)
def test_a_network_opened_for_larger_pictures_resizes_them_to_more(
    size: Any, expected: tuple[int, ...]
) -> None:
    spec = convscope.open_network("builtin", size=size).picture_spec
    assert (*spec.size, spec.resize_size) == expected


def test_as_large_a_margin_is_cut_off_larger_pictures() -> None:
    assert BGR.replace(resize="squash", resize_size=10).of_size((20, 16)).resize_size == 25


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_order": "BRG"}, r"channel_order cannot be 'BRG'\. Did you mean 'RGB' or 'BGR'"),
        ({"crops": 5}, "crops cannot be 5. Possible: 1, 10"),
        ({"size": (0, 4)}, r"size is \(height, width\) in pixels, not \(0, 4\)"),
        ({"resize": "squash"}, "resize 'squash' needs a resize_size of at least 8, not None"),
        ({"resize": "shorter_side", "resize_size": 7}, "at least 8, not 7"),
        ({"mean": (1.0, 2.0)}, r"mean has shape \(2,\); possible: \(3,\), or a picture \(3, 8, 6\)"),
        ({"input_scale": (1.0, 2.0)}, "input_scale needs 1 or 3 values, not 2"),
        ({"input_scale": 0.0}, "cannot be 0"),
        ({"raw_scale": 0.0}, "cannot be 0"),
        ({"channel_ordr": "RGB"}, r"has no 'channel_ordr'\. Did you mean 'channel_order'"),
    ],
)
def test_values_that_cannot_be_say_what_can(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        BGR.replace(**changes)


def test_googlenet_gives_its_known_answer_with_this_resize_only(shared_data: Path) -> None:
    folder = shared_data / "caffe" / "bvlc_googlenet"
    network = cv2.dnn.readNetFromCaffe(
        str(folder / "deploy.prototxt"), str(folder / "bvlc_googlenet.caffemodel")
    )

    def probabilities(spec: InputSpec) -> list[float]:
        network.setInput(spec.to_tensor(shared_data / "pictures" / "cat.jpg").numpy())
        answer = network.forward()[0].ravel()
        return [round(float(answer[index]), 2) for index in (282, 281, 285)]

    known = [0.38, 0.27, 0.25]  # tiger cat, tabby, Egyptian cat
    spec = guess_caffe_input((1, 3, 224, 224), "googlenet")
    assert probabilities(spec) == known
    others = [{"antialias": False}, {"resize": "shorter_side"}, {"resize": "direct"}]
    assert all(probabilities(spec.replace(**change)) != known for change in others)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (InputSpec((8, 8), resize="squash", resize_size=10_000_000), (4, 4, 3)),
        (InputSpec((224, 224), resize="shorter_side", resize_size=256), (1, 1_000_000, 3)),
    ],
)
def test_a_resize_beyond_memory_is_refused(spec: InputSpec, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"{MAXIMUM_PIXELS:,} are the most"):
        spec.to_tensor(np.zeros(shape, np.uint8))


def test_a_mean_of_any_kind_of_array_is_kept_in_one_form() -> None:
    assert InputSpec((4, 4), mean=np.array([1.0, 2.0, 3.0])).mean == (1.0, 2.0, 3.0)
    nested = InputSpec((1, 2), mean=(((1, 2),), ((3, 4),), ((5, 6),)))
    assert isinstance(nested.mean, np.ndarray) and nested.mean.dtype == np.float32


def test_rows_keep_reasons_with_parentheses() -> None:
    spec = InputSpec((4, 4)).replace(mean=(1.0, 2.0, 3.0), because="mean file ilsvrc (1).npy")
    assert ("mean", "1, 2, 3", "mean file ilsvrc (1).npy") in spec.rows()
    assert "(mean file ilsvrc (1).npy)" in spec.describe()
