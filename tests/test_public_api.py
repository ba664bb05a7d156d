"""What the page on the library says is there, and how much a public function asks for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import convscope
from convscope.cli import main

ROOT = Path(__file__).parents[1]
MOST = 6
# Keywords that every technique of its kind takes alike: who looks on, chance, and how the result is laid out.
COMMON = {"watch", "progress", "seed", "theme", "columns", "tile_size", "bare"}


def functions() -> dict[str, Callable[..., Any]]:
    """Return the public functions and methods, as they are written: options are one parameter."""
    found = {}
    for name in convscope.__all__:
        thing = getattr(convscope, name)
        if inspect.isclass(thing):
            members = inspect.getmembers(thing, inspect.isfunction)
            found |= {f"{name}.{inner}": one for inner, one in members if not inner.startswith("_")}
        elif callable(thing):
            found[name] = inspect.unwrap(thing)
    return found


@pytest.mark.parametrize("name", functions())
def test_a_public_function_asks_for_few_things(name: str) -> None:
    code = functions()[name].__code__
    asked = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    asked = tuple(one for one in asked if one not in {"self", *COMMON})
    assert len(asked) <= MOST, f"{name} asks for {asked}: let an options class hold them"


def test_the_table_of_commands_names_what_is_there() -> None:
    text = (ROOT / "docs" / "library.md").read_text()
    table = text.partition("## Every command and its function")[2].partition("\n\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    rows = [[cell.strip() for cell in line.strip("| ").split(" |")] for line in lines]
    commands, known = set(), set(main.list_commands(click.Context(main)))
    for _, python, command in rows:
        for name in re.findall(r"`([a-z_]+)\(", python):
            assert name in convscope.__all__, name
        commands |= set(re.findall(r"`convscope ([a-z-]+)", command))
    assert commands <= known and len(commands) > 15
