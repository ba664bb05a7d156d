"""Pictures keep pixels, caption, recipe and tiles through every file, and say no in one line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import PictureError, RecipeError
from convscope.pictures.photograph import read_picture
from convscope.pictures.picture import Picture, Pictures, Tile
from convscope.pictures.recipe import Recipe, read_recipe

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
RECIPE = Recipe("filters", {"address": "conv1", "columns": 8}, "net.prototxt", "net.caffemodel", "ab" * 32)
CAPTION = 'conv1: 64 filters of 7 × 7, "each" <scaled> to its own range — größer'
TILES = (Tile("conv1:0", (1, 2, 3, 4)), Tile("conv1:1", (5, 6, 7, 8)))


def test_floats_become_the_nearest_of_256_levels() -> None:
    values = np.array([[0.0, 0.499 / 255, 0.501 / 255, 0.5, 1.0, -1.0, 2.0]])
    assert Picture(values).array.tolist() == [[0, 0, 1, 128, 255, 0, 255]]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)])
def test_every_shape_survives_a_png(shape: tuple[int, ...], tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    path = Picture(array).save(tmp_path / "picture.png")
    np.testing.assert_array_equal(Picture.open(path).array, array)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), array)


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "PNG"])
def test_caption_and_recipe_survive_every_format(ending: str, tmp_path: Path) -> None:
    picture = Picture(PIXELS, CAPTION, RECIPE, TILES, pixel_ratio=2)
    again = Picture.open(picture.save(tmp_path / f"picture.{ending}"))
    assert (again.caption, again.recipe) == (CAPTION, RECIPE)
    if ending.lower() == "png":
        assert (again.tiles, again.pixel_ratio) == (TILES, 2)
    if ending not in ("jpg", "jpeg"):
        np.testing.assert_array_equal(again.array, PIXELS)


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path) -> None:
    for form in ("PNG", "JPEG", "WEBP"):
        first, second = (Picture(PIXELS.copy(), CAPTION, RECIPE, TILES).encode(form) for _ in range(2))
        assert first == second
    assert Picture(PIXELS, "a").encode() != Picture(PIXELS, "b").encode()


def test_transparency_in_a_jpeg_is_put_on_white(tmp_path: Path) -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    again = Picture.open(Picture(clear).save(tmp_path / "picture.jpg"))
    assert again.array.shape == (8, 8, 3)
    assert again.array.min() == 255


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Picture(PIXELS).save(tmp_path / "picture.png")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PictureError, match=r"cannot write .*picture.png: No space left on device"):
        Picture(255 - PIXELS).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]


def test_a_saved_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (ordinary := tmp_path / "ordinary").touch()
    assert Picture(PIXELS).save(tmp_path / "picture.png").stat().st_mode == ordinary.stat().st_mode


def test_what_cannot_be_saved_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        PictureError, match=r"its ending says no format; possible: \.png, \.jpg, \.jpeg, \.webp"
    ):
        Picture(PIXELS).save(tmp_path / "picture.bmp")
    with pytest.raises(PictureError, match="No such file or directory"):
        Picture(PIXELS).save(tmp_path / "nowhere" / "picture.png")
    with pytest.raises(PictureError, match=r"cannot write .*\. A PNG has the fewest limits"):
        Picture(PIXELS, recipe=Recipe("filters", {"text": "x" * 70_000})).save(tmp_path / "picture.jpg")
    with pytest.raises(PictureError, match=r"A PNG has the fewest limits"):
        Picture(np.zeros((1, 17_000))).save(tmp_path / "picture.webp")
    with pytest.raises(
        PictureError, match=r"cannot save \S*x.npy: numbers are written by numpy.save: a picture's are"
    ):
        Picture(np.zeros((2, 2))).save(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 4, 5)), r"shape \(3, 4, 5\) is no picture"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.array([[np.nan]]), "cannot hold NaN or infinity"),
        (np.zeros((2, 2), np.int32), "uint8, uint16 or floats in 0..1, not int32"),
    ],
)
def test_what_is_no_picture_says_why(array: NDArray[np.generic], words: str) -> None:
    with pytest.raises(PictureError, match=words):
        Picture(array)


def test_opening_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    for name, said in (
        ("text.png", "cannot open .*text.png"),
        ("missing.png", "there is no picture .*missing"),
    ):
        with pytest.raises(PictureError, match=said):
            Picture.open(tmp_path / name)


def test_a_picture_of_someone_elses_has_no_recipe(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "other.png")
    picture = Picture.open(tmp_path / "other.png")
    assert (picture.caption, picture.recipe, picture.tiles) == ("", None, ())


def test_broken_tiles_are_an_error(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("convscope-tiles", '[{"address": "conv1:0", "box": [1, 2]}]')
    Image.fromarray(PIXELS).save(tmp_path / "picture.png", pnginfo=text)
    with pytest.raises(RecipeError, match=r"the tiles in .*picture.png cannot be read"):
        Picture.open(tmp_path / "picture.png")


def test_jupyter_gets_a_png_and_an_escaped_caption() -> None:
    picture = Picture(PIXELS, CAPTION, pixel_ratio=2)
    assert not hasattr(picture, "_repr_png_")  # a notebook would keep the picture twice
    page = picture._repr_html_()
    assert "&quot;each&quot; &lt;scaled&gt;" in page
    assert "<scaled>" not in page
    assert 'src="data:image/png;base64,' in page
    assert 'width="210"' in page  # 15 pixels of a screen, 14 times


def test_a_picture_is_an_array_and_can_be_read_again() -> None:
    picture = Picture(PIXELS)
    np.testing.assert_array_equal(np.asarray(picture), PIXELS)
    np.testing.assert_allclose(read_picture(picture) * 255, PIXELS, atol=1e-4)
    assert (picture.height, picture.width) == (20, 30)
    with pytest.raises(ValueError, match="read-only"):
        picture.array[0, 0] = 1


@pytest.mark.parametrize("channels", [(), (3,), (4,)], ids=["gray", "RGB", "RGBA"])
def test_a_png_keeps_16_bits_with_all_it_carries(tmp_path: Path, channels: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (7, 9, *channels), np.uint16)
    picture = Picture(values, "Größe", Recipe("x"), (Tile("conv1:0", (0, 0, 2, 2)),), pixel_ratio=2)
    path = picture.save(tmp_path / "deep.png")
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None and found.dtype == np.uint16
    assert np.array_equal(found if not channels else found[:, :, [2, 1, 0, 3][: channels[0]]], values)
    again = Picture.open(path)
    assert np.array_equal(again.array, values)
    assert (again.caption, again.recipe, again.tiles) == (picture.caption, picture.recipe, picture.tiles)
    assert again.pixel_ratio == 2
    assert again.encode() == path.read_bytes()
    assert read_recipe(path) == picture.recipe
    if channels:
        with Image.open(picture.save(tmp_path / "deep.webp")) as image:
            assert np.array_equal(np.asarray(image), picture.in_8_bits)
    assert np.abs(picture.in_8_bits.astype(float) - values / 257).max() <= 0.5


def test_small_pictures_are_enlarged_without_blur_and_several_are_a_row() -> None:
    small, large = Picture(np.zeros((30, 50, 3)), "small"), Picture(np.zeros((300, 500, 3)), "large")
    page = small._repr_html_()
    assert 'width="200"' in page and "pixelated" in page
    assert 'width="500"' in large._repr_html_() and "pixelated" not in large._repr_html_()
    row = Pictures([small, large])
    assert row == [small, large] and "display:flex" in row._repr_html_()
    assert row._repr_html_().count("<img") == 2
    for part, pictures in (
        (row[1:], [large]),
        (row[::-1], [large, small]),
        (row + Pictures([small]), [small, large, small]),
        (row.copy(), [small, large]),
    ):
        assert isinstance(part, Pictures) and part == pictures
    assert row[-1] is large
