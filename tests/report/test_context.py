"""What is told of the progress, and the words of a command."""

from pathlib import Path

import numpy as np
import pytest

from convscope.report.context import Counter, Wishes, written


@pytest.mark.parametrize("steps", [1, 3, 8, 50])
def test_a_long_run_counts_all_its_parts_as_they_go_by(steps: int) -> None:
    seen: list[tuple[int, int]] = []
    count = Counter(9, lambda done, total: seen.append((done, total)))
    count()
    watch = count.through(8)
    for done in range(1, steps + 1):
        watch(done, steps)
        assert len(seen) == 1 + 8 * done // steps
    assert seen == [(number, 9) for number in range(1, 10)]


def test_options_are_written_as_the_command_line_takes_them() -> None:
    options = {"mean": (1, 2), "antialias": False, "all": True, "weights": None, "labels": ["a"], "top": 5}
    assert written(options) == ["--mean=1,2", "--no-antialias", "--all", "--labels=LABELS", "--top=5"]
    assert written({"style": Path("a picture.png")}) == ["--style=a picture.png"]
    assert written({"style": np.zeros((2, 2))}) == ["--style=STYLE"]


def test_only_wishes_that_are_not_the_usual_are_options() -> None:
    assert written(Wishes().options()) == ["--top=5"]
    wishes = Wishes(top=2, everything=True, features=False, dreams=False, style="conv1:3")
    assert written(wishes.options()) == [
        "--all",
        "--no-features",
        "--no-dreams",
        "--style=conv1:3",
        "--top=2",
    ]
