"""A dream and a styled picture are stored as their picture was: bits, opacity and color profile."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from convscope.dreaming.deep_dream import deep_dream
from convscope.errors import ConvscopeWarning, InputError
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.pictures.picture_tensor import opacity_of, picture_like, picture_tensor, within
from convscope.pictures.recipe import read_recipe
from convscope.pictures.resizing import resized
from convscope.pictures.rgb import PLAIN, Encoding
from convscope.styling.style_transfer import style_transfer
from planted import planted_network

SWAPPED = (
    ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    .tobytes()
    .replace(b"rXYZ", b"xxxx")
    .replace(b"bXYZ", b"rXYZ")
    .replace(b"xxxx", b"bXYZ")
)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 65536, (40, 48, 4), np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), values)
    return tmp_path / "deep.png"


def by_opencv(path: Path) -> np.ndarray:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found[:, :, [2, 1, 0, 3][: found.shape[2]]]


def test_a_dream_keeps_16_bits_and_what_is_transparent(deep: Path, tmp_path: Path) -> None:
    made = deep_dream(planted_network(), deep, "conv1", changes={"steps": 1, "octaves": 1, "rate": 1e-30})
    path = made.save(tmp_path / "dream.png")
    found, given = by_opencv(path), by_opencv(deep)
    assert found.dtype == np.uint16
    assert np.array_equal(found[:, :, 3], given[:, :, 3])
    alpha = given[:, :, 3:] / 65535
    on_white = given[:, :, :3] / 65535 * alpha + 1 - alpha
    # Its steps go nowhere, so it is the picture.
    assert np.abs(found[:, :, :3] / 65535 - on_white).max() < 2 / 65535
    assert read_recipe(path) == made.recipe


def test_a_styled_picture_keeps_16_bits_and_what_is_transparent(deep: Path, tmp_path: Path) -> None:
    made = style_transfer(
        planted_network(),
        deep,
        "coffee",
        size=48,
        changes={"steps": 1, "content_layers": ["conv1"], "style_layers": ["conv1"]},
    )
    found = by_opencv(made.save(tmp_path / "styled.png"))
    assert found.dtype == np.uint16
    assert len(np.unique(found[:, :, 0])) > 256
    assert np.array_equal(found[:, :, 3], by_opencv(deep)[:, :, 3])


def test_a_profile_is_converted_back_and_embedded(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    for name in ("swapped.png", "swapped.jpg", "swapped.webp"):
        Image.fromarray(pixels).save(tmp_path / name, icc_profile=SWAPPED)
        photograph = open_photograph(tmp_path / name)
        assert photograph.stored == Encoding(8, SWAPPED)
        made = picture_like(photograph.pixels, photograph.stored, "as it was")
        with Image.open(made.save(tmp_path / f"made-{name}")) as image, Image.open(tmp_path / name) as given:
            assert image.info["icc_profile"] == SWAPPED
            apart = np.abs(np.asarray(image.convert("RGB")).astype(int) - np.asarray(given.convert("RGB")))
            assert apart.mean() < 3
    again = Picture.open(tmp_path / "made-swapped.png")
    assert again.profile == SWAPPED
    assert again.encode() == (tmp_path / "made-swapped.png").read_bytes()


def test_without_a_picture_it_is_plain() -> None:
    assert picture_like(np.zeros((2, 2, 3), np.float32), PLAIN, "").array.dtype == np.uint8


def test_bits_that_are_lost_are_told(tmp_path: Path) -> None:
    path = tmp_path / "ink.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 4), np.uint16), photometric="separated")
    with pytest.warns(ConvscopeWarning, match="ink.tif is read with 8 of its 16 bits: save it as an RGB"):
        picture_tensor(path, None, 1024)


@pytest.mark.parametrize("size", [-5, 0, 2.5, "64"])
def test_a_size_is_a_number_of_pixels(deep: Path, size: Any) -> None:
    with pytest.raises(InputError, match=rf"a whole number from 1 on, not {size!r}"):
        picture_tensor(deep, size, 1024)


def test_pictures_are_made_smaller_and_not_larger(deep: Path) -> None:
    for size, largest, width in ((None, 1024, 48), (None, 24, 24), (96, 24, 96)):
        assert picture_tensor(deep, size, largest).shape == (1, 3, width * 5 // 6, width)


def test_opacity_follows_the_size(deep: Path) -> None:
    like = picture_tensor(deep, 24, 1024)
    opacity = opacity_of(deep, like)
    assert opacity is not None
    assert opacity.shape == (1, 1, 20, 24)
    assert opacity_of(np.zeros((4, 4, 3), np.uint8), like) is None


def test_a_smaller_picture_has_the_means_of_the_larger_one_and_no_new_colors() -> None:
    fine = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)).round()
    small = resized(fine, (8, 12), "bicubic")
    assert small.shape == (1, 3, 8, 12)
    assert torch.allclose(small.mean((2, 3)), fine.mean((2, 3)), atol=0.02)
    assert float(small.std()) < 0.2 < float(fine.std())  # seen from farther away, and not every eighth pixel
    assert resized(fine, (64, 96), "bicubic") is fine
    enlarged = resized(fine, (100, 150), "bicubic")
    assert torch.equal(enlarged, enlarged.clamp(0, 1))


def test_a_size_within_another_keeps_its_sides_ratio() -> None:
    picture = torch.zeros(1, 3, 30, 40)
    assert within(picture, 20) == (15, 20)
    assert within(picture, 99) == (30, 40)
    assert within(torch.zeros(1, 3, 1, 400), 20) == (1, 20)
