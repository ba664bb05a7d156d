"""Plans of memory: the tile that fits, and what is said where none does."""

import pytest

from convscope.errors import InputError
from convscope.optimization.memory_plan import TILES, bytes_of, memory_plan

SIZE = (600, 1000)


def needed(tile: int | None) -> int:
    return 10**6 * (1000 if tile is None else 100 + tile)


@pytest.mark.parametrize(
    ("text", "count"), [("2GB", 2 * 10**9), ("512 MB", 512 * 10**6), ("1.5g", 1_500_000_000), ("64", 64)]
)
def test_amounts(text: str, count: int) -> None:
    assert bytes_of(text) == count


def test_what_is_no_amount() -> None:
    with pytest.raises(InputError, match="'much' is no amount of memory: write 2GB or 512MB"):
        bytes_of("much")


def test_one_piece_where_it_fits() -> None:
    assert memory_plan(needed, SIZE).tile is None
    plan = memory_plan(needed, SIZE, 1000 * 10**6)
    assert plan.tile is None
    assert str(plan) == "1000 x 600: 1.0 GB in one piece"


def test_the_largest_tile_that_fits_is_chosen() -> None:
    plan = memory_plan(needed, SIZE, 700 * 10**6)
    assert (plan.tile, plan.needed) == (512, 612 * 10**6)
    assert str(plan) == "1000 x 600: 1.0 GB in one piece, 612 MB in tiles of 512"
    assert memory_plan(needed, SIZE, 999 * 10**6).tile == 768  # one of 1024 would be one piece


def test_a_tile_that_was_asked_for_is_taken_or_refused() -> None:
    assert memory_plan(needed, SIZE, tile=300).needed == 400 * 10**6
    with pytest.raises(InputError, match=r"300 MB is too little.*400 MB in tiles of 300: use smaller tiles"):
        memory_plan(needed, SIZE, 300 * 10**6, 300)


def test_too_little_memory_says_how_much_is_needed() -> None:
    least = 100 + min(TILES)
    with pytest.raises(
        InputError, match=rf"1 MB is too little. 1000 x 600.*give at least {least} MB, a smaller"
    ):
        memory_plan(needed, SIZE, 10**6)


def test_what_cannot_be_tiled_says_why() -> None:
    def whole_only(tile: int | None) -> int:
        if tile is not None:
            raise InputError("a position of head sees all of the picture")
        return needed(None)

    with pytest.raises(InputError, match=r"1\.0 GB in one piece, and a position of head sees all"):
        memory_plan(whole_only, SIZE, 10**6)
