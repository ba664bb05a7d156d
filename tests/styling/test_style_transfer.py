"""Style transfers as people ask for them: what is chosen for a network, what comes out, what goes wrong in words."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from convscope import open_network
from convscope.errors import ConvscopeWarning, InputError, PictureError, UnknownLayer
from convscope.jobs import JobCheckpoint, checkpoint_of, run_job, saved_steps
from convscope.network.network import Network
from convscope.network.rewriting import rewritten, with_average_pooling, with_edges
from convscope.optimization.optimizers import LBFGS
from convscope.rerunning import rerun
from convscope.styling.colors import in_the_styles_colors, matched
from convscope.styling.presets import STYLE_PRESETS
from convscope.styling.scales import Restyling, carried
from convscope.styling.settings import StyleSettings
from convscope.styling.steps import StyleStep, style_steps
from convscope.styling.style_transfer import StyleTransfer, style_transfer, transfer_of
from convscope.styling.targets import Style, require_accepted, targets_of
from planted import planted_files, planted_network

LAYERS = {"content_layers": "conv2", "style_layers": ["conv1", "conv2"], "steps": 4}


def picture(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    coarse = np.random.default_rng(seed).random((height // 8, width // 8, 3))
    return np.kron(coarse, np.ones((8, 8, 1))).astype(np.float32)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return open_network(planted_files(tmp_path / "planted"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    paths = [tmp_path / "content.png", tmp_path / "style.png"]
    for seed, path in enumerate(paths):
        Image.fromarray((picture(seed) * 255).astype(np.uint8)).save(path)
    return str(paths[0]), str(paths[1])


def test_the_losses_shrink_and_the_recipe_makes_the_same_picture(
    network: Network, files: tuple[str, str]
) -> None:
    made = transfer_of(network, *files, changes=LAYERS | {"steps": 20})
    losses = [step.total for step in made.restyling.steps()]
    assert losses[-1] < 0.5 * losses[0]
    first = style_transfer(network, *files, changes=LAYERS)
    again = rerun(first.recipe)
    assert np.array_equal(first.array, again.array)
    assert "content from conv2, style from conv1, conv2; 4 of 4 steps" in first.caption


def test_half_precision_ends_nearly_as_well(network: Network, files: tuple[str, str]) -> None:
    changes = LAYERS | {"steps": 20}
    exact = transfer_of(network, *files, changes=changes)
    fast = transfer_of(network, *files, changes=changes, fast=True)
    wanted, found = ([step.total for step in made.restyling.steps()] for made in (exact, fast))
    assert found[-1] < 1.1 * wanted[-1]


def test_coarse_to_fine_carries_picture_and_optimizer_up(network: Network) -> None:
    changes = LAYERS | {"coarsest": 20}
    made = transfer_of(network, picture(0), picture(1), changes=changes)
    steps = [*made.restyling.steps()]
    assert [step.size for step in steps] == [(20, 24)] * 4 + [(40, 48)] * 4
    assert [step.index for step in steps] == [*range(1, 9)]
    assert float(steps[-1].optimizer_state["step"]) == 8
    assert steps[-1].optimizer_state["m0"].shape == (1, 3, 40, 48)


def test_moments_carried_up_are_those_of_the_larger_picture_s_gradients(network: Network) -> None:
    # Gentle weights: under the default's the gradients themselves fall a lot in 30 steps, and the moments remember.
    weights = {"style_weight": 1.0, "smoothness_weight": 2.0}
    changes = LAYERS | weights | {"coarsest": 20, "steps": 30}
    made = transfer_of(network, picture(0), picture(1), changes=changes)
    run = replace(made.restyling, content=made.content)  # the gradients fall less from its own colors on
    (last,) = deque(islice(run.steps(), 30), maxlen=1)
    values, state = carried(last.result, last.optimizer_state, (40, 48), run.settings)
    assert state is not None
    _, slope = targets_of(network, run.content, run.styles, run.settings).gradient(values)
    squares = state["v0"] / (1 - 0.99**30)
    assert 0.2 < float(squares.mean() / slope.square().mean()) < 5


@pytest.mark.parametrize("stopped", [3, 4, 6])
def test_a_run_that_was_stopped_goes_on_with_the_same_steps(
    network: Network, tmp_path: Path, stopped: int
) -> None:
    made = transfer_of(network, picture(0), picture(1), changes=LAYERS | {"coarsest": 20})
    undisturbed = deque(made.restyling.steps(), maxlen=1)[0]
    (step,) = deque(islice(made.restyling.steps(), stopped), maxlen=1)
    checkpoint = JobCheckpoint(tmp_path / "state")
    checkpoint.save(step.state())
    resumed = [*made.restyling.steps(checkpoint.load())]
    assert [one.index for one in resumed] == [*range(stopped + 1, 9)]
    assert torch.equal(resumed[-1].picture(), undisturbed.picture())


def test_an_interrupted_run_is_kept_and_forgotten_when_it_ends(
    network: Network, files, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    made = transfer_of(network, *files, changes=LAYERS)
    recipe = style_transfer(network, *files, changes=LAYERS).recipe
    with pytest.warns(
        ConvscopeWarning, match=r"no interrupted run of .*content\.png .*starts from the beginning"
    ):
        half = run_job(made, stop_at(2), resume=True)
    assert half.interrupted and half.step.index == 2 and half.checkpoint.path.is_file()
    assert half.checkpoint == checkpoint_of(recipe, network)
    indices = list[int]()
    whole = run_job(made, lambda step: indices.append(step.index), resume=True)
    assert indices == [3, 4] and not whole.interrupted
    assert np.array_equal(whole.picture.array, style_transfer(network, *files, changes=LAYERS).array)
    assert whole.checkpoint.path.is_file()  # until what else was asked for is written
    whole.checkpoint.forget()
    steps = saved_steps(made.steps(), whole.checkpoint)
    assert [next(steps).index for _ in range(4)][-1] == 4
    steps.close()  # after its last step: there is nothing to go on with
    assert not whole.checkpoint.path.exists()


def test_a_step_that_the_next_one_has_changed_is_not_saved(network: Network, files) -> None:
    steps = transfer_of(network, *files, changes=LAYERS).steps()
    first = next(steps)
    assert first.state() is not None
    next(steps)
    assert first.state() is None


def test_a_run_goes_on_in_other_tiles_and_not_with_other_weights(network: Network, files) -> None:
    recipe = style_transfer(network, *files, changes=LAYERS | {"steps": 1}).recipe
    tiled = replace(recipe, arguments={**recipe.arguments, "tile": 32})
    other = replace(recipe, arguments={**recipe.arguments, "keep_colors": True})
    kept = [checkpoint_of(one, network) for one in (tiled, recipe, other)]
    assert kept[0] == kept[1] != kept[2]


def stop_at(index: int) -> Callable[[StyleStep], None]:
    """Return a watcher that is interrupted at a step."""

    def watch(step: StyleStep) -> None:
        if step.index == index:
            raise KeyboardInterrupt

    return watch


def begun(made: StyleTransfer) -> np.ndarray:
    """Return the picture that a transfer starts from: that of its first step, with a rate that moves nothing."""
    return next(made.restyling.steps()).picture()[0].movedim(0, -1).numpy()


STILL = LAYERS | {"rate": 1e-30}


COUNTED = pytest.mark.filterwarnings("ignore:the preset's weights are for a network that answers")


@COUNTED
@pytest.mark.filterwarnings("ignore:the preset keras keeps its source's numbers")
def test_keras_s_steps_are_not_too_long_elsewhere() -> None:
    """At its source's rate, for VGG, the second step is 10,000 times above the first."""
    made = transfer_of(open_network("builtin"), "chelsea", "coffee", preset="keras", size=64, steps=4)
    totals = [step.total for step in made.steps()]
    assert totals == sorted(totals, reverse=True)


@COUNTED
@pytest.mark.parametrize("preset", ["default", "gatys"])  # values in 0..1, and in 0..255
def test_every_start(network: Network, preset: str) -> None:
    def started(start: object, seed: int = 0) -> np.ndarray:
        made = transfer_of(
            network, picture(0), picture(1), preset=preset, size=48, start=start, changes=STILL, seed=seed
        )
        return begun(made)

    content, painting = (torch.from_numpy(picture(seed)).movedim(-1, 0)[None] for seed in (0, 1))
    recolored = in_the_styles_colors(content, [Style(painting)]) if preset == "default" else content
    assert np.allclose(started("content"), recolored[0].movedim(0, -1), atol=1e-5)
    assert np.allclose(started("style"), picture(1), atol=1e-5)
    assert np.allclose(started("gray"), 0.5, atol=1e-5)
    # This network's mean color is black, so half of the noise is cut off: the mean of the rest is known.
    assert started("noise").mean() == pytest.approx(0.1 / np.sqrt(2 * np.pi), rel=0.05)
    assert not np.array_equal(started("noise", seed=1), started("noise"))
    other = picture(2)
    for given in (other, torch.from_numpy(other), torch.from_numpy(other).movedim(-1, 0)[None]):
        assert np.allclose(started(given), other, atol=1e-5)
    image = Image.fromarray((other * 255).round().astype(np.uint8))
    assert np.allclose(started(image), other, atol=0.01)
    with pytest.raises(
        InputError, match=r"Did you mean 'noise'.* Possible: content, noise, style, gray, a pict"
    ):
        started("nois")
    with pytest.raises(PictureError, match=r"no picture 'nois\.png'"):
        started("nois.png")


def test_a_larger_style_scale_looks_at_a_larger_style_picture(network: Network) -> None:
    def looked_at(scale: float) -> tuple[int, ...]:
        made = transfer_of(network, picture(0), picture(1, 80, 96), changes=LAYERS | {"style_scale": scale})
        _, (style,) = made.restyling._at((40, 48))
        return tuple(style.picture.shape[2:])

    assert [looked_at(scale) for scale in (0.5, 1.0, 1.5, 9.0)] == [(20, 24), (40, 48), (60, 72), (80, 96)]
    half, whole = (
        style_transfer(network, picture(0), picture(1), changes=LAYERS | {"style_scale": scale}).array
        for scale in (0.5, 1.0)
    )
    assert np.abs(half.astype(int) - whole).max() > 2


def test_several_styles_by_weight_and_by_region(network: Network) -> None:
    content, styles = picture(0), [picture(1), picture(2)]
    alone = style_transfer(network, content, styles[0], changes=LAYERS)
    left = np.zeros((40, 48))
    left[:, :24] = 1
    halves = style_transfer(network, content, styles, regions=[left, 1 - left], changes=LAYERS)
    assert not np.array_equal(alone.array, halves.array)
    same = style_transfer(network, content, [styles[0], styles[0]], changes=LAYERS)
    assert np.abs(same.array.astype(int) - alone.array).max() <= 1
    with pytest.raises(InputError, match="regions given: 1, for styles: 2"):
        style_transfer(network, content, styles, regions=[left], changes=LAYERS)
    with pytest.raises(InputError, match="one of the regions is black everywhere"):
        style_transfer(network, content, styles, regions=[left, 0 * left], changes=LAYERS)


def test_a_style_counts_only_in_its_region(network: Network) -> None:
    region = np.zeros((40, 48))
    region[:, :16] = 1
    changes = LAYERS | {"content_weight": 0.0, "smoothness_weight": 0.0, "style_layers": "conv1"}
    (content, made) = (
        picture(0),
        style_transfer(network, picture(0), picture(1), regions=[region], changes=changes),
    )
    moved = np.abs(made.array / 255.0 - content).max(axis=2)
    assert moved[:, :16].max() > 0.02
    assert moved[:, 20:].max() < 0.01  # the filters of conv1 reach 2 pixels over the region


def test_kept_colors_are_the_content_s_and_matched_ones_the_style_s_before(network: Network) -> None:
    middle = picture(0) * 0.2 + 0.4
    kept = style_transfer(network, middle, picture(1), keep_colors=True, changes=LAYERS)
    moved = kept.array / 255.0 - middle
    assert np.abs(moved).max() > 0.02
    assert np.ptp(moved, axis=2).max() < 1.01 / 255
    style, content = (torch.from_numpy(picture(seed)).movedim(-1, 0)[None] * 0.4 + 0.3 for seed in (1, 0))
    found = matched(style, content)
    assert torch.allclose(found.mean((2, 3)), content.mean((2, 3)), atol=1e-3)
    covariances = [np.cov(one[0].flatten(1).numpy()) for one in (found, content)]
    assert np.allclose(*covariances, atol=1e-3)
    with pytest.raises(InputError, match="two ways to the content's colors: give one"):
        style_transfer(network, middle, middle, keep_colors=True, match_colors=True, changes=LAYERS)


@COUNTED
def test_the_content_gets_the_styles_colors_first(network: Network) -> None:
    content, painting = (torch.from_numpy(picture(seed)).movedim(-1, 0)[None] * 0.4 + 0.3 for seed in (0, 1))
    gray = painting.mean(1, keepdim=True).expand(1, 3, -1, -1)
    recolored = in_the_styles_colors(content, [Style(painting)])
    covariances = [np.cov(one[0].flatten(1).numpy()) for one in (recolored, painting)]
    assert torch.allclose(recolored.mean((2, 3)), painting.mean((2, 3)), atol=1e-3)
    assert np.allclose(*covariances, atol=2e-3)
    assert float(in_the_styles_colors(content, [Style(gray)]).std(1).max()) < 1e-5
    plain = torch.full_like(content, 0.5)
    assert torch.allclose(in_the_styles_colors(content, [Style(plain)]), content)
    left = torch.zeros(1, 1, 40, 48)
    left[..., :24] = 1
    half = in_the_styles_colors(content, [Style(gray, region=left)])
    assert float(half[..., :24].std(1).max()) < 1e-4 and torch.allclose(half[..., 24:], content[..., 24:])
    faint = in_the_styles_colors(
        content.mean(1, keepdim=True) + torch.randn(content.shape) * 2e-3, [Style(painting)]
    )
    assert (
        float((faint - faint.mean((2, 3), keepdim=True)).std(1).mean()) < 0.1
    )  # a gray picture's noise is no color
    made = transfer_of(network, picture(0), picture(1), changes=LAYERS)
    assert torch.allclose(made.restyling.content, in_the_styles_colors(made.content, made.restyling.styles))
    of_a_source = transfer_of(network, picture(0), picture(1), preset="gatys", changes=LAYERS)
    assert torch.equal(of_a_source.restyling.content, of_a_source.content)


def test_frames_are_srgb_whatever_the_content_s_profile(network: Network, tmp_path: Path) -> None:
    """In the profile red and blue are exchanged, so the picture's first channel is the frame's last."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, blue = (profile.index(name) for name in (b"rXYZ", b"bXYZ"))
    profile = profile[:red] + b"bXYZ" + profile[red + 4 : blue] + b"rXYZ" + profile[blue + 4 :]
    content = tmp_path / "content.png"
    Image.fromarray((picture(0) * 255).astype(np.uint8)).save(content, icc_profile=profile)
    made = transfer_of(network, content, picture(1), changes=LAYERS)
    (step,) = deque(made.steps(), maxlen=1)
    kept, frame = made.picture(step), made.frame(step).astype(int)
    assert kept.profile == profile
    assert np.abs(frame[:, :, ::-1] - kept.array).mean() < 2 < 20 < np.abs(frame - kept.array).mean()


def test_what_is_transparent_stays_so(network: Network, tmp_path: Path) -> None:
    alpha = np.full((40, 48, 1), 255, np.uint8)
    alpha[:10] = 0
    Image.fromarray(np.concatenate([(picture(0) * 255).astype(np.uint8), alpha], axis=2)).save(
        tmp_path / "a.png"
    )
    made = style_transfer(network, tmp_path / "a.png", picture(1), changes=LAYERS)
    assert made.array.shape == (40, 48, 4)
    assert np.array_equal(made.array[:, :, 3:], alpha)


def test_average_pooling_and_edges_are_the_operations_they_stand_for() -> None:
    network, value = planted_network(), torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    conv1 = network.activations(value, "conv1")["conv1"]
    averaged = rewritten(network, with_average_pooling).activations(value, "pool1")["pool1"]
    assert torch.allclose(averaged, torch.nn.functional.avg_pool2d(conv1, 2), atol=1e-6)
    weight, bias = (network.parameters[f"conv1.{role}"] for role in ("weight", "bias"))
    for mode in ("reflect", "replicate"):
        edged = rewritten(network, with_edges(network, mode, first_only=True)).activations(value, "conv1")[
            "conv1"
        ]
        expected = torch.nn.functional.conv2d(
            torch.nn.functional.pad(value, (2, 2, 2, 2), mode), weight, bias
        )
        assert torch.allclose(edged, expected.relu(), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pooling": "mean"}, "Possible: as it is, average"),
        ({"edges": "mirror"}, "Possible: zeros, reflect, replicate"),
        ({"coarsest": 0}, "the coarsest size is a number of pixels from 1 on, not 0"),
        ({"rate": -1}, "rate is a number above 0, not -1"),
        ({"style_layers": {"conv1": -1}}, "the weight of conv1 is a number from 0 on"),
        ({"style_wight": 1.0}, "Did you mean 'style_weight'"),
        ({"optimizer": "sgd"}, "Possible: adam, lbfgs"),
        ({"style_layers": "scores"}, "has no maps"),
        ({"content_weight": 0, "style_weight": 0}, "nothing would be asked"),
    ],
)
def test_what_cannot_be_is_answered_with_what_to_change(network: Network, changes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        style_transfer(network, picture(0, 32, 32), picture(1, 32, 32), changes=LAYERS | changes)


@COUNTED
def test_more_of_what_cannot_be(network: Network) -> None:
    with pytest.raises(UnknownLayer, match="conv2"):
        style_transfer(network, picture(0), picture(1), changes={"style_layers": "conv3"})
    with pytest.raises(InputError, match="use a smaller rate"):
        changes = LAYERS | {"rate": 1e9, "smoothness_weight": 0}
        style_transfer(network, picture(0), picture(1), preset="lecture", changes=changes)
    with pytest.raises(InputError, match=r"step of rate 2 goes past .* \(the preset's is 0.02\)"):
        transfer_of(network, picture(0), picture(1), changes=LAYERS | {"rate": 2})  # before the first step
    with pytest.raises(InputError, match="nothing changes the losses"):
        style_transfer(
            network, picture(0), picture(0), preset="lecture", changes=LAYERS | {"smoothness_weight": 0}
        )
    small, bright = torch.rand(1, 3, 9, 9), Style(torch.rand(1, 3, 9, 9) * 255)
    settings = STYLE_PRESETS["default"].settings
    with pytest.raises(InputError, match=r"the content picture holds .* divide 0\.\.255 by 255"):
        Restyling(network, bright.picture, [Style(small)], settings)
    with pytest.raises(InputError, match=r"the style picture holds .* divide 0\.\.255 by 255"):
        Restyling(network, small, [Style(small), bright], settings)
    for stop_after in (0, -1):
        with pytest.raises(InputError, match=f"stop_after is a step from 1 on, not {stop_after}"):
            style_transfer(network, picture(0), picture(1), changes=LAYERS, stop_after=stop_after)
    with pytest.raises(InputError, match="from 1 on, not 0"):
        style_transfer(network, picture(0), picture(1), changes=LAYERS, size=0)
    with pytest.warns(ConvscopeWarning, match="of one color"):
        style_transfer(network, picture(0), np.full((40, 48, 3), 0.5), changes=LAYERS)
    with pytest.warns(ConvscopeWarning, match="did not become smaller .* use a larger rate"):
        style_transfer(network, picture(0), picture(1), changes=LAYERS | {"rate": 1e-30})
    with pytest.warns(ConvscopeWarning, match="did not become smaller .* use a smaller rate"):
        style_transfer(network, picture(0), picture(1), changes=LAYERS | {"rate": 1.0})


@pytest.mark.parametrize(("what", "larger"), [("content", r"size \(or coarsest\)"), ("style", "picture")])
def test_what_a_network_does_not_take_is_told_what_to_make_larger(what: str, larger: str) -> None:
    batch = SimpleNamespace(accepts=lambda size: False, network=planted_network(), layers=["conv1"])
    with pytest.raises(InputError, match=f"the {what} picture of 1 x 64 pixels .*: use a larger {larger},"):
        require_accepted(batch, torch.zeros(1, 3, 1, 64), what)


@COUNTED
def test_weights_for_another_network_are_noted_before_they_only_blur_the_picture(network: Network) -> None:
    def made(**changes: float) -> None:
        style_transfer(network, picture(0), picture(1), preset="lecture", changes=LAYERS | changes)

    with pytest.warns(ConvscopeWarning, match="use the preset default, or a style_weight of") as noted:
        made(style_weight=1e-13)
    (weight,) = (
        float(str(one.message).split("style_weight of ")[1].split()[0])
        for one in noted
        if "style_weight of" in str(one.message)
    )
    made(style_weight=weight)


def test_broken_weights_are_named(network: Network) -> None:
    broken = network.with_parameters({"conv1.bias": torch.full((8,), torch.inf)})
    with pytest.raises(
        InputError, match="with NaN or infinity: its weights are broken; open it with other weights"
    ):
        style_transfer(broken, picture(0), picture(1), changes=LAYERS)


def test_a_leap_that_comes_back_at_the_next_step_is_no_end() -> None:
    # L-BFGS without a line search leaps now and then: neural-style's preset on VGG16, 5e4 times the loss at step 4.
    told = iter([1.0, 1e9, 0.5, *[1e9] * 9, 0.4, *[1e9] * 10])
    settings = StyleSettings(content_layers={"conv1": 1.0}, style_layers={"conv1": 1.0}, optimizer=LBFGS())
    targets = SimpleNamespace(
        settings=settings,
        gradient=lambda values: ({"style": torch.tensor(next(told))}, torch.ones_like(values)),
    )
    steps = style_steps(targets, torch.zeros(1, 3, 4, 4), 40)  # type: ignore[arg-type]
    assert len([*islice(steps, 22)]) == 22
    with pytest.raises(InputError, match=r"at step 23 the loss is 1e\+09, from 1 at the start: use a small"):
        next(steps)
