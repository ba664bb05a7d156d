"""Style presets against the numbers of their sources, and step for step against loops written from them."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.resizing import center_crop, resize
from convscope.network.rewriting import rewritten, with_edges
from convscope.optimization.optimizers import LBFGS, Adam, GradientAscent
from convscope.optimization.regularizers import NeighborDifference, TotalVariation
from convscope.pictures.photograph import read_picture
from convscope.styling.losses import (
    GramLoss,
    MomentsLoss,
    WassersteinLoss,
    half_square_of_shares,
    mean_square,
    sum_of_squares,
)
from convscope.styling.presets import STYLE_PRESETS, keras_rate, style_preset
from convscope.styling.settings import Scales, StyleSettings
from convscope.styling.steps import style_steps
from convscope.styling.targets import Style, targets_of
from optimization.style_oracle import CONTENT, SOURCES, transferred
from planted import planted_network
from precision import in_double_precision

FIVE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
ONES, FIFTHS = dict.fromkeys(FIVE, 1.0), dict.fromkeys(FIVE, 0.2)
LECTURE = {
    "style_layers": ONES,
    "content": half_square_of_shares,
    "style": GramLoss("volume", "lecture"),
    "smoothness": TotalVariation(1.0, "power", 2.5),
    "optimizer": Adam(before_correction=True),
    "steps": 100,
}
TABLE = {
    "default": {
        "content_layers": {"conv4_2": 1.0},
        "style_layers": FIFTHS,
        "style": MomentsLoss(),
        "smoothness": NeighborDifference(1.0),
        "content_weight": 1.0,
        "style_weight": 2.0,
        "smoothness_weight": 0.5,
        "optimizer": Adam((0.9, 0.99)),
        "rate": 0.02,
        "steps": 80,
        "scales": Scales(2.0, 96),
        "clamp": True,
        "average": 0.9,
        "in_units": True,
        "recolor": True,
    },
    "lecture": LECTURE
    | {
        "content_layers": {"conv4_2": 1.0},
        "content_weight": 0.1,
        "style_weight": 5.0,
        "smoothness_weight": 0.01,
        "rate": 0.01,
    },
    "homework": LECTURE
    | {
        "content_layers": {"conv3_2": 1.0},
        "content_weight": 5.0,
        "style_weight": 1.0,
        "smoothness_weight": 0.001,
        "rate": 0.05,
        "start": "noise",
        "noise": None,
    },
    "neural-style": {
        "content_layers": {"conv4_2": 1.0},
        "style_layers": ONES,
        "style": GramLoss("volume", "mean"),
        "smoothness": TotalVariation(0.5, "power", 2.0),
        "content_weight": 5.0,
        "style_weight": 100.0,
        "smoothness_weight": 1e-3,
        "optimizer": LBFGS(100),
        "rate": 1.0,
        "steps": 1000,
        "start": "noise",
        "noise": 0.001 / 255,
        "white": 255.0,
    },
    "gatys": {
        "content_layers": {"conv4_2": 1.0},
        "style_layers": ONES,
        "style": GramLoss("positions", "lecture"),
        "style_weight": 2000.0,
        "optimizer": LBFGS(100),
        "rate": 1.0,
        "steps": 200,
        "first_steps": 500,
        "scales": Scales(800 / 512, 64, 2),
        "white": 255.0,
    },
    "pytorch-tutorial": {
        "content_layers": {"conv2_2": 1.0},
        "style_layers": dict.fromkeys(("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"), 1.0),
        "style": GramLoss("volume", "mean"),
        "style_weight": 1e6,
        "optimizer": LBFGS(100),
        "rate": 1.0,
        "steps": 300,
        "clamp": True,
    },
    "tf2": {
        "content_layers": {"conv5_2": 1.0},
        "style_layers": FIFTHS,
        "style": GramLoss("positions", "mean"),
        "smoothness": TotalVariation(1.0, "anisotropic"),
        "content_weight": 1e4,
        "style_weight": 1e-2,
        "smoothness_weight": 30.0,
        "optimizer": Adam((0.99, 0.999), 0.1, before_correction=True),
        "rate": 0.02,
        "steps": 1000,
        "clamp": True,
    },
    "keras": {
        "content_layers": {"conv5_2": 1.0},
        "style_layers": FIFTHS,
        "content": sum_of_squares,
        "style": GramLoss("nothing", "keras"),
        "smoothness": TotalVariation(1.0, "power", 2.5),
        "content_weight": 2.5e-8,
        "style_weight": 1e-6,
        "smoothness_weight": 1e-6,
        "optimizer": GradientAscent("none"),
        "rate": keras_rate,
        "steps": 4000,
        "white": 255.0,
    },
    "wasserstein": {
        "content_layers": {"conv4_2": 1.0},
        "style_layers": dict(zip(FIVE, (256 / 341, 64 / 341, 16 / 341, 4 / 341, 1 / 341), strict=True)),
        "style": WassersteinLoss(1e-4),
        "smoothness": NeighborDifference(1.0),
        "content_weight": 0.015,
        "style_weight": 1.0,
        "smoothness_weight": 2.0,
        "optimizer": Adam((0.9, 0.99)),
        "rate": 0.02,
        "steps": 500,
        "first_steps": 1000,
        "scales": Scales(2**0.5, 128),
        "clamp": True,
        "average": 0.99,
        "edges": "replicate",
        "first_edge_only": True,
    },
}
USUAL = {
    "content": mean_square,
    "style": GramLoss(),
    "smoothness": None,
    "content_weight": 1.0,
    "style_weight": 1.0,
    "smoothness_weight": 0.0,
    "first_steps": None,
    "scales": Scales(most=1),
    "start": "content",
    "noise": 0.1,
    "black": 0.0,
    "white": 1.0,
    "clamp": False,
    "average": 0.0,
    "style_scale": 1.0,
    "pooling": "as it is",
    "edges": "zeros",
    "first_edge_only": False,
    "in_units": False,
    "recolor": False,
    "precision": "float32",
}
# A picture of 900 by 1,200 pixels, and one that stands, as the sources' code makes them: torchvision's Scale and Resize
# (Gatys, Jacq) take the shorter side, Keras's img_nrows the height, torch's image.scale and the others the longer side.
LYING = {"default": 512, "lecture": 224, "homework": 224, "neural-style": 512, "gatys": 1067}
LYING |= {"pytorch-tutorial": 683, "tf2": 512, "keras": 533, "wasserstein": 512}
STANDING = LYING | {"keras": 400}


@pytest.mark.parametrize("name", STYLE_PRESETS)
def test_every_number_of_a_preset_is_its_source_s(name: str) -> None:
    found = {item.name: getattr(STYLE_PRESETS[name].settings, item.name) for item in fields(StyleSettings)}
    assert found == USUAL | TABLE[name]
    assert STYLE_PRESETS[name].longer_side((900, 1200)) == LYING[name]
    assert STYLE_PRESETS[name].longer_side((1200, 900)) == STANDING[name]
    assert STYLE_PRESETS[name].before_relu == (name == "pytorch-tutorial")


@pytest.mark.parametrize("name", SOURCES)
def test_a_preset_takes_its_source_s_steps(name: str) -> None:
    """In double precision: the planted network's first convolution gives style, its second style and content."""
    source, preset = SOURCES[name], STYLE_PRESETS[name]
    network = in_double_precision(planted_network())
    suffix = {"conv1": "conv1@conv1", "conv2": "conv2@conv2"} if source.before_relu else {}
    settings = replace(
        preset.settings,
        content_layers={suffix.get(CONTENT, CONTENT): 1.0},
        style_layers={suffix.get(layer, layer): weight for layer, weight in source.layers.items()},
    )
    if settings.edges != "zeros":
        network = rewritten(network, with_edges(network, settings.edges, first_only=True))
    random = np.random.default_rng(0)
    content, style = (torch.from_numpy(random.random((1, 3, *size))) for size in ((24, 20), (16, 28)))
    start = (content + torch.from_numpy(random.normal(0, 0.05, content.shape))).clamp(0, 1)
    values = settings.values(start)
    steps = [*style_steps(targets_of(network, content, [Style(style)], settings), values, 5)]
    losses, expected = transferred(source, dict(network.parameters), content, style, values, source.layers, 5)
    assert [step.total for step in steps] == pytest.approx(losses, rel=1e-6)
    assert losses[-1] != losses[0]
    assert float((steps[-1].values - expected).abs().max()) < 1e-5 * float((expected - values).abs().max())


def test_the_lecture_s_published_total_variation() -> None:
    """At iteration 0 on scikit-image's coffee: its middle square, bilinear without antialiasing, 224 x 224."""
    coffee = read_picture("coffee")
    square = resize(center_crop(coffee, (400, 400)), (224, 224), antialias=False)
    pixels = torch.from_numpy(np.ascontiguousarray(square)).movedim(-1, 0)[None]
    settings = STYLE_PRESETS["lecture"].settings
    assert settings.smoothness_weight * float(settings.smoothness(pixels)) == pytest.approx(7.2522, abs=5e-5)


def test_keras_s_rate_falls_by_four_percent_a_hundred_steps() -> None:
    assert [keras_rate(step) for step in (1, 101, 201)] == pytest.approx([100, 96, 92.16])


def test_an_unknown_preset_is_answered_with_the_closest() -> None:
    with pytest.raises(InputError, match=r"no style preset 'neural_style'\. Did you mean 'neural-style'"):
        style_preset("neural_style")


def test_sizes_from_coarse_to_fine() -> None:
    assert Scales(2**0.5, 128).sizes((512, 256)) == ((128, 64), (181, 90), (256, 128), (362, 181), (512, 256))
    assert STYLE_PRESETS["gatys"].settings.scales.sizes((800, 600)) == ((512, 384), (800, 600))
    # first strokes of 64 pixels painted a fifth of the picture over, a face for example
    assert STYLE_PRESETS["default"].settings.scales.sizes((256, 192)) == ((128, 96), (256, 192))
    assert Scales(most=1).sizes((30, 40)) == ((30, 40),)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"style_weight": float("nan")}, {"content_weight": -1.0}])
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        replace(STYLE_PRESETS["default"].settings, **wrong)


def test_the_loss_of_a_texture_is_the_same_at_every_size() -> None:
    """Relative losses mean the same in a picture four times as wide: within 10 %, what the edges do."""
    random = np.random.default_rng(1)
    patterns = [np.kron(random.random((3, 4, 4)), np.ones((1, 4, 4))) for _ in range(2)]
    network = planted_network()
    found = []
    for repeats in (4, 16):
        content, style = (torch.from_numpy(np.tile(p, (1, repeats, repeats)))[None].float() for p in patterns)
        settings = replace(
            STYLE_PRESETS["default"].settings,
            content_layers={"conv2": 1.0},
            style_layers={"conv1": 0.5, "conv2": 0.5},
        )
        targets = targets_of(network, content, [Style(style)], settings)
        brighter = content.mul(0.8).add(0.1)
        losses = targets.losses(brighter)
        found.append(SimpleNamespace(**{name: float(loss) for name, loss in losses.items()}))
    for name in ("content", "style", "smoothness"):
        assert getattr(found[0], name) == pytest.approx(getattr(found[1], name), rel=0.1)
