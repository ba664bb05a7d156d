"""A picture has one recipe, whether a command made it or the function of the same name in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import convscope
from convscope.cli import main
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import read_recipe
from planted import planted_files

Made = Callable[[Network], Picture]
PHOTO = "photo.png"
DREAM = {"octaves": 2, "iterations": 2, "seed": 3}
STYLE = {
    "iterations": 2,
    "rate": 0.001,
    "content_layers": {"conv2": 1.0},
    "style_layers": {"conv1": 2.0, "conv2": 1.0},
}
STYLE_LAYERS = "--content-layer=conv2 --style-layer=conv1=2 --style-layer=conv2"
METHODS = (
    *("saliency", "gradient-times-input", "smoothgrad", "integrated-gradients"),
    *("guided-backprop", "deconvnet"),
)
# The command's words after its name, NET and PHOTO put in, and the same in Python.
CASES: dict[str, tuple[str, Made]] = {
    "filters": (
        "filters NET conv1 --palette magma",
        lambda net: convscope.filters(net, "conv1", palette="magma"),
    ),
    "activations": (
        "activations NET PHOTO conv1 --order strongest",
        lambda net: convscope.activations(net, PHOTO, "conv1", order="strongest"),
    ),
    "values": ("values NET PHOTO prob --bins 7", lambda net: convscope.values(net, PHOTO, "prob", bins=7)),
    "see": (
        "see NET conv1:0 --size 32 --steps 3 --seed 2",
        lambda net: convscope.feature_visualization(net, "conv1:0", size=32, steps=3, seed=2)[0],
    ),
    "sheet": (
        "sheet NET conv1 --channels 2 --size 32 --steps 3",
        lambda net: convscope.feature_sheet(net, "conv1", channels=2, size=32, steps=3),
    ),
    "dream": (
        "dream NET PHOTO --layer conv2 --octaves 2 --iterations 2 --seed 3",
        lambda net: convscope.deep_dream(net, PHOTO, "conv2", **DREAM),
    ),
    "dream in tiles": (
        "dream NET PHOTO --layer conv1=0.5 --octaves 2 --iterations 2 --seed 3 --tile 32 --guide PHOTO --keep-colors",
        lambda net: convscope.deep_dream(
            net, PHOTO, {"conv1": 0.5}, tile=32, guide=PHOTO, keep_colors=True, **DREAM
        ),
    ),
    "a dream of its own layer, in memory": (
        "dream NET PHOTO --octaves 2 --iterations 2 --seed 3 --memory 50GB",
        lambda net: convscope.deep_dream(net, PHOTO, memory="50GB", changes=DREAM),
    ),
    "style": (
        f"style NET PHOTO --style PHOTO --iterations 2 --rate 0.001 --match-colors {STYLE_LAYERS}",
        lambda net: convscope.style_transfer(net, PHOTO, {PHOTO: 1.0}, match_colors=True, **STYLE),
    ),
    "style of one picture": (
        f"style NET PHOTO --style PHOTO --iterations 2 --rate 0.001 --region PHOTO {STYLE_LAYERS}",
        lambda net: convscope.style_transfer(net, PHOTO, PHOTO, regions=[PHOTO], **STYLE),
    ),
} | {
    f"gradients {method}": (
        f"gradients NET PHOTO conv2 --method {method}",
        lambda net, method=method: getattr(convscope, name_of(method))(net, PHOTO, "conv2"),
    )
    for method in METHODS
}


def name_of(method: str) -> str:
    return method.replace("-", "_")


@pytest.mark.parametrize("case", CASES)
def test_command_and_python_write_one_recipe(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    source = str(planted_files(tmp_path / "planted"))
    pixels = np.random.default_rng(4).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(PHOTO)
    words, made = CASES[case]
    arguments = [{"NET": source, "PHOTO": PHOTO}.get(word, word) for word in words.split()]
    result = CliRunner().invoke(main, [*arguments, "-o", "made.png"])
    assert result.exit_code == 0, result.output
    assert made(convscope.open_network(source)).recipe == read_recipe("made.png")
