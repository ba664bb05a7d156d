"""Where tiles go: legible, inside the page, never on top of each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.errors import InputError
from convscope.presentation.grid import MAXIMUM_HEIGHT, MAXIMUM_WIDTH, SMALLEST_TILE, plan_grid


def names(count: int, layer: str = "conv1") -> list[str]:
    return [f"{layer}:{index}" for index in range(count)]


@given(
    st.integers(1, 3000),
    st.integers(1, 300),
    st.integers(1, 300),
    st.booleans(),
    st.sampled_from(["a", "inception_4a/output"]),
)
def test_tiles_are_apart_inside_the_page_and_large_enough(
    count: int, height: int, width: int, labeled: bool, layer: str
) -> None:
    grid = plan_grid((count, height, width), names(count, layer) if labeled else None, None, None)
    across, down = grid.size
    assert across <= MAXIMUM_WIDTH + 200
    assert down <= MAXIMUM_HEIGHT + 40
    assert max(grid.width, grid.height) >= SMALLEST_TILE
    boxes = [grid.box(index) for index in range(min(grid.shown, 60))]
    for index, (left, top, right, bottom) in enumerate(boxes):
        assert (right - left, bottom - top) == (grid.width, grid.height)
        assert 0 < left < right < across
        assert 0 < top < bottom < down
        for other in boxes[:index]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top
    last = grid.box(grid.shown - 1)
    assert last[3] <= down
    assert grid.shown == count or grid.rows * grid.columns == grid.shown


@pytest.mark.parametrize(
    ("shape", "tile_size", "side"),
    [
        ((64, 7, 7), None, 63),
        ((96, 11, 11), None, 66),
        ((64, 112, 112), None, 112),
        ((1024, 7, 7), None, 42),
        ((5000, 3, 3), None, 24),
        ((1, 1, 1), None, 64),
        ((10, 640, 640), None, 320),
        ((64, 7, 7), 28, 28),
        ((64, 7, 7), 30, 28),
        ((64, 7, 7), 3, 2),
        ((64, 112, 112), 56, 56),
        ((64, 112, 112), 250, 224),
    ],
)
def test_enlargement_is_whole_and_reduction_one_over_a_whole(
    shape: tuple[int, ...], tile_size: int | None, side: int
) -> None:
    assert plan_grid(shape, None, None, tile_size).width == side


def test_a_square_grid_without_a_ragged_row_where_one_is_near() -> None:
    assert plan_grid((64, 7, 7), None, None, None).columns == 8
    assert plan_grid((96, 11, 11), None, None, None).columns in (8, 12)
    assert plan_grid((10, 50, 50), None, None, None).columns == 5
    assert plan_grid((7, 50, 50), None, None, None).columns in (2, 3, 4)


def test_labels_are_whole_then_short_then_by_row() -> None:
    wide = plan_grid((64, 112, 112), names(64), None, None)
    assert wide.texts[42] == "conv1:42"
    assert wide.heading == ""
    narrow = plan_grid((64, 7, 7), names(64, "inception_4a/output"), None, None)
    assert (narrow.heading, narrow.texts[42]) == ("inception_4a/output", ":42")
    tiny = plan_grid((5000, 3, 3), names(5000), None, None)
    assert (tiny.heading, tiny.texts) == ("conv1", ())
    assert tiny.row_texts[1] == f":{tiny.columns}"
    assert len(tiny.row_texts) == tiny.rows


def test_one_label_a_row() -> None:
    grid = plan_grid((48 * 48, 5, 5), names(48, "conv2"), 48, None)
    assert (grid.columns, grid.rows, grid.shown) == (48, 48, 48 * 48)
    assert grid.row_texts == tuple(names(48, "conv2"))
    assert grid.texts == ()
    assert grid.size[0] <= MAXIMUM_WIDTH


def test_columns_asked_for_are_kept() -> None:
    assert plan_grid((256, 3, 3), None, 256, None).columns == 256
    assert plan_grid((5, 3, 3), None, 256, None).columns == 5
    with pytest.raises(InputError, match="256 columns of 112 pixels are too wide"):
        plan_grid((256, 112, 112), None, 256, 112)


def test_more_than_fits_is_cut_at_a_whole_row() -> None:
    grid = plan_grid((2000, 224, 224), None, None, None)
    assert grid.shown < 2000
    assert grid.shown % grid.columns == 0


@pytest.mark.parametrize(("columns", "tile_size"), [(0, None), (None, 0), (-1, 5)])
def test_sizes_are_at_least_one(columns: int | None, tile_size: int | None) -> None:
    with pytest.raises(InputError, match="columns and tile_size are at least 1"):
        plan_grid((4, 4, 4), None, columns, tile_size)


def test_labels_have_to_fit() -> None:
    with pytest.raises(InputError, match="3 labels for 4 tiles; give one a tile, or one a row with columns="):
        plan_grid((4, 4, 4), names(3), None, None)
