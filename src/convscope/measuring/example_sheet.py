"""What a unit finds in real pictures: its strongest ones cropped to what it sees, and weaker ones in bands below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from typing_extensions import Unpack

from convscope.argument_errors import arguments_in_words
from convscope.errors import PictureError
from convscope.measuring.example import Example
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.measure import measure
from convscope.measuring.measurements import By, Measurements, require_channel
from convscope.measuring.picture_list import PicturesLike, list_pictures
from convscope.measuring.reading import read_input
from convscope.network.network import Network
from convscope.pictures.options import takes_options
from convscope.pictures.picture import Picture, Tile
from convscope.pictures.recording import recipe_of
from convscope.presentation.grid import LEGIBLE, MARGIN
from convscope.presentation.scaling import colorize
from convscope.presentation.style import Theme, ThemeName, font, theme_named
from convscope.presentation.wording import percent, shortened

BANDS = ((0.9, "about 90%"), (0.5, "about 50%"), (0.0, "just above zero"))
_IN_A_ROW = 3
_TOLERANCE = 0.1  # of the strongest answer: what is farther from a band's share is not of it
_SIDE = 128  # pixels of a crop, and of the whole picture beside it
_GAP = 16
_BELOW = LEGIBLE + 14
_PLACE = "#2460b8"  # blue, as the frames of drawn stimuli

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ExampleOptions:
    """How examples are shown: the ``top`` strongest ``by`` maximum or mean, with the unit's map over them or not."""

    top: int = 9
    by: By = "max"
    overlay: bool = False
    theme: ThemeName = "light"


class ExampleKeywords(TypedDict, total=False):
    """The fields of `ExampleOptions` as keywords."""

    top: int
    by: By
    overlay: bool
    theme: ThemeName


@arguments_in_words
@takes_options(ExampleOptions, ExampleKeywords)
def examples(
    network: Network, address: str, photographs: PicturesLike, **options: Unpack[ExampleKeywords]
) -> Picture:
    """Show the real pictures that a unit answers most to, each cropped to what it sees where it answers most.

    Beside each crop of the `top` pictures of `address` (a channel, a neuron or a class) stands the whole picture,
    as the network gets it, with that place marked; `overlay` lays the unit's map over it. The rows below are
    pictures with about 90 % and 50 % of the strongest answer, and just above zero: many units answer to more than
    their strongest pictures show (Borowski et al., *Exemplary natural images explain CNN activations better than
    feature visualizations*, 2020). `photographs` are what `convscope.measure` takes; they are measured once, and
    kept. `by` is a picture's maximum over the positions, or its mean.

    >>> convscope.examples(network, "mixed4a:42", "textures/train/").save("mixed4a-42.png")

    UnknownLayer for a unit that is not there; what `convscope.measure` raises.
    """
    listed = list_pictures(photographs)
    measurements = measure(network, listed, [require_channel(network.resolve(address)).layer])
    return example_sheet(network, listed, measurements, address, ExampleOptions(**options))


def example_sheet(
    network: Network,
    listed: Sequence[ListedPicture],
    measurements: Measurements,
    address: str,
    options: ExampleOptions,
) -> Picture:
    """Return the examples of a unit that was measured."""
    unit = str(measurements.resolve(network.resolve(address)))
    strongest = [one for one in measurements.strongest(unit, options.by, options.top) if one.value > 0]
    rows = [("strongest", strongest), *bands_of(measurements, unit, strongest, options.by)]
    layer, size = measurements.layers[network.resolve(address).layer], measurements.manifest.input_size
    seen, placed = dict[int, tuple[Pixels, Pixels]](), False
    for one in (one for _, shown in rows for one in shown):
        pixels, whole = _as_input_and_whole(network, listed[one.index], unit, options.overlay)
        if layer.positions > 1 and _is_most(one.box, size):
            whole, placed = _with_place(whole, layer.cell(one.position, size)), True
        seen[one.index] = pixels, whole
    title = f"{address} · {shortened(network.name, 30)} · {len(measurements.pictures):,} pictures"
    array, tiles = _draw_sheet(title, rows, seen, network.labels, theme_named(options.theme))
    arguments = {
        "address": unit,
        "pictures_sha256": measurements.manifest.pictures_sha256,
        "top": options.top,
        "by": options.by,
        "overlay": options.overlay,
        "theme": options.theme,
    }
    recipe = recipe_of("examples", arguments, network=network)
    awake = float((measurements.values(unit, options.by) > 0).mean())
    caption = _caption(address, (len(measurements.pictures), awake), strongest, options.by, network.labels)
    if placed:
        caption += " Where a crop is most of the picture, the blue frame is its position's own place."
    if strongest and layer.gated:
        caption += " Gates or attention before it see the whole picture: the crops show what its position sees besides."
    name = _name_words(measurements, unit, options.by, network.labels) if strongest else ""
    return Picture(array, caption + name, recipe, tiles)


def bands_of(
    measurements: Measurements, unit: str, strongest: Sequence[Example], by: By, each: int = _IN_A_ROW
) -> list[tuple[str, list[Example]]]:
    """Return weaker examples; none that is shown already, and none that is far from its band's share."""
    used_pictures, rows = {one.index for one in strongest}, []
    for share, words in BANDS if strongest else ():
        near, most = measurements.band(unit, share, by, top=each + len(used_pictures)), strongest[0].value
        fresh = [
            one
            for one in near
            if one.index not in used_pictures and (not share or _is_near(one, share * most, most))
        ][:each]
        rows.append((words, fresh))
        used_pictures |= {one.index for one in fresh}
    return rows


def _is_near(one: Example, number: float, strongest: float) -> bool:
    return abs(one.value - number) <= _TOLERANCE * strongest


def class_words(label: str | None, labels: Sequence[str] | None) -> str:
    """Return what a picture's class is called: a number that is no class's name is looked up in the network's labels.

    >>> class_words("1", ["cat", "dog"])
    'dog'
    """
    if label and labels and label not in labels and label.isdecimal() and int(label) < len(labels):
        return labels[int(label)].split(",")[0]
    return label or ""


def _as_input_and_whole(
    network: Network, picture: ListedPicture, unit: str, overlay: bool
) -> tuple[Pixels, Pixels]:
    """Return a picture as the network gets it, and the same as it is shown whole."""
    read = read_input(network.picture_spec.replace(crops=1), picture)
    if isinstance(read, str):
        raise PictureError(f"{read}; it could be read when it was measured")
    pixels = np.round(network.deprocess(read) * 255).astype(np.uint8)
    return pixels, _overlaid(network, read, unit, pixels) if overlay else pixels


def _is_most(box: tuple[int, int, int, int] | None, size: tuple[int, int]) -> bool:
    """Whether what a position sees is most of the picture: its frame then tells no place."""
    if box is None:
        return True
    left, top, right, bottom = box
    return 2 * (right - left) * (bottom - top) > size[0] * size[1]


def _with_place(whole: Pixels, cell: tuple[int, int, int, int]) -> Pixels:
    image = Image.fromarray(whole)
    left, top, right, bottom = cell
    width = max(1, round(max(image.size) / 64))
    draw = ImageDraw.Draw(image)
    draw.rectangle((left - width, top - width, right + width - 1, bottom + width - 1), None, "#ffffff", width)
    draw.rectangle((left, top, right - 1, bottom - 1), None, _PLACE, width)
    return np.asarray(image)


def _overlaid(network: Network, input: torch.Tensor, unit: str, pixels: Pixels) -> Pixels:
    """Lay a unit's map over the picture: dark where it is silent, bright where it answers."""
    with torch.no_grad():
        answer = network.activations(input.to(network.device), unit)[unit].float().cpu()
    values = (
        answer.reshape(-1, answer.shape[-1]).numpy() if answer.dim() > 1 else answer.reshape(1, 1).numpy()
    )
    values = np.clip(values, 0, None) / max(float(values.max()), 1e-12)
    map_ = Image.fromarray(colorize(values, "inferno")).resize(pixels.shape[1::-1], Image.Resampling.BILINEAR)
    return np.round(0.45 * pixels + 0.55 * np.asarray(map_)).astype(np.uint8)


def _draw_sheet(
    title: str,
    rows: Sequence[tuple[str, Sequence[Example]]],
    seen: dict[int, tuple[Pixels, Pixels]],
    labels: Sequence[str] | None,
    colors: Theme,
) -> tuple[Pixels, tuple[Tile, ...]]:
    lines = [
        (words if start == 0 else "", shown[start : start + _IN_A_ROW])
        for words, shown in rows
        for start in range(0, max(1, len(shown)), _IN_A_ROW)
    ]
    across, down = 2 * _SIDE + 4 + _GAP, _SIDE + _BELOW
    left = 110
    size = (left + _IN_A_ROW * across + MARGIN, MARGIN + 30 + len(lines) * down + MARGIN)
    image = Image.new("RGB", size, colors.page)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN), title, colors.text, font(LEGIBLE + 3), "la")
    tiles = []
    for row, (words, shown) in enumerate(lines):
        top = MARGIN + 30 + row * down
        draw.text((MARGIN, top + _SIDE / 2), words, colors.text, font(LEGIBLE + 1), "lm")
        if not shown:
            draw.text((left, top + _SIDE / 2), "no other picture", colors.muted, font(LEGIBLE + 1), "lm")
        for column, one in enumerate(shown):
            place = (left + column * across, top)
            _draw_example(image, place, one, seen[one.index], colors)
            words_below = shortened(f"{one.value:.3g}  {class_words(one.label, labels)}".strip(), 38)
            draw.text((place[0], top + _SIDE + 4), words_below, colors.muted, font(LEGIBLE), "la")
            tiles.append(Tile(one.path, (*place, place[0] + 2 * _SIDE + 4, top + _SIDE)))
    return np.asarray(image), tuple(tiles)


def _draw_example(
    image: Image.Image, place: tuple[int, int], one: Example, seen: tuple[Pixels, Pixels], colors: Theme
) -> None:
    """Paste a crop and, beside it, the whole picture with the crop's place framed."""
    pixels, whole = Image.fromarray(seen[0]), Image.fromarray(seen[1])
    box = one.box or (0, 0, *pixels.size)
    crop = pixels.crop(box)
    factor = _SIDE / max(crop.size)
    sharp = Image.Resampling.NEAREST if factor > 6 else Image.Resampling.BICUBIC
    crop = crop.resize((max(1, round(crop.width * factor)), max(1, round(crop.height * factor))), sharp)
    ImageDraw.Draw(image).rectangle((*place, place[0] + _SIDE - 1, place[1] + _SIDE - 1), colors.panel)
    image.paste(crop, (place[0] + (_SIDE - crop.width) // 2, place[1] + (_SIDE - crop.height) // 2))
    shrink = _SIDE / max(whole.size)
    small = whole.resize(
        (round(whole.width * shrink), round(whole.height * shrink)), Image.Resampling.BICUBIC
    )
    _frame(ImageDraw.Draw(small), [round(edge * shrink) for edge in box], colors)
    image.paste(small, (place[0] + _SIDE + 4, place[1]))


def _frame(draw: ImageDraw.ImageDraw, box: Sequence[int], colors: Theme) -> None:
    left, top, right, bottom = box
    right, bottom = max(right - 1, left + 3), max(bottom - 1, top + 3)  # a pixel has to be seen too
    draw.rectangle((left, top, right, bottom), None, "#000000", 3)
    draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), None, "#ffffff", 1)


def _caption(
    address: str,
    answered: tuple[int, float],
    strongest: Sequence[Example],
    by: By,
    labels: Sequence[str] | None,
) -> str:
    """Say what the pictures are; `answered` is of how many, and the share of them that the unit answers to."""
    what = "maximum" if by == "max" else "mean"
    count, awake = answered
    if not strongest:
        return f"None of {count:,} pictures makes {address} answer above zero ({what} over its positions)."
    words = (
        f"The pictures that {address} answers most to, of {count:,}: {strongest[0].value:.4g} to "
        f"{strongest[-1].value:.4g} ({what} over its positions); it answers above zero to {percent(awake)} of them."
    )
    classes = Counter(class_words(one.label, labels) for one in strongest if one.label).most_common(3)
    if classes:
        words += f" Classes: {', '.join(f'{name} ({number})' for name, number in classes)}."
    return words


def _name_words(measurements: Measurements, address: str, by: By, labels: Sequence[str] | None) -> str:
    """Return the sentence on what a unit is called; nothing where no two classes are known."""
    if len({*measurements.labels} - {None}) < 2:
        return ""
    name = next(iter(measurements.names(address, by).values()), None)
    if name is None:
        return " No name: it tells no class from the others, beyond chance, on pictures held back."
    return f" Its name: {replace(name, label=class_words(name.label, labels))}."
