"""Judge variants by their pictures, side by side: first filters, saliency, features from noise, a dream.

    python training/compare.py natural aligned

writes `pictures/<name>_<kind>.png` for each of `weights/<name>.safetensors`, made by convscope itself.
"""

from __future__ import annotations

import argparse

import numpy as np
from export import WEIGHTS
from PIL import Image

from convscope import feature_visualization, filters, open_network, saliency
from convscope.dreaming.deep_dream import deep_dream
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from pictures import HERE

PICTURES = HERE / "pictures"
CLASSES = ("espresso", "monarch", "goldfish", "school bus", "tabby", "lemon", "spider web", "king penguin")
FEATURES = {
    "mixed3b_3x3": (8, 40, 80, 120),
    "mixed4b_3x3": (10, 50, 90, 150),
    "mixed5b_3x3": (20, 80, 140, 200),
}
STEPS = 64  # few, so that what the gradients are like shows


def pasted(pictures: list[Picture], columns: int) -> Picture:
    """Pictures of one height, row by row."""
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    return Picture(np.concatenate([np.concatenate([made.array[..., :3] for made in row], 1) for row in rows]))


def wanted(network: Network, addresses: list[str]) -> Picture:
    """What units want to see, after few steps."""
    return pasted(feature_visualization(network, addresses, size=112, steps=STEPS), 4)


def made(network: Network) -> dict[str, Picture]:
    """Every picture of one variant."""
    photographs = ("coffee", "chelsea", "astronaut")
    return {
        "filters": filters(network, "conv1", scale="tile"),
        "saliency": pasted([saliency(network, name, panels=("picture", "map")) for name in photographs], 1),
        "features": wanted(
            network, [f"{layer}:{channel}" for layer, chosen in FEATURES.items() for channel in chosen]
        ),
        "classes": wanted(network, [f"prob:{label}" for label in CLASSES]),
        "dream": deep_dream(network, "coffee", "mixed4b", size=400),
    }


def main() -> None:
    """Make every picture of every variant named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+")
    PICTURES.mkdir(exist_ok=True)
    for name in parser.parse_args().names:
        for kind, picture in made(open_network(WEIGHTS / f"{name}.safetensors")).items():
            # Half a palette's size, and no recipe: these are for the model card.
            colors = Image.fromarray(picture.array[..., :3]).quantize(128, dither=Image.Dither.NONE)
            colors.save(PICTURES / f"{name}_{kind}.png", optimize=True)
            print(PICTURES / f"{name}_{kind}.png")


if __name__ == "__main__":
    main()
