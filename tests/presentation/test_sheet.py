"""vis_square against the notebooks' own function, and sheets whose pixels are where they are said to be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.presentation.scaling import Scaling, scale
from convscope.presentation.sheet import sheet, vis_square
from convscope.presentation.style import THEMES


def of_2014(data: NDArray[Any], padsize: int = 1, padval: float = 0) -> NDArray[Any]:
    """Return what the first Caffe notebook's function hands to showimage."""
    data = data.copy()
    data -= data.min()
    data /= data.max()
    n = int(np.ceil(np.sqrt(data.shape[0])))
    padding = ((0, n**2 - data.shape[0]), (0, padsize), (0, padsize)) + ((0, 0),) * (data.ndim - 3)
    data = np.pad(data, padding, mode="constant", constant_values=(padval, padval))
    data = data.reshape((n, n, *data.shape[1:])).transpose((0, 2, 1, 3, *range(4, data.ndim + 1)))
    return data.reshape((n * data.shape[1], n * data.shape[3], *data.shape[4:]))


def of_2016(data: NDArray[Any]) -> NDArray[Any]:
    """Return what the later notebooks' function shows: white between the tiles."""
    data = (data - data.min()) / (data.max() - data.min())
    n = int(np.ceil(np.sqrt(data.shape[0])))
    padding = ((0, n**2 - data.shape[0]), (0, 1), (0, 1)) + ((0, 0),) * (data.ndim - 3)
    data = np.pad(data, padding, mode="constant", constant_values=1)
    data = data.reshape((n, n, *data.shape[1:])).transpose((0, 2, 1, 3, *range(4, data.ndim + 1)))
    return data.reshape((n * data.shape[1], n * data.shape[3], *data.shape[4:]))


shapes = st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.sampled_from([shape, (*shape, 3), (*shape, 1)])
)


@given(
    shapes,
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 3),
    st.sampled_from([0, 0.5, 1]),
    st.integers(0, 99),
)
def test_vis_square_is_the_notebooks_to_the_bit(
    shape: tuple[int, ...], kind: Any, size: int, value: float, seed: int
) -> None:
    data = np.random.default_rng(seed).normal(size=shape).astype(kind)
    if data.size == 1:
        data = np.repeat(data, 2, axis=1) * np.array([1, 2], kind).reshape(1, 2, *(1,) * (data.ndim - 2))
    before = data.copy()
    for found, expected in [
        (vis_square(data, size, value), of_2014(data, size, value)),
        (vis_square(data), of_2014(data)),
        (vis_square(data, padval=1), of_2016(data)),
    ]:
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    np.testing.assert_array_equal(data, before)


def test_vis_square_of_the_documents_shapes() -> None:
    shapes = {(96, 11, 11, 3): (120, 120, 3), (36, 55, 55): (336, 336), (48**2, 5, 5): (288, 288)}
    for shape, expected in shapes.items():
        assert vis_square(np.random.default_rng(0).random(shape)).shape == expected


def test_vis_square_of_constant_data_is_zero_and_of_no_tiles_an_error() -> None:
    assert vis_square(np.full((4, 3, 3), 7.0), padsize=0).tolist() == np.zeros((6, 6)).tolist()
    for data in (np.zeros((3, 3)), np.zeros((0, 3, 3))):
        with pytest.raises(InputError, match="vis_square needs tiles"):
            vis_square(data)


TILES = np.random.default_rng(0).normal(size=(10, 7, 5)).astype(np.float32)
NAMES = [f"conv1:{index}" for index in range(10)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_tile_is_where_its_address_says(theme: str) -> None:
    picture = sheet(TILES, NAMES, theme=theme)
    colors = scale(TILES).colors
    assert [tile.address for tile in picture.tiles] == NAMES
    for tile, expected in zip(picture.tiles, colors, strict=True):
        left, top, right, bottom = tile.box
        shown = picture.array[top:bottom, left:right]
        np.testing.assert_array_equal(shown, np.repeat(np.repeat(expected, 9, 0), 9, 1))
    page = tuple(int(THEMES[theme].page[index : index + 2], 16) for index in (1, 3, 5))
    assert tuple(picture.array[0, 0]) == page


def test_labels_are_written_below_their_tiles() -> None:
    with_words, without = sheet(TILES, NAMES), sheet(TILES)
    assert without.tiles == ()
    left, _, right, bottom = with_words.tiles[3].box
    assert (with_words.array[bottom + 2 : bottom + 14, left:right] < 140).any()
    assert with_words.height > without.height


def test_dead_and_broken_tiles_are_crossed_out_and_counted() -> None:
    tiles = TILES.copy()
    tiles[2], tiles[5], tiles[7, 0, 0] = 0, 3, np.nan
    picture = sheet(tiles, NAMES)
    assert "2 of one single value, crossed out" in picture.caption
    assert "1 with NaN or infinity, crossed out in red" in picture.caption

    def inside(index: int) -> NDArray[np.uint8]:
        left, top, right, bottom = picture.tiles[index].box
        return picture.array[top:bottom, left:right]

    for index, line in ((2, THEMES["light"].cross), (5, THEMES["light"].cross), (7, THEMES["light"].warning)):
        colors = {tuple(color) for color in inside(index).reshape(-1, 3).tolist()}
        assert tuple(int(line[at : at + 2], 16) for at in (1, 3, 5)) in colors
        assert len(colors) == 2
    assert len(np.unique(inside(3).reshape(-1, 3), axis=0)) > 5


def test_the_caption_says_what_is_shown_of_how_many_on_what_scale() -> None:
    assert sheet(TILES).caption == (
        "10 tiles of 7 x 5, enlarged 9 times; each tile scaled to its own range, zero is white, "
        "positive red, negative blue"
    )
    many = sheet(
        np.random.default_rng(0).random((900, 200, 300)).astype(np.float32), scaling=Scaling(per="sheet")
    )
    assert many.caption.startswith("the first ")
    assert " of 900 tiles of 200 x 300; one scale for the whole sheet, " in many.caption
    assert many.width <= 2048
    assert many.height < 6100
    assert "reduced 2 times" in sheet(np.random.default_rng(0).random((2, 600, 400))).caption


def test_one_scale_draws_its_bar_from_darkest_to_brightest() -> None:
    tiles = np.abs(TILES)
    with_bar, without = sheet(tiles, scaling=Scaling(per="sheet")), sheet(tiles)
    assert with_bar.height == without.height + 30
    row = with_bar.array[without.height + 8, :, 0].astype(int)
    ramp = max(np.split(row, np.flatnonzero(np.diff(row) < 0) + 1), key=len)
    assert ramp.min() < 20
    assert ramp.max() > 235


def test_a_row_a_filter() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 8, 3, 3))
    names = [f"conv2:{index}" for index in range(6)]
    picture = sheet(weights.reshape(-1, 3, 3), names, columns=8)
    assert [tile.address for tile in picture.tiles] == names
    widths = {tile.box[2] - tile.box[0] for tile in picture.tiles}
    assert len(widths) == 1
    assert widths.pop() > 8 * 24
    tops = [tile.box[1] for tile in picture.tiles]
    assert tops == sorted(set(tops))


@pytest.mark.parametrize(
    "make", [lambda: sheet(TILES, NAMES), lambda: sheet(TILES, scaling=Scaling(per="sheet"))]
)
def test_the_same_tiles_give_the_same_bytes(make: Callable[[], Any]) -> None:
    assert make().encode() == make().encode()


def test_wrong_arguments_are_one_line() -> None:
    for arguments, words in (
        ({"theme": "blue"}, "no theme"),
        ({"columns": 0}, "at least 1"),
        ({"labels": ["a"]}, "1 labels"),
    ):
        with pytest.raises(InputError, match=words):
            sheet(TILES, **arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="tiles have shape"):
        sheet(TILES[0])
