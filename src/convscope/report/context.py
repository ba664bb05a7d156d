"""What a report is about, what of it is wanted, and how far it is."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from inspect import signature
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from convscope.attribution.relevance_tree import RelevanceTree, relevance_tree
from convscope.errors import ConvscopeError, InputError, require_one_of
from convscope.looking.answers import answer
from convscope.looking.classify import Prediction, classify
from convscope.looking.segmentation import class_shares
from convscope.looking.showing import telling_output
from convscope.looking.stages import Stage, all_stages, all_vectors, stages, token_stage, vectors
from convscope.network.layer import Layer
from convscope.network.network import Network
from convscope.pictures.photograph import Photograph
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import INPUTS, UNRECORDED, as_json, recipe_functions, recipe_of
from convscope.report.fed import kind_of_input

Progress = Callable[[int, int, str], None]
"""Told how many parts of how many are made, and of which section."""


SECTIONS = ("predictions", "filters", "activations", "values", "evidence", "features", "dreams")
QUICK = SECTIONS[:5]
TREE: Mapping[str, Any] = MappingProxyType({"channels": 2, "steps": 32})
_NAMED = ("builtin", "zoo:", "torchvision:", "timm:", "keras:")  # networks that have names instead of files


@dataclass(frozen=True)
class ReportOptions:
    """What the page shows: how many classes, every layer or a few of each stage, which sections, and a painting.

    `sections` are some of ``SECTIONS``, all by default; `QUICK` are those that take seconds. `style` is a picture, or
    the address of a unit, that the picture is painted in the style of; None for no painting.

    >>> options = convscope.ReportOptions(top=3, sections=("filters", "values"))
    """

    top: int = 5
    everything: bool = False
    sections: Sequence[str] = SECTIONS
    style: Any = None

    def __post_init__(self) -> None:
        for name in self.sections:
            require_one_of("a section of the report", name, SECTIONS)
        object.__setattr__(self, "sections", tuple(name for name in SECTIONS if name in self.sections))

    def as_cli_options(self) -> dict[str, Any]:
        """Return them as the command line's options, without those that are the same by default.

        >>> convscope.ReportOptions(top=3).as_cli_options()
        {..., 'top': 3}
        """
        options: dict[str, Any] = {"all": True} if self.everything else {}
        if self.sections == QUICK:
            options["quick"] = True
        elif self.sections != SECTIONS:
            options["sections"] = self.sections
        return options | {"style": self.style, "top": self.top}


@dataclass(frozen=True)
class ReportContext:
    """What the report is about: both are named in the command that makes a figure again.

    `picture` is the input itself where the network reads signals or other numbers, `numbers_file` the file they are
    from.
    """

    network: Network
    picture: Photograph | Tensor
    options: ReportOptions
    numbers_file: str | None = None

    @property
    def photograph(self) -> Photograph:
        """The picture; InputError where numbers are looked at."""
        if isinstance(self.picture, Tensor):
            raise InputError(f"this needs a picture, and {self.network.name} reads a {self.kind}")
        return self.picture

    @property
    def source(self) -> str | None:
        """What the input can be opened by again."""
        return self.numbers_file if isinstance(self.picture, Tensor) else self.picture.source

    @property
    def name(self) -> str:
        """What to call the input."""
        if isinstance(self.picture, Tensor):
            return Path(self.numbers_file).name if self.numbers_file else f"a {self.kind}"
        return self.picture.name

    @property
    def kind(self) -> str:
        """What the input is: a picture, a signal, a volume or film, a vector."""
        return kind_of_input(self.picture) if isinstance(self.picture, Tensor) else "picture"

    @property
    def classifies(self) -> bool:
        """Whether the network tells classes apart."""
        return bool(self.network.class_values) and (self.network.class_count or 0) > 1

    @cached_property
    def classes(self) -> list[Prediction]:
        """The most probable classes; none of a network that does not classify."""
        return classify(self.network, self.picture, top=self.options.top) if self.classifies else []

    @cached_property
    def stages(self) -> list[Stage]:
        """The network's stages, each with the layers that are shown of it."""
        every = self.options.everything
        every_stage = all_stages(self.network) if every else stages(self.network)
        return every_stage + token_stage(self.network, every=every)

    @cached_property
    def maps(self) -> list[str]:
        """The layers whose maps are shown."""
        return [name for stage in self.stages for name in stage.shown] if self.shows("activations") else []

    @cached_property
    def vectors(self) -> list[str]:
        """The layers whose values are plotted; the probabilities stand in a section of their own."""
        if not self.shows("values"):
            return []
        names = all_vectors(self.network) if self.options.everything else vectors(self.network)
        return [name for name in names if not (self.classifies and name in self.network.class_values)]

    @property
    def looked_at(self) -> list[str]:
        """The layers whose answers the page shows: one pass gives them all, the probabilities too."""
        return [*self.maps, *self.vectors, *([self.network.class_output] if self.classifies else [])]

    @cached_property
    def target(self) -> str | None:
        """What evidence is shown for where the network has no classes: the largest in its map, its strongest number.

        None is the most probable class; so it is where neither is there, and the evidence says why it cannot be.
        """
        network, picture = self.network, self.picture
        if self.classifies or not network.outputs:
            return None
        output = telling_output(network)
        if output.role == "class map":
            shares = class_shares(network, picture, output.value)
            things = [one for one in shares if one.label.lower() != "background"]
            return (things or shares)[0].address
        if output.role != "vector":
            return None
        numbers = np.abs(answer(network, picture, output.value).reshape(-1))
        return f"{output.value}:{int(numbers.argmax())}" if len(numbers) > 1 else None

    @cached_property
    def tree(self) -> RelevanceTree | ConvscopeError:
        """What the answer came from, or why that cannot be told."""
        try:
            return relevance_tree(self.network, self.picture, self.target, bare=True, **TREE)
        except ConvscopeError as error:
            return error

    @property
    def sees_pictures(self) -> bool:
        """Whether a picture is what the network reads: only such can be dreamed of or imagined."""
        return self.network.input_spec is not None and not isinstance(self.picture, Tensor)

    def shows(self, section: str) -> bool:
        """Tell whether a section is on the page."""
        return section in self.options.sections

    def command(self, name: str, *arguments: str, picture: bool = True, **options: Any) -> str:
        """Return the words that make one figure again, the network opened as it was here.

        Where no command can, as the network or the picture was in memory, it is a line of Python.
        """
        origin = self.network.origin
        opening = {"weights": origin.weights, **origin.options}
        if not self._opens_from_the_shell(picture):
            return python_call(name, arguments, options, picture=picture)
        words = ["convscope", *name.split(), origin.source]
        words += [self.source or ""] if picture else []
        return shlex.join([*words, *arguments, *as_arguments(opening), *as_arguments(options)])

    def report_command(self) -> str:
        """Return what makes the whole page again."""
        if self._opens_from_the_shell(True) and _is_word(self.options.style):
            return self.command("report", **self.options.as_cli_options())
        default = ReportOptions()
        values = {item.name: getattr(self.options, item.name) for item in fields(default)}
        words = (f"{name}={value!r}" for name, value in values.items() if value != getattr(default, name))
        return f"convscope.make_report(network, picture, convscope.ReportOptions({', '.join(words)}))"

    def _opens_from_the_shell(self, picture: bool) -> bool:
        origin = self.network.origin
        on_disk = bool(origin.files) or origin.source.startswith(_NAMED)
        words = all(_is_word(value) for value in [origin.weights, *origin.options.values()])
        return on_disk and words and (not picture or self.source is not None)

    def recipe(self, technique: str, **arguments: Any) -> Recipe:
        """Return the recipe that a technique itself writes, with its defaults: a rerun has the same bytes."""
        parameters = signature(recipe_functions()[technique]).parameters
        every_argument = {
            name: as_json(arguments.get(name, parameter.default))
            for name, parameter in parameters.items()
            if name not in {*INPUTS, *UNRECORDED}
        }
        return recipe_of(technique, every_argument, network=self.network, picture=self.picture)


def as_arguments(options: Mapping[str, Any]) -> list[str]:
    """Return keyword arguments as the command line's options; those with None are left out."""
    words = []
    for name, value in options.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, (str, int, float, PathLike)):
            words.append(f"--{option}={value}")
        elif isinstance(value, (tuple, list)):
            words.append(f"--{option}={','.join(map(str, value))}")
        elif value is not None:  # was in memory: a file has to stand in for it
            words.append(f"--{option}={name.upper()}")
    return words


def _is_word(value: Any) -> bool:
    """Tell a value that a command line can hold: labels, say, are a file there, never a list."""
    if isinstance(value, (tuple, list)):
        return all(isinstance(item, (int, float)) for item in value)
    return value is None or isinstance(value, (str, int, float, PathLike))


_FUNCTIONS = {
    "classify": "predictions",
    "see": "feature_visualization",
    "dream": "deep_dream",
    "style": "style_transfer",
}


def python_call(name: str, arguments: Sequence[str], options: Mapping[str, Any], *, picture: bool) -> str:
    """Return the call that makes a figure again, of a `network` and a `picture` that are at hand.

    >>> python_call("activations", ["conv1"], {"channels": 8}, picture=True)
    "convscope.activations(network, picture, 'conv1', channels=8)"
    """
    keywords = {key.replace("-", "_"): value for key, value in options.items() if key != "output"}
    function = _FUNCTIONS.get(name, name)
    if name == "classify" and "--every-class" in arguments:
        function, arguments = "probabilities", ()
    if name == "evidence":
        method = str(keywords.pop("method", "saliency")).replace("-", "_")
        function = "compare_targets" if keywords.pop("one_scale", False) else method
    if name == "dream":
        arguments = [str(keywords.pop("layer"))]
    if name == "style":
        arguments = [str(keywords.pop("style"))]
    words = ["network", *(["picture"] if picture else []), *map(repr, arguments)]
    words += [f"{key}={value!r}" for key, value in keywords.items() if value is not None]
    return f"convscope.{function}({', '.join(words)}){'[0]' if name == 'see' else ''}"


class Counter:
    """Counts what is made, in parts that take about as long as each other."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done, self.total, self.progress, self.section = 0, total, progress, ""

    def __call__(self) -> None:
        """Tell that one more is made."""
        self.done += 1
        self.progress(self.done, self.total, self.section)

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
