"""Two functions are the same where their code, and all that it uses, is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.functional import interpolate

from convscope.formats.function_hash import function_sha256

FACTOR = 2


def helped(x: Tensor) -> Tensor:
    return doubled(x)


def doubled(x: Tensor) -> Tensor:
    return x * FACTOR


def times(factor: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: x * factor


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((2,), factor))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Plus(Times):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.factor


KINDS: list[Any] = [
    lambda x: x + 1,
    lambda x: x + 1.5,
    lambda x: x - 1,
    lambda x: F.pad(x, (1, 1)),
    lambda x: F.pad(x, (1, 2)),
    lambda x: [one for one in x if one > 1],
    lambda x: [one for one in x if one > 2],
    lambda x, n=1: x + n,
    lambda x, n=2: x + n,
    lambda x, *, n=2: x + n,
    lambda x: interpolate(x, scale_factor=2),
    lambda x: interpolate(x, scale_factor=3),
    times(3),
    times("3"),
    times((3, [4, {"a": 5}])),
    times((3, [4, {"a": 6}])),
    times(torch.ones(2)),
    times(torch.ones(3)),
    times(torch.full((2,), 1.0000001)),
    partial(torch.mul, other=3),
    partial(torch.mul, other=4),
    Times(1.0),
    Times(2.0),
    Plus(1.0),
    Times(1.0).forward,
    torch.relu,
    F.relu,
]


def test_what_computes_otherwise_has_another_hash() -> None:
    hashes = [function_sha256(kind) for kind in KINDS]
    assert len({*hashes}) == len(KINDS)
    assert hashes == [function_sha256(kind) for kind in KINDS]
    assert function_sha256(Times(1.0)) == function_sha256(Times(1.0))
    assert function_sha256(times(3)) == function_sha256(times(3))


def test_what_a_function_uses_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = function_sha256(helped)
    monkeypatch.setitem(globals(), "FACTOR", 3)
    three = function_sha256(helped)
    monkeypatch.setitem(globals(), "doubled", lambda x: x)
    assert len({before, three, function_sha256(helped)}) == 3
    monkeypatch.undo()
    assert function_sha256(helped) == before


def test_a_function_that_holds_itself_ends() -> None:
    holder: dict[str, Any] = {}

    def around(x: Tensor) -> Tensor:
        return holder["it"](x)  # type: ignore[no-any-return]

    holder["it"] = around
    assert function_sha256(around) == function_sha256(around)


IN_ANOTHER_PROCESS = """
from convscope.formats.function_hash import function_sha256
import torch.nn.functional as F
names = {'b', 'a', 'c'}
def f(x):
    return F.interpolate(x, scale_factor=2) if x in {'p', 'q', 'r'} or names else x
"""


def test_another_process_finds_the_same_hash() -> None:
    here: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n\n" + IN_ANOTHER_PROCESS, "another file", "exec"), here)
    code = f"{IN_ANOTHER_PROCESS}print(function_sha256(f))"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == function_sha256(here["f"])
