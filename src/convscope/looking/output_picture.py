"""A picture that a network makes, as a picture: what an autoencoder, a painter, a mask or a super-resolution gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import InputError
from convscope.looking.answers import answer, require_finite, seen_by, value_of_role
from convscope.network.network import Network
from convscope.network.producers import made_by
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.panels import Panel, panels
from convscope.presentation.scaling import to_bytes
from convscope.presentation.style import ThemeName

_SLACK = 0.2  # of a range, that numbers may lie outside it: nets that nothing bounds overshoot at edges


@dataclass(frozen=True)
class _Range:
    """What numbers are black and white, and how that is known."""

    black: float
    white: float
    reason: str


@recipe_function("output_picture")
def output_picture(
    network: Network, picture: Any, address: str | None = None, *, theme: ThemeName = "light"
) -> Picture:
    """Show the picture that a network makes of a picture, beside the one that it was given.

    `address` is a value with one or three channels; the network's first output that is a picture by default. Three
    channels have the colors' order of the input. No file says which numbers are black and white: a sigmoid ends at 0
    and 1, a tanh at -1 and 1, and numbers that nothing bounds are taken for the narrowest usual range that holds them,
    as the caption says.

    >>> output_picture(network, "cat.jpg").save("denoised.png")

    InputError for a network that makes no picture, and for one that answers with NaN.
    """
    value = value_of_role(network, address, "picture", "makes no picture")
    output = answer(network, picture, value)
    if output.ndim != 3 or len(output) not in (1, 3):
        raise InputError(
            f"{value!r} gives {output.shape}: a picture has one channel or three, height and width"
        )
    require_finite(network, picture, value, output)
    span = _range(output, made_by(network.graph, value))
    colors = to_bytes((np.moveaxis(output, 0, -1) - span.black) / (span.white - span.black))
    reversed_ = network.input_spec is not None and network.input_spec.channel_order == "BGR"
    colors = colors[..., ::-1] if reversed_ and len(output) == 3 else colors
    colors = np.ascontiguousarray(np.broadcast_to(colors, (*colors.shape[:2], 3)))
    height, width = colors.shape[:2]
    image = Image.fromarray(to_bytes(seen_by(network, picture)))
    original = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    enlarged = f", {image.height} × {image.width} enlarged" if image.size != (width, height) else ""
    shown = panels(
        [
            Panel(original, f"what the network sees{enlarged}", smooth=True),
            Panel(colors, f"what {value} makes of it", smooth=True, address=value),
        ],
        theme=theme,
    )
    black, white = (f"{number:.4g}" for number in (span.black, span.white))
    words = f"The picture that {value} makes, {height} × {width}: {black} is black, {white} white ({span.reason})."
    return replace(shown, caption=words)


def _range(output: NDArray[Any], kind: str) -> _Range:
    """Return what is black and white: by what made the numbers, else by the narrowest usual range that holds them."""
    low, high = (float(np.percentile(output, share)) for share in (0.5, 99.5))
    if kind == "sigmoid":
        return _Range(0, 1, "a sigmoid's ends")
    if kind == "tanh":
        return _Range(-1, 1, "a tanh's ends")
    for black, white in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
        slack = _SLACK * (white - black)
        if black - slack <= low and black + slack / 2 < high <= white + slack:
            return _Range(black, white, f"its numbers lie between {low:.3g} and {high:.3g}: a guess")
    if low == high:
        return _Range(low - 1, low + 1, "it is the same everywhere")
    return _Range(low, high, "its own darkest and brightest, as no usual range holds its numbers")
