"""The heap's model: blocks side by side, holes that are filled again, large blocks that come and go."""

from convscope.network.engine.allocation import LARGEST_MMAP_THRESHOLD
from convscope.network.engine.heap import peak_bytes

MB = 2**20


def test_what_is_held_at_a_time_counts() -> None:
    assert peak_bytes([(1, 3 * MB), (2, 2 * MB), (1, 0), (2, 0), (3, 4 * MB)]) == 5 * MB


def test_a_hole_is_filled_by_what_fits_and_kept_where_nothing_does() -> None:
    hole = [(1, 3 * MB), (2, 2 * MB), (1, 0)]
    assert peak_bytes([*hole, (3, 3 * MB)]) == 5 * MB
    assert peak_bytes([*hole, (3, MB), (4, 2 * MB)]) == 5 * MB
    assert peak_bytes([*hole, (3, 4 * MB)]) == 9 * MB


def test_holes_side_by_side_are_one_and_the_smallest_that_fits_is_taken() -> None:
    beside = [(1, MB), (2, 2 * MB), (3, MB), (1, 0), (2, 0)]
    assert peak_bytes([*beside, (4, 3 * MB)]) == 4 * MB
    holes = [(1, 3 * MB), (2, MB), (3, 2 * MB), (4, MB), (1, 0), (3, 0)]
    assert peak_bytes([*holes, (5, 2 * MB), (6, 3 * MB)]) == 7 * MB


def test_large_blocks_leave_no_holes() -> None:
    large = LARGEST_MMAP_THRESHOLD
    assert peak_bytes([(1, large), (2, MB), (1, 0), (3, 2 * large)]) == 2 * large + MB
