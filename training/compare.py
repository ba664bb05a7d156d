"""Judge variants by their pictures, side by side: first filters, saliency, features from noise, a dream.

    python training/compare.py natural aligned

writes `pictures/<name>_<kind>.png` for each of `weights/<name>.safetensors`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import skimage.data
import torch
from export import WEIGHTS
from pictures import HERE
from PIL import Image
from shipped import Shipped, load
from torch import Tensor
from torch.nn import functional

PICTURES = HERE / "pictures"
FEATURES = {
    "mixed3b_3x3": (8, 40, 80, 120),
    "mixed4b_3x3": (10, 50, 90, 150),
    "mixed5b_3x3": (20, 80, 140, 200),
}
CLASSES = ("espresso", "monarch", "goldfish", "school bus", "tabby", "lemon", "spider web", "king penguin")


def sheet(tiles: Tensor, columns: int, gap: int = 2) -> Tensor:
    """Tiles (N, 3, H, W) in 0..1 laid out row by row on white."""
    padded = functional.pad(tiles, (gap, gap, gap, gap), value=1.0)
    rows = [torch.cat(list(row), dim=2) for row in padded.split(columns)]
    width = rows[0].shape[2]
    return torch.cat([functional.pad(row, (0, width - row.shape[2]), value=1.0) for row in rows], dim=1)


def save(name: str, picture: Tensor, enlarge: int = 1) -> None:
    """Write a picture (3, H, W) in 0..1, each pixel as `enlarge` x `enlarge`."""
    PICTURES.mkdir(exist_ok=True)
    array = (picture.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(array.repeat(enlarge, 0).repeat(enlarge, 1)).save(PICTURES / f"{name}.png", optimize=True)


def first_filters(network: Shipped) -> Tensor:
    """Conv1's filters, each stretched to its own largest value around gray."""
    filters = network.weights["conv1.weight"]
    return 0.5 + 0.5 * filters / filters.abs().amax((1, 2, 3), keepdim=True)


def saliency(network: Shipped, picture: Tensor) -> Tensor:
    """The gradient of the likeliest class, signed and in color, stretched around gray (1, 3, H, W)."""
    picture = picture.clone().requires_grad_(True)
    logits = network.values(picture, "head")["head"]
    (gradient,) = torch.autograd.grad(logits.max(), picture)
    return (0.5 + 0.5 * gradient / torch.quantile(gradient.abs(), 0.995)).clamp(0, 1)


def _spectrum(size: int) -> Tensor:
    rows, columns = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None]
    return 1 / (rows**2 + columns**2).sqrt().clamp_min(1 / size)


COLORS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])


def visualize(
    network: Shipped, layer: str, channels: Sequence[int], steps: int = 128, size: int = 112
) -> Tensor:
    """Pictures that excite each channel, from faint noise: Fourier canvas, Adam, jitter (Olah et al., 2017)."""
    torch.manual_seed(0)
    scale = _spectrum(size)
    canvas = (torch.randn(len(channels), 3, *scale.shape, 2) * 0.01).requires_grad_(True)
    optimizer = torch.optim.Adam([canvas], lr=0.05)

    def picture() -> Tensor:
        waves = torch.fft.irfft2(torch.view_as_complex(canvas) * scale, s=(size, size), norm="ortho")
        return torch.sigmoid(torch.einsum("nchw,kc->nkhw", waves, COLORS / COLORS.norm(dim=0).max()))

    for _ in range(steps):
        zoom = size + int(torch.randint(-12, 13, ()))
        shift = torch.randint(-8, 9, (2,)).tolist()
        seen = functional.interpolate(picture().roll(shift, (2, 3)), (zoom, zoom), mode="bilinear")
        answer = network.values(seen, layer)[layer]
        picked = answer[torch.arange(len(channels)), torch.as_tensor(channels)]
        optimizer.zero_grad()
        (-picked.reshape(len(channels), -1).mean(1).sum()).backward()
        optimizer.step()
    return picture().detach()


def dream(network: Shipped, picture: Tensor, layer: str = "mixed4b", steps: int = 12) -> Tensor:
    """A picture with more of what a layer sees in it, over four octaves (Mordvintsev et al., 2015)."""
    torch.manual_seed(0)
    shape = picture.shape[2:]
    detail = torch.zeros_like(picture)
    for octave in (3, 2, 1, 0):
        smaller = [round(side / 1.4**octave) for side in shape]
        base = functional.interpolate(picture, smaller, mode="bilinear", antialias=True)
        detail = functional.interpolate(detail, smaller, mode="bilinear", antialias=True)
        for _ in range(steps):
            seen = (base + detail).roll(shift := torch.randint(-16, 17, (2,)).tolist(), (2, 3))
            seen.requires_grad_(True)
            (gradient,) = torch.autograd.grad(network.values(seen, layer)[layer].square().mean(), seen)
            gradient = gradient.roll([-s for s in shift], (2, 3))
            detail = detail + 0.008 * gradient / gradient.abs().mean()
            detail = (base + detail).clamp(0, 1) - base
    return picture + detail


def photograph(name: str, side: int) -> Tensor:
    """One of scikit-image's photographs with its longer side scaled to `side`, (1, 3, H, W)."""
    array = Image.fromarray(getattr(skimage.data, name)())
    array.thumbnail((side, side))
    return torch.from_numpy(np.asarray(array).copy()).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    """Make every picture of every variant named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+")
    parser.add_argument("--only", nargs="*", default=["filters", "saliency", "features", "classes", "dream"])
    arguments = parser.parse_args()
    for name in arguments.names:
        network = load(WEIGHTS / f"{name}.safetensors")
        if "filters" in arguments.only:
            save(f"{name}_filters", sheet(first_filters(network), 8, gap=1), enlarge=8)
        if "saliency" in arguments.only:
            pictures = [
                network.picture(getattr(skimage.data, p)(), 128) for p in ("coffee", "chelsea", "astronaut")
            ]
            pairs = [tile for picture in pictures for tile in (picture, saliency(network, picture))]
            save(f"{name}_saliency", sheet(torch.cat(pairs), 6), enlarge=2)
        if "features" in arguments.only:
            # Before the ReLU: behind it a channel that does not fire yet has no gradient to follow.
            tiles = [visualize(network, f"{layer}@{layer}", channels) for layer, channels in FEATURES.items()]
            save(f"{name}_features", sheet(torch.cat(tiles), 4))
        if "classes" in arguments.only:
            indices = [network.labels.index(label) for label in CLASSES]
            save(f"{name}_classes", sheet(visualize(network, "head", indices), 4))
        if "dream" in arguments.only:
            save(f"{name}_dream", dream(network, photograph("coffee", 400))[0])


if __name__ == "__main__":
    main()
