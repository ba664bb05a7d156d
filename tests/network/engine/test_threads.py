"""On how many threads is computed: the faster number, as it is measured; torch's own is as it was after."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from convscope.cli import main
from convscope.network.engine.threads import computing_on, faster_threads
from convscope.pictures.recipe import read_recipe


@pytest.fixture
def three_threads() -> Iterator[None]:
    with computing_on(3):
        yield


def clock(one: float, three: float) -> Callable[[], float]:
    """A clock on which whatever runs on one or on three threads takes so long."""
    now, calls = 0.0, 0

    def read() -> float:
        nonlocal now, calls
        calls += 1
        if calls % 2 == 0:
            now += {1: one, 3: three}[torch.get_num_threads()]
        return now

    return read


@pytest.mark.parametrize(("one", "three", "best"), [(1.0, 0.4, 3), (1.0, 2.7, 1), (1.0, 0.97, 1)])
def test_several_threads_are_taken_where_they_are_faster(
    one: float, three: float, best: int, three_threads: None
) -> None:
    assert faster_threads(clock(one, three)) == best
    assert torch.get_num_threads() == 3


def test_where_there_is_one_nothing_is_measured() -> None:
    def never() -> float:
        raise AssertionError("the clock was read")

    with computing_on(1):
        assert faster_threads(never) == 1


@pytest.mark.parametrize("told", [{"args": ["--threads", "2"]}, {"env": {"CONVSCOPE_THREADS": "2"}}])
def test_a_command_computes_on_as_many_as_it_is_told(told: dict, tmp_path: Path, three_threads: None) -> None:  # type: ignore[type-arg]
    path = tmp_path / "picture.png"
    arguments = ["activations", "builtin", "coffee", "conv1", "-o", str(path), *told.get("args", [])]
    result = CliRunner().invoke(main, arguments, env=told.get("env"))
    assert result.exit_code == 0, result.output
    recipe = read_recipe(path)
    assert recipe is not None and recipe.threads == 2
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("number", ["0", "many", "-1", "1.5", "99999999999"])
def test_an_impossible_number_is_one_line(number: str) -> None:
    result = CliRunner().invoke(main, ["layers", "builtin", f"--threads={number}"])
    assert result.exit_code == 2
    assert result.stderr.strip().splitlines()[-1].endswith("give a number from 1 to 1024, or auto")
