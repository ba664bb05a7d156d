"""Presets against the numbers of their sources, and step for step against loops written from those sources."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from canvases import generators
from convscope import open_network
from convscope.errors import InputError
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.optimization.ascent import ascend
from convscope.optimization.canvases.color import IMAGENET
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.magnitude_constrained import MagnitudeConstrained
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.canvases.pixels import Pixels
from convscope.optimization.canvases.ranges import Linear, Unprepared
from convscope.optimization.canvases.spectrum import PowerLaw
from convscope.optimization.objectives import unit
from convscope.optimization.optimizers import Adam, GradientAscent, Nadam, ProgressAscent
from convscope.optimization.presets import PRESETS, Standardized, Stretched, preset
from convscope.optimization.regularizers import Blur, Clamp, Decay, SmallContribution, SmallNorm, SmallValues
from convscope.optimization.settings import Settings
from convscope.optimization.transforms import Crop, Jitter, Noise, Pad, Rotate, Scale, Together
from planted import planted_network

Array = NDArray[Any]

CAFFE = InputSpec((20, 24), channel_order="BGR", raw_scale=255.0, mean=(102.0, 115.6, 127.5))
CENTER = (0.5, 115.6 / 255, 0.4)  # CAFFE's mean as RGB
LIMITS = Clamp((-127.5, -115.6, -102.0), (127.5, 139.4, 153.0))

TABLE: dict[str, dict[str, Any]] = {
    "lucid": {
        "canvas": Painting(Fourier(decay=1.0, deviation=0.01), IMAGENET),
        "transforms": (
            Together(
                (
                    Pad(12, 0.5),
                    Jitter(8),
                    Scale((0.9, 0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06, 1.08, 1.1)),
                    Rotate((*range(-10, 11), 0, 0, 0, 0, 0)),
                    Jitter(4),
                ),
                fill=0.5,
            ),
        ),
        "optimizer": Adam((0.9, 0.999), 1e-8),
        "rate": 0.05,
        "steps": 512,
        "size": (128, 128),
    },
    "keras-2016": {
        "canvas": Painting(Pixels(20 / 12**0.5, 128.0, "uniform"), range=Unprepared(CAFFE)),
        "optimizer": GradientAscent("rms", 0.0, 1e-5),
        "rate": 1.0,
        "steps": 20,
        "size": (128, 128),
        "display": Standardized(CENTER),
    },
    "convolutional-cats": {
        "canvas": Painting(Pixels(10.0, 127.0, "normal"), range=Unprepared(CAFFE)),
        "optimizer": GradientAscent("rms", 0.0, 1e-5),
        "rate": 1.0,
        "steps": 20,
        "size": (128, 128),
        "display": Standardized(CENTER),
    },
    "yosinski-1": {
        "edits": (Blur(0.5, 4), SmallNorm(50), LIMITS),
        "optimizer": ProgressAscent(100.0),
        "rate": 2.0,
        "steps": 500,
    },
    "yosinski-2": {"edits": (Decay(0.3), SmallNorm(20), LIMITS), "rate": 100.0, "steps": 750},
    "yosinski-3": {"edits": (Decay(0.0001), Blur(1.0, 4), LIMITS), "rate": 100.0, "steps": 1000},
    "yosinski-4": {
        "edits": (Blur(0.5, 4), SmallContribution(90), LIMITS),
        "optimizer": ProgressAscent(1e8),
        "rate": 2.0,
        "steps": 1000,
    },
    "maco": {
        "canvas": Painting(MagnitudeConstrained(PowerLaw(1.1, 1.0), 1.0, standardized=True), IMAGENET),
        "views": 32,
        "optimizer": Nadam((0.9, 0.999), 1e-7),
        "rate": 1.0,
        "steps": 256,
        "size": (512, 512),
    },
    "cadl-gradient": {
        "canvas": Painting(Pixels(50 / 12**0.5, 8.0, "uniform", whole=True), range=Linear(CENTER)),
        "edits": (Decay(0.05), Blur(1.0, 5), SmallValues(5)),
        "optimizer": GradientAscent("max", 0.0, 1e-8),
        "rate": 1.0,
        "steps": 100,
        "display": Standardized(CENTER),
    },
}
for number in range(1, 5):
    of_all_four = {
        "canvas": Painting(Pixels(10.0, 0.0, "normal"), range=Linear(CENTER, 255.0)),
        "optimizer": GradientAscent("none"),
        "display": Stretched(CENTER),
        "keep": "best",
    }
    TABLE[f"yosinski-{number}"] = of_all_four | TABLE[f"yosinski-{number}"]
UNLESS_SAID: dict[str, Any] = {
    "transforms": (),
    "views": 1,
    "penalties": (),
    "edits": (),
    "size": None,
    "patience": None,
    "keep": "last",
    "precision": "float32",
    "display": None,
}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_parameter_is_the_sources(name: str) -> None:
    found, expected = preset(name, CAFFE), UNLESS_SAID | TABLE[name]
    for field in Settings.__dataclass_fields__:
        if not (name == "maco" and field == "transforms"):
            assert _plain(getattr(found, field)) == _plain(expected[field]), field


def _plain(value: object) -> str:
    """Return a parameter in words, numbers rounded: mean colors are float32."""
    words = repr(value).replace("(", " ").replace(")", " ").replace(",", " ").replace("=", " = ")
    return " ".join(_rounded(word) for word in words.split())


def _rounded(word: str) -> str:
    try:
        return f"{float(word):.5g}"
    except ValueError:
        return word


def test_every_preset_is_in_the_table_but_ones_own() -> None:
    assert set(PRESETS) == {*TABLE, "default"}
    assert all(one.source for one in PRESETS.values())


def test_macos_views_are_crops_that_shrink_and_noise() -> None:
    """Shares from 50 % to 5 % over 256 steps; noise of 0.08 on pixels of -1 to 1 is 0.04 on pixels of 0 to 1."""
    settings = preset("maco", CAFFE)
    assert settings.transforms_at(1) == (Crop((20, 24), 0.5, fill=0.5), Noise(0.04, 0.04))
    shares = [settings.transforms_at(step)[0].share for step in range(1, 257)]  # type: ignore[attr-defined]
    assert np.allclose(shares, np.linspace(0.5, 0.05, 256))


@pytest.mark.parametrize("name", sorted(name for name in PRESETS if "yosinski" not in name))
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_preset_raises_the_feature_it_is_asked_for(name: str, order: str) -> None:
    # Yosinski's constant rates are for activations of Caffe's size, and have their own test below.
    network = planted_network(channel_order=order)
    settings = replace(preset(name, network.input_spec), steps=12, size=(32, 32), views=2)  # type: ignore[arg-type]
    values = [
        float(step.values[0]) for step in ascend(network, [unit(network, "conv1:3")], settings, seeds=[0])
    ]
    assert max(values[-3:]) > 1.05 * values[0]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_gray_networks_have_every_preset(name: str) -> None:
    spec = InputSpec((9, 8), channel_order="GRAY", raw_scale=255.0, mean=(33.0,))
    settings = preset(name, spec)
    parameters = settings.canvas.start(2, 1, (9, 8), generators(0, 1))
    assert settings.canvas.paint(parameters, (9, 8)).shape == (2, 1, 9, 8)


def test_an_unknown_preset_is_answered_with_the_closest() -> None:
    with pytest.raises(InputError, match=r"no preset 'lucit'.*Did you mean 'lucid'"):
        preset("lucit", CAFFE)


def test_displays_bring_out_what_differs_from_the_mean() -> None:
    chance = np.random.default_rng(0)
    away = chance.normal(scale=0.01, size=(1, 3, 20, 20))
    pictures = torch.from_numpy(away + np.array(CENTER).reshape(3, 1, 1))
    shown = Standardized(CENTER)(pictures).numpy()
    assert np.allclose(shown, 0.5 + 0.1 * (away - away.mean()) / away.std(), atol=1e-9)
    stretched = Stretched(CENTER)(pictures).numpy()
    assert np.allclose(stretched, 0.5 + away / (2 * np.abs(away).max()), atol=1e-9)


# The loops of the sources, on the network's own input, in numpy.

UNIT = "fire3/concat:40@7,6"
Gradient = Callable[[Array], tuple[float, Array]]


@pytest.fixture(scope="module")
def squeezenet(shared_data: Path) -> Network:
    network = open_network(shared_data / "caffe" / "squeezenet_v1.1")
    assert network.input_spec is not None
    return Network(network.graph, input_spec=network.input_spec.replace(mean=(104.0, 117.0, 123.0)))


def gradient_of(network: Network, layer: str, index: tuple[int, ...]) -> Gradient:
    """Return the value and input gradient of one unit (channel, row, column), or of a channel's mean (channel,)."""
    forward = network.forward_to([layer])

    def gradient(x: Array) -> tuple[float, Array]:
        eaten = torch.from_numpy(x.astype(np.float32)).requires_grad_()
        value = forward(eaten)[layer][(0, *index)].mean()
        (found,) = torch.autograd.grad(value, eaten)
        return float(value.detach()), found.double().numpy()

    return gradient


def toolbox(x: Array, mean: Array, gradient: Gradient, **of: Any) -> Iterator[Array]:
    """The deep visualization toolbox's loop (Yosinski et al., 2015), by its documentation."""
    step = 0
    while True:
        x = np.minimum(255.0, np.maximum(0.0, x + mean)) - mean
        if step:
            yield x
        _, grad = gradient(x)
        rate = min(of["max_lr"], of["progress"] / (grad**2).sum()) if "progress" in of else of["max_lr"]
        x = (x + rate * grad) * (1 - of.get("decay", 0))
        if "blur" in of and step % 4 == 0:
            x = np.stack([[gaussian_filter(plane, of["blur"]) for plane in x[0]]])
        if "norm" in of:
            norms = np.linalg.norm(x, axis=1, keepdims=True)
            x = np.where(norms < np.percentile(norms, of["norm"]), 0, x)
        if "contribution" in of:
            does = np.abs((grad * -x).sum(1, keepdims=True))
            x = np.where(does < np.percentile(does, of["contribution"]), 0, x)
        step += 1


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("yosinski-1", {"blur": 0.5, "norm": 50, "max_lr": 100.0, "progress": 2.0}),
        ("yosinski-2", {"decay": 0.3, "norm": 20, "max_lr": 100.0}),
        ("yosinski-3", {"decay": 0.0001, "blur": 1.0, "max_lr": 100.0}),
        ("yosinski-4", {"blur": 0.5, "contribution": 90, "max_lr": 1e8, "progress": 2.0}),
    ],
)
def test_yosinskis_presets_agree_step_for_step(
    squeezenet: Network, name: str, recipe: dict[str, Any]
) -> None:
    spec = squeezenet.input_spec
    assert spec is not None
    mean = np.array([104.0, 117.0, 123.0]).reshape(3, 1, 1)
    x, steps = _steps(squeezenet, name, UNIT)
    oracle = toolbox(x, mean, gradient_of(squeezenet, "fire3/concat", (40, 7, 6)), **recipe)
    _compare(spec, steps, oracle)


def notebook(x: Array, gradient: Gradient) -> Iterator[Array]:
    """The loop of "Do filters dream of convolutional cats?", on gray levels fed as they are."""
    while True:
        _, grad = gradient(x)
        grad = grad / (np.sqrt(np.mean(np.square(grad))) + 1e-5)
        x = x + grad * 1.0
        yield x


@pytest.mark.parametrize("name", ["convolutional-cats", "keras-2016"])
def test_the_notebooks_presets_agree_step_for_step(squeezenet: Network, name: str) -> None:
    spec = squeezenet.input_spec
    assert spec is not None
    x, steps = _steps(squeezenet, name, "fire3/concat:40")
    low, high = (118, 138) if name == "keras-2016" else (70, 190)
    assert low <= x.min() < 124 and 131 < x.max() <= high
    _compare(spec, steps, notebook(x, gradient_of(squeezenet, "fire3/concat", (40,))))


def lecture(x: Array, gradient: Gradient) -> Iterator[Array]:
    """The lecture's loop with its three effects: decay, blur, and small values set to zero."""
    step = 0
    while True:
        _, grad = gradient(x)
        x = (x + grad / (np.abs(grad).max() + 1e-8)) * 0.95
        if step % 5 == 0:
            x = np.stack([[gaussian_filter(plane, 1.0) for plane in x[0]]])
        x = np.where(np.abs(x) < np.percentile(np.abs(x), 5), 0, x)
        step += 1
        yield x


def test_the_lectures_preset_agrees_step_for_step(squeezenet: Network) -> None:
    spec = squeezenet.input_spec
    assert spec is not None
    x, steps = _steps(squeezenet, "cadl-gradient", "fire3/concat:40")
    _compare(spec, steps, lecture(x, gradient_of(squeezenet, "fire3/concat", (40,))))


def _lucids(parameters: torch.Tensor) -> torch.Tensor:
    """lucid's picture of a spectrum, 32 x 32: scaled waves, ImageNet's colors, a sigmoid."""
    rows, columns = np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[:17]
    scale = 32 / np.maximum(np.sqrt(rows**2 + columns**2), 1 / 32)
    waves = torch.complex(parameters[..., 0], parameters[..., 1]) * torch.from_numpy(scale).float()
    return _recolored(torch.fft.irfft2(waves) / 4)


def _macos(phases: torch.Tensor) -> torch.Tensor:
    """MACO's picture of phases, 33 x 33, where the law's magnitudes replace ImageNet's."""
    phases = (phases - phases.mean()) / (phases.std(correction=0) + 1e-5)
    column = torch.cat([torch.zeros(1, 3, 1), phases[..., 1:17, 0], -phases[..., 1:17, 0].flip(2)], 2)
    phases = torch.cat([column[..., None], phases[..., 1:]], 3)
    rows, columns = np.fft.fftfreq(33)[:, None], np.fft.rfftfreq(33)
    speed = np.sqrt(rows**2 + columns**2)
    speed[0, 0] = np.inf
    magnitudes = torch.from_numpy(speed**-1.1).float()
    values = torch.fft.irfft2(torch.complex(phases.cos() * magnitudes, phases.sin() * magnitudes), s=(33, 33))
    values = values - values.mean()
    return _recolored(values / values.std(correction=0))


def _recolored(values: torch.Tensor) -> torch.Tensor:
    matrix = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    mixing = matrix / matrix.norm(dim=0).max()
    return torch.einsum("dc,nchw->ndhw", mixing, values).sigmoid()


@pytest.mark.parametrize(("name", "size"), [("lucid", 32), ("maco", 33)])
def test_lucid_and_maco_agree_step_for_step(name: str, size: int) -> None:
    """The published parameterizations, torch's optimizers, and the preset's own transforms with the same chances."""
    network = planted_network()
    assert network.input_spec is not None
    settings = replace(preset(name, network.input_spec), size=(size, size), views=1)
    climb = ascend(network, [unit(network, "conv2:1")], settings, seeds=[5])
    steps = [step.pictures() for step, _ in zip(climb, range(5), strict=False)]
    chance = generators(5)
    (parameters,) = settings.canvas.start(1, 3, (size, size), chance)
    parameters.requires_grad_()
    paint = _lucids if name == "lucid" else _macos
    optimizer: torch.optim.Optimizer = torch.optim.Adam([parameters], lr=0.05, maximize=True)
    if name == "maco":
        optimizer = torch.optim.NAdam([parameters], lr=1.0, eps=1e-7, maximize=True)
    forward = network.forward_to(["conv2"])
    for number, pictures in enumerate(steps, start=1):
        seen = paint(parameters)
        for transform in settings.transforms_at(number):
            seen = transform(seen, chance)
        optimizer.zero_grad()
        forward(network.input_spec.from_rgb(seen))["conv2"][0, 1].mean().backward()
        optimizer.step()
        assert (paint(parameters.detach()) - pictures).abs().max() < 1e-4


def _steps(network: Network, name: str, address: str) -> tuple[Array, list[torch.Tensor]]:
    """Return the network's input before the first of five steps, and the pictures after each."""
    spec = network.input_spec
    assert spec is not None
    settings = replace(preset(name, spec), size=(64, 64))
    noise = settings.canvas.start(1, 3, (64, 64), generators(3))
    x = spec.from_rgb(settings.canvas.paint(noise, (64, 64))).double().numpy()
    climb = ascend(network, [unit(network, address)], settings, seeds=[3])
    return x, [step.pictures() for step, _ in zip(climb, range(5), strict=False)]


def _compare(spec: InputSpec, steps: list[torch.Tensor], oracle: Iterator[Array]) -> None:
    for pictures, expected in zip(steps, oracle, strict=False):
        wanted = spec.to_rgb(torch.from_numpy(expected)).numpy()
        assert np.abs(pictures.numpy() - wanted).max() < 1e-5
    assert (steps[-1] - steps[0]).abs().max() > 1e-3
