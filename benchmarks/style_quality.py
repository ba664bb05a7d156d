"""Whether a style transfer's weights mean the same at every size, and how much of a grid is in its pictures.

    python benchmarks/style_quality.py sizes [--networks builtin GoogLeNet] [--sizes 256 512]
    python benchmarks/style_quality.py grids [--networks builtin GoogLeNet SqueezeNet]
    python benchmarks/style_quality.py grids --networks VGG16 --size 96 --steps 20
    python benchmarks/style_quality.py weights --size 512 --keep pictures

Sizes: the losses, without weights, of a picture halfway between content and style (their mean) at 256, 512 and 1024
pixels, and how strong content's gradient is beside style's; once as they are, once in units. Grids: what share of the
finest details repeats every 2, 4 or 8 pixels, beyond chance. VGG16 has random weights. Weights: the default (moments)
beside what it was before (Gram matrices), as commands make it: what is left of the style's and the content's distance,
and how the edges' strengths correlate with the content's. The style's distance is counted in moments in both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from networks import DATA, vgg16
from torch import Tensor

import convscope
from convscope.formats.caffe.text import write_text
from convscope.network.network import Network
from convscope.pictures.picture_tensor import picture_tensor, resized
from convscope.styling.loss_units import units
from convscope.styling.losses import GramLoss
from convscope.styling.options import StyleOptions
from convscope.styling.settings import Scales, StyleSettings
from convscope.styling.style_transfer import StyleTransfer, transfer_of
from convscope.styling.targets import Style, targets_of, weighted

PICTURES = DATA.parent / "pictures"
CONTENTS = ("tubingen", "sky1024px", "shipwreck", "dog_cat")
STYLES = ("starry_night_google", "the_scream")
SIZES = (256, 512, 1024)
WEIGHTS = ("content_weight", "style_weight", "smoothness_weight")
WINDOW = 64
POOLINGS, EDGES = ("as it is", "average"), ("zeros", "reflect")


def networks(names: Iterable[str], folder: Path) -> Iterator[tuple[str, Network]]:
    """Yield networks by name: those of the other benchmarks, and whatever else opens (builtin, a file)."""
    files = {"GoogLeNet": "bvlc_googlenet", "SqueezeNet": "squeezenet_v1.1"}
    for name in names:
        if name == "VGG16":
            (folder / "VGG16.prototxt").write_text(write_text(vgg16()))
            yield name, convscope.open_network(folder / "VGG16.prototxt")
        else:
            yield name, convscope.open_network(DATA / files[name] if name in files else name)


def picture(name: str, size: int | None = None) -> Tensor:
    return picture_tensor(str(PICTURES / f"{name}.jpg"), size, size or 4096)


def halfway(network: Network, settings: StyleSettings, content: Tensor, style: Tensor) -> list[list[float]]:
    """Return content, style, smoothness and the gradients' ratio: as they are, and in units."""
    alone = [
        replace(settings, in_units=False, **dict(zip(WEIGHTS, weights, strict=True)))
        for weights in ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0))
    ]
    between = (content + resized(style, tuple(content.shape[2:]), "bicubic")) / 2
    targets = targets_of(network, content, [Style(style)], alone[0])
    (losses, first), (others, second) = (targets.under(one).gradient(between) for one in alone)
    strong = [first.sub(targets.smoothness_gradient(between)[1]).norm(), second.norm()]
    plain = [float(losses["content"]), float(others["style"]), float(losses["smoothness"])]
    unit = units(targets.under(replace(alone[0], style_weight=1.0)), content, weighted([Style(style)]))
    counted = [loss / one for loss, one in zip(plain, unit.values(), strict=True)]
    ratio = float(strong[0] / strong[1])
    return [[*plain, ratio], [*counted, ratio * unit["style"] / unit["content"]]]


def sizes(chosen: Iterable[tuple[str, Network]], longer_sides: Sequence[int]) -> None:
    names = ("content", "style", "smoothness", "gradients")
    print("| network | content | style | counted | " + " | ".join(names) + " |")
    print("|---|---|---|---|" + "---|" * len(names))
    for (name, network), content, style in product(chosen, CONTENTS, STYLES):
        settings, found = StyleOptions().settings(network), []
        for size in longer_sides:
            seen = picture(content, size)
            found.append(halfway(network, settings, seen, within(picture(style), max(seen.shape[2:]))))
        for counted, rows in zip(("as they are", "in units"), zip(*found, strict=True), strict=True):
            cells = [
                ", ".join(f"{one:.3g}" for one in column) + f" ({max(column) / min(column) - 1:.0%})"
                for column in zip(*rows, strict=True)
            ]
            print(f"| {name} | {content} | {style} | {counted} | " + " | ".join(cells) + " |", flush=True)


def within(style: Tensor, longer: int) -> Tensor:
    share = min(1.0, longer / max(style.shape[2:]))
    height, width = (round(side * share) for side in style.shape[2:])
    return resized(style, (height, width), "bicubic")


def grids(chosen: Iterable[tuple[str, Network]], pixels: int, steps: int, keep: Path | None) -> None:
    print("| network | pooling | edges | every 2 pixels | every 4 | every 8 |")
    print("|---|---|---|---|---|---|")
    for (name, network), pooling, edges in product(chosen, POOLINGS, EDGES):
        changes = {"pooling": pooling, "edges": edges, "steps": steps}
        made = transfer_of(
            network,
            PICTURES / "dog_cat.jpg",
            str(PICTURES / "the_scream.jpg"),
            size=pixels,
            changes={name: value for name, value in changes.items() if value not in ("as it is", "zeros")},
        )
        restyling = replace(made.restyling, settings=replace(made.restyling.settings, scales=Scales(most=2)))
        *_, last = restyling.steps()
        if keep is not None:
            file = keep / f"{name}_{pooling}_{edges}.png".replace(" ", "-")
            replace(made, restyling=restyling).picture(last).save(file)
        shares = " | ".join(f"{grid(last.picture(), period):.1%}" for period in (2, 4, 8))
        print(f"| {name} | {pooling} | {edges} | {shares} |", flush=True)


def weights(chosen: Iterable[tuple[str, Network]], pixels: int, keep: Path | None) -> None:
    print("| network | style's loss | processor | style left | content left | edges | every 8 pixels |")
    print("|---|---|---|---|---|---|---|")
    before = {"style": GramLoss("positions", "share"), "style_weight": 4.0}
    for (name, network), (loss, changes) in product(chosen, (("Gram", before), ("moments", {}))):
        made = transfer_of(
            network, PICTURES / "tubingen.jpg", str(PICTURES / "starry_night_google.jpg"), size=pixels
        )
        settings = made.restyling.settings
        made = replace(made, restyling=replace(made.restyling, settings=replace(settings, **changes)))
        started = time.process_time()
        *_, last = made.steps()
        seconds, painted = time.process_time() - started, last.picture()
        if keep is not None:
            made.picture(last).save(keep / f"{Path(name).stem}_{loss}.png")
        edges = torch.corrcoef(torch.stack([edge_strengths(painted), edge_strengths(made.content)]))[0, 1]
        content, style = left(network, made, settings, painted)
        shares = f"{style:.3f} | {content:.3f} | {edges:.2f} | {grid(painted, 8):.1%}"
        print(f"| {Path(name).stem} | {loss} | {seconds:.0f} s | {shares} |", flush=True)


def left(network: Network, made: StyleTransfer, settings: StyleSettings, painted: Tensor) -> list[float]:
    """Return a painted picture's content and style losses in units, under the default's own kind of loss."""
    content = made.restyling.content
    styles = [
        replace(style, picture=within(style.picture, max(content.shape[2:])))
        for style in made.restyling.styles
    ]
    losses = targets_of(network, content, styles, settings).losses(settings.values(painted))
    return [float(losses[name]) / getattr(settings, f"{name}_weight") for name in ("content", "style")]


def edge_strengths(pixels: Tensor) -> Tensor:
    """Return how strongly a picture (1, 3, H, W) changes at each pixel, by Sobel's filters, in one row."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    slopes = F.conv2d(pixels.mean(1, keepdim=True), torch.stack([sobel, sobel.T])[:, None])
    return slopes.square().sum(1).sqrt().flatten()


def grid(pixels: Tensor, period: int) -> float:
    """Return what share of a picture's finest details repeats every so many pixels within 64, beyond chance."""
    gray = (pixels.double() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    line = torch.tensor([1.0, 8, 28, 56, 70, 56, 28, 8, 1]).double() / 256
    smooth = F.conv2d(F.pad(gray, (4, 4, 4, 4), "reflect"), (line[:, None] * line)[None, None])
    rows, columns = (side // WINDOW for side in gray.shape[2:])
    fine = (gray - smooth)[0, 0, : rows * WINDOW, : columns * WINDOW]
    many = WINDOW // period
    repeated = fine.reshape(rows, many, period, columns, many, period).mean((1, 4))
    return float(repeated.square().mean() / fine.square().mean()) - 1 / many**2


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("sizes", "grids", "weights"))
    parser.add_argument("--networks", nargs="+", default=("builtin", "GoogLeNet"))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of what sizes compares")
    parser.add_argument("--steps", type=int, default=40, help="at each of two sizes")
    parser.add_argument("--keep", type=Path, help="a folder for the pictures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wanted = [*networks(given.networks, Path(folder))]
        if given.keep is not None:
            given.keep.mkdir(parents=True, exist_ok=True)
        if given.what == "sizes":
            sizes(wanted, given.sizes)
        elif given.what == "weights":
            weights(wanted, given.size, given.keep)
        else:
            grids(wanted, given.size, given.steps, given.keep)
