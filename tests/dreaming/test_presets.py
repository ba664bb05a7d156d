"""Dream presets: every parameter as published, and five steps an octave against plain loops of the sources."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

import dream_sources
import planted
from convscope.dreaming.deep_dream import deep_dream, dream_of
from convscope.dreaming.gradients import gradient_of
from convscope.dreaming.objectives import DreamTerm, dream_terms
from convscope.dreaming.presets import DREAM_PRESETS, dream_preset
from convscope.dreaming.steps import dream_steps
from convscope.dreaming.targets import terms_of, with_channels
from convscope.errors import InputError
from convscope.optimization.gradient_edits import (
    GradientBlur,
    GradientClip,
    GradientDecay,
    LaplacianNormalized,
    Normalized,
)
from convscope.optimization.regularizers import Blur, Decay, SmallValues
from precision import in_double_precision

Array = NDArray[np.float64]
STEPS = 5
WEIGHTS = {"conv1": 1.0, "conv2": 0.5}
PICTURE: Array = np.random.default_rng(3).random((96, 120, 3))

ONE_SIZE = {"count": 1, "detail": "none"}
LECTURE = {
    "octaves": ONE_SIZE,
    "rate": 1.0,
    "gradient_edits": (Normalized("max", 1e-8),),
    "black": -117.0,
    "white": 138.0,
    "shown": "normalized",
}
SCHOOL_BUS = LECTURE | {
    "steps": 100,
    "layers": {"output2:962": 1.0},
    "measure": "mean",
    "probability": True,
}
CLIPPED = (Decay(0.05), Blur(1.0, every=5), SmallValues(5.0))
TENSORFLOW = {"rate": 1.0, "steps": 10, "jitter": 512, "measure": "mean", "white": 255.0}
GROWING = {
    "count": 3,
    "scale": 1.4,
    "grow": True,
    "rounding": "down",
    "resize": "legacy",
    "detail": "none",
}
TITLES = SCHOOL_BUS | {"edits": ()}
GRADIENT_DECAYS = (Normalized("max", 1e-8), GradientDecay(0.95))
GRADIENT_BLURS = GradientBlur(1.0, every=5)
CHANNEL = {"layers": {"mixed4d_3x3_bottleneck_pre_relu:139": 1.0}}
PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "default": {
        "octaves": {"count": 4, "scale": 1.4, "resize": "half_pixel", "detail": "carry", "fewer": True},
        "steps": 12,
        "rate": 0.006,
        "gradient_edits": (LaplacianNormalized(3), Normalized("mean", 1e-12)),
        "jitter": 16,
        "white": 1.0,
        "clip": True,
        "measure": "mean_square",
        "layers": {},
    },
    "google-2015": {
        "octaves": {"count": 4, "scale": 1.4, "resize": "corners", "detail": "carry"},
        "steps": 10,
        "rate": 1.5,
        "gradient_edits": (Normalized("mean", 0.0),),
        "jitter": 32,
        "clip": True,
        "measure": "mean_square",
        "layers": {"inception_4c/output": 1.0},
        "guided_layers": {"inception_3b/output": 1.0},
    },
    "cadl-simplest": LECTURE | {"steps": 50, "layers": {"maxpool0": 1.0}, "measure": "mean"},
    "cadl-maximum": LECTURE | {"steps": 50, "layers": {"maxpool0": 1.0}, "measure": "maximum"},
    "cadl-objective": LECTURE
    | {
        "steps": 30,
        "layers": {"mixed5b_pool_reduce_pre_relu": 1.0},
        "measure": "mean",
        "one_channel": True,
    },
    "cadl-decay": SCHOOL_BUS | {"edits": CLIPPED[:1]},
    "cadl-blur": SCHOOL_BUS | {"edits": CLIPPED[:2]},
    "cadl-clip": SCHOOL_BUS | {"edits": CLIPPED},
    "cadl-fractal": SCHOOL_BUS | {"edits": CLIPPED, "steps": 1000, "zoom": 1},
    "cadl-decay-gradient": TITLES | {"gradient_edits": GRADIENT_DECAYS},
    "cadl-blur-gradient": TITLES | {"gradient_edits": (GRADIENT_BLURS, *GRADIENT_DECAYS)},
    "cadl-clip-gradient": TITLES | {"gradient_edits": (GRADIENT_BLURS, GradientClip(95.0), *GRADIENT_DECAYS)},
    "tf-naive": TENSORFLOW
    | CHANNEL
    | {"octaves": ONE_SIZE, "steps": 20, "jitter": 0, "gradient_edits": (Normalized("std", 1e-8),)},
    "tf-multiscale": TENSORFLOW
    | CHANNEL
    | {"octaves": GROWING, "gradient_edits": (Normalized("std", 1e-8),)},
    "tf-laplacian": TENSORFLOW | CHANNEL | {"octaves": GROWING, "gradient_edits": (LaplacianNormalized(4),)},
    "tf-deepdream": TENSORFLOW
    | {
        "octaves": {"count": 4, "scale": 1.4, "rounding": "down", "resize": "legacy", "detail": "laplacian"},
        "rate": 1.5,
        "gradient_edits": (Normalized("mean", 1e-7),),
        "measure": "mean_square",
        "layers": {"mixed4c": 1.0},
    },
    "tf2": {
        "octaves": {
            "scale": 1.3,
            "exponents": (-2, -1, 0, 1, 2),
            "rounding": "down",
            "stepwise": False,
            "resize": "half_pixel",
            "detail": "none",
        },
        "steps": 50,
        "rate": 0.01,
        "gradient_edits": (Normalized("std", 1e-8),),
        "black": -1.0,
        "white": 1.0,
        "clip": True,
        "back": True,
        "measure": "mean",
        "layers": {"mixed3": 1.0, "mixed5": 1.0},
    },
    "keras": {
        "octaves": {
            "count": 3,
            "scale": 1.4,
            "rounding": "down",
            "stepwise": False,
            "resize": "half_pixel",
            "detail": "lost",
        },
        "steps": 20,
        "rate": 0.01,
        "gradient_edits": (Normalized("mean", 1e-6, at_least=True),),
        "black": -1.0,
        "white": 1.0,
        "stop_above": 15.0,
        "measure": "inner_mean_square",
        "layers": {"mixed4": 1.0, "mixed5": 1.5, "mixed6": 2.0, "mixed7": 2.5},
    },
}
OTHERWISE = {
    "edits": (),
    "jitter": 0,
    "zoom": 0,
    "black": 0.0,
    "white": 255.0,
    "clip": False,
    "stop_above": None,
    "shown": "clipped",
    "back": False,
    "precision": "float32",
    "probability": False,
    "guided_layers": {},
    "one_channel": False,
}
OCTAVES_OTHERWISE = {
    "count": 1,
    "scale": 1.4,
    "grow": False,
    "exponents": None,
    "rounding": "nearest",
    "stepwise": True,
    "resize": "corners",
    "fewer": False,
}


@pytest.mark.parametrize("name", DREAM_PRESETS)
def test_every_parameter_is_the_published_one(name: str) -> None:
    preset, expected = DREAM_PRESETS[name], OTHERWISE | PUBLISHED[name]
    found = {key: getattr(preset.settings, key) for key in asdict(preset.settings)}
    others = ("measure", "layers", "guided_layers", "one_channel", "probability")
    found |= {key: getattr(preset, key) for key in others}
    assert found | {"octaves": asdict(preset.settings.octaves)} == expected | {
        "octaves": OCTAVES_OTHERWISE | expected["octaves"]
    }
    assert preset.source


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")  # what comes of other networks
@pytest.mark.parametrize("name", ["tf-naive", "tf-multiscale", "tf-laplacian"])
def test_what_the_tutorial_dreams_into_noise_is_shown_as_it_shows_it(name: str) -> None:
    network = planted.planted_network()
    shown = deep_dream(network, None, "conv2", preset=name, size=40, steps=2).array / 255
    assert shown.mean() == pytest.approx(0.5, abs=0.01) and shown.std() == pytest.approx(0.1, abs=0.01)
    assert dream_of(network, PICTURE, "conv2", preset=name).settings.shown == "clipped"


def test_what_each_starts_from() -> None:
    starts = {name: preset.start for name, preset in DREAM_PRESETS.items()}
    assert {name for name, start in starts.items() if start.kind == "picture"} == {
        "google-2015",
        "tf-deepdream",
        "tf2",
        "keras",
    }
    generator = torch.Generator().manual_seed(0)
    for name in ("tf-naive", "tf-multiscale", "tf-laplacian"):
        noise = starts[name].values(None, generator)
        assert noise.shape == (1, 3, 224, 224) and 100 <= noise.min() < 100.1 < 100.9 < noise.max() <= 101
    school_bus = ("cadl-decay", "cadl-blur", "cadl-clip")
    for name in (*school_bus, *(f"{name}-gradient" for name in school_bus), "cadl-fractal"):
        noise = starts[name].values(None, generator)  # the lecture records -17 to 31.9579
        assert noise.shape == (1, 3, 299, 299) and -17 <= noise.min() < -16.5 and 31.5 < noise.max() <= 32
    noise = starts["cadl-objective"].values(None, generator)
    assert -17 / 255 <= noise.min() < -16.5 / 255 and noise.max() <= 32 / 255
    photograph = torch.tensor([-117.0, 0.0, 69.0]).view(1, 3, 1, 1)
    assert starts["cadl-simplest"].values(photograph, generator).flatten().tolist() == pytest.approx(
        [-117 / 69, 0, 1]
    )
    assert starts["cadl-maximum"] == starts["cadl-simplest"]
    possible = "give one, or take a preset that starts from noise (default, cadl-objective, cadl-decay"
    with pytest.raises(InputError, match=re.escape(f"this dream starts from a picture: {possible}")):
        starts["google-2015"].values(None, generator)


def test_an_unknown_preset_is_answered_with_the_closest() -> None:
    with pytest.raises(InputError, match="Did you mean 'google-2015'"):
        dream_preset("gogle-2015")


def as_leaf(picture: Array) -> torch.Tensor:
    return torch.tensor(picture).movedim(-1, 0)[None].requires_grad_()


def own_answers(leaf: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the planted network's convolutions answer, in float64 by hand."""
    weights = {name: value.double() for name, value in planted._weights().items()}
    conv1 = F.conv2d(leaf, weights["conv1.weight"], weights["conv1.bias"], padding=2).relu()
    return conv1, F.conv2d(F.max_pool2d(conv1, 2, ceil_mode=True), weights["conv2.weight"], padding=1).relu()


def own_objective(measure: str) -> Callable[[Array], tuple[float, Array]]:
    """An objective and its gradient: (height, width, 3) in 0..1 to the same."""

    def objective(picture: Array) -> tuple[float, Array]:
        leaf = as_leaf(picture)
        total = torch.zeros((), dtype=torch.float64)
        for weight, answer in zip((1.0, 0.5), own_answers(leaf), strict=True):
            if measure == "mean":
                total = total + weight * answer.mean()
            elif measure == "mean_square":
                total = total + weight * (answer**2).mean()
            elif measure == "maximum":
                total = total + weight * answer.max(1).values.mean()
            else:
                total = total + weight * (answer[:, :, 2:-2, 2:-2] ** 2).sum() / answer.numel()
        total.backward()
        assert leaf.grad is not None
        return total.item(), leaf.grad[0].movedim(0, -1).numpy()

    return objective


def rolls(jitter: int) -> Iterator[tuple[int, int]]:
    generator = torch.Generator().manual_seed(0)
    while True:
        down, right = torch.randint(-jitter, jitter + 1, (2,), generator=generator).tolist()
        yield down, right


def source(name: str, values: Array) -> Array:
    """What the source's own loop makes of the values."""
    objective = own_objective(DREAM_PRESETS[name].measure)

    def gradient(picture: Array) -> Array:
        return objective(picture)[1]

    if name.endswith("-gradient"):
        blur, clip = name != "cadl-decay-gradient", name == "cadl-clip-gradient"
        return dream_sources.lecture_titles(values, gradient, STEPS, blur=blur, clip=clip)
    if name.startswith("cadl-"):
        effects = ("decay", "blur", "clip", "fractal")
        until = effects.index(name[5:]) if name[5:] in effects else -1
        flags = {effect: effects.index(effect) <= until for effect in effects}
        flags["zoom"] = flags.pop("fractal")
        return dream_sources.lecture(values, gradient, STEPS, **flags)
    match name:
        case "google-2015":
            return dream_sources.google_2015(values, gradient, STEPS, rolls(32))
        case "tf-naive":
            return dream_sources.tensorflow_naive(values, gradient, STEPS)
        case "tf-multiscale" | "tf-laplacian":
            laplacian = name == "tf-laplacian"
            return dream_sources.tensorflow_growing(values, gradient, STEPS, rolls(512), laplacian=laplacian)
        case "tf-deepdream":
            return dream_sources.tensorflow_deepdream(values, gradient, STEPS, rolls(512))
        case "tf2":
            return dream_sources.tensorflow_2(values, gradient, STEPS)
        case _:
            return dream_sources.keras(values, objective, STEPS)


def dreamed(
    name: str, start: Array, terms: tuple[DreamTerm, ...] | None = None, **changes: Any
) -> tuple[Array, Array]:
    """What convscope makes of values (height, width, 3): the values, and what is shown of them."""
    preset = DREAM_PRESETS[name]
    settings = replace(preset.settings, steps=STEPS, **changes)
    gradient = gradient_of(
        in_double_precision(planted.planted_network()),
        terms or dream_terms(WEIGHTS, preset.measure),
        settings,
    )
    values = torch.tensor(start).movedim(-1, 0)[None]
    (last,) = deque(dream_steps(gradient, values, settings, torch.Generator().manual_seed(0)), maxlen=1)
    return last.values[0].movedim(0, -1).numpy(), last.picture()[0].movedim(0, -1).numpy()


@pytest.mark.parametrize("name", [name for name in DREAM_PRESETS if name != "default"])
def test_five_steps_an_octave_are_those_of_the_source(name: str) -> None:
    settings = DREAM_PRESETS[name].settings
    start = PICTURE * (settings.white - settings.black) + settings.black
    found, _ = dreamed(name, start)
    if settings.back:
        found = dream_sources.half_pixel(found, start.shape[:2])
    expected = source(name, start)
    assert found.shape == expected.shape
    moved = np.abs(expected - start).mean() if expected.shape == start.shape else np.abs(expected).mean()
    assert np.abs(found - expected).max() < 1e-5 * (settings.white - settings.black)
    assert moved > 1e-3 * (settings.white - settings.black)


def test_five_steps_an_octave_of_the_guided_dream_are_googles() -> None:
    """The seed of each position is the guide's feature with the largest dot product."""
    guide: Array = np.random.default_rng(7).random((50, 40, 3)) ** 3
    features = own_answers(as_leaf(guide))[1].detach().numpy()[0].reshape(3, -1)

    def gradient(picture: Array) -> Array:
        leaf = as_leaf(picture)
        answer = own_answers(leaf)[1]
        products = answer.detach().numpy()[0].reshape(3, -1).T @ features
        answer.backward(torch.tensor(features[:, products.argmax(1)].reshape(answer.shape)))
        assert leaf.grad is not None
        return leaf.grad[0].movedim(0, -1).numpy()

    network = in_double_precision(planted.planted_network())
    preset, pictures = DREAM_PRESETS["google-2015"], (as_leaf(one).detach() for one in (PICTURE, guide))
    terms = terms_of(network, {"conv2": 1.0}, preset, next(pictures), guide=next(pictures))
    found, _ = dreamed("google-2015", 255 * PICTURE, terms)
    expected = dream_sources.google_2015(255 * PICTURE, gradient, STEPS, rolls(32))
    assert np.abs(found - expected).max() < 1e-5 * 255
    assert np.abs(found - dreamed("google-2015", 255 * PICTURE)[0]).max() > 1
    assert np.abs(expected - 255 * PICTURE).mean() > 1


def test_the_objective_of_the_lecture_is_one_channel() -> None:
    network = in_double_precision(planted.planted_network())
    preset = DREAM_PRESETS["cadl-objective"]
    (address,) = with_channels(network, {"conv1": 1.0}, as_leaf(PICTURE).detach(), 3)
    channel = int(address.removeprefix("conv1:"))

    def gradient(picture: Array) -> Array:
        leaf = as_leaf(picture)
        own_answers(leaf)[0][0, channel].mean().backward()
        assert leaf.grad is not None
        return leaf.grad[0].movedim(0, -1).numpy()

    start = PICTURE * 255 - 117
    terms = terms_of(network, {address: 1.0}, preset, as_leaf(PICTURE).detach())
    found, _ = dreamed("cadl-objective", start, terms)
    expected = dream_sources.lecture(start, gradient, STEPS, decay=False, blur=False, clip=False, zoom=False)
    assert np.abs(found - expected).max() < 1e-5 * 255
    assert np.abs(expected - start).mean() > 0.1


def test_keras_stops_with_the_step_that_finds_it_too_large() -> None:
    expected = dream_sources.keras(PICTURE * 2 - 1, own_objective("inner_mean_square"), STEPS, highest=0.1)
    found, _ = dreamed("keras", PICTURE * 2 - 1, stop_above=0.1)
    assert np.abs(found - expected).max() < 2e-5
    assert np.abs(found - dreamed("keras", PICTURE * 2 - 1)[0]).max() > 1e-2


def test_the_lecture_shows_a_tenth_of_a_deviation_around_gray() -> None:
    values, shown = dreamed("cadl-simplest", PICTURE)
    assert np.abs(shown - np.clip((values - values.mean()) / values.std() * 0.1 + 0.5, 0, 1)).max() < 1e-6
