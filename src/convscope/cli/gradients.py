"""``convscope gradients``: which pixels an answer depends on, by whichever technique, and whether to trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.looking import save_all, theme_option
from convscope.cli.options import Opening, json_option, network_options, numbers, output_option

if TYPE_CHECKING:
    from convscope.pictures.picture import Picture

_LAYERS, _CHANNELS = "layers", "channels"
_OWN = {
    "saliency": ("sign",),
    "gradient-times-input": (),
    "smoothgrad": ("samples", "noise", "seed"),
    "integrated-gradients": ("baseline", "steps"),
    "guided-backprop": (),
    "deconvnet": (),
    _LAYERS: ("columns",),
    _CHANNELS: ("columns", "channels"),
}


def _panels(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


@click.command()
@click.argument("network")
@click.argument("picture")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@network_options
@click.option("--method", type=click.Choice([*_OWN]), default="saliency", show_default=True)
@click.option(
    "--sanity", is_flag=True, help="Make the map again while the weights are shuffled, layer by layer."
)
@click.option("--panels", type=_panels, metavar="A,B,C", help="Of picture, map, colors, overlay.")
@click.option("--percentile", type=float, help="Clip values beyond it; 100 clips none.")
@click.option("--sign", type=click.Choice(["absolute", "positive", "negative", "both"]), help="Of saliency.")
@click.option("--samples", type=click.IntRange(1), metavar="N", help="Noisy copies, of smoothgrad.")
@click.option("--noise", type=float, metavar="X", help="Its strength as a share of the range, of smoothgrad.")
@click.option("--seed", type=int, help="Of smoothgrad's noise.")
@click.option(
    "--baseline", type=click.Choice(["black", "gray", "white", "zero"]), help="Of integrated-gradients."
)
@click.option("--steps", type=click.IntRange(1), metavar="N", help="At least, of integrated-gradients.")
@click.option("--channels", type=numbers(int), metavar="N or I,J,K", help="How many, or which, of channels.")
@click.option("--columns", type=click.IntRange(1), metavar="N", help="Side by side, of layers and channels.")
@theme_option
@json_option
@output_option("A picture (.png, .jpg, .webp), or a folder for several.")
def gradients(
    network: str,
    picture: str,
    addresses: Sequence[str],
    opening: Opening,
    method: str,
    sanity: bool,
    as_json: bool,
    output: str | None,
    **look: Any,
) -> None:
    """Show which pixels of PICTURE an answer of NETWORK depends on: of the most probable class by default.

    An ADDRESS is a class by its label (tabby), or a layer, channel or neuron. The method layers shows what excites each
    of some layers, the pooling layers by default; channels shows it for each channel of a layer.
    """
    from convscope.pictures.photograph import open_photograph

    given = {name: value for name, value in look.items() if value is not None}
    _check(method, sanity, addresses, given)
    opened, photograph = opening.open(network), open_photograph(picture)
    what = f"{photograph.name}-{method}{'-sanity' if sanity else ''}"
    if method == _LAYERS:
        from convscope.attribution.gradients import layer_gradients

        made = layer_gradients(opened, photograph, addresses or None, **given)
        save_all(opened, what, [("", made)], output, 1, as_json)
        return
    technique = _technique(method, sanity)
    wanted: list[str | None] = [*addresses] or [None]
    pictures = ((address or "", technique(opened, photograph, address, **given)) for address in wanted)
    save_all(opened, what, pictures, output, len(wanted), as_json)


def _check(method: str, sanity: bool, addresses: Sequence[str], given: dict[str, Any]) -> None:
    """Refuse options that the method does not have."""
    sheets = method in (_LAYERS, _CHANNELS)
    if sanity and sheets:
        raise click.UsageError(f"--sanity checks one map of an answer, not --method {method}")
    if method == _CHANNELS and not addresses:
        raise click.UsageError("--method channels needs the ADDRESS of a layer")
    common = {"theme", "percentile"} | ({"seed"} if sanity else set())
    possible = common if sanity else {*common, *_OWN[method], *(() if sheets else ("panels",))}
    for name in given.keys() - possible:
        raise click.UsageError(f"--{name} is not for --method {method}{' with --sanity' if sanity else ''}")
    if len(channels := given.get("channels", ())) == 1:
        given["channels"] = channels[0]


def _technique(method: str, sanity: bool) -> Callable[..., Picture]:
    from functools import partial
    from importlib import import_module

    name = method.replace("-", "_")
    if sanity:
        from convscope.attribution.sanity_check import sanity_check

        return partial(sanity_check, method=name)
    if method == _CHANNELS:
        from convscope.attribution.gradients import channel_gradients

        return channel_gradients
    found: Callable[..., Picture] = getattr(import_module(f"convscope.attribution.{name}"), name)
    return found
