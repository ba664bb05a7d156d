"""What the page on the library says is there, and how much a public function asks for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convscope
from convscope.cli import main

ROOT = Path(__file__).parents[1]
MOST = 6
# What every technique that takes it takes alike, so that nobody has to learn it anew for each.
ALIKE = {
    "seed": "chance: an argument wherever there is any, as the design has it, and never an option among others",
    "watch": "a function that is shown each step: no setting, and nothing that a recipe could hold",
    "progress": "whether a bar is shown; it changes nothing in the result",
}
# Figures of several panels: their layout is one theme, title and grid for all, told apart from what is computed.
LAYOUT = {
    "theme": "the palette of a figure",
    "bare": "whether the figure has a title",
    "columns": "panels a row",
    "tile_size": "pixels of a panel",
}
FIGURES = {
    "channel_gradients",
    "importance",
    "layer_gradients",
    "sanity_check",
    "compare_methods",
    "compare_targets",
}


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
    exempt = {"self", *ALIKE, *(LAYOUT if name in FIGURES else ())}
    asked = tuple(one for one in asked if one not in exempt)
    assert len(asked) <= MOST, f"{name} asks for {asked}: let an options class hold them"


def test_nothing_is_exempt_in_vain() -> None:
    asked = {
        name: {
            *function.__code__.co_varnames[
                : function.__code__.co_argcount + function.__code__.co_kwonlyargcount
            ]
        }
        for name, function in functions().items()
    }
    assert set().union(*asked.values()) >= {*ALIKE, *LAYOUT}
    for name in FIGURES:
        assert len(asked[name] - {*ALIKE}) > MOST or len(asked[name] & {*LAYOUT}) > 0, name


def test_the_table_of_commands_is_complete() -> None:
    text = (ROOT / "docs" / "library.md").read_text()
    table = text.partition("## Every command and its function")[2].partition("\n\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    rows = [[cell.strip() for cell in line.strip("| ").split(" |")] for line in lines]
    commands, named = set[str](), set[str]()
    for _, python, command in rows:
        for name in re.findall(r"`([a-z_]+)\(", python):
            assert name in convscope.__all__, name
        named |= {*re.findall(r"\b([a-z_]+)(?=\(|`)", python)}
        commands |= {*re.findall(r"`convscope ([a-z-]+)", command)}
    functions_here = {name for name in functions() if name.islower() and "." not in name}
    assert functions_here <= named, f"not in the table: {functions_here - named}"
    assert commands == {*main.commands}
