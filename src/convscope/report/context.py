"""What a report is about, what of it is wanted, and how far it is."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from os import PathLike
from typing import Any

from convscope.network.layer import Layer
from convscope.network.network import Network
from convscope.pictures.photograph import Photograph
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import INPUTS, UNRECORDED, plain, recipe_functions, recipe_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wishes:
    """What is wanted on the page: how many classes, every layer or a few, and which of the sections that take time.

    `style` is a picture, or the address of a unit, that the picture is painted in the style of; None for no painting.
    """

    top: int = 5
    everything: bool = False
    features: bool = True
    dreams: bool = True
    style: Any = None

    def options(self) -> dict[str, Any]:
        """Return them as the command line's options, without those that are the same by default."""
        found: dict[str, Any] = {"all": True} if self.everything else {}
        found |= {name: False for name in ("features", "dreams") if not getattr(self, name)}
        return found | {"style": self.style, "top": self.top}


@dataclass(frozen=True)
class Subject:
    """What the report is about: both are named in the command that makes a figure again."""

    network: Network
    picture: Photograph
    wishes: Wishes

    def command(self, name: str, *arguments: str, picture: bool = True, **options: Any) -> str:
        """Return the words that make one figure again, the network opened as it was here."""
        origin = self.network.origin
        words = ["convscope", *name.split(), origin.source]
        words += [self.picture.source or "PICTURE"] if picture else []
        opening = {"weights": origin.weights, **origin.options}
        return shlex.join([*words, *arguments, *written(opening), *written(options)])

    def recipe(self, technique: str, **arguments: Any) -> Recipe:
        """Return the recipe that a technique itself writes, with its defaults: a rerun has the same bytes."""
        parameters = signature(recipe_functions()[technique]).parameters
        found = {
            name: plain(arguments.get(name, parameter.default))
            for name, parameter in parameters.items()
            if name not in {*INPUTS, *UNRECORDED}
        }
        return recipe_of(technique, found, network=self.network, picture=self.picture)


def written(options: Mapping[str, Any]) -> list[str]:
    """Return keyword arguments as the command line's options; those with None are left out."""
    words = []
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, (str, int, float, PathLike)):
            words.append(f"--{option}={value}")
        elif isinstance(value, (tuple, list)) and name != "labels":
            words.append(f"--{option}={','.join(map(str, value))}")
        elif value is not None:  # was in memory: a file has to stand in for it
            words.append(f"--{option}={name.upper()}")
    return words


class Counter:
    """Counts what is made, in parts that take about as long as each other."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self) -> None:
        """Tell that one more is made."""
        self.done += 1
        self.progress(self.done, self.total)

    def through(self, parts: int) -> Callable[[int, int], None]:
        """Return what is told of a long run's steps, done and all, and counts so many parts as they go by."""
        counted = 0

        def watch(done: int, of: int) -> None:
            nonlocal counted
            while counted < parts * done // of:
                counted += 1
                self()

        return watch


def sees(layer: Layer) -> str:
    """Say how much of the picture one position of a layer sees."""
    if layer.receptive_field is None:
        return ""
    height, width = (round(float(extent)) for extent in layer.receptive_field.size)
    return f"each position sees {height} × {width} pixels"
