"""A picture has one recipe, whether a command made it or the function of the same name in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import convscope
from convscope.attribution.registry import METHODS
from convscope.cli import main
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import read_recipe
from planted import ATTRIBUTIONS, planted_files

Made = Callable[[Network], Picture]
PHOTO = "photo.png"
DREAM = {"octaves": 2, "steps": 2, "seed": 3}
STYLE = {
    "steps": 2,
    "rate": 0.001,
    "content_layers": {"conv2": 1.0},
    "style_layers": {"conv1": 2.0, "conv2": 1.0},
}
STYLE_LAYERS = "--content-layer=conv2 --style-layer=conv1=2 --style-layer=conv2"
QUICK: dict[str, dict[str, int]] = {  # what keeps the slow methods short
    "rise": {"samples": 12},
    "shapley": {"samples": 2, "grid": 2},
    "smoothgrad": {"samples": 3},
    "occlusion": {"window": 24, "stride": 24},
    "integrated_gradients": {"steps": 4},
}
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
    "tuning-curves": ("tuning-curves NET conv1:4", lambda net: convscope.tuning_curves(net, "conv1:4")),
    "see": (
        "see NET conv1:0 --size 32 --steps 3 --seed 2",
        lambda net: convscope.feature_visualization(net, "conv1:0", size=32, steps=3, seed=2)[0],
    ),
    "sheet": (
        "sheet NET conv1 --channels 2 --size 32 --steps 3",
        lambda net: convscope.feature_sheet(net, "conv1", channels=2, size=32, steps=3),
    ),
    "dream": (
        "dream NET PHOTO --layer conv2 --octaves 2 --steps 2 --seed 3",
        lambda net: convscope.deep_dream(net, PHOTO, "conv2", **DREAM),
    ),
    "dream in tiles": (
        "dream NET PHOTO --layer conv1=0.5 --octaves 2 --steps 2 --seed 3 --tile 32 --guide PHOTO --keep-colors",
        lambda net: convscope.deep_dream(
            net, PHOTO, {"conv1": 0.5}, tile=32, guide=PHOTO, keep_colors=True, **DREAM
        ),
    ),
    "a dream of its own layer, in memory": (
        "dream NET PHOTO --octaves 2 --steps 2 --seed 3 --memory 50GB",
        lambda net: convscope.deep_dream(net, PHOTO, memory="50GB", changes=DREAM),
    ),
    "style": (
        f"style NET PHOTO --style PHOTO --steps 2 --rate 0.001 --match-colors {STYLE_LAYERS}",
        lambda net: convscope.style_transfer(net, PHOTO, {PHOTO: 1.0}, match_colors=True, **STYLE),
    ),
    "style of one picture": (
        f"style NET PHOTO --style PHOTO --steps 2 --rate 0.001 --region PHOTO {STYLE_LAYERS}",
        lambda net: convscope.style_transfer(net, PHOTO, PHOTO, regions=[PHOTO], **STYLE),
    ),
    "relevance tree": (
        "evidence NET PHOTO red --method relevance-tree --channels 1 --steps 1",
        lambda net: convscope.relevance_tree(net, PHOTO, "red", channels=1, steps=1),
    ),
    "classify": (
        "classify NET PHOTO --top 2",
        lambda net: convscope.predictions(net, PHOTO, top=2),
    ),
    "every class": (
        "classify NET PHOTO --every-class --theme dark",
        lambda net: convscope.probabilities(net, PHOTO, theme="dark"),
    ),
    "layers": (
        "evidence NET PHOTO conv1 conv2 --method layers",
        lambda net: convscope.layer_gradients(net, PHOTO, ["conv1", "conv2"]),
    ),
    "channels": (
        "evidence NET PHOTO conv1 --method channels --channels 0,2",
        lambda net: convscope.channel_gradients(net, PHOTO, "conv1", channels=[0, 2]),
    ),
    "sanity": (
        "evidence NET PHOTO scores:0 --method saliency --sanity",
        lambda net: convscope.sanity_check(net, PHOTO, "scores:0", method="saliency"),
    ),
    "gradients": ("gradients NET PHOTO conv2", lambda net: convscope.saliency(net, PHOTO, "conv2")),
} | {
    f"evidence {name}": (
        f"evidence NET PHOTO scores:0 --method {name.replace('_', '-')} "
        + " ".join(f"--{option} {value}" for option, value in QUICK.get(name, {}).items()),
        lambda net, method=method: method.function(net, PHOTO, "scores:0", **QUICK.get(method.name, {})),
    )
    for name, method in METHODS.items()
    if name in ATTRIBUTIONS
}


@pytest.mark.filterwarnings("ignore:the losses did not become smaller")  # in two steps they need not
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


def test_a_recipe_that_calls_the_target_an_address_is_rerun(tmp_path: Path) -> None:
    network = convscope.open_network(planted_files(tmp_path / "planted"))
    pixels = np.random.default_rng(4).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    for method in ("saliency", "grad_cam"):
        found = METHODS[method].function(network, pixels, "scores:1")
        assert found.recipe is not None
        arguments = dict(found.recipe.arguments)
        former = replace(found.recipe, arguments={"address": arguments.pop("target"), **arguments})
        again = convscope.rerun(former, network=network, picture=pixels)
        assert again.recipe == found.recipe and np.array_equal(again.array, found.array)
