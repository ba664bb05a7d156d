"""What is told of the progress, and the words of a command."""

from pathlib import Path

import numpy as np
import pytest

from convscope.errors import InputError
from convscope.report.context import QUICK, Counter, ReportOptions, as_arguments


@pytest.mark.parametrize("steps", [1, 3, 8, 50])
def test_a_long_run_counts_all_its_parts_as_they_go_by(steps: int) -> None:
    seen: list[tuple[int, int]] = []
    count = Counter(9, lambda done, total, _: seen.append((done, total)))
    count()
    watch = count.through(8)
    for done in range(1, steps + 1):
        watch(done, steps)
        assert len(seen) == 1 + 8 * done // steps
    assert seen == [(number, 9) for number in range(1, 10)]


def test_options_are_written_as_the_command_line_takes_them() -> None:
    options = {"mean": (1, 2), "antialias": False, "all": True, "weights": None, "top": 5}
    assert as_arguments(options) == ["--mean=1,2", "--no-antialias", "--all", "--top=5"]
    assert as_arguments({"style": Path("a picture.png")}) == ["--style=a picture.png"]
    assert as_arguments({"style": np.zeros((2, 2))}) == ["--style=STYLE"]


def test_only_options_that_are_not_the_usual_are_written() -> None:
    assert as_arguments(ReportOptions().as_cli_options()) == ["--top=5"]
    assert as_arguments(ReportOptions(sections=QUICK).as_cli_options()) == ["--quick", "--top=5"]
    options = ReportOptions(top=2, everything=True, sections=("dreams", "filters"), style="conv1:3")
    assert as_arguments(options.as_cli_options()) == [
        "--all",
        "--sections=filters,dreams",
        "--style=conv1:3",
        "--top=2",
    ]
    with pytest.raises(InputError, match=r"section of the report cannot be 'dream'\. Did you mean 'dreams'"):
        ReportOptions(sections=("dream",))
