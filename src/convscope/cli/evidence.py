"""``convscope evidence``: where the evidence for an answer lies, by whichever method, and whether to trust it.

``convscope gradients`` is its old name; there, the method is saliency by default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import click
from click.core import ParameterSource

from convscope.attribution.registry import METHODS, method_named
from convscope.cli.looking import bare_option, looks_at, save_all, theme_option
from convscope.cli.options import (
    Opening,
    how_many_or_which,
    json_option,
    names,
    network_options,
    numbers,
    output_option,
)
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import require_pixels
from convscope.files import is_numpy_file

_SHEETS: Mapping[str, Mapping[str, str]] = {
    "layers": {"columns": "4"},
    "channels": {"columns": "", "channels": "the first 64"},
    "relevance-tree": {"layer": "", "channels": "3", "rule": "epsilon-plus", "steps": "96", "seed": "0"},
}
_SENTENCES = {
    "layers": "what excites each of some layers, the pooling layers by default",
    "channels": "what excites each channel of a layer",
    "relevance-tree": "how the answer came about: the channels that gave most to it, and those behind each",
}
_RULES = (
    *("epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box", "epsilon-alpha2-beta1"),
    *("epsilon-alpha2-beta1-flat", "epsilon", "z-plus", "gamma"),
)
_DEFAULT = "grad-cam"
_COMPARED = "grad-cam,occlusion,relevance,integrated-gradients"

_BASELINES = ("black", "gray", "white", "zero", "mean", "blur")


class _Command(click.Command):
    """A command whose help ends with the methods, family by family."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the methods, with a sentence each."""
        for family, methods in groupby(METHODS.values(), key=lambda method: method.family):
            with formatter.section(f"Methods: {family}"):
                formatter.write_dl([(_hyphenated(method.name), method.sentence) for method in methods])
        with formatter.section("Methods: sheets"):
            formatter.write_dl(list(_SENTENCES.items()))


def _hyphenated(name: str) -> str:
    return name.replace("_", "-")


def _panels(text: str) -> tuple[str, ...]:
    return tuple(names(text))


def _options(default: str) -> list[Callable[[Any], Any]]:
    """Return what stands before and behind the options of single methods."""
    return [
        click.argument("network"),
        click.argument("picture"),
        click.argument("targets", nargs=-1, metavar="[TARGET]..."),
        network_options,
        click.option(
            "--method",
            type=click.Choice([*map(_hyphenated, METHODS), *_SHEETS]),
            default=default,
            show_default=True,
            metavar="METHOD",
            help="One of those below.",
        ),
        click.option(
            "--sanity",
            is_flag=True,
            help="Make the map again while the weights are shuffled, layer by layer.",
        ),
        click.option(
            "--compare",
            "--methods",
            "compare",
            is_flag=False,
            flag_value=_COMPARED,
            metavar="[A,B,C]",
            help="These methods in rows, the targets in columns, in one figure, with what each map is worth; "
            f"{_COMPARED} where none is named (the TARGETs before it).",
        ),
        click.option(
            "--one-scale",
            is_flag=True,
            help="The targets side by side in one figure, their maps on one scale.",
        ),
        click.option(
            "--panels",
            type=_panels,
            metavar="A,B,C",
            help="What stands side by side: of picture, map, colors, overlay, heat; the method's own by default.",
        ),
        click.option(
            "--percentile",
            type=float,
            help="Clip values beyond it; 100 clips none. 99 by default, of sheets 99.5.",
        ),
        *_OF_METHODS,
        theme_option,
        bare_option,
        json_option,
        output_option(),
    ]


def _of(option: str) -> str:
    """Say which methods have an option, and in parentheses what it is by default."""
    methods = {_hyphenated(method.name): method.options for method in METHODS.values()} | {**_SHEETS}
    having = {name: options.get(option.replace("-", "_")) for name, options in methods.items()}
    return ", ".join(
        f"{name} ({default})" if default else name for name, default in having.items() if default is not None
    )


def _one_or_more(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> Any:
    return given[0] if len(given) == 1 else given or None


def _option(name: str, words: str, **more: Any) -> Callable[[Any], Any]:
    return click.option(f"--{name}", help=f"{words} Of {_of(name)}.", **more)


_OF_METHODS = [
    _option(
        "layer",
        "The layer that is looked at, found by itself by default; again for more.",
        multiple=True,
        metavar="NAME",
        callback=_one_or_more,
    ),
    _option("classes", "How many others to compare with.", type=click.IntRange(1), metavar="N"),
    _option(
        "sign",
        "Which sign of the gradient counts.",
        type=click.Choice(["absolute", "positive", "negative", "both"]),
    ),
    _option("samples", "How many random copies or draws.", type=click.IntRange(1), metavar="N"),
    _option("noise", "The noise's deviation, as a share of the input's range.", type=float, metavar="X"),
    _option(
        "of",
        "What is averaged: the gradient, its square, or its variance.",
        type=click.Choice(["mean", "square", "variance"]),
    ),
    _option("seed", "Another number draws other samples.", type=int),
    _option(
        "baseline",
        "What stands for nothing there.",
        type=click.Choice(_BASELINES),
    ),
    _option("window", "The side of what covers it, in pixels.", type=click.IntRange(1), metavar="PIXELS"),
    _option("stride", "How far it moves each time, in pixels.", type=click.IntRange(1), metavar="PIXELS"),
    _option("area", "How large the part is, as a share of the picture.", type=float, metavar="X"),
    _option("grid", "How many cells a side.", type=click.IntRange(2), metavar="N"),
    _option("rule", "Which part of each sum counts.", type=click.Choice(_RULES)),
    _option(
        "through",
        "Only what goes through this channel, through all by default; again for more.",
        multiple=True,
        metavar="CHANNEL",
        callback=_one_or_more,
    ),
    _option("steps", "How many steps, at least.", type=click.IntRange(1), metavar="N"),
    _option(
        "max-steps", "How many steps, at most, until the shares add up.", type=click.IntRange(1), metavar="N"
    ),
    _option("channels", "How many channels, or which ones.", type=numbers(int), metavar="N or I,J,K"),
    _option("columns", "Tiles side by side.", type=click.IntRange(1), metavar="N"),
]


def _command(name: str, default: str, **more: Any) -> click.Command:
    function: Any = partial(_evidence)
    function.__doc__, function.__name__ = _evidence.__doc__, name
    for option in reversed(_options(default)):
        function = option(function)
    return click.command(name, cls=_Command, **more)(function)


def _evidence(
    network: str,
    picture: str,
    targets: Sequence[str],
    opening: Opening,
    method: str,
    sanity: bool,
    compare: str | None,
    one_scale: bool,
    as_json: bool,
    output: str | None,
    **options: Any,
) -> None:
    """Show where in PICTURE the evidence for an answer of NETWORK lies: for the most probable class by default.

    A TARGET is a class by its label or number (tabby, 281), a layer, channel or neuron, the difference of two classes
    ("tabby - tiger cat"), or a region of a map (score:3@2:9,4:8). Where NETWORK takes signals, volumes or films,
    PICTURE is a NumPy file of one (.npy), and the method integrated-gradients unless it is given.

    What an option of some methods is by default stands behind each one's name.
    """
    from convscope.attribution.target import require_targets

    arguments = {name: value for name, value in options.items() if value is not None}
    arguments |= {"rule": arguments["rule"].replace("-", "_")} if "rule" in arguments else {}
    source = click.get_current_context().get_parameter_source("method")
    if compare is not None and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--compare names its methods itself: leave out --method")
    if one_scale and (sanity or compare is not None or method in _SHEETS):
        raise click.UsageError(
            "--one-scale is for targets of one method: not with --sanity, --compare or sheets"
        )
    if one_scale and "panels" in arguments:
        raise click.UsageError("--panels is not for --one-scale")
    method = method if compare is None else "compare"
    _check(method, sanity, targets, arguments)
    require_pixels(output)
    named, opened = pictures_named([picture], signals=True), opening.open(network)
    require_targets(opened, targets)
    if opened.input_spec is None and is_numpy_file(picture):
        chosen = source is ParameterSource.COMMANDLINE or "layer" in arguments
        method = method if chosen or method != _DEFAULT else "integrated-gradients"
    what = f"{method}{'-sanity' if sanity else ''}{'-one-scale' if one_scale else ''}"
    if method == "layers":
        from convscope.attribution.gradients import layer_gradients

        look_at = partial(layer_gradients, opened, addresses=list(targets) or None, **arguments)
        looks = looks_at(
            opened, what, named, [""], lambda photograph, _: look_at(picture=photograph).picture()
        )
    elif one_scale:
        from convscope.attribution.compare import compare_targets

        own = {name: arguments.pop(name) for name in method_named(method).options if name in arguments}
        looks = looks_at(
            opened,
            what,
            named,
            [""],
            lambda photograph, _: compare_targets(
                opened, photograph, targets or None, method, options=own, **arguments
            ).picture(),
        )
    elif compare is not None:
        from convscope.attribution.compare import compare_methods

        looks = looks_at(
            opened,
            what,
            named,
            [""],
            lambda photograph, _: compare_methods(
                opened, photograph, targets or None, methods=names(compare), **arguments
            ),
        )
    else:
        function = partial(_function(method, sanity), opened, **arguments)
        looks = looks_at(
            opened, what, named, targets or [""], lambda photograph, one: function(photograph, one or None)
        )
    save_all(looks, output, as_json)


def _check(method: str, sanity: bool, targets: Sequence[str], arguments: dict[str, Any]) -> None:
    """Refuse options that the method does not have, and targets of nothing."""
    if any(not target.strip() for target in targets):
        raise click.UsageError("a TARGET is empty: leave it out for the most probable class")
    if sanity and method in (*_SHEETS, "compare"):
        raise click.UsageError(f"--sanity checks one map of an answer, not {_flag(method)}")
    if method == "channels" and not targets:
        raise click.UsageError("--method channels needs the address of a layer as its TARGET")
    for name in arguments.keys() - _possible(method, sanity):
        raise click.UsageError(
            f"--{_hyphenated(name)} is not for {_flag(method)}{' with --sanity' if sanity else ''}"
        )
    if "channels" in arguments:
        arguments["channels"] = how_many_or_which(arguments["channels"])


def _flag(method: str) -> str:
    return "--compare" if method == "compare" else f"--method {method}"


def _possible(method: str, sanity: bool) -> set[str]:
    common = {"theme", "percentile", "bare"}
    if sanity:
        return common | {"seed"}
    if method in _SHEETS or method == "compare":
        return common | {*_SHEETS.get(method, ())}
    return common | {"panels", *method_named(method).options}


def _function(method: str, sanity: bool) -> Callable[..., Any]:
    if sanity:
        from convscope.attribution.sanity_check import sanity_check

        return partial(sanity_check, method=method_named(method).name)
    if method == "channels":
        from convscope.attribution.gradients import channel_gradients

        return channel_gradients
    if method == "relevance-tree":
        from convscope.attribution.relevance_tree import relevance_tree

        return lambda *given, layer=None, **more: relevance_tree(
            *given, layers=(layer,) if isinstance(layer, str) else layer, **more
        )
    function: Callable[..., Any] = method_named(method).function
    return function


evidence = _command("evidence", _DEFAULT)
gradients = _command("gradients", "saliency", hidden=True)
